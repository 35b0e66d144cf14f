//! What a run leaves for the status page: its outcome and the value-free facts around it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{Failure, Moment, Outcome, SecretRef, VersionId, VersionSeen};

/// Most notes that are kept of one run.
const NOTES: usize = 16;
/// Longest note or failure text that is kept, in bytes.
const TEXT: usize = 500;

/// The how-manieth run of a target since the relay started. Runs of one target never overlap, so the
/// numbers order them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RunNo(pub(super) u64);

/// What a run did, as far as it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Did {
    /// It looked and found nothing to do, or did not get further.
    Observed,
    /// It wrote, or tried to.
    Wrote,
    /// It looked for the proof of an earlier write.
    Confirmed,
}

/// Version by secret, each cut to the eight characters that people compare.
pub type ShortVersions = BTreeMap<String, String>;

/// The versions, for people: a secret that is configured by name and region shows both.
pub fn short_versions(versions: &BTreeMap<SecretRef, VersionSeen>) -> ShortVersions {
    Versions::of(versions).shown()
}

/// [`ShortVersions`] in the least room, because the board keeps two of them for each target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions(Box<[(SecretRef, VersionHead)]>);

/// [`VersionId::short`].
type VersionHead = [u8; 8];

impl Versions {
    /// These, cut short.
    pub fn of(versions: &BTreeMap<SecretRef, VersionSeen>) -> Self {
        let cut = |(secret, seen): (&SecretRef, &VersionSeen)| (secret.clone(), head(&seen.version));
        Self(versions.iter().map(cut).collect())
    }

    /// As [`short_versions`] says it.
    pub(super) fn shown(&self) -> ShortVersions {
        let label = |secret: &SecretRef| match secret.region() {
            Some(region) if !secret.id().starts_with("arn:") => format!("{} ({region})", secret.id()),
            _ => secret.id().to_owned(),
        };
        let text = |version: &VersionHead| String::from_utf8_lossy(version).into_owned();
        self.0.iter().map(|(secret, version)| (label(secret), text(version))).collect()
    }
}

fn head(version: &VersionId) -> VersionHead {
    let short = version.short().as_bytes();
    std::array::from_fn(|place| short[place])
}

/// The steps of one write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// When the first notification or person spoke of it; else when it became due.
    pub notified: Option<Moment>,
    /// When the values had been read from AWS.
    pub read: Moment,
    /// When the target had answered, or had not in time.
    pub written: Moment,
    /// When it was proved; none until then, and for what is not.
    pub confirmed: Option<Moment>,
}

/// A run that ended.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// When it ended.
    pub at: Timestamp,
    /// How long it held a worker.
    pub duration: Duration,
    /// How.
    pub outcome: Outcome,
    /// What it did.
    pub did: Did,
    /// What AWS served as current, where the run got to know it.
    pub wanted: Option<Versions>,
    /// What the target is proved to hold, where the run got to know it.
    pub delivered: Option<Versions>,
    /// Failed tries since the target was last done, this run included.
    pub attempts: u32,
    /// It goes on by itself: it waits for a roll, a slot or its turn. Nobody who waits for an outcome is
    /// told yet.
    pub goes_on: bool,
    /// What made it due.
    pub reasons: Box<[&'static str]>,
    /// When the first notification or person spoke of it; else when it became due.
    pub told: Option<Timestamp>,
    /// Why it wrote.
    pub why: Option<&'static str>,
    /// How its write ended.
    pub write: Option<&'static str>,
    /// The steps of its write, as far as it went.
    pub written: Option<Delivery>,
    /// Whether it proved a write, its own or an earlier one.
    pub proved: bool,
    /// Id of the newest event behind it.
    pub event_id: Option<String>,
    /// Id of the newest request behind it.
    pub request_id: Option<String>,
    /// Things that a person should know. The first 16 are kept, each cut to 500 bytes.
    pub notes: Vec<String>,
}

impl RunRecord {
    /// A record with nothing but how and when the run ended.
    pub fn new(at: Timestamp, duration: Duration, outcome: Outcome, did: Did) -> Self {
        Self {
            at,
            duration,
            outcome,
            did,
            wanted: None,
            delivered: None,
            attempts: 0,
            goes_on: false,
            reasons: Box::default(),
            told: None,
            why: None,
            write: None,
            written: None,
            proved: false,
            event_id: None,
            request_id: None,
            notes: Vec::new(),
        }
    }

    /// Cuts what could grow.
    pub(super) fn bound(&mut self) {
        self.notes.truncate(NOTES);
        self.notes.iter_mut().for_each(cut);
        match &mut self.outcome {
            Outcome::Retrying(failure) | Outcome::Parked(failure) => {
                cut(&mut failure.message);
                cut(&mut failure.next_step);
            }
            Outcome::InSync | Outcome::Accepted | Outcome::Confirming | Outcome::Stopped => {}
        }
    }
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(TEXT));
}

/// A failure as the status JSON shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureView {
    /// Its class.
    pub code: &'static str,
    /// What failed, on what.
    pub message: String,
    /// What a person can do.
    pub next_step: String,
}

impl From<&Failure> for FailureView {
    fn from(failure: &Failure) -> Self {
        Self {
            code: failure.code.as_str(),
            message: failure.message.clone(),
            next_step: failure.next_step.clone(),
        }
    }
}

/// A line of a target's history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunLine {
    /// Which run.
    pub run: RunNo,
    /// When it ended.
    pub at: Moment,
    /// How, as [`Outcome::label`] says it.
    pub outcome: &'static str,
    /// What it did.
    pub did: Did,
    /// How long it took.
    pub duration_seconds: f64,
    /// What made it due.
    pub reasons: Box<[&'static str]>,
    /// When the first notification or person spoke of it; else when it became due.
    pub told: Option<Moment>,
    /// Why it wrote, if it did.
    pub why: Option<&'static str>,
    /// Whether its write was taken, is ambiguous, or failed.
    pub write: Option<&'static str>,
    /// Whether it proved a write, its own or an earlier one.
    pub proved: bool,
    /// Id of the newest event behind it.
    pub event_id: Option<String>,
    /// Id of the newest request behind it.
    pub request_id: Option<String>,
    /// Why it did not end well.
    pub failure: Option<Box<FailureView>>,
}
