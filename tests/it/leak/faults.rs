//! Every way in which the other side can fail, with the canary in all that it says about it.

use std::rc::Rc;

use anypoint_sandbox::anypoint::{NONE, Receiver};
use anypoint_sandbox::faults::{Action, Faults, Gate, Rule, RuleId, Seen};
use http::Method;
use serde_json::json;

use super::values::TEMPLATES;
use super::{CANARY, CLIENT_SECRET, PLANTED, World, stores};

/// Answers from 301 to 504 that an API, a gateway or a proxy may give.
const STATUSES: [u16; 37] = [
    301, 302, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415,
    416, 417, 421, 422, 423, 424, 425, 428, 429, 431, 451, 500, 501, 502, 503, 504,
];
/// For the Application Manager, which takes 15 requests per second: those with a class of their own.
const FEW: [u16; 12] = [302, 304, 400, 401, 403, 404, 409, 413, 422, 500, 502, 504];

/// The Anypoints that [`anypoint`] wants: requests to each are paced, and so many in a row would take long.
pub(super) const ANYPOINTS: usize = APPLICATIONS + SECRETS + 1;
/// The first have applications.
const APPLICATIONS: usize = 6;
/// The next have shared secrets and values; the last has those whose answers slow a client down.
const SECRETS: usize = 12;

/// A fault that was asked for.
#[derive(Clone)]
pub(super) struct Fault {
    pub(super) name: String,
    pub(super) target: String,
    /// Whether a run of its target fails by it; else a run writes all the same.
    pub(super) fails: bool,
    faults: Faults,
    rule: RuleId,
}

impl Fault {
    pub(super) fn hits(&self) -> u64 {
        self.faults.hits(self.rule)
    }
}

/// An answer that repeats `secret` wherever a client might look.
fn echo(status: u16, secret: &str) -> Rule {
    let error = |code: &str, field: &str| json!({"code": code, "field": field, "message": secret, "dataPath": secret});
    let body = json!({
        "message": secret, "name": secret, "status": secret, "error": secret, "error_description": secret,
        "value": secret, "id": secret, "application": secret, "properties": {secret: secret},
        "errors": [error("RB-1003", "password"), error(secret, secret), error("RB-1004", secret)],
    });
    [
        "x-anypnt-trx-id",
        "x-transaction-id",
        "x-request-id",
        "retry-after",
        "x-ratelimit-reset",
        "location",
        "www-authenticate",
        "server",
        "warning",
    ]
    .into_iter()
    .fold(Rule::status(status), |rule, header| rule.header(header, PLANTED))
    .header("content-type", "application/json")
    .body(body.to_string())
}

/// The ways to fail that are no refusal: name, action, whether the target fails by it.
fn breaks(secret: &str) -> Vec<(&'static str, Rule)> {
    let ok = |body: String| Rule::status(200).header("content-type", "application/json").body(body);
    vec![
        ("reset-before", Rule::new(Action::ResetBefore)),
        ("reset-after", Rule::new(Action::ResetAfter)),
        ("truncated", Rule::new(Action::TruncateBody)),
        ("silence", Rule::new(Action::Hang(Gate::new()))),
        ("page", Rule::status(502).header("content-type", "text/html").body(format!("<p>{secret}</p>"))),
        ("text", ok(secret.to_owned())),
        ("half-json", ok(format!("{{\"value\": \"{secret}"))),
        ("other-json", ok(json!([secret, {"application": secret, "status": secret}]).to_string())),
        ("huge", ok(secret.repeat(120_000))),
    ]
}

/// Each fault at each call of the kinds that Anypoint serves.
pub(super) fn anypoint(world: &mut World) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut number = 0;
    let statuses = |list: &[u16]| -> Vec<(String, Rule)> {
        list.iter().map(|status| (status.to_string(), echo(*status, CANARY))).collect()
    };
    let breaks =
        || breaks(CANARY).into_iter().map(|(name, rule)| (name.to_owned(), rule)).collect::<Vec<_>>();

    // The other platforms are spread over the same ones, each with a rate of its own.
    for (platform, method) in [
        ("cloudhub", Method::PUT),
        ("cloudhub", Method::GET),
        ("hybrid", Method::PATCH),
        ("hybrid", Method::GET),
    ] {
        for (name, rule) in statuses(&FEW).into_iter().chain(breaks()) {
            let place = number % APPLICATIONS;
            number += 1;
            let target = format!("{platform}-{}-{name}", method.as_str().to_lowercase());
            let anypoint = Rc::clone(&world.anypoints[place]);
            let app = match platform {
                "cloudhub" => anypoint.deploy_cloudhub(&target, NONE, [("db.password", "before")]),
                _ => anypoint.deploy_hybrid(&target, "server", [("db.password", "before")]),
            };
            let set = anypoint.faults().clone();
            let rule = set.add(rule.method(method.clone()).path(format!("/applications/{}", app.id())));
            world.add(&elsewhere(&target, platform, place, app.id()));
            let fails = method == Method::GET || !unread(&name);
            faults.push(Fault { name: target.clone(), target, fails, faults: set, rule });
        }
    }
    for (method, list) in
        [(Method::PATCH, statuses(&FEW)), (Method::PATCH, breaks()), (Method::GET, breaks())]
    {
        for (name, rule) in list {
            let place = number % APPLICATIONS;
            number += 1;
            let target = format!("app-{}-{name}", method.as_str().to_lowercase());
            let anypoint = Rc::clone(&world.anypoints[place]);
            let app = anypoint.deploy(&target, NONE, [("db.password", "before")]);
            let set = anypoint.faults().clone();
            let rule = set.add(rule.method(method.clone()).path(app.id()));
            let id = app.id().to_owned();
            world.add(&application(&target, place, &id));
            let fails = method == Method::GET || !unread(&name);
            faults.push(Fault { name: target.clone(), target, fails, faults: set, rule });
        }
    }
    for (name, rule, value_rule) in statuses(&STATUSES)
        .into_iter()
        .chain(breaks())
        .zip(statuses(&STATUSES).into_iter().chain(breaks()))
        .map(|((name, rule), (_, value_rule))| (name, rule, value_rule))
    {
        number += 1;
        let place = APPLICATIONS + if name == "429" || name == "503" { SECRETS } else { number % SECRETS };
        let anypoint = Rc::clone(&world.anypoints[place]);
        let set = anypoint.faults().clone();
        let stored = format!("secret-{name}");
        let body = json!({"name": stored, "type": "UsernamePassword", "username": "a", "password": "b"});
        let group = anypoint.add_group(&format!("group-{name}"));
        let secret = group.add_shared_secret(&body);
        let (shared, value) = (format!("shared-{name}"), format!("value-{name}"));
        world.add(&shared_secret(&shared, place, &format!("group-{name}"), &stored));
        world.add(&secret_value(&value, place, &value));
        let at_shared = set.add(rule.method(Method::PUT).path(secret.id()));
        let at_value = set.add(value_rule.path(format!("/secrets/{value}")));
        for (target, rule) in [(shared, at_shared), (value, at_value)] {
            let fails = !unread(&name);
            faults.push(Fault { name: target.clone(), target, fails, faults: set.clone(), rule });
        }
        // A store is written through the same code, so the classes of failures are enough.
        let again = FEW.iter().map(|status| (status.to_string(), echo(*status, CANARY))).chain(breaks());
        if let Some((_, rule)) = again.into_iter().find(|(again, _)| *again == name) {
            let target = format!("store-{name}");
            let id = stores::spoilt(world, place, &group, &target, &format!("group-{name}"));
            let rule = set.add(rule.method(Method::PUT).path(id));
            let fails = !unread(&name);
            faults.push(Fault { name: target.clone(), target, fails, faults: set.clone(), rule });
        }
    }
    // What is created goes the same way but for what its answer says: an id, or that the name is taken.
    let answers =
        statuses(&[201, 400]).into_iter().chain(breaks().into_iter().filter(|(name, _)| unread(name)));
    for (number, (name, rule)) in answers.enumerate() {
        let place = APPLICATIONS + number;
        let (target, group) = (format!("created-{name}"), format!("creations-{name}"));
        let group_id = world.anypoints[place].add_group(&group).id().to_owned();
        let set = world.anypoints[place].faults().clone();
        world.add(&format!("{}    create: true\n", shared_secret(&target, place, &group, &target)));
        let rule = set.add(rule.method(Method::POST).path(group_id));
        let fails = name == "400";
        faults.push(Fault { name: target.clone(), target, fails, faults: set, rule });
    }
    faults
}

/// A write is taken where it is answered with 200, whatever the body says.
fn unread(fault: &str) -> bool {
    fault == "text" || fault.ends_with("-json")
}

fn application(name: &str, connection: usize, id: &str) -> String {
    format!(
        "  {name}:
    kind: application
    platform: cloudhub2
    connection: c{connection}
    deployment: {id}
    coalesce: 10ms
    secure_properties:
      db.password: {{ secret: canary/db, field: password }}
"
    )
}

fn elsewhere(name: &str, platform: &str, connection: usize, id: &str) -> String {
    let map = if platform == "cloudhub" { "secure_properties" } else { "properties" };
    format!(
        "  {name}:
    kind: application
    platform: {platform}
    connection: c{connection}
    deployment: \"{id}\"
    coalesce: 10ms
    settle: 100ms
    {map}:
      db.password: {{ secret: canary/db, field: password }}
"
    )
}

fn shared_secret(name: &str, connection: usize, group: &str, stored: &str) -> String {
    format!(
        "  {name}:
    kind: shared_secret
    connection: c{connection}
    group: {group}
    name: {stored}
    type: UsernamePassword
    coalesce: 10ms
    username: {{ secret: canary/db, field: username }}
    password: {{ secret: canary/db, field: password }}
"
    )
}

fn secret_value(name: &str, connection: usize, id: &str) -> String {
    format!(
        "  {name}:
    kind: secret_value
    connection: c{connection}
    secret_id: {id}
    coalesce: 10ms
    value: {{ secret: canary/db, field: password }}
"
    )
}

/// An endpoint of an `http` target that fails in every way.
pub(super) struct Endpoint {
    pub(super) faults: Vec<Fault>,
    receiver: Receiver,
    elsewhere: Receiver,
}

impl Endpoint {
    /// How many requests went where a redirect led.
    pub(super) fn stolen(&self) -> usize {
        self.elsewhere.received().len() + self.receiver.log().count_of(|request| request.path == "/stolen")
    }
}

pub(super) async fn endpoint(world: &mut World) -> Endpoint {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let mut rules: Vec<(String, Rule)> =
        STATUSES.iter().map(|status| (status.to_string(), echo(*status, CANARY))).collect();
    // What an endpoint says with a 200 is its own affair, so only what breaks the exchange is a fault.
    let broken = breaks(CANARY).into_iter().filter(|(name, _)| !name.contains("json") && *name != "text");
    rules.extend(broken.map(|(name, rule)| (name.to_owned(), rule)));
    for status in [301, 302, 303, 307, 308] {
        let to = format!("{}/stolen", elsewhere.url());
        rules.push((format!("to-{status}"), Rule::status(status).header("location", &to)));
    }
    let values = "    values:\n      password: { secret: canary/db, field: password }\n";
    // Where a part of the answer is expected, all that is said with a 200 is a fault as well.
    let templates = FEW.iter().map(|status| (status.to_string(), echo(*status, CANARY)));
    let templates = templates.chain(breaks(CANARY).into_iter().map(|(name, rule)| (name.to_owned(), rule)));
    let rules = rules.into_iter().map(|(name, rule)| (name, rule, values));
    let rules = rules.chain(templates.map(|(name, rule)| (format!("expect-{name}"), rule, TEMPLATES)));
    let set = receiver.faults().clone();
    let mut faults = Vec::new();
    for (name, rule, lines) in rules {
        let target = format!("http-{name}");
        // Only silence is waited for to the end.
        let timeout = if name.ends_with("silence") { "300ms" } else { "2s" };
        world.add(&format!(
            "  {target}:
    kind: http
    url: {}/{target}/
    allow: [127.0.0.1]
    key: {{ env: REFRESH_KEY }}
    coalesce: 10ms
    timeout: {timeout}
{lines}",
            receiver.url()
        ));
        let rule = set.add(rule.path(format!("/{target}/")));
        // A 200 is taken, whatever comes after it, where no more is expected.
        let fails = name != "huge" && name != "truncated";
        faults.push(Fault { name: target.clone(), target, fails, faults: set.clone(), rule });
    }
    Endpoint { faults, receiver, elsewhere }
}

/// One for each answer: a rule sees the region that a request was signed for.
const REGIONS: [&str; 11] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-north-1",
    "ap-south-1",
    "sa-east-1",
    "ca-central-1",
];

/// Answers of Secrets Manager that hold the value and cannot be used.
pub(super) fn aws(world: &mut World) -> Vec<Fault> {
    let set = world.bench.aws.faults().clone();
    let secret = json!({"SecretString": json!({"password": CANARY}).to_string(), "Name": "canary/db"});
    let amz = |status: u16, body: String| {
        Rule::status(status).header("content-type", "application/x-amz-json-1.1").body(body)
    };
    let rules = [
        ("truncated", Rule::new(Action::TruncateBody)),
        ("reset-after", Rule::new(Action::ResetAfter)),
        ("no-version", amz(200, secret.to_string())),
        ("half", amz(200, secret.to_string()[..40].to_owned())),
        ("text", amz(200, CANARY.to_owned())),
        ("number", amz(200, json!({"SecretString": 5, "VersionId": [CANARY]}).to_string())),
        ("no-base64", amz(200, json!({"SecretBinary": CANARY, "VersionId": "x"}).to_string())),
        ("bad-date", amz(200, json!({"SecretString": CANARY, "CreatedDate": CANARY}).to_string())),
        ("value-in-400", amz(400, secret.to_string())),
        ("value-in-500", amz(500, secret.to_string())),
        ("page", Rule::status(503).body(format!("<p>{CANARY}</p>"))),
    ];
    let mut faults = Vec::new();
    for ((name, rule), region) in rules.into_iter().zip(REGIONS) {
        let secret = world.bench.aws.create_secret_in(region, "canary/db", json!({"password": CANARY}));
        let scope = format!("/{region}/secretsmanager/");
        let there = move |seen: &Seen<'_>| {
            let signed = seen.headers.get("authorization").and_then(|value| value.to_str().ok());
            signed.is_some_and(|signed| signed.contains(&scope))
        };
        let rule = set.add(rule.tag("GetSecretValue").when(there));
        let target = format!("aws-{name}");
        world.anypoints[0].add_secret_value(&target);
        world.add(&secret_value(&target, 0, &target).replace("canary/db", &format!("\"{}\"", secret.arn())));
        faults.push(Fault { name: target.clone(), target, fails: true, faults: set.clone(), rule });
    }
    assert_eq!(faults.len(), REGIONS.len());
    faults
}

/// Answers of the token endpoint that repeat the client secret; one Anypoint for each.
pub(super) fn token(world: &mut World) -> Vec<Fault> {
    let mut rules: Vec<(String, Rule)> =
        [400, 401, 403, 500].map(|status| (status.to_string(), echo(status, CLIENT_SECRET))).into();
    let broken = breaks(CLIENT_SECRET).into_iter().filter(|(name, _)| !name.starts_with("reset-before"));
    rules.extend(broken.map(|(name, rule)| (name.to_owned(), rule)));
    let mut faults = Vec::new();
    assert_eq!(rules.len(), world.anypoints.len());
    for (place, (name, rule)) in rules.into_iter().enumerate() {
        let anypoint = Rc::clone(&world.anypoints[place]);
        anypoint.add_secret_value("any");
        let set = anypoint.faults().clone();
        let rule = set.add(rule.tag("token").times(2));
        let target = format!("token-{name}");
        world.add(&secret_value(&target, place, "any"));
        faults.push(Fault { name: target.clone(), target, fails: true, faults: set, rule });
    }
    faults
}
