//! Applications: what is written, and what is refused or looked up.

use std::sync::Arc;
use std::time::Duration;

use anypoint_relay::config::TargetKind;
use anypoint_relay::model::{FailureCode, Mark, Retry};
use anypoint_relay::sync::ports::{ApplyError, Stage};
use serde_json::json;

use crate::fake::Answer;
use crate::world::{CANARY, World, application, observe_failure, receipt, send, values};

#[tokio::test]
async fn an_application_gets_both_maps_whole_and_shows_the_receipt() {
    let world = World::new();
    let target = world.target(application());
    let observed = target.observe().await.ok().unwrap();
    let observation = observed.observation().clone();
    assert_eq!(observation.mark, Some(Mark("v1".to_owned())));
    assert_eq!((observation.stage, observation.provable), (Stage::Settled, true));
    assert_eq!((observation.receipt, observation.refusal), (None, None));

    let receipt = receipt(observation.mark);
    let applied = send(observed, &values(CANARY), &receipt).await.unwrap();
    assert_eq!(applied.mark, Some(Mark("v2".to_owned())));
    assert!(applied.notes.len() == 1 && applied.notes[0].contains("recreate"), "{:?}", applied.notes);

    let sent = world.fake.seen("PATCH", "/deployments/dep-1")[0].json();
    assert_eq!(
        sent,
        json!({"application": {"configuration": {"mule.agent.application.properties.service": {
            "applicationName": "orders",
            "properties": {"db.host": "db.internal", "relay.receipt": receipt.to_text(1024)},
            "secureProperties": {"db.user": "app_b", "db.password": CANARY}}}}})
    );
    let after = target.observe().await.ok().unwrap();
    assert_eq!(after.observation().receipt.as_ref(), Some(&receipt));
    assert_eq!(after.observation().stage, Stage::Rolling);
}

#[tokio::test]
async fn an_application_with_a_foreign_secure_property_is_not_written() {
    let world = World::new();
    let service = "/application/configuration/mule.agent.application.properties.service/secureProperties";
    world.fake.state().deployment.pointer_mut(service).unwrap()["api.key"] = json!("******");
    let target = world.target(application());
    let observed = target.observe().await.ok().unwrap();
    let refusal = observed.observation().refusal.clone().unwrap();
    assert_eq!((refusal.code, refusal.retry), (FailureCode::WouldLose, Retry::Never));
    assert!(refusal.message.contains(r#""api.key""#), "{}", refusal.message);

    let error = send(observed, &values(CANARY), &receipt(None)).await.unwrap_err();
    assert_eq!(error, ApplyError::before(refusal));
    assert!(world.fake.seen("PATCH", "").is_empty());
}

#[tokio::test]
async fn an_application_that_was_deployed_anew_is_found_under_its_name() {
    let world = World::new();
    let target = world.target(application());
    target.observe().await.ok().unwrap();
    world.fake.state().deployment_id = "dep-2".to_owned();
    world.clock.advance(Duration::from_secs(10));
    assert!(target.observe().await.is_ok());
    assert_eq!(world.fake.seen("GET", "/deployments/dep-2").len(), 1);
}

#[tokio::test]
async fn an_unknown_application_name_lists_those_that_exist() {
    let world = World::new();
    let TargetKind::Application(mut app) = application() else { unreachable!() };
    Arc::make_mut(&mut app).deployment = "order".to_owned();
    let failure = observe_failure(&world.target(TargetKind::Application(app))).await;
    assert_eq!((failure.code, failure.retry), (FailureCode::NotFound, Retry::Slowly));
    assert_eq!(failure.message, r#"no deployment is named "order"; there are "orders""#);
}

#[tokio::test]
async fn names_of_many_targets_are_looked_up_in_one_list() {
    let world = World::new();
    let connection = world.connection();
    let names = ["a", "b", "c"];
    let list = names.map(|name| json!({"id": format!("dep-{name}"), "name": name}));
    world.fake.fault("GET", "/deployments", Answer::Json(200, json!({"total": 3, "items": list})));
    for name in names {
        let TargetKind::Application(mut app) = application() else { unreachable!() };
        Arc::make_mut(&mut app).deployment = name.to_owned();
        let target = world.target_on(&connection, name, TargetKind::Application(app));
        // Only the list knows of them; what is asked for shows that their names were found.
        target.observe().await.err().unwrap();
        assert!(!world.fake.seen("GET", &format!("/deployments/dep-{name}")).is_empty());
    }
    let lists =
        world.fake.seen("GET", "/deployments").into_iter().filter(|r| r.path.ends_with("/deployments"));
    assert_eq!(lists.count(), 1);
}
