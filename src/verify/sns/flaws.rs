//! One test per kind of flaw that SNS verifiers are known for, numbered. Those that need a network to
//! show (unbounded or missing certificate cache, a SubscribeURL that is fetched) are tested under the
//! same numbers in `tests/it/hooks`.

use proptest::prelude::*;

use super::testing::{self, CertificateShape, Draft, Setting, TOPIC, check};
use super::*;

const FILE: &str = "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem";

fn with_certificate_url(url: &str) -> Result<Verified, SnsRefusal> {
    check(&Draft::notification("hello").signed().with("SigningCertURL", url))
}

fn refused_address(url: &str) {
    assert!(matches!(with_certificate_url(url), Err(SnsRefusal::CertificateUrl(_))), "{url}");
}

#[test]
fn flaw_01_a_bucket_named_sns_is_not_sns() {
    for host in [
        "sns.s3-us-west-2.amazonaws.com",
        "sns.s3-external-1.amazonaws.com",
        "sns.s3-website-us-east-1.amazonaws.com",
        "sns.s3-eu-west-1.amazonaws.com",
    ] {
        refused_address(&format!("https://{host}/{FILE}"));
    }
}

#[test]
fn flaw_02_other_hosts_of_aws_are_not_sns() {
    for host in ["attacker.amazonaws.com", "ec2-1-2-3-4.compute.amazonaws.com", "sns.amazonaws.com"] {
        refused_address(&format!("https://{host}/{FILE}"));
    }
}

#[test]
fn flaw_03_the_certificate_comes_by_https_from_sns_alone() {
    refused_address(&format!("http://sns.eu-west-1.amazonaws.com/{FILE}"));
    refused_address(&format!("https://attacker.example/{FILE}"));
    refused_address("file:///etc/passwd");
}

#[test]
fn flaw_04_a_subscribe_url_that_leads_elsewhere_is_refused_even_if_signed() {
    for url in [
        "https://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription",
    ] {
        let draft = Draft::confirmation("SubscriptionConfirmation").with("SubscribeURL", url).signed();
        assert_eq!(check(&draft).unwrap_err(), SnsRefusal::SubscribeUrl, "{url}");
    }
}

#[test]
fn flaw_05_s3_is_not_trusted() {
    refused_address(&format!("https://s3.amazonaws.com/{FILE}"));
    refused_address(&format!("https://s3.eu-west-1.amazonaws.com/sns/{FILE}"));
}

#[test]
fn flaw_06_a_pem_suffix_in_query_or_fragment_does_not_count() {
    for tail in ["/?x=.pem", "/#.pem", "/evil?x=/SimpleNotificationService.pem"] {
        refused_address(&format!("https://sns.eu-west-1.amazonaws.com{tail}"));
    }
    refused_address(&format!("https://sns.eu-west-1.amazonaws.com/?x=/{FILE}"));
    refused_address(&format!("https://sns.eu-west-1.amazonaws.com/{FILE}?x={FILE}"));
}

#[test]
fn flaw_07_a_page_that_holds_a_certificate_is_no_certificate() {
    let pem = testing::certificate(&CertificateShape::default());
    let certificate = format!("<?xml version=\"1.0\"?><Error><Message>{pem}</Message></Error>");
    let result =
        Setting { certificate, ..Setting::default() }.check(&Draft::notification("hello").signed().body());
    assert_eq!(result.unwrap_err(), SnsRefusal::CertificateFile);
}

#[test]
fn flaw_08_a_message_of_a_topic_that_is_not_listed_is_refused_although_aws_signed_it() {
    for topic in [
        "arn:aws:sns:eu-west-1:999999999999:rotations",
        "arn:aws:sns:eu-west-1:123456789012:rotations2",
        "arn:aws:sns:eu-west-2:123456789012:rotations",
    ] {
        let draft = Draft::notification("hello").with("TopicArn", topic).signed();
        assert_eq!(check(&draft).unwrap_err(), SnsRefusal::TopicNotListed);
    }
}

#[test]
fn flaw_09_a_message_outside_the_window_is_refused_and_a_replay_inside_shows_by_its_id() {
    let body = Draft::notification("hello").signed().body();
    let at = |seconds: i64| {
        let now = testing::sent() + jiff::SignedDuration::from_secs(seconds);
        Setting { now, ..Setting::default() }.check(&body)
    };
    assert_eq!(at(75 * 60 + 1).unwrap_err(), SnsRefusal::TooOld);
    assert_eq!(at(-5 * 60 - 1).unwrap_err(), SnsRefusal::TooNew);
    let (first, last) = (at(-5 * 60).unwrap(), at(75 * 60).unwrap());
    assert_eq!(first.message_id(), last.message_id());
}

#[test]
fn flaw_10_a_certificate_out_of_its_time_or_with_another_name_is_refused() {
    let body = Draft::notification("hello").signed().body();
    for (shape, refusal) in [
        (CertificateShape { days: (-30, -1), ..Default::default() }, SnsRefusal::CertificateExpired),
        (CertificateShape { days: (1, 30), ..Default::default() }, SnsRefusal::CertificateEarly),
        (
            CertificateShape { names: vec!["attacker.example"], ..Default::default() },
            SnsRefusal::CertificateName,
        ),
        (CertificateShape { other_key: true, ..Default::default() }, SnsRefusal::Signature),
    ] {
        let setting = Setting { certificate: testing::certificate(&shape), ..Setting::default() };
        assert_eq!(setting.check(&body).unwrap_err(), refusal);
    }
}

#[test]
fn flaw_13_a_type_that_sns_does_not_send_is_refused() {
    for kind in ["", "notification", "Notification ", "Notification\n", "Alert"] {
        let draft = Draft::notification("hello").with("Type", kind).signed();
        assert!(matches!(check(&draft), Err(SnsRefusal::Form { field: "Type", .. })), "{kind}");
    }
}

#[test]
fn flaw_13a_both_confirmations_verify_with_all_of_their_signed_keys() {
    let subscribed = check(&Draft::confirmation("SubscriptionConfirmation").signed()).unwrap();
    let token = testing::TOKEN.to_owned();
    assert_eq!(subscribed.content(), &Content::SubscriptionConfirmation { token });
    let unsubscribed = check(&Draft::confirmation("UnsubscribeConfirmation").signed()).unwrap();
    assert_eq!(unsubscribed.content(), &Content::UnsubscribeConfirmation);
    let fewer_keys = Draft::confirmation("SubscriptionConfirmation").without("SubscribeURL").without("Token");
    let topic = crate::model::TopicArn::parse(TOPIC).unwrap();
    let url = topic.confirm_url(testing::TOKEN).unwrap();
    let draft = fewer_keys.signed().with("SubscribeURL", &url).with("Token", testing::TOKEN);
    assert_eq!(check(&draft).unwrap_err(), SnsRefusal::Signature);
}

#[test]
fn flaw_13b_fields_that_sns_does_not_sign_in_this_type_are_refused_signed_or_not() {
    let confirmation = Draft::confirmation("SubscriptionConfirmation");
    let notification = Draft::notification("hello");
    for (draft, field) in [
        (confirmation.clone().with("Subject", "x").signed(), "Subject"),
        (confirmation.signed().with("Subject", "x"), "Subject"),
        (notification.clone().with("SubscribeURL", "https://attacker.example").signed(), "SubscribeURL"),
        (notification.clone().signed().with("SubscribeURL", "https://attacker.example"), "SubscribeURL"),
        (notification.signed().with("Token", "00"), "Token"),
    ] {
        assert_eq!(check(&draft).unwrap_err(), SnsRefusal::Unexpected { field });
    }
}

#[test]
fn flaw_14_sha_256_and_sha_1_both_verify_and_sha_1_can_be_turned_off() {
    // SHA-1 signatures can be verified but not made with the crypto library; these lie in files.
    let certificate = include_str!("../../../tests/fixtures/sns/certificate-rsa-2048.pem").to_owned();
    let setting = Setting { certificate, ..Setting::default() };
    let strict =
        Setting { require_version_2: true, certificate: setting.certificate.clone(), ..Setting::default() };
    for (body, sha1) in [
        (include_bytes!("../../../tests/fixtures/sns/notification-v1.json").as_slice(), true),
        (include_bytes!("../../../tests/fixtures/sns/subscription-confirmation-v1.json").as_slice(), true),
        (include_bytes!("../../../tests/fixtures/sns/notification-v2.json").as_slice(), false),
        (include_bytes!("../../../tests/fixtures/sns/unsubscribe-confirmation-v2.json").as_slice(), false),
    ] {
        assert!(setting.check(body).is_ok());
        assert_eq!(strict.check(body).err(), sha1.then_some(SnsRefusal::Version1));
        let text = String::from_utf8(body.to_vec()).unwrap();
        let (from, to) = if sha1 { ("1", "2") } else { ("2", "1") };
        let field = |version: &str| format!("\"SignatureVersion\": \"{version}\"");
        let swapped = text.replace(&field(from), &field(to));
        assert_eq!(setting.check(swapped.as_bytes()).unwrap_err(), SnsRefusal::Signature);
    }
}

#[test]
fn flaw_15_a_message_without_a_signature_is_refused() {
    let draft = Draft::notification("hello").signed();
    assert_eq!(
        check(&draft.clone().without("Signature")).unwrap_err(),
        SnsRefusal::Missing { field: "Signature" }
    );
    assert!(matches!(check(&draft.with("Signature", "")), Err(SnsRefusal::Form { field: "Signature", .. })));
    let raw = EnvelopeHeaders { raw_delivery: true, ..Default::default() };
    let result = Setting { headers: raw, ..Setting::default() }.check(b"{}");
    assert_eq!(result.unwrap_err(), SnsRefusal::RawDelivery);
}

#[test]
fn flaw_16_what_emulators_need_opens_a_path_and_neither_host_nor_name_nor_signature() {
    let emulator = |file: &str| {
        let url = format!("https://{file}");
        Draft::notification("hello").signed().with("SigningCertURL", &url)
    };
    let path = "sns.eu-west-1.amazonaws.com/_aws/sns";
    let setting = Setting { certificate_path: Some("/_aws/sns"), ..Setting::default() };
    assert!(setting.check(&emulator(&format!("{path}/{FILE}")).body()).is_ok());
    assert!(check(&emulator(&format!("{path}/{FILE}"))).is_err());
    let elsewhere = emulator(&format!("localhost.localstack.cloud:4566/_aws/sns/{FILE}"));
    assert!(matches!(setting.check(&elsewhere.body()), Err(SnsRefusal::CertificateUrl(_))));
    let changed = emulator(&format!("{path}/{FILE}")).with("Message", "hullo");
    assert_eq!(setting.check(&changed.body()).unwrap_err(), SnsRefusal::Signature);
}

#[test]
fn flaw_17_the_name_in_the_certificate_is_not_the_regional_host() {
    let body = Draft::notification("hello").signed().body();
    let shape = CertificateShape { names: vec!["sns.eu-west-1.amazonaws.com"], ..Default::default() };
    let regional = Setting { certificate: testing::certificate(&shape), ..Setting::default() };
    assert!(Setting::default().check(&body).is_ok());
    assert_eq!(regional.check(&body).unwrap_err(), SnsRefusal::CertificateName);
}

#[test]
fn text_inside_a_message_cannot_be_presented_as_its_subject() {
    let id = "7d0f3a52-6b1e-5c4d-9f8a-000000000000";
    let inner = format!("harmless\nMessageId\n{id}\nSubject\nrotate");
    let genuine = Draft::notification(&inner);
    let own_id = genuine.0["MessageId"].clone();
    let shifted = Draft::notification("harmless")
        .with("MessageId", id)
        .with("Subject", &format!("rotate\nMessageId\n{own_id}"));
    assert_eq!(genuine.canonical(), shifted.canonical(), "the signature covers both readings");
    assert!(check(&genuine.signed()).is_ok());
    assert!(matches!(check(&shifted.signed()), Err(SnsRefusal::Form { field: "Subject", .. })));
}

#[test]
fn the_header_must_agree_with_the_type() {
    let body = Draft::notification("hello").signed().body();
    for (header, fits) in [("Notification", true), ("SubscriptionConfirmation", false)] {
        let headers = EnvelopeHeaders { message_type: Some(header), raw_delivery: false };
        let result = Setting { headers, ..Setting::default() }.check(&body);
        assert_eq!(result.err(), (!fits).then_some(SnsRefusal::TypeHeader));
    }
}

#[test]
fn forms_that_sns_does_not_write_are_malformed() {
    let notification = || Draft::notification("hello");
    let long = "x".repeat(100);
    for (draft, field) in [
        (notification().with("MessageId", "7d0f3a526b1e5c4d9f8a1b2c3d4e5f60"), "MessageId"),
        (notification().with("MessageId", "{7d0f3a52-6b1e-5c4d-9f8a-1b2c3d4e5f60}"), "MessageId"),
        (notification().with("TopicArn", "rotations"), "TopicArn"),
        (notification().with("Timestamp", "2027-03-01T09:00:00Z"), "Timestamp"),
        (notification().with("Timestamp", "2027-03-01 09:00:00.000Z"), "Timestamp"),
        (notification().with("Timestamp", "2027-02-30T09:00:00.000Z"), "Timestamp"),
        (notification().with("Timestamp", "2027-03-01T09:00:00.000+"), "Timestamp"),
        (notification().with("Subject", ""), "Subject"),
        (notification().with("Subject", "a\nb"), "Subject"),
        (notification().with("Subject", "a\u{7f}"), "Subject"),
        (notification().with("Subject", &long), "Subject"),
        (Draft::confirmation("SubscriptionConfirmation").with("Token", "xyz"), "Token"),
        (Draft::confirmation("SubscriptionConfirmation").with("Token", ""), "Token"),
    ] {
        let refusal = check(&draft.signed()).unwrap_err();
        assert!(matches!(refusal, SnsRefusal::Form { field: found, .. } if found == field), "{refusal}");
        assert_eq!(refusal.class(), RefusalClass::Malformed);
    }
    for version in ["", "0", "3", "1 ", "01"] {
        let draft = notification().signed().with("SignatureVersion", version);
        assert!(
            matches!(check(&draft), Err(SnsRefusal::Form { field: "SignatureVersion", .. })),
            "{version}"
        );
    }
}

#[test]
fn a_body_that_is_not_one_object_with_distinct_keys_is_malformed() {
    let text = String::from_utf8(Draft::notification("hello").signed().body()).unwrap();
    let open = text.strip_suffix('}').unwrap();
    let check = |body: &str| Setting::default().check(body.as_bytes()).unwrap_err();
    for body in
        ["", "null", "[]", "\"x\"", "{", &format!("{text}{text}"), &format!("[{text}]"), &format!("{text}x")]
    {
        assert_eq!(check(body), SnsRefusal::NotJson, "{body}");
    }
    assert_eq!(Setting::default().check(b"{\"Type\":\"\xff\"}").unwrap_err(), SnsRefusal::NotJson);
    // In a field that the check skips: found by libFuzzer.
    let mut skipped = format!("{open},\"Extra\":\"").into_bytes();
    skipped.extend_from_slice(b"\xff\"}");
    assert_eq!(Setting::default().check(&skipped).unwrap_err(), SnsRefusal::NotJson);
    for body in [
        format!("{open},\"Message\":\"hello\"}}"),
        format!("{open},\"Message\":null}}"),
        format!("{open},\"\\u004dessage\":\"other\"}}"),
        format!("{open},\"Extra\":1,\"Extra\":1}}"),
    ] {
        assert_eq!(check(&body), SnsRefusal::DuplicateKey, "{body}");
    }
    for value in ["null", "1", "-1", "1.5", "true", "[\"hello\"]", "{\"a\":\"b\"}"] {
        let body = text.replace("\"hello\"", value);
        assert_eq!(check(&body), SnsRefusal::Form { field: "Message", expected: "a string" }, "{value}");
    }
}

#[test]
fn keys_that_are_not_signed_do_not_matter() {
    let text = String::from_utf8(Draft::notification("hello").signed().body()).unwrap();
    let open = text.strip_suffix('}').unwrap();
    let more = r#""UnsubscribeURL":"https://attacker.example","MessageAttributes":{"a":{"Type":"String","Value":"b"}},"New":[{"deep":[1]}]"#;
    let verified = Setting::default().check(format!("{open},{more}}}").as_bytes()).unwrap();
    assert_eq!(verified.content(), &Content::Notification { message: "hello".to_owned() });
}

#[test]
fn debug_texts_hold_neither_message_nor_token() {
    for draft in [Draft::notification("canary"), Draft::confirmation("SubscriptionConfirmation")] {
        let body = draft.signed().body();
        let envelope = Envelope::parse(&body, &EnvelopeHeaders::default()).unwrap();
        let text = format!("{envelope:?} {:?}", Setting::default().check(&body).unwrap());
        assert!(!text.contains("canary") && !text.contains(testing::TOKEN), "{text}");
    }
}

proptest! {
    #[test]
    fn the_canonical_string_is_that_of_the_signed_keys_in_byte_order(
        message in "\\PC*|[\\n\\r\\t a-zA-Z\u{1f511}]{0,40}",
        subject in proptest::option::of("[^\\pC]{1,40}"),
        confirmation in any::<bool>(),
    ) {
        let draft = if confirmation {
            Draft::confirmation("UnsubscribeConfirmation").with("Message", &message)
        } else {
            let draft = Draft::notification(&message);
            subject.iter().fold(draft, |draft, subject| draft.with("Subject", subject))
        };
        let body = draft.clone().with("UnsubscribeURL", "x").with("SignatureVersion", "1").body();
        let fields = Unverified::read(&body).unwrap();
        let text = canonical(fields.kind().unwrap(), &fields).unwrap();
        prop_assert_eq!(String::from_utf8(text).unwrap(), draft.canonical());
    }

    #[test]
    fn no_input_makes_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Envelope::parse(&body, &EnvelopeHeaders::default()).is_err());
    }
}
