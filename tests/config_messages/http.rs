//! `http` targets.

use anypoint_relay::config::parse;

use crate::assert_printed;

/// A target that is right, with these lines.
fn target_and(lines: &str) -> String {
    format!(
        "targets:
  facade:
    kind: http
    url: https://example.com/x
    key: {{ env: KEY }}
    watch: [prod/db]
{lines}"
    )
}

#[track_caller]
fn assert_target(lines: &str, printed: &str) {
    assert_printed(&target_and(lines), printed);
}

#[test]
fn a_target_has_a_url_a_key_and_a_secret() {
    assert_printed("targets:
  facade:
    kind: http
    url: http://example.com/x
    connection: prod
", "relay.yaml:2:3: targets.facade: `key` is missing: the signing key, such as { env: FACADE_KEY }
relay.yaml:2:3: targets.facade: depends on no secret; name those that it sends under `values`, `body` or `headers`, or those that it tells about under `watch`
relay.yaml:4:10: targets.facade.url: use https; plain http is for this machine only (127.0.0.1, ::1, localhost)
relay.yaml:5:5: targets.facade.connection: not a key of an http target (its keys: kind, coalesce, then, url, method, key, headers, values, body, watch, expect, allow, timeout, extra_root, client_certificate, proxy)");
    assert_printed("targets:
  facade:
    kind: http
    url: https://example.com/x
    key: { env: KEY }
    values: { a: b }
    watch: [{ name: x }]
", "relay.yaml:7:13: targets.facade.watch[0]: `secret` is missing: the name or ARN of a secret
relay.yaml:7:15: targets.facade.watch[0].name: not a key of a watched secret (its keys: secret, region, role)");
    for lines in [
        "    values: { a: b }\n",
        "    body: { a: { fact: target } }\n",
        "    headers: { a: { env: B } }\n",
        "    headers: { a: { aws_secret: { secret: prod/db } } }\n",
        "",
    ] {
        assert_printed(
            &target_and(lines).replace("    watch: [prod/db]\n", ""),
            "relay.yaml:2:3: targets.facade: depends on no secret; name those that it sends under `values`, `body` or `headers`, or those that it tells about under `watch`",
        );
    }
}

#[test]
fn a_method_goes_with_its_body() {
    assert_target(
        "    method: post\n",
        r#"relay.yaml:7:13: targets.facade.method: expected POST, PUT, PATCH or GET, found "post""#,
    );
    for body in ["values: { a: b }", "body: { a: b }"] {
        let key = body.split(':').next().unwrap_or_default();
        assert_target(
            &format!("    method: GET\n    {body}\n"),
            &format!(
                "relay.yaml:8:5: targets.facade.{key}: a GET has no body; leave this out, or take another `method`"
            ),
        );
    }
    assert_target(
        "    values: { a: b }\n    body: { a: b }\n",
        "relay.yaml:8:5: targets.facade.body: give only one of `values` and `body`",
    );
}

#[test]
fn headers_are_those_that_the_relay_does_not_set() {
    for name in ["Content-Type", "HOST", "content-length", "webhook-id", "Webhook-Anything", "user-agent"] {
        assert_target(
            &format!("    headers: {{ {name}: x }}\n"),
            &format!(
                "relay.yaml:7:{}: targets.facade.headers.{name}: the relay sets this header itself, or has no use for it; leave it out",
                18 + name.len()
            ),
        );
    }
    assert_target(
        "    headers: { x y: z, x-a: 1, X-A: 2 }\n",
        r#"relay.yaml:7:21: targets.facade.headers."x y": not the name of a header, such as x-api-key
relay.yaml:7:37: targets.facade.headers.X-A: given twice, in other letters; keep one of them"#,
    );
    assert_target(
        "    headers: { x-a: ' a', x-b: \"a\\nb\", x-c: \u{e9}, x-d: [a] }\n",
        "relay.yaml:7:21: targets.facade.headers.x-a: its value begins or ends with a blank, which no header can carry
relay.yaml:7:32: targets.facade.headers.x-b: its value has characters other than those of ASCII on one line, which no header can carry
relay.yaml:7:45: targets.facade.headers.x-c: its value has characters other than those of ASCII on one line, which no header can carry
relay.yaml:7:48: targets.facade.headers.x-d: expected a source such as { secret: prod/db, field: password }, or a text, found a list",
    );
    assert_target(
        "    headers: { x-a: { env: hunter2 b }, x-b: { file: /a, hunter2: b }, x-c: { secret: a, as: text } }\n",
        "relay.yaml:7:28: targets.facade.headers.x-a.env: expected the name of an environment variable: letters, digits and `_` (what stands here is not shown)
relay.yaml:7:58: targets.facade.headers.x-b: a key that a credential reference does not have, not shown here (its keys: env, file, aws_secret)
relay.yaml:7:90: targets.facade.headers.x-c.as: not a key of a source (its keys: secret, region, role, field, pointer, binary, template)",
    );
}

#[test]
fn a_credential_in_a_header_of_the_file_is_warned_about() {
    let warnings = |headers: &str| {
        let text = target_and(&format!("    headers: {{ {headers} }}\n"));
        parse(&text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}")).warnings
    };
    assert_eq!(
        warnings("Authorization: Bearer x"),
        [
            "relay.yaml:7:31: targets.facade.headers.Authorization: a header whose value is in this file; if it is a \
          credential, give a reference such as { env: NAME }"
        ]
    );
    assert_eq!(warnings("authorization: { env: X }, client_id: x"), Vec::<String>::new());
}

#[test]
fn a_body_is_json_with_sources_and_facts_in_it() {
    assert_target(
        "    body:\n",
        "relay.yaml:7:5: targets.facade.body: expected what is to be sent; without `body` it is the relay's own notice",
    );
    assert_target(
        "    body: { db: { secret: prod/db, feild: a, as: integer }, list: [1, { fact: now }] }\n",
        r#"relay.yaml:7:36: targets.facade.body.db.feild: not a key of a source; a member of that name is written `\secret`; did you mean "field"? (its keys: secret, region, role, field, pointer, binary, template, as)
relay.yaml:7:50: targets.facade.body.db.as: "integer" is not a type (text, number, boolean, json)
relay.yaml:7:79: targets.facade.body.list[1].fact: "now" is not a fact (target, secrets, message_id, time)"#,
    );
    assert_target(
        "    body: { secret: { id: 1 }, user: app }\n",
        r"relay.yaml:7:13: targets.facade.body.secret: expected the name or ARN of a secret, found a mapping
relay.yaml:7:32: targets.facade.body.user: not a key of a source; a member of that name is written `\secret` (its keys: secret, region, role, field, pointer, binary, template, as)",
    );
    assert_target(
        "    body: { x: { fact: target, to: y }, a: 1, \\a: 2 }\n",
        r"relay.yaml:7:32: targets.facade.body.x.to: not a key of a fact; a member of that name is written `\fact` (its keys: fact)
relay.yaml:7:51: targets.facade.body.\a: given twice, once with a backslash",
    );
}

#[test]
fn an_expectation_names_statuses_and_places_in_the_answer() {
    for (text, column, found) in [("ok", 13, r#""ok""#), ("1xx", 13, r#""1xx""#), ("99", 13, r#""99""#)] {
        assert_target(
            &format!("    expect: {text}\n"),
            &format!(
                "relay.yaml:7:{column}: targets.facade.expect: expected a status such as 204, a class such as 2xx, or a list of them, found {found}"
            ),
        );
    }
    assert_target(
        "    expect: { status: [200, 200], json: { status: ready, /a: [b], /c~2: d }, body: x }\n",
        "relay.yaml:7:29: targets.facade.expect.status[1]: listed twice; keep one of them
relay.yaml:7:51: targets.facade.expect.json.status: not a JSON pointer such as /status
relay.yaml:7:58: targets.facade.expect.json./a: expected a text, a number, true, false or null, found a list
relay.yaml:7:73: targets.facade.expect.json./c~2: not a JSON pointer such as /status
relay.yaml:7:78: targets.facade.expect.body: not a key of an expectation (its keys: status, json)",
    );
}

#[test]
fn an_address_that_is_not_public_is_named_under_allow() {
    let url = |url: &str| target_and("").replace("https://example.com/x", url);
    for (address, shown, ground) in [
        ("127.0.0.1", "127.0.0.1", "a loopback"),
        ("0x7f.1", "127.0.0.1", "a loopback"),
        ("10.1.2.3", "10.1.2.3", "a private"),
        ("[::1]", "::1", "a loopback"),
        ("[::ffff:10.0.0.1]", "::ffff:10.0.0.1", "a private"),
    ] {
        assert_printed(
            &url(&format!("https://{address}/x?token=hunter2")),
            &format!(
                "relay.yaml:4:10: targets.facade.url: {shown} is {ground} address, and `allow` does not name it; if it is meant, write `allow: [\"{shown}\"]`"
            ),
        );
    }
    for named in ["[127.0.0.1]", "['127.0.0.0/8']", "['0.0.0.0/0', '::/0']"] {
        let text = format!("{}    allow: {named}\n", url("https://127.0.0.1/x"));
        parse(&text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    }
    for address in ["169.254.169.254", "[fd00:ec2::254]", "169.254.170.2", "[::ffff:169.254.169.254]"] {
        let shown = address.trim_matches(['[', ']']);
        assert_printed(
            &format!("{}    allow: ['0.0.0.0/0', '::/0']\n", url(&format!("https://{address}/x"))),
            &format!(
                "relay.yaml:4:10: targets.facade.url: {shown} is where a platform hands out credentials; nothing may call it"
            ),
        );
    }
}

#[test]
fn what_is_allowed_is_an_address_a_network_or_a_host() {
    assert_target(
        "    allow: [169.254.169.254, 'fd00:ec2::254', 169.254.170.2/32, '::ffff:169.254.169.254']\n",
        "relay.yaml:7:13: targets.facade.allow[0]: 169.254.169.254 is where a platform hands out credentials; no target may call it, so leave it out
relay.yaml:7:30: targets.facade.allow[1]: fd00:ec2::254 is where a platform hands out credentials; no target may call it, so leave it out
relay.yaml:7:47: targets.facade.allow[2]: 169.254.170.2 is where a platform hands out credentials; no target may call it, so leave it out
relay.yaml:7:65: targets.facade.allow[3]: 169.254.169.254 is where a platform hands out credentials; no target may call it, so leave it out",
    );
    assert_target(
        "    allow: [10.0.0.1/8, 'https://refresh.internal', '*.internal', 10.0.0.1, 10.0.0.1]\n",
        r#"relay.yaml:7:13: targets.facade.allow[0]: expected the network 10.0.0.0/8, found "10.0.0.1/8"
relay.yaml:7:25: targets.facade.allow[1]: expected an address, a network or a host such as 10.1.2.3, 10.0.0.0/8 or refresh.internal, found "https://refresh.internal"
relay.yaml:7:53: targets.facade.allow[2]: expected an address, a network or a host such as 10.1.2.3, 10.0.0.0/8 or refresh.internal, found "*.internal"
relay.yaml:7:77: targets.facade.allow[4]: listed twice; keep one of them"#,
    );
    assert_target(
        "    allow: []\n",
        "relay.yaml:7:5: targets.facade.allow: expected a list of addresses, networks and host names, found an empty one",
    );
}
