//! The connected app's own secret rotates while the relay runs.

use anypoint_sandbox::anypoint::Endpoint;
use anypoint_sandbox::faults::Rule;

use crate::support::Bench;

const SECRET: &str = "ANYPOINT_CLIENT_SECRET";

#[tokio::test]
async fn a_client_secret_that_rotated_in_its_file_is_used_from_the_next_token_on() {
    let mut bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    for rotation in ["once", "twice"] {
        bench.anypoint.set_client_secret(rotation);
        bench.set_credential(SECRET, rotation);
        bench.anypoint.expire_tokens();
        let minted = bench.anypoint.tokens_minted();
        bench.orders_db().rotate_password(&format!("password-{rotation}"));
        bench.arrives("orders-api", "db.password", &format!("password-{rotation}")).await;
        assert_eq!(bench.anypoint.tokens_minted() - minted, 1);
    }
}

#[tokio::test]
async fn a_client_secret_that_comes_later_than_the_refusal_is_taken_up_without_a_restart() {
    let mut bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    bench.anypoint.set_client_secret("rotated");
    bench.anypoint.expire_tokens();
    bench.orders_db().rotate_password("second-password");
    let failure = bench.fails_with("orders-api", "unauthenticated").await;
    assert!(failure.next_step.contains(SECRET), "where it is read: {failure:?}");
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);

    bench.set_credential(SECRET, "rotated");
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn a_write_that_met_the_refusal_is_made_once_the_client_secret_is_there() {
    let mut bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    // The token is good for the look; the write is told that it is not.
    bench.anypoint.set_client_secret("rotated");
    bench.anypoint.faults().add(Rule::status(401).tag(Endpoint::DeploymentPatch.tag()).times(1));
    bench.orders_db().rotate_password("second-password");
    bench.fails_with("orders-api", "unauthenticated").await;
    bench.set_credential(SECRET, "rotated");
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_eq!(bench.passwords(), ["first-password", "second-password"]);
}
