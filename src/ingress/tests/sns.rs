//! The SNS column.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::config::Confirm;
use crate::ingress::ports::{Alert, CertificateFault, Subject};
use crate::telemetry::metrics::Route;
use crate::verify::sns::testing::{CertificateShape, Draft, TOKEN, certificate};

fn fine() -> Draft {
    notification(&event("5f6f6f0e"))
}

#[tokio::test]
async fn an_accepted_message_is_200_and_becomes_a_hint_with_the_events_own_id() {
    let app = App::new();
    let reply = app.ask(sns_post(&fine())).await;
    assert_eq!(reply.cell(), (200, "accepted"));
    let [hint] = &app.hints()[..] else { panic!("one hint") };
    assert_eq!((hint.id.as_str(), hint.route), ("event:5f6f6f0e", Route::Sns));
    assert_eq!(hint.request_id, reply.body["request_id"]);
    let Subject::Event(event) = &hint.subject else { panic!("an event") };
    assert_eq!(event.secret.text, SECRET);
}

#[tokio::test]
async fn a_message_with_several_events_is_several_hints() {
    let app = App::new();
    let reply = app.ask(sns_post(&notification(&json!([event("one"), event("two")])))).await;
    assert_eq!(reply.cell(), (200, "accepted"));
    let ids: Vec<String> = app.hints().iter().map(|hint| hint.id.to_string()).collect();
    assert_eq!(ids, ["event:one", "event:two"]);
}

#[tokio::test]
async fn the_content_type_does_not_matter() {
    let app = App::new();
    let request = post("/hooks/sns", &[("content-type", "application/json")], fine().body());
    assert_eq!(app.ask(request).await.cell(), (200, "accepted"));
    let request = post("/hooks/sns", &[], notification(&event("other")).body());
    assert_eq!(app.ask(request).await.cell(), (200, "accepted"));
}

#[tokio::test]
async fn a_secret_that_nobody_uses_is_200_and_counted() {
    let app = App::new();
    let unknown = event_about("x", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:other-a1B2c3");
    assert_eq!(app.ask(sns_post(&notification(&unknown))).await.cell(), (200, "not_configured"));
    assert_eq!(app.counted("sns", "not_configured"), 1);
}

#[tokio::test]
async fn an_event_of_no_interest_is_200_and_says_why() {
    let app = App::new();
    *app.intake.not_of_interest.lock().unwrap() = Some("other_label");
    let reply = app.ask(sns_post(&fine())).await;
    assert_eq!(reply.cell(), (200, "not_of_interest"));
    assert_eq!(reply.body["detail"], "other_label");
}

#[tokio::test]
async fn a_rotation_that_failed_is_200_and_counted_as_an_alert() {
    let app = App::new();
    *app.intake.not_of_interest.lock().unwrap() = Some("rotation_failed");
    let failed = json!({
        "version": "0", "id": "f1", "detail-type": "AWS Service Event via CloudTrail",
        "source": "aws.secretsmanager", "account": "123456789012", "time": "2027-03-01T08:59:58Z",
        "region": "eu-west-1", "resources": [],
        "detail": {
            "eventSource": "secretsmanager.amazonaws.com", "eventName": "RotationFailed",
            "eventType": "AwsServiceEvent", "additionalEventData": {"SecretId": SECRET},
        },
    });
    assert_eq!(app.ask(sns_post(&notification(&failed))).await.cell(), (200, "alerted"));
    assert_eq!(app.counted("sns", "alert"), 1);
}

#[tokio::test]
async fn other_messages_of_the_topic_are_200_and_of_no_interest() {
    let app = App::new();
    for message in ["hello", "{\"AlarmName\":\"x\"}"] {
        let reply = app.ask(sns_post(&Draft::notification(message).signed())).await;
        assert_eq!(reply.cell(), (200, "not_of_interest"), "{message}");
    }
}

#[tokio::test]
async fn a_repeated_message_is_200_and_does_nothing() {
    let app = App::new();
    app.ask(sns_post(&fine())).await;
    assert_eq!(app.ask(sns_post(&fine())).await.cell(), (200, "duplicate"));
    assert_eq!(app.hints().len(), 1);
}

#[tokio::test]
async fn an_event_that_came_through_eventbridge_is_known_again() {
    let app = App::new();
    app.ask(eventbridge_post(&event("5f6f6f0e"))).await;
    assert_eq!(app.ask(sns_post(&fine())).await.cell(), (200, "duplicate"));
}

#[tokio::test]
async fn a_bad_signature_is_403_and_does_nothing() {
    let app = App::new();
    let reply = app.ask(sns_post(&fine().with("Message", "{}"))).await;
    assert_eq!(reply.cell(), (403, "signature_refused"));
    assert!(app.hints().is_empty());
}

#[tokio::test]
async fn a_certificate_address_elsewhere_is_403_and_is_never_fetched() {
    let app = App::new();
    let elsewhere = "https://sns.eu-west-1.amazonaws.com.example.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem";
    let reply = app.ask(sns_post(&fine().with("SigningCertURL", elsewhere))).await;
    assert_eq!(reply.cell(), (403, "signature_refused"));
    assert_eq!(app.certificates.fetches.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_certificate_that_is_not_the_right_one_is_403() {
    let app = App::new();
    let expired = certificate(&CertificateShape { days: (-60, -30), ..CertificateShape::default() });
    *app.certificates.answer.lock().unwrap() = Ok(expired.into_bytes().into());
    assert_eq!(app.ask(sns_post(&fine())).await.cell(), (403, "signature_refused"));
    assert_eq!(
        app.certificates.rejected.load(Ordering::SeqCst),
        0,
        "it is a certificate, and it may be held"
    );
}

#[tokio::test]
async fn a_certificate_that_cannot_be_had_now_is_503_and_the_message_is_new_when_it_comes_again() {
    let app = App::new();
    let good = app.certificates.answer.lock().unwrap().clone();
    let unavailable = Err(CertificateFault("internal text".to_owned()));
    for fault in [unavailable, Ok(b"<html>a proxy's error page</html>"[..].into())] {
        *app.certificates.answer.lock().unwrap() = fault;
        let reply = app.ask(sns_post(&fine())).await;
        assert_eq!(reply.cell(), (503, "certificate_unavailable"));
        assert!(!reply.body.to_string().contains("internal text"));
    }
    assert_eq!(app.certificates.rejected.load(Ordering::SeqCst), 1, "the page is given back");
    *app.certificates.answer.lock().unwrap() = good;
    assert_eq!(app.ask(sns_post(&fine())).await.cell(), (200, "accepted"));
}

#[tokio::test]
async fn a_rotated_certificate_is_used_at_once() {
    let app = App::new();
    let router = app.router().await;
    assert_eq!(ask(&router, sns_post(&fine())).await.cell(), (200, "accepted"));
    let other = certificate(&CertificateShape { other_key: true, ..CertificateShape::default() });
    *app.certificates.answer.lock().unwrap() = Ok(other.into_bytes().into());
    assert_eq!(ask(&router, sns_post(&fine())).await.cell(), (403, "signature_refused"));
}

#[tokio::test]
async fn a_malformed_message_is_400() {
    let app = App::new();
    for body in ["", "not JSON", "[]", "{}", "{\"Type\":\"Other\"}"] {
        assert_eq!(app.ask(post("/hooks/sns", &[], body)).await.cell(), (400, "malformed"), "{body}");
    }
    let broken = json!({"source": "aws.secretsmanager", "detail-type": "Secret Label Updated"});
    let reply = app.ask(sns_post(&notification(&broken))).await;
    assert_eq!(reply.cell(), (400, "malformed"));
}

#[tokio::test]
async fn a_header_that_contradicts_the_message_is_400() {
    let app = App::new();
    let headers = [("x-amz-sns-message-type", "SubscriptionConfirmation")];
    assert_eq!(app.ask(post("/hooks/sns", &headers, fine().body())).await.cell(), (400, "malformed"));
}

#[tokio::test]
async fn a_topic_that_is_not_listed_is_403_before_any_network_use() {
    let app = App::new();
    let topic = "arn:aws:sns:eu-west-1:210987654321:rotations";
    let foreign = Draft::notification("{}").with("TopicArn", topic).signed();
    assert_eq!(app.ask(sns_post(&foreign)).await.cell(), (403, "topic_not_listed"));
    assert_eq!(app.certificates.fetches.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_message_outside_the_time_window_is_403_before_any_network_use() {
    let app = App::new();
    app.clock.jump_to(now() + Duration::from_mins(76));
    assert_eq!(app.ask(sns_post(&fine())).await.cell(), (403, "message_outside_window"));
    app.clock.jump_to(now() - Duration::from_mins(6));
    assert_eq!(app.ask(sns_post(&fine())).await.cell(), (403, "message_outside_window"));
    assert_eq!(app.certificates.fetches.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn raw_delivery_is_403() {
    let app = App::new();
    for value in ["true", "True"] {
        let headers = [("x-amz-sns-rawdelivery", value)];
        let request = post("/hooks/sns", &headers, event("raw").to_string());
        assert_eq!(app.ask(request).await.cell(), (403, "raw_delivery"));
    }
    assert!(app.hints().is_empty());
}

#[tokio::test]
async fn a_confirmation_is_carried_out_with_the_signed_token() {
    let app = App::new();
    let draft = Draft::confirmation("SubscriptionConfirmation").signed();
    assert_eq!(app.ask(sns_post(&draft)).await.cell(), (200, "confirmed"));
    let confirmed = app.confirmer.confirmed.lock().unwrap();
    assert_eq!((confirmed.len(), confirmed[0].1.as_str()), (1, TOKEN));
}

#[tokio::test]
async fn a_confirmation_that_fails_is_503_and_alerts() {
    let app = App::new();
    *app.confirmer.fails.lock().unwrap() = true;
    let draft = Draft::confirmation("SubscriptionConfirmation").signed();
    let reply = app.ask(sns_post(&draft)).await;
    assert_eq!(reply.cell(), (503, "confirmation_failed"));
    assert!(!reply.body.to_string().contains("internal text"));
    assert!(matches!(app.intake.alerts.lock().unwrap()[..], [Alert::ConfirmationFailed { .. }]));
}

#[tokio::test]
async fn a_confirmation_that_is_left_to_a_person_is_200_and_alerts() {
    let mut app = App::new();
    if let Some(sns) = &mut app.config.sns {
        sns.confirm = Confirm::Off;
    }
    let draft = Draft::confirmation("SubscriptionConfirmation").signed();
    assert_eq!(app.ask(sns_post(&draft)).await.cell(), (200, "not_confirmed"));
    assert!(app.confirmer.confirmed.lock().unwrap().is_empty());
    assert!(matches!(app.intake.alerts.lock().unwrap()[..], [Alert::ConfirmByHand { .. }]));
}

#[tokio::test]
async fn a_confirmation_that_comes_again_is_200_and_calls_nobody() {
    let app = App::new();
    let draft = Draft::confirmation("SubscriptionConfirmation").signed();
    let cells = [app.ask(sns_post(&draft)).await, app.ask(sns_post(&draft)).await];
    assert_eq!(cells.each_ref().map(Reply::cell), [(200, "confirmed"), (200, "duplicate")]);
    assert_eq!(app.confirmer.confirmed.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_confirmation_that_failed_is_new_when_it_comes_again() {
    let app = App::new();
    let draft = Draft::confirmation("SubscriptionConfirmation").signed();
    *app.confirmer.fails.lock().unwrap() = true;
    assert_eq!(app.ask(sns_post(&draft)).await.cell(), (503, "confirmation_failed"));
    *app.confirmer.fails.lock().unwrap() = false;
    assert_eq!(app.ask(sns_post(&draft)).await.cell(), (200, "confirmed"));
}

#[tokio::test]
async fn what_is_for_a_person_is_told_once() {
    let mut app = App::new();
    if let Some(sns) = &mut app.config.sns {
        sns.confirm = Confirm::Off;
    }
    for (kind, verdict) in
        [("SubscriptionConfirmation", "not_confirmed"), ("UnsubscribeConfirmation", "unsubscribed")]
    {
        let id = uuid::Uuid::new_v4().to_string();
        let draft = Draft::confirmation(kind).with("MessageId", &id).signed();
        assert_eq!(app.ask(sns_post(&draft)).await.cell(), (200, verdict));
        assert_eq!(app.ask(sns_post(&draft)).await.cell(), (200, "duplicate"));
        assert_eq!(std::mem::take(&mut *app.intake.alerts.lock().unwrap()).len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn an_unsigned_confirmation_confirms_nothing() {
    let app = App::new();
    let draft = Draft::confirmation("SubscriptionConfirmation").signed().with("Message", "x");
    assert_eq!(app.ask(sns_post(&draft)).await.cell(), (403, "signature_refused"));
    assert!(app.confirmer.confirmed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_unsubscribe_confirmation_is_200_alerts_and_is_not_followed() {
    let app = App::new();
    let draft = Draft::confirmation("UnsubscribeConfirmation").signed();
    assert_eq!(app.ask(sns_post(&draft)).await.cell(), (200, "unsubscribed"));
    assert!(app.confirmer.confirmed.lock().unwrap().is_empty());
    assert!(matches!(app.intake.alerts.lock().unwrap()[..], [Alert::Unsubscribed { .. }]));
}

#[tokio::test]
async fn of_a_batch_that_a_closing_intake_cut_short_the_repetition_brings_the_rest() {
    let app = App::new();
    let draft = notification(&json!([event("one"), event("two")]));
    *app.intake.closed_after.lock().unwrap() = Some(1);
    assert_eq!(app.ask(sns_post(&draft)).await.cell(), (503, "draining"));
    *app.intake.closed_after.lock().unwrap() = None;
    assert_eq!(app.ask(sns_post(&draft)).await.cell(), (200, "accepted"));
    let ids: Vec<String> = app.hints().iter().map(|hint| hint.id.to_string()).collect();
    assert_eq!(ids, ["event:one", "event:two"]);
}
