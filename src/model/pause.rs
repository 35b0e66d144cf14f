//! A person's wish that a target is left alone for a while.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why no run of a target starts, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself; none means that a person has to end it.
    pub until: Option<Timestamp>,
    /// Why, in that person's words.
    pub reason: String,
}

impl Pause {
    /// Whether it is still on.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}
