//! A secret with two users that take turns, rotated while it is written: no replica ever runs with the
//! user of one version and the password of another.
//!
//! Each seed is one rotation of one application's secret, with another one or two before requests that
//! the relay makes because of it: before it asks which version is current, between that and the value,
//! before the write lands, after it, during the roll.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anypoint_sandbox::anypoint::App;
use anypoint_sandbox::aws::Secret;
use anypoint_sandbox::faults::{Rule, Seen};
use anypoint_sandbox::wait_until;
use serde_json::{Value, json};

use crate::support::{Bench, LIMIT};

/// Seeds in the usual run. `ALL_ROTATION_SEEDS` set to anything runs a thousand.
const SEEDS: u64 = 100;
const ALL_SEEDS: u64 = 1_000;
/// Applications of one relay; each takes one seed per round.
const APPLICATIONS: u64 = 25;
/// Requests of a run and of the looks after it, before which another rotation may come.
const MOMENTS: u64 = 10;

/// An application, its secret, and before which of its requests the secret is rotated once more.
struct Pair {
    secret: Secret,
    app: App,
    plot: Mutex<Plot>,
}

#[derive(Default)]
struct Plot {
    requests: u64,
    moments: BTreeSet<u64>,
    rotations: u64,
}

impl Pair {
    fn rotate(&self, plot: &mut Plot) {
        plot.rotations += 1;
        self.secret.rotate_password(&format!("{}-{}", self.app.id(), plot.rotations));
    }

    fn begin(&self, seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut plot = self.plot.lock().unwrap();
        plot.requests = 0;
        plot.moments = (0..rng.u64(1..=2)).map(|_| rng.u64(1..=MOMENTS)).collect();
        self.rotate(&mut plot);
    }

    /// The relay is about to be answered; gives whether the secret was rotated.
    fn asked(&self) -> bool {
        let mut plot = self.plot.lock().unwrap();
        plot.requests += 1;
        let now = plot.requests;
        let due = plot.moments.remove(&now);
        if due {
            self.rotate(&mut plot);
        }
        due
    }

    /// Whether every replica runs with what AWS serves.
    fn current(&self) -> bool {
        let value = self.secret.current_value();
        let pair = ["username", "password"].map(|name| value.field(name).unwrap());
        let running = self.app.running();
        !running.is_empty() && running.iter().all(|replica| held(&replica.secure) == pair)
    }
}

fn held(secure: &BTreeMap<String, String>) -> [String; 2] {
    ["db.user", "db.password"].map(|name| secure[name].clone())
}

/// Which pair a request is about: an application by its id, a secret by its name or ARN.
fn subject(seen: &Seen<'_>) -> Option<String> {
    if let Ok(Value::Object(input)) = serde_json::from_slice(seen.body)
        && let Some(id) = input.get("SecretId")
    {
        return id.as_str().map(str::to_owned);
    }
    seen.path.rsplit('/').next().map(str::to_owned)
}

/// A target that takes both fields. Half of them call the secret by its name and by its ARN, so it is
/// read twice; half of them don't wait for the end of a roll of their own.
fn target(number: u64, secret: &Secret) -> String {
    let (by_arn, supersede) = (number.is_multiple_of(2), number % 4 < 2);
    let (name, password) = (secret.name(), if by_arn { secret.arn() } else { secret.name() });
    let mut text = String::new();
    write!(
        text,
        "
  app-{number}:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: app-{number}
    coalesce: 10ms
    supersede: {supersede}
    secure_properties:
      db.user: {{ secret: {name}, field: username }}
      db.password: {{ secret: \"{password}\", field: password }}
      db.pair: {{ secret: {name}, template: \"{{username}} {{password}}\" }}
"
    )
    .unwrap();
    text
}

async fn rotated_during_the_write(seeds: u64) {
    let mut bench = Bench::new().await;
    let mut targets = String::new();
    let mut pairs = Vec::new();
    for number in 0..APPLICATIONS {
        let value = json!({ "username": "app", "password": "first" });
        let secret = bench.aws.create_secret(&format!("prod/{number}"), value);
        secret.set_alternating(true);
        let first = [("db.user", "app"), ("db.password", "first"), ("db.pair", "app first")];
        let app = bench.anypoint.deploy(&format!("app-{number}"), [], first);
        app.scale(2).roll_time(Duration::from_millis(2));
        targets += &target(number, &secret);
        pairs.push(Arc::new(Pair { secret, app, plot: Mutex::default() }));
    }
    let text = bench.tuned(&targets, &[("    base_url", "    max_rolling: 50\n    base_url")]);
    bench.start_with(&text).await;
    for number in 0..APPLICATIONS {
        bench.in_sync(&format!("app-{number}")).await;
    }

    let keys = pairs.iter().flat_map(|pair| {
        [pair.secret.name(), pair.secret.arn(), pair.app.id()].map(|key| (key.to_owned(), Arc::clone(pair)))
    });
    let by_key: Arc<HashMap<String, Arc<Pair>>> = Arc::new(keys.collect());
    let moments: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    for faults in [bench.aws.faults(), bench.anypoint.faults()] {
        let (by_key, moments) = (Arc::clone(&by_key), Arc::clone(&moments));
        faults.add(Rule::watch(move |seen| {
            let pair = subject(seen).and_then(|key| by_key.get(&key));
            if pair.is_some_and(|pair| pair.asked()) {
                *moments.lock().unwrap().entry(seen.tag.to_owned()).or_default() += 1;
            }
        }));
    }

    bench.tell_by_eventbridge();
    let all: Vec<u64> = (0..seeds).collect();
    for round in all.chunks(pairs.len()) {
        pairs.iter().zip(round).for_each(|(pair, seed)| pair.begin(*seed));
        let current = || pairs.iter().all(|pair| pair.current());
        wait_until("what AWS serves at every replica", LIMIT, current).await;
        bench.idle().await;
        wait_until("what AWS serves at every replica, again", LIMIT, current).await;
    }
    bench.idle().await;

    for pair in &pairs {
        assert!(pair.current(), "{} does not run with what AWS serves", pair.secret.name());
        let versions: Vec<[String; 2]> = pair
            .secret
            .history()
            .iter()
            .map(|held| ["username", "password"].map(|name| held.value.field(name).unwrap()))
            .collect();
        let history = pair.app.history();
        for ran in history.replicas.iter().flatten() {
            let held = held(&ran.secure);
            assert!(versions.contains(&held), "{held:?} is of no version of {}", pair.secret.name());
            assert_eq!(ran.secure["db.pair"], held.join(" "));
        }
        let place = |secure| versions.iter().position(|version| *version == held(secure));
        let places: Vec<_> = history.writes.iter().map(|write| place(&write.secure)).collect();
        assert!(places.is_sorted(), "an older version over a newer one: {places:?}");
    }
    let moments = moments.lock().unwrap();
    for tag in ["DescribeSecret", "GetSecretValue", "deployments.get", "deployments.patch"] {
        assert!(moments.get(tag).is_some_and(|count| *count > 2), "no rotation at {tag}: {moments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_during_the_write_never_mixes_two_versions() {
    #[expect(clippy::disallowed_methods, reason = "the caller says how long the test may take")]
    let all = std::env::var("ALL_ROTATION_SEEDS").is_ok();
    rotated_during_the_write(if all { ALL_SEEDS } else { SEEDS }).await;
}
