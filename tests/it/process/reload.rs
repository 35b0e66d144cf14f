//! Another configuration takes over while the relay runs.

use std::time::Duration;

use anypoint_sandbox::anypoint::{Endpoint, NONE};
use anypoint_sandbox::faults::{Action, Gate, Rule};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::{Bench, ORDERS_SECRET, ORDERS_TARGET, Relay, TRIGGER_KEY, client, signed_with};

/// 50 a second.
const PACE: Duration = Duration::from_millis(20);
const BILLING: &str = "
  billing-api:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: billing-api
    coalesce: 10ms
    secure_properties:
      db.password: { secret: prod/billing/db, field: password }
";

/// Two applications, of which the relay is to know one, then both, then the other.
async fn two_applications() -> Bench {
    let bench = Bench::with_orders().await;
    bench.aws.create_secret("prod/billing/db", ORDERS_SECRET);
    bench.anypoint.deploy("billing-api", NONE, [("db.password", "none yet")]);
    bench
}

/// Puts another text in the file's place, in one step.
fn replace(bench: &Bench, text: &str) {
    let new = bench.write("new.yaml", text);
    std::fs::rename(new, bench.path("relay.yaml")).unwrap();
}

async fn reloads(relay: &Relay, count: usize) -> Value {
    relay.logs("it has reloaded", |_| reloaded(relay).len() >= count).await;
    reloaded(relay).pop().unwrap()
}

fn reloaded(relay: &Relay) -> Vec<Value> {
    let is = |line: &Value| {
        line["message"].as_str().is_some_and(|text| text.starts_with("the configuration was reloaded"))
    };
    relay.lines().into_iter().filter(is).collect()
}

fn told(line: &Value, error: &str) -> bool {
    let text = format!("{} {}", line["message"], line["error"]);
    line["level"] == "ERROR" && text.contains(error)
}

async fn names(relay: &Relay) -> Vec<String> {
    let page = relay.ask("/status").await.body;
    page["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| target["target"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn targets_come_and_go_under_fifty_notifications_a_second_and_none_is_refused_or_lost() {
    let bench = two_applications().await;
    let relay = bench.spawn(ORDERS_TARGET).await;
    relay.shows("orders-api", "in_sync").await;
    let runs = relay.target("orders-api").await["history"].as_array().unwrap().len();

    let (mut sent, mut pace) = (JoinSet::new(), tokio::time::interval(PACE));
    let http = client();
    let (mut seen, mut rest) = (0, 25);
    while rest > 0 {
        pace.tick().await;
        match sent.len() {
            10 => replace(&bench, &bench.file(&format!("{ORDERS_TARGET}{BILLING}"))),
            // In the time between two configurations, more or less.
            60 => drop(bench.orders_db().rotate(r#"{"username":"orders_app","password":"the next one"}"#)),
            _ => {}
        }
        let (http, url) = (http.clone(), format!("{}/hooks/trigger", relay.hooks));
        sent.spawn(async move {
            let body = r#"{"secret":"prod/orders/db"}"#;
            let mut request = http.post(url).body(body);
            let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
            for (name, value) in signed_with(&id, body, TRIGGER_KEY) {
                request = request.header(name, value);
            }
            request.send().await.unwrap().status().as_u16()
        });
        if seen < 1 {
            seen = reloaded(&relay).len();
        } else {
            rest -= 1;
        }
        assert!(sent.len() < 1_500, "it never reloads: {}", relay.log());
    }
    let statuses = sent.join_all().await;
    println!("{} notifications, every one taken", statuses.len());
    assert!(statuses.iter().all(|status| *status == 202), "{statuses:?}");

    let line = reloads(&relay, 1).await;
    assert_eq!(
        (&line["added"], &line["removed"], &line["changed"]),
        (&"billing-api".into(), &"".into(), &"".into())
    );
    relay.shows("billing-api", "in_sync").await;
    relay.shows("orders-api", "in_sync").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["the next one"]);
    // What was known is known.
    assert!(relay.target("orders-api").await["history"].as_array().unwrap().len() > runs);

    replace(&bench, &bench.file(BILLING));
    let line = reloads(&relay, 2).await;
    assert_eq!((&line["added"], &line["removed"]), (&"".into(), &"orders-api".into()));
    assert_eq!(names(&relay).await, ["billing-api"]);
    assert!(!relay.ask("/metrics").await.text.contains("orders-api"));
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_a_change_as_a_config_map_makes_it() {
    let bench = two_applications().await;
    for (folder, targets) in [("one", ORDERS_TARGET.to_owned()), ("two", format!("{ORDERS_TARGET}{BILLING}"))]
    {
        std::fs::create_dir(bench.path(folder)).unwrap();
        bench.write(&format!("{folder}/relay.yaml"), bench.file(&targets));
    }
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, bench.path(name)).unwrap();
    link("one", "data");
    link("data/relay.yaml", "relay.yaml");
    let relay = Relay::start(bench.binary().arg("serve").arg(bench.path("relay.yaml"))).await;
    link("two", "next");
    std::fs::rename(bench.path("next"), bench.path("data")).unwrap();
    reloads(&relay, 1).await;
    relay.shows("billing-api", "in_sync").await;
}

#[tokio::test]
async fn what_cannot_be_used_is_told_and_changes_nothing() {
    let bench = two_applications().await;
    let relay = bench.spawn(ORDERS_TARGET).await;
    relay.shows("orders-api", "in_sync").await;
    // A file with a mistake, and one that names what is not there.
    replace(&bench, &bench.file(&BILLING.replace("kind: application", "kind: aplication")));
    relay.logs("the mistake", |line| told(line, "\\\"aplication\\\" is not a kind")).await;
    replace(&bench, &bench.file(BILLING).replace("{ env: TRIGGER_KEY }", "{ env: NO_SUCH_KEY }"));
    relay.logs("what is missing", |line| told(line, "NO_SUCH_KEY")).await;
    std::fs::remove_file(bench.path("relay.yaml")).unwrap();
    relay.logs("the file is gone", |line| told(line, "No such file")).await;
    assert_eq!(names(&relay).await, ["orders-api"]);
    bench.orders_db().rotate(r#"{"username":"orders_app","password":"the next one"}"#);
    assert_eq!(relay.trigger(r#"{"target":"orders-api"}"#, "?wait=10s").await.status, 200);
    assert_eq!(bench.running("orders-api", "db.password"), ["the next one"]);
    // What is mended is taken.
    replace(&bench, &bench.file(BILLING));
    reloads(&relay, 1).await;
    assert_eq!(names(&relay).await, ["billing-api"]);
}

#[tokio::test]
async fn what_takes_effect_at_the_next_start_is_listed_and_the_rest_is_done() {
    let bench = two_applications().await;
    let relay = bench.spawn(ORDERS_TARGET).await;
    let text = bench.file(&format!("{ORDERS_TARGET}{BILLING}"));
    let text = text.replacen("listen: 127.0.0.1:0", "listen: 127.0.0.1:1", 1);
    replace(&bench, &format!("log: {{ format: pretty }}\n{text}"));
    let line = relay.logs("they are listed", |line| line["settings"].is_string()).await;
    assert_eq!(line["settings"], "listen, log");
    reloads(&relay, 1).await;
    relay.shows("billing-api", "in_sync").await;
}

#[tokio::test]
async fn who_hangs_up_has_everything_read_again() {
    let bench = two_applications().await;
    let key = |key: &str| bench.write("trigger.key", key);
    key("the-first-key-0123456789abcdef");
    let file = bench.file(ORDERS_TARGET);
    let by_file = format!("{{ file: \"{}\" }}", bench.path("trigger.key").display());
    let relay = bench.spawn_with(&file.replace("{ env: TRIGGER_KEY }", &by_file)).await;
    let ask = async |key: &str| {
        let body = r#"{"target":"orders-api"}"#;
        let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
        relay.post("/hooks/trigger", &signed_with(&id, body, key), body).await.status
    };
    assert_eq!(ask("the-first-key-0123456789abcdef").await, 202);
    // A key that is no longer in its place is accepted as long as nobody says so: it is read again when one is
    // refused, at the next start, or now.
    key("the-second-key-0123456789abcde");
    assert_eq!(ask("the-first-key-0123456789abcdef").await, 202);
    relay.signal("HUP").await;
    reloads(&relay, 1).await;
    assert_eq!(ask("the-first-key-0123456789abcdef").await, 401);
    assert_eq!(ask("the-second-key-0123456789abcde").await, 202);
}

/// A relay whose write of `orders-api` hangs at the gate, when another configuration is put in place.
async fn held_in_a_write() -> (Bench, Relay, Gate) {
    let bench = two_applications().await;
    let relay = bench.spawn(ORDERS_TARGET).await;
    relay.shows("orders-api", "in_sync").await;
    let gate = Gate::new();
    let faults = bench.anypoint.faults();
    faults.add(Rule::new(Action::Hang(gate.clone())).tag(Endpoint::DeploymentPatch.tag()).times(1));
    bench.orders_db().rotate(r#"{"username":"orders_app","password":"the next one"}"#);
    assert_eq!(relay.trigger(r#"{"target":"orders-api"}"#, "").await.status, 202);
    gate.arrived(1).await;
    replace(&bench, &bench.file(&format!("{ORDERS_TARGET}{BILLING}")));
    let message = "another configuration takes over when the runs under way are over";
    relay.logs("it waits for the run", |line| line["message"] == message).await;
    (bench, relay, gate)
}

#[tokio::test]
async fn a_run_that_is_under_way_ends_before_the_next_configuration_writes() {
    let (bench, relay, gate) = held_in_a_write().await;
    // Notified meanwhile: it waits for the next configuration, and nobody asks Anypoint.
    let calls = bench.anypoint.requests().total();
    assert_eq!(relay.trigger(r#"{"target":"billing-api"}"#, "").await.status, 202);
    assert_eq!(bench.anypoint.requests().total(), calls);
    assert!(reloaded(&relay).is_empty());
    gate.open();
    reloads(&relay, 1).await;
    relay.shows("orders-api", "in_sync").await;
    relay.shows("billing-api", "in_sync").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["the next one"]);
}

#[tokio::test]
async fn it_drains_while_a_configuration_takes_over_and_begins_nothing_of_the_next() {
    let (bench, relay, gate) = held_in_a_write().await;
    relay.signal("TERM").await;
    relay.logs("it drains", |line| line["signal"] == "SIGTERM").await;
    gate.open();
    let (status, log) = relay.ends_within(Duration::from_secs(20)).await;
    assert!(status.success(), "{log}");
    let of_billing = |line: &str| line.contains("\"run ended\"") && line.contains("billing-api");
    assert!(!log.lines().any(of_billing), "{log}");
    assert_eq!(bench.running("billing-api", "db.password"), ["none yet"]);
}

#[tokio::test]
async fn it_is_on_record() {
    let mut bench = two_applications().await;
    bench.environment_with("AUDIT_KEY", "audit-key-0123456789abcdefghijklmnop");
    let audit = bench.path("audit.jsonl");
    let file = |targets: &str| {
        format!("audit: {{ to: {}, key: {{ env: AUDIT_KEY }} }}\n{}", audit.display(), bench.file(targets))
    };
    let relay = bench.spawn_with(&file(ORDERS_TARGET)).await;
    replace(&bench, &file(BILLING));
    reloads(&relay, 1).await;
    let entry = async || {
        let text = std::fs::read_to_string(&audit).ok()?;
        let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        entries.into_iter().find(|entry| entry["what"] == "reloaded")
    };
    let entry = anypoint_sandbox::ask_for("its entry", crate::support::LIMIT, entry).await;
    assert_eq!(
        (&entry["added"], &entry["removed"]),
        (&serde_json::json!(["billing-api"]), &serde_json::json!(["orders-api"]))
    );
}

#[tokio::test]
async fn a_pause_lasts_over_it() {
    let bench = two_applications().await;
    let relay = bench.spawn(ORDERS_TARGET).await;
    relay.shows("orders-api", "in_sync").await;
    let act = async |action: &str| {
        let url = format!("{}/targets/orders-api/{action}", relay.admin);
        client().post(url).json(&serde_json::json!({ "reason": "a test" })).send().await.unwrap().status()
    };
    assert_eq!(act("pause").await, 200);
    replace(&bench, &bench.file(&format!("{ORDERS_TARGET}{BILLING}")));
    reloads(&relay, 1).await;
    relay.shows("billing-api", "in_sync").await;
    bench.orders_db().rotate(r#"{"username":"orders_app","password":"the next one"}"#);
    assert_eq!(relay.trigger(r#"{"secret":"prod/orders/db"}"#, "").await.status, 202);
    let held = async || Some(relay.target("orders-api").await).filter(|target| target["held_back"] == true);
    let shown = anypoint_sandbox::ask_for("a run that is held back", crate::support::LIMIT, held).await;
    assert_eq!((&shown["state"], &shown["paused"]["reason"]), (&"paused".into(), &"a test".into()));
    assert_eq!(act("resume").await, 200);
    relay.shows("orders-api", "in_sync").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["the next one"]);
}
