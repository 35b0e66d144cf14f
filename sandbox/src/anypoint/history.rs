//! What tests ask afterwards: which replica ran with what, who wrote what, and how it ended.
//!
//! Records are only ever added to. The values are test data, so they are plain text here.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::store_types::Parts;

/// Names and values.
pub type Map = BTreeMap<String, String>;

/// What one replica ran with over a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The specification's version.
    pub version: String,
    /// Clear properties.
    pub properties: Map,
    /// Secure properties, as the application sees them.
    pub secure: Map,
    /// From when.
    pub from: Timestamp,
    /// Until when; `None` while it still runs.
    pub until: Option<Timestamp>,
}

/// What one replica runs with now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaView {
    /// The specification's version.
    pub version: String,
    /// Clear properties.
    pub properties: Map,
    /// Secure properties, as the application sees them.
    pub secure: Map,
    /// From when.
    pub since: Timestamp,
}

/// How the roll that a write started ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RollResult {
    /// It is under way.
    Rolling,
    /// All replicas run with the written maps.
    Succeeded,
    /// It did not take effect; the replicas were taken back.
    Failed,
    /// Another write, or a stop, came before its end.
    Superseded,
    /// The write started none: the application is not meant to run, or nothing changed.
    None,
}

/// One change of a deployment's maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentWrite {
    /// When it took effect on the desired specification.
    pub at: Timestamp,
    /// The client id, or `pipeline` for a foreign redeploy.
    pub by: String,
    /// The access token that it came with; empty for a foreign redeploy.
    pub token: String,
    /// The version that it made.
    pub version: String,
    /// The clear map that it stored.
    pub properties: Map,
    /// The secure map that it stored.
    pub secure: Map,
    /// How its roll ended, and when.
    pub result: RollResult,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// All that happened to one application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppHistory {
    /// Per replica slot, oldest first.
    pub replicas: Vec<Vec<Ran>>,
    /// Every write, oldest first. The first deployment is not one.
    pub writes: Vec<DeploymentWrite>,
}

impl AppHistory {
    /// How many rolls were started by writes.
    pub fn rolls(&self) -> usize {
        self.writes.iter().filter(|write| write.result != RollResult::None).count()
    }

    /// Every value that any replica ever ran with under this secure name, in order of time and
    /// without immediate repeats.
    pub fn secure_values(&self, name: &str) -> Vec<String> {
        let mut seen: Vec<(Timestamp, &String)> = self
            .replicas
            .iter()
            .flatten()
            .filter_map(|ran| Some((ran.from, ran.secure.get(name)?)))
            .collect();
        seen.sort_by_key(|(from, _)| *from);
        let mut values: Vec<String> = seen.into_iter().map(|(_, value)| value.clone()).collect();
        values.dedup();
        values
    }
}

/// One value that a shared secret was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretWrite {
    /// When (the machine's clock, without any shift).
    pub at: Timestamp,
    /// The client id; `setup` for the first value given by a test.
    pub by: String,
    /// Name at that time.
    pub name: String,
    /// Type.
    pub kind: String,
    /// Every field of the type, values included.
    pub fields: Map,
    /// The expiry in force afterwards.
    pub expiration_date: String,
}

/// One upload that a keystore, truststore or certificate was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreWrite {
    /// When (the machine's clock, without any shift).
    pub at: Timestamp,
    /// The client id; `setup` for the first one, given by a test.
    pub by: String,
    /// Name at that time.
    pub name: String,
    /// Type.
    pub kind: String,
    /// Every part that the API knows, by its name there.
    pub parts: Parts,
    /// The expiry in force afterwards.
    pub expiration_date: String,
}

impl StoreWrite {
    /// A part as text; empty where there is none.
    pub fn text(&self, part: &str) -> String {
        self.parts.get(part).map(|part| String::from_utf8_lossy(part).into_owned()).unwrap_or_default()
    }
}

/// One value that the seed document's endpoint was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueWrite {
    /// When.
    pub at: Timestamp,
    /// The client id.
    pub by: String,
    /// `value` of the body.
    pub value: String,
}
