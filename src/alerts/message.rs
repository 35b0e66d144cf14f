//! One alert: its log line, and its subject and text for a topic.
//!
//! Guarantees: it is made of names, times, outcomes and next steps alone, so no value can be in it; the
//! subject obeys the rules of SNS.

use jiff::Timestamp;
use serde::Serialize;

use super::watch::lasted;
use crate::model::{Outcome, TargetName};
use crate::telemetry::audit::Entry;
use crate::telemetry::metrics::AlertKind;

/// What is said about a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alert {
    pub(super) kind: AlertKind,
    pub(super) target: TargetName,
    /// Since when AWS is, or was, ahead.
    since: Timestamp,
    stale_seconds: u64,
    /// How its last run ended, as [`Outcome::label`] says it.
    outcome: Option<&'static str>,
    code: Option<&'static str>,
    /// No run of it starts until a person ends that.
    paused: bool,
    next_step: String,
}

/// The text for the topic.
#[derive(Serialize)]
struct Text<'a> {
    alert: &'static str,
    target: &'a str,
    stale_since: Timestamp,
    stale_seconds: u64,
    outcome: Option<&'static str>,
    code: Option<&'static str>,
    paused: bool,
    next_step: &'a str,
}

impl Alert {
    pub(super) fn new(
        kind: AlertKind,
        target: &TargetName,
        (since, now): (Timestamp, Timestamp),
        outcome: Option<&Outcome>,
        paused: bool,
    ) -> Self {
        // Once it has healed, a failure is the beginning of something else.
        let failure = outcome.and_then(Outcome::failure).filter(|_| kind != AlertKind::Healed);
        Self {
            kind,
            target: target.clone(),
            since,
            stale_seconds: lasted(since, now).as_secs(),
            outcome: outcome.map(Outcome::label),
            code: failure.map(|failure| failure.code.as_str()),
            paused,
            next_step: match (failure, outcome) {
                _ if paused && kind != AlertKind::Healed => {
                    format!(
                        "it is paused: anypoint-relay resume {target} --reason TEXT, when its reason is gone"
                    )
                }
                (Some(failure), _) => failure.next_step.clone(),
                (None, Some(Outcome::Stopped)) => "nothing is owed to it until it is started".to_owned(),
                (None, _) if kind == AlertKind::Healed => "nothing".to_owned(),
                (None, _) => "look at its replicas in Runtime Manager if it stays so".to_owned(),
            },
        }
    }

    pub(super) fn log(&self) {
        let (target, stale_s, outcome) = (self.target.as_str(), self.stale_seconds, self.outcome);
        let (code, next_step, since, paused) = (self.code, self.next_step.as_str(), self.since, self.paused);
        match self.kind {
            AlertKind::Stale => {
                tracing::warn!(target, stale_s, %since, outcome, code, paused, next_step, "target is stale");
            }
            AlertKind::StillStale => {
                tracing::warn!(target, stale_s, %since, outcome, code, paused, next_step, "target is still stale");
            }
            AlertKind::Healed => {
                tracing::warn!(target, stale_s, %since, outcome, next_step, "target is no longer stale");
            }
        }
    }

    pub(super) fn entry(&self) -> Entry {
        Entry::Alert {
            alert: self.kind.as_str(),
            target: self.target.to_string(),
            stale_since: self.since,
            outcome: self.outcome,
            code: self.code,
        }
    }

    /// Of less than 100 characters: a target's name has at most 64.
    pub(super) fn subject(&self) -> String {
        let target = &self.target;
        let paused = (self.paused && self.kind != AlertKind::Healed).then_some("paused");
        let why = paused.or(self.code).or(self.outcome).unwrap_or("unknown");
        match self.kind {
            AlertKind::Stale => format!("{target} is stale ({why})"),
            AlertKind::StillStale => format!("{target} is still stale ({why})"),
            AlertKind::Healed => format!("{target} is no longer stale ({why})"),
        }
    }

    pub(super) fn message(&self) -> String {
        let text = Text {
            alert: self.kind.as_str(),
            target: self.target.as_str(),
            stale_since: self.since,
            stale_seconds: self.stale_seconds,
            outcome: self.outcome,
            code: self.code,
            paused: self.paused,
            next_step: &self.next_step,
        };
        // Texts and numbers always have a JSON form.
        serde_json::to_string_pretty(&text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Failure, FailureCode, Retry};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn outcomes() -> Vec<Outcome> {
        let mut all = vec![Outcome::InSync, Outcome::Accepted, Outcome::Confirming, Outcome::Stopped];
        for code in FailureCode::ALL {
            let failure = Failure::new(*code, Retry::Backoff, "a message", "do this");
            all.extend([Outcome::retrying(failure.clone()), Outcome::parked(failure)]);
        }
        all
    }

    #[test]
    fn every_subject_obeys_the_rules_of_sns() {
        let longest = TargetName::parse(&"x".repeat(64)).unwrap();
        let mut lengths = Vec::new();
        for kind in AlertKind::ALL {
            for outcome in outcomes().iter().map(Some).chain([None]) {
                let subject = Alert::new(*kind, &longest, (at(0), at(901)), outcome, false).subject();
                // SNS API reference, Publish: it begins with a letter, a number or a mark, and has no line
                // breaks, no control characters, and less than 100 characters.
                assert!(subject.len() < 100 && subject.is_ascii(), "{subject}");
                assert!(
                    subject.starts_with('x') && !subject.contains(|c: char| c.is_control()),
                    "{subject:?}"
                );
                lengths.push(subject.len());
            }
        }
        println!("subjects of {:?} to {:?} characters", lengths.iter().min(), lengths.iter().max());
    }

    #[test]
    fn the_text_says_who_since_when_why_and_what_to_do() {
        let failure =
            Failure::new(FailureCode::RollFailed, Retry::Never, "the roll failed", "look at the log");
        let orders = TargetName::parse("orders").unwrap();
        let parked = Outcome::parked(failure);
        let alert = Alert::new(AlertKind::Stale, &orders, (at(0), at(901)), Some(&parked), false);
        assert_eq!(alert.subject(), "orders is stale (roll_failed)");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&alert.message()).unwrap(),
            serde_json::json!({
                "alert": "stale", "target": "orders", "stale_since": at(0).to_string(), "stale_seconds": 901,
                "outcome": "parked", "code": "roll_failed", "paused": false, "next_step": "look at the log",
            })
        );
    }

    #[test]
    fn a_paused_target_is_said_to_be_paused_whatever_its_outcome() {
        let orders = TargetName::parse("orders").unwrap();
        let alert = Alert::new(AlertKind::Stale, &orders, (at(0), at(901)), Some(&Outcome::InSync), true);
        assert_eq!(alert.subject(), "orders is stale (paused)");
        assert!(alert.message().contains("anypoint-relay resume orders"), "{}", alert.message());
        let healed = Alert::new(AlertKind::Healed, &orders, (at(0), at(901)), Some(&Outcome::InSync), true);
        assert_eq!(healed.subject(), "orders is no longer stale (in_sync)");
    }

    #[test]
    fn an_application_that_was_stopped_is_said_to_be_owed_nothing() {
        let orders = TargetName::parse("orders").unwrap();
        let alert = Alert::new(AlertKind::Healed, &orders, (at(0), at(1)), Some(&Outcome::Stopped), false);
        assert_eq!(alert.subject(), "orders is no longer stale (stopped)");
        assert!(alert.message().contains("until it is started"), "{}", alert.message());
    }
}
