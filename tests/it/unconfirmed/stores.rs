//! The story of keystores and truststores: first with the field names of MuleSoft's command line, whatever
//! Anypoint knows, then with those that fit. What Anypoint does not know is refused and parked; what it
//! passes over in silence is never called in sync.

use anypoint_sandbox::anypoint::{Endpoint, Rules, Store, Stores};
use anypoint_sandbox::pki::Hierarchy;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::json;

use super::switches::Proof;
use crate::support::Bench;

const P12: &[u8] = include_bytes!("../../fixtures/stores/store.p12");

fn targets(field_names: &str, more: &str) -> String {
    format!(
        "
  file:
    kind: keystore
    connection: prod
    coalesce: 10ms
    group: edge
    name: file
    type: PKCS12
    field_names: {field_names}
    keystore: {{ secret: prod/tls, field: file }}
    store_passphrase: {{ secret: prod/tls, field: passphrase }}
    key_passphrase: {{ secret: prod/tls, field: passphrase }}
    alias: orders
  roots:
    kind: truststore
    connection: prod
    coalesce: 10ms
    group: edge
    name: roots
    type: PEM
    field_names: {field_names}
    truststore: {{ secret: prod/tls, field: chain }}
  pem:
    kind: keystore
    connection: prod
    coalesce: 10ms
    group: edge
    name: pem
    type: PEM
    field_names: {field_names}
    certificate: {{ secret: prod/tls, field: certificate }}
    key: {{ secret: prod/tls, field: key }}
    ca_path: {{ secret: prod/tls, field: chain }}{more}
  created:
    kind: certificate
    connection: prod
    coalesce: 10ms
    group: edge
    name: created
    certificate: {{ secret: prod/tls, field: certificate }}
    create: true"
    )
}

/// What the newest write of a store has under any of these names.
fn held(store: &Store, names: [&str; 2]) -> Option<Vec<u8>> {
    let write = store.history().pop().unwrap();
    names.into_iter().find_map(|name| write.parts.get(name).cloned())
}

pub(super) async fn story(turn: impl FnOnce(&mut Rules), _: Proof) {
    let mut bench = Bench::new().await;
    let pki = Hierarchy::new();
    let (old, new) = (pki.issue("old"), pki.issue("orders"));
    bench.aws.create_secret(
        "prod/tls",
        json!({
            "certificate": new.certificate, "key": new.key, "chain": pki.chain(), "file": STANDARD.encode(P12),
            "passphrase": "store-passphrase",
        }),
    );
    let group = bench.anypoint.add_group("edge");
    let passphrases = [("storePassphrase", "old"), ("keyPassphrase", "old"), ("alias", "old")];
    let file = [("name", "file"), ("type", "PKCS12"), ("keyStore", "old")].into_iter().chain(passphrases);
    let file = group.add_store(Stores::Keystores, file);
    let roots = [("name", "roots"), ("type", "PEM"), ("trustStore", pki.root())];
    let roots = group.add_store(Stores::Truststores, roots);
    let pem = [("name", "pem"), ("type", "PEM"), ("certificate", &old.certificate), ("key", &old.key)];
    let pem = group.add_store(Stores::Keystores, pem);
    let mut rules = Rules::default();
    bench.anypoint.rules(|world| {
        turn(world);
        rules = world.clone();
    });

    bench.anypoint.shift_modified_at(SignedDuration::from_secs(10));
    bench.start(&targets("command_line", "")).await;
    let files = if rules.store_parts_as_specified { "parked" } else { "in_sync" };
    let keystore = match (rules.pem_key_needs_passphrase, rules.ca_path_certificate) {
        (true, _) => "parked",
        (_, true) => "accepted",
        _ => "in_sync",
    };
    for (target, outcome, store) in
        [("file", files, &file), ("roots", files, &roots), ("pem", keystore, &pem)]
    {
        bench.ended_as(target, outcome).await;
        let writes = match outcome {
            "parked" => 1,
            "accepted" => 3,
            _ => 2,
        };
        assert_eq!(store.history().len(), writes, "{target}");
        if outcome == "parked" {
            let failure = bench.outcome(target, |outcome| outcome.failure().cloned()).await;
            assert_eq!(failure.code.as_str(), "rejected");
        }
    }
    bench.in_sync("created").await;
    let created = group.store(Stores::Certificates, "created").unwrap();
    assert_eq!((created.history().len(), bench.anypoint.requests().of(Endpoint::StorePost)), (1, 1));
    bench.stop().await.unwrap();

    bench.anypoint.shift_modified_at(SignedDuration::from_secs(60));
    let names = match (rules.store_parts_as_specified, rules.ca_path_certificate) {
        (true, _) => "specification",
        (_, true) => "terraform",
        _ => "command_line",
    };
    bench.start(&targets(names, "\n    key_passphrase: { secret: prod/tls, field: passphrase }")).await;
    for target in ["file", "roots", "pem", "created"] {
        bench.in_sync(target).await;
    }
    assert_eq!(held(&file, ["keyStore", "keystore"]).unwrap(), P12);
    assert_eq!(held(&roots, ["trustStore", "truststore"]).unwrap(), pki.chain().as_bytes());
    assert_eq!(held(&pem, ["key", "key"]).unwrap(), new.key.as_bytes());
    assert_eq!(held(&pem, ["capath", "caPathCertificate"]).unwrap(), pki.chain().as_bytes());
    assert_eq!((created.history().len(), bench.anypoint.requests().of(Endpoint::StorePost)), (2, 1));
    assert_eq!(bench.anypoint.wiped(), 0);
}
