//! Credentials, and the connections and senders that have them.

use crate::{assert_printed, changed, connection_and, connection_with};

/// Asserts what is said of a connection with this as its `client_secret`.
#[track_caller]
fn assert_client_secret(text: &str, lines: &str) {
    assert_printed(&connection_with("{ env: SECRET }", text), lines);
}

#[test]
fn a_credential_in_the_file_is_refused_and_not_shown() {
    assert_client_secret(
        "hunter2-hunter2",
        "relay.yaml:5:20: connections.prod.client_secret: a credential is given by reference, never in this file; write { env: NAME }, { file: /path } or { aws_secret: { secret: name, field: name } } (what stands here is not shown)",
    );
    assert_client_secret(
        "{ hunter2-hunter2 }",
        "relay.yaml:5:22: connections.prod.client_secret: a key that a credential reference does not have, not shown here (its keys: env, file, aws_secret)",
    );
    assert_client_secret(
        "{ env: hunter2-hunter2 }",
        "relay.yaml:5:27: connections.prod.client_secret.env: expected the name of an environment variable: letters, digits and `_` (what stands here is not shown)",
    );
    assert_printed(
        &connection_with("host: anypoint.mulesoft.com", "base_url: https://user:hunter2@example.com"),
        "relay.yaml:3:15: connections.prod.base_url: a URL holds no user name and no password here; credentials are given by reference",
    );
    assert_printed(
        &connection_with("host: anypoint.mulesoft.com", "host: https://user:hunter2@example.com"),
        "relay.yaml:3:11: connections.prod.host: expected a host name such as anypoint.mulesoft.com; with a scheme, port or path it is a `base_url`",
    );
    assert_printed(
        &connection_with("host: anypoint.mulesoft.com", "base_url: 'anypoint?token=hunter2'"),
        "relay.yaml:3:15: connections.prod.base_url: expected a URL such as https://relay.example.com/refresh; this is not one (not quoted here: it may hold a token)",
    );
}

#[test]
fn no_url_leads_to_where_a_platform_hands_out_credentials() {
    for (host, shown) in [
        ("169.254.169.254", "169.254.169.254"),
        ("[fd00:ec2::254]", "fd00:ec2::254"),
        ("[::ffff:169.254.170.2]", "::ffff:169.254.170.2"),
        ("2852039166", "169.254.169.254"),
    ] {
        assert_printed(
            &connection_with("host: anypoint.mulesoft.com", &format!("base_url: \"https://{host}/latest\"")),
            &format!(
                "relay.yaml:3:15: connections.prod.base_url: {shown} is where a platform hands out credentials; nothing may call it"
            ),
        );
    }
}

#[test]
fn a_credential_from_a_variable_is_to_be_a_reference() {
    assert_client_secret(
        "${SECRET}",
        "relay.yaml:5:20: connections.prod.client_secret: a credential is given by reference; write { env: SECRET }",
    );
    assert_client_secret(
        "${HIDDEN}",
        "relay.yaml:5:20: connections.prod.client_secret: a credential is given by reference; write { env: HIDDEN }",
    );
    assert_client_secret(
        "${SECRET:-hunter2}",
        "relay.yaml:5:20: connections.prod.client_secret: a credential is given by reference, never in this file; write { env: NAME }, { file: /path } or { aws_secret: { secret: name, field: name } } (what stands here is not shown)",
    );
}

#[test]
fn a_reference_has_one_of_its_three_forms() {
    assert_client_secret(
        "[a]",
        "relay.yaml:5:5: connections.prod.client_secret: expected a reference to a credential: { env: NAME }, { file: /path } or { aws_secret: { secret: name, field: name } }, found a list",
    );
    assert_client_secret(
        "",
        "relay.yaml:5:5: connections.prod.client_secret: expected a reference to a credential: { env: NAME }, { file: /path } or { aws_secret: { secret: name, field: name } }, found nothing",
    );
    assert_client_secret(
        "{ evn: SECRET }",
        r#"relay.yaml:5:22: connections.prod.client_secret.evn: not a key of a credential reference; did you mean "env"? (its keys: env, file, aws_secret)"#,
    );
    assert_client_secret(
        "{ env: A, file: /b }",
        "relay.yaml:5:5: connections.prod.client_secret: give only one of `env`, `file` and `aws_secret`",
    );
    assert_client_secret(
        "{ aws_secret: { field: x } }",
        "relay.yaml:5:22: connections.prod.client_secret.aws_secret: `secret` is missing: the name or ARN of a secret",
    );
}

#[test]
fn an_empty_connection_names_everything_it_lacks() {
    assert_printed("connections:
  prod: {}
", "relay.yaml:2:3: connections.prod: `host` is missing: the control plane, such as anypoint.mulesoft.com
relay.yaml:2:3: connections.prod: `client_id` is missing: the connected app's id, such as { env: ANYPOINT_ID }
relay.yaml:2:3: connections.prod: `client_secret` is missing: the connected app's secret, such as { env: ANYPOINT_SECRET }
relay.yaml:2:3: connections.prod: `organization` is missing: the id of the business group
relay.yaml:2:3: connections.prod: `environment` is missing: the id of the environment");
}

#[test]
fn a_connection_leads_to_one_place_over_https() {
    assert_printed(
        &connection_with(
            "    host:",
            "    base_url: http://127.0.0.1:8081
    host:",
        ),
        "relay.yaml:2:3: connections.prod: give only one of `host` and `base_url`",
    );
    assert_printed(
        &connection_with("host: anypoint.mulesoft.com", "base_url: http://anypoint.example.com"),
        "relay.yaml:3:15: connections.prod.base_url: use https; plain http is for this machine only (127.0.0.1, ::1, localhost)",
    );
    assert_printed(
        &connection_with("host: anypoint.mulesoft.com", "base_url: ftp://anypoint.example.com"),
        "relay.yaml:3:15: connections.prod.base_url: expected a URL such as https://relay.example.com/refresh; only https is spoken, and http to this machine",
    );
}

#[test]
fn ids_and_limits_of_a_connection_are_checked() {
    assert_printed(
        &changed(
            &connection_and(
                "    rates: { application_manager: 20, accounts: fast, secret_manager: 1 }
    max_requests: 0
    max_rolling: 0
    timeout: 0s
",
            ),
            "3f8a6c2e-5b1d-4f70-9c3a-2d4e6f8a0b1c",
            "acme",
        ),
        r#"relay.yaml:6:19: connections.prod.organization: expected the id (UUID) of a business group, found "acme"
relay.yaml:8:35: connections.prod.rates.application_manager: expected a number of requests per second between 0.1 and 15, found "20"; Anypoint refuses more than 15 per second from one address
relay.yaml:8:49: connections.prod.rates.accounts: expected a number of requests per second between 0.1 and 1000, found "fast"
relay.yaml:8:55: connections.prod.rates.secret_manager: not a key of `rates`; did you mean "secrets_manager"? (its keys: accounts, application_manager, secrets_manager, secrets)
relay.yaml:9:19: connections.prod.max_requests: expected a whole number between 1 and 1000, found "0"
relay.yaml:10:18: connections.prod.max_rolling: expected a whole number between 1 and 1000, found "0"
relay.yaml:11:14: connections.prod.timeout: expected a duration between 10ms and 5m, found "0s""#,
    );
}

/// Asserts what is said of a connection with this as its `proxy`.
#[track_caller]
fn assert_proxy(text: &str, lines: &str) {
    assert_printed(&connection_and(&format!("    proxy: {text}\n")), lines);
}

#[test]
fn a_proxy_is_none_or_a_url_with_its_password_by_reference() {
    assert_proxy(
        "http://user:hunter2@proxy.example.com:3128",
        "relay.yaml:8:12: connections.prod.proxy: expected `none`, or a mapping such as { url: http://proxy.example.com:3128 } (what stands here is not shown)",
    );
    assert_proxy(
        "[none]",
        "relay.yaml:8:5: connections.prod.proxy: expected `none`, or a mapping such as { url: http://proxy.example.com:3128 }, found a list",
    );
    assert_proxy(
        "{ username: relay, url: 'http://user:hunter2@proxy.example.com:3128' }",
        "relay.yaml:8:5: connections.prod.proxy: `password` is missing beside `username`: a reference such as { env: NAME }
relay.yaml:8:36: connections.prod.proxy.url: user name and password do not stand in the URL; give `username`, and `password` by reference",
    );
    for url in ["socks5://proxy.example.com", "proxy.example.com:3128", "http://proxy.example.com/hunter2"] {
        assert_proxy(
            &format!("{{ url: {url:?} }}"),
            "relay.yaml:8:19: connections.prod.proxy.url: expected the URL of a proxy such as http://proxy.example.com:3128 (not quoted here: it may hold a password)",
        );
    }
    assert_proxy(
        "{ username: 'a:b', password: hunter2 }",
        "relay.yaml:8:5: connections.prod.proxy: `url` is missing: the proxy, such as http://proxy.example.com:3128
relay.yaml:8:24: connections.prod.proxy.username: a user name of HTTP Basic has no colon
relay.yaml:8:41: connections.prod.proxy.password: a credential is given by reference, never in this file; write { env: NAME }, { file: /path } or { aws_secret: { secret: name, field: name } } (what stands here is not shown)",
    );
    assert_proxy(
        "{ url: http://proxy.example.com:3128, user: relay, password: { env: PROXY_PASSWORD } }",
        "relay.yaml:8:5: connections.prod.proxy: `username` is missing beside `password`
relay.yaml:8:50: connections.prod.proxy: a key that a proxy does not have, not shown here (its keys: username, password, url)",
    );
}

#[test]
fn a_client_certificate_comes_with_its_key() {
    assert_printed(
        &connection_and("    client_certificate: { certificate: /etc/relay/client.pem }\n"),
        "relay.yaml:8:5: connections.prod.client_certificate: `key` is missing: the path of a PEM file with its private key",
    );
}

#[test]
fn topics_are_distinct_standard_topics() {
    assert_printed(
        "ingress: { sns: {} }\n",
        "relay.yaml:1:12: ingress.sns: `topics` is missing: the ARNs of the topics that are listened to",
    );
    assert_printed(
        "ingress: { sns: { topics: [] } }\n",
        "relay.yaml:1:19: ingress.sns.topics: expected a list of topic ARNs, found an empty one",
    );
    assert_printed(
        "ingress:
  sns:
    topics:
      - arn:aws:sns:eu-west-1:123456789012:t
      - arn:aws:sns:eu-west-1:123456789012:t
      - arn:aws:sqs:eu-west-1:123456789012:q
      - arn:aws:sns:eu-west-1:123456789012:t.fifo
",
        r#"relay.yaml:5:9: ingress.sns.topics[1]: listed twice; keep one of them
relay.yaml:6:9: ingress.sns.topics[2]: expected the ARN of an SNS topic (arn:<partition>:sns:<region>:<account>:<name>), found "arn:aws:sqs:eu-west-1:123456789012:q"
relay.yaml:7:9: ingress.sns.topics[3]: a FIFO topic does not deliver over HTTPS; use a standard topic"#,
    );
}

#[test]
fn a_relaxed_certificate_path_leads_to_loopback_only() {
    assert_printed(
        "ingress:
  sns:
    topics: [arn:aws:sns:eu-west-1:123456789012:t]
    emulator:
      connect: 10.0.0.1:443
      certificate_path: /certs/
",
        "relay.yaml:6:25: ingress.sns.emulator.certificate_path: a further certificate path is for emulators on this machine only: set `connect` to a loopback address such as 127.0.0.1:4566, or leave the path out",
    );
}

#[test]
fn an_eventbridge_sender_proves_itself_in_one_way() {
    assert_printed(
        "ingress:
  eventbridge:
    accounts: [12345]
    regions: [europe]
    rule: arn:aws:events:eu-west-1:123456789012:event-bus/default
",
        r#"relay.yaml:2:3: ingress.eventbridge: `auth` is missing: `api_key`, `basic` or `oauth`, as in the EventBridge connection
relay.yaml:3:16: ingress.eventbridge.accounts[0]: expected an AWS account id of twelve digits, found "12345"
relay.yaml:4:15: ingress.eventbridge.regions[0]: expected an AWS region such as eu-west-1, found "europe"
relay.yaml:5:11: ingress.eventbridge.rule: expected the name of an EventBridge rule, or its ARN (arn:<partition>:events:<region>:<account>:rule/<name>), found "arn:aws:events:eu-west-1:123456789012:event-bus/default""#,
    );
    assert_printed(
        "ingress:
  eventbridge:
    auth:
      api_key: { header: 'x api', values: [{ env: A }, { env: B }, { env: C }] }
",
        r#"relay.yaml:4:26: ingress.eventbridge.auth.api_key.header: expected the name of a header such as x-api-key, found "x api"
relay.yaml:4:35: ingress.eventbridge.auth.api_key.values: at most two values at once: the present one and the next"#,
    );
    assert_printed("ingress:
  eventbridge:
    auth:
      basic: { username: 'a:b' }
", "relay.yaml:4:7: ingress.eventbridge.auth.basic: `password` is missing: a reference such as { env: NAME }
relay.yaml:4:26: ingress.eventbridge.auth.basic.username: a user name of HTTP Basic has no colon");
    assert_printed(
        "ingress:
  eventbridge:
    auth:
      api_key: { value: { env: A } }
      basic: { username: a, password: { env: B } }
",
        "relay.yaml:3:5: ingress.eventbridge.auth: give only one of `api_key`, `basic` and `oauth`",
    );
}

#[test]
fn an_issuer_is_reached_over_https_by_name() {
    assert_printed(
        "ingress:
  eventbridge:
    auth:
      oauth: { algorithms: [HS256, none, RS256, RS256], leeway: 1h, scope: 'a b' }
",
        r#"relay.yaml:4:7: ingress.eventbridge.auth.oauth: `issuer` is missing: the `iss` of the tokens
relay.yaml:4:7: ingress.eventbridge.auth.oauth: `audience` is missing: the `aud` of the tokens
relay.yaml:4:7: ingress.eventbridge.auth.oauth: `jwks_url` is missing: where the issuer publishes its keys (`jwks_uri`)
relay.yaml:4:29: ingress.eventbridge.auth.oauth.algorithms[0]: "HS256" is not an algorithm; did you mean "ES256"? (RS256, ES256, RS384, RS512, PS256, PS384, PS512, ES384, EdDSA)
relay.yaml:4:36: ingress.eventbridge.auth.oauth.algorithms[1]: "none" is not an algorithm (RS256, ES256, RS384, RS512, PS256, PS384, PS512, ES384, EdDSA)
relay.yaml:4:49: ingress.eventbridge.auth.oauth.algorithms[3]: listed twice; keep one of them
relay.yaml:4:65: ingress.eventbridge.auth.oauth.leeway: expected a duration between 0s and 10m, found "1h"
relay.yaml:4:76: ingress.eventbridge.auth.oauth.scope: one scope; tokens separate several by spaces"#,
    );
    for (url, problem) in [
        ("http://127.0.0.1/keys", "use https: whoever can change the keys on their way can sign tokens"),
        ("https://10.1.2.3/keys", "name the issuer's host; an address has no place here"),
        ("https://[::1]/keys", "name the issuer's host; an address has no place here"),
        (
            "https://u:hunter2@login.example.com/",
            "a URL holds no user name and no password here; credentials are given by reference",
        ),
    ] {
        let text = format!(
            "ingress:
  eventbridge:
    auth:
      oauth:
        issuer: i
        audience: a
        jwks_url: '{url}'
"
        );
        assert_printed(
            &text,
            &format!("relay.yaml:7:19: ingress.eventbridge.auth.oauth.jwks_url: {problem}"),
        );
    }
}

#[test]
fn a_trigger_key_is_shared_or_public() {
    assert_printed("ingress:
  trigger:
    keys:
      - { id: a, value: { env: A }, public_key: whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= }
      - { id: b, public_key: whsk_hunter2 }
      - { id: c }
", "relay.yaml:4:9: ingress.trigger.keys[0]: give only one of `value` and `public_key`
relay.yaml:5:30: ingress.trigger.keys[1].public_key: expected a public key: whpk_ and the base64 of an Ed25519 key (what stands here is not shown)
relay.yaml:6:9: ingress.trigger.keys[2]: `value` is missing: a reference such as { env: TRIGGER_KEY } (or `public_key`, where the sender signs with an Ed25519 key)");
}

#[test]
fn trigger_keys_have_distinct_ids_and_references() {
    assert_printed("ingress:
  trigger:
    keys:
      - { id: ops, value: { env: A } }
      - { id: ops, value: whsec_hunter2 }
      - { value: { env: A } }
", "relay.yaml:5:15: ingress.trigger.keys[1].id: another key has this id already; give each its own
relay.yaml:5:27: ingress.trigger.keys[1].value: a credential is given by reference, never in this file; write { env: NAME }, { file: /path } or { aws_secret: { secret: name, field: name } } (what stands here is not shown)
relay.yaml:6:9: ingress.trigger.keys[2]: `id` is missing: a name for logs and audit");
    assert_printed(
        "ingress: { trigger: { keys: [] } }\n",
        "relay.yaml:1:23: ingress.trigger.keys: expected one to eight keys, found 0",
    );
}

#[test]
fn the_two_listeners_do_not_share_an_address() {
    assert_printed(
        "listen: 127.0.0.1:8080
admin: { listen: 127.0.0.1:8080 }
",
        "relay.yaml:2:18: admin.listen: 127.0.0.1:8080 is the address of the hooks; give the admin listener its own",
    );
}

#[test]
fn a_roll_window_has_two_times_of_day_and_a_zone_that_exists() {
    assert_printed(
        &connection_and("    roll_window: { from: 22, to: \"5:00\", timezone: Berlin, days: [] }\n"),
        r#"relay.yaml:8:26: connections.prod.roll_window.from: expected a time of day such as "22:00", found "22"
relay.yaml:8:34: connections.prod.roll_window.to: expected a time of day such as "22:00", found "5:00"
relay.yaml:8:52: connections.prod.roll_window.timezone: expected the name of a time zone such as Europe/Berlin, found "Berlin"
relay.yaml:8:60: connections.prod.roll_window.days: not a key of a roll window (its keys: from, to, timezone)"#,
    );
}
