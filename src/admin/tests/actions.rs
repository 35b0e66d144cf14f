//! What the actions do, and which make no sense.

use super::*;
use crate::queue::Phase;

async fn act(state: &AdminState, target: &str, action: &str, body: &str) -> (u16, Value) {
    let request =
        request("POST", &format!("/targets/{target}/{action}")).header("content-type", "application/json");
    let (status, _, body) = send(state, request.body(Body::from(body.to_owned())).unwrap()).await;
    (status, json_of(&body))
}

const WHY: &str = r#"{"reason":"a test"}"#;

#[tokio::test]
async fn a_retry_insists_and_a_sync_only_looks() {
    for (action, insists) in [("retry", true), ("sync", false)] {
        let state = state().await;
        let billing = state.queue.next().await.unwrap();
        state.queue.finish(&billing.key, Next::Done);
        let (status, done) = act(&state, "orders-api", action, WHY).await;
        assert_eq!((status, &done["action"]), (202, &json!(action)));
        assert_eq!(done["target"]["phase"], "queued");
        let taken = state.queue.next().await.unwrap();
        assert_eq!((taken.key.as_str(), taken.insists), ("orders-api", insists));
        assert_eq!(taken.note.request_id.as_deref(), done["request_id"].as_str());
        assert!(taken.note.told.is_some());
    }
}

#[tokio::test]
async fn a_pause_holds_runs_back_until_it_is_resumed() {
    let state = state().await;
    let (status, done) = act(&state, "billing-api", "pause", r#"{"reason":"a freeze","for":"2h"}"#).await;
    assert_eq!((status, &done["survives_restart"]), (200, &json!(false)));
    let target = &done["target"];
    assert_eq!(
        (&target["state"], &target["phase"], &target["held_back"]),
        (&json!("paused"), &json!("paused"), &json!(true))
    );
    assert_eq!(target["paused"]["reason"], "a freeze");
    assert_eq!(target["paused"]["until"], "2027-03-01T11:00:00Z");
    assert_eq!(target["next_try"], "2027-03-01T11:00:00Z");
    let (_, _, body) = ask(&state, "GET", "/status").await;
    assert_eq!(json_of(&body)["queue"]["paused"], 1);

    // A later one takes its place.
    let (_, done) = act(&state, "billing-api", "pause", WHY).await;
    assert_eq!(
        (&done["target"]["paused"]["until"], &done["target"]["next_try"]),
        (&Value::Null, &Value::Null)
    );
    let (status, done) = act(&state, "billing-api", "resume", WHY).await;
    assert_eq!(
        (status, &done["target"]["state"], &done["target"]["phase"]),
        (200, &json!("due"), &json!("queued"))
    );
    assert_eq!(done.get("survives_restart"), None);
}

#[tokio::test]
async fn what_makes_no_sense_is_a_conflict_that_says_why() {
    let state = state().await;
    let (status, problem) = act(&state, "orders-api", "resume", WHY).await;
    assert_eq!((status, &problem["detail"]), (409, &json!("the target is not paused")));
    act(&state, "orders-api", "pause", WHY).await;
    for action in ["retry", "sync"] {
        let (status, problem) = act(&state, "orders-api", action, WHY).await;
        assert_eq!((status, &problem["detail"]), (409, &json!("the target is paused: resume it first")));
    }
    let (status, problem) = act(&state, "nobody", "retry", WHY).await;
    assert_eq!((status, &problem["code"]), (404, &json!("not_configured")));
}

#[tokio::test]
async fn an_action_has_a_reason_in_bounds_and_nothing_that_is_not_its_own() {
    let state = state().await;
    let long = format!(r#"{{"reason":"{}"}}"#, "é".repeat(257));
    let (tabs, more) = (r#"{"reason":"a\tb"}"#, r#"{"reason":"a","more":1}"#);
    for body in
        ["", "[]", "{}", r#"{"reason":""}"#, r#"{"reason":"  "}"#, r#"{"reason":1}"#, tabs, more, &long]
    {
        let (status, problem) = act(&state, "orders-api", "retry", body).await;
        assert_eq!((status, &problem["code"]), (400, &json!("malformed")), "{body}");
        assert!(problem["detail"].as_str().unwrap().contains("reason"), "{problem}");
    }
    assert_eq!(act(&state, "orders-api", "retry", r#"{"reason":"a","for":"2h"}"#).await.0, 400);
    for time in ["", "2", "0s", "721h", "-1h", "soon"] {
        let body = format!(r#"{{"reason":"a","for":"{time}"}}"#);
        let (status, problem) = act(&state, "orders-api", "pause", &body).await;
        assert_eq!(
            (status, &problem["detail"]),
            (400, &json!("for: a duration such as 30m or 2h, up to 720h")),
            "{time}"
        );
    }
    let (status, problem) = act(&state, "orders-api", "retry", &" ".repeat(5000)).await;
    assert_eq!((status, &problem["code"]), (413, &json!("too_large")));
    assert_eq!(state.queue.line(&name("orders-api")).unwrap().phase, Phase::Idle);
}

#[tokio::test]
async fn a_relay_that_drains_takes_no_action() {
    let state = state().await;
    state.readiness.draining();
    let (status, problem) = act(&state, "orders-api", "pause", WHY).await;
    assert_eq!((status, &problem["code"]), (503, &json!("draining")));
    assert_eq!(state.board.pause(&name("orders-api"), state.clock.timestamp()), None);
}

#[tokio::test]
async fn a_pause_is_kept_in_the_receipts_file_and_taken_out_by_the_resume() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("receipts.json");
    let state = state_with(Memory::open(&file).unwrap()).await;
    let (_, done) = act(&state, "orders-api", "pause", r#"{"reason":"a freeze"}"#).await;
    assert_eq!(done["survives_restart"], true);
    let kept = Memory::open(&file).unwrap().pauses();
    let kept = kept.get(&name("orders-api")).unwrap();
    assert_eq!((kept.reason.as_str(), kept.until), ("a freeze", None));
    act(&state, "orders-api", "resume", WHY).await;
    assert!(Memory::open(&file).unwrap().pauses().is_empty());
}

#[tokio::test]
async fn a_pause_that_cannot_be_kept_is_not_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let state = state_with(Memory::open(&folder.path().join("receipts.json")).unwrap()).await;
    drop(folder);
    let (status, problem) = act(&state, "orders-api", "pause", WHY).await;
    assert_eq!(
        (status, &problem["detail"]),
        (500, &json!("the receipts file could not be written; nothing was changed"))
    );
    assert_eq!(state.queue.line(&name("orders-api")).unwrap().phase, Phase::Idle);
}
