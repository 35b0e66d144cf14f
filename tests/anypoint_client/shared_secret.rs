//! Shared secrets: replaced whole, spaced, and refused where the value does not fit.

use std::time::Duration;

use anypoint_relay::model::{FailureCode, Mark, Retry};
use anypoint_relay::sync::ports::Applied;
use serde_json::json;

use crate::world::{CANARY, World, deliver, observe_failure, shared_secret};

#[tokio::test]
async fn a_shared_secret_is_replaced_whole_and_proved_by_its_time() {
    let world = World::new();
    let target = world.target(shared_secret());
    let applied = deliver(&target, CANARY).await.unwrap();
    assert_eq!(applied, Applied { mark: Some(Mark("2026-03-06 20:00:07".to_owned())), notes: vec![] });
    assert_eq!(
        world.fake.seen("PUT", "/sharedSecrets/sec-1")[0].json(),
        json!({"name": "orders-db", "type": "UsernamePassword", "username": "app_b", "password": CANARY,
            "expirationDate": "2027-01-31"})
    );
}

#[tokio::test]
async fn writes_of_one_shared_secret_are_spaced() {
    let world = World::new();
    let target = world.target(shared_secret());
    deliver(&target, CANARY).await.unwrap();
    let error = deliver(&target, CANARY).await.unwrap_err();
    assert_eq!(error.failure.retry, Retry::Turn(Duration::from_secs(2)));
    assert!(!error.ambiguous);
    world.clock.advance(Duration::from_secs(2));
    // The fake shows no newer time for this one.
    let applied = deliver(&target, CANARY).await.unwrap();
    assert_eq!((applied.mark, applied.notes.len()), (None, 1));
    assert_eq!(world.fake.seen("PUT", "").len(), 2);
}

#[tokio::test]
async fn a_shared_secret_that_cannot_take_the_value_is_not_written() {
    let world = World::new();
    let target = world.target(shared_secret());
    let error = deliver(&target, &CANARY.repeat(6)).await.unwrap_err();
    assert_eq!(error.failure.code, FailureCode::TooLong);
    assert!(error.failure.next_step.contains("Blob"), "{}", error.failure.next_step);
    assert!(deliver(&target, &"é".repeat(64)).await.is_ok(), "characters count, not bytes");

    world.fake.state().secret["type"] = json!("Blob");
    let observed = target.observe().await.ok().unwrap();
    assert_eq!(observed.observation().refusal.as_ref().unwrap().code, FailureCode::Rejected);

    world.fake.state().secret_group = "Finishing".to_owned();
    let failure = observe_failure(&target).await;
    assert_eq!((failure.code, failure.retry), (FailureCode::Conflict, Retry::Backoff));
    assert_eq!(world.fake.seen("PUT", "").len(), 1);
}
