//! Signed SNS messages: each verifies at its own time, and no single changed byte passes.
//!
//! The messages under `tests/fixtures/sns` were signed with OpenSSL and a key of our own. Messages that
//! AWS signed are read from the folder that `SNS_VECTORS` names, where it is set: one folder per
//! message with `message.json` and `certificate.pem`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a step that fails is a test that fails")]

use std::fs;
use std::path::{Path, PathBuf};

use anypoint_relay::model::TopicArn;
use anypoint_relay::verify::sns::{
    Certificate, Envelope, EnvelopeHeaders, Rules, SnsRefusal, Verified, Window,
};
use anypoint_sandbox::pki::Authority;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

struct Case {
    name: String,
    body: Vec<u8>,
    certificate: Certificate,
    topics: [TopicArn; 1],
    now: Timestamp,
}

impl Case {
    fn read(message: &Path, certificate: &Path) -> Self {
        let body = fs::read(message).unwrap();
        let fields: Map<String, Value> = serde_json::from_slice(&body).unwrap();
        Self {
            name: message.display().to_string(),
            certificate: Certificate::parse(&fs::read(certificate).unwrap()).unwrap(),
            topics: [TopicArn::parse(fields["TopicArn"].as_str().unwrap()).unwrap()],
            now: fields["Timestamp"].as_str().unwrap().parse().unwrap(),
            body,
        }
    }

    fn fields(&self) -> Map<String, Value> {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn check(&self, body: &[u8]) -> Result<Verified, SnsRefusal> {
        self.check_at(body, self.now)
    }

    fn check_at(&self, body: &[u8], now: Timestamp) -> Result<Verified, SnsRefusal> {
        let rules = Rules {
            topics: &self.topics,
            window: Window::default(),
            require_version_2: false,
            certificate_path: None,
        };
        Envelope::parse(body, &EnvelopeHeaders::default())?.admit(&rules, now)?.verify(&self.certificate, now)
    }

    /// The check of this message with one field replaced.
    fn with(&self, field: &str, value: &str) -> Result<Verified, SnsRefusal> {
        let mut fields = self.fields();
        fields.insert(field.to_owned(), Value::from(value));
        self.check(&serde_json::to_vec(&fields).unwrap())
    }

    fn signed_fields(&self) -> Vec<(&'static str, String)> {
        let names =
            ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];
        let fields = self.fields();
        let text = |name: &'static str| Some((name, fields.get(name)?.as_str().unwrap().to_owned()));
        names.into_iter().filter_map(text).collect()
    }
}

fn own_cases() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sns");
    let certificate = folder.join("certificate-rsa-2048.pem");
    let names = [
        "notification-v1.json",
        "notification-v2.json",
        "subscription-confirmation-v1.json",
        "unsubscribe-confirmation-v2.json",
    ];
    names.iter().map(|name| Case::read(&folder.join(name), &certificate)).collect()
}

fn aws_cases() -> Vec<Case> {
    let Some(folder) = std::env::var_os("SNS_VECTORS") else {
        println!("SNS_VECTORS is not set: only messages of our own are looked at");
        return Vec::new();
    };
    let folders = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let cases: Vec<Case> = folders
        .filter(|path| path.join("message.json").is_file() && path.join("certificate.pem").is_file())
        .map(|path| Case::read(&path.join("message.json"), &path.join("certificate.pem")))
        .collect();
    assert!(!cases.is_empty(), "SNS_VECTORS names a folder without messages");
    cases
}

fn cases() -> Vec<Case> {
    let mut cases = own_cases();
    cases.extend(aws_cases());
    cases
}

#[test]
fn every_signed_message_verifies_at_its_own_time() {
    for case in cases() {
        let verified = case.check(&case.body).unwrap_or_else(|refusal| panic!("{}: {refusal}", case.name));
        assert_eq!(verified.topic(), &case.topics[0], "{}", case.name);
        assert_eq!(verified.message_id().to_string(), case.fields()["MessageId"], "{}", case.name);
    }
}

#[test]
fn both_digests_and_all_three_types_are_among_the_messages() {
    let seen: Vec<(String, String)> = own_cases()
        .iter()
        .map(|case| (case.fields()["Type"].to_string(), case.fields()["SignatureVersion"].to_string()))
        .collect();
    for (index, wanted) in [(0, "1"), (1, "2")] {
        assert_eq!(seen[index].1, format!("{wanted:?}"));
    }
    for kind in ["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"] {
        assert!(seen.iter().any(|(found, _)| *found == format!("{kind:?}")), "{kind}");
    }
}

#[test]
fn outside_the_window_a_signed_message_is_refused() {
    for case in cases() {
        let late = case.now + SignedDuration::from_mins(76);
        let early = case.now - SignedDuration::from_mins(6);
        assert_eq!(case.check_at(&case.body, late).unwrap_err(), SnsRefusal::TooOld, "{}", case.name);
        assert_eq!(case.check_at(&case.body, early).unwrap_err(), SnsRefusal::TooNew, "{}", case.name);
    }
}

#[test]
fn no_changed_byte_of_a_signed_field_passes() {
    for case in cases() {
        for (field, value) in case.signed_fields() {
            let mut looked_at = 0;
            for index in 0..value.len() {
                for flip in [0x01, 0x20] {
                    let mut bytes = value.clone().into_bytes();
                    bytes[index] ^= flip;
                    // What is no longer UTF-8 cannot be sent as JSON text.
                    let Ok(changed) = String::from_utf8(bytes) else { continue };
                    looked_at += 1;
                    assert!(case.with(field, &changed).is_err(), "{}: {field} byte {index}", case.name);
                }
            }
            assert!(looked_at >= value.len(), "{}: {field}", case.name);
            for changed in [format!("{value} "), format!("{value}\n"), format!("\n{value}"), String::new()] {
                assert!(case.with(field, &changed).is_err(), "{}: {field} {changed:?}", case.name);
            }
        }
    }
}

#[test]
fn no_missing_or_added_signed_field_passes() {
    for case in cases() {
        for (field, _) in case.signed_fields() {
            let mut fields = case.fields();
            fields.remove(field);
            assert!(case.check(&serde_json::to_vec(&fields).unwrap()).is_err(), "{}: {field}", case.name);
        }
        for field in ["Subject", "SubscribeURL", "Token"] {
            if !case.fields().contains_key(field) {
                assert!(case.with(field, "00").is_err(), "{}: {field}", case.name);
            }
        }
    }
}

#[test]
fn no_changed_byte_of_the_signature_passes() {
    for case in cases() {
        let signature = STANDARD.decode(case.fields()["Signature"].as_str().unwrap()).unwrap();
        for index in 0..signature.len() {
            let mut changed = signature.clone();
            changed[index] ^= 1;
            let result = case.with("Signature", &STANDARD.encode(changed));
            assert_eq!(result.unwrap_err(), SnsRefusal::Signature, "{}: byte {index}", case.name);
        }
        for changed in [&signature[1..], &signature[..255], &[&[0], &signature[..]].concat()] {
            let result = case.with("Signature", &STANDARD.encode(changed));
            assert_eq!(result.unwrap_err(), SnsRefusal::Signature, "{}", case.name);
        }
    }
}

#[test]
fn no_other_spelling_of_the_same_signature_passes() {
    for case in cases() {
        let fields = case.fields();
        let text = fields["Signature"].as_str().unwrap();
        let bare = text.trim_end_matches('=');
        assert_eq!(bare.len() + 2, text.len(), "a signature of 256 bytes ends with two padding characters");
        let last = bare.chars().last().unwrap();
        // The last character stands for two bits of the signature and four that must be zero.
        let with_spare_bits = char::from(last as u8 + 1);
        let spellings = [
            bare.to_owned(),
            format!("{bare}="),
            format!("{text}="),
            format!("{text}\n"),
            format!(" {text}"),
            format!("{}\n{}", &text[..76], &text[76..]),
            format!("{}{with_spare_bits}==", &bare[..bare.len() - 1]),
            text.replace(['+', '/'], "-"),
            String::new(),
        ];
        for spelling in spellings.iter().filter(|spelling| *spelling != text) {
            let refusal = case.with("Signature", spelling).unwrap_err();
            assert!(
                matches!(refusal, SnsRefusal::Form { field: "Signature", .. }),
                "{}: {spelling}",
                case.name
            );
        }
    }
}

#[test]
fn one_changed_byte_anywhere_in_the_body_is_refused_or_changes_nothing_that_was_signed() {
    for case in cases() {
        let genuine = case.check(&case.body).unwrap();
        for index in 0..case.body.len() {
            let mut body = case.body.clone();
            body[index] ^= 1;
            if let Ok(verified) = case.check(&body) {
                assert_eq!(verified.content(), genuine.content(), "{}: byte {index}", case.name);
                assert_eq!(verified.message_id(), genuine.message_id(), "{}: byte {index}", case.name);
                assert_eq!(verified.sent(), genuine.sent(), "{}: byte {index}", case.name);
            }
        }
    }
}

#[test]
fn the_certificate_of_another_message_does_not_verify() {
    let authority = Authority::new();
    for case in cases() {
        // Right but for its key.
        let day = SignedDuration::from_hours(24);
        let other = authority.signing_certificate().valid(case.now - day, case.now + day).issue();
        let other = Case { certificate: Certificate::parse(other.pem.as_bytes()).unwrap(), ..case };
        assert_eq!(other.check(&other.body).unwrap_err(), SnsRefusal::Signature, "{}", other.name);
    }
    let small = include_bytes!("fixtures/sns/certificate-rsa-1024.pem");
    assert_eq!(Certificate::parse(small).unwrap_err(), SnsRefusal::CertificateKey);
}
