//! What each platform of `kind: application` has of its own.

use anypoint_relay::config::{Platform, TargetKind, parse};

use crate::{SINGLE_USER, application_and, application_with, assert_printed, changed};

fn on(platform: &str, more: &str) -> String {
    changed(&application_and(more), "cloudhub2", platform)
}

/// `text` with the one property in clear.
fn clear(text: &str) -> String {
    changed(text, "secure_properties", "properties")
}

#[track_caller]
fn assert_warned(text: &str, messages: &[&str]) -> Platform {
    let config = parse(text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    let shown = config.warnings;
    assert_eq!(shown.len(), messages.len(), "{shown:?}");
    for (shown, message) in shown.iter().zip(messages) {
        assert!(shown.contains("targets.orders") && shown.contains(message), "{shown}");
    }
    match config.targets.into_values().next().map(|target| target.kind) {
        Some(TargetKind::Application(target)) => target.platform.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_setting_of_another_platform_is_no_key_here() {
    let keys = "kind, coalesce, then, connection, platform, deployment, properties, secure_properties, watch, forget, \
                receipt_property, roll_limit, supersede, canary";
    for (platform, setting, own) in [
        ("cloudhub2", "settle: 5s", ""),
        ("rtf", "restart_by: call", ""),
        ("cloudhub", "server: east", ", restart_by, settle"),
    ] {
        let key = setting.split(':').next().unwrap();
        assert_printed(
            &on(platform, &format!("    {setting}\n")),
            &format!(
                "relay.yaml:16:5: targets.orders.{key}: not a key of an application target (its keys: {keys}{own})"
            ),
        );
    }
}

#[test]
fn a_restart_call_writes_nothing_and_says_what_it_is() {
    assert_printed(
        &on("cloudhub", "    restart_by: call\n"),
        "relay.yaml:16:17: targets.orders.restart_by: a restart call writes no properties; leave it out, or the properties",
    );
    assert_printed(
        &on("cloudhub", "    restart_by: stop\n"),
        r#"relay.yaml:16:17: targets.orders.restart_by: "stop" is not a way to restart (property, call)"#,
    );
    let watch = changed(
        &on("cloudhub", "    restart_by: call\n"),
        "secure_properties:\n      db.password: { secret: prod/db, field: password }",
        "watch: [prod/db]",
    );
    let Platform::CloudHub(settings) = assert_warned(&watch, &["its specification does not have it"]) else {
        panic!("not CloudHub")
    };
    assert!(settings.restarts);
}

#[test]
fn hybrid_servers_hide_nothing() {
    assert_printed(
        &on("hybrid", ""),
        "relay.yaml:14:5: targets.orders.secure_properties: hybrid servers hide no values; move these to `properties`, where they stay readable",
    );
    let text = clear(&on("hybrid", "    server: east\n    owns_all_properties: true\n    settle: 5s\n"));
    let Platform::Hybrid(settings) = assert_warned(&text, &["stay readable in Runtime Manager", SINGLE_USER])
    else {
        panic!("not hybrid")
    };
    assert_eq!((settings.server.as_deref(), settings.owns_all_properties), (Some("east"), true));
}

#[test]
fn a_cluster_of_runtime_fabric_may_have_the_last_word() {
    assert_warned(&on("rtf", ""), &["`rtfctl apply secure-property`", SINGLE_USER]);
}

#[test]
fn a_password_with_its_user_name_is_no_sign_of_a_single_user() {
    assert_warned(&application_and("      db.user: { secret: prod/db, field: username }\n"), &[]);
    let url = r#"{ secret: prod/db, template: "jdbc:x://h/?user={login}&password={password}" }"#;
    assert_warned(&application_with("{ secret: prod/db, field: password }", url), &[]);
    let other = "      db.user: { secret: prod/other, field: username }\n";
    assert_warned(&application_and(other), &[SINGLE_USER]);
    let deep = application_with("field: password", "pointer: /db/passwd");
    assert_warned(&deep, &[SINGLE_USER]);
}

#[test]
fn limits_of_cloudhub_2_are_not_those_of_the_others() {
    let long = "x".repeat(1025);
    let with = |platform: &str| on(platform, &format!("      long: {long}\n"));
    for platform in ["cloudhub2", "rtf"] {
        assert_printed(
            &with(platform),
            "relay.yaml:16:13: targets.orders.secure_properties.long: 1025 characters; Anypoint takes at most 1024 here",
        );
    }
    parse(&with("cloudhub"), "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
}

#[test]
fn one_application_of_a_name_is_another_on_another_platform() {
    let twin = "  twin:
    kind: application
    connection: prod
    platform: PLATFORM
    deployment: orders
    watch: [prod/db]
";
    let with = |platform: &str| application_and(&twin.replace("PLATFORM", platform));
    for platform in ["cloudhub", "hybrid"] {
        parse(&with(platform), "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    }
    assert_printed(
        &with("rtf"),
        r#"relay.yaml:16:3: targets.twin: writes deployment "orders" as targets.orders (line 9) does; a thing has one writer, so put all of it into one target"#,
    );
}
