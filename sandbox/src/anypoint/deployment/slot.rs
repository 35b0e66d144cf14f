//! The place of one replica: what runs there, and what ever did.

use std::sync::Arc;

use jiff::Timestamp;

use super::Config;
use crate::anypoint::history::{Ran, ReplicaView};

/// One replica's place.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) id: String,
    running: Option<(Arc<Config>, Timestamp)>,
    past: Vec<Ran>,
}

impl Slot {
    pub(super) fn empty() -> Self {
        Self { id: String::new(), running: None, past: Vec::new() }
    }

    pub(crate) fn config(&self) -> Option<&Arc<Config>> {
        self.running.as_ref().map(|(config, _)| config)
    }

    pub(super) fn stop(&mut self, at: Timestamp) {
        if let Some((config, from)) = self.running.take() {
            self.past.push(ran(&config, from, Some(at)));
        }
    }

    pub(super) fn run(&mut self, name: &str, config: &Arc<Config>, at: Timestamp) {
        self.stop(at);
        // A replica is a pod: the one that replaces it has another name.
        self.id = format!("{name}-{:08x}", fastrand::u32(..));
        self.running = Some((Arc::clone(config), at));
    }

    /// What runs there now.
    pub(super) fn view(&self) -> Option<ReplicaView> {
        self.running.as_ref().map(|(config, since)| ReplicaView {
            version: config.version.clone(),
            properties: config.properties.clone(),
            secure: config.secure.clone(),
            since: *since,
        })
    }

    /// All that ever ran there, oldest first.
    pub(super) fn ran(&self) -> Vec<Ran> {
        let now = self.running.as_ref().map(|(config, from)| ran(config, *from, None));
        self.past.iter().cloned().chain(now).collect()
    }
}

fn ran(config: &Config, from: Timestamp, until: Option<Timestamp>) -> Ran {
    Ran {
        version: config.version.clone(),
        properties: config.properties.clone(),
        secure: config.secure.clone(),
        from,
        until,
    }
}
