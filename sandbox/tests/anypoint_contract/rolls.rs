//! What a PATCH sets in motion, as a client sees it and as it was (3c).

use super::*;
use anypoint_sandbox::anypoint::{Redeploy, RollResult, UpdateStrategy};
use anypoint_sandbox::wait_until;

const RECEIPT: &str = "relay.receipt";

/// An application with two replicas that rolls by hand, and a write to it.
async fn written(anypoint: &Anypoint, client: &Client) -> App {
    let app = anypoint.deploy("orders", [("a", "1")], [("db.password", "old")]);
    app.scale(2).roll_by_hand();
    write_new(client, &app).await;
    app
}

async fn write_new(client: &Client, app: &App) {
    let body =
        json!({ "properties": { "a": "1", RECEIPT: "v2" }, "secureProperties": { "db.password": "new" } });
    assert_eq!(client.write(app, body).await.status, StatusCode::OK);
}

fn passwords(app: &App) -> Vec<String> {
    app.running().into_iter().map(|replica| replica.secure["db.password"].clone()).collect()
}

#[tokio::test]
async fn a_roll_replaces_replicas_one_after_another() {
    let anypoint = Anypoint::start().await;
    let client = Client::of(&anypoint).await;
    let app = written(&anypoint, &client).await;
    let seen = client.look(&app).await;
    assert_eq!((&seen["status"], &seen["application"]["status"]), (&json!("APPLYING"), &json!("RUNNING")));
    assert_ne!(seen["desiredVersion"], seen["lastSuccessfulVersion"]);
    assert_eq!(passwords(&app), ["old", "old"], "the desired specification is not the verdict");
    assert!(app.step_roll());
    assert_eq!(passwords(&app), ["new", "old"]);
    assert!(app.step_roll());
    assert_eq!(passwords(&app), ["new", "new"]);
    let seen = client.look(&app).await;
    assert_eq!(seen["status"], "APPLIED");
    assert_eq!(seen["desiredVersion"], seen["lastSuccessfulVersion"]);
    assert_eq!(app.history().writes[0].result, RollResult::Succeeded);
}

#[tokio::test]
async fn a_roll_ends_by_itself_after_its_time() {
    let anypoint = Anypoint::start().await;
    let client = Client::of(&anypoint).await;
    let app = anypoint.deploy("orders", [("a", "1")], [("db.password", "old")]);
    app.scale(2).roll_time(Duration::from_mins(1));
    write_new(&client, &app).await;
    anypoint.advance(Duration::from_secs(61));
    assert_eq!(passwords(&app), ["new", "old"]);
    anypoint.advance(Duration::from_mins(1));
    assert_eq!(passwords(&app), ["new", "new"]);

    app.roll_time(Duration::from_millis(1));
    write_new(&client, &app).await;
    wait_until("the end of a quick roll", LIMIT, || !app.is_rolling()).await;
    assert_eq!(app.history().writes[1].result, RollResult::Succeeded);
}

#[tokio::test]
async fn recreate_stops_everything_first() {
    let anypoint = Anypoint::start().await;
    let client = Client::of(&anypoint).await;
    let app = anypoint.deploy("orders", [("a", "1")], [("db.password", "old")]);
    app.roll_by_hand().strategy(UpdateStrategy::Recreate);
    write_new(&client, &app).await;
    assert_eq!(client.look(&app).await["application"]["status"], "NOT_RUNNING");
    assert_eq!(passwords(&app), [] as [&str; 0]);
    assert!(app.finish_roll());
    assert_eq!(passwords(&app), ["new"]);
}

#[tokio::test]
async fn after_a_failed_roll_the_specification_is_new_and_the_replicas_are_old() {
    let anypoint = Anypoint::start().await;
    let client = Client::of(&anypoint).await;
    let app = written(&anypoint, &client).await;
    assert!(app.step_roll());
    assert!(app.fail_roll());
    let seen = client.look(&app).await;
    assert_eq!((&seen["status"], &seen["application"]["status"]), (&json!("FAILED"), &json!("RUNNING")));
    assert_eq!(seen["application"]["configuration"][SERVICE]["properties"][RECEIPT], "v2");
    assert_ne!(seen["desiredVersion"], seen["lastSuccessfulVersion"]);
    assert_eq!(seen["replicas"][0]["currentDeploymentVersion"], seen["lastSuccessfulVersion"]);
    assert_eq!(passwords(&app), ["old", "old"]);
    assert_eq!(app.history().writes[0].result, RollResult::Failed);
    anypoint.rules(|rules| rules.failure_is_called_deployment_failed = true);
    assert_eq!(client.look(&app).await["status"], "DEPLOYMENT_FAILED");
}

#[tokio::test]
async fn a_failed_roll_may_take_the_specification_back() {
    let anypoint = Anypoint::start().await;
    anypoint.rules(|rules| rules.failed_roll_reverts_spec = true);
    let client = Client::of(&anypoint).await;
    let app = written(&anypoint, &client).await;
    assert!(app.fail_roll());
    let seen = client.look(&app).await;
    assert_eq!(seen["status"], "FAILED");
    assert_eq!(seen["desiredVersion"], seen["lastSuccessfulVersion"]);
    assert_eq!(seen["application"]["configuration"][SERVICE]["properties"].get(RECEIPT), None);
}

#[tokio::test]
async fn the_way_back_may_fail_too() {
    let anypoint = Anypoint::start().await;
    anypoint.rules(|rules| rules.fallback_fails = true);
    let client = Client::of(&anypoint).await;
    let app = written(&anypoint, &client).await;
    assert!(app.fail_roll());
    let seen = client.look(&app).await;
    assert_eq!((&seen["status"], &seen["application"]["status"]), (&json!("FAILED"), &json!("NOT_RUNNING")));
}

#[tokio::test]
async fn rolls_that_are_told_to_fail_do_and_the_next_one_succeeds() {
    let anypoint = Anypoint::start().await;
    let client = Client::of(&anypoint).await;
    let app = anypoint.deploy("orders", [("a", "1")], [("db.password", "old")]);
    app.roll_time(Duration::from_secs(1)).fail_next_rolls(1);
    for (result, password) in [(RollResult::Failed, "old"), (RollResult::Succeeded, "new")] {
        write_new(&client, &app).await;
        anypoint.advance(Duration::from_secs(2));
        assert_eq!(app.history().writes.last().unwrap().result, result);
        assert_eq!(passwords(&app), [password]);
    }
}

#[tokio::test]
async fn the_status_may_lag_behind_a_write() {
    let anypoint = Anypoint::start().await;
    anypoint.rules(|rules| rules.status_lags = 2);
    let client = Client::of(&anypoint).await;
    let app = written(&anypoint, &client).await;
    for status in ["APPLIED", "APPLIED", "APPLYING"] {
        let seen = client.look(&app).await;
        assert_eq!(seen["status"], status);
        assert_ne!(seen["desiredVersion"], seen["lastSuccessfulVersion"], "the versions tell");
    }
}

#[tokio::test]
async fn a_patch_during_a_roll_supersedes_it() {
    let anypoint = Anypoint::start().await;
    let client = Client::of(&anypoint).await;
    let app = written(&anypoint, &client).await;
    write_new(&client, &app).await;
    assert_eq!(app.history().writes[0].result, RollResult::Superseded);
    assert!(app.is_rolling());
}

#[tokio::test]
async fn a_patch_during_a_roll_may_be_refused() {
    let anypoint = Anypoint::start().await;
    anypoint.rules(|rules| rules.patch_during_roll_conflicts = true);
    let client = Client::of(&anypoint).await;
    let app = written(&anypoint, &client).await;
    assert_eq!(client.write(&app, json!({ "properties": {} })).await.status, StatusCode::CONFLICT);
    assert!(app.finish_roll());
    assert_eq!(passwords(&app), ["new", "new"]);
}

#[tokio::test]
async fn a_pipeline_can_bring_back_the_old_password_and_keep_the_receipt() {
    let anypoint = Anypoint::start().await;
    let client = Client::of(&anypoint).await;
    let app = written(&anypoint, &client).await;
    app.finish_roll();
    let ours = app.versions().0;
    app.foreign_redeploy(Redeploy::of_original().carry(RECEIPT).property("b", "2"));
    app.finish_roll();
    let seen = client.look(&app).await;
    let properties = &seen["application"]["configuration"][SERVICE]["properties"];
    assert_eq!(properties, &json!({ "a": "1", "b": "2", RECEIPT: "v2" }));
    assert_ne!(seen["desiredVersion"], ours);
    assert_eq!(seen["desiredVersion"], seen["lastSuccessfulVersion"]);
    assert_eq!(passwords(&app), ["old", "old"]);
    let history = app.history();
    assert_eq!(history.writes[1].by, "pipeline");
    assert_eq!(history.secure_values("db.password"), ["old", "new", "old"]);

    app.foreign_redeploy(Redeploy::of_stored());
    assert_eq!(app.desired_properties()[RECEIPT], "v2");
    app.foreign_redeploy(Redeploy::of_nothing().secure("x", "y"));
    assert_eq!((app.desired_properties().len(), app.desired_secure().len()), (0, 1));
}
