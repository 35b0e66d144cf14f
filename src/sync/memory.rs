//! What the relay remembers about each target: the last proved delivery, a write under way, what was given
//! up, and a pause. Value-free, bounded by the number of targets.
//!
//! With a receipts file it survives a restart: the file is replaced as a whole (temporary file, sync,
//! rename), and a write is recorded before it starts, so that after a crash in the middle of one the
//! target is not taken for proved, and once it was answered, so that a restart during its roll repeats
//! nothing. What changed for several targets meanwhile shares one replacement, and whoever reads waits for
//! none. Without a file the kinds that carry no receipt are delivered once
//! more after a restart.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Failure, Mark, Pause, Receipt, Stamp, TargetName, WantedDigest};
use crate::sync::ports::{Observation, Stage};

/// At which look after a write over a failed roll a failure is believed to be that of the new one, if all
/// looks have shown one. No source says how far the status lags behind a write; a few polls are more than
/// public clients allow for, and less than a roll takes.
const LAGGING_LOOKS: u32 = 5;

/// A delivery that the target proved, or, where it offers no proof, took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// What was delivered.
    pub receipt: Receipt,
    /// The target's mark at that time; another mark later means that somebody else wrote.
    pub mark: Option<Mark>,
}

/// A write that was started and is not proved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// What was written.
    pub receipt: Receipt,
    /// The target's mark after the write, where the answer showed it.
    pub mark: Option<Mark>,
    /// When it was started.
    pub since: Timestamp,
    /// How many writes of the same content were started in a row.
    pub tries: u32,
    /// Whether the target answered; until it did, the write may land at any time.
    pub answered: bool,
    /// For how many more looks a failure that is shown may be that of the roll before.
    pub doubts: u32,
}

/// What is not tried again for the same wanted state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Digest of the wanted state.
    pub digest: WantedDigest,
    /// Why.
    pub failure: Failure,
}

/// Everything remembered about one target. What most targets are without lies apart, because there may be a hundred
/// thousand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetMemory {
    /// The last proved delivery.
    pub delivered: Option<Delivered>,
    /// The write under way.
    pub pending: Option<Box<Pending>>,
    /// What was given up.
    pub given_up: Option<Box<GivenUp>>,
    /// Since when it has been seen rolling, or down, with no write of ours under way.
    pub restless: Option<Timestamp>,
    /// Whether the last look showed a failed roll.
    pub failing: bool,
    /// Whether the last look showed that it is not meant to run.
    pub stopped: bool,
}

/// What others wait for: the write whose effect a target holds, or that it is not meant to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    stamp: Option<Stamp>,
    stopped: bool,
}

impl TargetMemory {
    /// A write starts. Gives back what was under way before, for a write that does not happen after all.
    pub fn begin(&mut self, receipt: &Receipt, now: Timestamp) -> Option<Box<Pending>> {
        let previous = self.pending.take();
        let again = previous.as_ref().filter(|pending| pending.receipt.digest == receipt.digest);
        self.pending = Some(Box::new(Pending {
            receipt: receipt.clone(),
            mark: None,
            since: now,
            tries: again.map_or(1, |pending| pending.tries + 1),
            answered: false,
            doubts: if self.failing { LAGGING_LOOKS } else { 0 },
        }));
        self.given_up = None;
        previous
    }

    /// The target took the write that was begun.
    pub fn answered(&mut self, mark: Option<Mark>) {
        if let Some(pending) = &mut self.pending {
            pending.mark = mark;
            pending.answered = true;
        }
    }

    /// Nothing more is tried for this wanted state.
    pub fn give_up(&mut self, digest: WantedDigest, failure: &Failure) {
        self.given_up = Some(Box::new(GivenUp { digest, failure: failure.clone() }));
    }

    /// The wanted state is there: by the write under way, by the delivery that is known, or, after a
    /// restart, by the receipt that the target carries. Gives whether a write was proved by it.
    pub fn prove(&mut self, seen: Option<&Observation>) -> bool {
        self.given_up = None;
        let (carried, mark) = match seen {
            Some(seen) => (seen.receipt.as_ref(), seen.mark.clone()),
            None => (None, None),
        };
        let is_carried = |receipt: &Receipt| carried.is_none_or(|carried| carried.stamp == receipt.stamp);
        if let Some(pending) = self.pending.take_if(|pending| is_carried(&pending.receipt)) {
            let Pending { receipt, mark: after, .. } = *pending;
            self.delivered = Some(Delivered { receipt, mark: after.or(mark) });
            return true;
        }
        // Another write may still land; then the target's mark is not the one that is known.
        self.pending = None;
        let known = self.delivered.as_ref().is_some_and(|delivered| is_carried(&delivered.receipt));
        if !known && let Some(receipt) = carried {
            self.delivered = Some(Delivered { receipt: receipt.clone(), mark });
        }
        false
    }

    /// Remembers since when it has not been at rest for another reason than a write of ours, and whose
    /// failure it can show.
    pub fn note_rest(&mut self, seen: &Observation, now: Timestamp) {
        self.stopped = seen.stage == Stage::Stopped;
        let at_rest = !matches!(seen.stage, Stage::Rolling | Stage::Down);
        if at_rest || self.under_way(seen).is_some() {
            self.restless = None;
        } else {
            self.restless.get_or_insert(now);
        }
        if !matches!(seen.stage, Stage::Failed(_)) {
            return self.seen_without_failure();
        }
        self.failing = true;
        if let Some(pending) = &mut self.pending {
            pending.doubts = pending.doubts.saturating_sub(1);
        }
    }

    /// A failure that is shown from now on is a new one.
    pub fn seen_without_failure(&mut self) {
        self.failing = false;
        if let Some(pending) = &mut self.pending {
            pending.doubts = 0;
        }
    }

    /// The write of ours whose receipt the target shows and that is not proved yet.
    pub fn under_way(&self, seen: &Observation) -> Option<&Pending> {
        let stamp = &seen.receipt.as_ref()?.stamp;
        self.pending.as_deref().filter(|pending| pending.receipt.stamp == *stamp)
    }

    /// What others wait for.
    pub fn held(&self) -> Held {
        let stamp = self.delivered.as_ref().map(|delivered| delivered.receipt.stamp.clone());
        Held { stamp, stopped: self.stopped }
    }

    /// Whether nothing was ever written by this relay, as far as it remembers.
    pub fn is_blank(&self) -> bool {
        self.delivered.is_none() && self.pending.is_none()
    }
}

/// The memory over all targets.
pub struct Memory {
    file: Option<PathBuf>,
    known: Mutex<Known>,
    /// How many of the changes are on disk. Held over a write to it, while `known` is free.
    kept: Mutex<u64>,
}

#[derive(Default)]
struct Known {
    targets: BTreeMap<TargetName, Arc<TargetMemory>>,
    /// Apart from what the runs remember, which replace that as a whole.
    pauses: BTreeMap<TargetName, Pause>,
    /// How often it changed.
    changes: u64,
}

impl Memory {
    /// In memory only.
    pub fn volatile() -> Self {
        Self::over(None, Known::default())
    }

    fn over(file: Option<PathBuf>, known: Known) -> Self {
        Self { file, known: Mutex::new(known), kept: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kept in `file`; a file that does not exist yet is an empty one.
    pub fn open(file: &Path) -> io::Result<Self> {
        let known = match std::fs::read(file) {
            Ok(bytes) => decode(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Known::default(),
            Err(error) => return Err(error),
        };
        Ok(Self::over(Some(file.to_owned()), known))
    }

    /// A copy that is kept nowhere, for those who only want to know.
    pub fn detached(&self) -> Self {
        let targets = self.known().targets.clone();
        Self::over(None, Known { targets, ..Known::default() })
    }

    /// Whether anything of this is there after a restart.
    pub fn survives_restart(&self) -> bool {
        self.file.is_some()
    }

    /// The pauses that are kept, over or not.
    pub fn pauses(&self) -> BTreeMap<TargetName, Pause> {
        self.known().pauses.clone()
    }

    /// Keeps the pause of a target, or, with none, that it has no more; returns once it is on disk, where there
    /// is a file. After an error nothing has changed.
    pub async fn keep_pause(self: &Arc<Self>, target: &TargetName, pause: Option<Pause>) -> io::Result<()> {
        let (this, target) = (Arc::clone(self), target.clone());
        tokio::task::spawn_blocking(move || this.set_pause(&target, pause)).await.map_err(io::Error::other)?
    }

    fn set_pause(&self, target: &TargetName, pause: Option<Pause>) -> io::Result<()> {
        let put = |pauses: &mut BTreeMap<TargetName, Pause>, pause| match pause {
            Some(pause) => pauses.insert(target.clone(), pause),
            None => pauses.remove(target),
        };
        let (before, change) = {
            let mut known = self.known();
            known.changes += 1;
            (put(&mut known.pauses, pause), known.changes)
        };
        let Some(file) = &self.file else { return Ok(()) };
        let written = self.write(file, change);
        if written.is_err() {
            put(&mut self.known().pauses, before);
        }
        written
    }

    /// What is remembered about `target`.
    pub fn of(&self, target: &TargetName) -> TargetMemory {
        self.known().targets.get(target).map(|memory| TargetMemory::clone(memory)).unwrap_or_default()
    }

    /// [`Memory::set`] away from the threads that serve requests, where there is a disk to wait for.
    pub async fn keep(self: &Arc<Self>, target: &TargetName, memory: TargetMemory) -> io::Result<()> {
        if self.file.is_none() {
            return self.set(target, memory);
        }
        let (this, target) = (Arc::clone(self), target.clone());
        tokio::task::spawn_blocking(move || this.set(&target, memory)).await.map_err(io::Error::other)?
    }

    /// Replaces what is remembered about `target`, by the one run that it has; returns once it is on disk,
    /// where there is a file. After an error nothing has changed.
    pub fn set(&self, target: &TargetName, memory: TargetMemory) -> io::Result<()> {
        let (before, change) = {
            let mut known = self.known();
            if known.targets.get(target).is_some_and(|known| **known == memory) {
                return Ok(());
            }
            known.changes += 1;
            (known.targets.insert(target.clone(), Arc::new(memory)), known.changes)
        };
        let Some(file) = &self.file else { return Ok(()) };
        let written = self.write(file, change);
        if written.is_err() {
            // What is not on disk did not happen: the next try writes it again.
            let targets = &mut self.known().targets;
            match before {
                Some(before) => targets.insert(target.clone(), before),
                None => targets.remove(target),
            };
        }
        written
    }

    /// Brings everything up to this change to disk, unless a write for others had it with it.
    fn write(&self, file: &Path, change: u64) -> io::Result<()> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if *kept >= change {
            return Ok(());
        }
        let (targets, pauses, changes) = {
            let known = self.known();
            (known.targets.clone(), known.pauses.clone(), known.changes)
        };
        replace(file, &encode(&targets, &pauses)?)?;
        *kept = changes;
        Ok(())
    }
}

/// The file's form: receipts in their text form, so that there is one of it.
#[derive(Default, Serialize, Deserialize)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivered: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivered_mark: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending_mark: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pending_answered: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending_doubts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused: Option<Pause>,
}

fn encode(
    targets: &BTreeMap<TargetName, Arc<TargetMemory>>,
    pauses: &BTreeMap<TargetName, Pause>,
) -> io::Result<Vec<u8>> {
    let mut lines: BTreeMap<&str, Line> = targets
        .iter()
        .map(|(name, memory)| {
            let delivered = memory.delivered.as_ref();
            let pending = memory.pending.as_ref();
            let text = |mark: &Option<Mark>| mark.as_ref().map(|mark| mark.0.clone());
            let line = Line {
                delivered: delivered.map(|delivered| delivered.receipt.to_text(usize::MAX)),
                delivered_mark: delivered.and_then(|delivered| text(&delivered.mark)),
                pending: pending.map(|pending| pending.receipt.to_text(usize::MAX)),
                pending_since: pending.map(|pending| pending.since),
                pending_mark: pending.and_then(|pending| text(&pending.mark)),
                pending_answered: pending.is_some_and(|pending| pending.answered),
                pending_doubts: pending.map(|pending| pending.doubts),
                paused: None,
            };
            (name.as_str(), line)
        })
        .collect();
    for (name, pause) in pauses {
        lines.entry(name.as_str()).or_default().paused = Some(pause.clone());
    }
    serde_json::to_vec_pretty(&lines).map_err(io::Error::other)
}

fn decode(bytes: &[u8]) -> io::Result<Known> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let lines: BTreeMap<String, Line> =
        serde_json::from_slice(bytes).map_err(|error| invalid(format!("not a receipts file: {error}")))?;
    let mut known = Known::default();
    for (name, line) in lines {
        let read = |text: &String| Receipt::parse(text).map_err(|error| invalid(format!("{name}: {error}")));
        let delivered = line.delivered.as_ref().map(read).transpose()?;
        let pending = line.pending.as_ref().map(read).transpose()?;
        let memory = TargetMemory {
            delivered: delivered
                .map(|receipt| Delivered { receipt, mark: line.delivered_mark.clone().map(Mark) }),
            pending: pending.map(|receipt| {
                Box::new(Pending {
                    receipt,
                    mark: line.pending_mark.clone().map(Mark),
                    since: line.pending_since.unwrap_or(Timestamp::UNIX_EPOCH),
                    tries: 1,
                    answered: line.pending_answered,
                    doubts: line.pending_doubts.unwrap_or(LAGGING_LOOKS),
                })
            }),
            ..TargetMemory::default()
        };
        let name = TargetName::parse(&name).map_err(|error| invalid(error.to_string()))?;
        if let Some(pause) = line.paused {
            known.pauses.insert(name.clone(), pause);
        }
        known.targets.insert(name, Arc::new(memory));
    }
    Ok(known)
}

fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;

    let mut temporary = file.as_os_str().to_owned();
    temporary.push(".new");
    let mut writer = std::fs::File::create(&temporary)?;
    writer.write_all(bytes)?;
    writer.sync_all()?;
    std::fs::rename(&temporary, file)?;
    // The name is on disk only with its folder.
    match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => std::fs::File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests;
