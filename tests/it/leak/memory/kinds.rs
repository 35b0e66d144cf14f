//! Every kind of target, at one relay, each with a value of its own.
//!
//! For the release binary: without optimisation the decoder of base64 that the SDK uses for binary secrets
//! keeps its registers in stack frames, which nobody wipes.

use std::collections::BTreeSet;

use anypoint_relay::config::{self, HttpBody, Platform, SharedSecretContent, StoreContent, TargetKind};
use anypoint_sandbox::anypoint::{Endpoint, NONE, Receiver, SecretGroup, Stores};
use anypoint_sandbox::aws::Value;
use anypoint_sandbox::faults::Rule;
use anypoint_sandbox::pki::{Hierarchy, Identity};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::json;

use super::open;
use crate::leak::scan::Scan;
use crate::leak::stores::{ENCRYPTED, KEY, PASSPHRASE, jks};
use crate::support::{Bench, Proxy, Relay, now};

macro_rules! kinds {
    ($($kind:ident $name:literal)+) => {
        /// What a value is written to, apart where it is held or sent in another form.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        enum Kind {
            $($kind),+
        }

        impl Kind {
            const ALL: &[Self] = &[$(Self::$kind),+];

            /// Of its target and of its secret.
            fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name),+
                }
            }
        }
    };
}

kinds! {
    CloudHub2 "application-on-cloudhub2"
    Rtf "application-on-rtf"
    CloudHub "application-on-cloudhub"
    Hybrid "application-on-hybrid"
    UsernamePassword "username-password"
    SymmetricKey "symmetric-key"
    S3Credential "s3-credential"
    Blob "blob"
    PemKeystore "keystore-pem"
    JksKeystore "keystore-jks"
    PemTruststore "truststore-pem"
    JksTruststore "truststore-jks"
    Certificate "certificate"
    SecretValue "secret-value"
    HttpHeader "http-header"
    HttpNotice "http-values"
    HttpTemplate "http-body"
}

impl Kind {
    /// The kind of a configured target. What the relay learns to write does not compile until it has a place
    /// here, and fails until it has a target below.
    fn of(target: &TargetKind) -> Self {
        match target {
            TargetKind::Application(app) => match &app.platform {
                Platform::CloudHub2 => Self::CloudHub2,
                Platform::Rtf => Self::Rtf,
                Platform::CloudHub(_) => Self::CloudHub,
                Platform::Hybrid(_) => Self::Hybrid,
            },
            TargetKind::SharedSecret(shared) => match &shared.content {
                SharedSecretContent::UsernamePassword { .. } => Self::UsernamePassword,
                SharedSecretContent::SymmetricKey { .. } => Self::SymmetricKey,
                SharedSecretContent::S3Credential { .. } => Self::S3Credential,
                SharedSecretContent::Blob { .. } => Self::Blob,
            },
            TargetKind::Store(store) => match &store.content {
                StoreContent::PemKeystore { .. } => Self::PemKeystore,
                StoreContent::FileKeystore { .. } => Self::JksKeystore,
                StoreContent::PemTruststore { .. } => Self::PemTruststore,
                StoreContent::FileTruststore { .. } => Self::JksTruststore,
                StoreContent::Certificate { .. } => Self::Certificate,
            },
            TargetKind::SecretValue(_) => Self::SecretValue,
            TargetKind::Http(http) => match &http.body {
                HttpBody::None => Self::HttpHeader,
                HttpBody::Notice(_) => Self::HttpNotice,
                HttpBody::Template(_) => Self::HttpTemplate,
            },
        }
    }

    fn settled(self) -> &'static str {
        match self {
            Self::CloudHub | Self::Hybrid | Self::SecretValue | Self::HttpHeader | Self::HttpNotice => {
                "accepted"
            }
            _ => "in_sync",
        }
    }

    /// What its secret comes to hold: a canary like that of the other channels, and no other kind's.
    fn canary(self) -> String {
        let number = self as usize;
        format!("cnry{number:02}2xv9kd \"\\/+&%<é>' zz{number:02}4jtm5rpl")
    }

    /// Its secret with this text in every value, or with this pair where a text would not do.
    fn value(self, text: &str, pair: &Identity) -> Value {
        match self {
            Self::SymmetricKey => text.as_bytes().to_vec().into(),
            // Nearly the most that AWS holds.
            Self::Blob => text.repeat(1_600).into(),
            Self::PemKeystore => {
                json!({ "certificate": pair.certificate, "key": pair.key, "passphrase": PASSPHRASE }).into()
            }
            Self::PemTruststore | Self::Certificate => pair.certificate.as_str().into(),
            Self::JksKeystore | Self::JksTruststore => {
                json!({ "file": STANDARD.encode(jks(text)), "passphrase": text }).into()
            }
            _ => json!({ "user": text, "password": text, "ascii": text.replace('é', ""), "object": [text] })
                .into(),
        }
    }

    /// The call that writes, where Anypoint takes it.
    fn call(self) -> Option<Endpoint> {
        match self {
            Self::CloudHub2 | Self::Rtf => Some(Endpoint::DeploymentPatch),
            Self::CloudHub => Some(Endpoint::CloudHubPut),
            Self::Hybrid => Some(Endpoint::HybridPatch),
            Self::UsernamePassword | Self::SymmetricKey | Self::S3Credential | Self::Blob => {
                Some(Endpoint::SecretPut)
            }
            Self::PemKeystore
            | Self::JksKeystore
            | Self::PemTruststore
            | Self::JksTruststore
            | Self::Certificate => Some(Endpoint::StorePut),
            Self::SecretValue => Some(Endpoint::ValuePatch),
            Self::HttpHeader | Self::HttpNotice | Self::HttpTemplate => None,
        }
    }

    /// Every form of what is looked for after its secret came to hold the canary and this pair.
    fn scan(self, pair: &Identity) -> Scan {
        match self {
            Self::PemKeystore => {
                // PKCS #8 of P-256 begins alike everywhere; the number itself has these 32 bytes (RFC 5915).
                let plain = &der(KEY)[36..68];
                let files = [("the key", stretch(KEY)), ("the encrypted key", stretch(ENCRYPTED))];
                Scan::of(files.into_iter().chain([("the pass phrase", PASSPHRASE)]))
                    .and_bytes("the key", plain)
            }
            Self::PemTruststore | Self::Certificate => {
                let (file, bytes) = (&pair.certificate, der(&pair.certificate));
                let signature = &bytes[bytes.len() - 32..];
                Scan::of([("the certificate", stretch(file))]).and_bytes("the certificate", signature)
            }
            _ => Scan::of([("the value", self.canary().as_str())]),
        }
    }

    /// Makes what it writes to, as it is before the relay has written anything.
    fn prepare(self, bench: &Bench, group: &SecretGroup, old: &Identity) {
        let (anypoint, name) = (&bench.anypoint, self.name());
        let properties = [("db.password", "none yet"), ("db.url", "none yet")];
        let shared = |kind: &str, mut body: serde_json::Value| {
            (body["name"], body["type"]) = (name.into(), kind.into());
            group.add_shared_secret(&body);
        };
        let pem = [("name", name), ("type", "PEM")];
        let file = [("name", name), ("type", "JKS"), ("storePassphrase", "old")];
        match self {
            Self::CloudHub2 | Self::Rtf => drop(anypoint.deploy(name, NONE, properties)),
            Self::CloudHub => drop(anypoint.deploy_cloudhub(name, NONE, properties)),
            Self::Hybrid => drop(anypoint.deploy_hybrid(name, "server", properties)),
            Self::UsernamePassword => shared("UsernamePassword", json!({ "username": "a", "password": "b" })),
            Self::SymmetricKey => shared("SymmetricKey", json!({ "key": "YQ==" })),
            Self::S3Credential => {
                shared("S3Credential", json!({ "accessKeyId": "a", "secretAccessKey": "b" }));
            }
            Self::Blob => shared("Blob", json!({ "content": "YQ==" })),
            Self::PemKeystore => {
                let parts = [("certificate", old.certificate.as_str()), ("key", &old.key)];
                group.add_store(Stores::Keystores, pem.into_iter().chain(parts));
            }
            Self::JksKeystore => {
                let parts = [("keyStore", "old"), ("keyPassphrase", "old"), ("alias", "old")];
                group.add_store(Stores::Keystores, file.into_iter().chain(parts));
            }
            Self::PemTruststore => {
                let part = ("trustStore", old.certificate.as_str());
                group.add_store(Stores::Truststores, pem.into_iter().chain([part]));
            }
            Self::JksTruststore => {
                group.add_store(Stores::Truststores, file.into_iter().chain([("trustStore", "old")]));
            }
            Self::Certificate => {
                let part = ("certStore", old.certificate.as_str());
                group.add_store(Stores::Certificates, pem.into_iter().chain([part]));
            }
            Self::SecretValue => anypoint.add_secret_value(name),
            Self::HttpHeader | Self::HttpNotice | Self::HttpTemplate => {}
        }
    }

    /// Its target, as YAML; a receiver is at `url`.
    fn target(self, url: &str) -> String {
        let name = self.name();
        let source = |rest: &str| format!("{{ secret: {name}{rest} }}");
        let (whole, password) = (source(""), source(", field: password"));
        let passphrase = source(", field: passphrase");
        let application = |platform: &str, map: &str| {
            let url = source(", template: \"jdbc:{user}:{password}\"");
            format!(
                "kind: application, connection: prod, deployment: {name}, platform: {platform}, \
                 {map}: {{ db.password: {password}, db.url: {url} }}"
            )
        };
        let grouped = |kind: &str, rest: String| {
            format!("kind: {kind}, connection: prod, group: canaries, name: {name}, {rest}")
        };
        let http = |rest: String| {
            format!(
                "kind: http, url: \"{url}/{name}\", allow: [127.0.0.1], key: {{ env: TRIGGER_KEY }}, {rest}"
            )
        };
        let settings = match self {
            Self::CloudHub2 => application("cloudhub2", "secure_properties"),
            Self::Rtf => application("rtf", "secure_properties"),
            Self::CloudHub => application("cloudhub", "settle: 100ms, secure_properties"),
            Self::Hybrid => application("hybrid", "settle: 100ms, properties"),
            Self::UsernamePassword => {
                let user = source(", field: user");
                grouped(
                    "shared_secret",
                    format!("type: UsernamePassword, username: {user}, password: {password}"),
                )
            }
            Self::SymmetricKey => {
                grouped("shared_secret", format!("type: SymmetricKey, key: {}", source(", binary: true")))
            }
            Self::S3Credential => {
                let values = format!("access_key_id: {password}, secret_access_key: {password}");
                grouped("shared_secret", format!("type: S3Credential, {values}"))
            }
            Self::Blob => grouped("shared_secret", format!("type: Blob, content: {whole}")),
            Self::PemKeystore => {
                let (certificate, key) = (source(", field: certificate"), source(", field: key"));
                let values = format!("certificate: {certificate}, key: {key}, key_passphrase: {passphrase}");
                grouped("keystore", format!("type: PEM, {values}"))
            }
            Self::JksKeystore => {
                let file = source(", field: file");
                let entry = format!("key_passphrase: {passphrase}, alias: {passphrase}");
                grouped(
                    "keystore",
                    format!("type: JKS, keystore: {file}, store_passphrase: {passphrase}, {entry}"),
                )
            }
            Self::PemTruststore => grouped("truststore", format!("type: PEM, truststore: {whole}")),
            Self::JksTruststore => {
                let file = source(", field: file");
                grouped(
                    "truststore",
                    format!("type: JKS, truststore: {file}, store_passphrase: {passphrase}"),
                )
            }
            Self::Certificate => grouped("certificate", format!("certificate: {whole}")),
            Self::SecretValue => {
                format!("kind: secret_value, connection: prod, secret_id: {name}, value: {password}")
            }
            Self::HttpHeader => {
                let bearer = source(", template: \"Bearer {ascii}\"");
                http(format!("method: GET, headers: {{ authorization: {bearer} }}"))
            }
            Self::HttpNotice => http(format!("values: {{ password: {password} }}")),
            Self::HttpTemplate => {
                let object = source(", field: object, as: json");
                let body = format!("body: {{ text: {password}, json: {object} }}");
                http(format!("method: PUT, {body}, expect: {{ json: {{ /status: ready }} }}"))
            }
        };
        format!("  {name}: {{ coalesce: 10ms, {settings} }}\n")
    }
}

fn der(pem: &str) -> Vec<u8> {
    STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
}

/// A piece of the last but one line of a file, which no other file has.
fn stretch(pem: &str) -> &str {
    let pieces = pem.lines().rev().nth(2).unwrap().split(|c: char| !c.is_ascii_alphanumeric());
    pieces.max_by_key(|piece| piece.len()).unwrap()
}

fn targets(url: &str) -> String {
    Kind::ALL.iter().map(|kind| kind.target(url)).collect()
}

#[tokio::test]
async fn every_kind_of_target_is_among_those_whose_memory_is_read() {
    let bench = Bench::new().await;
    let file = bench.file(&targets("https://127.0.0.1:1"));
    let config =
        config::parse(&file, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}\n{file}"));
    let shown: BTreeSet<Kind> = config.targets.values().map(|target| Kind::of(&target.kind)).collect();
    assert_eq!(shown, Kind::ALL.iter().copied().collect());
}

/// One relay with a target of each kind.
struct Scene {
    bench: Bench,
    receiver: Receiver,
    relay: Relay,
    pki: Hierarchy,
    /// The way to AWS.
    _proxy: Proxy,
}

impl Scene {
    /// Every target has settled with a value of before.
    async fn new() -> Self {
        let bench = open::sandbox().await;
        bench.anypoint.rules(|rules| rules.secret_value_endpoint = true);
        let receiver = Receiver::start_tls(bench.aws.authority().server_config(&["127.0.0.1"])).await;
        receiver.answer(200, &json!({ "status": "ready" }).to_string());
        let (group, pki) = (bench.anypoint.add_group("canaries"), Hierarchy::new());
        for kind in Kind::ALL {
            kind.prepare(&bench, &group, &pki.issue("old"));
            bench.aws.create_secret(kind.name(), kind.value("the value of before", &pki.issue("before")));
        }
        // `modifiedAt` shows seconds: each write to a secret group has to differ from the one before.
        bench.anypoint.shift_modified_at(SignedDuration::from_secs(5));
        let (relay, proxy) = open::start(&bench, &targets(&receiver.url())).await;
        for kind in Kind::ALL {
            relay.shows(kind.name(), kind.settled()).await;
        }
        Self { bench, receiver, relay, pki, _proxy: proxy }
    }

    /// Its secret comes to hold the canary, a person asks for it, and nothing of it stays, whatever came of it.
    async fn passes_through(&self, kind: Kind, told: u16) {
        let (bench, later) = (&self.bench, 10 * (kind as i64 + 1));
        bench.anypoint.shift_modified_at(SignedDuration::from_secs(later));
        let mut pair = self.pki.issue("canary");
        if kind == Kind::PemKeystore {
            let day = SignedDuration::from_hours(24);
            let certificate = self.pki.certify("canary", KEY, now() - day, now() + day * 80);
            pair = Identity { certificate, key: ENCRYPTED.to_owned() };
        }
        let scan = kind.scan(&pair);
        bench.aws.secret(kind.name()).unwrap().rotate(kind.value(&kind.canary(), &pair));
        let answer = self.relay.trigger(&json!({ "target": kind.name() }).to_string(), "?wait=20s").await;
        assert_eq!(answer.status, told, "{}: {}", kind.name(), answer.text);
        open::forgets(&self.relay, kind.name(), &scan).await;

        let sent = bench.anypoint.log().all().into_iter().chain(self.receiver.received());
        let mut sent =
            sent.filter(|request| request.status.is_some_and(|status| status.is_success() == (told == 200)));
        let travelled = sent.any(|request| {
            let mut parts = request.headers.values().map(http::HeaderValue::as_bytes).chain([&*request.body]);
            parts.any(|part| !scan.find(part).is_empty())
        });
        assert!(travelled, "{}: the value went nowhere, so nothing is shown", kind.name());
    }
}

#[tokio::test]
#[ignore = "times a second: run it alone, with the release binary (RELAY_BINARY)"]
async fn a_second_after_a_sync_of_any_kind_of_target_no_value_is_in_memory() {
    let scene = Scene::new().await;
    for kind in Kind::ALL {
        let echo = json!({ "status": "ready", "echo": kind.canary() });
        scene.receiver.answer(200, &echo.to_string());
        scene.passes_through(*kind, 200).await;
        scene.relay.shows(kind.name(), kind.settled()).await;
    }
}

#[tokio::test]
#[ignore = "times a second: run it alone, with the release binary (RELAY_BINARY)"]
async fn a_second_after_a_refused_write_of_any_kind_of_target_no_value_is_in_memory() {
    let scene = Scene::new().await;
    for kind in Kind::ALL {
        let echo = json!({ "message": format!("{} is no value", kind.canary()) }).to_string();
        if let Some(call) = kind.call() {
            let refusal = Rule::status(400).header("content-type", "application/json").body(echo);
            scene.bench.anypoint.faults().add(refusal.tag(call.tag()));
        } else {
            // The receiver wants no more.
            scene.receiver.answer(410, &echo);
        }
        scene.passes_through(*kind, 502).await;
        scene.relay.shows(kind.name(), "parked").await;
        scene.bench.anypoint.faults().clear();
    }
}
