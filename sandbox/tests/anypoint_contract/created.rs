//! What a POST to a secret group makes (1.2 to 1.4, 1.6, 1.7, 1.10).

use super::*;
use anypoint_sandbox::anypoint::{Endpoint, GroupState, Lands, LostWrite, Seen, Stores};
use anypoint_sandbox::pki::Hierarchy;
use jiff::ToSpan as _;

fn orders_db(password: &str) -> Value {
    json!({ "name": "orders-db", "type": "UsernamePassword", "username": "app", "password": password })
}

fn list(client: &Client, group: &SecretGroup) -> String {
    format!("{}/{}/sharedSecrets", client.secrets, group.id())
}

async fn post(client: &Client, group: &SecretGroup, body: &Value) -> Answer {
    client.send(Method::POST, &list(client, group), Some(body)).await
}

#[tokio::test]
async fn a_post_answers_with_the_id_of_what_it_made() {
    for (as_terraform_takes_it, status) in [(false, StatusCode::CREATED), (true, StatusCode::OK)] {
        let anypoint = Anypoint::start().await;
        anypoint.rules(|rules| rules.post_answers_200 = as_terraform_takes_it);
        let group = anypoint.add_group("crm");
        let client = Client::of(&anypoint).await;
        let created = post(&client, &group, &orders_db("first")).await;
        assert_eq!(created.status, status);
        assert!(created.body["message"].is_string());
        let id = created.body["id"].as_str().unwrap();

        let secret = group.shared_secret("orders-db").unwrap();
        assert_eq!((secret.id(), group.shared_secrets()), (id, 1));
        let [written] = &secret.history()[..] else { panic!("one write") };
        assert_eq!((written.fields["password"].as_str(), &written.by), ("first", &anypoint.client_id()));
        let day = written.at.to_zoned(jiff::tz::TimeZone::UTC).date();
        assert_eq!(written.expiration_date, (day + 1.year()).to_string(), "a year, as none was sent");
        let seen = client.get(&client.secret_url(&group, id)).await.body;
        assert!(seen["meta"]["modifiedAt"].is_string(), "{seen}");
    }
}

#[tokio::test]
async fn a_name_is_taken_once_in_a_group() {
    let anypoint = Anypoint::start().await;
    let [group, other] = ["crm", "billing"].map(|name| anypoint.add_group(name));
    let client = Client::of(&anypoint).await;
    assert_eq!(post(&client, &group, &orders_db("first")).await.status, StatusCode::CREATED);
    let refused = post(&client, &group, &orders_db("second")).await;
    assert_eq!((refused.status, code(&refused)), (StatusCode::BAD_REQUEST, "RB-1002"));
    assert_eq!(refused.body["errors"][0]["field"], "name");
    assert_eq!(group.shared_secret("orders-db").unwrap().history().len(), 1);
    assert_eq!(post(&client, &other, &orders_db("first")).await.status, StatusCode::CREATED);

    anypoint.rules(|rules| rules.old_error_bodies = true);
    let refused = post(&client, &group, &orders_db("second")).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.body["errors"][0].get("code"), None, "nothing names the reason for certain");
}

#[tokio::test]
async fn a_full_group_takes_nothing_more_of_any_kind() {
    let pki = Hierarchy::new();
    let anypoint = Anypoint::start().await;
    let [group, other] = ["crm", "billing"].map(|name| anypoint.add_group(name));
    for number in 0..349 {
        let body = json!({ "name": format!("blob-{number}"), "type": "Blob", "content": "x" });
        group.add_shared_secret(&body);
    }
    group.add_store(Stores::Certificates, [("name", "root"), ("type", "PEM"), ("certStore", pki.root())]);
    let client = Client::of(&anypoint).await;
    let refused = post(&client, &group, &orders_db("first")).await;
    assert_eq!((refused.status, code(&refused)), (StatusCode::PAYMENT_REQUIRED, "RB-1008"));
    assert_eq!(post(&client, &other, &orders_db("first")).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_busy_group_takes_nothing_new() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let client = Client::of(&anypoint).await;
    for state in [GroupState::Finishing, GroupState::Deleting, GroupState::Cancelling] {
        group.set_state(state);
        assert_eq!(post(&client, &group, &orders_db("first")).await.status, StatusCode::CONFLICT);
    }
    assert_eq!(group.shared_secrets(), 0);
    group.set_state(GroupState::Clear);
    assert_eq!(post(&client, &group, &orders_db("first")).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn the_scope_that_writes_a_secret_makes_one_and_no_group() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let client = Client::of(&anypoint).await;
    anypoint.grant("manage:secrets", false);
    assert_eq!(post(&client, &group, &orders_db("first")).await.status, StatusCode::FORBIDDEN);
    anypoint.grant("manage:secrets", true);
    anypoint.grant("manage:secret_groups", false);
    assert_eq!(post(&client, &group, &orders_db("first")).await.status, StatusCode::CREATED);
    let made = client.send(Method::POST, &client.secrets, Some(&json!({ "name": "more" }))).await;
    assert_eq!(made.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_post_that_lands_late_finds_its_name_taken() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let client = Client::of(&anypoint).await;
    anypoint.lose_next_write(LostWrite { lands: Lands::WhenReleased, seen: Seen::Status(504) });
    assert_eq!(post(&client, &group, &orders_db("first")).await.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!((group.shared_secrets(), anypoint.held_writes()), (0, 1));
    assert_eq!(post(&client, &group, &orders_db("second")).await.status, StatusCode::CREATED);
    assert_eq!(anypoint.release_held_writes(), [400]);
    assert_eq!(group.shared_secrets(), 1);
    assert_eq!(group.shared_secret("orders-db").unwrap().current().unwrap()["password"], "second");
}

#[tokio::test]
async fn a_post_to_no_group_or_without_json_makes_nothing() {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("crm");
    let client = Client::of(&anypoint).await;
    let nowhere = format!("{}/no-such-group/sharedSecrets", client.secrets);
    let missing = client.send(Method::POST, &nowhere, Some(&orders_db("first"))).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    let plain = client.http.post(list(&client, &group)).bearer_auth(&client.token).body("name=orders-db");
    assert_eq!(answer(plain).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(group.shared_secrets(), 0);
}

#[tokio::test]
async fn a_store_is_made_by_the_form_that_replaces_it() {
    let pki = Hierarchy::new();
    let leaf = pki.issue("orders");
    let keystore = [("certificate", &leaf.certificate[..]), ("key", &leaf.key[..])];
    for (list, parts) in [
        (Stores::Keystores, &keystore[..]),
        (Stores::Truststores, &[("trustStore", pki.root())]),
        (Stores::Certificates, &[("certStore", pki.root())]),
    ] {
        let anypoint = Anypoint::start().await;
        let group = anypoint.add_group("edge");
        let client = Client::of(&anypoint).await;
        let url = format!("{}/{}/{}", client.secrets, group.id(), list.as_str());
        let parts = [&[("name", "orders-tls"), ("type", "PEM")], parts].concat();
        let upload = || {
            let post = client.http.post(&url).bearer_auth(&client.token);
            answer(post.header("content-type", FORM).body(form(&parts)))
        };
        let created = upload().await;
        assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
        let store = group.store(list, "orders-tls").unwrap();
        assert_eq!(created.body["id"], store.id());
        let again = upload().await;
        assert_eq!((again.status, code(&again)), (StatusCode::BAD_REQUEST, "RB-1002"));
        assert_eq!(store.history().len(), 1);
        assert_eq!(anypoint.requests().of(Endpoint::StorePost), 2);
    }
}
