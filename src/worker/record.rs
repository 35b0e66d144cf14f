//! What the audit says of a run: that it wrote, that its target has what is wanted, that it is given up.
//!
//! A run that only looked and found things as they were says nothing, so the audit grows with what happens and
//! not with the timer of the reconcile.

use crate::model::{Outcome, TargetName};
use crate::queue::Taken;
use crate::status::short_versions;
use crate::sync::Ended;
use crate::telemetry::audit::{Entry, Run};
use crate::telemetry::metrics::Kind;

/// The entries for a run. `before` is how the target stood until then, if anything is known.
pub(super) fn entries(
    taken: &Taken<TargetName>,
    kind: Kind,
    before: Option<&Outcome>,
    ended: &Ended,
) -> Vec<Entry> {
    let run = Run {
        target: taken.key.to_string(),
        kind: kind.as_str(),
        reasons: taken.note.reasons.to_string(),
        request_id: taken.note.request_id.clone(),
        event_id: taken.note.event_id.clone(),
        why: ended.wrote.map(|wrote| wrote.why.as_str()),
        result: ended.wrote.map(|wrote| wrote.end.as_str()),
        outcome: ended.outcome.label(),
        code: code(&ended.outcome),
        versions: ended.wanted.as_ref().map(|wanted| short_versions(&wanted.versions)).unwrap_or_default(),
    };
    let is_new = before
        .is_none_or(|before| before.label() != ended.outcome.label() || code(before) != code(&ended.outcome));
    let ends = match &ended.outcome {
        Outcome::InSync | Outcome::Accepted if ended.proved_now || is_new => {
            Some(Entry::Confirmed as fn(Run) -> Entry)
        }
        Outcome::Parked(_) if is_new || ended.wrote.is_some() => Some(Entry::Parked as _),
        Outcome::Stopped if is_new => Some(Entry::Stopped as _),
        _ => None,
    };
    let wrote = ended.wrote.map(|_| Entry::Written as fn(Run) -> Entry);
    wrote.into_iter().chain(ends).map(|entry| entry(run.clone())).collect()
}

fn code(outcome: &Outcome) -> Option<&'static str> {
    outcome.failure().map(|failure| failure.code.as_str())
}
