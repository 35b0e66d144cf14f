//! The token: shared, renewed in time, replaced when it is refused.

use std::time::Duration;

use anypoint_relay::model::{FailureCode, Retry};
use serde_json::json;

use crate::fake::Answer;
use crate::world::{World, read_call};

#[tokio::test]
async fn calls_that_come_together_share_one_token() {
    let world = World::new();
    let connection = world.connection();
    let calls = futures_util::future::join_all((0..3).map(|_| connection.send(read_call()))).await;
    assert!(calls.iter().all(Result::is_ok));
    assert_eq!(world.fake.seen("POST", "/token").len(), 1);
    assert_eq!(world.fake.seen("GET", "/deployments")[0].header("authorization"), "Bearer token-1");
}

#[tokio::test]
async fn waiters_share_a_failed_mint_and_the_next_call_tries_again() {
    let world = World::new();
    let connection = world.connection();
    world.fake.fault("POST", "/token", Answer::Echo(401, vec![]));
    let calls = futures_util::future::join_all((0..3).map(|_| connection.send(read_call()))).await;
    for call in calls {
        let failure = call.err().unwrap().failure;
        assert_eq!((failure.code, failure.retry), (FailureCode::Unauthenticated, Retry::Backoff));
        assert!(failure.next_step.contains("environment variable SECRET"), "{}", failure.next_step);
    }
    assert_eq!(world.fake.seen("POST", "/token").len(), 1);
    assert!(connection.send(read_call()).await.is_ok());
}

#[tokio::test]
async fn a_refused_token_is_renewed_and_the_call_repeated_once() {
    let world = World::new();
    let connection = world.connection();
    world.fake.fault("GET", "/deployments", Answer::Json(401, json!({})));
    assert!(connection.send(read_call()).await.is_ok());
    let calls = world.fake.seen("GET", "/deployments");
    let tokens: Vec<&str> = calls.iter().map(|call| call.header("authorization")).collect();
    assert_eq!(tokens, ["Bearer token-1", "Bearer token-2"]);

    for _ in 0..2 {
        world.fake.fault("GET", "/deployments", Answer::Json(401, json!({})));
    }
    let failure = connection.send(read_call()).await.err().unwrap().failure;
    assert_eq!(failure.code, FailureCode::Unauthenticated);
    assert_eq!(world.fake.seen("GET", "/deployments").len(), 4);
}

#[tokio::test]
async fn a_rotated_client_secret_is_picked_up() {
    let world = World::new();
    let connection = world.connection();
    connection.send(read_call()).await.ok().unwrap();
    world.fake.state().client_secret = Some("rotated".to_owned());
    *world.credentials.client_secret.lock().unwrap() = "rotated".to_owned();
    world.fake.fault("GET", "/deployments", Answer::Json(401, json!({})));
    assert!(connection.send(read_call()).await.is_ok());
    assert_eq!(world.fake.seen("POST", "/token")[1].json()["client_secret"], "rotated");
}

#[tokio::test]
async fn a_token_is_renewed_at_four_fifths_of_its_life_and_used_to_its_end() {
    let world = World::new();
    let connection = world.connection();
    let minted = || world.fake.seen("POST", "/token").len();
    connection.send(read_call()).await.ok().unwrap();
    world.clock.advance(Duration::from_mins(47));
    connection.send(read_call()).await.ok().unwrap();
    assert_eq!(minted(), 1);

    world.clock.advance(Duration::from_mins(2));
    world.fake.fault("POST", "/token", Answer::Json(500, json!({})));
    connection.send(read_call()).await.ok().unwrap();
    assert_eq!(minted(), 2);
    connection.send(read_call()).await.ok().unwrap();
    assert_eq!(minted(), 2, "the renewal pauses after a failure");

    world.clock.advance(Duration::from_mins(1));
    connection.send(read_call()).await.ok().unwrap();
    assert_eq!(minted(), 3);
    let last = world.fake.seen("GET", "/deployments").pop().unwrap();
    assert_eq!(last.header("authorization"), "Bearer token-2");
}
