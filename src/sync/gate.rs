//! When a write that restarts an application may begin: in the hours that are meant for it, and after
//! the canary has proved the same versions.
//!
//! A gate holds back, it never decides what is written. A person's wish passes it, and so does an
//! application that is down: there is nothing left to disturb.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::memory::TargetMemory;
use crate::model::{
    Failure, FailureCode, Retry, RollWindow, SecretRef, TargetName, VersionSeen, Wanted, show_duration,
};

/// Between two looks at a target that is held back. A canary that is proved wakes those behind it.
const LOOK_AGAIN: Duration = Duration::from_mins(5);

/// What holds back the writes of one target.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// The hours in which it may be restarted.
    pub window: Option<RollWindow>,
    /// Those that go first.
    pub canaries: Vec<Canary>,
}

/// A target that goes before others.
#[derive(Clone, Debug)]
pub struct Canary {
    /// Its name.
    pub name: TargetName,
    /// Its secrets, in the order of its receipts.
    pub secrets: BTreeSet<SecretRef>,
}

impl Canary {
    /// Whether what it is known to hold contradicts `wanted`, or is not known to the end. Receipts without
    /// room for versions cannot tell; then the canary holds nothing back.
    fn is_behind(&self, memory: &TargetMemory, wanted: &BTreeMap<SecretRef, VersionSeen>) -> bool {
        if memory.pending.is_some() || memory.given_up.is_some() {
            return true;
        }
        let Some(delivered) = &memory.delivered else { return true };
        let held: BTreeMap<_, _> = self.secrets.iter().zip(&delivered.receipt.versions).collect();
        held.iter()
            .any(|(secret, held)| wanted.get(*secret).is_some_and(|wanted| wanted.version != held.version))
    }
}

impl Gate {
    /// Why a write has to wait at `now`, and for how long until the next look; `memory` tells of others.
    pub fn holds(
        &self,
        wanted: &Wanted,
        now: Timestamp,
        memory: impl Fn(&TargetName) -> TargetMemory,
    ) -> Option<(Failure, Duration)> {
        if let Some(wait) = self.window.as_ref().and_then(|window| window.opens_in(now)) {
            let message = format!("the roll window opens in {}", show_duration(whole_minutes(wait)));
            return Some((held(message), wait.min(LOOK_AGAIN)));
        }
        let canary =
            self.canaries.iter().find(|canary| canary.is_behind(&memory(&canary.name), &wanted.versions))?;
        let message = format!("waits until canary {} runs with the new value", canary.name);
        Some((held(message), LOOK_AGAIN))
    }
}

fn held(message: String) -> Failure {
    let next_step = "nothing; to write at once, trigger the target by hand";
    Failure::new(FailureCode::Held, Retry::Backoff, message, next_step)
}

fn whole_minutes(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs().div_ceil(60) * 60)
}

#[cfg(test)]
mod tests {
    use jiff::civil::Time;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::model::{Receipt, Stamp, VersionId};
    use crate::sync::memory::Delivered;

    fn secret(name: &str) -> SecretRef {
        SecretRef::new(name, None, None).unwrap()
    }

    fn wanted(versions: &[(&str, u8)]) -> Wanted {
        let seen = |number: u8| VersionSeen {
            version: VersionId::parse(&format!("00000000-0000-4000-8000-0000000000{number:02}")).unwrap(),
            created: None,
        };
        let versions = versions.iter().map(|(name, number)| (secret(name), seen(*number))).collect();
        Wanted { versions, mapping: "m".to_owned() }
    }

    fn delivered(versions: &[(&str, u8)]) -> TargetMemory {
        let receipt = Receipt::of(&wanted(versions), Stamp::fresh(), None);
        TargetMemory { delivered: Some(Delivered { receipt, mark: None }), ..TargetMemory::default() }
    }

    fn behind(canary: &TargetMemory, wanted: &Wanted) -> bool {
        let secrets = [secret("a"), secret("b")].into();
        let name = TargetName::parse("canary").unwrap();
        let gate = Gate { window: None, canaries: vec![Canary { name, secrets }] };
        gate.holds(wanted, Timestamp::UNIX_EPOCH, |_| canary.clone()).is_some()
    }

    #[test]
    fn a_canary_goes_first_with_the_secrets_that_both_use() {
        let memory = delivered(&[("a", 2), ("b", 1)]);
        assert!(!behind(&memory, &wanted(&[("a", 2)])));
        assert!(behind(&memory, &wanted(&[("a", 3)])));
        assert!(!behind(&memory, &wanted(&[("a", 2), ("c", 9)])), "only what both use counts");
        assert!(behind(&TargetMemory::default(), &wanted(&[("a", 2)])), "it has proved nothing yet");
    }

    #[test]
    fn a_canary_that_is_being_written_or_was_given_up_holds_the_others_back() {
        let mut memory = delivered(&[("a", 2), ("b", 1)]);
        let receipt = Receipt::of(&wanted(&[("a", 2), ("b", 1)]), Stamp::fresh(), None);
        memory.begin(&receipt, Timestamp::UNIX_EPOCH);
        assert!(behind(&memory, &wanted(&[("a", 2)])));
        let mut memory = delivered(&[("a", 2), ("b", 1)]);
        memory.give_up(wanted(&[("a", 2)]).digest(), &held("x".to_owned()));
        assert!(behind(&memory, &wanted(&[("a", 2)])));
    }

    #[test]
    fn outside_of_its_window_nothing_is_written_and_the_wait_is_told() {
        let at = |hour| Time::new(hour, 0, 0, 0).unwrap();
        let window = RollWindow { from: at(22), to: at(5), zone: TimeZone::UTC };
        let gate = Gate { window: Some(window), canaries: Vec::new() };
        let holds = |time: &str| gate.holds(&wanted(&[]), time.parse().unwrap(), |_| TargetMemory::default());
        let (failure, wait) = holds("2026-11-01T20:30:00Z").unwrap();
        assert_eq!((failure.message.as_str(), wait), ("the roll window opens in 1h30m", LOOK_AGAIN));
        assert_eq!(holds("2026-11-01T21:59:00Z").unwrap().1, Duration::from_mins(1));
        assert!(holds("2026-11-01T22:00:00Z").is_none());
    }
}
