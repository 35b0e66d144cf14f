//! What a platform shows of an application, in the one form that the rest of this kind reads.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::anypoint::body::Parsed;
use crate::anypoint::kinds::mark;
use crate::model::Mark;
use crate::sync::ports::Stage;

/// An application as it was seen. No Debug: clear properties may hold values of others.
pub(super) struct Stored {
    /// What the properties service calls the application; sent back with a write.
    pub(super) application_name: Option<String>,
    /// Clear properties, by name, as they are.
    pub(super) clear: BTreeMap<String, Parsed>,
    /// Names of properties whose values are hidden.
    pub(super) secure: BTreeSet<String>,
    /// Whether properties are shown at all. If not, the maps above are empty and say nothing.
    pub(super) shows_properties: bool,
    /// Moves with every write by anybody, and with nothing else.
    pub(super) mark: Option<Mark>,
    /// Every version that is shown: the desired one, the last successful one, those of replicas.
    pub(super) versions: BTreeSet<String>,
    /// Whether it is at rest.
    pub(super) stage: Stage,
    /// Whether `Settled` is known.
    pub(super) provable: bool,
    /// What a write costs, for a note: here the application does not go on while it starts anew.
    pub(super) price: Option<&'static str>,
}

impl Stored {
    /// Whether the answer to a write shows a version that is neither this one's nor the write's own:
    /// somebody else wrote in between. No means little: a version shows only once a replica is on it.
    pub(super) fn was_overtaken(&self, answer: &Self) -> bool {
        let Some(Mark(written)) = &answer.mark else { return false };
        let mut new = answer.versions.difference(&self.versions);
        !self.versions.is_empty() && new.any(|version| mark(version).0 != *written)
    }
}

/// The members of a map of properties; absent and null are empty.
pub(super) fn members(parsed: &mut Parsed, pointer: &str) -> Result<Vec<(String, Parsed)>, &'static str> {
    match parsed.value().pointer(pointer) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(_) => parsed.take_members(pointer).ok_or("a map of properties is not an object"),
    }
}

/// A text that is there and not empty.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}
