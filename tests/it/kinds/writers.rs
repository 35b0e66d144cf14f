//! One writer per thing, also where one target names it by name and another by id.

use anypoint_sandbox::anypoint::App;
use serde_json::json;

use crate::support::Bench;

const FIRST: &str = "first-password";

/// The names of two targets of which one is in sync and the other parked, and why it is.
async fn winner_and_loser(bench: &Bench, targets: [&'static str; 2]) -> (&'static str, &'static str, String) {
    let parked = async |target: &'static str| {
        let pick = |outcome: &anypoint_relay::model::Outcome| match outcome.label() {
            "in_sync" => Some(None),
            "parked" => Some(outcome.failure().cloned()),
            _ => None,
        };
        bench.outcome(target, pick).await
    };
    let [one, other] = targets;
    let (winner, loser, failure) = match (parked(one).await, parked(other).await) {
        (None, Some(failure)) => (one, other, failure),
        (Some(failure), None) => (other, one, failure),
        both => panic!("one of the two is parked: {both:?}"),
    };
    assert_eq!(failure.code.as_str(), "conflict");
    assert_eq!(
        failure.next_step,
        "a thing has one writer: put all of it into one target, or correct the one that means another thing"
    );
    (winner, loser, failure.message)
}

fn application(target: &str, deployment: &str) -> String {
    format!(
        "
  {target}:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: {deployment}
    coalesce: 10ms
    secure_properties: {{ db.password: {{ secret: prod/{target}, field: password }} }}"
    )
}

async fn two_passwords() -> (Bench, App) {
    let bench = Bench::new().await;
    for target in ["by-id", "by-name"] {
        bench.aws.create_secret(&format!("prod/{target}"), json!({ "password": FIRST }));
    }
    let app = bench.anypoint.deploy("orders-api", [("http.port", "8081")], [("db.password", "old")]);
    (bench, app)
}

#[tokio::test]
async fn a_deployment_by_name_and_by_id_has_one_writer() {
    let (mut bench, app) = two_passwords().await;
    bench.start(&(application("by-name", "orders-api") + &application("by-id", app.id()))).await;
    let (winner, loser, message) = winner_and_loser(&bench, ["by-id", "by-name"]).await;
    assert_eq!(
        message,
        format!(
            "deployment {} has two writers: `deployment` of target {winner} and `deployment` of target {loser}",
            app.id()
        )
    );

    // Neither a rotation nor a person makes the second one write.
    bench.aws.secret(&format!("prod/{loser}")).unwrap().rotate_password("second-password");
    let answer = bench.trigger(&format!(r#"{{"target":"{loser}"}}"#), "?wait=20s").await;
    assert_eq!((answer.status, &answer.body["targets"][0]["code"]), (502, &json!("conflict")));
    bench.in_sync(winner).await;
    assert_eq!(app.history().rolls(), 1);
    assert_eq!(bench.running("orders-api", "db.password"), [FIRST]);
}

#[tokio::test]
async fn a_shared_secret_by_name_and_by_id_has_one_writer() {
    let (mut bench, _) = two_passwords().await;
    let group = bench.anypoint.add_group("orders");
    let stored =
        json!({ "name": "orders-db", "type": "UsernamePassword", "username": "app", "password": "old" });
    let secret = group.add_shared_secret(&stored);
    bench.anypoint.shift_modified_at(jiff::SignedDuration::from_secs(5));
    let target = |target: &str, group: &str, name: &str| {
        format!(
            "
  {target}:
    kind: shared_secret
    connection: prod
    group: {group}
    name: {name}
    coalesce: 10ms
    type: UsernamePassword
    username: app
    password: {{ secret: prod/{target}, field: password }}"
        )
    };
    bench
        .start(&(target("by-name", "orders", "orders-db") + &target("by-id", group.id(), secret.id())))
        .await;
    let (winner, loser, message) = winner_and_loser(&bench, ["by-id", "by-name"]).await;
    assert_eq!(
        message,
        format!(
            "shared secret {} has two writers: `name` of target {winner} and `name` of target {loser}",
            secret.id()
        )
    );
    bench.in_sync(winner).await;
    let written: Vec<String> =
        secret.history().into_iter().map(|write| write.fields["password"].clone()).collect();
    assert_eq!(written, ["old", FIRST]);
}
