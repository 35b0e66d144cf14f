use std::sync::Arc;

use super::*;
use crate::model::{Failure, FailureCode, Retry};

fn target(name: &str) -> TargetName {
    TargetName::parse(name).unwrap()
}

fn metrics() -> Metrics {
    Metrics::new([target("orders"), target("billing")])
}

#[track_caller]
fn assert_line(metrics: &Metrics, line: &str) {
    let text = metrics.encode();
    assert!(text.lines().any(|l| l == line), "no line {line:?} in\n{text}");
}

#[test]
fn every_name_of_the_table_is_shown_with_its_help() {
    let metrics = metrics();
    metrics.outcome(&target("orders"), &Outcome::InSync);
    metrics.run(Kind::Application, &Outcome::InSync, Duration::from_millis(20));
    metrics.write(Kind::Application, WriteResult::Taken);
    metrics.notification(Route::Sns, Verdict::Accepted);
    metrics.refused(Route::Trigger, RefusalReason::Signature);
    metrics.request("/hooks/sns", 200);
    metrics.rotation_to_confirmed(Duration::from_secs(3));
    metrics.audit_head("1:00", 1);
    metrics.certificate("hooks", Timestamp::UNIX_EPOCH);
    let text = metrics.encode();
    for name in Name::ALL {
        let stem = name.as_str().strip_suffix("_total").unwrap_or(name.as_str());
        assert!(text.contains(&format!("# HELP {stem} {}.\n", name.help())), "{name:?}");
        let sample =
            |line: &str| line.strip_prefix(name.as_str()).is_some_and(|r| r.starts_with(['{', '_', ' ']));
        assert!(text.lines().any(sample), "no sample of {name:?} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn an_outcome_is_one_and_all_others_are_zero() {
    let metrics = metrics();
    metrics.outcome(&target("orders"), &Outcome::Confirming);
    let failure = Failure::new(FailureCode::Denied, Retry::Slowly, "denied", "grant it");
    metrics.outcome(&target("orders"), &Outcome::parked(failure));
    assert_line(&metrics, r#"relay_target_outcome{target="orders",outcome="parked"} 1"#);
    assert_line(&metrics, r#"relay_target_outcome{target="orders",outcome="confirming"} 0"#);
    let ones = metrics
        .encode()
        .lines()
        .filter(|l| l.starts_with("relay_target_outcome") && l.ends_with(" 1"))
        .count();
    assert_eq!(ones, 1);
}

#[test]
fn what_alerts_look_at_exists_before_anything_happened() {
    let metrics = metrics();
    for line in [
        r#"relay_target_stale_seconds{target="orders"} 0.0"#,
        r#"relay_foreign_writes_total{target="billing"} 0"#,
        r#"relay_reconcile_corrections_total{target="billing"} 0"#,
        r#"relay_rotation_alerts_total{alert="rotation_failed"} 0"#,
        r#"relay_alerts_total{kind="stale",result="given_up"} 0"#,
        r#"relay_queue_keys{phase="parked"} 0"#,
        "relay_audit_lost_total 0",
    ] {
        assert_line(&metrics, line);
    }
}

#[test]
fn a_target_that_is_not_configured_makes_no_series() {
    let metrics = metrics();
    let before = metrics.encode();
    let stranger = target("stranger");
    metrics.outcome(&stranger, &Outcome::InSync);
    metrics.stale_seconds(&stranger, 5.0);
    metrics.foreign_write(&stranger);
    metrics.correction(&stranger);
    assert_eq!(metrics.encode(), before);
}

#[test]
fn the_series_of_targets_come_and_go_with_the_configuration() {
    let metrics = metrics();
    metrics.outcome(&target("orders"), &Outcome::InSync);
    metrics.foreign_write(&target("billing"));
    metrics.configure([target("billing"), target("invoices")]);
    metrics.outcome(&target("orders"), &Outcome::InSync);
    assert!(!metrics.encode().contains(r#"target="orders""#), "{}", metrics.encode());
    assert_line(&metrics, r#"relay_foreign_writes_total{target="billing"} 1"#);
    assert_line(&metrics, r#"relay_target_stale_seconds{target="invoices"} 0.0"#);
}

#[test]
fn one_head_of_the_audit_is_shown_at_a_time() {
    let metrics = metrics();
    for (head, seq) in [("1:0a", 1), ("7:0b", 7), ("7:0b", 7)] {
        metrics.audit_head(head, seq);
    }
    assert_line(&metrics, r#"relay_audit_head{head="7:0b"} 7"#);
    assert_eq!(metrics.encode().matches("\nrelay_audit_head{").count(), 1);
}

#[test]
fn counts_add_up_under_their_labels() {
    let metrics = metrics();
    metrics.stale_seconds(&target("orders"), 12.5);
    metrics.foreign_write(&target("orders"));
    metrics.correction(&target("billing"));
    metrics.certificate("admin", Timestamp::from_second(1_900_000_000).unwrap());
    metrics.alert(AlertKind::Healed, AlertResult::Published);
    metrics.rotation_alert(RotationAlert::Abandoned);
    for status in [200, 204, 429, 404, 503, 999] {
        metrics.request("/hooks/sns", status);
    }
    metrics.queue_keys([(QueuePhase::Running, 2), (QueuePhase::Idle, 7)]);
    metrics.queue_keys([(QueuePhase::Idle, 9)]);
    for line in [
        r#"relay_target_stale_seconds{target="orders"} 12.5"#,
        r#"relay_foreign_writes_total{target="orders"} 1"#,
        r#"relay_certificate_not_after_timestamp_seconds{listener="admin"} 1900000000"#,
        r#"relay_reconcile_corrections_total{target="billing"} 1"#,
        r#"relay_reconcile_corrections_total{target="orders"} 0"#,
        r#"relay_alerts_total{kind="healed",result="published"} 1"#,
        r#"relay_alerts_total{kind="stale",result="published"} 0"#,
        r#"relay_rotation_alerts_total{alert="rotation_abandoned"} 1"#,
        r#"relay_requests_total{route="/hooks/sns",status_class="2xx"} 2"#,
        r#"relay_requests_total{route="/hooks/sns",status_class="429"} 1"#,
        r#"relay_requests_total{route="/hooks/sns",status_class="4xx"} 1"#,
        r#"relay_requests_total{route="/hooks/sns",status_class="5xx"} 1"#,
        r#"relay_requests_total{route="/hooks/sns",status_class="other"} 1"#,
        r#"relay_queue_keys{phase="running"} 0"#,
        r#"relay_queue_keys{phase="idle"} 9"#,
    ] {
        assert_line(&metrics, line);
    }
}

#[test]
fn the_two_ways_to_a_proof_are_counted_apart_from_half_a_second_to_a_day() {
    let metrics = metrics();
    for seconds in [0.4, 90.0, 7200.0] {
        metrics.rotation_to_confirmed(Duration::from_secs_f64(seconds));
    }
    metrics.event_to_confirmed(Duration::from_mins(2));
    for line in [
        r#"relay_rotation_to_confirmed_seconds_bucket{le="0.5"} 1"#,
        r#"relay_rotation_to_confirmed_seconds_bucket{le="120.0"} 2"#,
        r#"relay_rotation_to_confirmed_seconds_bucket{le="14400.0"} 3"#,
        r#"relay_rotation_to_confirmed_seconds_bucket{le="86400.0"} 3"#,
        "relay_rotation_to_confirmed_seconds_count 3",
        r#"relay_event_to_confirmed_seconds_bucket{le="60.0"} 0"#,
        r#"relay_event_to_confirmed_seconds_bucket{le="120.0"} 1"#,
        "relay_event_to_confirmed_seconds_sum 120.0",
        "relay_event_to_confirmed_seconds_count 1",
    ] {
        assert_line(&metrics, line);
    }
}

#[test]
fn the_labels_of_kinds_and_alerts_are_the_words_used_elsewhere() {
    use crate::model::Change;
    for change in [Change::RotationFailed, Change::RotationAbandoned] {
        assert_eq!(RotationAlert::of(&change).map(RotationAlert::as_str), Some(change.as_str()));
    }
    assert_eq!(RotationAlert::of(&Change::Value), None);
    let kind = crate::config::TargetKind::SecretValue(Arc::new(crate::config::SecretValueTarget {
        connection: crate::model::ConnectionName::parse("prod").unwrap(),
        secret_id: "id".to_owned(),
        path: "/".to_owned(),
        value: crate::model::ValueSource::Literal("x".to_owned()),
    }));
    assert_eq!(Kind::from(&kind).as_str(), kind.as_str());
}
