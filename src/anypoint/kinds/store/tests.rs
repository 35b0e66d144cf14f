//! What is refused before it is sent, what is let through, and what is said about it.

use anypoint_sandbox::pki::Hierarchy;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use super::*;
use crate::config::{Expiry, StoreAlgorithm};
use crate::model::{ConnectionName, SecretRef, Selector, VersionId, VersionSeen};
use crate::sync::ports::{FetchedSecret, SecretContent};

const EC: &str = include_str!("../../../../tests/fixtures/stores/ec.pem");
const JKS: &[u8] = include_bytes!("../../../../tests/fixtures/stores/store.jks");
const JCEKS: &[u8] = include_bytes!("../../../../tests/fixtures/stores/store.jceks");
const P12: &[u8] = include_bytes!("../../../../tests/fixtures/stores/store.p12");

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2030-06-01T12:00:00Z")
}

/// Issued for [`EC`], valid over [`now`].
fn leaf(pki: &Hierarchy) -> String {
    pki.certify("orders", EC, at("2030-01-01T00:00:00Z"), at("2031-01-01T00:00:00Z"))
}

fn field(name: &str) -> ValueSource {
    ValueSource::Secret(SecretRef::new("prod/tls", None, None).unwrap(), Selector::Field(name.to_owned()))
}

fn target(content: StoreContent) -> StoreTarget {
    StoreTarget {
        connection: ConnectionName::parse("prod").unwrap(),
        group: "edge".to_owned(),
        name: "orders-tls".to_owned(),
        content,
        create: false,
        expiry: Expiry::Default,
        field_names: FieldNames::CommandLine,
    }
}

fn put(target: &StoreTarget, secret: &Value) -> Result<Whole, Failure> {
    let mut values = Values::default();
    let content = SecretContent::Text(SecretValue::from(secret.to_string()));
    let version = VersionId::parse("00000000-0000-4000-8000-000000000001").unwrap();
    let seen = VersionSeen { version, created: None };
    values
        .insert(SecretRef::new("prod/tls", None, None).unwrap(), FetchedSecret { seen, content, arn: None });
    target.whole(&Fixed { name: "orders-tls", expiration: None, now: now() }, &values)
}

/// A PEM keystore from the fields of one secret.
fn keystore(secret: &Value) -> StoreTarget {
    let given = |name: &str| secret.get(name).map(|_| field(name));
    target(StoreContent::PemKeystore {
        certificate: field("certificate"),
        key: field("key"),
        key_passphrase: given("key_passphrase"),
        ca_path: given("ca_path"),
    })
}

fn notes(secret: &Value) -> Vec<String> {
    put(&keystore(secret), secret).unwrap_or_else(|failure| panic!("{failure:?}")).notes
}

#[track_caller]
fn refused(secret: &Value, message: &str) -> Failure {
    let failure = put(&keystore(secret), secret).err().unwrap_or_else(|| panic!("taken; not {message}"));
    assert_eq!(failure.message, message);
    assert!(!format!("{failure:?}").contains("MIG"), "no part of a key or certificate: {failure:?}");
    failure
}

fn body(put: &Whole) -> String {
    String::from_utf8_lossy(put.body.content().expose_bytes()).into_owned()
}

#[test]
fn a_whole_pem_keystore_is_sent_without_notes() {
    let pki = Hierarchy::new();
    let secret = json!({"certificate": leaf(&pki), "key": EC, "ca_path": pki.chain()});
    let put = put(&keystore(&secret), &secret).ok().unwrap();
    assert_eq!(put.notes, Vec::<String>::new());
    let body = body(&put);
    for (part, content) in [("certificate", &leaf(&pki)[..20]), ("key", EC), ("capath", &pki.chain()[..])] {
        let head = format!("name=\"{part}\"; filename=");
        assert!(body.contains(&head) && body.contains(content), "{part} is not in\n{body}");
    }
    assert!(
        body.contains("name=\"name\"\r\n\r\norders-tls\r\n") && body.contains("name=\"type\"\r\n\r\nPEM\r\n")
    );
    assert!(!body.contains("keyPassphrase") && !body.contains("expirationDate"));
}

#[test]
fn every_form_of_a_key_is_opened_and_compared_or_said_not_to_be() {
    let pki = Hierarchy::new();
    let unknown = "`key` is encrypted in a way that the relay does not read";
    for (key, unchecked) in [
        (include_str!("../../../../tests/fixtures/stores/ec.sec1.pem"), None),
        (include_str!("../../../../tests/fixtures/stores/ec.aes128.pem"), None),
        (include_str!("../../../../tests/fixtures/stores/ec.aes192.pem"), None),
        (include_str!("../../../../tests/fixtures/stores/ec.aes256.pem"), None),
        (include_str!("../../../../tests/fixtures/stores/ec.des3.pem"), Some(unknown)),
        (include_str!("../../../../tests/fixtures/stores/ec.scrypt.pem"), Some(unknown)),
        (
            include_str!("../../../../tests/fixtures/stores/ec.old.pem"),
            Some("`key` is encrypted in OpenSSL's old form"),
        ),
    ] {
        let secret = json!({"certificate": leaf(&pki), "key": key, "key_passphrase": "open sesame"});
        let expected: Vec<String> = unchecked
            .map(|why| format!("not checked: whether `key` is the key of certificate \"orders\" ({why})"))
            .into_iter()
            .collect();
        assert_eq!(notes(&secret), expected, "{key}");
        let other = pki.issue("billing").certificate;
        let secret = json!({"certificate": other, "key": key, "key_passphrase": "open sesame"});
        if unchecked.is_none() {
            let failure = put(&keystore(&secret), &secret).err().unwrap();
            assert!(failure.message.contains("billing"), "{failure:?}");
        }
    }
}

#[test]
fn a_key_of_rsa_is_compared_too() {
    let pki = Hierarchy::new();
    let key = include_str!("../../../../tests/fixtures/stores/rsa.pkcs1.pem");
    let secret = json!({"certificate": leaf(&pki), "key": key});
    refused(&secret, "`key` is not the key of certificate \"orders\"");
    let own = KeyPair::from_pem_and_sign_algo(key, &rcgen::PKCS_RSA_SHA256).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "rsa");
    let certificate = params.self_signed(&own).unwrap().pem();
    assert_eq!(notes(&json!({"certificate": certificate, "key": key})), Vec::<String>::new());
}

#[test]
fn a_key_that_does_not_open_or_does_not_fit_is_refused() {
    let pki = Hierarchy::new();
    let certificate = leaf(&pki);
    let encrypted = include_str!("../../../../tests/fixtures/stores/ec.aes256.pem");
    let failure = refused(
        &json!({"certificate": certificate, "key": encrypted, "key_passphrase": "open barley"}),
        "`key_passphrase` does not open `key`",
    );
    assert_eq!((failure.code, failure.retry), (FailureCode::BadValue, Retry::Never));
    refused(
        &json!({"certificate": certificate, "key": encrypted}),
        "`key` is encrypted, and there is no `key_passphrase`",
    );
    let foreign = pki.issue("orders").key;
    let failure = refused(
        &json!({"certificate": certificate, "key": foreign}),
        "`key` is not the key of certificate \"orders\"",
    );
    assert_eq!(failure.next_step, "rotate both together: take them from one secret");
    for key in [certificate.clone(), format!("{EC}{EC}"), format!("{EC}{certificate}")] {
        refused(
            &json!({"certificate": certificate, "key": key}),
            "`key` holds something else than one private key",
        );
    }
    refused(
        &json!({"certificate": certificate, "key": EC.replace('\n', " ")}),
        "`key` is not PEM: a BEGIN line has no END line",
    );
}

#[test]
fn a_private_key_in_the_place_of_a_certificate_is_never_sent() {
    let pki = Hierarchy::new();
    let both = leaf(&pki) + EC;
    let message = |setting: &str| {
        format!("`{setting}` holds a private key beside certificates, which would be stored in the open")
    };
    refused(&json!({"certificate": both, "key": EC}), &message("certificate"));
    refused(&json!({"certificate": leaf(&pki), "key": EC, "ca_path": EC}), &message("ca_path"));
    for content in [
        StoreContent::PemTruststore { truststore: field("store") },
        StoreContent::Certificate { certificate: field("store") },
    ] {
        let failure = put(&target(content), &json!({"store": both})).err().unwrap();
        assert!(failure.message.contains("holds a private key"), "{failure:?}");
    }
}

#[test]
fn a_chain_is_in_order_and_each_is_signed_by_the_next() {
    let pki = Hierarchy::new();
    let certificate = leaf(&pki);
    let with = |ca_path: &str| json!({"certificate": certificate, "key": EC, "ca_path": ca_path});
    assert_eq!(notes(&with(pki.authority())), Vec::<String>::new(), "the root may be left out");
    refused(
        &with(&format!("{}{}", pki.root(), pki.authority())),
        "certificate \"orders\" is not signed by \"Store Root\", which follows it in `ca_path`",
    );
    // The same names with other keys.
    let other = Hierarchy::new();
    refused(
        &with(&other.chain()),
        "certificate \"orders\" is not signed by \"Store CA\", which follows it in `ca_path`",
    );
    refused(
        &with(&format!("{}{}", pki.authority(), other.root())),
        "certificate \"Store CA\" is not signed by \"Store Root\", which follows it in `ca_path`",
    );
    refused(
        &with(&format!("{certificate}{}", pki.chain())),
        "`ca_path` holds the certificate of `certificate` as well",
    );
    let sibling = pki.certify("billing", EC, at("2030-01-01T00:00:00Z"), at("2031-01-01T00:00:00Z"));
    refused(
        &with(&format!("{sibling}{}", pki.chain())),
        "certificate \"billing\" of `ca_path` is not of a CA",
    );
    let failure = refused(
        &json!({"certificate": certificate.clone() + &pki.chain(), "key": EC}),
        "`certificate` holds 3 certificates",
    );
    assert_eq!(failure.next_step, "leave the leaf there alone, and put those above it into `ca_path`");
}

#[test]
fn what_is_not_valid_now_is_refused_and_what_ends_soon_is_told() {
    let pki = Hierarchy::new();
    let valid = |from: &str, until: &str| json!({"certificate": pki.certify("orders", EC, at(from), at(until)), "key": EC});
    let start = "2030-01-01T00:00:00Z";
    assert_eq!(notes(&valid(start, "2030-07-02T00:00:00Z")), Vec::<String>::new());
    assert_eq!(
        notes(&valid(start, "2030-06-20T00:00:00Z")),
        ["certificate \"orders\" expires on 2030-06-20: renew it soon"]
    );
    // Both ends belong to it (RFC 5280, 4.1.2.5), and clocks differ.
    assert_eq!(notes(&valid(start, "2030-06-01T12:00:00Z")).len(), 1);
    assert_eq!(notes(&valid("2030-06-01T12:05:00Z", "2031-01-01T00:00:00Z")), Vec::<String>::new());
    let expired = "certificate \"orders\" of `certificate` expired on 2030-06-01";
    assert_eq!(refused(&valid(start, "2030-06-01T11:59:59Z"), expired).retry, Retry::Never);
    let early = "certificate \"orders\" of `certificate` is not valid before 2030-06-02";
    let failure = refused(&valid("2030-06-02T00:00:00Z", "2031-01-01T00:00:00Z"), early);
    assert_eq!(failure.retry, Retry::Slowly, "that passes by itself");
}

#[test]
fn a_truststore_holds_fifteen_valid_certificates_and_a_certificate_one() {
    let pki = Hierarchy::new();
    let trusting = target(StoreContent::PemTruststore { truststore: field("store") });
    let single = target(StoreContent::Certificate { certificate: field("store") });
    let outcome = |target: &StoreTarget, text: &str| {
        put(target, &json!({ "store": text })).map(|_| ()).map_err(|failure| failure.message)
    };
    assert_eq!(outcome(&trusting, &pki.root().repeat(15)), Ok(()));
    assert_eq!(
        outcome(&trusting, &pki.root().repeat(16)),
        Err("`truststore` holds 16 certificates, and Anypoint takes 15".to_owned())
    );
    assert_eq!(outcome(&single, pki.root()), Ok(()));
    assert_eq!(outcome(&single, &pki.chain()), Err("`certificate` holds 2 certificates".to_owned()));
    assert_eq!(
        outcome(&single, "text"),
        Err("`certificate` is not PEM: there is no PEM block in it".to_owned())
    );
    let broken = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
    assert_eq!(
        outcome(&trusting, &(pki.root().to_owned() + broken)),
        Err("block 2 of `truststore` is not an X.509 certificate".to_owned())
    );
    let expired = pki.certify("partner", EC, at("2020-01-01T00:00:00Z"), at("2021-01-01T00:00:00Z"));
    assert_eq!(
        outcome(&trusting, &(pki.chain() + &expired)),
        Err("certificate \"partner\" of `truststore` expired on 2021-01-01".to_owned())
    );
}

/// A store that is a file, with its pass phrases beside it.
fn file(format: StoreFormat) -> StoreTarget {
    target(StoreContent::FileKeystore {
        format,
        keystore: field("store"),
        store_passphrase: field("passphrase"),
        key_passphrase: field("passphrase"),
        alias: ValueSource::Literal("orders".to_owned()),
        algorithm: Some(StoreAlgorithm::SunX509),
    })
}

fn file_secret(store: &[u8], passphrase: &str) -> Value {
    json!({"store": STANDARD.encode(store), "passphrase": passphrase})
}

fn put_file(format: StoreFormat, secret: &Value) -> Result<Whole, Failure> {
    put(&file(format), secret)
}

#[test]
fn store_files_are_sent_as_they_are() {
    for (format, store) in [(StoreFormat::Jks, JKS), (StoreFormat::Jceks, JCEKS), (StoreFormat::Pkcs12, P12)]
    {
        let secret = file_secret(store, "store-passphrase");
        let put = put(&file(format), &secret).unwrap_or_else(|failure| panic!("{failure:?}"));
        let sent = put.body.content().expose_bytes();
        assert!(sent.windows(store.len()).any(|part| part == store), "{format:?}");
        let text = body(&put);
        for part in [
            "name=\"storePassphrase\"\r\n\r\nstore-passphrase\r\n",
            "name=\"keyPassphrase\"\r\n\r\nstore-passphrase\r\n",
            "name=\"alias\"\r\n\r\norders\r\n",
            "name=\"algorithm\"\r\n\r\nSunX509\r\n",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        let wrapped =
            json!({"store": STANDARD.encode(store).replace('A', "A\n"), "passphrase": "store-passphrase"});
        assert!(put_file(format, &wrapped).is_ok(), "line ends do not count");
    }
}

#[test]
fn a_store_file_is_of_its_type_whole_and_opened_by_its_passphrase() {
    let refused = |format, store: &[u8], passphrase: &str| {
        put(&file(format), &file_secret(store, passphrase)).err().map(|failure| failure.message)
    };
    let wrong = |format: &str| Some(format!("`keystore` is not a store of type {format}"));
    for (format, store) in [
        (StoreFormat::Jks, P12),
        (StoreFormat::Jks, JCEKS),
        (StoreFormat::Jceks, JKS),
        (StoreFormat::Pkcs12, JKS),
        (StoreFormat::Pkcs12, EC.as_bytes()),
        (StoreFormat::Jks, b""),
    ] {
        assert_eq!(refused(format, store, "store-passphrase"), wrong(format.as_str()));
    }
    let next = put(&file(StoreFormat::Jks), &file_secret(P12, "x")).err().unwrap().next_step;
    assert!(next.starts_with("it is one of type PKCS12"), "{next}");

    let closed = Some("`store_passphrase` does not open `keystore`, or the file is damaged".to_owned());
    for (format, store) in [(StoreFormat::Jks, JKS), (StoreFormat::Jceks, JCEKS)] {
        assert_eq!(refused(format, store, "another"), closed);
        assert_eq!(refused(format, &store[..store.len() - 1], "store-passphrase"), closed);
        assert_eq!(refused(format, &store[..4], "store-passphrase"), closed);
    }
    let secret = json!({"store": "no base64!", "passphrase": "x"});
    let failure = put(&file(StoreFormat::Jks), &secret).err().unwrap();
    assert_eq!(failure.message, "the value for keystore is not base64");
}

#[test]
fn sizes_are_those_of_anypoint() {
    let pki = Hierarchy::new();
    let long = |text: &str, length: usize| text.to_owned() + &"\n".repeat(length - text.len());
    let whole = json!({"certificate": leaf(&pki), "key": EC, "ca_path": pki.chain()});
    for (field, limit) in [("certificate", 4_096), ("key", 6_144), ("ca_path", 28_672)] {
        let mut secret = whole.clone();
        let text = whole[field].as_str().unwrap();
        secret[field] = long(text, limit).into();
        assert_eq!(notes(&secret), Vec::<String>::new(), "{field}");
        secret[field] = long(text, limit + 1).into();
        let failure = put(&keystore(&secret), &secret).err().unwrap();
        assert_eq!(failure.code, FailureCode::TooLong);
        assert_eq!(failure.message, format!("the value for {field} may have {limit} bytes, and it has more"));
    }
    let store = |length: usize| [P12, &vec![0; length - P12.len()]].concat();
    let outcome = |length, passphrase: &str| {
        put(&file(StoreFormat::Pkcs12), &file_secret(&store(length), passphrase))
            .map(|_| ())
            .map_err(|failure| failure.message)
    };
    // Characters, not bytes.
    assert_eq!(outcome(40_960, &"é".repeat(64)), Ok(()));
    assert_eq!(
        outcome(40_961, "x"),
        Err("the value for keystore may have 40960 bytes, and it has more".to_owned())
    );
    assert_eq!(
        outcome(40_960, &"x".repeat(65)),
        Err("the value for store_passphrase may have 64 characters, and it has more".to_owned())
    );
    assert_eq!(outcome(40_960, ""), Err("the value for store_passphrase is empty".to_owned()));
}

#[test]
fn each_set_of_field_names_is_as_its_source_has_it() {
    let pki = Hierarchy::new();
    let secret = json!({
        "certificate": leaf(&pki), "key": EC, "ca_path": pki.chain(), "store": pki.root(),
        "file": STANDARD.encode(P12), "passphrase": "x",
    });
    for (names, keystore_part, truststore_part, ca_path_part) in [
        (FieldNames::CommandLine, "keyStore", "trustStore", "capath"),
        (FieldNames::Terraform, "keyStore", "trustStore", "caPathCertificate"),
        (FieldNames::Specification, "keystore", "truststore", "capath"),
    ] {
        let trusting = target(StoreContent::PemTruststore { truststore: field("store") });
        let mut binary = secret.clone();
        binary["store"] = secret["file"].clone();
        for (mut target, secret, part) in [
            (keystore(&secret), &secret, ca_path_part),
            (trusting, &secret, truststore_part),
            (file(StoreFormat::Pkcs12), &binary, keystore_part),
        ] {
            target.field_names = names;
            let body = body(&put(&target, secret).ok().unwrap());
            assert!(body.contains(&format!("name=\"{part}\"; filename=")), "{names:?} {part}");
        }
    }
}

#[test]
fn a_chain_that_was_sent_and_is_not_shown_is_told() {
    let pki = Hierarchy::new();
    let secret = json!({"certificate": leaf(&pki), "key": EC, "ca_path": pki.chain()});
    let lacks = |body: &str| keystore(&secret).lacks(&Stored::parse(body.as_bytes()).unwrap());
    for shown in [r#"{"name":"n","capathFileName":"ca.pem"}"#, r#"{"name":"n","details":{"capath":[]}}"#] {
        assert_eq!(lacks(shown), None, "{shown}");
    }
    assert!(lacks(r#"{"name":"n","details":{}}"#).unwrap().contains("`capath`"));
}
