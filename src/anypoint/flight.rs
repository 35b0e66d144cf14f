//! One call at a time for something that many want: a token, a list of names.
//!
//! Guarantee: those who arrive while a call is under way share its answer, good or bad; a failure is
//! given to nobody who arrives after it. A caller that goes away hands the work to the next one.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// The place where callers meet.
pub(super) struct SharedFlight<T, E> {
    landed: AtomicU64,
    last: Mutex<Option<(u64, Result<T, E>)>>,
}

impl<T: Clone, E: Clone> SharedFlight<T, E> {
    pub(super) fn new() -> Self {
        Self { landed: AtomicU64::new(0), last: Mutex::new(None) }
    }

    /// Makes the call, or takes the answer of one that was under way on arrival.
    pub(super) async fn fly(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let landed_before = self.landed.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        if let Some((number, answer)) = &*last
            && *number > landed_before
        {
            return answer.clone();
        }
        let answer = call.await;
        let number = self.landed.fetch_add(1, Ordering::AcqRel) + 1;
        *last = Some((number, answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_who_wait_share_an_answer_and_later_ones_do_not() {
        let flight: SharedFlight<u64, u64> = SharedFlight::new();
        let calls = AtomicU64::new(0);
        let fail = || {
            flight.fly(async {
                tokio::task::yield_now().await;
                Err(calls.fetch_add(1, Ordering::Relaxed))
            })
        };
        assert_eq!(tokio::join!(fail(), fail(), fail()), (Err(0), Err(0), Err(0)));
        assert_eq!(fail().await, Err(1));
    }
}
