//! What comes after a run: the one word that the path says and the queue acts on.

use std::time::Duration;

/// What the queue does with a target after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing until something happens.
    Done,
    /// Look again: a confirmation, or a wait that ends by itself.
    Again {
        /// After this long.
        after: Duration,
        /// Whether it takes, keeps or frees a roll slot.
        roll: Roll,
    },
    /// Look again in its old place, and nothing else of its group before: what they share is taken. It
    /// could not look, so it keeps a roll slot that it was given.
    InLine {
        /// For this long.
        after: Duration,
    },
    /// Try again with backoff: it failed in a way that passes.
    Retry {
        /// No sooner than the other side asked, already clamped.
        no_sooner_than: Option<Duration>,
        /// Whether it takes, keeps or frees a roll slot.
        roll: Roll,
    },
    /// Try again when a roll slot is free: `claim_roll` of the queue said no.
    AwaitRoll,
    /// Nothing until the wanted state, the configuration or a person changes something.
    Park {
        /// Whether the slow timer looks again all the same: somebody may mend it elsewhere.
        slowly: bool,
    },
}

/// What a run knows of a roll at its target when it ends: whether the target counts against the
/// connection's limit of rolls at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roll {
    /// None is under way.
    Over,
    /// The run ended before it could look: what was known before still counts.
    Unknown,
    /// One is under way, or may be. It counts even if nobody asked for leave: one from before a
    /// restart, say.
    UnderWay,
}
