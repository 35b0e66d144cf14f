//! Our last write to an application, for platforms that show no version.
//!
//! Just after a write such a platform may go on showing the state from before it. What is shown is taken
//! for the state after the write once something else than rest was seen since, or once the time is over
//! that the configuration allows for that (`settle`).
//!
//! Does not guarantee: anything after a restart of the relay, which forgets this. Then what is shown is
//! believed, and the outcome says `accepted`, as it does on these platforms anyway.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::Receipt;
use crate::sync::ports::Stage;

/// The last write of this process, if there was one.
#[derive(Default)]
pub(super) struct Sent(Mutex<Option<Last>>);

struct Last {
    receipt: Receipt,
    at: Instant,
    /// It was seen on its way since.
    moved: bool,
}

impl Sent {
    /// A write was sent; `answer` is the stage that its answer shows.
    pub(super) fn note(&self, receipt: Receipt, at: Instant, answer: Option<&Stage>) {
        *self.lock() = Some(Last { receipt, at, moved: answer == Some(&Stage::Rolling) });
    }

    /// It is on its way.
    pub(super) fn moves(&self) {
        if let Some(last) = &mut *self.lock() {
            last.moved = true;
        }
    }

    /// What was written.
    pub(super) fn receipt(&self) -> Option<Receipt> {
        self.lock().as_ref().map(|last| last.receipt.clone())
    }

    /// The stage behind what is shown.
    pub(super) fn stage(&self, shown: Stage, now: Instant, settle: Duration) -> Stage {
        if shown == Stage::Rolling {
            self.moves();
            return shown;
        }
        let at_rest = matches!(shown, Stage::Settled | Stage::Failed(_));
        let from_before =
            |last: &Last| !last.moved && now.saturating_duration_since(last.at) < settle && at_rest;
        if self.lock().as_ref().is_some_and(from_before) { Stage::Rolling } else { shown }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{Stamp, Wanted};

    const SETTLE: Duration = Duration::from_secs(30);

    fn sent(answer: Option<&Stage>) -> (Sent, Instant) {
        let wanted = Wanted { versions: BTreeMap::new(), mapping: "m".to_owned() };
        let (sent, now) = (Sent::default(), Instant::now());
        sent.note(Receipt::of(&wanted, Stamp::fresh(), None), now, answer);
        (sent, now)
    }

    #[test]
    fn rest_just_after_a_write_is_that_from_before_it() {
        let failed = Stage::Failed("its last update failed".to_owned());
        for shown in [Stage::Settled, failed] {
            let (sent, now) = sent(Some(&Stage::Settled));
            assert_eq!(sent.stage(shown.clone(), now, SETTLE), Stage::Rolling);
            assert_eq!(sent.stage(shown.clone(), now + SETTLE, SETTLE), shown);
        }
        let (sent, now) = sent(None);
        assert_eq!(sent.stage(Stage::Stopped, now, SETTLE), Stage::Stopped);
    }

    #[test]
    fn what_was_seen_on_its_way_is_believed_when_it_rests() {
        let (answered, now) = sent(Some(&Stage::Rolling));
        assert_eq!(answered.stage(Stage::Settled, now, SETTLE), Stage::Settled);
        let (looked, now) = sent(None);
        assert_eq!(looked.stage(Stage::Rolling, now, SETTLE), Stage::Rolling);
        assert_eq!(looked.stage(Stage::Settled, now, SETTLE), Stage::Settled);
    }

    #[test]
    fn without_a_write_what_is_shown_is_believed() {
        assert_eq!(Sent::default().stage(Stage::Settled, Instant::now(), SETTLE), Stage::Settled);
    }
}
