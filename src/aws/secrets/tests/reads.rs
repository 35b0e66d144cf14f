//! What is asked for, and what is made of a good answer.

use super::*;

#[tokio::test]
async fn the_current_version_is_described_without_its_value() {
    let stages = json!({ VERSION: ["AWSCURRENT"], FORMER: ["AWSPREVIOUS"] });
    let body = json!({ "Name": ID, "LastChangedDate": 1_790_000_000.25, "VersionIdsToStages": stages });
    let (server, manager) = serving(body).await;
    let state = manager.current(&secret()).await.unwrap();
    assert_eq!(state.current, VersionSeen { version: VersionId::parse(VERSION).unwrap(), created: None });
    assert_eq!(state.last_changed, Some(Timestamp::new(1_790_000_000, 250_000_000).unwrap()));
    let asked = &server.seen()[0];
    assert_eq!(asked.header("x-amz-target"), "secretsmanager.DescribeSecret");
    assert_eq!(value(asked), json!({ "SecretId": ID }));
    assert!(asked.header("authorization").contains("/eu-west-1/secretsmanager/"));
}

#[tokio::test]
async fn the_value_is_always_asked_for_by_the_stage_awscurrent() {
    let body = json!({
        "Name": ID, "VersionId": VERSION, "VersionStages": ["AWSCURRENT", "AWSPENDING"],
        "SecretString": "{\"password\":\"s3cret\"}", "CreatedDate": 1_790_000_000,
    });
    let (server, manager) = serving(body).await;
    let fetched = manager.fetch(&secret()).await.unwrap();
    assert_eq!(fetched.seen.version.as_str(), VERSION);
    assert_eq!(fetched.seen.created, Some(Timestamp::new(1_790_000_000, 0).unwrap()));
    let SecretContent::Text(text) = &fetched.content else { panic!("not text") };
    assert_eq!(text.expose_str(), Some("{\"password\":\"s3cret\"}"));
    let asked = &server.seen()[0];
    assert_eq!(asked.header("x-amz-target"), "secretsmanager.GetSecretValue");
    assert_eq!(value(asked), json!({ "SecretId": ID, "VersionStage": "AWSCURRENT" }));
}

#[tokio::test]
async fn a_binary_value_arrives_as_its_bytes() {
    let (_server, manager) = serving(json!({ "VersionId": VERSION, "SecretBinary": "AAEC/w==" })).await;
    let fetched = manager.fetch(&secret()).await.unwrap();
    let SecretContent::Binary(bytes) = &fetched.content else { panic!("not binary") };
    assert_eq!(bytes.expose_bytes(), [0, 1, 2, 255]);
}

#[tokio::test]
async fn a_region_beside_the_source_is_where_the_secret_is_asked_for() {
    let body = json!({ "VersionId": VERSION, "SecretString": "x" });
    let (server, manager) = serving(body).await;
    manager.fetch(&SecretRef::new(ID, Some("us-east-1"), None).unwrap()).await.unwrap();
    assert!(server.seen()[0].header("authorization").contains("/us-east-1/secretsmanager/"));
}

#[tokio::test]
async fn a_credential_of_the_relay_is_read_through_its_selector() {
    let body = json!({ "VersionId": VERSION, "SecretString": "{\"id\":\"a\",\"secret\":\"b\"}" });
    let (_server, manager) = serving(body).await;
    let place = CredentialRef::AwsSecret(secret(), Selector::Field("secret".to_owned()));
    assert_eq!(manager.read(&place).await.ok().unwrap().expose_str(), Some("b"));
    let place = CredentialRef::AwsSecret(secret(), Selector::Field("token".to_owned()));
    let error = manager.read(&place).await.err().unwrap().to_string();
    assert!(error.starts_with("AWS secret prod/orders/db: ") && error.contains("\"token\""), "{error}");
    assert!(manager.read(&CredentialRef::Env("HOME".to_owned())).await.is_err());
}
