//! Tokens, and who is let in (2.1, 2.5, 7).

use super::*;

#[tokio::test]
async fn a_token_is_minted_from_a_json_body() {
    let anypoint = Anypoint::start().await;
    let minted = mint(&http(), &anypoint).await;
    assert_eq!(minted.status, StatusCode::OK);
    assert_eq!(minted.body["token_type"], "bearer");
    assert_eq!(minted.body["expires_in"], 3600);
    assert!(minted.body["access_token"].as_str().is_some_and(|token| token.len() == 36));
    assert_eq!(anypoint.tokens_minted(), 1);
}

#[tokio::test]
async fn a_token_is_minted_from_a_form() {
    let anypoint = Anypoint::start().await;
    anypoint.set_client_secret("a+b c&d");
    let form =
        format!("grant_type=client_credentials&client_id={}&client_secret=a%2Bb+c%26d", anypoint.client_id());
    let request = http()
        .post(format!("{}/accounts/api/v2/oauth2/token", anypoint.base_url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    assert_eq!(answer(request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn expires_in_may_be_missing() {
    let anypoint = Anypoint::start().await;
    anypoint.rules(|rules| rules.expires_in_absent = true);
    let minted = mint(&http(), &anypoint).await;
    assert_eq!(minted.status, StatusCode::OK);
    assert_eq!(minted.body.get("expires_in"), None);
}

#[tokio::test]
async fn a_wrong_client_is_refused_and_a_new_secret_replaces_the_old() {
    let anypoint = Anypoint::start().await;
    let old = credentials(&anypoint);
    anypoint.set_client_secret("rotated");
    assert_eq!(mint_with(&http(), &anypoint, &old).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(mint(&http(), &anypoint).await.status, StatusCode::OK);
    assert_eq!(anypoint.tokens_minted(), 1);
}

#[tokio::test]
async fn over_the_login_limit_the_answer_is_503_and_at_capacity() {
    let anypoint = Anypoint::start().await;
    anypoint.set_login_limit(Some(0));
    let refused = mint(&http(), &anypoint).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.body, "Back-end server is at capacity");
    assert_eq!(anypoint.over_login_limit(), 1);
}

#[tokio::test]
async fn over_the_login_limit_the_answer_may_be_429_with_a_reset() {
    let anypoint = Anypoint::start().await;
    anypoint.rules(|rules| rules.login_limit_answers_429 = true);
    anypoint.set_login_limit(Some(0));
    let refused = mint(&http(), &anypoint).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let reset: i64 = refused.headers["x-ratelimit-reset"].to_str().unwrap().parse().unwrap();
    assert_eq!(reset % 60, 0, "minutes are fixed");
}

#[tokio::test]
async fn an_expired_or_revoked_token_is_refused() {
    let anypoint = Anypoint::start().await;
    let client = Client::of(&anypoint).await;
    assert_eq!(client.get(&client.secrets).await.status, StatusCode::OK);
    anypoint.advance(Duration::from_secs(3601));
    assert_eq!(client.get(&client.secrets).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(anypoint.tokens_live(), 0);

    let client = Client::of(&anypoint).await;
    anypoint.expire_tokens();
    assert_eq!(client.get(&client.applications).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_unknown_environment_is_not_found_once_the_token_is_good() {
    let anypoint = Anypoint::start().await;
    let mut client = Client::of(&anypoint).await;
    let elsewhere = client.secrets.replace(&anypoint.environment(), "elsewhere");
    assert_eq!(client.get(&elsewhere).await.status, StatusCode::NOT_FOUND);
    "bad".clone_into(&mut client.token);
    assert_eq!(client.get(&elsewhere).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_unknown_environment_may_be_told_before_the_token_is_looked_at() {
    let anypoint = Anypoint::start().await;
    anypoint.rules(|rules| rules.not_found_before_unauthorized = true);
    let mut client = Client::of(&anypoint).await;
    "bad".clone_into(&mut client.token);
    let elsewhere = client.secrets.replace(&anypoint.environment(), "elsewhere");
    assert_eq!(client.get(&elsewhere).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get(&client.secrets).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_missing_scope_is_forbidden() {
    let anypoint = Anypoint::start().await;
    let app = anypoint.deploy("orders", [("a", "1")], []);
    let client = Client::of(&anypoint).await;
    anypoint.grant("manage:application_settings", false);
    assert_eq!(client.get(&client.app_url(&app)).await.status, StatusCode::OK);
    assert_eq!(client.write(&app, json!({ "properties": {} })).await.status, StatusCode::FORBIDDEN);
    anypoint.grant("manage:application_settings", true);
    assert_eq!(client.write(&app, json!({ "properties": {} })).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_app_sees_its_organization_and_the_environments_of_it() {
    let anypoint = Anypoint::start().await;
    let (beside, apart) = (anypoint.add_environment(false), anypoint.add_environment(true));
    let client = Client::of(&anypoint).await;
    let me = client.get(&format!("{}/accounts/api/me", anypoint.base_url())).await;
    assert_eq!(me.body["client"]["org_id"], anypoint.organization());
    let of = |organization: &str| {
        format!("{}/accounts/api/organizations/{organization}/environments", anypoint.base_url())
    };
    let listed = client.get(&of(&anypoint.organization())).await;
    let ids: Vec<&str> =
        listed.body["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [anypoint.environment().as_str(), beside.id()]);
    assert!(listed.body["data"][0]["name"].is_string());
    assert_eq!(client.get(&of(apart.organization())).await.body["data"][0]["id"], apart.id());
    assert_eq!(client.get(&of("elsewhere")).await.status, StatusCode::NOT_FOUND);
    anypoint.grant("view:environment", false);
    assert_eq!(client.get(&of(&anypoint.organization())).await.status, StatusCode::FORBIDDEN);
}
