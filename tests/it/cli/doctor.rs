//! `check --online`: each thing that the relay depends on, broken in the sandbox, and the advice for it.

mod anypoint;
mod aws;
mod eventbridge;
mod issuer;
mod local;

use std::path::PathBuf;

use anypoint_sandbox::anypoint::Endpoint;
use anypoint_sandbox::aws::{ApiDestination, Auth, EventRule};
use serde_json::{Value, json};

use crate::support::{Bench, EVENTBRIDGE_KEY, ORDERS_TARGET, Run, Setting};

/// Of AWS nothing else may be called.
const READS: [&str; 11] = [
    "GetCallerIdentity",
    "AssumeRole",
    "DescribeSecret",
    "GetSecretValue",
    "ListSubscriptionsByTopic",
    "GetSubscriptionAttributes",
    "DescribeRule",
    "TestEventPattern",
    "ListTargetsByRule",
    "DescribeApiDestination",
    "DescribeConnection",
];
/// Of Anypoint none may be called.
const WRITES: [Endpoint; 11] = [
    Endpoint::SecretPost,
    Endpoint::SecretPut,
    Endpoint::SecretPatch,
    Endpoint::StorePost,
    Endpoint::StorePut,
    Endpoint::DeploymentPatch,
    Endpoint::CloudHubPut,
    Endpoint::CloudHubStatus,
    Endpoint::HybridPatch,
    Endpoint::ValuePatch,
    Endpoint::Other,
];

/// The rule that leads to the relay.
const RULE: &str = "secrets-to-anypoint";

fn native_pattern() -> Value {
    json!({
        "source": ["aws.secretsmanager"],
        "detail-type": ["Secret Label Updated"],
        "detail": {"labelUpdated": ["AWSCURRENT"], "name": [{"prefix": "prod/"}]},
    })
}

/// A value that nothing prints.
const CANARY: &str = "cnry-doctor-7q2xv9kd";

/// A sandbox in which all is right, and the file of a relay for it.
struct Patient {
    bench: Bench,
    destination: ApiDestination,
    rule: EventRule,
    file: PathBuf,
    text: String,
}

impl Patient {
    async fn healthy() -> Self {
        let bench = Bench::with_orders().await;
        bench.orders_db().rotate_password(CANARY);
        let subscription =
            bench.aws.topic("rotations").subscribe_confirmed("https://relay.example.com/hooks/sns");
        subscription.set_dead_letter_queue("arn:aws:sqs:eu-west-1:123456789012:given-up");
        let auth = Auth::ApiKey { header: "X-Api-Key".to_owned(), value: EVENTBRIDGE_KEY.to_owned() };
        let destination = bench.aws.api_destination("https://relay.example.com/hooks/eventbridge", auth);
        let rule = bench.aws.event_rule(RULE, &native_pattern(), &destination);
        let text = file(&bench, ORDERS_TARGET);
        let file = bench.write("relay.yaml", &text);
        Self { bench, destination, rule, file, text }
    }

    /// With this instead of that in its file.
    fn with(mut self, settings: &[Setting<'_>]) -> Self {
        for (usual, other) in settings {
            assert!(self.text.contains(usual), "no setting {usual:?} in\n{}", self.text);
            self.text = self.text.replace(usual, other);
        }
        self.write()
    }

    /// With these lines on top.
    fn with_lines(mut self, lines: &str) -> Self {
        self.text = format!("{lines}\n{}", self.text);
        self.write()
    }

    fn write(self) -> Self {
        std::fs::write(&self.file, &self.text).unwrap();
        self
    }

    fn path(&self, name: &str) -> String {
        self.bench.path(name).display().to_string()
    }

    async fn run(&self, arguments: &[&str]) -> Run {
        let files = self.files();
        let mut command = self.bench.binary();
        command.arg("check").arg(&self.file).arg("--online").args(arguments);
        let run = Run::of(&mut command).await;
        assert!(!run.out.contains(CANARY) && !run.err.contains(CANARY), "{run:?}");
        let asked = self.bench.aws.log().matching(|request| !READS.contains(&request.tag.as_str()));
        assert!(asked.is_empty(), "{asked:?}");
        let asked = self.bench.anypoint.requests();
        assert!(WRITES.iter().all(|call| asked.of(*call) == 0), "{asked:?}");
        assert_eq!(self.files(), files, "nothing is left behind");
        run
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let all = std::fs::read_dir(self.bench.path("")).unwrap().map(|entry| entry.unwrap().path());
        let files = all.filter(|path| path.is_file());
        let mut all: Vec<_> = files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        all.sort();
        all
    }

    /// What is found, as a machine reads it; the table is read as well, and has to say the same.
    async fn examine(&self, code: i32) -> Report {
        let table = self.run(&[]).await.ended(code).out;
        let report = Report { whole: self.run(&["--json"]).await.ended(code).json(), table };
        assert_eq!(report.whole["ok"], code == 0, "{report:?}");
        for finding in report.findings() {
            for part in [&finding["subject"], &finding["mend"]] {
                let part = part.as_str().unwrap_or_default();
                assert!(report.table.contains(part), "{part:?} is not in {}", report.table);
            }
            for missing in finding["statements"].as_array().unwrap() {
                assert!(report.table.contains(&missing["statement"].to_string()), "{}", report.table);
            }
        }
        report
    }
}

/// A configuration with these targets, which names the rule.
fn file(bench: &Bench, targets: &str) -> String {
    bench.file(targets).replace("eventbridge: { auth", &format!("eventbridge: {{ rule: {RULE}, auth"))
}

/// What was found.
#[derive(Debug)]
struct Report {
    whole: Value,
    table: String,
}

impl Report {
    fn findings(&self) -> &[Value] {
        self.whole["findings"].as_array().unwrap()
    }

    /// The only finding about this subject.
    fn of(&self, subject: &str) -> &Value {
        let [finding] = self.all_of(subject)[..] else { panic!("{subject} is not there once: {self:?}") };
        finding
    }

    fn all_of(&self, subject: &str) -> Vec<&Value> {
        self.findings().iter().filter(|finding| finding["subject"] == subject).collect()
    }

    /// Subjects with another verdict than ok.
    fn not_ok(&self) -> Vec<String> {
        let bad = self.findings().iter().filter(|finding| finding["verdict"] != "ok");
        bad.map(|finding| format!("{} {}", finding["verdict"], finding["subject"]).replace('"', "")).collect()
    }
}

/// Whether a finding says all of this: in what was found or in what mends it.
fn says(finding: &Value, verdict: &str, parts: &[&str]) {
    assert_eq!(finding["verdict"], verdict, "{finding}");
    let [found, mend] = ["found", "mend"].map(|field| finding[field].as_str().unwrap_or_default());
    let text = format!("{found} {mend}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {finding}");
    }
}

#[tokio::test]
async fn where_all_is_right_everything_is_ok_and_nothing_is_written() {
    let patient = Patient::healthy().await;
    let report = patient.examine(0).await;
    assert_eq!(report.not_ok(), Vec::<String>::new(), "{}", report.table);
    let subjects: Vec<&str> =
        report.findings().iter().map(|finding| finding["subject"].as_str().unwrap()).collect();
    let topic = format!("topic {}", patient.bench.aws.topic("rotations").arn());
    let expected = [
        "AWS identity",
        "clock",
        "secret prod/orders/db",
        &topic,
        "rule secrets-to-anypoint",
        "connection prod",
        "target orders-api",
        "ingress.eventbridge api_key",
        "ingress.trigger key ops",
        "start",
    ];
    assert_eq!(subjects, expected);
    assert!(report.table.contains("\nok         clock"), "{}", report.table);
    assert!(report.table.ends_with("10 checks: 0 failed, 0 with a warning\n"), "{}", report.table);
    assert!(!report.table.contains('\u{1b}'), "no colours in a pipe");
    says(report.of("target orders-api"), "ok", &["a run would write now (nothing delivered)"]);
    says(report.of(&topic), "ok", &["confirmed, signed, with a dead-letter queue"]);
    says(report.of("start"), "ok", &["a relay can be put together from this file"]);
    says(report.of("connection prod"), "ok", &["signed in at http://127.0.0.1"]);
}

#[tokio::test]
async fn a_file_that_is_not_right_is_told_as_without_online_and_nobody_is_asked() {
    let patient = Patient::healthy().await.with(&[("connection: prod", "connection: porod")]);
    let asked = patient.bench.aws.log().count();
    let run = patient.run(&[]).await.ended(1);
    assert!(run.out.ends_with("not usable: 1 problem\n"), "{run:?}");
    let report = patient.run(&["--json"]).await.ended(1).json();
    assert!(report.get("findings").is_none() && report["ok"] == false, "{report}");
    assert_eq!(patient.bench.aws.log().count(), asked);
}
