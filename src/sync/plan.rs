//! The decision of a run, as a pure function of what was observed: nothing to do, write, wait, or park.
//!
//! It guarantees: `in sync` only where the target proves the wanted state and nobody else has written
//! since; a failed roll is never repeated for the same wanted state; a write that would lose something
//! is refused. It knows no values and does no I/O, so it can be driven by tests and models as it is.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::{Failure, FailureCode, Outcome, Receipt, Retry, Wanted, show_duration};
use crate::sync::memory::{Pending, TargetMemory};
use crate::sync::ports::{Observation, Proof, Stage, TargetSpec};

/// After how many unanswered writes of the same content the observation alone is believed. One: a write
/// that was not answered and then seen could be somebody's copy of it, so it is repeated once; more
/// would roll an application without end behind a network that swallows every answer.
const UNANSWERED_TRIES: u32 = 2;

/// Why a write is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The target does not exist yet.
    Missing,
    /// Nothing of ours is known to be there.
    NothingDelivered,
    /// A version moved, or the mapping changed.
    WantedChanged,
    /// Somebody else has written since our proved delivery.
    ForeignWrite,
    /// A write of ours was never answered, so what is there can't be told from a copy of it.
    Unanswered,
}

impl Why {
    /// The stable word for logs and status.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Missing => "missing",
            Why::NothingDelivered => "nothing_delivered",
            Why::WantedChanged => "wanted_changed",
            Why::ForeignWrite => "foreign_write",
            Why::Unanswered => "unanswered",
        }
    }
}

/// What a run does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing is due; the outcome says how far that is proved.
    Nothing(Outcome),
    /// Write.
    Write(Why),
    /// Look again later; the outcome says what is being waited for.
    Wait(Outcome),
    /// Nothing more is tried until something changes.
    Park(Failure),
}

/// How far a run may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It was woken while parked: it writes only if the wanted state is another one than what was given
    /// up.
    Look,
    /// The usual.
    Write,
    /// A person asked for it: what was given up, or failed, is tried again.
    Insist,
}

/// Decides. `now` is compared with the start of a roll.
pub fn plan(
    spec: &TargetSpec,
    wanted: &Wanted,
    seen: &Observation,
    memory: &TargetMemory,
    now: Timestamp,
    leave: Leave,
) -> Plan {
    match &seen.stage {
        Stage::Stopped => Plan::Nothing(Outcome::Stopped),
        // Whatever is remembered of it, nothing is there that could prove it.
        Stage::Missing => write(wanted, seen, memory, Why::Missing, leave),
        Stage::Settled if shows_the_mark_from_before(seen) => {
            while_rolling(spec, wanted, seen, memory, now, leave)
        }
        Stage::Failed(_) if leave != Leave::Insist && failed_before_the_write(seen, memory) => {
            while_rolling(spec, wanted, seen, memory, now, leave)
        }
        Stage::Rolling | Stage::Down => while_rolling(spec, wanted, seen, memory, now, leave),
        Stage::Failed(reason) => {
            if failed_with_wanted(wanted, seen, memory) && leave != Leave::Insist {
                Plan::Park(roll_failed(reason))
            } else {
                write(wanted, seen, memory, Why::WantedChanged, leave)
            }
        }
        Stage::Settled => match proof(spec, wanted, seen, memory) {
            Ok(outcome) => Plan::Nothing(outcome),
            Err(why) => write(wanted, seen, memory, why, leave),
        },
    }
}

/// Whether it was the wanted state whose roll failed. Its receipt says so while the spec is kept; where
/// Anypoint takes the spec back, what we remember of the write does.
fn failed_with_wanted(wanted: &Wanted, seen: &Observation, memory: &TargetMemory) -> bool {
    let landed = |pending: &Pending| pending.answered || pending.tries >= UNANSWERED_TRIES;
    seen.receipt.as_ref().is_some_and(|receipt| receipt.is_of(wanted))
        || memory.pending.as_ref().is_some_and(|pending| pending.receipt.is_of(wanted) && landed(pending))
}

/// Whether the failure was there before our write and nothing else has been shown since: then it may be
/// that of the roll before, and ours is under way behind it. Not for a write that may never have landed.
fn failed_before_the_write(seen: &Observation, memory: &TargetMemory) -> bool {
    let landed = |pending: &Pending| pending.answered || memory.under_way(seen).is_some();
    memory.pending.as_ref().is_some_and(|pending| pending.doubts > 0 && landed(pending))
}

/// A receipt beside the mark from before its own write: the answer mixes two states, so it proves nothing.
fn shows_the_mark_from_before(seen: &Observation) -> bool {
    seen.receipt.as_ref().is_some_and(|receipt| receipt.before.is_some() && receipt.before == seen.mark)
}

fn write(wanted: &Wanted, seen: &Observation, memory: &TargetMemory, why: Why, leave: Leave) -> Plan {
    if let Some(refusal) = &seen.refusal {
        return Plan::Park(refusal.clone());
    }
    match &memory.given_up {
        Some(given_up) if given_up.digest == wanted.digest() && leave == Leave::Look => {
            Plan::Park(given_up.failure.clone())
        }
        _ => Plan::Write(why),
    }
}

/// Whether a settled target proves the wanted state, and if not, why a write is due.
fn proof(
    spec: &TargetSpec,
    wanted: &Wanted,
    seen: &Observation,
    memory: &TargetMemory,
) -> Result<Outcome, Why> {
    let proved = if seen.provable { Outcome::InSync } else { Outcome::Accepted };
    match spec.proof {
        Proof::Receipt => proof_by_receipt(wanted, seen, memory).map(|()| proved),
        Proof::Mark => proof_by_mark(wanted, seen, memory, proved),
        Proof::Answer => proof_by_answer(wanted, memory).map(|()| Outcome::InSync),
        Proof::None => proof_by_answer(wanted, memory).map(|()| Outcome::Accepted),
    }
}

/// The answer is all there is, and a write without one may have been taken all the same.
fn proof_by_answer(wanted: &Wanted, memory: &TargetMemory) -> Result<(), Why> {
    let last = match (&memory.pending, &memory.delivered) {
        (Some(pending), _) if !pending.answered => return Err(Why::Unanswered),
        (Some(pending), _) => &pending.receipt,
        (None, Some(delivered)) => &delivered.receipt,
        (None, None) => return Err(Why::NothingDelivered),
    };
    if last.is_of(wanted) { Ok(()) } else { Err(Why::WantedChanged) }
}

fn proof_by_receipt(wanted: &Wanted, seen: &Observation, memory: &TargetMemory) -> Result<(), Why> {
    let delivered = memory.delivered.as_ref().is_some_and(|delivered| delivered.receipt.is_of(wanted));
    let receipt = match &seen.receipt {
        Some(receipt) if receipt.is_of(wanted) => receipt,
        // It was there, and no write of ours has been under way since.
        _ if delivered && memory.pending.is_none() => return Err(Why::ForeignWrite),
        Some(_) => return Err(Why::WantedChanged),
        None => return Err(Why::NothingDelivered),
    };
    let same_stamp = |other: &Receipt| other.stamp == receipt.stamp;
    if let Some(delivered) = memory.delivered.as_ref().filter(|delivered| same_stamp(&delivered.receipt)) {
        let untouched = delivered.mark.is_none() || delivered.mark == seen.mark;
        return if untouched { Ok(()) } else { Err(Why::ForeignWrite) };
    }
    if let Some(pending) = memory.pending.as_ref().filter(|pending| same_stamp(&pending.receipt)) {
        return match &pending.mark {
            Some(mark) if Some(mark) == seen.mark.as_ref() => Ok(()),
            Some(_) => Err(Why::ForeignWrite),
            None if pending.answered || pending.tries >= UNANSWERED_TRIES => Ok(()),
            None => Err(Why::Unanswered),
        };
    }
    // The receipt is all there is after a restart without a receipts file. Beside a memory that knows
    // other writes only, it is a late write of ours or somebody's copy.
    if memory.is_blank() { Ok(()) } else { Err(Why::ForeignWrite) }
}

fn proof_by_mark(
    wanted: &Wanted,
    seen: &Observation,
    memory: &TargetMemory,
    proved: Outcome,
) -> Result<Outcome, Why> {
    let (receipt, mark) = match (&memory.pending, &memory.delivered) {
        (Some(pending), _) if pending.mark.is_none() => {
            return match pending {
                _ if !pending.receipt.is_of(wanted) => Err(Why::WantedChanged),
                // It answered twice that it took the write, and its mark never moved.
                _ if pending.answered && pending.tries >= UNANSWERED_TRIES => Ok(Outcome::Accepted),
                _ => Err(Why::Unanswered),
            };
        }
        (Some(pending), _) => (&pending.receipt, &pending.mark),
        (None, Some(delivered)) => (&delivered.receipt, &delivered.mark),
        (None, None) => return Err(Why::NothingDelivered),
    };
    if !receipt.is_of(wanted) {
        Err(Why::WantedChanged)
    } else if *mark == seen.mark {
        Ok(proved)
    } else {
        Err(Why::ForeignWrite)
    }
}

fn while_rolling(
    spec: &TargetSpec,
    wanted: &Wanted,
    seen: &Observation,
    memory: &TargetMemory,
    now: Timestamp,
    leave: Leave,
) -> Plan {
    let ours = memory.under_way(seen);
    let shows_wanted = seen.receipt.as_ref().is_some_and(|receipt| receipt.is_of(wanted));
    let since = ours.map(|pending| pending.since).or(memory.restless);
    let overdue = since.is_some_and(|since| lasted(since, now) > spec.confirm_limit);
    if shows_wanted && overdue {
        return Plan::Park(roll_overdue(&seen.stage, spec.confirm_limit));
    }
    if !shows_wanted && (overdue || seen.stage == Stage::Down) {
        // It may be down because of the very value that is due.
        return write(wanted, seen, memory, Why::WantedChanged, leave);
    }
    if shows_wanted {
        return Plan::Wait(Outcome::Confirming);
    }
    if ours.is_some() && spec.supersede {
        return Plan::Write(Why::WantedChanged);
    }
    Plan::Wait(Outcome::retrying(Failure::new(
        FailureCode::Conflict,
        Retry::Backoff,
        "waiting for the end of the roll that is under way",
        "nothing; the new value is written when the roll has ended",
    )))
}

/// From `since` to `now`; none if the clock went back.
pub(super) fn lasted(since: Timestamp, now: Timestamp) -> Duration {
    let lasted: SignedDuration = now.duration_since(since);
    Duration::try_from(lasted).unwrap_or_default()
}

fn roll_overdue(stage: &Stage, limit: Duration) -> Failure {
    let what = match stage {
        Stage::Down => "the application did not run again",
        _ => "the roll did not end",
    };
    Failure::new(
        FailureCode::RollOverdue,
        Retry::Never,
        format!("{what} within {}", show_duration(limit)),
        "look at the replicas in Runtime Manager; raise `roll_limit` if the application starts slowly",
    )
}

fn roll_failed(reason: &str) -> Failure {
    Failure::new(
        FailureCode::RollFailed,
        Retry::Never,
        format!("the roll failed ({reason}); the application may run with the old value"),
        "look at the application's log in Runtime Manager, mend the cause, then retry the target",
    )
}

#[cfg(test)]
mod tests;
