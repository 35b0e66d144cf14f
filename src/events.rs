//! The JSON of a verified notification as [`Event`]s.
//!
//! Reads leniently: an event is a hint, so a field that is not needed may be missing or odd. What it
//! insists on is an id (to see duplicates), a known shape, and for an event that calls for work or for
//! an alert, the secret's ARN or name.
//!
//! Shapes: the native `Secret Label Updated`; API calls and service events through CloudTrail in their
//! EventBridge envelope; a bare CloudTrail record, which is what a rule with the input path `$.detail`
//! sends; and this small form, for rules with an input transformer:
//!
//! ```json
//! {"secretArn": "<$.resources[0]>", "eventId": "<$.id>", "versionId": "<$.detail.versionId>",
//!  "label": "<$.detail.labelUpdated>", "time": "<$.time>"}
//! ```
//!
//! The first two are required.

mod cloudtrail;
mod json;

use json::Json;

use crate::model::{Change, Event, EventError, Ignored, SecretArn, SecretMention, Shape, VersionId};

/// Most events in one request. EventBridge's newer buses send arrays, classic ones a single event.
pub const MAX_EVENTS: usize = 100;

/// Reads one event or an array of them. An element of an array that is no event of Secrets Manager is
/// left out as long as another one is: the sender cannot send a part of a batch again.
pub fn parse(notification: &[u8]) -> Result<Vec<Event>, EventError> {
    // Once for the whole body: of a slice the reader would check each text by itself.
    let text = std::str::from_utf8(notification).map_err(|_| EventError::NotJson)?;
    let batch = match serde_json::from_str(text).map_err(|_| EventError::NotJson)? {
        Json::Array(batch) => batch,
        single => return Ok(vec![event(&single)?]),
    };
    if !(1..=MAX_EVENTS).contains(&batch.len()) {
        return Err(EventError::Field { field: "array", expected: "1 to 100 events" });
    }
    let mut events = Vec::with_capacity(batch.len());
    let mut first_error = None;
    for value in &batch {
        match event(value) {
            Ok(event) => events.push(event),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    match first_error {
        Some(error) if events.is_empty() => Err(error),
        _ => Ok(events),
    }
}

fn event(value: &Json<'_>) -> Result<Event, EventError> {
    let object = value.as_object().ok_or(EventError::NotJson)?;
    let has = |key: &str| object.iter().any(|(found, _)| found == key);
    if has("detail-type") {
        enveloped(value)
    } else if has("eventName") && has("eventSource") {
        bare_record(value)
    } else if has("secretArn") {
        transformed(value)
    } else if has("AlarmName") {
        Err(EventError::NotSecretsManager("an alarm of CloudWatch names no secret"))
    } else if has("s3Bucket") {
        Err(EventError::NotSecretsManager("a notice that CloudTrail stored a log file names no secret"))
    } else if has("TopicArn") {
        Err(EventError::NotSecretsManager("an SNS envelope belongs to the SNS endpoint"))
    } else {
        Err(EventError::NotSecretsManager("no shape that the relay knows"))
    }
}

/// An event as EventBridge delivers it.
fn enveloped(value: &Json<'_>) -> Result<Event, EventError> {
    if value["source"].as_str() != Some("aws.secretsmanager") {
        return Err(EventError::NotSecretsManager("the source is not aws.secretsmanager"));
    }
    let detail = &value["detail"];
    let about = About {
        id: id(value, "id")?,
        region: value["region"].as_str(),
        account: value["account"].as_str(),
        time: value["time"].as_str(),
    };
    let first = value["resources"].as_array().and_then(<[_]>::first);
    let resource = first.and_then(Json::as_str).filter(|text| SecretArn::parse(text).is_ok());
    let kind = value["detail-type"].as_str().unwrap_or_default();
    // Pages about the China regions print "Amazon" for "AWS"; whether events there do is not known.
    match kind.strip_prefix("AWS ").or_else(|| kind.strip_prefix("Amazon ")).unwrap_or(kind) {
        "Secret Label Updated" => native(about, detail, resource),
        "API Call via CloudTrail" => cloudtrail::api_call(about, detail, resource),
        "Service Event via CloudTrail" => cloudtrail::service_event(about, detail, resource),
        _ => Err(EventError::NotSecretsManager("a detail-type that the relay does not know")),
    }
}

/// `Secret Label Updated`: one event for each move of a label other than AWSPENDING and AWSPREVIOUS.
fn native(about: About<'_>, detail: &Json<'_>, resource: Option<&str>) -> Result<Event, EventError> {
    let label = detail["labelUpdated"]
        .as_str()
        .ok_or(EventError::Field { field: "detail.labelUpdated", expected: "the label that moved" })?;
    let secret = resource.or(detail["name"].as_str());
    about.event(Shape::Native, of_label(label), secret, detail["versionId"].as_str())
}

/// A CloudTrail record without an envelope carries an id, a time and a place of its own.
fn bare_record(value: &Json<'_>) -> Result<Event, EventError> {
    let about = About {
        id: id(value, "eventID")?,
        region: value["awsRegion"].as_str(),
        account: value["recipientAccountId"].as_str(),
        time: value["eventTime"].as_str(),
    };
    match value["eventType"].as_str() {
        Some("AwsApiCall") => cloudtrail::api_call(about, value, None),
        Some("AwsServiceEvent") => cloudtrail::service_event(about, value, None),
        _ => Err(EventError::NotSecretsManager("a CloudTrail record of another type")),
    }
}

fn transformed(value: &Json<'_>) -> Result<Event, EventError> {
    let about =
        About { id: id(value, "eventId")?, region: None, account: None, time: value["time"].as_str() };
    let change = value["label"].as_str().map_or(Change::Value, of_label);
    about.event(Shape::Transformed, change, value["secretArn"].as_str(), value["versionId"].as_str())
}

fn of_label(label: &str) -> Change {
    match label {
        "AWSCURRENT" => Change::Value,
        "AWSPENDING" => Change::Ignored(Ignored::Pending),
        _ => Change::Ignored(Ignored::OtherLabel),
    }
}

/// What an event says beside the change itself.
struct About<'v> {
    id: &'v str,
    region: Option<&'v str>,
    account: Option<&'v str>,
    time: Option<&'v str>,
}

impl About<'_> {
    /// The event. `version` is a hint for a change of the current value and dropped for all else, as
    /// is one that is no version id.
    fn event(
        self,
        shape: Shape,
        change: Change,
        secret: Option<&str>,
        version: Option<&str>,
    ) -> Result<Event, EventError> {
        let secret = secret.filter(|text| is_secret_id(text));
        let change = match secret.map(name_of) {
            Some(name) if name.starts_with("events!") => Change::Ignored(Ignored::EventBridgeOwn),
            _ => change,
        };
        let text = match (secret, &change) {
            (Some(text), _) => text,
            // Calls such as ListSecrets concern no secret.
            (None, Change::Ignored(_)) => "",
            (None, Change::Value | Change::RotationFailed | Change::RotationAbandoned) => {
                return Err(EventError::Field {
                    field: "resources, detail or secretArn",
                    expected: "the ARN or name of a secret",
                });
            }
        };
        let version = version.filter(|_| change == Change::Value);
        Ok(Event {
            id: self.id.to_owned(),
            shape,
            change,
            secret: SecretMention {
                text: text.to_owned(),
                region: self.region.filter(|text| is_label(text)).map(str::to_owned),
                account: self.account.filter(|text| is_label(text)).map(str::to_owned),
            },
            version: version.and_then(|text| VersionId::parse(text).ok()),
            at: self.time.and_then(|text| text.parse().ok()),
        })
    }
}

fn id<'v>(value: &'v Json<'_>, field: &'static str) -> Result<&'v str, EventError> {
    let fits = |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    let expected = "an id of 1 to 128 visible characters";
    value[field].as_str().filter(fits).ok_or(EventError::Field { field, expected })
}

fn is_label(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Characters of names and ARNs alone, so the text can be logged as it is.
fn is_secret_id(text: &str) -> bool {
    (1..=2048).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-!:".contains(&b))
}

fn name_of(secret: &str) -> &str {
    match secret.splitn(7, ':').last() {
        Some(name) if secret.starts_with("arn:") => name,
        _ => secret,
    }
}

#[cfg(test)]
mod tests;
