//! kill -9 in the middle of a write; restart with no notification.

use std::path::PathBuf;

use anypoint_sandbox::anypoint::{Endpoint, Lands, LostWrite, NONE, Receiver, Seen};
use anypoint_sandbox::faults::{Action, Faults, Gate, Rule};
use anypoint_sandbox::wait_until;
use serde_json::json;

use crate::support::{Bench, LIMIT, ORDERS_SECRET, ORDERS_TARGET, Relay};

/// Whether the relay keeps its memory in a file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Memory {
    File,
    None,
}

const BOTH: [Memory; 2] = [Memory::File, Memory::None];

/// A relay that can be killed and started again with the same configuration.
struct Setting {
    bench: Bench,
    file: PathBuf,
}

impl Setting {
    fn of(bench: Bench, targets: &str, memory: Memory) -> Self {
        bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
        // Looks at the targets again and again: what lands late is found without being told.
        let mut text = bench.file(targets).replace("targets_interval: 1h", "targets_interval: 60ms");
        if memory == Memory::File {
            let receipts = bench.path("receipts.json");
            text = format!("{text}receipts: {}\n", receipts.display());
        }
        let file = bench.write("relay.yaml", text);
        Self { bench, file }
    }

    /// With an application that is in sync.
    async fn application(memory: Memory) -> (Self, Relay) {
        let bench = Bench::new().await;
        bench.anypoint.deploy("orders-api", NONE, [("db.user", "orders_app"), ("db.password", "none yet")]);
        let setting = Self::of(bench, ORDERS_TARGET, memory);
        let relay = setting.start().await;
        relay.shows("orders-api", "in_sync").await;
        (setting, relay)
    }

    /// With an endpoint that was told what `lines` say.
    async fn endpoint(memory: Memory, lines: &str) -> (Self, Relay, Receiver) {
        let mut bench = Bench::new().await;
        let receiver = Receiver::start().await;
        bench.environment_with("REFRESH_KEY", "refresh-key-0123456789abcdefghij");
        let target = format!(
            "
  refresh:
    kind: http
    url: {}/refresh
    allow: [127.0.0.1]
    key: {{ env: REFRESH_KEY }}
    coalesce: 10ms
    {lines}
",
            receiver.url()
        );
        let setting = Self::of(bench, &target, memory);
        let relay = setting.start().await;
        relay.shows("refresh", "accepted").await;
        (setting, relay, receiver)
    }

    async fn start(&self) -> Relay {
        Relay::start(self.bench.binary().arg("serve").arg(&self.file)).await
    }

    /// Starts it again; the application ends in sync and runs with this password.
    async fn comes_back_with(&self, password: &str) -> Relay {
        let relay = self.start().await;
        relay.shows("orders-api", "in_sync").await;
        assert_eq!(self.bench.running("orders-api", "db.password"), [password]);
        relay
    }

    fn rotate(&self, password: &str) {
        self.bench.aws.secret("prod/orders/db").unwrap().rotate_password(password);
    }

    /// AWS rotates, the relay is told, and is killed once `under_way` says that its write is.
    async fn kill_in_the_write(&self, relay: Relay, under_way: impl Fn() -> bool) {
        self.rotate("second-password");
        let answer = relay.trigger(&json!({"secret": "prod/orders/db"}).to_string(), "").await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        wait_until("a write under way", LIMIT, under_way).await;
        relay.kill_9().await;
    }

    fn patches(&self) -> usize {
        self.bench.anypoint.requests().of(Endpoint::DeploymentPatch)
    }

    fn passwords(&self) -> Vec<String> {
        self.bench.anypoint.history("orders-api").secure_values("db.password")
    }
}

/// Holds the answer of the next such call: its effect has happened.
fn hold_answer(faults: &Faults, call: Option<Endpoint>) -> Gate {
    let gate = Gate::new();
    let rule = Rule::new(Action::HangAfter(gate.clone())).times(1);
    faults.add(match call {
        Some(call) => rule.tag(call.tag()),
        None => rule,
    });
    gate
}

#[tokio::test]
async fn killed_while_anypoint_took_the_write() {
    for memory in BOTH {
        let (setting, relay) = Setting::application(memory).await;
        let gate = hold_answer(setting.bench.anypoint.faults(), Some(Endpoint::DeploymentPatch));
        setting.kill_in_the_write(relay, || gate.arrivals() == 1).await;

        setting.comes_back_with("second-password").await;
        assert_eq!(setting.passwords(), ["none yet", "first-password", "second-password"]);
        // With a file the write is known to have been unanswered, and is repeated once to be sure.
        let repeated = usize::from(memory == Memory::File);
        assert_eq!(setting.patches(), 2 + repeated, "{memory:?}");
    }
}

#[tokio::test]
async fn killed_while_the_write_was_on_its_way_and_lost() {
    for memory in BOTH {
        let (setting, relay) = Setting::application(memory).await;
        setting.bench.anypoint.lose_next_write(LostWrite { lands: Lands::Never, seen: Seen::Silence });
        setting.kill_in_the_write(relay, || setting.patches() == 2).await;
        assert_eq!(setting.passwords(), ["none yet", "first-password"], "it was lost");

        setting.comes_back_with("second-password").await;
        assert_eq!(setting.patches(), 3, "one write after the restart, {memory:?}");
    }
}

#[tokio::test]
async fn a_write_of_the_killed_relay_that_lands_over_a_newer_one_is_found_and_healed() {
    for memory in BOTH {
        let (setting, relay) = Setting::application(memory).await;
        let late = LostWrite { lands: Lands::WhenReleased, seen: Seen::Silence };
        setting.bench.anypoint.lose_next_write(late);
        setting.kill_in_the_write(relay, || setting.bench.anypoint.held_writes() == 1).await;
        setting.rotate("third-password");

        let relay = setting.comes_back_with("third-password").await;
        assert_eq!(setting.bench.anypoint.release_held_writes(), [200], "the late write took effect");
        let healed = || {
            let values = setting.passwords();
            values.ends_with(&["second-password".to_owned(), "third-password".to_owned()])
        };
        wait_until("the late write healed", LIMIT, healed).await;
        relay.shows("orders-api", "in_sync").await;
        assert_eq!(setting.bench.running("orders-api", "db.password"), ["third-password"], "{memory:?}");
    }
}

#[tokio::test]
async fn killed_while_its_own_roll_was_under_way() {
    for memory in BOTH {
        let (setting, relay) = Setting::application(memory).await;
        let app = setting.bench.anypoint.app("orders-api");
        app.roll_by_hand();
        setting.kill_in_the_write(relay, || app.is_rolling()).await;

        let relay = setting.start().await;
        relay.shows("orders-api", "confirming").await;
        assert_eq!(setting.patches(), 2, "the roll is waited for and not repeated, {memory:?}");
        app.roll_time(std::time::Duration::from_millis(10)).finish_roll();
        relay.shows("orders-api", "in_sync").await;
        assert_eq!(setting.bench.running("orders-api", "db.password"), ["second-password"], "{memory:?}");
    }
}

const SHARED_SECRET: &str = "
  orders-shared:
    kind: shared_secret
    connection: prod
    group: orders
    name: orders-db
    type: UsernamePassword
    coalesce: 10ms
    username: { secret: prod/orders/db, field: username }
    password: { secret: prod/orders/db, field: password }
";

async fn a_shared_secret_after_a_kill(memory: Memory, lands: Lands) {
    let bench = Bench::new().await;
    let group = bench.anypoint.add_group("orders");
    let body = json!({"name": "orders-db", "type": "UsernamePassword", "username": "a", "password": "b"});
    let secret = group.add_shared_secret(&body);
    let setting = Setting::of(bench, SHARED_SECRET, memory);
    let relay = setting.start().await;
    relay.shows("orders-shared", "in_sync").await;
    let anypoint = &setting.bench.anypoint;
    let puts = || anypoint.requests().of(Endpoint::SecretPut);
    let before = puts();
    anypoint.lose_next_write(LostWrite { lands, seen: Seen::Silence });
    setting.kill_in_the_write(relay, || puts() > before).await;

    let relay = setting.start().await;
    relay.shows("orders-shared", "in_sync").await;
    assert_eq!(secret.current().unwrap()["password"], "second-password");
}

#[tokio::test]
async fn a_shared_secret_killed_in_a_write_that_landed_with_a_receipts_file() {
    a_shared_secret_after_a_kill(Memory::File, Lands::Now).await;
}

#[tokio::test]
async fn a_shared_secret_killed_in_a_write_that_was_lost_with_a_receipts_file() {
    a_shared_secret_after_a_kill(Memory::File, Lands::Never).await;
}

#[tokio::test]
async fn a_shared_secret_killed_in_a_write_that_landed_without_a_receipts_file() {
    a_shared_secret_after_a_kill(Memory::None, Lands::Now).await;
}

async fn a_shared_secret_killed_in_its_creation(lands: Lands) {
    for memory in BOTH {
        let bench = Bench::new().await;
        let group = bench.anypoint.add_group("orders");
        let creating = format!("{}    create: true\n", SHARED_SECRET.trim_start_matches('\n'));
        let setting = Setting::of(bench, &creating, memory);
        let anypoint = &setting.bench.anypoint;
        anypoint.lose_next_write(LostWrite { lands, seen: Seen::Silence });
        let relay = setting.start().await;
        let arrived = || anypoint.requests().of(Endpoint::SecretPost) == 1;
        let landed = || lands == Lands::Never || group.shared_secrets() == 1;
        wait_until("a creation under way", LIMIT, || arrived() && landed()).await;
        relay.kill_9().await;

        let relay = setting.start().await;
        relay.shows("orders-shared", "in_sync").await;
        let posts = if lands == Lands::Never { 2 } else { 1 };
        assert_eq!(anypoint.requests().of(Endpoint::SecretPost), posts, "{memory:?}");
        assert_eq!(group.shared_secrets(), 1, "{memory:?}");
        let held = group.shared_secret("orders-db").unwrap().current().unwrap();
        assert_eq!(held["password"], "first-password", "{memory:?}");
    }
}

#[tokio::test]
async fn a_shared_secret_killed_in_a_creation_that_landed_is_found_by_its_name() {
    a_shared_secret_killed_in_its_creation(Lands::Now).await;
}

#[tokio::test]
async fn a_shared_secret_killed_in_a_creation_that_was_lost_is_created_after_all() {
    a_shared_secret_killed_in_its_creation(Lands::Never).await;
}

#[tokio::test]
async fn an_endpoint_is_told_again_after_a_kill_in_its_request() {
    for memory in BOTH {
        let values = "values: { password: { secret: prod/orders/db, field: password } }";
        let (setting, relay, receiver) = Setting::endpoint(memory, values).await;
        let gate = hold_answer(receiver.faults(), None);
        setting.kill_in_the_write(relay, || gate.arrivals() == 1).await;
        let before = receiver.received().len();

        let relay = setting.start().await;
        relay.shows("refresh", "accepted").await;
        let after = receiver.received();
        assert_eq!(after.len(), before + 1, "told once more, {memory:?}");
        let body = String::from_utf8(after[before].body.to_vec()).unwrap();
        assert!(body.contains("second-password"), "{body}");
    }
}

#[tokio::test]
async fn a_receipts_file_spares_what_was_delivered_another_delivery_and_its_absence_does_not() {
    for memory in BOTH {
        let (setting, relay, receiver) = Setting::endpoint(memory, "watch: [prod/orders/db]").await;
        relay.kill_9().await;

        let relay = setting.start().await;
        relay.shows("refresh", "accepted").await;
        let expected = if memory == Memory::File { 1 } else { 2 };
        assert_eq!(receiver.received().len(), expected, "{memory:?}");
    }
}
