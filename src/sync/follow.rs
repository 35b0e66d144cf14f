//! The call behind a target's writes (`then`): a target of its own, so it has its own queue place, retry,
//! status line and receipt, and one rule more: it goes after another one, its leader.
//!
//! Guarantees: it is due once for each proved write of the leader, whatever the write was due to (a
//! rotation, a rollback, a changed mapping, a foreign deployment that was written over), and never while
//! the leader is behind AWS or being written. It is not due while the leader is not meant to run.
//!
//! Does not guarantee exactly one call: without a receipts file it is made once more after a restart, and
//! one whose answer was lost is repeated, under the same `webhook-id`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::memory::TargetMemory;
use crate::model::{Failure, FailureCode, Retry, SecretRef, TargetName, Wanted};

/// Between two looks at a call that waits. The end of a run of its leader wakes it.
pub(super) const LOOK_AGAIN: Duration = Duration::from_mins(5);

/// Those that follow, with whom they follow.
pub type Leaders = BTreeMap<TargetName, Leader>;

/// A target whose writes a call follows.
#[derive(Clone, Debug)]
pub struct Leader {
    /// Its name.
    pub name: TargetName,
    /// Its secrets, all of which its follower has as well.
    pub secrets: Box<[SecretRef]>,
    /// Its mapping, as in [`super::ports::TargetSpec`].
    pub mapping: String,
}

/// How far the leader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It holds what is wanted.
    There,
    /// It does not, or not for certain.
    Behind,
    /// It is not meant to run, so nothing follows.
    Stopped,
}

impl Leader {
    /// How far it is, by what is remembered of it; `wanted` is that of the follower.
    pub(super) fn standing(&self, memory: &TargetMemory, wanted: &Wanted) -> Standing {
        if memory.stopped {
            return Standing::Stopped;
        }
        let versions = wanted.versions.iter().filter(|(secret, _)| self.secrets.contains(secret));
        let theirs = Wanted {
            versions: versions.map(|(secret, seen)| (secret.clone(), seen.clone())).collect(),
            mapping: self.mapping.clone(),
        };
        let holds = memory.delivered.as_ref().is_some_and(|delivered| delivered.receipt.is_of(&theirs));
        let at_rest = memory.pending.is_none() && memory.given_up.is_none();
        if holds && at_rest { Standing::There } else { Standing::Behind }
    }

    /// Why its follower waits.
    pub(super) fn awaited(&self) -> Failure {
        let name = &self.name;
        Failure::new(
            FailureCode::Held,
            Retry::Backoff,
            format!("waits until target {name} holds the new value"),
            format!("nothing; if it stays, look at target {name}"),
        )
    }
}

/// The mapping that a target's wanted state has: its own, and for a follower the stamp of the write that
/// it follows, so that each such write makes one call due.
pub fn mapping(own: &str, leader: Option<&TargetMemory>) -> String {
    match leader.and_then(|memory| memory.delivered.as_ref()) {
        Some(delivered) => format!("{own} after {}", delivered.receipt.stamp.as_str()),
        None => own.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::{Receipt, Stamp, VersionId, VersionSeen};
    use crate::sync::memory::Delivered;

    fn secret(name: &str) -> SecretRef {
        SecretRef::new(name, None, None).unwrap()
    }

    fn wanted(versions: &[(&str, u8)], mapping: &str) -> Wanted {
        let seen = |number: u8| VersionSeen {
            version: VersionId::parse(&format!("00000000-0000-4000-8000-0000000000{number:02}")).unwrap(),
            created: None,
        };
        let versions = versions.iter().map(|(name, number)| (secret(name), seen(*number))).collect();
        Wanted { versions, mapping: mapping.to_owned() }
    }

    fn leader() -> Leader {
        let name = TargetName::parse("orders-api").unwrap();
        Leader { name, secrets: [secret("a")].into(), mapping: "theirs".to_owned() }
    }

    fn holds(wanted: &Wanted) -> TargetMemory {
        let receipt = Receipt::of(wanted, Stamp::fresh(), None);
        TargetMemory { delivered: Some(Delivered { receipt, mark: None }), ..TargetMemory::default() }
    }

    #[test]
    fn a_call_follows_what_its_leader_holds_of_the_secrets_that_both_have() {
        let standing = |held: &Wanted| {
            leader().standing(&holds(held), &wanted(&[("a", 2), ("b", 9)], "own after a stamp"))
        };
        assert_eq!(standing(&wanted(&[("a", 2)], "theirs")), Standing::There);
        assert_eq!(standing(&wanted(&[("a", 1)], "theirs")), Standing::Behind);
        assert_eq!(standing(&wanted(&[("a", 2)], "an earlier one")), Standing::Behind);
    }

    #[test]
    fn a_leader_that_is_written_or_was_given_up_or_is_unknown_is_behind_and_a_stopped_one_is_not_awaited() {
        let mine = wanted(&[("a", 2)], "own");
        let theirs = wanted(&[("a", 2)], "theirs");
        let standing = |memory: &TargetMemory| leader().standing(memory, &mine);
        assert_eq!(standing(&TargetMemory::default()), Standing::Behind);
        let mut memory = holds(&theirs);
        memory.begin(&Receipt::of(&theirs, Stamp::fresh(), None), Timestamp::UNIX_EPOCH);
        assert_eq!(standing(&memory), Standing::Behind);
        let mut memory = holds(&theirs);
        memory.give_up(mine.digest(), &leader().awaited());
        assert_eq!(standing(&memory), Standing::Behind);
        memory.stopped = true;
        assert_eq!(standing(&memory), Standing::Stopped);
    }

    #[test]
    fn each_write_of_the_leader_is_another_state_to_follow() {
        let theirs = wanted(&[("a", 2)], "theirs");
        let (first, second) = (holds(&theirs), holds(&theirs));
        assert_eq!(mapping("own", None), "own");
        assert_eq!(mapping("own", Some(&TargetMemory::default())), "own");
        assert_eq!(mapping("own", Some(&first)), mapping("own", Some(&first)));
        assert_ne!(mapping("own", Some(&first)), mapping("own", Some(&second)));
    }
}
