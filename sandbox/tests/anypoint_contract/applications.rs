//! What a deployment shows, and what a PATCH does to its maps (3c, 4).

use super::*;
use anypoint_sandbox::anypoint::{
    DesiredState, EmptySecure, Endpoint, Map, NONE, RollResult, UpdateStrategy,
};

const PAIR: [(&str, &str); 1] = [("db.user", "app_a")];
const SECRET: [(&str, &str); 1] = [("db.password", "old")];

fn map(entries: &[(&str, &str)]) -> Map {
    entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn service(body: &Value) -> &Value {
    &body["application"]["configuration"][SERVICE]
}

#[tokio::test]
async fn an_application_is_found_in_its_own_environment_only() {
    let anypoint = Anypoint::start().await;
    let first = anypoint.deploy("orders", NONE, NONE);
    for own_group in [false, true] {
        let other = anypoint.add_environment(own_group);
        let there = other.deploy("orders", NONE, NONE);
        let client = Client::of(&anypoint).await;
        let applications = client
            .applications
            .replace(&anypoint.organization(), other.organization())
            .replace(&anypoint.environment(), other.id());
        let list = client.get(&applications).await.body;
        assert_eq!((&list["total"], &list["items"][0]["id"]), (&json!(1), &json!(there.id())));
        assert_eq!(client.get(&client.applications).await.body["items"][0]["id"], first.id());
        assert_eq!(client.look(&first).await["id"], first.id());
        let across = [client.app_url(&there), format!("{applications}/{}", first.id())];
        for url in across {
            assert_eq!(client.get(&url).await.status, StatusCode::NOT_FOUND);
            assert_eq!(client.patch(&url, &json!({})).await.status, StatusCode::NOT_FOUND);
        }
    }
}

#[tokio::test]
async fn the_list_names_every_deployment_with_its_status() {
    let anypoint = Anypoint::start().await;
    let orders = anypoint.deploy("orders", PAIR, SECRET);
    let gone = anypoint.deploy("gone", PAIR, SECRET);
    gone.remove();
    let client = Client::of(&anypoint).await;
    let list = client.get(&client.applications).await;
    assert_eq!(list.status, StatusCode::OK);
    assert_eq!(list.body["total"], 1);
    let item = &list.body["items"][0];
    assert_eq!((&item["id"], &item["name"]), (&json!(orders.id()), &json!("orders")));
    assert_eq!((&item["status"], &item["application"]), (&json!("APPLIED"), &json!({ "status": "RUNNING" })));
    anypoint.rules(|rules| rules.list_has_no_status = true);
    let item = client.get(&client.applications).await.body["items"][0].clone();
    assert_eq!((item.get("status"), item.get("application")), (None, None));
    assert_eq!(client.get(&client.app_url(&gone)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.write(&gone, json!({ "properties": {} })).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_settled_deployment_shows_masks_versions_and_replicas() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", PAIR, SECRET);
    app.scale(2).strategy(UpdateStrategy::Recreate);
    let client = Client::of(&anypoint).await;
    let seen = client.get(&client.app_url(&app)).await;
    assert!(seen.headers.contains_key("x-anypnt-trx-id"));
    let seen = seen.body;
    assert_eq!(service(&seen)["properties"], json!({ "db.user": "app_a" }));
    assert_eq!(service(&seen)["secureProperties"], json!({ "db.password": "******" }));
    assert_eq!((&seen["status"], &seen["application"]["status"]), (&json!("APPLIED"), &json!("RUNNING")));
    assert_eq!(seen["application"]["desiredState"], "STARTED");
    assert_eq!(seen["target"]["deploymentSettings"]["updateStrategy"], "recreate");
    assert_eq!(seen["target"]["replicas"], 2);
    assert!(seen["desiredVersion"].is_string());
    assert_eq!(seen["desiredVersion"], seen["lastSuccessfulVersion"]);
    let replicas = seen["replicas"].as_array().unwrap();
    assert_eq!(replicas.len(), 2);
    assert_eq!(replicas[1]["currentDeploymentVersion"], seen["desiredVersion"]);
}

#[tokio::test]
async fn the_shape_of_a_deployment_may_differ() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", PAIR, SECRET);
    let client = Client::of(&anypoint).await;
    assert!(client.look(&app).await["creationDate"].is_string());
    anypoint.rules(|rules| {
        rules.versions_absent = true;
        rules.replicas_absent = true;
        rules.dates_as_epoch_millis = true;
        rules.lowercase_secureproperties = true;
        rules.settled_is_called_started = true;
    });
    let seen = client.look(&app).await;
    for field in ["desiredVersion", "lastSuccessfulVersion", "replicas"] {
        assert_eq!(seen.get(field), None, "{field}");
    }
    assert!(seen["creationDate"].is_i64());
    assert_eq!(service(&seen)["secureproperties"], json!({ "db.password": "******" }));
    assert_eq!(service(&seen).get("secureProperties"), None);
    assert_eq!(seen["status"], "STARTED");
}

#[tokio::test]
async fn no_secure_properties_may_look_in_three_ways() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", PAIR, NONE);
    let client = Client::of(&anypoint).await;
    let forms = [
        (EmptySecure::Object, Some(json!({}))),
        (EmptySecure::Null, Some(Value::Null)),
        (EmptySecure::Absent, None),
    ];
    for (form, expected) in forms {
        anypoint.rules(|rules| rules.secure_when_empty = form);
        assert_eq!(service(&client.look(&app).await).get("secureProperties"), expected.as_ref(), "{form:?}");
    }
}

#[tokio::test]
async fn a_patch_of_one_map_drops_the_other() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", PAIR, SECRET);
    let client = Client::of(&anypoint).await;
    let patched = client.write(&app, json!({ "properties": { "db.user": "app_b" } })).await;
    assert_eq!(patched.status, StatusCode::OK);
    assert!(patched.headers.contains_key("x-anypnt-trx-id"));
    assert_eq!(app.desired_properties(), map(&[("db.user", "app_b")]));
    assert_eq!(app.desired_secure(), map(&[]));
}

#[tokio::test]
async fn a_patch_of_one_map_may_leave_the_other() {
    let anypoint = Anypoint::start().await;
    anypoint.rules(|rules| rules.maps_replaced_together = false);
    let app = anypoint.deploy("orders", PAIR, SECRET);
    let client = Client::of(&anypoint).await;
    client.write(&app, json!({ "properties": { "db.user": "app_b" } })).await;
    assert_eq!(app.desired_secure(), map(&SECRET));
    client.write(&app, json!({ "secureProperties": { "db.password": "new" } })).await;
    assert_eq!(app.desired_properties(), map(&[("db.user", "app_b")]));
}

#[tokio::test]
async fn a_patch_without_maps_leaves_both() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", PAIR, SECRET);
    let client = Client::of(&anypoint).await;
    let body = json!({ "target": { "deploymentSettings": { "updateStrategy": "recreate" } } });
    assert_eq!(client.patch(&client.app_url(&app), &body).await.status, StatusCode::OK);
    assert_eq!((app.desired_properties(), app.desired_secure()), (map(&PAIR), map(&SECRET)));
    assert_eq!(app.history().writes.len(), 0);
}

#[tokio::test]
async fn the_lower_case_name_is_read_too() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", PAIR, SECRET);
    let client = Client::of(&anypoint).await;
    client.write(&app, json!({ "properties": {}, "secureproperties": { "db.password": "new" } })).await;
    assert_eq!(app.desired_secure(), map(&[("db.password", "new")]));
}

#[tokio::test]
async fn asterisks_sent_back_replace_the_value() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", PAIR, SECRET);
    let client = Client::of(&anypoint).await;
    let body = json!({ "secureProperties": { "db.password": "******", "other": null } });
    client.write(&app, body).await;
    assert_eq!(app.desired_secure(), map(&[("db.password", "******")]));
}

#[tokio::test]
async fn asterisks_sent_back_may_keep_the_value() {
    let anypoint = Anypoint::start().await;
    anypoint.rules(|rules| rules.mask_is_kept = true);
    let app = anypoint.deploy("orders", PAIR, [("db.password", "old"), ("api.key", "k")]);
    let client = Client::of(&anypoint).await;
    client.write(&app, json!({ "secureProperties": { "db.password": "******", "api.key": null } })).await;
    assert_eq!(app.desired_secure(), map(&[("db.password", "old"), ("api.key", "k")]));
}

#[tokio::test]
async fn properties_are_limited_in_number_and_length() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", PAIR, SECRET);
    let client = Client::of(&anypoint).await;
    let many = |count: usize| -> Value {
        (0..count).map(|number| (format!("p{number}"), json!("x"))).collect::<serde_json::Map<_, _>>().into()
    };
    let secure = json!({ "db.password": "new" });
    let fits = client.write(&app, json!({ "properties": many(299), "secureProperties": secure })).await;
    assert_eq!(fits.status, StatusCode::OK);
    let bad = [
        json!({ "properties": many(300), "secureProperties": secure }),
        json!({ "properties": { "x": "v".repeat(1_025) } }),
        json!({ "properties": { "k".repeat(1_025): "x" } }),
        json!({ "secureProperties": { "x": "v".repeat(1_025) } }),
        json!({ "properties": { "x": { "y": "z" } } }),
        json!({ "properties": "x" }),
    ];
    for body in bad {
        assert_eq!(client.write(&app, body).await.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(app.history().writes.len(), 1);
    let longest = json!({ "properties": { "k".repeat(1_024): "ä".repeat(1_024) } });
    assert_eq!(client.write(&app, longest).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refused_value_may_be_repeated_in_the_error() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", PAIR, SECRET);
    let client = Client::of(&anypoint).await;
    let canary = "canary-".repeat(200);
    let body = json!({ "secureProperties": { "db.password": canary } });
    assert!(!client.write(&app, body.clone()).await.body.to_string().contains("canary-"));
    anypoint.rules(|rules| rules.errors_echo_values = true);
    assert!(client.write(&app, body).await.body.to_string().contains("canary-"));
}

#[tokio::test]
async fn a_patch_may_answer_202() {
    let anypoint = Anypoint::start().await;
    anypoint.rules(|rules| rules.patch_answers_202 = true);
    let app = anypoint.deploy("orders", PAIR, SECRET);
    let client = Client::of(&anypoint).await;
    let patched = client.write(&app, json!({ "properties": {} })).await;
    assert_eq!(patched.status, StatusCode::ACCEPTED);
    assert_eq!(patched.body["id"], app.id());
}

#[tokio::test]
async fn a_write_is_recorded_with_its_author() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", PAIR, SECRET);
    app.roll_by_hand();
    let client = Client::of(&anypoint).await;
    let patched = client
        .write(&app, json!({ "properties": { "a": "1" }, "secureProperties": { "db.password": "new" } }))
        .await;
    let write = app.history().writes[0].clone();
    assert_eq!((write.by, write.token), (anypoint.client_id(), client.token.clone()));
    assert_eq!((write.properties, write.secure), (map(&[("a", "1")]), map(&[("db.password", "new")])));
    assert_eq!(patched.body["desiredVersion"], write.version);
    assert_eq!(write.result, RollResult::Rolling);
}

#[tokio::test]
async fn equal_maps_start_a_roll_unless_they_do_not() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", PAIR, SECRET);
    app.roll_by_hand();
    let client = Client::of(&anypoint).await;
    let same = json!({ "properties": map(&PAIR), "secureProperties": map(&SECRET) });
    let before = app.versions().0;
    client.write(&app, same.clone()).await;
    assert_ne!(app.versions().0, before);
    assert!(app.finish_roll());
    anypoint.rules(|rules| rules.same_maps_start_a_roll = false);
    let before = app.versions().0;
    assert_eq!(client.write(&app, same).await.status, StatusCode::OK);
    assert_eq!(app.versions().0, before);
    assert!(!app.is_rolling());
    assert_eq!(app.history().rolls(), 1);
}

#[tokio::test]
async fn starting_a_started_application_is_304_or_a_roll() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", PAIR, SECRET);
    let client = Client::of(&anypoint).await;
    let start = json!({ "application": { "desiredState": "STARTED" } });
    let url = client.app_url(&app);
    assert_eq!(client.patch(&url, &start).await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(app.history().rolls(), 0);
    anypoint.rules(|rules| rules.started_again_rolls = true);
    assert_eq!(client.patch(&url, &start).await.status, StatusCode::OK);
    assert_eq!(app.history().rolls(), 1);
    assert_eq!(app.desired_secure(), map(&SECRET));
}

#[tokio::test]
async fn a_stopped_application_takes_properties_without_a_roll() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", PAIR, SECRET);
    app.roll_by_hand();
    let client = Client::of(&anypoint).await;
    let stop = json!({ "application": { "desiredState": "STOPPED" } });
    assert_eq!(client.patch(&client.app_url(&app), &stop).await.status, StatusCode::OK);
    assert_eq!(app.running(), []);
    client.write(&app, json!({ "secureProperties": { "db.password": "new" } })).await;
    let seen = client.look(&app).await;
    assert_eq!((&seen["status"], &seen["application"]["status"]), (&json!("APPLIED"), &json!("NOT_RUNNING")));
    assert_eq!(seen["application"]["desiredState"], "STOPPED");
    assert_ne!(seen["desiredVersion"], seen["lastSuccessfulVersion"]);
    assert_eq!(app.history().rolls(), 0);
    anypoint.rules(|rules| rules.stopped_is_shown_at_top = true);
    assert_eq!(client.look(&app).await["status"], "STOPPED");
    app.want(DesiredState::Undeployed);
    assert_eq!(client.look(&app).await["status"], "UNDEPLOYED");
    app.want(DesiredState::Started);
    assert!(app.finish_roll());
    assert_eq!(app.running()[0].secure, map(&[("db.password", "new")]));
}

#[tokio::test]
async fn a_request_over_the_limit_of_a_second_is_refused() {
    let anypoint = Anypoint::start().await;
    anypoint.stop_clock();
    anypoint.set_application_manager_limit(Some(2));
    let client = Client::of(&anypoint).await;
    for expected in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        let seen = client.get(&client.applications).await;
        assert_eq!(seen.status, expected);
        assert!(seen.headers.contains_key("x-anypnt-trx-id"));
        assert!(!seen.headers.contains_key("x-ratelimit-reset"));
    }
    assert_eq!(anypoint.over_application_manager_limit(), 1);
    assert_eq!(client.get(&client.secrets).await.status, StatusCode::OK, "another API, another limit");
    anypoint.advance(Duration::from_secs(1));
    assert_eq!(client.get(&client.applications).await.status, StatusCode::OK);
    assert_eq!(anypoint.requests().of(Endpoint::DeploymentList), 4);
}

#[tokio::test]
async fn the_limit_may_answer_503_with_headers() {
    let anypoint = Anypoint::start().await;
    anypoint.set_application_manager_limit(Some(0));
    anypoint.rules(|rules| {
        rules.limit_answers_503 = true;
        rules.limit_headers = true;
    });
    let client = Client::of(&anypoint).await;
    let refused = client.get(&client.applications).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers["x-ratelimit-remaining"], "0");
    assert!(refused.headers["x-ratelimit-reset"].to_str().unwrap().parse::<i64>().is_ok());
}

#[tokio::test]
async fn the_documented_limit_is_fifteen() {
    let anypoint = Anypoint::start().await;
    anypoint.stop_clock();
    let client = Client::of(&anypoint).await;
    for _ in 0..15 {
        assert_eq!(client.get(&client.applications).await.status, StatusCode::OK);
    }
    assert_eq!(client.get(&client.applications).await.status, StatusCode::TOO_MANY_REQUESTS);
}
