//! The fake's messages beside those that AWS signed, which lie outside the repository: they are read
//! from the folder that `SNS_VECTORS` names, and skipped where it is not set.

use std::fs;

use anypoint_sandbox::aws::{Kind, SnsMessage};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value as Json;
use x509_parser::pem::parse_x509_pem;

fn read(message: &Json) -> SnsMessage {
    let text = |name: &str| message.get(name).and_then(Json::as_str).map(str::to_owned);
    let kinds = [Kind::Notification, Kind::SubscriptionConfirmation, Kind::UnsubscribeConfirmation];
    SnsMessage {
        kind: kinds.into_iter().find(|kind| message["Type"] == kind.name()).unwrap(),
        message_id: text("MessageId").unwrap(),
        token: text("Token"),
        topic_arn: text("TopicArn").unwrap(),
        subject: text("Subject"),
        message: text("Message").unwrap(),
        subscribe_url: text("SubscribeURL"),
        timestamp: text("Timestamp").unwrap(),
        signature_version: text("SignatureVersion").unwrap(),
        signature: text("Signature").unwrap(),
        signing_cert_url: text("SigningCertURL").unwrap(),
        unsubscribe_url: text("UnsubscribeURL"),
        attributes: Vec::new(),
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the folder is named by the environment")]
fn our_canonical_string_and_body_are_those_of_aws() {
    let Ok(folder) = std::env::var("SNS_VECTORS") else {
        println!("skipped: SNS_VECTORS is not set");
        return;
    };
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = fs::read_to_string(path.join("message.json")) else { continue };
        let message = read(&serde_json::from_str(&text).unwrap());
        let pem = fs::read(path.join("certificate.pem")).unwrap();
        let (_, pem) = parse_x509_pem(&pem).unwrap();
        let certificate = pem.parse_x509().unwrap();
        let algorithm = match message.signature_version.as_str() {
            "1" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            _ => &RSA_PKCS1_2048_8192_SHA256,
        };
        let key = certificate.public_key().subject_public_key.data.as_ref();
        let signature = BASE64.decode(&message.signature).unwrap();
        UnparsedPublicKey::new(algorithm, key)
            .verify(message.canonical().as_bytes(), &signature)
            .unwrap_or_else(|_| panic!("our canonical string of {} is not AWS's", path.display()));
        if text.starts_with("{\n  \"Type\" : ") {
            assert_eq!(message.body(), text.trim_end(), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 0, "no message in the form in which SNS sends it");
}
