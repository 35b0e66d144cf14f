//! A canary value goes through every path; it must appear nowhere.
//!
//! The relay runs as a process, with everything it can log switched on. Each channel is first shown to be
//! scanned: a run in which the canary is given to it on purpose has to be seen in every one of them.

mod channels;
mod faults;
mod memory;
mod scan;
mod stores;
mod values;

use std::collections::BTreeMap;
use std::rc::Rc;

use anypoint_sandbox::anypoint::{Anypoint, Receiver};
use anypoint_sandbox::aws::Topic;
use anypoint_sandbox::wait_until;
use serde_json::Value;

use crate::support::{Bench, LIMIT, Relay};
use channels::Channels;
use scan::Scan;

/// The start of the canary, and what is planted: it may be the name of a target, an id, a reason.
const PLANTED: &str = "cnry7q2xv9kd";
/// What AWS serves. Each encoding changes some of its characters, and 64 of them are the most that a
/// password of Anypoint may have.
const CANARY: &str = "cnry7q2xv9kd \"\\/+&%<é>' zz8w4jtm5rpl";
/// The relay's own credentials.
const CLIENT_SECRET: &str = "cs4m8zw2pk7x \"\\/+&%<é>' cs9h3vtq6nbd";
const TRIGGER_KEY: &str = "tk5h8c2vn6qd\"\\/+&%<>'tk9x3b7mzw1f";
const EVENTBRIDGE_KEY: &str = "eb3j7f5wr2ks\"\\/+&%<>'eb8d4p6gxn9c";
const REFRESH_KEY: &str = "rf6b9m3xt8wj\"\\/+&%<>'rf2q5k7zvh4s";
const AUDIT_KEY: &str = "ak7w4n9cz2vk\"\\/+&%<>'ak5r8x3hq6tm";
const COLLECTOR_KEY: &str = "ck6t3w8nz5vh\"\\/+&%<>'ck7m2x9bq4rj";
/// Of the sandbox's AWS.
const AWS_KEY: &str = "sandbox/secret/access/key";

/// A sandbox whose every secret is a canary, and the configuration of a relay for it.
struct World {
    bench: Bench,
    /// Each has limits of its own, so that a fault of one holds nothing up at the others.
    anypoints: Vec<Rc<Anypoint>>,
    /// Gets the relay's traces.
    collector: Receiver,
    targets: String,
    /// Long where everything fails at once and need not fail often.
    retry_base: &'static str,
    log_format: &'static str,
}

impl World {
    async fn new(anypoints: usize) -> Self {
        let mut bench = Bench::new().await;
        let mut all = Vec::new();
        for _ in 0..anypoints {
            let anypoint = Anypoint::start().await;
            anypoint.set_client_secret(CLIENT_SECRET);
            anypoint.set_application_manager_limit(None);
            anypoint.set_cloudhub_limit(None);
            anypoint.rules(|rules| {
                rules.errors_echo_values = true;
                rules.secret_value_endpoint = true;
            });
            all.push(Rc::new(anypoint));
        }
        for (name, value) in [
            ("CLIENT_SECRET", CLIENT_SECRET),
            ("TRIGGER_KEY", TRIGGER_KEY),
            ("EVENTBRIDGE_KEY", EVENTBRIDGE_KEY),
            ("REFRESH_KEY", REFRESH_KEY),
            ("AUDIT_KEY", AUDIT_KEY),
            ("COLLECTOR_KEY", COLLECTOR_KEY),
        ] {
            bench.environment_with(name, value);
        }
        for (number, anypoint) in all.iter().enumerate() {
            bench.environment_with(&format!("CLIENT_ID_{number}"), &anypoint.client_id());
        }
        values::create_secrets(&bench.aws);
        let collector = Receiver::start().await;
        let targets = String::new();
        Self { bench, anypoints: all, collector, targets, retry_base: "1s", log_format: "json" }
    }

    /// Adds targets, as YAML below `targets:`.
    fn add(&mut self, targets: &str) {
        self.targets.push_str(targets);
    }

    /// A whole configuration. The filter asks for everything that can be logged.
    fn file(&self) -> String {
        let connections: String = self.anypoints.iter().enumerate().map(connection).collect();
        let text = self.bench.file(&self.targets);
        let text = text.replace("freshness: 500ms", "timeout: 1s, freshness: 500ms");
        let queue = format!("workers: 64, retry_base: {}, retry_cap: 1m", self.retry_base);
        let text = text.replace("workers: 8, retry_base: 10ms, retry_cap: 100ms", &queue);
        let text = text.replace("connections:\n", &format!("connections:\n{connections}"));
        let (receipts, audit) = (self.bench.path("receipts.json"), self.bench.path("audit.jsonl"));
        format!(
            "{text}log: {{ format: {}, filter: trace }}\nreceipts: {}\n\
             alerts: {{ stale_after: 10ms, repeat: 50ms, topic: \"{}\" }}\n\
             audit: {{ to: {}, key: {{ env: AUDIT_KEY }} }}\n\
             traces: {{ endpoint: \"{}\", headers: {{ x-key: {{ env: COLLECTOR_KEY }} }} }}\n",
            self.log_format,
            receipts.display(),
            self.alerts().arn(),
            audit.display(),
            self.collector.url(),
        )
    }

    /// The name of the first target.
    fn first_target(&self) -> String {
        let line = self.targets.lines().find(|line| !line.trim().is_empty()).expect("there are targets");
        line.trim().trim_end_matches(':').to_owned()
    }

    /// Where the relay tells of what is stale, which is at once and often.
    fn alerts(&self) -> Topic {
        self.bench.aws.topic("relay-alerts")
    }

    async fn start(&self) -> Relay {
        let file = self.bench.write("relay.yaml", self.file());
        let mut command = self.bench.binary();
        command.env("RUST_BACKTRACE", "full").env("RUST_LOG", "trace").arg("serve").arg(file);
        Relay::launch(&mut command).await
    }

    /// Everything that must appear nowhere, the tokens that Anypoint handed out included.
    fn scan(&self) -> Scan {
        let mut secrets = vec![
            ("the value".to_owned(), CANARY.to_owned()),
            ("the client secret".to_owned(), CLIENT_SECRET.to_owned()),
            ("the trigger key".to_owned(), TRIGGER_KEY.to_owned()),
            ("the EventBridge key".to_owned(), EVENTBRIDGE_KEY.to_owned()),
            ("the key of the http target".to_owned(), REFRESH_KEY.to_owned()),
            ("the key of the audit".to_owned(), AUDIT_KEY.to_owned()),
            ("the key of the collector".to_owned(), COLLECTOR_KEY.to_owned()),
            ("the AWS key".to_owned(), AWS_KEY.to_owned()),
            ("a private key".to_owned(), stores::part_of_key().to_owned()),
        ];
        for anypoint in &self.anypoints {
            let mut tokens: Vec<String> = anypoint
                .log()
                .all()
                .iter()
                .filter_map(|request| request.headers.get("authorization")?.to_str().ok().map(str::to_owned))
                .collect();
            tokens.sort();
            tokens.dedup();
            let tokens = tokens
                .iter()
                .filter_map(|header| header.strip_prefix("Bearer ").or(header.strip_prefix("bearer ")));
            secrets.extend(tokens.map(|token| ("a token".to_owned(), token.to_owned())));
        }
        let used = self.anypoints.iter().map(|anypoint| anypoint.tokens_minted()).sum::<u64>() > 0;
        assert_eq!(secrets.iter().any(|(name, _)| name == "a token"), used);
        Scan::of(secrets.iter().map(|(name, secret)| (name.as_str(), secret.as_str())))
    }
}

fn connection((number, anypoint): (usize, &Rc<Anypoint>)) -> String {
    format!(
        "  c{number}:
    base_url: \"{}\"
    client_id: {{ env: CLIENT_ID_{number} }}
    client_secret: {{ env: CLIENT_SECRET }}
    organization: {}
    environment: {}
    max_rolling: 1000
    rates: {{ application_manager: 15 }}
    timeout: 2s
",
        anypoint.base_url(),
        anypoint.organization(),
        anypoint.environment(),
    )
}

#[tokio::test]
async fn what_is_planted_is_seen_in_every_channel() {
    for log_format in ["json", "pretty"] {
        let mut world = World { log_format, ..World::new(1).await };
        world.add(&values::planted_targets(PLANTED));
        world.anypoints[0].add_secret_value("planted");
        let relay = world.start().await;
        relay.shows(PLANTED, "accepted").await;
        wait_until("an alert", LIMIT, || !world.alerts().published().is_empty()).await;
        let channels = Channels::gather(&world, relay, PLANTED).await;
        let scan = world.scan();
        for (channel, text) in channels.iter() {
            assert!(
                !scan.find(text).is_empty(),
                "the scan does not see {channel}: {}",
                String::from_utf8_lossy(text)
            );
        }
    }
}

#[tokio::test]
async fn no_channel_shows_a_value_when_everything_goes_well() {
    let mut world = World::new(1).await;
    let proof = values::good_targets(&mut world).await;
    let relay = world.start().await;
    for (target, outcome) in [
        ("good-app", "in_sync"),
        ("good-cloudhub", "accepted"),
        ("good-hybrid", "accepted"),
        ("good-shared", "in_sync"),
        ("good-created", "in_sync"),
        ("good-file", "in_sync"),
        ("good-pem", "in_sync"),
        ("good-value", "accepted"),
        ("good-http", "accepted"),
        ("good-body", "in_sync"),
    ] {
        relay.shows(target, outcome).await;
    }
    proof.assert_delivered(&world);
    Channels::gather(&world, relay, "plain-word").await.assert_clean(&world.scan());
}

#[tokio::test]
async fn no_channel_shows_a_value_that_does_not_fit() {
    for log_format in ["json", "pretty"] {
        let mut world = World { log_format, ..World::new(1).await };
        let expected = values::bad_targets(&mut world);
        let relay = world.start().await;
        let expected: BTreeMap<&str, &str> =
            expected.iter().map(|(target, code)| (target.as_str(), *code)).collect();
        let targets: Vec<&str> = expected.keys().copied().collect();
        wait_until("alerts", LIMIT, || !world.alerts().published().is_empty()).await;
        relay
            .have_run(&targets, |target, run| {
                expected.get(target).is_some_and(|code| run["failure"]["code"] == *code)
            })
            .await;
        Channels::gather(&world, relay, "plain-word").await.assert_clean(&world.scan());
    }
}

#[tokio::test]
async fn no_channel_shows_a_value_that_anypoint_repeats_in_its_failures() {
    let mut world = World::new(faults::ANYPOINTS).await;
    let faults = faults::anypoint(&mut world);
    hit_and_gather(&world, faults).await;
}

#[tokio::test]
async fn no_channel_shows_a_value_that_an_endpoint_repeats_in_its_failures() {
    let mut world = World::new(1).await;
    let endpoint = faults::endpoint(&mut world).await;
    hit_and_gather(&world, endpoint.faults.clone()).await;
    assert_eq!(endpoint.stolen(), 0, "no redirect is followed");
}

#[tokio::test]
async fn no_channel_shows_a_value_from_an_answer_of_aws_that_is_broken() {
    let mut world = World::new(1).await;
    let _proof = values::good_targets(&mut world).await;
    let faults = faults::aws(&mut world);
    // One answer after the other.
    world.retry_base = "10ms";
    hit_and_gather(&world, faults).await;
}

#[tokio::test]
async fn no_channel_shows_a_credential_that_the_token_endpoint_repeats() {
    let mut world = World::new(12).await;
    let faults = faults::token(&mut world);
    hit_and_gather(&world, faults).await;
}

/// Lets every fault happen, then looks everywhere.
async fn hit_and_gather(world: &World, faults: Vec<faults::Fault>) {
    let relay = world.start().await;
    for fault in &faults {
        let hit = || fault.hits() > 0;
        wait_until(&format!("the fault {}", fault.name), LIMIT, hit).await;
    }
    for fails in [true, false] {
        let targets: Vec<&str> =
            faults.iter().filter(|fault| fault.fails == fails).map(|fault| fault.target.as_str()).collect();
        let ended =
            |_: &str, run: &Value| if fails { run["failure"].is_object() } else { run["did"] == "wrote" };
        relay.have_run(&targets, ended).await;
    }
    Channels::gather(world, relay, "plain-word").await.assert_clean(&world.scan());
}
