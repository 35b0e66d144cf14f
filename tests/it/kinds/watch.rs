//! Applications that read AWS themselves when they start: on each platform a rotation makes them start.

use anypoint_relay::model::Receipt;
use anypoint_sandbox::anypoint::{App, NONE};
use serde_json::json;

use super::TARGET;
use crate::support::Bench;

const RECEIPT: &str = "anypoint-relay.receipt";

fn target(platform: &str, lines: &str) -> String {
    let settle = if matches!(platform, "cloudhub" | "hybrid") { "    settle: 200ms\n" } else { "" };
    format!(
        "
  {TARGET}:
    kind: application
    platform: {platform}
    connection: prod
    deployment: orders-api
    coalesce: 10ms
    watch: [prod/orders/db]
{settle}{lines}"
    )
}

async fn sandbox(deploy: impl FnOnce(&Bench) -> App) -> (Bench, App) {
    let bench = Bench::new().await;
    bench.aws.create_secret("prod/orders/db", json!({ "password": "first-password" }));
    let app = deploy(&bench);
    (bench, app)
}

/// The version of the secret that the application was last started for.
fn started_for(app: &App) -> String {
    let replica = app.running().remove(0);
    let receipt = Receipt::parse(&replica.properties[RECEIPT]).expect("a receipt");
    receipt.versions[0].version.as_str().to_owned()
}

async fn a_rotation_starts_it_anew(platform: &str, settled: &str, deploy: impl FnOnce(&Bench) -> App) {
    let (mut bench, app) = sandbox(deploy).await;
    let before = app.desired_properties();
    bench.start(&target(platform, "")).await;
    bench.ended_as(TARGET, settled).await;
    let secret = bench.aws.secret("prod/orders/db").unwrap();
    assert_eq!(started_for(&app), secret.current_version());

    secret.rotate_password("second-password");
    bench.insist().await;
    bench.ended_as(TARGET, settled).await;
    assert_eq!(started_for(&app), secret.current_version());
    assert_eq!(app.history().rolls(), 2);
    let mut after = app.desired_properties();
    after.remove(RECEIPT);
    assert_eq!(after, before);
    assert_eq!(bench.aws.log().count_of(|request| request.tag == "GetSecretValue"), 0, "no value is read");
}

#[tokio::test]
async fn on_cloudhub_2() {
    let deploy = |bench: &Bench| bench.anypoint.deploy("orders-api", [("http.port", "8081")], []);
    a_rotation_starts_it_anew("cloudhub2", "in_sync", deploy).await;
}

#[tokio::test]
async fn on_runtime_fabric() {
    let deploy = |bench: &Bench| bench.anypoint.deploy("orders-api", [("http.port", "8081")], []);
    a_rotation_starts_it_anew("rtf", "in_sync", deploy).await;
}

#[tokio::test]
async fn on_cloudhub_1() {
    let deploy = |bench: &Bench| bench.anypoint.deploy_cloudhub("orders-api", [("http.port", "8081")], []);
    a_rotation_starts_it_anew("cloudhub", "accepted", deploy).await;
}

#[tokio::test]
async fn on_hybrid_servers() {
    let deploy = |bench: &Bench| bench.anypoint.deploy_hybrid("orders-api", "group", [("http.port", "8081")]);
    a_rotation_starts_it_anew("hybrid", "accepted", deploy).await;
}

#[tokio::test]
async fn a_start_that_would_lose_a_secure_value_is_refused() {
    for platform in ["cloudhub2", "rtf", "cloudhub"] {
        let (mut bench, app) = sandbox(|bench| match platform {
            "cloudhub" => bench.anypoint.deploy_cloudhub("orders-api", NONE, [("aws.secretKey", "theirs")]),
            _ => bench.anypoint.deploy("orders-api", NONE, [("aws.secretKey", "theirs")]),
        })
        .await;
        bench.start(&target(platform, "")).await;
        let failure = bench.parks("would_lose").await;
        assert!(failure.message.ends_with("does not own: \"aws.secretKey\""), "{failure:?}");
        assert_eq!(app.history().writes, []);

        // Such applications often keep the key to AWS there, so it may be owned beside.
        bench.aws.create_secret("prod/reader", json!({ "key": "k" }));
        bench.stop().await.unwrap();
        let owned = "    secure_properties: { aws.secretKey: { secret: prod/reader, field: key } }";
        bench.start(&target(platform, owned)).await;
        bench.ended_as(TARGET, if platform == "cloudhub" { "accepted" } else { "in_sync" }).await;
        assert_eq!(bench.running("orders-api", "aws.secretKey"), ["k"]);
        let asked = bench.aws.log().count_of(|request| request.tag == "GetSecretValue");
        assert_eq!(asked, 1, "the watched one is not read");
    }
}
