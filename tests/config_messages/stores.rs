//! Keystores, truststores and certificates.

use anypoint_relay::config::parse;

use crate::{assert_printed, changed, connection_and};

const KEYSTORE: &str = "targets:
  tls:
    kind: keystore
    connection: prod
    group: edge
    name: orders-tls
    type: PEM
    certificate: { secret: prod/tls, field: certificate }
    key: { secret: prod/tls, field: key }
";

const FILE: &str = "targets:
  tls:
    kind: keystore
    connection: prod
    group: edge
    name: orders-tls
    type: JKS
    keystore: { secret: prod/tls, field: file }
    store_passphrase: { secret: prod/tls, field: passphrase }
    key_passphrase: { secret: prod/tls, field: passphrase }
    alias: orders
";

fn keystore_and(more: &str) -> String {
    connection_and(&(KEYSTORE.to_owned() + more))
}

fn warnings(text: &str) -> Vec<String> {
    parse(text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}")).warnings
}

#[test]
fn a_redeployment_is_refused_with_the_reason_and_what_to_do() {
    for whole in [keystore_and("    redeploy: [12345]\n"), keystore_and("    redeploy: 12345\n")] {
        let printed = parse(&whole, "relay.yaml", &|_| None).err().unwrap().to_string();
        assert_eq!(printed.lines().count(), 1, "{printed}");
        assert!(
            printed.contains("targets.tls.redeploy: no confirmed call of Anypoint redeploys an API instance")
        );
        assert!(printed.contains("by hand (API Manager, the instance, Settings, Save & Apply)"), "{printed}");
    }
    assert_eq!(
        warnings(&keystore_and("")),
        [
            "relay.yaml:9:3: targets.tls: a gateway or API that is running keeps the store it has read: after a \
          rotation redeploy each API instance that uses the secret group (the relay cannot)"
        ]
    );
}

#[test]
fn each_type_of_store_has_its_values() {
    assert_printed(
        &changed(&keystore_and(""), "type: PEM", "type: P12"),
        r#"relay.yaml:14:11: targets.tls.type: "P12" is not a type of store (PEM, JKS, PKCS12, JCEKS)"#,
    );
    let printed = |text: &str| parse(text, "relay.yaml", &|_| None).err().unwrap().to_string();
    let file = printed(&changed(&keystore_and(""), "type: PEM", "type: JKS"));
    for part in [
        "`keystore` is missing",
        "`store_passphrase` is missing",
        "`key_passphrase` is missing",
        "`alias` is missing",
    ] {
        assert!(file.contains(part), "{file}");
    }
    assert!(file.contains("targets.tls.certificate: not a key of a keystore target"), "{file}");
    assert_printed(
        &changed(&connection_and(FILE), "alias: orders", &format!("alias: {}", "x".repeat(65))),
        "relay.yaml:18:12: targets.tls.alias: 65 characters; Anypoint takes at most 64 here",
    );
    assert_printed(
        &changed(&connection_and(FILE), "alias: orders", "alias: orders\n    algorithm: pkix"),
        r#"relay.yaml:19:16: targets.tls.algorithm: "pkix" is not an algorithm; did you mean "PKIX"? (PKIX, SunX509)"#,
    );
    assert_printed(
        &changed(&keystore_and(""), "name: orders-tls", "name: prod/tls"),
        r#"relay.yaml:13:11: targets.tls.name: "prod/tls" cannot be a keystore: Anypoint's names have 3 to 35 letters, digits and dashes, a letter first"#,
    );
}

#[test]
fn the_specification_asks_for_the_passphrase_of_every_pem_key() {
    assert_printed(
        &keystore_and("    field_names: specification\n"),
        "relay.yaml:9:3: targets.tls: `key_passphrase` is missing: Anypoint's specification asks for it in every PEM keystore",
    );
    assert_printed(
        &keystore_and("    field_names: clients\n"),
        r#"relay.yaml:17:18: targets.tls.field_names: "clients" is not a set of field names (command_line, terraform, specification)"#,
    );
}

#[test]
fn a_certificate_has_no_type_and_no_field_names() {
    let whole = connection_and(
        "targets:
  issuer:
    kind: certificate
    connection: prod
    group: edge
    name: issuer
    type: PEM
    field_names: command_line
    certificate: fixed
",
    );
    let printed = parse(&whole, "relay.yaml", &|_| None).err().unwrap().to_string();
    for part in ["takes no secret", "issuer.type: not a key of", "issuer.field_names: not a key of"] {
        assert!(printed.contains(part), "{printed}");
    }
}

#[test]
fn a_key_or_passphrase_in_the_file_is_warned_of() {
    let literal = changed(&connection_and(FILE), "{ secret: prod/tls, field: passphrase }", "changeit");
    let warnings = warnings(&literal);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[1].contains("`store_passphrase` stands in this file"), "{warnings:?}");
    assert!(!warnings.concat().contains("changeit"));
}
