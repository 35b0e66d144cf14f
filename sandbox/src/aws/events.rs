//! Events as EventBridge shows them: Secrets Manager's own, and those that come through CloudTrail.
//!
//! Sources: AWS's event reference for `Secret Label Updated`; CloudTrail's record contents.

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::secrets::Change;
use crate::time;

/// Which of the changes an event is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `Secret Label Updated`.
    Native,
    /// `AWS API Call via CloudTrail` and `AWS Service Event via CloudTrail`.
    CloudTrail,
}

pub(crate) fn source_of(change: &Change) -> Source {
    match change {
        Change::Label { .. } => Source::Native,
        Change::Call { .. } | Change::Service { .. } => Source::CloudTrail,
    }
}

/// The event that tells of a change.
pub(crate) fn event(change: &Change) -> Json {
    match change {
        Change::Label { arn, label, version } => label_updated(arn, label, version),
        Change::Call { arn, name, parameters } => api_call(arn, name, parameters),
        Change::Service { arn, name, version, error } => service_event(arn, name, version, error.as_deref()),
    }
}

/// The native event: `label` has moved to `version`. The secret's name is taken from its full ARN.
pub fn label_updated(arn: &str, label: &str, version: &str) -> Json {
    let mut event = envelope(arn, "Secret Label Updated");
    event["resources"] = json!([arn]);
    let full = arn.splitn(7, ':').nth(6).unwrap_or_default();
    let name = full.rsplit_once('-').map_or(full, |(name, _)| name);
    event["detail"] = json!({"name": name, "labelUpdated": label, "versionId": version});
    event
}

/// An API call that CloudTrail recorded.
pub fn api_call(arn: &str, name: &str, parameters: &Json) -> Json {
    let mut event = envelope(arn, "AWS API Call via CloudTrail");
    let (region, account) = (event["region"].clone(), event["account"].clone());
    let account_id = account.as_str().unwrap_or_default();
    event["detail"] = json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROASANDBOXSANDBOXSA:rotation",
            "arn": format!("arn:aws:sts::{account_id}:assumed-role/rotation/rotation"),
            "accountId": account,
            "accessKeyId": "ASIASANDBOXSANDBOXSA",
        },
        "eventTime": event["time"],
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": "192.0.2.10",
        "userAgent": "sandbox",
        "requestParameters": parameters,
        "responseElements": {"arn": arn},
        "requestID": Uuid::new_v4().to_string(),
        "eventID": Uuid::new_v4().to_string(),
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": account,
        "eventCategory": "Management",
    });
    event
}

/// An API call that was refused: `errorCode` is set and there are no response elements.
pub fn refused_api_call(arn: &str, name: &str, parameters: &Json) -> Json {
    let mut event = api_call(arn, name, parameters);
    event["detail"]["responseElements"] = Json::Null;
    event["detail"]["errorCode"] = json!("AccessDenied");
    event["detail"]["errorMessage"] = json!("no identity-based policy allows the action");
    event
}

/// A service event, e.g. `RotationSucceeded`; `version` is the token at the end of its request id.
pub fn service_event(arn: &str, name: &str, version: &str, error: Option<&str>) -> Json {
    let mut event = envelope(arn, "AWS Service Event via CloudTrail");
    let account = event["account"].clone();
    event["detail"] = json!({
        "eventVersion": "1.08",
        "userIdentity": {"accountId": account, "invokedBy": "secretsmanager.amazonaws.com"},
        "eventTime": event["time"],
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": name,
        "awsRegion": event["region"],
        "sourceIPAddress": "secretsmanager.amazonaws.com",
        "userAgent": "secretsmanager.amazonaws.com",
        "requestParameters": null,
        "responseElements": null,
        "additionalEventData": {"SecretId": arn},
        "requestID": format!("Rotation-{arn}-{version}"),
        "eventID": Uuid::new_v4().to_string(),
        "readOnly": false,
        "eventType": "AwsServiceEvent",
        "managementEvent": true,
        "recipientAccountId": account,
        "eventCategory": "Management",
    });
    if let Some(error) = error {
        event["detail"]["errorMessage"] = json!(error);
    }
    event
}

fn envelope(arn: &str, detail_type: &str) -> Json {
    let part = |index| arn.split(':').nth(index).unwrap_or_default();
    json!({
        "version": "0",
        "id": Uuid::new_v4().to_string(),
        "detail-type": detail_type,
        "source": "aws.secretsmanager",
        "account": part(4),
        "time": seconds(time::now()),
        "region": part(3),
        "resources": [],
        "detail": {},
    })
}

/// EventBridge's times have whole seconds.
fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
