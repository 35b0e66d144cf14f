//! EventBridge's rules, API destinations and connections, as its API shows them.
//!
//! A rule here is what the API tells of it, and sends nothing: which events go where is the matter of
//! [`super::Aws::emit`]. Any field of an answer can be set to what a test needs, under its name on the wire.
//!
//! Source: EventBridge API reference (awsJson1.1, `X-Amz-Target: AWSEvents.…`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value as Json, json};

use super::caller::Caller;
use super::eventbridge::{ApiDestination, Auth};
use super::failure::{Failure, respond};
use super::{Core, REGION, patterns};

/// The id in ARNs of destinations and connections.
const ID: &str = "11111111-2222-4333-8444-555555555555";

type Fields = Map<String, Json>;

/// The rules, and what was set for destinations and connections.
#[derive(Debug, Default)]
pub(crate) struct Rules(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rules: BTreeMap<String, Shown>,
    /// By ARN.
    set: BTreeMap<String, Fields>,
}

#[derive(Debug)]
struct Shown {
    rule: Json,
    targets: Vec<Json>,
}

impl Rules {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer with what was set for it.
    fn with_set(&self, arn: &str, mut answer: Json) -> Json {
        for (field, value) in self.lock().set.get(arn).into_iter().flatten() {
            put(&mut answer, field, value.clone());
        }
        answer
    }
}

fn put(object: &mut Json, field: &str, value: Json) {
    let Some(object) = object.as_object_mut() else { return };
    if value.is_null() {
        object.remove(field);
    } else {
        object.insert(field.to_owned(), value);
    }
}

/// A rule of [`REGION`], on the default bus unless that is set; clones are the same one.
#[derive(Clone, Debug)]
pub struct Rule {
    core: Arc<Core>,
    name: String,
}

impl Rule {
    /// It leads to the destination, with a role and a dead-letter queue.
    pub(crate) fn create(core: Arc<Core>, name: &str, pattern: &Json, to: &ApiDestination) -> Self {
        let account = &core.account;
        let rule = json!({
            "Arn": format!("arn:aws:events:{REGION}:{account}:rule/{name}"),
            "EventBusName": "default",
            "EventPattern": pattern.to_string(),
            "Name": name,
            "State": "ENABLED",
        });
        let target = json!({
            "Arn": to.arn(),
            "DeadLetterConfig": {"Arn": format!("arn:aws:sqs:{REGION}:{account}:given-up")},
            "Id": "relay",
            "RoleArn": format!("arn:aws:iam::{account}:role/invoke"),
        });
        core.rules.lock().rules.insert(name.to_owned(), Shown { rule, targets: vec![target] });
        Self { core, name: name.to_owned() }
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        self.with(|shown| shown.rule["Arn"].as_str().unwrap_or_default().to_owned())
    }

    /// A field of DescribeRule's answer; null leaves it out.
    pub fn set(&self, field: &str, value: impl Into<Json>) {
        self.with(|shown| put(&mut shown.rule, field, value.into()));
    }

    /// Its event pattern.
    pub fn set_pattern(&self, pattern: &Json) {
        self.set("EventPattern", pattern.to_string());
    }

    /// A field of its targets; null leaves it out.
    pub fn set_target(&self, field: &str, value: &Json) {
        self.with(|shown| shown.targets.iter_mut().for_each(|target| put(target, field, value.clone())));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shown) -> T) -> T {
        act(self.core.rules.lock().rules.get_mut(&self.name).expect("rules are kept"))
    }
}

impl ApiDestination {
    /// Its ARN.
    pub fn arn(&self) -> String {
        arn(&self.core().account, "api-destination", self.index())
    }

    /// The ARN of its connection.
    pub fn connection_arn(&self) -> String {
        arn(&self.core().account, "connection", self.index())
    }

    /// A field of DescribeApiDestination's answer; null leaves it out.
    pub fn set(&self, field: &str, value: impl Into<Json>) {
        self.note(self.arn(), field, value.into());
    }

    /// A field of DescribeConnection's answer; null leaves it out.
    pub fn set_connection(&self, field: &str, value: impl Into<Json>) {
        self.note(self.connection_arn(), field, value.into());
    }

    fn note(&self, arn: String, field: &str, value: Json) {
        self.core().rules.lock().set.entry(arn).or_default().insert(field.to_owned(), value);
    }
}

fn arn(account: &str, kind: &str, index: usize) -> String {
    format!("arn:aws:events:{REGION}:{account}:{kind}/{kind}-{index}/{ID}")
}

/// Answers a call of EventBridge.
pub(crate) fn serve(core: &Arc<Core>, caller: &Caller, operation: &str, body: &Bytes) -> Response<Body> {
    let Ok(request) = serde_json::from_slice::<Json>(body) else {
        return Failure::sender("SerializationException", "the body is not JSON").json();
    };
    let answer = match operation {
        "TestEventPattern" => test(&request),
        "DescribeRule" => rule(core, caller, &request, "Name").map(|(rule, _)| rule),
        "ListTargetsByRule" => {
            rule(core, caller, &request, "Rule").map(|(_, targets)| json!({"Targets": targets}))
        }
        "DescribeApiDestination" => destination(core, &request),
        "DescribeConnection" => connection(core, &request),
        _ => Err(Failure::sender("UnknownOperationException", "the sandbox does not have this operation")),
    };
    match answer {
        Ok(answer) => respond(StatusCode::OK, "application/x-amz-json-1.1", answer.to_string()),
        Err(failure) => failure.json(),
    }
}

fn missing(what: &str) -> Failure {
    Failure::sender("ResourceNotFoundException", &format!("{what} does not exist."))
}

fn text<'r>(request: &'r Json, field: &str) -> Result<&'r str, Failure> {
    request[field]
        .as_str()
        .ok_or_else(|| Failure::sender("ValidationException", &format!("{field} is missing")))
}

fn test(request: &Json) -> Result<Json, Failure> {
    let taken = patterns::takes(text(request, "EventPattern")?, text(request, "Event")?);
    let result = taken.map_err(|why| Failure::sender("InvalidEventPatternException", why))?;
    Ok(json!({"Result": result}))
}

fn rule(core: &Core, caller: &Caller, request: &Json, field: &str) -> Result<(Json, Vec<Json>), Failure> {
    let name = text(request, field)?;
    let bus = request["EventBusName"].as_str().unwrap_or("default");
    let rules = core.rules.lock();
    let found =
        rules.rules.get(name).filter(|shown| caller.region == REGION && shown.rule["EventBusName"] == bus);
    let found = found.ok_or_else(|| missing(&format!("Rule {name}")))?;
    Ok((found.rule.clone(), found.targets.clone()))
}

/// The destination behind `api-destination-3` or `connection-3`.
fn numbered(core: &Core, name: &str) -> Result<(usize, String, Auth), Failure> {
    let index = name.rsplit_once('-').and_then(|(_, index)| index.parse().ok());
    let found = index.and_then(|index| core.bus.destination(index).map(|(url, auth)| (index, url, auth)));
    found.ok_or_else(|| missing(name))
}

fn destination(core: &Core, request: &Json) -> Result<Json, Failure> {
    let name = text(request, "Name")?;
    let (index, url, _) = numbered(core, name)?;
    let own = arn(&core.account, "api-destination", index);
    let answer = json!({
        "ApiDestinationArn": own,
        "ApiDestinationState": "ACTIVE",
        "ConnectionArn": arn(&core.account, "connection", index),
        "HttpMethod": "POST",
        "InvocationEndpoint": url,
        "InvocationRateLimitPerSecond": 300,
        "Name": name,
    });
    Ok(core.rules.with_set(&own, answer))
}

fn connection(core: &Core, request: &Json) -> Result<Json, Failure> {
    let name = text(request, "Name")?;
    let (index, _, auth) = numbered(core, name)?;
    let own = arn(&core.account, "connection", index);
    let (kind, parameters) = match auth {
        Auth::ApiKey { header, .. } => ("API_KEY", json!({"ApiKeyAuthParameters": {"ApiKeyName": header}})),
        Auth::Basic { user, .. } => ("BASIC", json!({"BasicAuthParameters": {"Username": user}})),
        Auth::OAuth(grant) => (
            "OAUTH_CLIENT_CREDENTIALS",
            json!({"OAuthParameters": {
                "AuthorizationEndpoint": grant.endpoint,
                "ClientParameters": {"ClientID": grant.client_id},
                "HttpMethod": "POST",
            }}),
        ),
    };
    let answer = json!({
        "AuthorizationType": kind,
        "AuthParameters": parameters,
        "ConnectionArn": own,
        "ConnectionState": "AUTHORIZED",
        "Name": name,
    });
    Ok(core.rules.with_set(&own, answer))
}
