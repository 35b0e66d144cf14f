//! The audit: one JSON line for each decision of the relay, chained so that a change is found.
//!
//! Guarantees: no value and no digest of one is in it (`entry`); a line that was changed, removed, added or
//! moved is found by whoever has the key, and so is a cut-off end by whoever has noted a head (`verify`);
//! strangers cannot fill the disk (`tally`); nobody who decides waits for the disk. An entry that could not be
//! written, because the disk was full or slower than the relay for long, is lost but not silently: it is
//! logged at a bounded rate, counted, and the next line says how many are missing before it.
//!
//! Not guaranteed: that the last entries before a kill are there. They were in memory, for less time than the
//! disk takes for one line. `docs/AUDIT.md` says who can do what, and decision 16 why the relay goes on
//! without its audit.

mod chain;
mod entry;
mod place;
mod recorder;
mod tally;
#[cfg(test)]
mod tests;
pub mod verify;

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::config;
use crate::secret::SecretValue;
use crate::telemetry::metrics::{Metrics, Route};

pub use chain::{Head, HeadError, Key, KeyError};
pub use entry::{Answers, Entry, Notification, Operation, Run};
pub use place::FileError;
use place::{Ending, LogFile, Place, Stdout};
use recorder::{Lost, Recorder};
use tally::{Sort, Tally};

/// Entries that wait for the disk at most; what comes on top of them is lost.
const WAITING: usize = 4096;
/// Longest time between two looks at the clock.
const TICK: Duration = Duration::from_millis(500);
/// How long the end of the relay waits for the disk.
const END_WAIT: Duration = Duration::from_secs(3);

/// Why there is no audit although one is configured.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file.
    #[error("{0}: {1}")]
    File(String, FileError),
    /// The thread that writes.
    #[error("no thread for it: {0}")]
    Thread(std::io::Error),
}

/// Takes the entries. Methods are cheap, never wait for a disk, and may be called from anywhere.
pub struct Audit(Option<Front>);

/// What the callers and the writing thread share.
struct Front {
    waiting: Mutex<Option<SyncSender<(Entry, Timestamp)>>>,
    tally: Arc<Mutex<Tally>>,
    lost: Arc<Lost>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    over: Mutex<Option<oneshot::Receiver<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Audit {
    /// None is kept.
    pub fn off() -> Self {
        Self(None)
    }

    /// Opens what `settings` name, continues the chain that is there, and starts the thread that writes.
    pub fn open(
        settings: &config::Audit,
        key: &SecretValue,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let key = Key::new(key)?;
        let (place, ending) = place(&settings.to, &key)?;
        let lost = Arc::<Lost>::default();
        let shared = (Arc::clone(&lost), Arc::clone(&metrics));
        let recorder = Recorder::new(key, place, ending, settings.head_every, shared);
        Self::over(recorder, lost, metrics, clock)
    }

    fn over(
        recorder: Recorder,
        lost: Arc<Lost>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let (sender, entries) = sync_channel(WAITING);
        let tally = Arc::<Mutex<Tally>>::default();
        let (ended, over) = oneshot::channel();
        let thread = Thread { recorder, entries, tally: Arc::clone(&tally), clock: Arc::clone(&clock) };
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || {
                thread.run();
                // Nobody may be waiting.
                ended.send(()).ok();
            })
            .map_err(OpenError::Thread)?;
        let (waiting, over) = (Mutex::new(Some(sender)), Mutex::new(Some(over)));
        Ok(Self(Some(Front { waiting, tally, lost, metrics, clock, over })))
    }

    /// Takes an entry for the line after the last.
    pub fn record(&self, entry: Entry) {
        let Some(front) = &self.0 else { return };
        let sent = match &*lock(&front.waiting) {
            Some(waiting) => waiting.try_send((entry, front.clock.timestamp())),
            None => return,
        };
        let why = match sent {
            Ok(()) => return,
            Err(TrySendError::Full(_)) => "the disk does not keep up",
            Err(TrySendError::Disconnected(_)) => "the thread that writes has ended",
        };
        front.lost.count(&front.metrics, front.clock.now(), &why);
    }

    /// Counts a notification that was refused with this code.
    pub fn refused(&self, route: Route, code: &'static str, request_id: &str) {
        self.count((Sort::Refused, route, code), request_id);
    }

    /// Counts a notification that was taken and needed no work.
    pub fn noted(&self, route: Route, code: &'static str, request_id: &str) {
        self.count((Sort::Noted, route, code), request_id);
    }

    fn count(&self, sort: (Sort, Route, &'static str), request_id: &str) {
        let Some(front) = &self.0 else { return };
        let at = (front.clock.now(), front.clock.timestamp());
        let entry = lock(&front.tally).count(sort, request_id, at);
        if let Some(entry) = entry {
            self.record(entry);
        }
    }

    /// The relay ends: everything that waits is written, with this word as the last line. Nothing is taken
    /// any more. Waits a few seconds for the disk at most.
    pub async fn end(&self, how: &'static str) {
        let Some(front) = &self.0 else { return };
        let rest = lock(&front.tally).rest(front.clock.now());
        for entry in rest {
            self.record(entry);
        }
        self.record(Entry::End { how });
        drop(lock(&front.waiting).take());
        let over = lock(&front.over).take();
        if let Some(over) = over
            && tokio::time::timeout(END_WAIT, over).await.is_err()
        {
            tracing::error!("the audit could not be brought to its end: the disk does not answer");
        }
    }
}

fn place(to: &config::AuditTo, key: &Key) -> Result<(Box<dyn Place>, Ending), OpenError> {
    match to {
        config::AuditTo::Stdout => {
            Ok((Box::new(Stdout::new()), Ending { head: Head::NONE, torn: Vec::new() }))
        }
        config::AuditTo::File(path) => {
            let opened = LogFile::open(path, key);
            let (file, ending) =
                opened.map_err(|error| OpenError::File(path.display().to_string(), error))?;
            Ok((Box::new(file), ending))
        }
    }
}

/// The one that writes.
struct Thread {
    recorder: Recorder,
    entries: Receiver<(Entry, Timestamp)>,
    tally: Arc<Mutex<Tally>>,
    clock: Arc<dyn Clock>,
}

impl Thread {
    fn run(mut self) {
        loop {
            match self.entries.recv_timeout(self.pause()) {
                Ok(first) => self.write_all(first),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = self.clock.now();
            let due = lock(&self.tally).due(now);
            for entry in due {
                self.recorder.write(&entry, self.clock.timestamp(), now);
            }
            self.recorder.rest(now);
        }
        self.recorder.end(self.clock.now());
    }

    /// This and all that wait: one turn of the disk is for them together.
    fn write_all(&mut self, first: (Entry, Timestamp)) {
        let more: Vec<_> = self.entries.try_iter().take(WAITING).collect();
        for (entry, time) in std::iter::once(first).chain(more) {
            self.recorder.write(&entry, time, self.clock.now());
        }
    }

    fn pause(&self) -> Duration {
        let due = self.recorder.head_due();
        due.map_or(TICK, |due| due.saturating_duration_since(self.clock.now()).min(TICK))
    }
}
