//! What a person has to mend: told with its code and next step, no harm to others, healed afterwards.

use anypoint_sandbox::anypoint::NONE;
use anypoint_sandbox::aws::{Denied, Secret};

use crate::support::{Bench, ORDERS_SECRET, ORDERS_TARGET, RETRIES_SLOWLY};

pub(super) const OTHER: &str = "
  other-api:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: other-api
    coalesce: 10ms
    secure_properties:
      token: { secret: prod/other }
";

/// Two applications, of which `orders-api` has the trouble.
async fn bench() -> (Bench, Secret) {
    let mut bench = Bench::orders_stopped().await;
    let other = bench.aws.create_secret("prod/other", "first-token");
    bench.anypoint.deploy("other-api", NONE, [("token", "first-token")]);
    let text = bench.tuned(&format!("{ORDERS_TARGET}{OTHER}"), &[RETRIES_SLOWLY]);
    bench.start_with(&text).await;
    bench.in_sync("orders-api").await;
    bench.in_sync("other-api").await;
    bench.tell_by_eventbridge();
    (bench, other)
}

/// `orders-api` is parked with this code; `other-api` is rotated all the same.
async fn parked(bench: &Bench, other: &Secret, code: &str, next_step: &str) {
    let failure = bench.fails_with("orders-api", code).await;
    bench.ended_as("orders-api", "parked").await;
    assert!(failure.next_step.contains(next_step), "{failure:?}");
    assert!(failure.message.contains("prod/orders/db"), "{failure:?}");
    other.rotate("second-token");
    bench.arrives("other-api", "token", "second-token").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
    assert!(bench.number(r#"relay_target_outcome{target="orders-api",outcome="parked"}"#).await > 0.0);
}

#[tokio::test]
async fn a_denied_read_parks_and_heals_when_it_is_allowed() {
    for (denied, next_step) in [
        (Denied::Access, "secretsmanager:DescribeSecret"),
        (Denied::Kms, "kms:Decrypt"),
        (Denied::Decryption, "kms:Decrypt"),
    ] {
        let (bench, other) = bench().await;
        let secret = bench.orders_db();
        secret.deny(Some(denied));
        secret.rotate_password("second-password");
        parked(&bench, &other, "denied", next_step).await;
        secret.deny(None);
        bench.arrives("orders-api", "db.password", "second-password").await;
    }
}

#[tokio::test]
async fn a_deleted_secret_parks_and_heals_when_it_is_restored() {
    let (bench, other) = bench().await;
    let secret = bench.orders_db();
    secret.rotate_password("second-password");
    secret.delete();
    bench.trigger(r#"{"target":"orders-api"}"#, "").await;
    parked(&bench, &other, "not_found", "restore").await;
    secret.restore();
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn a_missing_secret_parks_and_heals_when_it_is_made_again() {
    let (bench, other) = bench().await;
    bench.orders_db().purge();
    bench.trigger(r#"{"target":"orders-api"}"#, "").await;
    parked(&bench, &other, "not_found", "check the name").await;
    bench.aws.create_secret("prod/orders/db", ORDERS_SECRET.replace("first", "second"));
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn a_value_that_does_not_fit_the_mapping_parks_until_there_is_another() {
    for (value, next_step) in [
        (r#"{"username":"orders_app"}"#, "password"),
        (r#"{"username":"orders_app","password":null}"#, "password"),
        (r#"{"username":"orders_app","password":{"a":1}}"#, "password"),
        ("not json", "JSON"),
    ] {
        let (bench, other) = bench().await;
        let secret = bench.orders_db();
        secret.rotate(value);
        parked(&bench, &other, "bad_value", "").await;
        let failure = bench.fails_with("orders-api", "bad_value").await;
        assert!(format!("{} {}", failure.message, failure.next_step).contains(next_step), "{failure:?}");
        secret.rotate(ORDERS_SECRET.replace("first", "second"));
        bench.arrives("orders-api", "db.password", "second-password").await;
    }
}

#[tokio::test]
async fn a_missing_scope_parks_and_heals_when_it_is_granted() {
    let (bench, _) = bench().await;
    bench.anypoint.grant("manage:application_settings", false);
    bench.orders_db().rotate_password("second-password");
    let failure = bench.fails_with("orders-api", "denied").await;
    assert!(failure.next_step.contains("manage:application_settings"), "{failure:?}");
    bench.anypoint.grant("manage:application_settings", true);
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn a_person_brings_a_parked_target_in_sync_at_once() {
    let mut bench = Bench::orders().await;
    let secret = bench.orders_db();
    secret.deny(Some(Denied::Access));
    let answer = bench.trigger(r#"{"target":"orders-api"}"#, "?wait=3s").await;
    assert_eq!(answer.status, 502, "{}", answer.text);
    secret.rotate_password("second-password");
    secret.deny(None);
    let answer = bench.trigger(r#"{"target":"orders-api"}"#, "?wait=3s").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(bench.running("orders-api", "db.password"), ["second-password"]);
    bench.stop().await.unwrap();
}
