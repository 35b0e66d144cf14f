//! Writes whose answer is lost, and writes that land after the client gave them up (4, timeouts).

use super::*;
use anypoint_sandbox::anypoint::{Endpoint, Lands, LostWrite, Map, Seen};
use anypoint_sandbox::faults::{Action, Gate, Rule};
use anypoint_sandbox::wait_until;

fn password(value: &str) -> Value {
    json!({ "secureProperties": { "db.password": value } })
}

fn map(value: &str) -> Map {
    Map::from([("db.password".to_owned(), value.to_owned())])
}

#[tokio::test]
async fn a_write_that_lands_late_goes_over_what_was_written_meanwhile() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", [], [("db.password", "old")]);
    let client = Client::of(&anypoint).await;
    anypoint.lose_next_write(LostWrite { lands: Lands::WhenReleased, seen: Seen::Status(504) });
    assert_eq!(client.write(&app, password("first")).await.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!((app.desired_secure(), anypoint.held_writes()), (map("old"), 1));
    assert_eq!(client.write(&app, password("second")).await.status, StatusCode::OK);
    assert_eq!(app.desired_secure(), map("second"));
    assert_eq!(anypoint.release_held_writes(), [200]);
    assert_eq!(app.desired_secure(), map("first"));
    assert_eq!((app.history().writes.len(), anypoint.held_writes()), (2, 0));
}

#[tokio::test]
async fn a_write_may_take_effect_and_its_answer_never_come() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let body = json!({ "name": "key", "type": "Blob", "content": "old" });
    let secret = group.add_shared_secret(&body);
    let client = Client::of(&anypoint).await;
    anypoint.lose_next_write(LostWrite { lands: Lands::Now, seen: Seen::Silence });
    let put = http()
        .put(client.secret_url(&group, secret.id()))
        .bearer_auth(&client.token)
        .json(&json!({ "name": "key", "type": "Blob", "content": "new" }));
    let waiting = tokio::spawn(put.send());
    wait_until("the effect", LIMIT, || secret.current().unwrap()["content"] == "new").await;
    assert!(!waiting.is_finished(), "no answer comes");
    waiting.abort();
}

#[tokio::test]
async fn a_write_may_get_lost_altogether() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", [], [("db.password", "old")]);
    let client = Client::of(&anypoint).await;
    anypoint.lose_next_write(LostWrite { lands: Lands::Never, seen: Seen::Status(502) });
    assert_eq!(client.write(&app, password("new")).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!((app.desired_secure(), anypoint.held_writes()), (map("old"), 0));
}

#[tokio::test]
async fn a_write_of_one_call_gets_lost_and_others_pass() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", [], [("db.password", "old")]);
    let group = anypoint.add_group("crm");
    let secret = group.add_shared_secret(&json!({ "name": "key", "type": "Blob", "content": "old" }));
    let client = Client::of(&anypoint).await;
    let lost = LostWrite { lands: Lands::Never, seen: Seen::Status(502) };
    anypoint.lose_next_write_of(Endpoint::DeploymentPatch, lost);
    let put = http()
        .put(client.secret_url(&group, secret.id()))
        .bearer_auth(&client.token)
        .json(&json!({ "name": "key", "type": "Blob", "content": "new" }));
    assert_eq!(put.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(client.write(&app, password("new")).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(app.desired_secure(), map("old"));
    anypoint.lose_next_write_of(Endpoint::DeploymentPatch, lost);
    anypoint.lose_no_more();
    assert_eq!(client.write(&app, password("new")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_held_write_is_judged_when_it_lands() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", [], [("db.password", "old")]);
    let client = Client::of(&anypoint).await;
    anypoint.lose_next_write(LostWrite { lands: Lands::WhenReleased, seen: Seen::Status(504) });
    client.write(&app, password("new")).await;
    app.remove();
    assert_eq!(anypoint.release_held_writes(), [404]);
}

#[tokio::test]
async fn a_held_connection_writes_although_its_client_has_gone() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", [], [("db.password", "old")]);
    let client = Client::of(&anypoint).await;
    let gate = Gate::new();
    anypoint
        .faults()
        .add(Rule::new(Action::Hang(gate.clone())).tag(Endpoint::DeploymentPatch.tag()).times(1));
    let body = json!({ "application": { "configuration": { SERVICE: password("new") } } });
    let patch = http().patch(client.app_url(&app)).bearer_auth(&client.token).json(&body);
    let waiting = tokio::spawn(patch.send());
    gate.arrived(1).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled(), "the client has gone");
    assert_eq!(app.desired_secure(), map("old"));
    gate.open();
    wait_until("the late write", LIMIT, || app.desired_secure() == map("new")).await;
}
