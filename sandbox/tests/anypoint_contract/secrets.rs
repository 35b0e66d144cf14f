//! Secret groups and shared secrets (1), and the seed document's call (5).

use super::*;
use anypoint_sandbox::anypoint::{Endpoint, GroupState};

const PASSWORD: &str = "s3cret-value";

fn orders_db() -> Value {
    json!({
        "name": "orders-db", "type": "UsernamePassword", "username": "app_a", "password": PASSWORD,
        "expirationDate": "2031-01-31",
    })
}

fn with(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body[field] = value.into();
    body
}

fn without(mut body: Value, field: &str) -> Value {
    body.as_object_mut().unwrap().remove(field);
    body
}

#[tokio::test]
async fn a_value_goes_in_and_never_comes_out() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let client = Client::of(&anypoint).await;
    let list = format!("{}/{}/sharedSecrets", client.secrets, group.id());
    let bodies = [
        (orders_db(), "password", Some("username")),
        (json!({ "name": "key", "type": "SymmetricKey", "key": "c2VjcmV0" }), "key", None),
        (
            json!({ "name": "bucket", "type": "S3Credential", "accessKeyId": "AKIA", "secretAccessKey": "x" }),
            "secretAccessKey",
            Some("accessKeyId"),
        ),
        (json!({ "name": "blob", "type": "Blob", "content": "any text" }), "content", None),
    ];
    for (body, hidden, shown) in bodies {
        let created = client.send(Method::POST, &list, Some(&body)).await;
        assert_eq!(created.status, StatusCode::CREATED);
        let id = created.body["id"].as_str().unwrap();
        let seen = client.get(&client.secret_url(&group, id)).await.body;
        assert_eq!(seen["name"], body["name"]);
        assert_eq!(seen["type"], body["type"]);
        assert_eq!(seen["meta"]["path"], format!("sharedSecrets/{id}"));
        assert_eq!(seen.get(hidden), None);
        if let Some(shown) = shown {
            assert_eq!(seen[shown], body[shown]);
        }
        let held = group.shared_secret(body["name"].as_str().unwrap()).unwrap();
        assert_eq!(held.current().unwrap()[hidden], body[hidden].as_str().unwrap());
    }
    let listed = client.get(&list).await.body;
    assert_eq!(listed.as_array().unwrap().len(), 4);
    assert!(!listed.to_string().contains("app_a"), "the list has no user names");
    let blobs = client.get(&format!("{list}?type=Blob")).await.body;
    assert_eq!(blobs.as_array().unwrap().len(), 1);
    assert_eq!(anypoint.requests().of(Endpoint::SecretPost), 4);
    assert_eq!(anypoint.requests().of(Endpoint::SecretGet), 4);
}

#[tokio::test]
async fn put_replaces_the_value_and_the_history_keeps_both() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let secret = group.add_shared_secret(&orders_db());
    let client = Client::of(&anypoint).await;
    let url = client.secret_url(&group, secret.id());
    let put = client.put(&url, &with(orders_db(), "password", "next")).await;
    assert_eq!(put.status, StatusCode::OK);
    assert!(put.body["message"].is_string());
    let history = secret.history();
    let passwords: Vec<_> = history.iter().map(|write| write.fields["password"].as_str()).collect();
    assert_eq!(passwords, [PASSWORD, "next"]);
    assert_eq!(history[1].by, anypoint.client_id());
    assert_eq!(history[1].expiration_date, "2031-01-31");
}

#[tokio::test]
async fn put_needs_every_field_of_the_type() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let secret = group.add_shared_secret(&orders_db());
    let client = Client::of(&anypoint).await;
    let url = client.secret_url(&group, secret.id());
    for field in ["name", "type", "username", "password"] {
        let refused = client.put(&url, &without(orders_db(), field)).await;
        assert_eq!((refused.status, code(&refused)), (StatusCode::BAD_REQUEST, "RB-1004"), "{field}");
        assert_eq!(refused.body["errors"][0]["field"], field);
    }
    let retyped = json!({ "name": "orders-db", "type": "Blob", "content": "x" });
    assert_eq!(code(&client.put(&url, &retyped).await), "RB-1003", "the type cannot change");
    assert_eq!(secret.history().len(), 1);
}

#[tokio::test]
async fn put_without_a_date_moves_the_expiry_to_a_year_from_now() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let secret = group.add_shared_secret(&orders_db());
    let client = Client::of(&anypoint).await;
    let url = client.secret_url(&group, secret.id());
    let put = client.put(&url, &without(orders_db(), "expirationDate")).await;
    assert_eq!(put.status, StatusCode::OK);
    let written = secret.history()[1].at.to_zoned(jiff::tz::TimeZone::UTC).date();
    let next_year = written.checked_add(jiff::Span::new().years(1)).unwrap().to_string();
    assert_eq!(client.get(&url).await.body["expirationDate"], next_year);
}

#[tokio::test]
async fn a_put_with_a_date_that_has_passed_is_taken_or_refused_as_expired() {
    for refused in [false, true] {
        let anypoint = Anypoint::start().await;
        anypoint.rules(|rules| rules.expired_is_refused = refused);
        let group = anypoint.add_group("crm");
        let secret = group.add_shared_secret(&orders_db());
        let client = Client::of(&anypoint).await;
        let url = client.secret_url(&group, secret.id());
        let put = client.put(&url, &with(orders_db(), "expirationDate", "2001-01-31")).await;
        if refused {
            assert_eq!((put.status, code(&put)), (StatusCode::CONFLICT, "OE-1001"));
        }
        assert_eq!(secret.history().len(), if refused { 1 } else { 2 });
        assert_eq!(client.put(&url, &orders_db()).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn requests_may_be_limited_too() {
    let anypoint = Anypoint::start().await;
    let client = Client::of(&anypoint).await;
    anypoint.stop_clock();
    anypoint.set_secrets_manager_limit(Some(1));
    assert_eq!(client.get(&client.secrets).await.status, StatusCode::OK);
    assert_eq!(client.get(&client.secrets).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(client.get(&client.applications).await.status, StatusCode::OK, "another API");
    anypoint.advance(Duration::from_secs(1));
    assert_eq!(client.get(&client.secrets).await.status, StatusCode::OK);
}

#[tokio::test]
async fn patch_renames_and_re_dates_but_cannot_change_a_value() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let secret = group.add_shared_secret(&orders_db());
    let client = Client::of(&anypoint).await;
    let url = client.secret_url(&group, secret.id());
    let patched = client.patch(&url, &json!({ "name": "renamed", "expirationDate": "2032-02-01" })).await;
    assert_eq!(patched.status, StatusCode::OK);
    let seen = client.get(&url).await.body;
    assert_eq!((&seen["name"], &seen["expirationDate"]), (&json!("renamed"), &json!("2032-02-01")));
    assert_eq!(client.patch(&url, &json!({ "password": "next" })).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(client.patch(&url, &json!({})).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(secret.current().unwrap()["password"], PASSWORD);
}

#[tokio::test]
async fn lengths_are_counted_in_characters_and_limited_by_type() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let secret = group.add_shared_secret(&orders_db());
    let client = Client::of(&anypoint).await;
    let url = client.secret_url(&group, secret.id());
    let long = |count: usize| with(orders_db(), "password", "ä".repeat(count));
    assert_eq!(client.put(&url, &long(64)).await.status, StatusCode::OK);
    let refused = client.put(&url, &long(65)).await;
    assert_eq!((refused.status, code(&refused)), (StatusCode::BAD_REQUEST, "RB-1003"));
    let list = format!("{}/{}/sharedSecrets", client.secrets, group.id());
    let limits = [
        ("S3Credential", "secretAccessKey", 136),
        ("SymmetricKey", "key", 2_048),
        ("Blob", "content", 1_024_000),
        ("VDPContext", "content", 5_120),
    ];
    for (kind, field, limit) in limits {
        let fits = json!({ "name": kind, "type": kind, "accessKeyId": "AKIA", field: "A".repeat(limit) });
        let above =
            json!({ "name": "above", "type": kind, "accessKeyId": "AKIA", field: "A".repeat(limit + 1) });
        assert_eq!(client.send(Method::POST, &list, Some(&fits)).await.status, StatusCode::CREATED, "{kind}");
        assert_eq!(
            client.send(Method::POST, &list, Some(&above)).await.status,
            StatusCode::BAD_REQUEST,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn names_follow_the_pattern_and_are_unique_in_a_group() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    group.add_shared_secret(&orders_db());
    let other = group.add_shared_secret(&with(orders_db(), "name", "other"));
    let client = Client::of(&anypoint).await;
    let url = client.secret_url(&group, other.id());
    for name in ["ab", "1st", "prod/db/orders", "under_score", &"x".repeat(36)] {
        let refused = client.put(&url, &with(orders_db(), "name", name)).await;
        assert_eq!(code(&refused), "RB-1003", "{name}");
    }
    assert_eq!(code(&client.put(&url, &orders_db()).await), "RB-1002");
    let list = format!("{}/{}/sharedSecrets", client.secrets, group.id());
    let again = client.send(Method::POST, &list, Some(&orders_db())).await;
    assert_eq!((again.status, code(&again)), (StatusCode::BAD_REQUEST, "RB-1002"), "POST is not idempotent");
}

#[tokio::test]
async fn modified_at_has_seconds_and_moves_with_a_write() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let secret = group.add_shared_secret(&orders_db());
    let client = Client::of(&anypoint).await;
    let url = client.secret_url(&group, secret.id());
    let modified = async || client.get(&url).await.body["meta"]["modifiedAt"].as_str().unwrap().to_owned();
    let before = modified().await;
    assert!(jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", &before).is_ok(), "{before}");
    anypoint.advance(Duration::from_secs(2));
    assert_eq!(modified().await, before, "reading does not move it");
    client.put(&url, &orders_db()).await;
    let after = modified().await;
    assert!(after > before);
    anypoint.shift_modified_at(jiff::SignedDuration::from_hours(-24));
    client.put(&url, &orders_db()).await;
    assert!(modified().await < before, "their clock is not ours");
    anypoint.rules(|rules| rules.modified_at_is_iso = true);
    assert!(modified().await.parse::<jiff::Timestamp>().is_ok());
}

#[tokio::test]
async fn a_blob_may_have_to_be_base64() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let blob = |content: &str| json!({ "name": "blob", "type": "Blob", "content": content });
    let secret = group.add_shared_secret(&blob("plain text"));
    let client = Client::of(&anypoint).await;
    let url = client.secret_url(&group, secret.id());
    assert_eq!(client.put(&url, &blob("plain text")).await.status, StatusCode::OK);
    anypoint.rules(|rules| rules.blob_must_be_base64 = true);
    assert_eq!(client.put(&url, &blob("plain text")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(client.put(&url, &blob("cGxhaW4=")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_symmetric_key_is_base64() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let client = Client::of(&anypoint).await;
    let list = format!("{}/{}/sharedSecrets", client.secrets, group.id());
    let body = json!({ "name": "key", "type": "SymmetricKey", "key": "no base64!" });
    assert_eq!(code(&client.send(Method::POST, &list, Some(&body)).await), "RB-1003");
}

#[tokio::test]
async fn a_vdp_context_cannot_be_replaced() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let body = json!({ "name": "context", "type": "VDPContext", "content": "c2VjcmV0" });
    let secret = group.add_shared_secret(&body);
    let client = Client::of(&anypoint).await;
    let refused = client.put(&client.secret_url(&group, secret.id()), &body).await;
    assert_eq!((refused.status, code(&refused)), (StatusCode::BAD_REQUEST, "OE-1003"));
}

#[tokio::test]
async fn quotas_answer_402() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("group-0");
    let client = Client::of(&anypoint).await;
    for number in 1..=24 {
        anypoint.add_group(&format!("group-{number}"));
    }
    let refused = client.send(Method::POST, &client.secrets, Some(&json!({ "name": "one-more" }))).await;
    assert_eq!((refused.status, code(&refused)), (StatusCode::PAYMENT_REQUIRED, "RB-1008"));
    for number in 0..350 {
        group.add_shared_secret(&with(orders_db(), "name", format!("secret-{number}")));
    }
    let list = format!("{}/{}/sharedSecrets", client.secrets, group.id());
    assert_eq!(
        client.send(Method::POST, &list, Some(&orders_db())).await.status,
        StatusCode::PAYMENT_REQUIRED
    );
}

#[tokio::test]
async fn a_secret_cannot_be_deleted_but_an_environment_can() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let secret = group.add_shared_secret(&orders_db());
    let client = Client::of(&anypoint).await;
    let refused = client.send(Method::DELETE, &client.secret_url(&group, secret.id()), None).await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!((anypoint.wiped(), secret.history().len()), (0, 1));
    let environment = client.secrets.strip_suffix("/secretGroups").unwrap();
    assert_eq!(client.send(Method::DELETE, environment, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!((anypoint.wiped(), secret.history().len()), (1, 0));
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let client = Client::of(&anypoint).await;
    let url = client.secret_url(&group, "no-such-id");
    assert_eq!(client.get(&url).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.put(&url, &orders_db()).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get(&format!("{}/no-such-group", client.secrets)).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_body_must_be_json() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let secret = group.add_shared_secret(&orders_db());
    let client = Client::of(&anypoint).await;
    let put = || client.http.put(client.secret_url(&group, secret.id())).bearer_auth(&client.token);
    let plain = answer(put().header("content-type", "text/plain").body("{}")).await;
    assert_eq!(plain.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let broken = answer(put().header("content-type", "application/json").body("{")).await;
    assert_eq!((broken.status, code(&broken)), (StatusCode::BAD_REQUEST, "RB-1001"));
}

#[tokio::test]
async fn a_busy_group_refuses_changes_and_says_why_in_its_state() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let secret = group.add_shared_secret(&orders_db());
    let client = Client::of(&anypoint).await;
    let url = client.secret_url(&group, secret.id());
    group.set_state(GroupState::Finishing);
    assert_eq!(client.put(&url, &orders_db()).await.status, StatusCode::CONFLICT);
    let view = format!("{}/{}", client.secrets, group.id());
    assert_eq!(client.get(&view).await.body["meta"]["currentState"], "Finishing");
    anypoint.rules(|rules| rules.group_state_at_top_level = true);
    let seen = client.get(&view).await.body;
    assert_eq!(seen["currentState"], "Finishing");
    assert_eq!(seen["meta"].get("currentState"), None);
    group.set_state(GroupState::Clear);
    assert_eq!(client.put(&url, &orders_db()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn successes_may_have_other_codes() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let secret = group.add_shared_secret(&orders_db());
    let client = Client::of(&anypoint).await;
    anypoint.rules(|rules| {
        rules.post_answers_200 = true;
        rules.put_answers_204 = true;
    });
    let put = client.put(&client.secret_url(&group, secret.id()), &orders_db()).await;
    assert_eq!((put.status, put.body), (StatusCode::NO_CONTENT, json!("")));
    let list = format!("{}/{}/sharedSecrets", client.secrets, group.id());
    let other = with(orders_db(), "name", "other");
    assert_eq!(client.send(Method::POST, &list, Some(&other)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn error_bodies_may_be_of_the_older_shape() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let secret = group.add_shared_secret(&orders_db());
    let client = Client::of(&anypoint).await;
    anypoint.rules(|rules| rules.old_error_bodies = true);
    let url = client.secret_url(&group, secret.id());
    let refused = client.put(&url, &without(orders_db(), "password")).await;
    assert_eq!(refused.body["errors"][0]["dataPath"], ".password");
    assert_eq!(refused.body.get("message"), None);
    let missing = client.get(&client.secret_url(&group, "no-such-id")).await;
    assert_eq!(missing.body["name"], "NotFoundError");
}

#[tokio::test]
async fn an_error_may_repeat_the_value_that_it_refuses() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let secret = group.add_shared_secret(&orders_db());
    let client = Client::of(&anypoint).await;
    let url = client.secret_url(&group, secret.id());
    let canary = "canary-".repeat(10);
    let body = with(orders_db(), "password", canary.as_str());
    let refused = client.put(&url, &body).await;
    assert!(!refused.body.to_string().contains(&canary));
    anypoint.rules(|rules| rules.errors_echo_values = true);
    let refused = client.put(&url, &body).await;
    assert!(refused.body.to_string().contains(&canary));
}

#[tokio::test]
async fn the_call_of_the_seed_document_exists_only_if_switched_on() {
    let anypoint = Anypoint::start().await;
    anypoint.add_secret_value("db-password");
    let client = Client::of(&anypoint).await;
    let url = format!(
        "{}/secrets/api/v1/organizations/{}/environments/{}/secrets/db-password",
        client.base,
        anypoint.organization(),
        anypoint.environment()
    );
    let body = json!({ "value": "next" });
    assert_eq!(client.patch(&url, &body).await.status, StatusCode::NOT_FOUND);
    anypoint.rules(|rules| rules.secret_value_endpoint = true);
    assert_eq!(client.patch(&url, &body).await.status, StatusCode::OK);
    assert_eq!(client.patch(&url, &json!({})).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(client.patch(&format!("{url}-2"), &body).await.status, StatusCode::NOT_FOUND);
    let values: Vec<_> = anypoint.secret_values("db-password").into_iter().map(|write| write.value).collect();
    assert_eq!(values, ["next"]);
}
