//! What was heard about a secret.

use super::*;

#[test]
fn a_failed_rotation_is_shown_until_the_value_changes_after_it() {
    let board = board();
    board.notified(&secret(), &event("e1", Change::RotationFailed, 10), at(11));
    board.notified(&secret(), &event("e2", Change::RotationAbandoned, 12), at(13));
    // Late: it happened before the failure.
    board.notified(&secret(), &event("e0", Change::Value, 5), at(14));
    let status = board.snapshot(at(20)).secrets.remove(0);
    assert_eq!(status.rotation_failed.map(|alert| alert.event_id).as_deref(), Some("e1"));
    assert_eq!(status.rotation_abandoned.map(|alert| alert.event_id).as_deref(), Some("e2"));
    assert_eq!(status.last_notification.map(|heard| heard.event_id).as_deref(), Some("e0"));
    board.notified(&secret(), &event("e3", Change::Value, 15), at(16));
    let status = board.snapshot(at(20)).secrets.remove(0);
    assert_eq!((status.rotation_failed, status.rotation_abandoned), (None, None));
}

#[test]
fn an_ignored_event_is_heard_and_changes_no_alert() {
    let board = board();
    board.notified(&secret(), &event("e1", Change::RotationFailed, 10), at(11));
    board.notified(&secret(), &event("e2", Change::Ignored(Ignored::OtherLabel), 12), at(13));
    let status = board.snapshot(at(20)).secrets.remove(0);
    assert!(status.rotation_failed.is_some());
    assert_eq!(status.last_notification.map(|heard| heard.change), Some("other_label"));
}
