//! The relay's writes as their requests arrive, before any fault or delay touches them.
//!
//! The histories of the fakes tell when a write took effect. Whether it *started* in time is told by when
//! its request came, so that is noted here, with the relay's look at the target before it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anypoint_relay::clock::{Clock, SystemClock};
use anypoint_sandbox::anypoint::{Anypoint, Endpoint, Map};
use anypoint_sandbox::faults::{Rule, Seen};
use jiff::Timestamp;
use serde_json::Value;

use crate::history::RECEIPT;

/// Where properties stand in a body of the Application Manager and of hybrid servers.
const SERVICE: &str = "mule.agent.application.properties.service";

/// The request of a write.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: Timestamp,
    /// When the relay had last asked for the target.
    pub(crate) looked: Option<Timestamp>,
    pub(crate) clear: Map,
    pub(crate) secure: Map,
}

impl Arrival {
    /// The receipt in it, which no two writes share.
    pub(crate) fn receipt(&self) -> Option<&str> {
        self.clear.get(RECEIPT).map(String::as_str)
    }
}

#[derive(Debug, Default)]
struct State {
    looked: HashMap<String, Timestamp>,
    writes: BTreeMap<String, Vec<Arrival>>,
}

/// All arrivals so far; clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals(Arc<Mutex<State>>);

impl Arrivals {
    /// Notes what arrives at this Anypoint from now on.
    pub(crate) fn watch(&self, anypoint: &Anypoint) {
        let arrivals = self.clone();
        anypoint.faults().add(Rule::watch(move |seen| arrivals.note(seen)));
    }

    /// The writes of a thing, oldest first.
    pub(crate) fn of(&self, thing: &str) -> Vec<Arrival> {
        self.state().writes.get(thing).cloned().unwrap_or_default()
    }

    fn note(&self, seen: &Seen<'_>) {
        let thing = || seen.path.rsplit('/').next().unwrap_or_default().to_owned();
        let is = |call: Endpoint| seen.tag == call.tag();
        if [Endpoint::DeploymentGet, Endpoint::CloudHubGet, Endpoint::HybridGet].into_iter().any(is) {
            self.state().looked.insert(thing(), now());
            return;
        }
        let Some((clear, secure)) = written(seen) else { return };
        let mut state = self.state();
        let arrival = Arrival { at: now(), looked: state.looked.get(&thing()).copied(), clear, secure };
        state.writes.entry(thing()).or_default().push(arrival);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn now() -> Timestamp {
    SystemClock.timestamp()
}

/// The maps of a write; none for any other request.
fn written(seen: &Seen<'_>) -> Option<(Map, Map)> {
    let is = |call: Endpoint| seen.tag == call.tag();
    if is(Endpoint::DeploymentPatch) {
        let body: Value = serde_json::from_slice(seen.body).ok()?;
        let service = &body["application"]["configuration"][SERVICE];
        return Some((map(&service["properties"]), map(&service["secureProperties"])));
    }
    if is(Endpoint::SecretPut) {
        return Some((Map::new(), map(&serde_json::from_slice(seen.body).ok()?)));
    }
    if is(Endpoint::CloudHubPut) {
        return Some((map(&part(seen.body, "appInfoJson")?["properties"]), Map::new()));
    }
    if is(Endpoint::HybridPatch) {
        return Some((map(&part(seen.body, "configuration")?[SERVICE]["properties"]), Map::new()));
    }
    None
}

fn map(value: &Value) -> Map {
    let entries = value.as_object().into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// The JSON of a part of a form. Its head ends with the first empty line after the name.
fn part(body: &[u8], name: &str) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, after) = text.split_once(&format!("name=\"{name}\""))?;
    let (_, content) = after.split_once("\r\n\r\n")?;
    serde_json::Deserializer::from_str(content).into_iter().next()?.ok()
}
