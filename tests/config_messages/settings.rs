//! Keys, types and ranges.

use crate::{APPLICATION, application_with, assert_printed, connection_with};

#[test]
fn an_unknown_key_names_the_nearest_and_all() {
    assert_printed(
        "listn: 0.0.0.0:8080\n",
        r#"relay.yaml:1:1: listn: not a key of the configuration; did you mean "listen"? (its keys: listen, tls, limits, admin, ingress, aws, reconcile, receipts, queue, log, alerts, audit, traces, connections, targets)"#,
    );
    assert_printed(
        "reconcile: { every: 5m }\n",
        "relay.yaml:1:14: reconcile.every: not a key of `reconcile` (its keys: interval, targets_interval)",
    );
    assert_printed(
        &application_with("deployment:", "deploymnt:"),
        r#"relay.yaml:9:3: targets.orders: `deployment` is missing: the name or id of the deployment
relay.yaml:13:5: targets.orders.deploymnt: not a key of an application target; did you mean "deployment"? (its keys: kind, coalesce, then, connection, platform, deployment, properties, secure_properties, watch, forget, receipt_property, roll_limit, supersede, canary)"#,
    );
}

#[test]
fn alerts_have_bounds_and_a_topic_of_their_own() {
    for (alerts, printed) in [
        (
            "stale_for: 15m",
            r#"11: alerts.stale_for: not a key of `alerts`; did you mean "stale_after"? (its keys: stale_after, repeat, topic)"#,
        ),
        (
            "stale_after: 8d",
            r#"24: alerts.stale_after: expected a duration such as 500ms, 30s, 5m or 1h15m, found "8d""#,
        ),
        (
            "stale_after: 169h",
            r#"24: alerts.stale_after: expected a duration between 10ms and 168h, found "169h""#,
        ),
        (
            "topic: relay-alerts",
            r#"18: alerts.topic: expected the ARN of an SNS topic (arn:<partition>:sns:<region>:<account>:<name>), found "relay-alerts""#,
        ),
        (
            "topic: arn:aws:sns:eu-west-1:123456789012:alerts.fifo",
            "18: alerts.topic: a FIFO topic wants a message group, and alerts belong to none; use a standard topic",
        ),
    ] {
        assert_printed(&format!("alerts: {{ {alerts} }}\n"), &format!("relay.yaml:1:{printed}"));
    }
    let topic = "arn:aws:sns:eu-west-1:123456789012:rotations";
    assert_printed(
        &format!("ingress: {{ sns: {{ topics: [\"{topic}\"] }} }}\nalerts: {{ topic: \"{topic}\" }}\n"),
        "relay.yaml:2:18: alerts.topic: listed under `ingress.sns.topics`: the relay would be sent its own alerts",
    );
}

#[test]
fn the_audit_has_a_place_of_its_own_and_a_key_by_reference() {
    for (audit, printed) in [
        (
            "{}",
            "relay.yaml:2:1: audit: `to` is missing: stdout, or the path of a file
relay.yaml:2:1: audit: `key` is missing: a reference to 32 bytes or more, such as { env: AUDIT_KEY }",
        ),
        (
            "{ to: stdout, key: hunter2 }",
            "relay.yaml:2:27: audit.key: a credential is given by reference, never in this file; write { env: NAME }, \
             { file: /path } or { aws_secret: { secret: name, field: name } } (what stands here is not shown)",
        ),
        (
            "{ to: /var/lib/relay.json, key: { env: AUDIT_KEY } }",
            "relay.yaml:2:14: audit.to: the file of `receipts`; give the audit a file of its own",
        ),
        (
            "{ to: stdout, key: { env: AUDIT_KEY }, head_every: 2d }",
            r#"relay.yaml:2:59: audit.head_every: expected a duration such as 500ms, 30s, 5m or 1h15m, found "2d""#,
        ),
        (
            "{ to: stdout, key: { env: AUDIT_KEY }, head_every: 500ms }",
            r#"relay.yaml:2:59: audit.head_every: expected a duration between 1s and 24h, found "500ms""#,
        ),
    ] {
        assert_printed(&format!("receipts: /var/lib/relay.json\naudit: {audit}\n"), printed);
    }
}

#[test]
fn an_unknown_kind_names_the_nearest_and_all() {
    assert_printed(
        &application_with("kind: application", "kind: aplication"),
        r#"relay.yaml:10:11: targets.orders.kind: "aplication" is not a kind; did you mean "application"? (application, shared_secret, keystore, truststore, certificate, secret_value, http)"#,
    );
    assert_printed(
        &application_with("    kind: application\n", ""),
        "relay.yaml:9:3: targets.orders: `kind` is missing: application, shared_secret, keystore, truststore, certificate, secret_value or http",
    );
}

#[test]
fn an_unknown_platform_names_the_nearest_and_all() {
    assert_printed(
        &application_with("cloudhub2", "clodhub"),
        r#"relay.yaml:12:15: targets.orders.platform: "clodhub" is not a platform; did you mean "cloudhub"? (cloudhub2, rtf, cloudhub, hybrid)"#,
    );
}

#[test]
fn an_unknown_connection_names_the_known_ones() {
    assert_printed(
        &application_with("connection: prod", "connection: prdo"),
        r#"relay.yaml:11:17: targets.orders.connection: there is no connection "prdo"; did you mean "prod"? (connections: prod)"#,
    );
    assert_printed(
        APPLICATION,
        r#"relay.yaml:4:17: targets.orders.connection: there is no connection "prod"; describe it under `connections`"#,
    );
}

#[test]
fn a_mistake_in_a_connection_is_not_repeated_by_its_targets() {
    assert_printed(
        &application_with("host: anypoint.mulesoft.com", "host: my_host"),
        r#"relay.yaml:3:11: connections.prod.host: expected a host name such as anypoint.mulesoft.com, found "my_host""#,
    );
}

#[test]
fn names_of_targets_and_connections_have_a_shape() {
    assert_printed(
        &application_with("  orders:", "  orders api:"),
        r#"relay.yaml:9:3: targets."orders api": a name has 1 to 64 characters: letters, digits, '.', '_' and '-', starting with a letter or digit"#,
    );
    assert_printed(
        &connection_with("  prod:", "  -prod:"),
        "relay.yaml:2:3: connections.-prod: a name has 1 to 64 characters: letters, digits, '.', '_' and '-', starting with a letter or digit",
    );
}

#[test]
fn a_wrong_type_says_what_was_expected_and_found() {
    assert_printed(
        "reconcile: { interval: [5m] }\n",
        "relay.yaml:1:14: reconcile.interval: expected a duration such as 500ms, 30s, 5m or 1h15m, found a list",
    );
    assert_printed(
        "listen: 8080
limits: [1MiB]
queue:
  workers: many
  retry_base: 30
admin: on
ingress: sns
",
        r#"relay.yaml:1:9: listen: expected an IP address and a port such as 0.0.0.0:8080, found "8080"
relay.yaml:2:1: limits: expected a mapping (`key: value`), found a list
relay.yaml:4:12: queue.workers: expected a whole number between 1 and 1024, found "many"
relay.yaml:5:15: queue.retry_base: expected a duration such as 500ms, 30s, 5m or 1h15m, found "30"
relay.yaml:6:8: admin: expected `off` or a mapping such as { listen: 127.0.0.1:9090 }, found "on"
relay.yaml:7:10: ingress: expected a mapping (`key: value`), found "sns""#,
    );
    assert_printed(
        "log:
  filter:
",
        "relay.yaml:2:3: log.filter: expected a log filter such as info or anypoint_relay=debug,info, found nothing",
    );
    assert_printed(
        "log: { format: text, filter: 'a=b=c' }\n",
        r#"relay.yaml:1:16: log.format: "text" is not a log format (json, pretty)
relay.yaml:1:30: log.filter: expected a log filter such as info or anypoint_relay=debug,info, found "a=b=c""#,
    );
    assert_printed(
        "log: { filter: 'info,[request]=debug' }\n",
        r#"relay.yaml:1:16: log.filter: expected a log filter such as info or anypoint_relay=debug,info, found "info,[request]=debug""#,
    );
}

#[test]
fn a_value_out_of_range_says_the_range() {
    assert_printed(
        "limits: { body: 64MiB, request_timeout: 5s, concurrency: 0 }\n",
        r#"relay.yaml:1:17: limits.body: expected a size between 1KiB and 16MiB, found "64MiB"
relay.yaml:1:41: limits.request_timeout: expected a duration between 10ms and 4s900ms, found "5s"
relay.yaml:1:58: limits.concurrency: expected a whole number between 1 and 65536, found "0""#,
    );
    assert_printed(
        "queue: { workers: -1, retry_base: 1m, retry_cap: 30s }\n",
        r#"relay.yaml:1:1: queue: `retry_cap` is shorter than `retry_base`; the backoff grows from the base to the cap
relay.yaml:1:19: queue.workers: expected a whole number between 1 and 1024, found "-1""#,
    );
}

#[test]
fn a_trusted_proxy_is_an_address_or_a_network_and_not_everybody() {
    assert_printed(
        "limits:
  failed_attempts: 0
  trusted_proxies: [10.0.0.1/8, 0.0.0.0/0, proxy.internal, 10.0.0.1, 10.0.0.1]
",
        r#"relay.yaml:2:20: limits.failed_attempts: expected a whole number between 1 and 10000, found "0"
relay.yaml:3:21: limits.trusted_proxies[0]: expected the network 10.0.0.0/8, found "10.0.0.1/8"
relay.yaml:3:33: limits.trusted_proxies[1]: everybody is no proxy; name the addresses of those that stand before the relay
relay.yaml:3:44: limits.trusted_proxies[2]: expected an address or a network such as 10.0.0.0/8, found "proxy.internal"
relay.yaml:3:70: limits.trusted_proxies[4]: listed twice; keep one of them"#,
    );
}

#[test]
fn what_could_not_be_read_is_not_compared_with_anything() {
    assert_printed(
        "queue: { retry_base: 2x, retry_cap: 10ms }\n",
        r#"relay.yaml:1:22: queue.retry_base: expected a duration such as 500ms, 30s, 5m or 1h15m, found "2x""#,
    );
    assert_printed(
        "queue: { retry_base: 1h, retry_cap: 2x }\n",
        r#"relay.yaml:1:37: queue.retry_cap: expected a duration such as 500ms, 30s, 5m or 1h15m, found "2x""#,
    );
    assert_printed(
        "listen: 8081\nadmin: { listen: 127.0.0.1:8080 }\n",
        r#"relay.yaml:1:9: listen: expected an IP address and a port such as 0.0.0.0:8080, found "8081""#,
    );
    assert_printed(
        "ingress:
  sns:
    topics: [arn:aws:sns:eu-west-1:123456789012:rotations]
    emulator: { connect: 4566, certificate_path: /certs/ }
",
        r#"relay.yaml:4:26: ingress.sns.emulator.connect: expected an IP address and a port such as 0.0.0.0:8080, found "4566""#,
    );
}

#[test]
fn a_listener_that_speaks_tls_names_its_files() {
    assert_printed(
        "tls: { certificate: /etc/relay/tls.pem, keys: /etc/relay/key.pem }\n",
        r#"relay.yaml:1:1: tls: `key` is missing: the path of a PEM file with its private key
relay.yaml:1:41: tls.keys: not a key of `tls`; did you mean "key"? (its keys: certificate, key, client_ca)"#,
    );
    assert_printed(
        "admin: { tls: { key: /etc/relay/key.pem } }\n",
        "relay.yaml:1:10: admin.tls: `certificate` is missing: the path of a PEM file",
    );
}

#[test]
fn an_admin_listener_that_others_reach_asks_for_a_token() {
    assert_printed(
        "admin: { listen: 0.0.0.0:9090 }\n",
        "relay.yaml:1:18: admin.listen: other machines can reach 0.0.0.0:9090: add `token: { env: NAME }` or `operator_token`, or listen on 127.0.0.1",
    );
    assert_printed(
        "admin: { token: { env: A }, operator_tokens: [ { env: B }, { env: A } ] }\n",
        "relay.yaml:1:1: admin: environment variable A is listed for operators too, who may look as well; leave it out of `token` and `tokens`",
    );
    assert_printed(
        "admin: { listen: 0.0.0.0:9090, tokens: [ { env: A }, { env: B }, { env: C } ] }\n",
        "relay.yaml:1:32: admin.tokens: at most two values at once: the present one and the next",
    );
}

#[test]
fn connections_that_could_not_be_read_are_not_missed_by_targets() {
    assert_printed(
        &format!("connections: [prod]\n{APPLICATION}"),
        "relay.yaml:1:1: connections: expected a mapping of names to connections, found a list",
    );
}

#[test]
fn a_secret_whose_region_could_not_be_read_is_not_taken_for_another() {
    assert_printed(
        "targets:
  facade:
    kind: http
    url: https://facade.example.com/refresh
    key: { env: FACADE_KEY }
    watch: [{ secret: prod/db, region: eu_west }, prod/db]
",
        r#"relay.yaml:6:40: targets.facade.watch[0].region: expected an AWS region such as eu-west-1, found "eu_west""#,
    );
}

#[test]
fn a_flag_is_true_or_false_only() {
    assert_printed(
        "ingress:
  sns:
    topics: [arn:aws:sns:eu-west-1:123456789012:rotations]
    require_version_2: yes
    confirm: atuo
",
        r#"relay.yaml:4:24: ingress.sns.require_version_2: expected true or false, found "yes"
relay.yaml:5:14: ingress.sns.confirm: "atuo" is not a way to confirm; did you mean "auto"? (auto, api, url, off)"#,
    );
}
