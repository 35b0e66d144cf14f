//! Limits, refusals and lost answers, and which of them leave a write in doubt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anypoint_relay::clock::Clock;
use anypoint_relay::model::{FailureCode, Retry};
use anypoint_sandbox::wait_until;
use serde_json::json;

use crate::fake::Answer;
use crate::world::{CANARY, World, application, deliver, observe_failure, read_call, shared_secret};

#[tokio::test]
async fn a_429_cools_the_family_down_for_every_connection_to_the_host() {
    let world = World::new();
    let (one, other) = (world.target(application()), world.target(application()));
    world.fake.fault("GET", "/deployments", Answer::Echo(429, vec![("retry-after", "7".to_owned())]));
    let failure = observe_failure(&one).await;
    assert_eq!(
        (failure.code, failure.retry),
        (FailureCode::RateLimited, Retry::CoolDown(Duration::from_secs(7)))
    );

    let failure = observe_failure(&other).await;
    let Retry::Line(wait) = failure.retry else { panic!("{failure:?}") };
    assert!(wait <= Duration::from_secs(7) && wait > Duration::from_secs(6), "{wait:?}");
    assert_eq!(world.fake.seen("GET", "/deployments").len(), 1, "nothing was asked meanwhile");
    assert!(world.target(shared_secret()).observe().await.is_ok(), "another family goes on");

    world.clock.advance(Duration::from_secs(7));
    assert!(other.observe().await.is_ok());
}

#[tokio::test]
async fn a_request_that_finds_its_connection_full_is_not_sent_and_comes_back() {
    let world = World { max_requests: 1, ..World::new() };
    let connection = world.connection();
    connection.send(read_call()).await.ok().unwrap();
    world.fake.fault("GET", "/deployments", Answer::Silence);
    let held = {
        let connection = Arc::clone(&connection);
        tokio::spawn(async move { connection.send(read_call()).await })
    };
    wait_until("the request that gets no answer", Duration::from_secs(5), || {
        world.fake.seen("GET", "/deployments").len() == 2
    })
    .await;
    // The wait for a place passes at once; the other request has its own time limit behind that.
    tokio::time::pause();
    let error = connection.send(read_call()).await.err().unwrap();
    let failure = error.failure;
    assert_eq!(
        (failure.code, failure.retry),
        (FailureCode::RateLimited, Retry::Turn(Duration::from_secs(1)))
    );
    assert!(!error.ambiguous && failure.next_step.contains("`max_requests`"), "{failure:?}");
    assert_eq!(world.fake.seen("GET", "/deployments").len(), 2);
    held.abort();
    held.await.err().unwrap();
    tokio::time::resume();
    assert!(connection.send(read_call()).await.is_ok(), "a request that was given up leaves its place");
}

#[tokio::test]
async fn a_503_of_the_token_endpoint_is_a_rate_limit_and_its_reset_is_obeyed() {
    let world = World::new();
    let reset = (world.clock.timestamp().as_second() + 30).to_string();
    world.fake.fault("POST", "/token", Answer::Echo(503, vec![("x-ratelimit-reset", reset)]));
    let failure = observe_failure(&world.target(application())).await;
    let expected = (FailureCode::RateLimited, Retry::CoolDown(Duration::from_secs(30)));
    assert_eq!((failure.code, failure.retry), expected);
}

#[tokio::test]
async fn writes_without_a_whole_answer_are_ambiguous() {
    for (answer, code) in [
        (Answer::Truncated, FailureCode::Unavailable),
        (Answer::Reset, FailureCode::Unavailable),
        (Answer::Silence, FailureCode::Timeout),
        (Answer::Json(500, json!({})), FailureCode::Unavailable),
        (Answer::Json(304, json!({})), FailureCode::Conflict),
    ] {
        for (kind, method, part) in
            [(0, "PATCH", "/deployments/"), (1, "PUT", "/sharedSecrets/"), (2, "PATCH", "/secrets/")]
        {
            let timeout = Duration::from_secs(if matches!(answer, Answer::Silence) { 1 } else { 10 });
            let world = World { timeout, ..World::new() };
            let target = world.target(world.every_kind()[kind].clone());
            world.fake.fault(method, part, answer.clone());
            let error = deliver(&target, CANARY).await.unwrap_err();
            assert_eq!((error.failure.code, error.ambiguous), (code, true), "{part}: {error:?}");
            assert_eq!(error.failure.retry, Retry::Backoff);
            assert_eq!(world.fake.seen(method, part).len(), 1, "not repeated here");
        }
    }
}

#[tokio::test]
async fn refused_writes_and_broken_looks_are_not_ambiguous() {
    let world = World::new();
    let target = world.target(application());
    for (status, code) in [
        (400, FailureCode::Rejected),
        (402, FailureCode::OverQuota),
        (403, FailureCode::Denied),
        (404, FailureCode::NotFound),
        (409, FailureCode::Conflict),
    ] {
        world.fake.fault("PATCH", "/deployments/", Answer::Echo(status, vec![]));
        let error = deliver(&target, CANARY).await.unwrap_err();
        assert_eq!((error.failure.code, error.ambiguous), (code, false), "{status}");
        world.clock.advance(Duration::from_secs(1));
    }
    world.fake.fault("GET", "/deployments/", Answer::Truncated);
    assert_eq!(observe_failure(&target).await.code, FailureCode::Unavailable);
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_was_sent_nothing() {
    let mut world = World::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.fake.address = free;
    let failure = observe_failure(&world.target(application())).await;
    assert_eq!((failure.code, failure.retry), (FailureCode::Unavailable, Retry::Backoff));
    let http = world.target(world.http(BTreeMap::new()));
    let error = deliver(&http, CANARY).await.unwrap_err();
    assert_eq!((error.failure.code, error.ambiguous), (FailureCode::Unavailable, false));
}
