//! Duplicates and reordering, which both SNS and EventBridge may bring.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The order in which held messages are let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they came.
    AsSent,
    /// The last one first.
    Reversed,
    /// By chance, drawn from this seed.
    Shuffled(u64),
}

/// What stands between publishing and delivering.
#[derive(Debug)]
pub(crate) struct Outbox<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    held: Option<Vec<T>>,
    copies: usize,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self(Mutex::new(State { held: None, copies: 1 }))
    }
}

impl<T: Clone> Outbox<T> {
    /// What is to be delivered now.
    pub(crate) fn put(&self, message: T) -> Vec<T> {
        let mut state = self.state();
        match &mut state.held {
            Some(held) => {
                held.push(message);
                Vec::new()
            }
            None => vec![message; state.copies],
        }
    }

    pub(crate) fn set_copies(&self, copies: usize) {
        self.state().copies = copies;
    }

    pub(crate) fn hold(&self) {
        self.state().held.get_or_insert_default();
    }

    pub(crate) fn release(&self, order: Order) -> Vec<T> {
        let mut state = self.state();
        let copies = state.copies;
        let mut held: Vec<T> = state
            .held
            .take()
            .unwrap_or_default()
            .into_iter()
            .flat_map(|message| vec![message; copies])
            .collect();
        match order {
            Order::AsSent => {}
            Order::Reversed => held.reverse(),
            Order::Shuffled(seed) => fastrand::Rng::with_seed(seed).shuffle(&mut held),
        }
        held
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
