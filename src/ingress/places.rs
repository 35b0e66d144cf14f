//! How many requests are worked on at once, and how much memory their bodies take.
//!
//! Guarantees: never more requests than there are places, and never more bytes in their bodies than the
//! budget allows, whatever arrives. When either runs out, a request whose sender is not proved yet makes
//! room, the oldest first: it waits for its own body, a certificate or an issuer's keys, so neither bodies that
//! never end nor a certificate that never comes keep out a sender who proves himself at once. Whoever is proved keeps
//! his place to the end of the request.
//!
//! Does not guarantee a place to a sender whose proof takes longer than it takes as many others to arrive:
//! he is told 503, like a newcomer when everybody is proved, and sends again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

use crate::config::Limits;
use crate::http::{ErrorCode, Problem};

/// For all bodies together: ten thousand notifications as AWS sends them, or 32 of the largest.
const BODIES: usize = 32 * 1024 * 1024;

/// The places; clones are the same ones.
#[derive(Clone)]
pub(super) struct Places(Arc<Inner>);

struct Inner {
    requests: usize,
    bytes: usize,
    state: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    /// Those that have a place, the oldest first.
    requests: BTreeMap<u64, Holder>,
    /// In the bodies of all of them.
    bytes: usize,
}

struct Holder {
    bytes: usize,
    /// Tells an unproved request that it has lost its place.
    lost: Option<CancellationToken>,
}

impl Places {
    pub(super) fn new(limits: &Limits) -> Self {
        // The buffer of a body may be twice as large as the body, and one body must always fit.
        let bytes = BODIES.max(2 * limits.body_bytes);
        Self(Arc::new(Inner { requests: limits.concurrency, bytes, state: Mutex::default() }))
    }

    /// A place, if need be that of the oldest request that is not proved yet.
    fn enter(&self) -> Option<Place> {
        let mut taken = self.0.taken();
        if taken.requests.len() >= self.0.requests && !taken.make_room() {
            return None;
        }
        let (number, lost) = (taken.next, CancellationToken::new());
        taken.next += 1;
        taken.requests.insert(number, Holder { bytes: 0, lost: Some(lost.clone()) });
        Some(Place(Arc::new(Seat { places: Arc::clone(&self.0), number, lost })))
    }
}

impl Inner {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes the place of the oldest request that is not proved; false if there is none.
    fn make_room(&mut self) -> bool {
        let unproved = self.requests.iter().find(|(_, holder)| holder.lost.is_some());
        let Some(number) = unproved.map(|(number, _)| *number) else { return false };
        self.leave(number);
        true
    }

    fn leave(&mut self, number: u64) {
        let Some(holder) = self.requests.remove(&number) else { return };
        self.bytes -= holder.bytes;
        if let Some(lost) = holder.lost {
            lost.cancel();
        }
    }
}

/// The place of one request; clones are the same one. It is free again when the last clone is gone.
#[derive(Clone)]
pub(super) struct Place(Arc<Seat>);

struct Seat {
    places: Arc<Inner>,
    number: u64,
    lost: CancellationToken,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.places.taken().leave(self.number);
    }
}

impl Place {
    /// Its body takes this much memory now.
    pub(super) fn holds(&self, bytes: usize) -> Result<(), Problem> {
        let mut taken = self.0.places.taken();
        let holder = taken.requests.get_mut(&self.0.number).ok_or_else(overloaded)?;
        let before = std::mem::replace(&mut holder.bytes, bytes);
        taken.bytes = taken.bytes - before + bytes;
        while taken.bytes > self.0.places.bytes && taken.make_room() {}
        if taken.requests.contains_key(&self.0.number) { Ok(()) } else { Err(overloaded()) }
    }

    /// The sender is proved: from here on the place is the request's own.
    pub(super) fn keep(&self) -> Result<(), Problem> {
        let mut taken = self.0.places.taken();
        taken.requests.get_mut(&self.0.number).ok_or_else(overloaded)?.lost = None;
        Ok(())
    }
}

/// Lets a request on with a place, for as long as it has it.
pub(super) async fn pass<F: Future<Output = Response>>(
    places: &Places,
    next: impl FnOnce(Place) -> F,
) -> Response {
    let Some(place) = places.enter() else { return overloaded().into_response() };
    let lost = place.0.lost.clone();
    tokio::select! {
        // First the answer: who is done has lost nothing.
        biased;
        response = next(place) => response,
        () = lost.cancelled() => overloaded().into_response(),
    }
}

fn overloaded() -> Problem {
    Problem::new(ErrorCode::Overloaded, "send it again in a moment")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn places(concurrency: usize) -> Places {
        Places::new(&Limits {
            body_bytes: 1024,
            request_timeout: Duration::from_secs(4),
            concurrency,
            failed_attempts: 30,
            trusted_proxies: Vec::new(),
        })
    }

    fn is_lost(place: &Place) -> bool {
        place.0.lost.is_cancelled()
    }

    #[test]
    fn the_oldest_that_is_not_proved_makes_room_for_a_newcomer() {
        let places = places(3);
        let [oldest, second, third] = [(); 3].map(|()| places.enter().unwrap());
        oldest.keep().unwrap();
        let newcomer = places.enter().unwrap();
        assert!(is_lost(&second) && !is_lost(&third));
        assert!(second.keep().is_err() && second.holds(1).is_err());
        third.keep().unwrap();
        newcomer.keep().unwrap();
        assert!(places.enter().is_none(), "everybody is proved");
        assert!(![&oldest, &third, &newcomer].into_iter().any(is_lost));
        drop(oldest);
        assert!(places.enter().is_some());
    }

    #[test]
    fn who_is_done_frees_a_place_and_its_memory_once() {
        let places = places(2);
        let (first, second) = (places.enter().unwrap(), places.enter().unwrap());
        first.holds(1000).unwrap();
        first.holds(3000).unwrap();
        let third = places.enter().unwrap();
        assert!(is_lost(&first));
        assert_eq!(places.0.taken().bytes, 0);
        drop((first, second, third));
        let taken = places.0.taken();
        assert!(taken.requests.is_empty() && taken.bytes == 0);
    }

    #[test]
    fn bodies_that_take_too_much_together_cost_the_oldest_its_place() {
        let places = places(8);
        let (oldest, proved, last) =
            (places.enter().unwrap(), places.enter().unwrap(), places.enter().unwrap());
        proved.keep().unwrap();
        oldest.holds(BODIES / 2).unwrap();
        proved.holds(BODIES / 2).unwrap();
        last.holds(1).unwrap();
        assert!(is_lost(&oldest));
        assert!(last.holds(BODIES / 2 + 1).is_err(), "there is nobody else to make room");
        assert!(is_lost(&last));
        assert_eq!(places.0.taken().bytes, BODIES / 2);
    }
}
