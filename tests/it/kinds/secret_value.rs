//! `secret_value`: the call that this project's seed document sketches.

use serde_json::json;

use super::TARGET;
use crate::support::Bench;

async fn start(bench: &mut Bench, lines: &str) {
    bench.aws.create_secret("prod/orders/db", json!({ "password": "first-password" }));
    bench
        .start(&format!(
            "
  {TARGET}:
    kind: secret_value
    connection: prod
    secret_id: orders-db
    coalesce: 10ms
    value: {{ secret: prod/orders/db, field: password }}
{lines}"
        ))
        .await;
}

#[tokio::test]
async fn a_rotation_is_accepted_and_never_said_to_be_in_sync() {
    let mut bench = Bench::new().await;
    bench.anypoint.rules(|rules| rules.secret_value_endpoint = true);
    bench.anypoint.add_secret_value("orders-db");
    start(&mut bench, "").await;
    bench.ended_as(TARGET, "accepted").await;
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    let answer = bench.insist().await;
    assert_eq!((answer.status, &answer.body["targets"][0]["state"]), (200, &json!("accepted")));
    let written: Vec<String> =
        bench.anypoint.secret_values("orders-db").into_iter().map(|write| write.value).collect();
    assert_eq!(written, ["first-password", "second-password"]);
}

#[tokio::test]
async fn where_the_call_does_not_exist_the_target_is_parked_and_its_settings_are_named() {
    let mut bench = Bench::new().await;
    start(&mut bench, "").await;
    let failure = bench.parks("not_found").await;
    assert!(failure.next_step.starts_with("check `path` and `secret_id` of target orders"), "{failure:?}");
}

#[tokio::test]
async fn the_path_is_a_template_whose_parts_stay_in_their_places() {
    let mut bench = Bench::new().await;
    start(&mut bench, r#"    path: "/facade v1/{organization}/of/{environment}/{secret}.json""#).await;
    bench.parks("not_found").await;
    let asked = bench.anypoint.log().matching(|request| request.method == "PATCH");
    let (organization, environment) = (bench.anypoint.organization(), bench.anypoint.environment());
    assert_eq!(asked[0].path, format!("/facade%20v1/{organization}/of/{environment}/orders-db.json"));
    assert_eq!(asked[0].body, r#"{"value":"first-password"}"#);
}
