//! The words between the queue and those who use it: what an add did, what there is to run.

use std::time::Instant;

use super::note::Note;

/// What an add did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// Nothing was due; a run is now.
    Queued,
    /// It joined a pass that was due already and comes no sooner for it.
    Coalesced,
    /// A run is under way; one more pass follows it.
    Dirty,
    /// The key was parked; a pass looks at it.
    Woken,
    /// The key was waiting; its next pass comes sooner.
    Early,
}

/// Why an add was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The queue is closing down.
    #[error("the queue is closed")]
    Closed,
    /// Only registered keys exist.
    #[error("the key is not registered")]
    Unknown,
}

/// A key whose run starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken<K> {
    /// The key.
    pub key: K,
    /// Why.
    pub note: Note,
    /// Failed tries since it was last done.
    pub attempts: u32,
    /// It was parked: it is to be written only if the wanted state is not the one it was parked with.
    pub observe_only: bool,
    /// A person asked since the last pass that answered to it: one that ended done, parked or with a
    /// roll under way. A reason in the note stays longer and would repeat what has failed meanwhile.
    pub insists: bool,
}

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take<K> {
    /// Run this key, then call [`super::WorkQueue::finish`].
    Run(Taken<K>),
    /// Nothing before then, unless something is added or finished.
    WaitUntil(Instant),
    /// Nothing, unless something is added or finished.
    Empty,
    /// The queue was closed and the last run is over.
    Closed,
}
