//! `keystore`, `truststore`, `certificate`: what arrives, what never leaves, and what is said about it.

mod create;

use anypoint_sandbox::anypoint::{Endpoint, Lands, LostWrite, Seen, Store, Stores};
use anypoint_sandbox::pki::{Hierarchy, Identity};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::TARGET;
use crate::support::{Bench, now};

const JKS: &[u8] = include_bytes!("../../fixtures/stores/store.jks");
const P12: &[u8] = include_bytes!("../../fixtures/stores/store.p12");
const ENCRYPTED: &str = include_str!("../../fixtures/stores/ec.aes256.pem");
const PLAIN: &str = include_str!("../../fixtures/stores/ec.pem");

const PEM_KEYSTORE: &str = "kind: keystore
    type: PEM
    certificate: { secret: prod/tls, field: certificate }
    key: { secret: prod/tls, field: key }
    ca_path: { secret: prod/tls, field: chain }";

fn target(lines: &str) -> String {
    format!(
        "
  {TARGET}:
    {lines}
    connection: prod
    group: edge
    name: orders-tls
    coalesce: 10ms"
    )
}

/// A sandbox with one store in the group `edge`.
async fn sandbox<'p, B: AsRef<[u8]>>(
    list: Stores,
    kind: &str,
    parts: impl IntoIterator<Item = (&'p str, B)>,
) -> (Bench, Store) {
    let bench = Bench::new().await;
    let parts = parts.into_iter().map(|(name, part)| (name, part.as_ref().to_vec()));
    let fixed = [("name", b"orders-tls".to_vec()), ("type", kind.as_bytes().to_vec())];
    let store = bench.anypoint.add_group("edge").add_store(list, fixed.into_iter().chain(parts));
    // `modifiedAt` has a resolution of one second: so that the first write of the relay shows.
    bench.anypoint.shift_modified_at(SignedDuration::from_secs(5));
    (bench, store)
}

/// A keystore in the sandbox, and in AWS the one that is to take its place.
async fn keystore(pki: &Hierarchy) -> (Bench, Store, Identity) {
    let old = pki.issue("orders-old");
    let parts = [("certificate", &old.certificate), ("key", &old.key)];
    let (bench, store) = sandbox(Stores::Keystores, "PEM", parts).await;
    let new = pki.issue("orders");
    bench.aws.create_secret("prod/tls", secret(pki, &new));
    (bench, store, new)
}

fn secret(pki: &Hierarchy, identity: &Identity) -> serde_json::Value {
    json!({ "certificate": identity.certificate, "key": identity.key, "chain": pki.chain() })
}

#[tokio::test]
async fn a_pem_keystore_is_rotated_whole() {
    let pki = Hierarchy::new();
    let (mut bench, store, first) = keystore(&pki).await;
    bench.start(&target(PEM_KEYSTORE)).await;
    bench.in_sync(TARGET).await;
    bench.tell_by_eventbridge();
    bench.anypoint.shift_modified_at(SignedDuration::from_secs(60));
    let second = pki.issue("orders");
    bench.aws.secret("prod/tls").unwrap().rotate(secret(&pki, &second));
    anypoint_sandbox::wait_until("the second write", crate::support::LIMIT, || store.history().len() == 3)
        .await;
    bench.in_sync(TARGET).await;
    let history = store.history();
    for (written, identity) in history[1..].iter().zip([&first, &second]) {
        assert_eq!(
            (written.text("certificate"), written.text("key")),
            (identity.certificate.clone(), identity.key.clone())
        );
        assert_eq!(written.text("capath"), pki.chain());
        assert_eq!((written.name.as_str(), written.kind.as_str()), ("orders-tls", "PEM"));
    }
    let puts = bench.anypoint.log().matching(|request| request.tag == "stores.put");
    assert!(puts.iter().all(|put| put.query.is_empty()), "{puts:?}");
}

#[tokio::test]
async fn an_encrypted_key_travels_with_its_passphrase() {
    let pki = Hierarchy::new();
    let (mut bench, store, _) = keystore(&pki).await;
    let day = SignedDuration::from_hours(24);
    let certificate = pki.certify("orders", PLAIN, now() - day, now() + day * 10);
    let secret =
        json!({ "certificate": certificate, "key": ENCRYPTED, "chain": pki.chain(), "open": "open sesame" });
    bench.aws.secret("prod/tls").unwrap().rotate(secret);
    let lines = format!("{PEM_KEYSTORE}\n    key_passphrase: {{ secret: prod/tls, field: open }}");
    bench.start(&target(&lines)).await;
    bench.in_sync(TARGET).await;
    let [_, written] = &store.history()[..] else { panic!("one write") };
    assert_eq!(
        (written.text("key").as_str(), written.text("keyPassphrase").as_str()),
        (ENCRYPTED, "open sesame")
    );
    let notes = bench.status().notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].starts_with("certificate \"orders\" expires on ") && notes[0].ends_with(": renew it soon")
    );
}

#[tokio::test]
async fn store_files_arrive_byte_for_byte() {
    let passphrases = [("storePassphrase", &b"old"[..]), ("keyPassphrase", b"old"), ("alias", b"old")];
    for (kind, file) in [("JKS", JKS), ("PKCS12", P12)] {
        let parts = [[("keyStore", &b"old"[..])].as_slice(), &passphrases].concat();
        let (mut bench, store) = sandbox(Stores::Keystores, kind, parts).await;
        bench.aws.create_secret(
            "prod/store",
            json!({ "file": STANDARD.encode(file), "passphrase": "store-passphrase" }),
        );
        bench
            .start(&target(&format!(
                "kind: keystore
    type: {kind}
    keystore: {{ secret: prod/store, field: file }}
    store_passphrase: {{ secret: prod/store, field: passphrase }}
    key_passphrase: {{ secret: prod/store, field: passphrase }}
    alias: orders
    algorithm: PKIX"
            )))
            .await;
        bench.in_sync(TARGET).await;
        let [_, written] = &store.history()[..] else { panic!("one write") };
        assert_eq!(written.parts["keyStore"], file);
        let texts = ["storePassphrase", "keyPassphrase", "alias", "algorithm"].map(|part| written.text(part));
        assert_eq!(texts, ["store-passphrase", "store-passphrase", "orders", "PKIX"]);
    }
}

#[tokio::test]
async fn a_truststore_comes_from_a_binary_secret() {
    let parts = [("trustStore", &b"old"[..]), ("storePassphrase", b"old")];
    let (mut bench, store) = sandbox(Stores::Truststores, "JKS", parts).await;
    bench.aws.create_secret("prod/roots", JKS.to_vec());
    bench.aws.create_secret("prod/roots-passphrase", "store-passphrase");
    bench
        .start(&target(
            "kind: truststore
    type: JKS
    truststore: { secret: prod/roots, binary: true }
    store_passphrase: { secret: prod/roots-passphrase }",
        ))
        .await;
    bench.in_sync(TARGET).await;
    assert_eq!(store.history()[1].parts["trustStore"], JKS);
    assert_eq!(store.history()[1].text("storePassphrase"), "store-passphrase");
}

#[tokio::test]
async fn truststores_and_certificates_of_pem_arrive_and_live_as_long_as_they_say() {
    let pki = Hierarchy::new();
    let until: Timestamp = "2080-03-04T00:00:00Z".parse().unwrap();
    let certificate = pki.certify("partner", PLAIN, now(), until);
    for (list, part, lines) in [
        (
            Stores::Truststores,
            "trustStore",
            "kind: truststore\n    type: PEM\n    truststore: { secret: prod/pem }",
        ),
        (Stores::Certificates, "certStore", "kind: certificate\n    certificate: { secret: prod/pem }"),
    ] {
        // The date of what lay there before is not kept: the new one has another.
        let old = [(part, pki.root().as_bytes()), ("expirationDate", b"2031-02-03")];
        let (mut bench, store) = sandbox(list, "PEM", old).await;
        bench.aws.create_secret("prod/pem", certificate.as_str());
        bench.start(&target(lines)).await;
        bench.in_sync(TARGET).await;
        let [_, written] = &store.history()[..] else { panic!("one write") };
        assert_eq!(
            (written.text(part), written.expiration_date.as_str()),
            (certificate.clone(), "2080-03-04")
        );
        bench.stop().await.unwrap();
        bench.anypoint.shift_modified_at(SignedDuration::from_secs(60));
        bench.start(&target(&format!("{lines}\n    expiry: {{ days: 90 }}"))).await;
        bench.in_sync(TARGET).await;
        assert_ne!(store.history()[2].expiration_date, "2080-03-04");
        bench.stop().await.unwrap();
        bench.anypoint.shift_modified_at(SignedDuration::from_secs(120));
        bench.start(&target(&format!("{lines}\n    expiry: keep"))).await;
        bench.in_sync(TARGET).await;
        assert_eq!(store.history()[3].expiration_date, store.history()[2].expiration_date);
    }
}

#[tokio::test]
async fn a_bad_rotation_never_reaches_anypoint_and_the_next_good_one_does() {
    let pki = Hierarchy::new();
    let (mut bench, store, first) = keystore(&pki).await;
    bench.start(&target(PEM_KEYSTORE)).await;
    bench.in_sync(TARGET).await;
    bench.tell_by_eventbridge();
    bench.anypoint.shift_modified_at(SignedDuration::from_secs(60));
    let second = pki.issue("orders");
    let mixed = Identity { certificate: second.certificate.clone(), key: first.key };
    bench.aws.secret("prod/tls").unwrap().rotate(secret(&pki, &mixed));
    let failure = bench.parks("bad_value").await;
    assert_eq!(failure.message, "`key` is not the key of certificate \"orders\"");
    assert_eq!(failure.next_step, "rotate both together: take them from one secret");
    assert_eq!(bench.anypoint.requests().of(Endpoint::StorePut), 1);
    bench.aws.secret("prod/tls").unwrap().rotate(secret(&pki, &second));
    bench.in_sync(TARGET).await;
    assert_eq!(store.history().last().unwrap().text("key"), second.key);
    assert_eq!(store.history().len(), 3);
}

#[tokio::test]
async fn a_store_of_another_type_is_not_touched() {
    let parts = [("trustStore", &b"old"[..]), ("storePassphrase", b"old")];
    let (mut bench, store) = sandbox(Stores::Truststores, "JKS", parts).await;
    bench.aws.create_secret("prod/pem", Hierarchy::new().root());
    bench.start(&target("kind: truststore\n    type: PEM\n    truststore: { secret: prod/pem }")).await;
    let failure = bench.parks("rejected").await;
    assert_eq!(failure.message, "truststore \"orders-tls\" is of another type than PEM");
    assert_eq!(store.history().len(), 1);
}

#[tokio::test]
async fn a_name_is_looked_for_in_the_list_of_its_kind() {
    let pki = Hierarchy::new();
    let (mut bench, ..) = keystore(&pki).await;
    bench
        .start(&target("kind: truststore\n    type: PEM\n    truststore: { secret: prod/tls, field: chain }"))
        .await;
    let failure = bench.parks("not_found").await;
    assert_eq!(failure.message, "no truststore is named \"orders-tls\"; there are none");
    assert_eq!(
        failure.next_step,
        "correct `name` of target orders, or `organization` and `environment` of the connection; or set \
         `create: true`, and the relay creates it"
    );
}

#[tokio::test]
async fn a_late_write_of_an_older_keystore_is_found_and_written_over() {
    let pki = Hierarchy::new();
    let (mut bench, store, _) = keystore(&pki).await;
    bench.anypoint.lose_next_write(LostWrite { lands: Lands::WhenReleased, seen: Seen::Status(504) });
    let file = bench.file(&target(PEM_KEYSTORE)).replace("targets_interval: 1h", "targets_interval: 60ms");
    bench.start_with(&file).await;
    bench.meets("unavailable").await;
    bench.in_sync(TARGET).await;
    let second = pki.issue("orders");
    bench.anypoint.shift_modified_at(SignedDuration::from_secs(60));
    bench.aws.secret("prod/tls").unwrap().rotate(secret(&pki, &second));
    bench.insist().await;
    bench.in_sync(TARGET).await;
    bench.anypoint.shift_modified_at(SignedDuration::from_secs(120));
    assert_eq!(bench.anypoint.release_held_writes(), [200]);
    bench.anypoint.shift_modified_at(SignedDuration::from_secs(180));
    let healed = || store.history().len() == 5 && store.history()[4].text("key") == second.key;
    anypoint_sandbox::wait_until("the newer keystore once more", crate::support::LIMIT, healed).await;
    bench.in_sync(TARGET).await;
}
