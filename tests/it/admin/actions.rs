//! What the actions do to a target, by what its replicas run with.

use anypoint_sandbox::{ask_for, wait_until};
use serde_json::{Value, json};

use super::act_at;
use crate::support::{Bench, COMPARES_SECRETS, LIMIT, LOOKS_AT_TARGETS, ORDERS_TARGET, now, text};

/// Waits until the target's page shows what `pick` looks for.
async fn shows(bench: &Bench, what: &str, pick: impl Fn(&Value) -> bool) -> Value {
    let ask = async || Some(bench.shown().await).filter(&pick);
    ask_for(what, LIMIT, ask).await
}

#[tokio::test]
async fn a_pause_holds_a_rotation_back_and_the_resume_delivers_it() {
    let bench = Bench::orders_tuned(&[COMPARES_SECRETS, LOOKS_AT_TARGETS]).await;
    bench.tell_by_eventbridge();
    assert_eq!(bench.act("pause").await.status, 200);
    let patches = bench.patches();
    bench.orders_db().rotate_password("second-password");
    let held = shows(&bench, "a run that is held back", |target| {
        target["held_back"] == true && target["stale_seconds"].as_f64().unwrap() > 0.0
    });
    let held = held.await;
    assert_eq!(
        (&held["state"], &held["phase"], &held["outcome"]),
        (&json!("paused"), &json!("paused"), &json!("in_sync"))
    );
    assert_eq!((&held["next_try"], &held["paused"]["reason"]), (&Value::Null, &json!("a test")));
    let looks = bench.looks();
    // Notifications, the scan of the secrets and that of the targets all ask for a run meanwhile.
    bench.counts("eventbridge", "accepted", 1).await;
    let version = bench.orders_db().current_version();
    bench.tell_of(&bench.orders_db(), &version, now()).await;
    assert_eq!((bench.patches(), bench.looks()), (patches, looks), "a paused target was touched");

    assert_eq!(bench.act("resume").await.status, 200);
    bench.arrives("orders-api", "db.password", "second-password").await;
    let page = bench.shown().await;
    assert_eq!(
        (&page["state"], &page["paused"], &page["held_back"]),
        (&json!("in_sync"), &Value::Null, &json!(false))
    );
    let steps = ["notified", "read", "written", "confirmed"]
        .map(|step| page["delivery"][step].as_str().unwrap().to_owned());
    assert!(steps.is_sorted(), "{steps:?}");
    let wrote = page["history"].as_array().unwrap().iter().find(|run| run["did"] == "wrote").unwrap();
    assert_eq!((&wrote["why"], &wrote["write"]), (&json!("wanted_changed"), &json!("taken")));
    assert!(wrote["reasons"].as_array().unwrap().contains(&json!("notification")), "{wrote}");
}

#[tokio::test]
async fn a_pause_for_a_time_ends_by_itself() {
    let bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    let body = json!({"reason": "a test", "for": "300ms"});
    let done = act_at(bench.admin(), "", "orders-api", "pause", &body).await;
    assert_eq!(done.status, 200);
    assert!(done.body["target"]["paused"]["until"].is_string(), "{}", done.text);
    bench.orders_db().rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_eq!(bench.shown().await["paused"], Value::Null);
    assert_eq!(bench.act("resume").await.status, 409);
}

#[tokio::test]
async fn a_retry_heals_a_parked_target_once_the_cause_is_gone_and_a_sync_leaves_it() {
    let bench = Bench::orders().await;
    bench.anypoint.app("orders-api").fail_next_rolls(1);
    bench.orders_db().rotate_password("second-password");
    assert_eq!(bench.act("sync").await.status, 202);
    bench.ended_as("orders-api", "parked").await;
    let parked = bench.shown().await;
    assert_eq!((&parked["failure"]["code"], &parked["state"]), (&json!("roll_failed"), &json!("parked")));
    assert_eq!(parked["next_step"], parked["failure"]["next_step"]);

    let (patches, runs) = (bench.patches(), bench.runs("orders-api").len());
    let done = bench.act("sync").await;
    wait_until("the look", LIMIT, || bench.runs("orders-api").len() > runs).await;
    bench.ended_as("orders-api", "parked").await;
    assert_eq!(bench.patches(), patches, "a look repeated a roll that failed");
    let newest = &bench.shown().await["history"][0];
    assert_eq!(newest["request_id"], done.body["request_id"]);
    assert!(newest["reasons"].as_array().unwrap().contains(&json!("look")), "{newest}");

    assert_eq!(bench.act("retry").await.status, 202);
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn what_is_in_sync_is_written_again_by_neither() {
    let bench = Bench::orders().await;
    for action in ["retry", "sync"] {
        let (patches, runs) = (bench.patches(), bench.runs("orders-api").len());
        bench.act(action).await;
        wait_until("its run", LIMIT, || bench.runs("orders-api").len() > runs).await;
        bench.in_sync("orders-api").await;
        assert_eq!(bench.patches(), patches, "{action}");
    }
}

#[tokio::test]
async fn with_a_receipts_file_a_pause_lasts_over_a_restart_and_without_one_it_does_not() {
    for kept in [true, false] {
        let mut bench = Bench::orders_stopped().await;
        let receipts = format!("receipts: {}\n", text(&bench.path("receipts.json")));
        let file = format!("{}{}", bench.file(ORDERS_TARGET), if kept { &receipts } else { "" });
        bench.start_with(&file).await;
        bench.in_sync("orders-api").await;
        let done = bench.act("pause").await;
        assert_eq!(done.body["survives_restart"], kept);
        bench.orders_db().rotate_password("second-password");
        bench.restart().await;
        if kept {
            let page = shows(&bench, "what the start found", |target| target["held_back"] == true).await;
            assert_eq!((&page["state"], &page["paused"]["reason"]), (&json!("paused"), &json!("a test")));
            assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
            bench.act("resume").await;
        }
        bench.arrives("orders-api", "db.password", "second-password").await;
        bench.restart().await;
        bench.in_sync("orders-api").await;
        assert_eq!(bench.shown().await["paused"], Value::Null, "a resume lasts over a restart too");
    }
}

#[tokio::test]
async fn what_an_action_cannot_be_done_with_is_told() {
    let bench = Bench::orders().await;
    let reason = json!({"reason": "a test"});
    assert_eq!(act_at(bench.admin(), "", "nobody", "retry", &reason).await.status, 404);
    assert_eq!(act_at(bench.admin(), "", "orders-api", "resume", &reason).await.status, 409);
    assert_eq!(act_at(bench.admin(), "", "orders-api", "pause", &json!({})).await.status, 400);
    bench.act("pause").await;
    for action in ["retry", "sync"] {
        assert_eq!(bench.act(action).await.status, 409, "{action}");
    }
    let counts = bench.ask("/status").await.body["queue"].clone();
    assert_eq!((&counts["paused"], &counts["idle"]), (&json!(1), &json!(0)));
    assert!((bench.number(r#"relay_queue_keys{phase="paused"}"#).await - 1.0).abs() < 0.1);
}
