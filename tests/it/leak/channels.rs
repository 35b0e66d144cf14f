//! Everything that leaves the relay, or could: gathered in one way, whatever is looked for.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use anypoint_relay::config;
use anypoint_relay::index::SecretIndex;
use anypoint_relay::inspect::{Inspection, inspect};
use anypoint_sandbox::aws::SnsMessage;
use serde_json::json;

use super::scan::Scan;
use super::{CANARY, EVENTBRIDGE_KEY, TRIGGER_KEY, World};
use crate::support::{LIMIT, Relay, Run, answer, client, signed_with, text, without};

/// The text of each channel, by its name.
pub(super) struct Channels(BTreeMap<&'static str, Vec<u8>>);

impl Channels {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.0.iter().map(|(name, text)| (*name, text.as_slice()))
    }

    /// No channel holds anything of what is looked for.
    pub(super) fn assert_clean(&self, scan: &Scan) {
        for (channel, text) in self.iter() {
            let found = scan.find(text);
            assert!(found.is_empty(), "{channel} shows {found:#?}");
        }
    }

    fn add(&mut self, channel: &'static str, text: impl AsRef<[u8]>) {
        let all = self.0.entry(channel).or_default();
        all.extend_from_slice(text.as_ref());
        all.push(b'\n');
    }

    /// Asks and tells the relay everything, then ends it. `mark` goes where a sender or a user may put a
    /// word of their own.
    pub(super) async fn gather(world: &World, relay: Relay, mark: &str) -> Self {
        let mut channels = Self(BTreeMap::new());
        channels.hooks(world, &relay, mark).await;
        channels.commands(world, &relay, mark).await;
        channels.admin(world, &relay, mark).await;
        channels.debug(world, mark);
        let receipts = std::fs::read(world.bench.path("receipts.json")).unwrap();
        channels.add("receipts file", receipts);
        for alert in world.alerts().published() {
            channels.add("alerts", format!("{}\n{}", alert.subject.unwrap(), alert.message));
        }
        relay.signal("TERM").await;
        let (_, log) = relay.ends_within(LIMIT).await;
        channels.add("log", log);
        for spans in world.collector.received() {
            channels.add("traces", spans.body);
        }
        channels.add("audit", std::fs::read(world.bench.path("audit.jsonl")).unwrap());
        channels
    }

    async fn admin(&mut self, world: &World, relay: &Relay, mark: &str) {
        for (channel, path) in [
            ("metrics", "/metrics"),
            ("status", "/status"),
            ("healthz", "/healthz"),
            ("readyz", "/readyz"),
            ("admin 404", "/no"),
            ("admin 404", &format!("/targets/{mark}")),
            ("target", &format!("/targets/{}", world.first_target())),
        ] {
            let request = client().get(format!("{}{path}", relay.admin)).header("x-request-id", mark);
            self.add(channel, answered("GET", path, request).await);
        }
        let path = format!("/targets/{}/sync", world.first_target());
        let with_a_value = json!({"reason": "a test", "password": CANARY});
        for body in [json!({"reason": mark}), with_a_value, json!(CANARY)] {
            let request = client().post(format!("{}{path}", relay.admin)).json(&body);
            self.add("actions", answered("POST", &path, request).await);
        }
        let path = format!("/targets/{mark}/retry");
        let request = client().post(format!("{}{path}", relay.admin)).json(&json!({"reason": CANARY}));
        self.add("actions", answered("POST", &path, request).await);
    }

    /// Notifications of every sort, good and bad, with the canary in what is refused.
    async fn hooks(&mut self, world: &World, relay: &Relay, mark: &str) {
        let event = json!({
            "version": "0", "id": mark, "detail-type": "Secret Label Updated", "source": "aws.secretsmanager",
            "account": "123456789012", "time": "2026-11-01T10:00:04Z", "region": "eu-west-1", "resources": [],
            "detail": {"name": "canary/db", "labelUpdated": "AWSCURRENT", "password": CANARY, "SecretString": CANARY},
        });
        let event = event.to_string();
        let now = anypoint_relay::clock::Clock::timestamp(&anypoint_relay::clock::SystemClock);
        let topic = world.bench.aws.topic("rotations").arn().to_owned();
        let notification = |content: String| {
            let mut message = SnsMessage::notification(&topic, content, now);
            world.bench.aws.sign_notification(&mut message)
        };
        let signed = notification(event.clone());
        let mut forged = SnsMessage::notification(&topic, CANARY, now);
        world.bench.aws.sign_notification(&mut forged);
        forged.message = format!("{CANARY}!");
        let good = json!({"all": true, "reason": mark}).to_string();
        let key = |value: &str| vec![("x-api-key", value.to_owned())];
        let bad = format!("{{\"password\": \"{CANARY}");
        let trigger = |body: &str| {
            let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
            signed_with(&id, body, TRIGGER_KEY).to_vec()
        };
        let stranger = |body: &str| signed_with("msg_1", body, "another key of 24 bytes or more").to_vec();
        let unknown = json!({"all": true, "password": CANARY}).to_string();
        let nobody = json!({"secret": "canary/nobody"}).to_string();
        let bearer = ("authorization", format!("Bearer {TRIGGER_KEY}"));
        let posts: Vec<Post<'_>> = vec![
            ("/hooks/eventbridge", key(EVENTBRIDGE_KEY), &event),
            ("/hooks/eventbridge", key(EVENTBRIDGE_KEY), &bad),
            ("/hooks/eventbridge", key(EVENTBRIDGE_KEY), CANARY),
            ("/hooks/eventbridge", key(&format!("{EVENTBRIDGE_KEY}x")), &bad),
            ("/hooks/eventbridge", vec![bearer.clone()], &bad),
            ("/hooks/sns", vec![], &signed),
            ("/hooks/sns", vec![], &bad),
            ("/hooks/trigger", trigger(&good), &good),
            ("/hooks/trigger", trigger(&unknown), &unknown),
            ("/hooks/trigger", trigger(&bad), &bad),
            ("/hooks/trigger", trigger(&nobody), &nobody),
            ("/hooks/trigger", stranger(&good), &good),
            ("/hooks/trigger", vec![bearer], &bad),
            ("/hooks/trigger?wait=soon", trigger(&good), &good),
            ("/hooks/nowhere", key(EVENTBRIDGE_KEY), &bad),
        ];
        let more = [forged.body(), notification(CANARY.to_owned()), notification(bad.clone())];
        let posts = posts.into_iter().chain(more.iter().map(|body| ("/hooks/sns", vec![], body.as_str())));
        for (path, headers, body) in posts {
            let mut request = client().post(format!("{}{path}", relay.hooks)).body(body.to_owned());
            request =
                request.header("x-request-id", mark).header("content-type", "text/plain; charset=UTF-8");
            if path == "/hooks/sns" {
                request = request.header("x-amz-sns-message-type", "Notification");
            }
            for (name, value) in headers {
                request = request.header(name, value);
            }
            self.add("answers of the hooks", answered("POST", path, request).await);
        }
    }

    async fn commands(&mut self, world: &World, relay: &Relay, mark: &str) {
        let bench = &world.bench;
        let file = text(&bench.path("relay.yaml"));
        let bad = world.file().replace("coalesce: 10ms", &format!("coalesce: 10ms\n    {mark}: {mark}"));
        let bad = text(&bench.write("bad.yaml", bad));
        // The audit is the running relay's alone.
        let beside = text(&bench.write("beside.yaml", without(&world.file(), "audit:")));
        for (channel, arguments) in [
            ("check", vec!["check", &file]),
            ("check --json", vec!["check", "--json", &file]),
            ("check of a bad file", vec!["check", &bad]),
            ("check --json of a bad file", vec!["check", "--json", &bad]),
        ] {
            self.add(channel, ran(bench.binary().args(arguments)).await);
        }
        let event = json!({"detail-type": "Secret Label Updated", "source": "aws.secretsmanager", "id": mark,
            "detail": {"name": mark, "labelUpdated": "AWSCURRENT", "password": CANARY}});
        let event = text(&bench.write("event.json", event.to_string()));
        let at = "2026-11-01T10:00:04Z";
        self.add(
            "inspect",
            ran(bench.binary().args(["inspect", &event, "--at", at, "--config", &file])).await,
        );
        self.add("inspect --json", ran(bench.binary().args(["inspect", &event, "--at", at, "--json"])).await);
        let key = ["--key-env", "TRIGGER_KEY", "--all", "--wait", "1s", "--reason", mark];
        let sync = ["sync", &beside, "--timeout", "700ms"];
        let [mut trigger, mut table, mut json] = [(); 3].map(|()| bench.binary());
        let (trigger, table, json) = tokio::join!(
            ran(trigger.args(["trigger", "--url", &relay.hooks]).args(key)),
            ran(table.args(sync)),
            ran(json.args(sync).arg("--json")),
        );
        let asks = ["--url", &relay.admin];
        let first = world.first_target();
        for (channel, arguments) in [
            ("status", vec!["status"]),
            ("status", vec!["status", "--json"]),
            ("status of a target", vec!["status", &first]),
            ("sync-now", vec!["sync-now", &first, "--reason", mark]),
        ] {
            self.add(channel, ran(bench.binary().args(arguments).args(asks)).await);
        }
        self.add("trigger", trigger);
        self.add("sync", table);
        self.add("sync --json", json);

        // Credentials that cannot be used stop the start.
        for (name, value) in [("TRIGGER_KEY", TRIGGER_KEY), ("EVENTBRIDGE_KEY", EVENTBRIDGE_KEY)] {
            let no_utf8 = OsString::from_vec([value.as_bytes(), &[0xff]].concat());
            let mut serve = bench.binary();
            self.add("a start that fails", ran(serve.env(name, no_utf8).args(["serve", &beside])).await);
        }
        let mut serve = bench.binary();
        let short = serve.env("TRIGGER_KEY", &TRIGGER_KEY[..12]).args(["serve", &beside]);
        self.add("a start that fails", ran(short).await);
        self.add("a start that fails", ran(bench.binary().args(["serve", &file])).await);
        self.add("a start that fails", ran(bench.binary().args(["serve", &bad])).await);
    }

    /// Debug texts of what may be held near a value.
    fn debug(&mut self, world: &World, mark: &str) {
        let text = world.file().replace(
            "secure_properties:",
            &format!("properties: {{ {mark}: \"{}\" }}\n    secure_properties:", "${LITERAL}"),
        );
        let literal = |name: &str| (name == "LITERAL").then(|| CANARY.to_owned());
        let config = config::parse(&text, "relay.yaml", &literal).unwrap_or_else(|errors| panic!("{errors}"));
        self.add("Debug of the configuration", format!("{config:?} {config:#?}"));
        let errors = config::parse(&format!("{text}{mark}: 5\n"), "relay.yaml", &literal).err().unwrap();
        self.add("Debug of configuration errors", format!("{errors:?}"));
        let body = json!({"detail-type": "Secret Label Updated", "source": "aws.secretsmanager", "id": mark,
            "detail": {"name": mark, "labelUpdated": "AWSCURRENT", "password": CANARY}});
        let body = body.to_string();
        let events = anypoint_relay::events::parse(body.as_bytes());
        self.add("Debug of events", format!("{events:?}"));
        let index = SecretIndex::of(&config);
        let at = "2026-11-01T10:00:04Z".parse().unwrap();
        let inspection = Inspection { at, certificate: None, rules: None, index: Some(&index) };
        self.add("Debug of a report", format!("{:?} {inspection:?}", inspect(body.as_bytes(), &inspection)));
    }
}

/// Path, headers, body.
type Post<'a> = (&'a str, Vec<(&'a str, String)>, &'a str);

/// What a command prints, on both ways out.
async fn ran(command: &mut tokio::process::Command) -> String {
    let run = Run::of(command.env("RUST_BACKTRACE", "full")).await;
    format!("{}\n{}", run.out, run.err)
}

/// Status, headers and body of an answer that is held to `openapi.yaml`.
async fn answered(method: &str, path: &str, request: reqwest::RequestBuilder) -> String {
    let answer = answer(method, path, request.timeout(Duration::from_secs(10))).await;
    format!("{} {:?}\n{}", answer.status, answer.headers, answer.text)
}
