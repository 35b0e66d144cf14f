//! The audit of a relay that runs as a process: what is in it, and what a check finds, after kills, with a
//! disk that fails, and of an end that was cut off.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anypoint_sandbox::{ask_for, wait_until};
use serde_json::{Value, json};

use crate::support::{Bench, EVENTBRIDGE_KEY, LIMIT, ORDERS_TARGET, Relay, Run, signed_with, text};

const AUDIT_KEY: &str = "audit-key-0123456789abcdefghijklmnop";

struct Setting {
    bench: Bench,
    config: PathBuf,
    audit: PathBuf,
}

impl Setting {
    /// A relay with one application and an audit file in a folder of its own.
    async fn new() -> Self {
        let mut bench = Bench::with_orders().await;
        bench.environment_with("AUDIT_KEY", AUDIT_KEY);
        std::fs::create_dir(bench.path("audit")).unwrap();
        let audit = bench.path("audit/relay.jsonl");
        let config = bench.write("relay.yaml", Self::file(&bench, &text(&audit)));
        Self { bench, config, audit }
    }

    fn file(bench: &Bench, to: &str) -> String {
        let audit = format!("audit: {{ to: {to}, key: {{ env: AUDIT_KEY }}, head_every: 1s }}\n");
        format!("{}{audit}", bench.file(ORDERS_TARGET))
    }

    async fn start(&self) -> Relay {
        Relay::start(self.bench.binary().arg("serve").arg(&self.config)).await
    }

    async fn verify(&self, arguments: &[&str]) -> Run {
        self.verify_file(&self.audit, arguments).await
    }

    async fn verify_file(&self, file: &Path, arguments: &[&str]) -> Run {
        Run::of(self.bench.binary().args(["audit", "verify"]).arg(file).args(arguments)).await
    }

    /// The entries of one sort.
    fn entries(&self, what: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.audit).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|entry| entry["what"] == what).collect()
    }
}

/// A trigger for the application, with the reason in which `number` is.
async fn ask(relay: &Relay, number: usize) {
    let body = json!({"target": "orders-api", "reason": format!("number {number}")}).to_string();
    let answer = relay.trigger(&body, "").await;
    assert_eq!(answer.status, 202, "{}", answer.text);
}

/// The newest head that the log shows.
async fn head(relay: &Relay, at_least: u64) -> String {
    let shown = async || {
        let lines = relay.lines();
        let heads = lines.iter().filter(|line| line["message"] == "audit head");
        let head = heads.filter_map(|line| line["head"].as_str()).next_back()?.to_owned();
        let (seq, _) = head.split_once(':')?;
        (seq.parse::<u64>().ok()? >= at_least).then_some(head)
    };
    ask_for("a head in the log", LIMIT, shown).await
}

/// The value of a metric without labels.
async fn metric(relay: &Relay, name: &str) -> u64 {
    let text = relay.ask("/metrics").await.text;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).map(str::to_owned);
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[tokio::test]
async fn each_decision_of_a_rotation_is_an_entry_and_the_whole_is_intact() {
    let setting = Setting::new().await;
    let relay = setting.start().await;
    relay.shows("orders-api", "in_sync").await;
    setting.bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    let body = json!({"secret": "prod/orders/db", "reason": "CHG0012345: rotated by hand"}).to_string();
    let answer = relay.trigger(&body, "?wait=20s").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    for _ in 0..50 {
        let strange = signed_with("msg_1", &body, "another key of 24 bytes or more");
        let status = relay.post("/hooks/trigger", &strange, &body).await.status;
        assert!(matches!(status, 401 | 429), "{status}");
    }
    let event = json!({
        "version": "0", "id": "0d079340-135a-c8c6-95c2-41fb8f496c53", "detail-type": "Secret Label Updated",
        "source": "aws.secretsmanager", "account": "123456789012", "time": "2026-11-01T10:00:04Z",
        "region": "eu-west-1", "resources": [], "detail": {"name": "prod/orders/db", "labelUpdated": "AWSCURRENT"},
    });
    for _ in 0..2 {
        let key = [("x-api-key", EVENTBRIDGE_KEY.to_owned())];
        relay.post("/hooks/eventbridge", &key, &event.to_string()).await;
    }
    let head = head(&relay, 9).await;
    let shown = relay.ask("/metrics").await.text;
    assert!(shown.contains(&format!("relay_audit_head{{head=\"{head}\"}}")), "{shown}");
    relay.signal("TERM").await;
    assert!(relay.ends_within(LIMIT).await.0.success());

    let [manual] = &setting.entries("manual")[..] else { panic!("one trigger by hand") };
    assert_eq!(manual["key_id"], "ops");
    assert_eq!(manual["reason"], "CHG0012345: rotated by hand");
    assert_eq!((&manual["secret"], &manual["enqueued"]), (&json!("prod/orders/db"), &json!(1)));
    let written = setting.entries("written");
    assert_eq!(written.len(), 2, "{written:?}");
    assert_eq!(written[1]["request_id"], manual["request_id"]);
    assert_eq!((&written[1]["result"], &written[1]["kind"]), (&json!("taken"), &json!("application")));
    assert_eq!(written[1]["versions"].as_object().unwrap().len(), 1);
    assert_ne!(written[1]["versions"], written[0]["versions"]);
    let confirmed = setting.entries("confirmed");
    assert_eq!(confirmed.len(), 2, "{confirmed:?}");
    assert_eq!(confirmed[1]["versions"], written[1]["versions"]);
    let [accepted] = &setting.entries("accepted")[..] else { panic!("one event") };
    assert_eq!((&accepted["route"], &accepted["secret"]), (&json!("eventbridge"), &json!("prod/orders/db")));
    let [noted] = &setting.entries("noted")[..] else { panic!("its repetition") };
    assert_eq!((&noted["code"], &noted["count"]), (&json!("duplicate"), &json!(1)));
    // The flood is two lines of each code: the first answer at once, the rest with the end.
    let refused = setting.entries("refused");
    assert!(refused.len() <= 4, "{refused:?}");
    assert_eq!(refused.iter().filter_map(|entry| entry["count"].as_u64()).sum::<u64>(), 50);
    assert_eq!((&refused[0]["code"], &refused[0]["count"]), (&json!("unauthorized"), &json!(1)));
    assert_eq!((setting.entries("start").len(), setting.entries("end").len()), (1, 1));

    let run = setting.verify(&["--head", &head]).await.ended(0);
    println!("{}", run.out);
    assert!(run.out.starts_with("intact: ") && !run.out.contains("without --head"), "{}", run.out);
}

#[tokio::test]
async fn a_relay_that_is_killed_again_and_again_leaves_one_chain_that_holds() {
    let setting = Setting::new().await;
    let mut heads = Vec::new();
    for round in 0..4 {
        let relay = setting.start().await;
        heads.push(head(&relay, 1).await);
        let asking = async {
            for number in 0..usize::MAX {
                ask(&relay, number).await;
            }
        };
        // In the middle of what is being written.
        let enough = 20 * (round + 1);
        tokio::select! {
            () = asking => {}
            () = wait_until("entries", LIMIT, || setting.entries("manual").len() >= enough) => {}
        }
        relay.kill_9().await;
        if round == 1 {
            // What a crash of the machine may leave of the last line.
            let file = std::fs::OpenOptions::new().write(true).open(&setting.audit).unwrap();
            file.set_len(file.metadata().unwrap().len() - 30).unwrap();
            let torn = setting.verify(&[]).await.ended(1);
            assert!(torn.out.contains("no entry: a line that was cut off"), "{}", torn.out);
        }
    }
    let relay = setting.start().await;
    relay.signal("TERM").await;
    assert!(relay.ends_within(LIMIT).await.0.success());
    assert_eq!(setting.entries("start").len(), 5);
    let arguments: Vec<&str> = heads.iter().flat_map(|head| ["--head", head]).collect();
    let run = setting.verify(&arguments).await.ended(0);
    println!("{}", run.out);
    assert_eq!(run.out.matches("a crash cut off").count(), 1, "{}", run.out);
}

#[tokio::test]
async fn an_end_that_was_cut_off_shows_against_the_head_alone_and_a_change_without_one() {
    let setting = Setting::new().await;
    let relay = setting.start().await;
    relay.shows("orders-api", "in_sync").await;
    relay.signal("TERM").await;
    let (_, log) = relay.ends_within(LIMIT).await;
    let last = log.lines().rfind(|line| line.contains("audit head")).expect("a head at the end").to_owned();
    let last: Value = serde_json::from_str(&last).unwrap();
    let head = last["head"].as_str().unwrap();

    let whole = std::fs::read_to_string(&setting.audit).unwrap();
    let all: Vec<&str> = whole.split_inclusive('\n').collect();
    std::fs::write(&setting.audit, all[..all.len() - 2].concat()).unwrap();
    let run = setting.verify(&[]).await.ended(0);
    assert!(run.out.contains("without --head nobody can tell"), "{}", run.out);
    let run = setting.verify(&["--head", head]).await.ended(1);
    assert!(run.out.contains("2 cut off at the end"), "{}", run.out);

    std::fs::write(&setting.audit, whole.replace("\"taken\"", "\"failed\"")).unwrap();
    let run = setting.verify(&["--json"]).await.ended(1);
    let report = run.json();
    let written = all.iter().position(|line| line.contains("\"taken\"")).unwrap() + 1;
    assert_eq!(report["problems"].as_array().unwrap().len(), 1);
    assert_eq!(report["problems"][0]["line"], written);
}

#[tokio::test]
async fn a_relay_without_a_disk_for_its_audit_goes_on_and_says_what_is_missing() {
    let setting = Setting::new().await;
    let relay = setting.start().await;
    relay.shows("orders-api", "in_sync").await;
    let before = head(&relay, 3).await;
    let (folder, away) = (setting.bench.path("audit"), setting.bench.path("away"));
    std::fs::rename(&folder, &away).unwrap();

    setting.bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    let body = json!({"secret": "prod/orders/db"}).to_string();
    let answer = relay.trigger(&body, "?wait=20s").await;
    assert_eq!(answer.status, 200, "credentials go before: {}", answer.text);
    let told =
        |line: &Value| line["message"].as_str().is_some_and(|text| text.starts_with("audit entry lost"));
    let line = relay.logs("a word in the log", told).await;
    assert_eq!(line["level"], "ERROR");
    let lost = async || (metric(&relay, "relay_audit_lost_total").await >= 3).then_some(());
    ask_for("the manual action, the write and its proof to be counted", LIMIT, lost).await;

    std::fs::rename(&away, &folder).unwrap();
    ask(&relay, 1).await;
    wait_until("an entry after it", LIMIT, || setting.entries("manual").len() == 1).await;
    let lost = metric(&relay, "relay_audit_lost_total").await;
    assert_eq!(setting.entries("manual")[0]["lost"], lost);
    relay.signal("TERM").await;
    assert!(relay.ends_within(LIMIT).await.0.success());
    let run = setting.verify(&["--head", &before]).await.ended(0);
    assert!(
        run.out.contains(&format!("not in it: {lost} entries that the relay could not write")),
        "{}",
        run.out
    );
}

#[tokio::test]
async fn a_file_that_is_rotated_away_is_one_chain_with_its_successor() {
    let setting = Setting::new().await;
    let relay = setting.start().await;
    relay.shows("orders-api", "in_sync").await;
    let head = head(&relay, 3).await;
    let old = setting.bench.path("audit/relay.jsonl.1");
    std::fs::rename(&setting.audit, &old).unwrap();
    ask(&relay, 1).await;
    wait_until("a successor", LIMIT, || setting.audit.exists()).await;
    relay.kill_9().await;
    let relay = setting.start().await;
    relay.signal("TERM").await;
    assert!(relay.ends_within(LIMIT).await.0.success());

    setting.verify(&[]).await.ended(1);
    setting.verify(&["--after", &head]).await.ended(0);
    setting.verify_file(&old, &[&text(&setting.audit), "--head", &head]).await.ended(0);
}

#[tokio::test]
async fn standard_output_begins_a_chain_at_each_start() {
    let setting = Setting::new().await;
    let config = setting.bench.write("stdout.yaml", Setting::file(&setting.bench, "stdout"));
    let mut collected = String::new();
    for _ in 0..2 {
        let relay = Relay::start(setting.bench.binary().arg("serve").arg(&config)).await;
        relay.shows("orders-api", "in_sync").await;
        relay.signal("TERM").await;
        let (_, output) = relay.ends_within(LIMIT).await;
        collected.extend(output.split_inclusive('\n').filter(|line| line.contains("\"mac\":")));
    }
    let file = setting.bench.write("collected.jsonl", &collected);
    let run = setting.verify_file(&file, &[]).await.ended(1);
    assert!(run.out.contains("a new chain begins here"), "{}", run.out);
    setting.verify_file(&file, &["--restarts"]).await.ended(0);
}

#[tokio::test]
async fn what_cannot_be_kept_or_checked_is_said() {
    let mut setting = Setting::new().await;
    let relay = setting.start().await;
    let serve = async |setting: &Setting| {
        Run::of(setting.bench.binary().arg("serve").arg(&setting.config)).await.ended(1).err
    };
    let second = serve(&setting).await;
    assert!(second.contains("another process writes to it"), "{second}");
    // A forecast decides nothing.
    let plan = Run::of(setting.bench.binary().arg("plan").arg(&setting.config)).await;
    assert!(matches!(plan.code, Some(0 | 2)), "{plan:?}");
    relay.kill_9().await;

    let none = Run::plain(["audit", "verify", &text(&setting.audit)]).await.ended(2);
    assert!(none.err.contains("environment variable AUDIT_KEY: it is not set"), "{}", none.err);
    let file = setting.bench.path("no.jsonl");
    let none = setting.verify_file(&file, &[]).await.ended(2);
    assert!(none.err.contains("no.jsonl cannot be read"), "{}", none.err);
    let usage = setting.verify(&["--head", "17"]).await.ended(2);
    assert!(usage.err.contains("a head reads SEQ:MAC"), "{}", usage.err);
    Run::plain(["audit", "verify"]).await.ended(2);

    setting.bench.environment_with("AUDIT_KEY", "another-key-0123456789abcdefghijklmn");
    let changed = serve(&setting).await;
    assert!(changed.contains("does not hold under this key"), "{changed}");
    setting.bench.environment_with("AUDIT_KEY", "short");
    let short = serve(&setting).await;
    assert!(short.contains("an audit key has at least 32 bytes"), "{short}");
    let short = setting.verify(&[]).await.ended(2);
    assert!(short.err.contains("an audit key has at least 32 bytes"), "{}", short.err);
    setting.bench.environment.remove("AUDIT_KEY");
    let unset = serve(&setting).await;
    assert!(unset.contains("the key of `audit` cannot be read"), "{unset}");
}

#[tokio::test]
async fn a_second_signal_is_the_last_entry() {
    let setting = Setting::new().await;
    let relay = setting.start().await;
    relay.shows("orders-api", "in_sync").await;
    // A run that does not end holds the drain.
    let gate = anypoint_sandbox::faults::Gate::new();
    let hang = anypoint_sandbox::faults::Action::HangAfter(gate.clone());
    setting.bench.anypoint.faults().add(anypoint_sandbox::faults::Rule::new(hang).times(1));
    ask(&relay, 1).await;
    wait_until("a run that hangs", LIMIT, || gate.arrivals() == 1).await;
    relay.signal("TERM").await;
    relay.logs("the drain", |line| line["signal"] == "SIGTERM").await;
    relay.signal("TERM").await;
    let (status, _) = relay.ends_within(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(1));
    assert_eq!(setting.entries("end")[0]["how"], "second_signal");
    setting.verify(&[]).await.ended(0);
}
