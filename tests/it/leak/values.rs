//! Secrets that hold the canary, and targets that take it, well or badly.

use std::rc::Rc;

use anypoint_sandbox::anypoint::{NONE, Receiver, SecretGroup, SharedSecret};
use anypoint_sandbox::aws::{Aws, Denied};
use serde_json::json;

use super::{CANARY, World, stores};

/// Longer than any field of Anypoint but a blob.
fn long() -> String {
    CANARY.repeat(80)
}

pub(super) fn create_secrets(aws: &Aws) {
    let object = json!({
        "username": CANARY, "password": CANARY, "port": 5432, "nothing": null,
        "object": {"in": CANARY}, "list": [CANARY], "long": long(), "ascii": CANARY.replace('é', ""),
    });
    aws.create_secret("canary/db", object.clone());
    stores::create_secrets(aws);
    aws.create_secret("canary/text", CANARY);
    aws.create_secret("canary/broken", format!("{{\"password\": \"{CANARY}"));
    aws.create_secret("canary/binary", CANARY.as_bytes().to_vec());
    aws.create_secret("canary/denied", object.clone()).deny(Some(Denied::Access));
    aws.create_secret("canary/kms", object.clone()).deny(Some(Denied::Kms));
    aws.create_secret("canary/decryption", object.clone()).deny(Some(Denied::Decryption));
    aws.create_secret("canary/deleted", object).delete();
}

/// A header and a body that hold the canary, and an answer that may.
pub(super) const TEMPLATES: &str = "    headers:
      authorization: { secret: canary/db, template: \"Bearer {ascii}\" }
      x-key: { env: TRIGGER_KEY }
    body:
      text: { secret: canary/db, field: password }
      json: { secret: canary/db, field: object, as: json }
      port: { secret: canary/db, field: port, as: number }
    expect: { json: { /status: ready } }
";

/// Targets whose names begin with the canary's start: one that works, and one that people are told of.
pub(super) fn planted_targets(name: &str) -> String {
    let target = |name: &str, id: &str, secret: &str| {
        format!(
            "  {name}:
    kind: secret_value
    connection: c0
    secret_id: {id}
    coalesce: 10ms
    value: {{ secret: {secret}, field: password }}
"
        )
    };
    target(name, "planted", "canary/db") + &target(&format!("{name}-denied"), "denied", "canary/denied")
}

/// What took the values, to be asked for them.
pub(super) struct Proof {
    shared: SharedSecret,
    /// The group in which one is created.
    group: SecretGroup,
    stores: stores::Good,
    receiver: Receiver,
}

impl Proof {
    /// The canary did travel: without that nothing would be shown.
    pub(super) fn assert_delivered(&self, world: &World) {
        let anypoint = Rc::clone(&world.anypoints[0]);
        assert_eq!(anypoint.running("good-app")[0].secure["db.password"], CANARY);
        assert_eq!(anypoint.running("good-cloudhub")[0].secure["db.password"], CANARY);
        assert_eq!(anypoint.running("good-hybrid")[0].properties["db.password"], CANARY);
        let created = self.group.shared_secret("good-created").unwrap();
        for secret in [&self.shared, &created] {
            assert_eq!(secret.current().unwrap()["password"], CANARY);
        }
        self.stores.assert_delivered();
        assert_eq!(anypoint.secret_values("good-value").last().unwrap().value, CANARY);
        let requests = self.receiver.received();
        for path in ["/take", "/body"] {
            let request = requests.iter().find(|request| request.path == path).unwrap();
            let body = String::from_utf8(request.body.to_vec()).unwrap();
            assert!(body.contains(json!(CANARY).to_string().trim_matches('"')), "{body}");
        }
        let token = requests.iter().find_map(|request| request.headers.get("authorization")).unwrap();
        assert_eq!(token.to_str().unwrap(), format!("Bearer {}", CANARY.replace('é', "")));
    }
}

/// One target of each kind that works.
pub(super) async fn good_targets(world: &mut World) -> Proof {
    let anypoint = Rc::clone(&world.anypoints[0]);
    anypoint.deploy("good-app", NONE, [("db.password", "before"), ("db.url", "before")]);
    anypoint.deploy_cloudhub("good-cloudhub", [("theirs", CANARY)], [("db.password", "before")]);
    anypoint.deploy_hybrid("good-hybrid", "server", [("theirs", CANARY)]);
    let group = anypoint.add_group("canaries");
    let body = json!({"name": "good-shared", "type": "UsernamePassword", "username": "a", "password": "b"});
    let shared = group.add_shared_secret(&body);
    let stores = stores::good_targets(world);
    anypoint.add_secret_value("good-value");
    let receiver = Receiver::start().await;
    receiver.answer(200, &json!({ "status": "ready", "echo": CANARY }).to_string());
    world.add(&format!(
        "  good-app:
    kind: application
    platform: cloudhub2
    connection: c0
    deployment: good-app
    coalesce: 10ms
    secure_properties:
      db.password: {{ secret: canary/db, field: password }}
      db.url: {{ secret: canary/db, template: \"jdbc:{{username}}:{{password}}\" }}
  good-cloudhub:
    kind: application
    platform: cloudhub
    connection: c0
    deployment: good-cloudhub
    coalesce: 10ms
    settle: 100ms
    secure_properties:
      db.password: {{ secret: canary/db, field: password }}
  good-hybrid:
    kind: application
    platform: hybrid
    connection: c0
    deployment: good-hybrid
    coalesce: 10ms
    settle: 100ms
    properties:
      db.password: {{ secret: canary/db, field: password }}
  good-shared:
    kind: shared_secret
    connection: c0
    group: canaries
    name: good-shared
    type: UsernamePassword
    coalesce: 10ms
    username: {{ secret: canary/db, field: username }}
    password: {{ secret: canary/db, field: password }}
  good-created:
    kind: shared_secret
    connection: c0
    group: canaries
    name: good-created
    type: UsernamePassword
    coalesce: 10ms
    username: {{ secret: canary/db, field: username }}
    password: {{ secret: canary/db, field: password }}
    create: true
  good-value:
    kind: secret_value
    connection: c0
    secret_id: good-value
    coalesce: 10ms
    value: {{ secret: canary/db, field: password }}
  good-http:
    kind: http
    url: {url}/take
    allow: [127.0.0.1]
    key: {{ env: REFRESH_KEY }}
    coalesce: 10ms
    values:
      password: {{ secret: canary/db, field: password }}
  good-body:
    kind: http
    method: PUT
    url: {url}/body
    allow: [127.0.0.1]
    key: {{ env: REFRESH_KEY }}
    coalesce: 10ms
{TEMPLATES}",
        url = receiver.url()
    ));
    Proof { shared, group, stores, receiver }
}

/// Targets whose values do not fit, or cannot be read, with the failure of each.
pub(super) fn bad_targets(world: &mut World) -> Vec<(String, &'static str)> {
    let anypoint = Rc::clone(&world.anypoints[0]);
    let sources = [
        ("missing-field", "canary/db, field: no_such_field", "bad_value"),
        ("null-field", "canary/db, field: nothing", "bad_value"),
        ("object-field", "canary/db, field: object", "bad_value"),
        ("list-field", "canary/db, field: list", "bad_value"),
        ("missing-pointer", "canary/db, pointer: /object/no", "bad_value"),
        ("missing-in-template", "canary/db, template: \"{password}{no}\"", "bad_value"),
        ("not-json", "canary/text, field: password", "bad_value"),
        ("broken-json", "canary/broken, field: password", "bad_value"),
        ("text-as-binary", "canary/db, binary: true", "bad_value"),
        ("binary-as-text", "canary/binary", "bad_value"),
        ("denied", "canary/denied, field: password", "denied"),
        ("no-key", "canary/kms, field: password", "denied"),
        ("no-decryption", "canary/decryption, field: password", "denied"),
        ("deleted", "canary/deleted, field: password", "not_found"),
        ("no-such-secret", "canary/nothing, field: password", "not_found"),
    ];
    let mut expected = stores::bad_targets(world);
    for (name, source, code) in sources {
        world.add(&format!(
            "  {name}:
    kind: secret_value
    connection: c0
    secret_id: {name}
    coalesce: 10ms
    value: {{ secret: {source} }}
"
        ));
        expected.push((name.to_owned(), code));
    }
    let group = anypoint.add_group("canaries");
    let shared = [
        (
            "too-long-user",
            "UsernamePassword",
            json!({"username": "a", "password": "b"}),
            "username: { secret: canary/db, field: long }\n    password: { secret: canary/db, field: password }",
            "too_long",
        ),
        (
            "too-long-key",
            "SymmetricKey",
            json!({"key": "YQ=="}),
            "key: { secret: canary/db, field: long }",
            "too_long",
        ),
        ("no-base64-key", "SymmetricKey", json!({"key": "YQ=="}), "key: { secret: canary/text }", "rejected"),
        (
            "too-long-s3",
            "S3Credential",
            json!({"accessKeyId": "a", "secretAccessKey": "b"}),
            "access_key_id: { secret: canary/db, field: username }\n    secret_access_key: { secret: canary/db, field: long }",
            "too_long",
        ),
        (
            "no-base64-blob",
            "Blob",
            json!({"content": "YQ=="}),
            "content: { secret: canary/text }",
            "rejected",
        ),
    ];
    for (name, kind, mut body, values, code) in shared {
        body["name"] = name.into();
        body["type"] = kind.into();
        group.add_shared_secret(&body);
        world.add(&format!(
            "  {name}:
    kind: shared_secret
    connection: c0
    group: canaries
    name: {name}
    type: {kind}
    coalesce: 10ms
    {values}
"
        ));
        expected.push((name.to_owned(), code));
    }
    anypoint.rules(|rules| rules.blob_must_be_base64 = true);
    anypoint.deploy("too-long-property", NONE, [("db.password", "before")]);
    anypoint.deploy("would-lose", NONE, [("db.password", "before"), ("other", CANARY)]);
    let failing = anypoint.deploy("failing-roll", NONE, [("db.password", "before")]);
    failing.fail_next_rolls(9);
    for (name, field, code) in [
        ("too-long-property", "long", "too_long"),
        ("would-lose", "password", "would_lose"),
        ("failing-roll", "password", "roll_failed"),
        ("no-such-app", "password", "not_found"),
    ] {
        world.add(&format!(
            "  {name}:
    kind: application
    platform: cloudhub2
    connection: c0
    deployment: {name}
    coalesce: 10ms
    secure_properties:
      db.password: {{ secret: canary/db, field: {field} }}
"
        ));
        expected.push((name.to_owned(), code));
    }
    world.add(
        "  nobody-listens:
    kind: http
    url: http://127.0.0.1:1/refresh
    allow: [127.0.0.1]
    key: { env: REFRESH_KEY }
    coalesce: 10ms
    values:
      password: { secret: canary/db, field: password }
  no-value-endpoint:
    kind: secret_value
    connection: c0
    secret_id: not-there
    coalesce: 10ms
    value: { secret: canary/db, field: password }
",
    );
    for (name, lines) in [
        ("no-header", "headers: { x-token: { secret: canary/db, field: password } }"),
        ("no-number", "body: { port: { secret: canary/db, field: password, as: number } }"),
        ("no-boolean", "body: { flag: { secret: canary/db, field: password, as: boolean } }"),
        ("no-json", "body: { any: { secret: canary/broken, as: json } }"),
    ] {
        world.add(&format!(
            "  {name}:
    kind: http
    url: http://127.0.0.1:1/refresh
    allow: [127.0.0.1]
    key: {{ env: REFRESH_KEY }}
    coalesce: 10ms
    {lines}
"
        ));
        expected.push((name.to_owned(), "bad_value"));
    }
    expected.push(("nobody-listens".to_owned(), "unavailable"));
    expected.push(("no-value-endpoint".to_owned(), "not_found"));
    expected
}
