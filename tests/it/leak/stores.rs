//! Stores that hold the canary, as file and as pass phrase, and a private key in PEM.

use std::rc::Rc;

use anypoint_sandbox::anypoint::{SecretGroup, Store, Stores};
use anypoint_sandbox::aws::Aws;
use anypoint_sandbox::pki::Hierarchy;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::json;

use super::{CANARY, World};
use crate::support::now;

pub(super) const KEY: &str = include_str!("../../fixtures/stores/ec.pem");
/// The same key, encrypted.
pub(super) const ENCRYPTED: &str = include_str!("../../fixtures/stores/ec.aes256.pem");
/// What it is encrypted with.
pub(super) const PASSPHRASE: &str = "open sesame";

/// The longest stretch of the private key without a sign: no other file has it.
pub(super) fn part_of_key() -> &'static str {
    let stretches = KEY.lines().nth(1).unwrap().split(|c: char| !c.is_ascii_alphanumeric());
    stretches.max_by_key(|stretch| stretch.len()).unwrap()
}

/// The smallest JKS store, with this text for content and for pass phrase.
pub(super) fn jks(text: &str) -> Vec<u8> {
    let content = [&[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 0], text.as_bytes()].concat();
    let passphrase: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let sealed =
        digest(&SHA1_FOR_LEGACY_USE_ONLY, &[passphrase.as_slice(), b"Mighty Aphrodite", &content].concat());
    [content.as_slice(), sealed.as_ref()].concat()
}

pub(super) fn create_secrets(aws: &Aws) {
    let pki = Hierarchy::new();
    let day = SignedDuration::from_hours(24);
    let stores = json!({
        "certificate": pki.certify("canary", KEY, now() - day, now() + day * 80), "key": KEY,
        "encrypted": ENCRYPTED, "chain": pki.chain(), "foreign": pki.issue("foreign").certificate,
        "both": pki.root().to_owned() + KEY, "file": STANDARD.encode(jks(CANARY)), "passphrase": CANARY,
        "long": CANARY.repeat(3), "other": CANARY[1..].to_owned(), "cut": KEY[..KEY.len() - 30].to_owned(),
    });
    aws.create_secret("canary/stores", stores);
}

fn file_lines(passphrase: &str) -> String {
    format!(
        "type: JKS
    keystore: {{ secret: canary/stores, field: file }}
    store_passphrase: {{ secret: canary/stores, field: {passphrase} }}
    key_passphrase: {{ secret: canary/stores, field: passphrase }}
    alias: {{ secret: canary/stores, field: passphrase }}"
    )
}

fn pem_lines(certificate: &str, key: &str) -> String {
    format!(
        "type: PEM
    certificate: {{ secret: canary/stores, field: {certificate} }}
    key: {{ secret: canary/stores, field: {key} }}
    key_passphrase: {{ secret: canary/stores, field: passphrase }}"
    )
}

fn target(name: &str, connection: usize, group: &str, lines: &str) -> String {
    format!(
        "  {name}:
    kind: keystore
    connection: c{connection}
    group: {group}
    name: {name}
    coalesce: 10ms
    {lines}
"
    )
}

fn add(group: &SecretGroup, name: &str, pem: bool) -> Store {
    let pki = Hierarchy::new();
    let old = pki.issue("old");
    let passphrases = [("storePassphrase", "old"), ("keyPassphrase", "old"), ("alias", "old")];
    let content: Vec<(&str, &str)> = if pem {
        vec![("type", "PEM"), ("certificate", &old.certificate), ("key", &old.key)]
    } else {
        [("type", "JKS"), ("keyStore", "old")].into_iter().chain(passphrases).collect()
    };
    group.add_store(Stores::Keystores, content.into_iter().chain([("name", name)]))
}

/// Keystores that work, to be asked for what they were given.
pub(super) struct Good {
    file: Store,
    pem: Store,
}

impl Good {
    pub(super) fn assert_delivered(&self) {
        let file = self.file.history().pop().unwrap();
        assert_eq!(
            (file.parts["keyStore"].clone(), file.text("storePassphrase").as_str()),
            (jks(CANARY), CANARY)
        );
        assert_eq!(self.pem.history().pop().unwrap().text("key"), KEY);
    }
}

pub(super) fn good_targets(world: &mut World) -> Good {
    let group = Rc::clone(&world.anypoints[0]).add_group("stores");
    world.add(&target("good-file", 0, "stores", &file_lines("passphrase")));
    world.add(&target("good-pem", 0, "stores", &pem_lines("certificate", "key")));
    Good { file: add(&group, "good-file", false), pem: add(&group, "good-pem", true) }
}

/// Stores that are refused before they are sent.
pub(super) fn bad_targets(world: &mut World) -> Vec<(String, &'static str)> {
    let group = Rc::clone(&world.anypoints[0]).add_group("stores");
    let cases = [
        ("other-store-passphrase", false, file_lines("other"), "bad_value"),
        ("long-store-passphrase", false, file_lines("long"), "too_long"),
        ("no-key-passphrase", true, pem_lines("certificate", "encrypted"), "bad_value"),
        ("foreign-key", true, pem_lines("foreign", "key"), "bad_value"),
        ("key-in-certificate", true, pem_lines("both", "key"), "bad_value"),
        ("certificate-in-key", true, pem_lines("certificate", "certificate"), "bad_value"),
        ("no-pem", true, pem_lines("passphrase", "key"), "bad_value"),
        ("cut-key", true, pem_lines("certificate", "cut"), "bad_value"),
        ("no-store", true, pem_lines("certificate", "passphrase"), "bad_value"),
    ];
    let mut expected = Vec::new();
    for (name, pem, lines, code) in cases {
        add(&group, name, pem);
        world.add(&target(name, 0, "stores", &lines));
        expected.push((name.to_owned(), code));
    }
    expected
}

/// A store whose PUT is to fail in some way; gives its id.
pub(super) fn spoilt(
    world: &mut World,
    connection: usize,
    group: &SecretGroup,
    name: &str,
    of: &str,
) -> String {
    let store = add(group, name, false);
    world.add(&target(name, connection, of, &file_lines("passphrase")));
    store.id().to_owned()
}
