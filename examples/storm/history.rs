//! What the verdict is made of: who held what, and when, as the fakes remember it. Nothing here comes from
//! the relay's own word. Values are test data, so they are plain text.

use std::time::Duration;

use anypoint_sandbox::anypoint::Map;
use jiff::Timestamp;

/// A field of a secret, as a target takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Username,
    Password,
    /// A text made of several fields.
    Url,
    /// Not a field: the id of the version, for targets that are told of it.
    Version,
}

/// A name under which a target holds a field of a secret.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// Place of the secret in [`History::secrets`].
    pub(crate) secret: usize,
    pub(crate) field: Field,
}

/// A stretch of time in which a version was AWSCURRENT.
#[derive(Clone, Debug)]
pub(crate) struct Tenure {
    pub(crate) version: String,
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) url: String,
    pub(crate) from: Timestamp,
    /// None while it is current.
    pub(crate) until: Option<Timestamp>,
}

impl Tenure {
    pub(crate) fn field(&self, field: Field) -> &str {
        match field {
            Field::Username => &self.username,
            Field::Password => &self.password,
            Field::Url => &self.url,
            Field::Version => &self.version,
        }
    }
}

/// Who wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Relay,
    Pipeline,
}

/// A write, when its request came or when it took effect.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) by: By,
    pub(crate) at: Timestamp,
    /// Between the relay's last look at the target and the arrival of the request, the write was made up;
    /// none where that is not known.
    pub(crate) made: Option<(Timestamp, Timestamp)>,
    pub(crate) clear: Map,
    pub(crate) secure: Map,
}

/// What one replica, or one store, holds.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) since: Timestamp,
    pub(crate) clear: Map,
    pub(crate) secure: Map,
}

/// What a target has to hold at the end.
#[derive(Clone, Debug)]
pub(crate) enum Wants {
    /// Its parts, as the current versions have them.
    Values,
    /// Nothing: it reads these secrets itself when it starts, so that has to have been while their current versions
    /// were current.
    Restart(Vec<usize>),
}

/// All about one target.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) wants: Wants,
    /// What each write of the relay carries.
    pub(crate) parts: Vec<Part>,
    /// Whether it has properties of others beside ours, and what it was first deployed with.
    pub(crate) original: Option<(Map, Map)>,
    /// The relay's writes as their requests came, carried out or not.
    pub(crate) started: Vec<Write>,
    /// Everybody's writes as they took effect.
    pub(crate) landed: Vec<Write>,
    pub(crate) held: Vec<Held>,
}

/// All that a verdict needs.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// The tenures of each secret, oldest first.
    pub(crate) secrets: Vec<Vec<Tenure>>,
    pub(crate) targets: Vec<Target>,
    /// How long after the end of its tenure a version may still begin to be written: reads lag behind, and
    /// between the read and the arrival of the write lies the time of a request.
    pub(crate) allowance: Duration,
}

/// The property of an application in which the relay keeps its receipt.
pub(crate) const RECEIPT: &str = "anypoint-relay.receipt";

impl Write {
    /// What it has under a name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        value(&self.clear, &self.secure, name)
    }
}

impl Held {
    /// What it has under a name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        value(&self.clear, &self.secure, name)
    }
}

fn value<'a>(clear: &'a Map, secure: &'a Map, name: &str) -> Option<&'a str> {
    secure.get(name).or_else(|| clear.get(name)).map(String::as_str)
}

impl Target {
    /// The part of a map that is not ours.
    pub(crate) fn foreign<'a>(&self, map: &'a Map) -> Vec<(&'a str, &'a str)> {
        let ours = |name: &str| name == RECEIPT || self.parts.iter().any(|part| part.name == name);
        let all = map.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, _)| !ours(name)).collect()
    }
}
