//! CloudHub 1.0 (3b): what an application shows, what a PUT does to its properties, the status call.

use super::*;
use anypoint_sandbox::anypoint::{DesiredState, HiddenView, NONE};

const PORT: [(&str, &str); 1] = [("http.port", "8081")];
const HIDDEN: [(&str, &str); 1] = [("db.password", "old")];

/// A PUT as MuleSoft's own clients send it.
async fn put(client: &Client, domain: &str, info: &Value, starts: bool) -> Answer {
    let starts = if starts { "true" } else { "false" };
    let body = form(&[("autoStart", starts), ("appInfoJson", &info.to_string())]);
    let request = client.http.put(url(client, domain)).header("content-type", FORM).body(body);
    client.sent_there(request).await
}

fn url(client: &Client, domain: &str) -> String {
    format!("{}/cloudhub/api/v2/applications/{domain}", client.base)
}

async fn look(client: &Client, domain: &str) -> Value {
    client.sent_there(client.http.get(url(client, domain))).await.body
}

async fn restart(client: &Client, domain: &str, status: &str) -> Answer {
    let url = format!("{}/cloudhub/api/applications/{domain}/status", client.base);
    client.sent_there(client.http.post(url).json(&json!({ "status": status }))).await
}

#[tokio::test]
async fn hidden_properties_are_named_and_their_values_are_not_shown() {
    let anypoint = Anypoint::start().await;
    anypoint.deploy_cloudhub("orders", PORT, HIDDEN);
    let client = Client::of(&anypoint).await;
    for (view, shown) in [
        (HiddenView::Mask, json!("******")),
        (HiddenView::Empty, json!("")),
        (HiddenView::Absent, Value::Null),
    ] {
        anypoint.rules(|rules| rules.hidden_view = view);
        let seen = look(&client, "orders").await;
        assert_eq!(seen["properties"]["db.password"], shown);
        assert_eq!(seen["properties"]["http.port"], "8081");
        assert_eq!(seen["propertiesOptions"], json!({ "db.password": { "secure": true } }));
        assert_eq!((&seen["domain"], &seen["status"]), (&json!("orders"), &json!("STARTED")));
        assert_eq!(seen.get("deploymentUpdateStatus"), None);
    }
}

#[tokio::test]
async fn the_properties_sent_replace_the_stored_ones_unless_they_are_merged() {
    let anypoint = Anypoint::start().await;
    let client = Client::of(&anypoint).await;
    for merge in [false, true] {
        anypoint.rules(|rules| rules.sent_properties_merge = merge);
        let domain = format!("orders-{merge}");
        let app = anypoint.deploy_cloudhub(&domain, PORT, HIDDEN);
        let answer = put(&client, &domain, &json!({ "properties": { "a": "1" } }), true).await;
        assert_eq!(answer.status, StatusCode::OK);
        let names: Vec<String> =
            app.desired_properties().into_keys().chain(app.desired_secure().into_keys()).collect();
        assert_eq!(names, if merge { vec!["a", "http.port", "db.password"] } else { vec!["a"] });
        app.finish_roll();
        // Without a map of properties they stay; hidden ones stay hidden whoever writes them.
        let both = json!({ "properties": { "db.password": "new" } });
        put(&client, &domain, &both, true).await;
        put(&client, &domain, &json!({}), true).await;
        assert_eq!(app.desired_secure()["db.password"], "new");
        assert!(!app.desired_properties().contains_key("db.password"));
    }
}

#[tokio::test]
async fn a_json_body_wraps_the_application_and_either_form_needs_its_parts() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy_cloudhub("orders", PORT, NONE);
    let client = Client::of(&anypoint).await;
    let body = json!({ "applicationInfo": { "properties": { "a": "1" } }, "autoStart": true });
    let answer = client.sent_there(client.http.put(url(&client, "orders")).json(&body)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(app.desired_properties().into_keys().collect::<Vec<_>>(), ["a"]);
    let bare = client.http.put(url(&client, "orders")).json(&json!({ "properties": {} }));
    assert_eq!(client.sent_there(bare).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(put(&client, "orders", &json!({}), false).await.status, StatusCode::BAD_REQUEST);
    let unknown = put(&client, "no-such", &json!({}), true).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn asterisks_sent_back_are_stored_unless_they_are_kept() {
    let anypoint = Anypoint::start().await;
    let client = Client::of(&anypoint).await;
    for kept in [false, true] {
        anypoint.rules(|rules| rules.mask_is_kept = kept);
        let domain = format!("orders-{kept}");
        let app = anypoint.deploy_cloudhub(&domain, PORT, HIDDEN);
        put(&client, &domain, &json!({ "properties": { "db.password": "******" } }), true).await;
        assert_eq!(app.desired_secure()["db.password"], if kept { "old" } else { "******" });
    }
}

#[tokio::test]
async fn the_version_before_goes_on_while_the_new_one_starts_and_when_it_fails() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy_cloudhub("orders", PORT, HIDDEN);
    app.roll_by_hand();
    let client = Client::of(&anypoint).await;
    let info = json!({ "properties": { "db.password": "new" } });
    let answer = put(&client, "orders", &info, true).await.body;
    let words = |seen: &Value| (seen["status"].clone(), seen["deploymentUpdateStatus"].clone());
    assert_eq!(words(&answer), (json!("STARTED"), json!("DEPLOYING")));
    assert_eq!(app.running()[0].secure["db.password"], "old");
    app.fail_roll();
    assert_eq!(words(&look(&client, "orders").await), (json!("STARTED"), json!("DEPLOY_FAILED")));
    assert_eq!(app.running()[0].secure["db.password"], "old");
    anypoint.rules(|rules| rules.update_status_absent = true);
    assert_eq!(words(&look(&client, "orders").await), (json!("STARTED"), Value::Null));
    app.want(DesiredState::Undeployed);
    assert_eq!(look(&client, "orders").await["status"], "UNDEPLOYED");
}

#[tokio::test]
async fn a_restart_is_a_deployment_of_what_is_stored_where_it_is_known() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy_cloudhub("orders", PORT, HIDDEN);
    let client = Client::of(&anypoint).await;
    let before = (app.desired_properties(), app.desired_secure());
    assert_eq!(restart(&client, "orders", "restart").await.status, StatusCode::OK);
    assert_eq!(app.history().rolls(), 1);
    assert_eq!((app.desired_properties(), app.desired_secure()), before);
    anypoint.rules(|rules| rules.restart_answers_304 = true);
    assert_eq!(restart(&client, "orders", "restart").await.status, StatusCode::NOT_MODIFIED);
    anypoint.rules(|rules| rules.restart_is_unknown = true);
    assert_eq!(restart(&client, "orders", "restart").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(app.history().rolls(), 1);
    assert_eq!(restart(&client, "orders", "START").await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(restart(&client, "orders", "stop").await.status, StatusCode::OK);
    assert!(app.running().is_empty());
}

#[tokio::test]
async fn over_its_limit_cloudhub_answers_503() {
    let anypoint = Anypoint::start().await;
    anypoint.deploy_cloudhub("orders", PORT, HIDDEN);
    anypoint.set_cloudhub_limit(Some(1));
    anypoint.stop_clock();
    let client = Client::of(&anypoint).await;
    let ask = || client.sent_there(client.http.get(url(&client, "orders")));
    assert_eq!(ask().await.status, StatusCode::OK);
    assert_eq!(ask().await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(anypoint.over_cloudhub_limit(), 1);
    anypoint.advance(Duration::from_secs(1));
    assert_eq!(ask().await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_documented_limit_of_cloudhub_is_twenty_five() {
    let anypoint = Anypoint::start().await;
    anypoint.deploy_cloudhub("orders", PORT, HIDDEN);
    anypoint.stop_clock();
    let client = Client::of(&anypoint).await;
    let ask = || client.sent_there(client.http.get(url(&client, "orders")));
    for _ in 0..25 {
        assert_eq!(ask().await.status, StatusCode::OK);
    }
    assert_eq!(ask().await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_place_stands_in_headers_and_scopes_count() {
    let anypoint = Anypoint::start().await;
    anypoint.deploy_cloudhub("orders", PORT, HIDDEN);
    let client = Client::of(&anypoint).await;
    // The environment is what CloudHub asks for; another one does not have the application.
    let bare = client.http.get(url(&client, "orders")).bearer_auth(&client.token);
    assert_eq!(answer(bare.try_clone().unwrap()).await.status, StatusCode::NOT_FOUND);
    let environment = bare.header("x-anypnt-env-id", anypoint.environment());
    assert_eq!(answer(environment).await.status, StatusCode::OK);
    anypoint.grant("manage:application_settings", false);
    assert_eq!(put(&client, "orders", &json!({}), true).await.status, StatusCode::FORBIDDEN);
    assert_eq!(restart(&client, "orders", "restart").await.status, StatusCode::FORBIDDEN);
}
