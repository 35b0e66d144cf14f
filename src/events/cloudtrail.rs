//! What CloudTrail records say about a secret.
//!
//! Source: "Logging AWS Secrets Manager events with AWS CloudTrail" and the request members of the
//! API. A record names the secret as its caller wrote it, unless the answer or the service says more;
//! it arrives minutes late or not at all, and shows intentions as well as changes. So what may have
//! changed the current value is taken for a change: the run that follows looks for itself.

use uuid::Uuid;

use super::About;
use super::json::Json;
use crate::model::{Change, Event, EventError, Ignored, Shape};

/// `AWS API Call via CloudTrail`.
pub(super) fn api_call(
    about: About<'_>,
    record: &Json<'_>,
    resource: Option<&str>,
) -> Result<Event, EventError> {
    let name = event_name(record)?;
    let request = &record["requestParameters"];
    let (change, version) = if record["errorCode"].as_str().is_some() {
        (Change::Ignored(Ignored::FailedCall), None)
    } else if record["readOnly"] == Json::Bool(true) || is_read(name) {
        (Change::Ignored(Ignored::Read), None)
    } else {
        of_call(name, request)
    };
    about.event(Shape::ApiCall, change, secret(record, resource), version)
}

fn is_read(name: &str) -> bool {
    ["Get", "BatchGet", "Describe", "List"].iter().any(|verb| name.starts_with(verb))
}

fn of_call<'v>(name: &str, request: &'v Json<'_>) -> (Change, Option<&'v str>) {
    // The caller's token becomes the id of the version that the call makes.
    let token = request["clientRequestToken"].as_str();
    match name {
        "PutSecretValue" => match request["versionStages"].as_array() {
            None => (Change::Value, token),
            Some(labels) => (of_labels(labels), token),
        },
        // Whether UpdateSecret changed the value or a description is not to be seen.
        "CreateSecret" | "UpdateSecret" => (Change::Value, token),
        "UpdateSecretVersionStage" => match &request["versionStage"] {
            Json::Null => (Change::Value, None),
            label => (of_labels(std::slice::from_ref(label)), request["moveToVersionId"].as_str()),
        },
        _ => (Change::Ignored(Ignored::NotAValueChange), None),
    }
}

fn of_labels(labels: &[Json<'_>]) -> Change {
    if labels.iter().any(|label| label.as_str() == Some("AWSCURRENT")) {
        Change::Value
    } else if labels.iter().any(|label| label.as_str() == Some("AWSPENDING")) {
        Change::Ignored(Ignored::Pending)
    } else {
        Change::Ignored(Ignored::OtherLabel)
    }
}

/// `AWS Service Event via CloudTrail`. `errorCode` does not matter here: a failed rotation is news.
pub(super) fn service_event(
    about: About<'_>,
    record: &Json<'_>,
    resource: Option<&str>,
) -> Result<Event, EventError> {
    let name = event_name(record)?;
    let secret = secret(record, resource);
    let change = match name {
        "RotationSucceeded" => Change::Value,
        "RotationFailed" => Change::RotationFailed,
        "RotationAbandoned" => Change::RotationAbandoned,
        _ if name.starts_with("TestRotation") => Change::Ignored(Ignored::TestRotation),
        _ => Change::Ignored(Ignored::NotAValueChange),
    };
    about.event(Shape::ServiceEvent, change, secret, rotated_version(record, secret))
}

/// `requestID` of a rotation reads `Rotation-<ARN>-<token>`, and the token looks like the id of the new
/// version. No page says so: it is taken where the whole form is there, and it is only a hint.
fn rotated_version<'v>(record: &'v Json<'_>, secret: Option<&str>) -> Option<&'v str> {
    let rest = record["requestID"].as_str()?.strip_prefix("Rotation-")?;
    let token = rest.strip_prefix(secret?)?.strip_prefix('-')?;
    Uuid::try_parse(token).is_ok().then_some(token)
}

fn event_name<'v>(record: &'v Json<'_>) -> Result<&'v str, EventError> {
    let ours = record["eventSource"].as_str().is_none_or(|source| source.starts_with("secretsmanager."));
    if !ours {
        return Err(EventError::NotSecretsManager("the record is of another service"));
    }
    let missing = EventError::Field { field: "eventName", expected: "the name of the call or event" };
    record["eventName"].as_str().ok_or(missing)
}

/// The ARN or name of the secret, the surest place first. `responseElements.arn` was `aRN` until 2024.
fn secret<'v>(record: &'v Json<'_>, resource: Option<&'v str>) -> Option<&'v str> {
    resource
        .or_else(|| any_case(&record["additionalEventData"], "SecretId"))
        .or_else(|| any_case(&record["responseElements"], "arn"))
        .or_else(|| record["requestParameters"]["secretId"].as_str())
        .or_else(|| any_case(&record["serviceEventDetails"], "secretId"))
        .or_else(|| record["requestParameters"]["name"].as_str())
}

/// Of several spellings the first in order of the alphabet, so that the order of the document does not matter.
fn any_case<'v>(object: &'v Json<'_>, key: &str) -> Option<&'v str> {
    let entries = object.as_object()?.iter().rev();
    entries.filter(|(found, _)| found.eq_ignore_ascii_case(key)).min_by_key(|(found, _)| found)?.1.as_str()
}
