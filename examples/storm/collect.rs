//! From the fakes' own records to the history that the verdict reads.

use std::collections::HashMap;
use std::time::Duration;

use anypoint_sandbox::anypoint::{App, Map};
use anypoint_sandbox::aws::{Secret, Value};
use jiff::Timestamp;

use crate::arrivals::{Arrival, Arrivals};
use crate::history::{By, Held, History, RECEIPT, Target, Tenure, Wants, Write};
use crate::mix::Kind;
use crate::options::Options;
use crate::world::{self, Place, World};

/// What the time of a request is made of, at most: AWS has answered for one secret and is still asked for
/// another, and a first try was refused for its token.
const REQUEST_TIME: Duration = Duration::from_secs(2 * world::REQUEST.as_secs());

/// What every target holds now, without any writes.
pub(crate) fn now_held(world: &World) -> History {
    history(world, |target| Target {
        name: target.draft.name.clone(),
        wants: wants(target),
        parts: target.draft.parts.clone(),
        original: None,
        started: Vec::new(),
        landed: Vec::new(),
        held: held(world, target),
    })
}

/// All that happened.
pub(crate) fn all(world: &World, arrivals: &Arrivals, options: &Options) -> History {
    let whole = history(world, |target| {
        let watching = target.draft.kind == Kind::Watching;
        let mut whole = Target {
            name: target.draft.name.clone(),
            wants: wants(target),
            parts: target.draft.parts.clone(),
            original: None,
            started: Vec::new(),
            landed: Vec::new(),
            held: held(world, target),
        };
        match &target.place {
            Place::App { app, original } => {
                let arrived = arrivals.of(app.id());
                whole.original = Some(original.clone());
                whole.landed = landed(world, app, &arrived);
                whole.started = arrived.into_iter().map(started).collect();
            }
            Place::Shared(secret) => {
                let writes = secret.history().into_iter().filter(|write| write.by != "setup");
                whole.landed = writes.map(|write| plain(write.at, write.fields)).collect();
                whole.started = arrivals.of(secret.id()).into_iter().map(started).collect();
            }
            Place::Endpoint => {
                let letters = world.endpoint.received(&target.draft.name);
                whole.landed = letters.into_iter().map(|(at, map)| plain(at, map)).collect();
                whole.started.clone_from(&whole.landed);
            }
        }
        if watching {
            whole.started.iter_mut().chain(&mut whole.landed).for_each(name_version);
        }
        whole
    });
    History { allowance: options.stale + REQUEST_TIME, ..whole }
}

fn history(world: &World, target: impl Fn(&world::Target) -> Target) -> History {
    History {
        secrets: world.secrets.iter().map(tenures).collect(),
        targets: world.targets.iter().map(target).collect(),
        allowance: Duration::ZERO,
    }
}

/// The tenures of a secret so far.
pub(crate) fn tenures(secret: &Secret) -> Vec<Tenure> {
    let field = |value: &Value, name: &str| value.field(name).unwrap_or_default();
    let each = secret.history().into_iter().map(|held| Tenure {
        username: field(&held.value, "username"),
        password: field(&held.value, "password"),
        url: format!(
            "jdbc:postgresql://{}:{}/app?user={}",
            field(&held.value, "host"),
            field(&held.value, "port"),
            field(&held.value, "username")
        ),
        version: held.version_id,
        from: held.since,
        until: held.until,
    });
    each.collect()
}

fn wants(target: &world::Target) -> Wants {
    match target.draft.kind {
        Kind::Watching => Wants::Restart(target.draft.secrets.clone()),
        _ => Wants::Values,
    }
}

fn held(world: &World, target: &world::Target) -> Vec<Held> {
    match &target.place {
        Place::App { app, .. } => {
            let replicas = app.running().into_iter();
            replicas
                .map(|replica| Held {
                    since: replica.since,
                    clear: replica.properties,
                    secure: replica.secure,
                })
                .collect()
        }
        Place::Shared(secret) => {
            let fields = secret.current().into_iter();
            fields.map(|secure| Held { since: Timestamp::MIN, clear: Map::new(), secure }).collect()
        }
        Place::Endpoint => {
            let last = world.endpoint.received(&target.draft.name).pop().into_iter();
            last.map(|(since, secure)| Held { since, clear: Map::new(), secure }).collect()
        }
    }
}

fn plain(at: Timestamp, secure: Map) -> Write {
    Write { by: By::Relay, at, made: None, clear: Map::new(), secure }
}

fn started(arrival: Arrival) -> Write {
    let made = arrival.looked.map(|looked| (looked, arrival.at));
    Write { by: By::Relay, at: arrival.at, made, clear: arrival.clear, secure: arrival.secure }
}

/// The writes that took effect, each with the arrival that has its receipt.
fn landed(world: &World, app: &App, arrived: &[Arrival]) -> Vec<Write> {
    let relay = world.anypoint.client_id();
    let made: HashMap<&str, (Timestamp, Timestamp)> = arrived
        .iter()
        .filter_map(|arrival| Some((arrival.receipt()?, (arrival.looked?, arrival.at))))
        .collect();
    let each = app.history().writes.into_iter().map(|write| {
        let by = if write.by == relay { By::Relay } else { By::Pipeline };
        let receipt = write.properties.get(RECEIPT).map(String::as_str).unwrap_or_default();
        let made = made.get(receipt).copied().filter(|_| by == By::Relay);
        Write { by, at: write.at, made, clear: write.properties, secure: write.secure }
    });
    each.collect()
}

/// A receipt ends with the versions that it is of; of a single secret, with one: `<version>@<created>`.
fn name_version(write: &mut Write) {
    let receipt = write.clear.get(RECEIPT).map(String::as_str).unwrap_or_default();
    let version = receipt.rsplit(';').next().and_then(|versions| versions.split('@').next());
    if let Some(version) = version.filter(|version| *version != "-") {
        write.secure.insert("version".to_owned(), version.to_owned());
    }
}
