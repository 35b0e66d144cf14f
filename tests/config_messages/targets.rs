//! Sources, targets, and all problems at once.

use anypoint_relay::config::parse;

use crate::{
    APPLICATION, CONNECTION, SHARED, again, application_and, application_with, assert_printed, changed,
    connection_and, shared_and, shared_with,
};

/// Asserts what is said of an application with this as the source of its one property.
#[track_caller]
fn assert_source(text: &str, lines: &str) {
    assert_printed(&application_with("{ secret: prod/db, field: password }", text), lines);
}

#[test]
fn a_source_names_a_secret_and_one_part_of_it() {
    assert_source(
        "{ field: password }",
        "relay.yaml:15:7: targets.orders.secure_properties.db.password: `secret` is missing: the name or ARN of a secret",
    );
    assert_source(
        "{ secret: prod/db, field: a, pointer: /b }",
        "relay.yaml:15:58: targets.orders.secure_properties.db.password.pointer: give only one of `field`, `pointer`, `binary` and `template`",
    );
    assert_source(
        "{ secret: prod/db, pointer: db/password }",
        r#"relay.yaml:15:48: targets.orders.secure_properties.db.password.pointer: expected a JSON pointer such as /database/password, found "db/password""#,
    );
    assert_source(
        "{ secret: prod/db, template: 'jdbc:{host' }",
        "relay.yaml:15:49: targets.orders.secure_properties.db.password.template: a `{` without its `}`; write `{{` for a literal brace",
    );
    assert_source(
        "[a]",
        "relay.yaml:15:7: targets.orders.secure_properties.db.password: expected a source such as { secret: prod/db, field: password }, or a text, found a list",
    );
    assert_source(
        "",
        "relay.yaml:15:7: targets.orders.secure_properties.db.password: expected a source such as { secret: prod/db, field: password }, or a text, found nothing",
    );
}

#[test]
fn a_secret_is_named_as_aws_names_it() {
    assert_source(
        "{ secret: 'prod db' }",
        "relay.yaml:15:30: targets.orders.secure_properties.db.password.secret: a secret name has letters, digits and /_+=.@-! only",
    );
    assert_source(
        "{ secret: 'arn:aws:secretsmanager:eu-west-1:1:secret:x' }",
        "relay.yaml:15:30: targets.orders.secure_properties.db.password.secret: an ARN of a secret reads arn:<partition>:secretsmanager:<region>:<account>:secret:<name>",
    );
    assert_source(
        "{ secret: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:x', region: eu-west-2 }",
        "relay.yaml:15:30: targets.orders.secure_properties.db.password.secret: the ARN names region eu-west-1, the configuration eu-west-2",
    );
    assert_source(
        "{ secret: x, region: europe, role: reader }",
        r#"relay.yaml:15:41: targets.orders.secure_properties.db.password.region: expected an AWS region such as eu-west-1, found "europe"
relay.yaml:15:55: targets.orders.secure_properties.db.password.role: expected the ARN of a role such as arn:aws:iam::123456789012:role/relay-reader, found "reader""#,
    );
}

#[test]
fn an_application_takes_at_least_one_secret() {
    assert_source(
        "fixed",
        "relay.yaml:9:3: targets.orders: takes no secret; give at least one value as { secret: name, field: name }, name those that the application reads itself under `watch`, or delete the target",
    );
}

#[test]
fn a_property_has_one_owner() {
    assert_printed(
        &application_and(
            "    properties:
      db.password: x
",
        ),
        "relay.yaml:17:20: targets.orders.properties.db.password: in `secure_properties` too; a property is one or the other, so keep one of them",
    );
    assert_printed(&application_and("    forget: [db.password, old, old]\n"), "relay.yaml:16:14: targets.orders.forget[0]: this target sets it; a property is either set or forgotten, so keep one of them
relay.yaml:16:32: targets.orders.forget[2]: listed twice; keep one of them");
    assert_printed(
        &application_and(
            "    properties:
      anypoint-relay.receipt: x
",
        ),
        r#"relay.yaml:9:3: targets.orders: property "anypoint-relay.receipt" holds the relay's receipt; rename yours, or set `receipt_property` to a free name"#,
    );
    assert_printed(
        &application_and("    receipt_property: db.password\n"),
        r#"relay.yaml:16:23: targets.orders.receipt_property: property "db.password" holds the relay's receipt; rename yours, or set `receipt_property` to a free name"#,
    );
}

#[test]
fn a_literal_value_fits_its_property() {
    assert_source(
        "'******'",
        "relay.yaml:15:20: targets.orders.secure_properties.db.password: only asterisks: that is how Anypoint masks a value, not a value; give the real one",
    );
}

#[test]
fn a_shared_secret_has_the_values_of_its_type() {
    assert_printed(&shared_with("type: UsernamePassword", "type: Blob"), "relay.yaml:9:3: targets.shared: `content` is missing: a source such as { secret: name, field: name }
relay.yaml:15:5: targets.shared.username: not a key of a shared_secret target (its keys: kind, coalesce, then, connection, group, name, expiry, create, type, content)
relay.yaml:16:5: targets.shared.password: not a key of a shared_secret target (its keys: kind, coalesce, then, connection, group, name, expiry, create, type, content)");
    assert_printed(
        &shared_with("type: UsernamePassword", "type: Usernamepassword"),
        r#"relay.yaml:14:11: targets.shared.type: "Usernamepassword" is not a type of shared secret; did you mean "UsernamePassword"? (UsernamePassword, SymmetricKey, S3Credential, Blob)"#,
    );
    assert_printed(
        &shared_with("name: orders-db", "name: prod/orders"),
        r#"relay.yaml:13:11: targets.shared.name: "prod/orders" cannot be a shared secret: Anypoint's names have 3 to 35 letters, digits and dashes, a letter first"#,
    );
    assert_printed(
        &shared_and("    expiry: { days: 0 }\n"),
        r#"relay.yaml:17:21: targets.shared.expiry.days: expected a whole number between 1 and 3650, found "0""#,
    );
    assert_printed(
        &shared_and("    expiry: never\n"),
        r#"relay.yaml:17:13: targets.shared.expiry: expected `keep`, `default` or { days: 90 }, found "never""#,
    );
}

#[test]
fn what_is_created_has_a_name_that_anypoint_takes() {
    assert_printed(
        &shared_and("    create: maybe\n"),
        r#"relay.yaml:17:13: targets.shared.create: expected true or false, found "maybe""#,
    );
    let id = "6f1f3c1e-7c1d-4b7a-9a43-0a6a3a1c0001";
    assert_printed(
        &changed(&shared_and("    create: true\n"), "name: orders-db", &format!("name: {id}")),
        "relay.yaml:17:13: targets.shared.create: Anypoint gives out the id of what is created, so `name` has to be a name",
    );
    assert_printed(
        &changed(&shared_and("    create: true\n"), "name: orders-db", "name: orders-"),
        "relay.yaml:17:13: targets.shared.create: a name that is created does not end in a dash, and `name` does",
    );
    for (name, lines) in [(id, "    create: false\n"), ("orders-", ""), ("orders-db", "    create: true\n")] {
        let text = changed(&shared_and(lines), "name: orders-db", &format!("name: {name}"));
        parse(&text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    }
    for name in ["ab", "1st", "under_score", &"x".repeat(36)] {
        let refused = format!(
            "relay.yaml:13:11: targets.shared.name: {name:?} cannot be a shared secret: Anypoint's names have 3 \
             to 35 letters, digits and dashes, a letter first"
        );
        assert_printed(&shared_with("name: orders-db", &format!("name: {name}")), &refused);
    }
}

#[test]
fn a_date_that_would_stand_still_after_a_creation_is_told() {
    let warnings = |more: &str| {
        let read = parse(&shared_and(more), "relay.yaml", &|_| None);
        read.unwrap_or_else(|errors| panic!("{errors}")).warnings
    };
    let told = "relay.yaml:9:3: targets.shared: what is created gets Anypoint's own expiration date, a year from \
        then, and `expiry: keep` keeps that date whatever is written later; set `expiry` to `default` or \
        { days: 90 } to move it with each write";
    assert!(warnings("    create: true\n").contains(&told.to_owned()));
    for chosen in ["", "    create: true\n    expiry: keep\n", "    create: true\n    expiry: default\n"] {
        assert_eq!(warnings(chosen).len(), 1, "that no application reads it: {chosen}");
    }
}

#[test]
fn a_secret_value_has_an_id_and_a_path() {
    assert_printed(
        &connection_and(
            "targets:
  value:
    kind: secret_value
    connection: prod
    secret_id: a/b
    path: secrets/{id}
    value: fixed
",
        ),
        r#"relay.yaml:9:3: targets.value: takes no secret; give at least one value as { secret: name, field: name }, or delete the target
relay.yaml:12:16: targets.value.secret_id: expected an id of letters, digits, `.`, `_` and `-`, found "a/b"
relay.yaml:13:11: targets.value.path: expected a path that begins with `/`, without `?` and `#`, found "secrets/{id}""#,
    );
    assert_printed(
        &connection_and(
            "targets:
  value:
    kind: secret_value
    connection: prod
    secret_id: ab
    path: /secrets/{id}
    value: { secret: prod/db }
",
        ),
        "relay.yaml:13:11: targets.value.path: the path does not name {secret}, so every target would write to one place",
    );
}

#[test]
fn one_thing_in_anypoint_has_one_target() {
    assert_printed(
        &application_and(&again(APPLICATION)),
        r#"relay.yaml:16:3: targets.again: writes deployment "orders" as targets.orders (line 9) does; a thing has one writer, so put all of it into one target"#,
    );
    assert_printed(
        &shared_and(&again(SHARED)),
        r#"relay.yaml:17:3: targets.again: writes shared secret "orders-db" of group "orders" as targets.shared (line 9) does; a thing has one writer, so put all of it into one target"#,
    );
    assert_printed(
        &changed(
            &application_and(&changed(&again(APPLICATION), "prod", "same")),
            "targets:\n",
            &[&changed(CONNECTION, "connections:\n  prod:", "  same:"), "targets:\n"].concat(),
        ),
        r#"relay.yaml:22:3: targets.again: writes deployment "orders" as targets.orders (line 15) does; a thing has one writer, so put all of it into one target"#,
    );
}

#[test]
fn problems_of_all_parts_come_together_in_the_order_of_the_file() {
    assert_printed(
        &changed(
            &changed(
                &changed(&application_and("queue: { workers: x }\n"), "{ env: ID }", "hunter2"),
                "kind: application",
                "kind: app",
            ),
            "targets:",
            "listn: 1
targets:",
        ),
        r#"relay.yaml:4:16: connections.prod.client_id: a credential is given by reference, never in this file; write { env: NAME }, { file: /path } or { aws_secret: { secret: name, field: name } } (what stands here is not shown)
relay.yaml:8:1: listn: not a key of the configuration; did you mean "listen"? (its keys: listen, tls, limits, admin, ingress, aws, reconcile, receipts, queue, log, alerts, audit, traces, connections, targets)
relay.yaml:11:11: targets.orders.kind: "app" is not a kind (application, shared_secret, keystore, truststore, certificate, secret_value, http)
relay.yaml:17:19: queue.workers: expected a whole number between 1 and 1024, found "x""#,
    );
}

#[test]
fn a_call_that_follows_has_the_keys_of_an_http_target_and_a_name_of_its_own() {
    let then = "    then: { url: 'https://orders.example.com/refresh', key: { env: KEY }, deployment: x }\n";
    assert_printed(
        &application_and(then),
        "relay.yaml:16:75: targets.orders.then.deployment: not a key of an http target (its keys: url, method, key, headers, values, body, watch, expect, allow, timeout, extra_root, client_certificate, proxy)",
    );
    assert_printed(
        &application_and("    then: {}\n"),
        "relay.yaml:16:5: targets.orders.then: `url` is missing: where the signed request goes
relay.yaml:16:5: targets.orders.then: `key` is missing: the signing key, such as { env: FACADE_KEY }",
    );
    let then = "    then: { url: 'https://orders.example.com/refresh', key: { env: KEY } }\n";
    let taken =
        "  orders.then: { kind: http, url: 'https://a.example.com', key: { env: KEY }, watch: [prod/db] }\n";
    assert_printed(
        &application_and(&[then, taken].concat()),
        "relay.yaml:16:5: targets.orders.then: is called orders.then in the status, and another target has that name",
    );
    let long = "o".repeat(60);
    assert_printed(
        &changed(&application_and(then), "  orders:\n", &format!("  {long}:\n")),
        &format!(
            "relay.yaml:16:5: targets.{long}.then: is called {long}.then in the status, and such a name has at most 64 characters; give the target a shorter one"
        ),
    );
}
