//! Events of one secret, as EventBridge would show them: what a rule for the relay should take.
//!
//! Sources: AWS's event reference for `Secret Label Updated`, and "Logging AWS Secrets Manager events with AWS
//! CloudTrail". A pattern may look at any of these fields, so each has what a real event has there.

use serde_json::{Value, json};

/// Of no secret and no version.
const VERSION: &str = "00000000-0000-4000-8000-000000000000";
const TIME: &str = "2026-01-01T00:00:00Z";

/// A secret, as far as events name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct About {
    /// The full ARN. Where it is not known its last six characters are made up.
    pub(super) arn: String,
    pub(super) name: String,
}

/// The native event: AWSCURRENT has moved. It tells of every change of the current value, once.
pub(super) fn label_updated(secret: &About) -> Value {
    let mut event = envelope(&secret.arn, "Secret Label Updated");
    event["resources"] = json!([secret.arn]);
    event["detail"] = json!({"name": secret.name, "labelUpdated": "AWSCURRENT", "versionId": VERSION});
    event
}

/// What CloudTrail records of the same changes, each kind under its name.
pub(super) fn recorded(secret: &About) -> [(&'static str, Value); 4] {
    let arn = &secret.arn;
    let put = json!({"secretId": arn, "clientRequestToken": VERSION});
    let moved = json!({"secretId": arn, "versionStage": "AWSCURRENT", "moveToVersionId": VERSION});
    [
        ("PutSecretValue", api_call(arn, "PutSecretValue", &put)),
        ("UpdateSecret", api_call(arn, "UpdateSecret", &put)),
        ("UpdateSecretVersionStage", api_call(arn, "UpdateSecretVersionStage", &moved)),
        ("RotationSucceeded", rotated(arn)),
    ]
}

fn api_call(arn: &str, name: &str, parameters: &Value) -> Value {
    let mut event = envelope(arn, "AWS API Call via CloudTrail");
    event["detail"] = record(&event, name, "AwsApiCall");
    event["detail"]["requestParameters"] = parameters.clone();
    event["detail"]["responseElements"] = json!({"arn": arn});
    event
}

fn rotated(arn: &str) -> Value {
    let mut event = envelope(arn, "AWS Service Event via CloudTrail");
    event["detail"] = record(&event, "RotationSucceeded", "AwsServiceEvent");
    event["detail"]["additionalEventData"] = json!({"SecretId": arn});
    event
}

fn record(event: &Value, name: &str, kind: &str) -> Value {
    json!({
        "eventVersion": "1.11",
        "eventTime": TIME,
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": name,
        "eventType": kind,
        "eventID": VERSION,
        "eventCategory": "Management",
        "awsRegion": event["region"],
        "recipientAccountId": event["account"],
        "readOnly": false,
        "managementEvent": true,
    })
}

fn envelope(arn: &str, detail_type: &str) -> Value {
    let part = |at: usize| arn.split(':').nth(at).unwrap_or_default();
    json!({
        "version": "0",
        "id": VERSION,
        "detail-type": detail_type,
        "source": "aws.secretsmanager",
        "account": part(4),
        "time": TIME,
        "region": part(3),
        "resources": [],
        "detail": {},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events;
    use crate::model::Change;

    #[test]
    fn the_relay_takes_each_of_them_for_a_change_of_that_secret() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf".to_owned();
        let secret = About { arn, name: "prod/db".to_owned() };
        let all = recorded(&secret).map(|(_, event)| event).into_iter().chain([label_updated(&secret)]);
        for sample in all {
            let read = events::parse(sample.to_string().as_bytes()).unwrap();
            let [event] = &read[..] else { panic!("{read:?}") };
            assert_eq!((&event.change, &event.secret.text), (&Change::Value, &secret.arn), "{sample}");
        }
    }
}
