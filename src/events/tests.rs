use serde_json::Value;

use super::*;

const ARN: &str = "arn:aws:secretsmanager:eu-west-1:210987654321:secret:prod/orders/db-Ab12Cd";
const VERSION: &str = "c2b1f0e4-93d7-4c1e-8a53-0d9e7f6a5b41";

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/fixtures/events/", $name, ".json")).as_slice()
    };
}

fn one(body: &[u8]) -> Event {
    let mut events = parse(body).unwrap();
    assert_eq!(events.len(), 1);
    events.remove(0)
}

/// A fixture with one place in it set to another value.
fn altered(body: &[u8], pointer: &str, value: Value) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(body).unwrap();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value);
    serde_json::to_vec(&event).unwrap()
}

#[test]
fn what_changes_the_current_value_is_a_change_with_the_version_where_it_is_told() {
    use Shape::{ApiCall, Native, ServiceEvent, Transformed};
    for (body, shape, secret, version) in [
        (fixture!("native-current"), Native, ARN, Some(VERSION)),
        (fixture!("transformed"), Transformed, ARN, Some(VERSION)),
        (fixture!("api-put-secret-value"), ApiCall, ARN, Some(VERSION)),
        (fixture!("api-put-secret-value-labels"), ApiCall, ARN, Some(VERSION)),
        (fixture!("api-put-secret-value-by-name"), ApiCall, "prod/orders/db", Some(VERSION)),
        (fixture!("api-put-secret-value-arn-casing"), ApiCall, ARN, Some(VERSION)),
        (fixture!("api-update-secret"), ApiCall, ARN, Some(VERSION)),
        (fixture!("api-update-secret-description"), ApiCall, ARN, None),
        (fixture!("api-update-secret-version-stage"), ApiCall, ARN, Some(VERSION)),
        (fixture!("api-create-secret"), ApiCall, ARN, Some(VERSION)),
        (fixture!("service-rotation-succeeded"), ServiceEvent, ARN, Some(VERSION)),
        (fixture!("record-put-secret-value"), ApiCall, ARN, Some(VERSION)),
    ] {
        let event = one(body);
        let name = String::from_utf8_lossy(body);
        assert_eq!((event.shape, &event.change), (shape, &Change::Value), "{name}");
        assert_eq!(event.secret.text, secret, "{name}");
        assert_eq!(event.version.as_ref().map(VersionId::as_str), version, "{name}");
        assert_eq!(event.at, Some("2027-03-01T09:00:00Z".parse().unwrap()), "{name}");
    }
}

#[test]
fn what_does_not_change_the_current_value_is_ignored_with_a_reason() {
    for (body, reason) in [
        (fixture!("native-custom-label"), Ignored::OtherLabel),
        (fixture!("native-eventbridge-own"), Ignored::EventBridgeOwn),
        (fixture!("api-put-secret-value-pending"), Ignored::Pending),
        (fixture!("api-put-secret-value-custom-label"), Ignored::OtherLabel),
        (fixture!("api-put-secret-value-denied"), Ignored::FailedCall),
        (fixture!("api-update-secret-version-stage-pending"), Ignored::Pending),
        (fixture!("api-rotate-secret"), Ignored::NotAValueChange),
        (fixture!("api-delete-secret"), Ignored::NotAValueChange),
        (fixture!("api-restore-secret"), Ignored::NotAValueChange),
        (fixture!("api-get-secret-value"), Ignored::Read),
        (fixture!("service-rotation-started"), Ignored::NotAValueChange),
        (fixture!("service-test-rotation-started"), Ignored::TestRotation),
        (fixture!("service-test-rotation-succeeded"), Ignored::TestRotation),
        (fixture!("service-test-rotation-failed"), Ignored::TestRotation),
        (fixture!("service-start-secret-version-delete"), Ignored::NotAValueChange),
        (fixture!("service-cancel-secret-version-delete"), Ignored::NotAValueChange),
        (fixture!("service-end-secret-version-delete"), Ignored::NotAValueChange),
    ] {
        let event = one(body);
        let name = String::from_utf8_lossy(body);
        assert_eq!(event.change, Change::Ignored(reason), "{name}");
        assert!(!event.secret.text.is_empty() && event.version.is_none(), "{name}");
    }
}

#[test]
fn a_call_that_concerns_no_secret_is_ignored_without_one() {
    let event = one(fixture!("api-list-secrets"));
    assert_eq!((event.change, event.secret.text.as_str()), (Change::Ignored(Ignored::Read), ""));
}

#[test]
fn a_failed_or_abandoned_rotation_is_told_apart_with_and_without_envelope() {
    for (body, change) in [
        (fixture!("service-rotation-failed"), Change::RotationFailed),
        (fixture!("record-rotation-failed"), Change::RotationFailed),
        (fixture!("service-rotation-abandoned"), Change::RotationAbandoned),
    ] {
        let event = one(body);
        assert_eq!((event.shape, event.change), (Shape::ServiceEvent, change));
        assert_eq!((event.secret.text.as_str(), event.version), (ARN, None));
    }
}

#[test]
fn an_event_of_a_managed_secret_names_it_in_its_service_details() {
    let event = one(fixture!("service-event-details"));
    assert!(event.secret.text.ends_with(":secret:rds!db-0a1b2c3d-0000-4000-8000-000000000000-Zy98Xw"));
    assert_eq!(event.version.unwrap().as_str(), VERSION);
}

#[test]
fn the_id_is_that_of_the_envelope_or_of_the_bare_record() {
    let id = |body: &[u8], key: &str| {
        let value: Value = serde_json::from_slice(body).unwrap();
        value[key].as_str().unwrap().to_owned()
    };
    for (body, key) in [
        (fixture!("native-current"), "id"),
        (fixture!("api-put-secret-value"), "id"),
        (fixture!("transformed"), "eventId"),
        (fixture!("record-put-secret-value"), "eventID"),
    ] {
        assert_eq!(one(body).id, id(body, key));
    }
}

#[test]
fn region_and_account_of_the_event_stand_beside_the_name() {
    for body in [fixture!("api-put-secret-value-by-name"), fixture!("record-put-secret-value")] {
        let secret = one(body).secret;
        assert_eq!(secret.region.as_deref(), Some("eu-west-1"));
        assert_eq!(secret.account.as_deref(), Some("210987654321"));
    }
}

#[test]
fn an_array_gives_its_events_and_leaves_out_what_is_none() {
    let events = parse(fixture!("batch")).unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(events[1].change, Change::Ignored(Ignored::OtherLabel));
    let mixed = format!(
        "[{},{}]",
        std::str::from_utf8(fixture!("cloudwatch-alarm")).unwrap(),
        std::str::from_utf8(fixture!("native-current")).unwrap()
    );
    assert_eq!(one(mixed.as_bytes()).change, Change::Value);
    let alone = format!("[{}]", std::str::from_utf8(fixture!("cloudwatch-alarm")).unwrap());
    assert!(matches!(parse(alone.as_bytes()), Err(EventError::NotSecretsManager(_))));
}

#[test]
fn an_array_is_bounded() {
    let event = std::str::from_utf8(fixture!("native-current")).unwrap();
    let array = |count: usize| format!("[{}]", vec![event; count].join(","));
    assert_eq!(parse(array(MAX_EVENTS).as_bytes()).unwrap().len(), MAX_EVENTS);
    for count in [0, MAX_EVENTS + 1] {
        let error = parse(array(count).as_bytes()).unwrap_err();
        assert!(matches!(error, EventError::Field { field: "array", .. }), "{count}");
    }
}

#[test]
fn what_says_nothing_about_a_secret_is_told_from_what_is_broken() {
    for body in [
        fixture!("cloudwatch-alarm"),
        fixture!("cloudtrail-log-file"),
        include_bytes!("../../tests/fixtures/sns/notification-v1.json").as_slice(),
        b"{}",
        br#"{"detail-type":"EC2 Instance State-change Notification","source":"aws.ec2"}"#,
        &altered(fixture!("native-current"), "/source", "example.copy".into()),
        &altered(fixture!("native-current"), "/detail-type", "Secret Label Dropped".into()),
        &altered(fixture!("api-put-secret-value"), "/detail/eventSource", "s3.amazonaws.com".into()),
        &altered(fixture!("record-put-secret-value"), "/eventType", "AwsConsoleSignIn".into()),
    ] {
        let error = parse(body).unwrap_err();
        assert!(matches!(error, EventError::NotSecretsManager(_)), "{}", String::from_utf8_lossy(body));
    }
    for body in [b"".as_slice(), b"text", b"null", b"\"x\"", b"7", b"{", b"[1]"] {
        assert_eq!(parse(body), Err(EventError::NotJson), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn an_event_without_what_it_needs_is_an_error_that_names_the_field() {
    let long = "x".repeat(129);
    for (body, field) in [
        (altered(fixture!("native-current"), "/id", Value::Null), "id"),
        (altered(fixture!("native-current"), "/id", 7.into()), "id"),
        (altered(fixture!("native-current"), "/id", "a b".into()), "id"),
        (altered(fixture!("native-current"), "/id", long.into()), "id"),
        (altered(fixture!("native-current"), "/detail/labelUpdated", Value::Null), "detail.labelUpdated"),
        (altered(fixture!("native-current"), "/detail", Value::Null), "detail.labelUpdated"),
        (altered(fixture!("transformed"), "/eventId", Value::Null), "eventId"),
        (altered(fixture!("transformed"), "/secretArn", 1.into()), "resources, detail or secretArn"),
        (altered(fixture!("transformed"), "/secretArn", "a\nb".into()), "resources, detail or secretArn"),
        (altered(fixture!("api-put-secret-value"), "/detail/eventName", Value::Null), "eventName"),
    ] {
        let error = parse(&body).unwrap_err();
        assert!(matches!(error, EventError::Field { field: found, .. } if found == field), "{error}");
    }
}

#[test]
fn odd_fields_that_are_not_needed_are_passed_over() {
    let native = fixture!("native-current");
    let event = one(&altered(native, "/time", "yesterday".into()));
    assert_eq!((event.change, event.at), (Change::Value, None));
    let event = one(&altered(native, "/detail/versionId", "no version".into()));
    assert_eq!((event.change, event.version), (Change::Value, None));
    let event = one(&altered(native, "/resources", Value::Null));
    assert_eq!(event.secret.text, "prod/orders/db");
    let event = one(&altered(native, "/resources", serde_json::json!(["arn:aws:s3:::bucket"])));
    assert_eq!(event.secret.text, "prod/orders/db");
}

#[test]
fn the_token_of_a_rotation_is_a_hint_only_in_its_whole_form() {
    let rotation = fixture!("service-rotation-succeeded");
    for request_id in [format!("Rotation-{ARN}-short"), format!("Rotation-{VERSION}"), VERSION.to_owned()] {
        let event = one(&altered(rotation, "/detail/requestID", request_id.into()));
        assert_eq!((event.change, event.version), (Change::Value, None));
    }
}

#[test]
fn a_rotation_that_failed_with_an_error_code_is_still_news() {
    let event = one(&altered(fixture!("service-rotation-failed"), "/detail/errorCode", "Timeout".into()));
    assert_eq!(event.change, Change::RotationFailed);
}

#[test]
fn detail_types_that_say_amazon_for_aws_are_known() {
    let body =
        altered(fixture!("api-put-secret-value"), "/detail-type", "Amazon API Call via CloudTrail".into());
    assert_eq!(one(&body).change, Change::Value);
}
