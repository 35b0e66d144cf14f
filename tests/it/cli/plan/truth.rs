//! What `plan` says is what the next run then does: for each state that a target can be in, the plan, a
//! relay that is started on the same files, its first run, and the plan once it is over.
//!
//! Both know the same: the receipts file. So a person who plans beside a stopped relay is told the truth.

use std::fmt::Write;
use std::path::PathBuf;

use anypoint_sandbox::anypoint::{App, DesiredState, GroupState, NONE, Receiver, Redeploy, SharedSecret};
use anypoint_sandbox::aws::Denied;
use anypoint_sandbox::faults::{Action, Gate, Rule};
use anypoint_sandbox::wait_until;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{Bench, LIMIT, ORDERS_SECRET, ORDERS_TARGET, Relay, Run, Setting, now};

/// A sandbox, and the files of a relay with one target that is looked at.
struct Scene {
    bench: Bench,
    file: PathBuf,
    target: &'static str,
}

impl Scene {
    fn new(bench: Bench, targets: &str) -> Self {
        let scene = Self { file: bench.path("relay.yaml"), bench, target: "orders-api" };
        scene.configure(targets, &[]);
        scene
    }

    /// With the application of [`ORDERS_TARGET`], which nothing was delivered to yet.
    async fn orders() -> Self {
        Self::new(Bench::with_orders().await, ORDERS_TARGET)
    }

    /// With the application in sync, and no relay running.
    async fn in_sync() -> Self {
        let scene = Self::orders().await;
        scene.sync(0).await;
        scene
    }

    fn configure(&self, targets: &str, settings: &[Setting<'_>]) {
        let mut text = self.bench.tuned(targets, settings);
        let receipts = self.bench.path("receipts.json");
        write!(text, "receipts: {}\nlog: {{ filter: \"info,anypoint_relay=debug\" }}\n", receipts.display())
            .unwrap();
        std::fs::write(&self.file, text).unwrap();
    }

    fn app(&self) -> App {
        self.bench.anypoint.app("orders-api")
    }

    async fn sync(&self, code: i32) {
        Run::of(self.bench.binary().arg("sync").arg(&self.file)).await.ended(code);
    }

    async fn serve(&self) -> Relay {
        Relay::start(self.bench.binary().arg("serve").arg(&self.file)).await
    }

    async fn plan(&self) -> Plan {
        let run =
            Run::of(self.bench.binary().arg("plan").arg(&self.file).args([self.target, "--json"])).await;
        let plan = Plan(run.json()[0].clone());
        let code = match plan.text("step") {
            "nothing" => 0,
            "write" | "wait" => 2,
            _ => 1,
        };
        run.ended(code);
        plan
    }

    /// The plan is `before`, the first run does that, and in the end the plan is `after`.
    async fn tells(&self, before: &str, after: &str) -> Plan {
        let told = self.plan().await;
        assert_eq!(told.words(), before, "{told:?}");
        let relay = self.serve().await;
        let ended = |line: &Value| line["message"] == "run ended" && line["target"] == self.target;
        told.is_what(&relay.logs("a run of the target", ended).await);
        self.ends_as(relay, after).await;
        told
    }

    async fn ends_as(&self, relay: Relay, after: &str) {
        if let Some(outcome) = after.strip_prefix("nothing ") {
            relay.shows(self.target, &outcome.replace(' ', "_")).await;
        }
        relay.signal("TERM").await;
        let (status, log) = relay.ends_within(LIMIT).await;
        assert!(status.success(), "{log}");
        assert_eq!(self.plan().await.words(), after, "{log}");
    }
}

/// What `plan --json` says of one target.
#[derive(Debug)]
struct Plan(Value);

impl Plan {
    fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    fn words(&self) -> String {
        let word = if self.text("code").is_empty() { self.text("why") } else { self.text("code") };
        format!("{} {word}", self.text("step"))
    }

    /// Holds it to the log line of the run that followed.
    fn is_what(&self, ended: &Value) {
        let field = |name: &str| ended[name].as_str().unwrap_or_default().replace('_', " ");
        let (step, wrote, outcome) = (self.text("step"), field("wrote"), field("outcome"));
        let did = match outcome.as_str() {
            _ if !wrote.is_empty() => step == "write" && wrote == self.text("why"),
            "confirming" => step == "wait",
            "retrying" => step == "wait" || step == "unknown",
            "parked" => step == "refuse" || step == "unknown",
            settled => step == "nothing" && settled == self.text("why"),
        };
        assert!(did, "{self:?}\n{ended}");
        if wrote.is_empty() && ended["code"].is_string() {
            // Each answer of Anypoint has another transaction.
            let message = |text: &str| text.split(" (transaction ").next().map(str::to_owned);
            assert_eq!(message(ended["error"].as_str().unwrap()), message(self.text("message")));
            assert_eq!(ended["code"], self.text("code"));
            assert_eq!(ended["next_step"], self.text("next_step"));
        }
    }
}

const IN_SYNC: &str = "nothing in sync";

#[tokio::test]
async fn the_first_delivery() {
    Scene::orders().await.tells("write nothing delivered", IN_SYNC).await;
}

#[tokio::test]
async fn nothing_due() {
    let scene = Scene::in_sync().await;
    scene.tells(IN_SYNC, IN_SYNC).await;
    assert_eq!(scene.bench.patches(), 1);
}

#[tokio::test]
async fn a_rotation() {
    let scene = Scene::in_sync().await;
    scene.bench.orders_db().rotate_password("second-password");
    scene.tells("write wanted changed", IN_SYNC).await;
    assert_eq!(scene.bench.passwords(), ["none yet", "first-password", "second-password"]);
}

#[tokio::test]
async fn a_rollback_in_aws_that_nobody_told() {
    let scene = Scene::in_sync().await;
    scene.bench.orders_db().rotate_password("second-password");
    scene.sync(0).await;
    scene.bench.orders_db().rollback();
    scene.tells("wait unavailable", IN_SYNC).await;
    assert_eq!(scene.bench.running("orders-api", "db.password"), ["first-password"]);
}

#[tokio::test]
async fn a_changed_mapping() {
    let scene = Scene::in_sync().await;
    scene.configure(&ORDERS_TARGET.replace("field: username }", "template: \"x-{username}\" }"), &[]);
    scene.tells("write wanted changed", IN_SYNC).await;
    assert_eq!(scene.bench.running("orders-api", "db.user"), ["x-orders_app"]);
}

#[tokio::test]
async fn a_redeploy_by_others() {
    for redeploy in [Redeploy::of_original(), Redeploy::of_stored()] {
        let scene = Scene::in_sync().await;
        scene.app().foreign_redeploy(redeploy);
        wait_until("the end of their roll", LIMIT, || !scene.app().is_rolling()).await;
        scene.tells("write foreign write", IN_SYNC).await;
    }
}

#[tokio::test]
async fn a_roll_of_others_under_way() {
    let scene = Scene::in_sync().await;
    scene.app().roll_by_hand().foreign_redeploy(Redeploy::of_original());
    scene.tells("wait conflict", "wait conflict").await;
    scene.app().finish_roll();
    scene.tells("write foreign write", "wait confirming").await;
}

#[tokio::test]
async fn a_roll_of_our_own_under_way() {
    let scene = Scene::in_sync().await;
    scene.app().roll_by_hand();
    scene.bench.orders_db().rotate_password("second-password");
    scene.tells("write wanted changed", "wait confirming").await;
    scene.tells("wait confirming", "wait confirming").await;
    scene.app().finish_roll();
    scene.tells(IN_SYNC, IN_SYNC).await;
    assert_eq!(scene.bench.patches(), 2);
}

#[tokio::test]
async fn a_write_that_was_never_answered() {
    let scene = Scene::in_sync().await;
    let gate = Gate::new();
    scene
        .bench
        .anypoint
        .faults()
        .add(Rule::new(Action::HangAfter(gate.clone())).tag("deployments.patch").times(1));
    scene.bench.orders_db().rotate_password("second-password");
    let relay = scene.serve().await;
    gate.arrived(1).await;
    relay.kill_9().await;
    wait_until("the end of its roll", LIMIT, || !scene.app().is_rolling()).await;
    scene.tells("write unanswered", IN_SYNC).await;
}

/// An application whose roll to the second password has failed.
async fn failed() -> Scene {
    let scene = Scene::in_sync().await;
    scene.app().fail_next_rolls(1);
    scene.bench.orders_db().rotate_password("second-password");
    scene.sync(1).await;
    scene
}

#[tokio::test]
async fn a_failed_roll() {
    let scene = failed().await;
    scene.tells("refuse roll_failed", "refuse roll_failed").await;
    assert_eq!(scene.bench.patches(), 2);
}

#[tokio::test]
async fn a_failed_roll_and_a_newer_version() {
    let scene = failed().await;
    scene.bench.orders_db().rotate_password("third-password");
    scene.tells("write wanted changed", IN_SYNC).await;
}

#[tokio::test]
async fn a_stopped_application() {
    let scene = Scene::in_sync().await;
    scene.app().want(DesiredState::Stopped);
    scene.bench.orders_db().rotate_password("second-password");
    scene.tells("nothing stopped", "nothing stopped").await;
    assert_eq!(scene.bench.patches(), 1);
}

#[tokio::test]
async fn an_application_that_is_down() {
    let scene = Scene::in_sync().await;
    scene.app().crash();
    scene.tells("wait confirming", "wait confirming").await;
    scene.bench.orders_db().rotate_password("second-password");
    scene.tells("write wanted changed", IN_SYNC).await;
}

#[tokio::test]
async fn a_write_that_would_lose_a_property() {
    let scene = Scene::in_sync().await;
    scene.app().foreign_redeploy(Redeploy::of_stored().secure("partner.key", "theirs"));
    wait_until("the end of their roll", LIMIT, || !scene.app().is_rolling()).await;
    let told = scene.tells("refuse would_lose", "refuse would_lose").await;
    assert!(told.text("message").contains("partner.key"), "{told:?}");
    assert_eq!(scene.bench.patches(), 1);
}

#[tokio::test]
async fn a_value_that_does_not_fit() {
    for (secret, refusal) in [
        (ORDERS_SECRET.replace("first-password", &"x".repeat(1025)), "refuse too_long"),
        (r#"{"username":"orders_app"}"#.to_owned(), "refuse bad_value"),
    ] {
        let scene = Scene::in_sync().await;
        scene.bench.orders_db().rotate(secret);
        scene.tells(refusal, refusal).await;
        assert_eq!(scene.bench.patches(), 1);
    }
}

#[tokio::test]
async fn a_write_outside_of_its_hours() {
    let scene = Scene::in_sync().await;
    scene.bench.orders_db().rotate_password("second-password");
    let hour = |hours: i64| (now() + SignedDuration::from_hours(hours)).strftime("%H:%M").to_string();
    let window = format!("    roll_window: {{ from: \"{}\", to: \"{}\" }}\n    base_url", hour(12), hour(13));
    scene.configure(ORDERS_TARGET, &[("    base_url", &window)]);
    scene.tells("wait held", "wait held").await;
    assert_eq!(scene.bench.patches(), 1);
}

#[tokio::test]
async fn a_write_behind_a_canary() {
    let bench = Bench::with_orders().await;
    bench.anypoint.deploy("canary", NONE, [("db.user", "old"), ("db.password", "old")]);
    let canary = ORDERS_TARGET.replace("orders-api", "canary") + "    canary: true\n";
    let mut scene = Scene::new(bench, &format!("{canary}{ORDERS_TARGET}"));
    scene.sync(0).await;
    scene.bench.anypoint.app("canary").roll_by_hand();
    scene.bench.orders_db().rotate_password("second-password");
    scene.tells("wait held", "wait held").await;
    scene.target = "canary";
    scene.tells("wait confirming", "wait confirming").await;
    scene.bench.anypoint.app("canary").finish_roll();
    scene.target = "orders-api";
    scene.ends_as(scene.serve().await, IN_SYNC).await;
    assert_eq!(scene.bench.running("orders-api", "db.password"), ["second-password"]);
}

#[tokio::test]
async fn an_application_that_is_gone() {
    let scene = Scene::in_sync().await;
    scene.app().remove();
    let told = scene.tells("unknown not_found", "unknown not_found").await;
    assert!(told.text("next_step").contains("deployment"), "{told:?}");
}

#[tokio::test]
async fn a_look_that_is_denied() {
    let scene = Scene::in_sync().await;
    scene.bench.anypoint.grant("read:applications", false);
    scene.tells("unknown denied", "unknown denied").await;
}

#[tokio::test]
async fn a_secret_that_is_denied_or_gone() {
    let scene = Scene::in_sync().await;
    scene.bench.orders_db().deny(Some(Denied::Access));
    scene.tells("unknown denied", "unknown denied").await;
    scene.bench.orders_db().deny(None);
    scene.bench.orders_db().delete();
    scene.tells("unknown not_found", "unknown not_found").await;
}

// A look does not show what only the write needs: the plan is right about what the run tries.
#[tokio::test]
async fn a_write_that_is_denied() {
    let scene = Scene::in_sync().await;
    scene.bench.anypoint.grant("manage:application_settings", false);
    scene.bench.orders_db().rotate_password("second-password");
    scene.tells("write wanted changed", "write wanted changed").await;
}

const SHARED: &str = "
  orders-api:
    kind: shared_secret
    connection: prod
    group: orders
    name: orders-db
    type: UsernamePassword
    coalesce: 10ms
    username: { secret: prod/orders/db, field: username }
    password: { secret: prod/orders/db, field: password }
";

async fn shared() -> (Scene, anypoint_sandbox::anypoint::SecretGroup, SharedSecret) {
    let bench = Bench::with_orders().await;
    let group = bench.anypoint.add_group("orders");
    let stored =
        json!({ "name": "orders-db", "type": "UsernamePassword", "username": "u", "password": "old" });
    let secret = group.add_shared_secret(&stored);
    bench.anypoint.shift_modified_at(SignedDuration::from_secs(10));
    let scene = Scene::new(bench, SHARED);
    scene.sync(0).await;
    scene.bench.anypoint.shift_modified_at(SignedDuration::from_secs(20));
    (scene, group, secret)
}

#[tokio::test]
async fn a_shared_secret() {
    let (scene, _, secret) = shared().await;
    scene.tells(IN_SYNC, IN_SYNC).await;
    scene.bench.orders_db().rotate_password("second-password");
    scene.tells("write wanted changed", IN_SYNC).await;
    assert_eq!(secret.current().unwrap()["password"], "second-password");
}

#[tokio::test]
async fn a_group_that_is_being_changed() {
    let (scene, group, secret) = shared().await;
    scene.bench.orders_db().rotate_password("second-password");
    group.set_state(GroupState::Finishing);
    scene.tells("unknown conflict", "unknown conflict").await;
    group.set_state(GroupState::Clear);
    scene.tells("write wanted changed", IN_SYNC).await;
    assert_eq!(secret.history().len(), 3);
}

#[tokio::test]
async fn what_shows_nothing() {
    let mut bench = Bench::with_orders().await;
    bench.environment_with("REFRESH_KEY", "refresh-key-0123456789abcdefghij");
    let receiver = Receiver::start().await;
    let target = format!(
        "  orders-api: {{ kind: http, url: \"{}\", allow: [127.0.0.1], key: {{ env: REFRESH_KEY }}, watch: [prod/orders/db] }}\n",
        receiver.url()
    );
    let scene = Scene::new(bench, &target);
    scene.tells("write nothing delivered", "nothing accepted").await;
    scene.tells("nothing accepted", "nothing accepted").await;
    scene.bench.orders_db().rotate_password("second-password");
    scene.tells("write wanted changed", "nothing accepted").await;
    let calls = receiver.received();
    assert_eq!(calls.len(), 2, "{calls:#?}");
}

#[tokio::test]
async fn a_credential_that_makes_no_header_or_is_not_there() {
    let mut bench = Bench::with_orders().await;
    bench.environment_with("REFRESH_KEY", "refresh-key-0123456789abcdefghij");
    bench.environment_with("REFRESH_TOKEN", "two\nlines");
    let receiver = Receiver::start().await;
    let target = |place: &str| {
        format!(
            "  orders-api: {{ kind: http, url: \"{}\", allow: [127.0.0.1], key: {{ env: REFRESH_KEY }}, \
             headers: {{ x-token: {{ {place} }} }}, watch: [prod/orders/db] }}\n",
            receiver.url()
        )
    };
    let scene = Scene::new(bench, &target("env: REFRESH_TOKEN"));
    scene.tells("refuse bad_value", "refuse bad_value").await;
    scene.configure(&target("file: /nowhere/token"), &[]);
    scene.tells("unknown unauthenticated", "unknown unauthenticated").await;
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn applications_on_other_platforms() {
    for (platform, properties) in [("cloudhub", "secure_properties"), ("hybrid", "properties")] {
        let bench = Bench::with_orders().await;
        let old = [("db.password", "old")];
        let app = match platform {
            "hybrid" => bench.anypoint.deploy_hybrid("stock-api", "group", old),
            _ => bench.anypoint.deploy_cloudhub("stock-api", NONE, old),
        };
        let target = format!(
            "  orders-api: {{ kind: application, connection: prod, platform: {platform}, deployment: stock-api, \
             settle: 100ms, {properties}: {{ db.password: {{ secret: prod/orders/db, field: password }} }} }}\n"
        );
        let scene = Scene::new(bench, &target);
        scene.tells("write nothing delivered", "nothing accepted").await;
        scene.bench.orders_db().rotate_password("second-password");
        scene.tells("write wanted changed", "nothing accepted").await;
        app.want(DesiredState::Stopped);
        scene.tells("nothing stopped", "nothing stopped").await;
        assert_eq!(app.history().writes.len(), 2);
    }
}
