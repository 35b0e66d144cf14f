//! Hybrid servers (3d): list, GET, and both meanings of a PATCH.

use super::*;
use anypoint_sandbox::anypoint::DesiredState;

const PORT: [(&str, &str); 1] = [("http.port", "8081")];

fn url(client: &Client, id: &str) -> String {
    format!("{}/hybrid/api/v1/applications/{id}", client.base)
}

async fn look(client: &Client, app: &App) -> Value {
    client.sent_there(client.http.get(url(client, app.id()))).await.body
}

async fn patch(client: &Client, app: &App, parts: &[(&str, &str)]) -> Answer {
    let request = client.http.patch(url(client, app.id())).header("content-type", FORM).body(form(parts));
    client.sent_there(request).await
}

fn configuration(properties: &Value) -> String {
    json!({ SERVICE: { "applicationName": "orders", "properties": properties } }).to_string()
}

#[tokio::test]
async fn the_list_tells_applications_of_one_name_apart_by_their_target() {
    let anypoint = Anypoint::start().await;
    let east = anypoint.deploy_hybrid("orders", "east", PORT);
    let west = anypoint.deploy_hybrid("orders", "west", PORT);
    west.want(DesiredState::Stopped);
    let client = Client::of(&anypoint).await;
    let list =
        client.sent_there(client.http.get(format!("{}/hybrid/api/v1/applications", client.base))).await.body;
    let list = list["data"].as_array().unwrap();
    let ids: Vec<String> = list.iter().map(|item| item["id"].to_string()).collect();
    assert_eq!(ids, [east.id(), west.id()]);
    assert!(list.iter().all(|item| item["artifact"]["name"] == "orders"));
    assert_eq!((&list[0]["target"]["name"], &list[1]["target"]["name"]), (&json!("east"), &json!("west")));
    let reported: Vec<&Value> = list.iter().map(|item| &item["lastReportedStatus"]).collect();
    assert_eq!(reported, ["STARTED", "STOPPED"]);
}

#[tokio::test]
async fn a_form_without_a_file_deploys_the_same_artifact_with_other_properties_or_the_same() {
    let anypoint = Anypoint::start().await;
    let client = Client::of(&anypoint).await;
    for merge in [false, true] {
        anypoint.rules(|rules| rules.sent_properties_merge = merge);
        let app = anypoint.deploy_hybrid("orders", "east", PORT);
        let answer = patch(&client, &app, &[("configuration", &configuration(&json!({ "a": "1" })))]).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        let names: Vec<String> = app.desired_properties().into_keys().collect();
        assert_eq!(names, if merge { vec!["a", "http.port"] } else { vec!["a"] });
        patch(&client, &app, &[("artifactName", "orders")]).await;
        assert_eq!(app.desired_properties().into_keys().collect::<Vec<_>>(), names);
        assert_eq!(app.history().rolls(), 2);
    }
}

#[tokio::test]
async fn json_starts_and_stops() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy_hybrid("orders", "east", PORT);
    let client = Client::of(&anypoint).await;
    let want = |state: &'static str| {
        client.sent_there(client.http.patch(url(&client, app.id())).json(&json!({ "desiredStatus": state })))
    };
    assert_eq!(want("STOPPED").await.status, StatusCode::ACCEPTED);
    assert!(app.running().is_empty());
    assert_eq!(look(&client, &app).await["data"]["desiredStatus"], "STOPPED");
    want("STARTED").await;
    app.finish_roll();
    assert_eq!(app.running().len(), 1);
    assert_eq!(want("SLEEPING").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn progress_failure_and_form_of_the_answer_are_shown_in_each_position() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy_hybrid("orders", "east", PORT);
    app.scale(2).roll_by_hand();
    let client = Client::of(&anypoint).await;
    let words = |seen: &Value| (seen["desiredStatus"].clone(), seen["lastReportedStatus"].clone());
    let write = || patch(&client, &app, &[]);
    let first = write().await.body;
    assert_eq!(words(&first["data"]), (json!("STARTED"), json!("STARTING")));
    assert!(app.running().is_empty(), "the servers stop it first");
    anypoint.rules(|rules| rules.hybrid_progress_is_desired = true);
    let seen = look(&client, &app).await;
    assert_eq!(words(&seen["data"]), (json!("UPDATED"), json!("STARTED")));
    assert_eq!(seen["data"]["configuration"][SERVICE]["properties"], json!({ "http.port": "8081" }));
    app.fail_roll();
    let seen = look(&client, &app).await;
    assert_eq!(words(&seen["data"]), (json!("STARTED"), json!("DEPLOYMENT_FAILED")));
    assert_eq!(seen["data"]["serverArtifacts"].as_array().unwrap().len(), 2);

    anypoint.rules(|rules| {
        rules.hybrid_properties_hidden = true;
        rules.hybrid_answers_without_data = true;
        rules.hybrid_patch_answers_200 = true;
    });
    let seen = look(&client, &app).await;
    assert_eq!((&seen["data"], seen["id"].to_string().as_str()), (&json!(""), app.id()));
    assert_eq!(seen.get("configuration"), None);
    let answer = write().await;
    assert_eq!((answer.status, answer.body), (StatusCode::OK, json!("")));
}

#[tokio::test]
async fn one_that_is_gone_or_of_another_platform_is_not_found() {
    let anypoint = Anypoint::start().await;
    let gone = anypoint.deploy_hybrid("gone", "east", PORT);
    gone.remove();
    let other = anypoint.deploy_cloudhub("other", PORT, []);
    let client = Client::of(&anypoint).await;
    for app in [&gone, &other] {
        let answer = client.sent_there(client.http.get(url(&client, app.id()))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(patch(&client, app, &[]).await.status, StatusCode::NOT_FOUND);
    }
    let deployments = client.get(&client.applications).await;
    assert_eq!(deployments.body["total"], 0);
}
