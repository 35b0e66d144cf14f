//! The board as its users see it: staleness, the status JSON, waiting for an outcome.

use super::*;
use crate::model::{Change, Failure, FailureCode, Ignored, Retry, SecretMention, Shape};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn orders() -> TargetName {
    TargetName::parse("orders").unwrap()
}

fn secret() -> SecretRef {
    SecretRef::new("prod/db", Some("eu-west-1"), None).unwrap()
}

fn board() -> StatusBoard {
    StatusBoard::new([orders()], [secret()])
}

fn failure() -> Failure {
    Failure::new(FailureCode::Unavailable, Retry::Backoff, "orders: no answer", "wait")
}

fn record(second: i64, outcome: Outcome) -> RunRecord {
    RunRecord::new(at(second), Duration::from_millis(250), outcome, Did::Observed)
}

fn run(board: &StatusBoard, second: i64, outcome: Outcome) -> RunNo {
    let run = board.started(&orders(), at(second));
    board.finished(&orders(), run, record(second, outcome));
    run
}

fn status(board: &StatusBoard, second: i64) -> TargetStatus {
    board.target(&orders(), at(second)).unwrap()
}

fn stale(board: &StatusBoard, second: i64) -> f64 {
    board.stale_seconds(at(second))[0].1
}

fn event(id: &str, change: Change, second: i64) -> Event {
    let secret = SecretMention { text: "prod/db".to_owned(), region: None, account: None };
    Event { id: id.to_owned(), shape: Shape::Native, change, secret, version: None, at: Some(at(second)) }
}

// Staleness.

#[test]
fn a_target_is_stale_from_the_event_until_it_is_in_sync() {
    let board = board();
    assert!(stale(&board, 0).abs() < f64::EPSILON);
    board.set_stale(&orders(), at(0));
    run(&board, 5, Outcome::Retrying(failure()));
    run(&board, 8, Outcome::Confirming);
    assert!((stale(&board, 10) - 10.0).abs() < f64::EPSILON);
    run(&board, 20, Outcome::InSync);
    assert_eq!((board.stale_since(&orders()), status(&board, 30).stale_since), (None, None));
}

#[test]
fn the_earliest_time_counts_when_aws_moves_again() {
    let board = board();
    board.set_stale(&orders(), at(10));
    board.set_stale(&orders(), at(50));
    board.set_stale(&orders(), at(5));
    assert_eq!(board.stale_since(&orders()), Some(at(5)));
}

#[test]
fn what_is_heard_during_a_run_outlives_its_success() {
    let board = board();
    board.set_stale(&orders(), at(0));
    let first = board.started(&orders(), at(1));
    board.set_stale(&orders(), at(2));
    assert_eq!(board.stale_since(&orders()), Some(at(0)));
    board.finished(&orders(), first, record(3, Outcome::InSync));
    assert_eq!(board.stale_since(&orders()), Some(at(2)));
    run(&board, 4, Outcome::InSync);
    assert_eq!(board.stale_since(&orders()), None);
}

#[test]
fn what_is_heard_during_a_run_that_fails_does_not_shorten_the_staleness() {
    let board = board();
    board.set_stale(&orders(), at(0));
    let first = board.started(&orders(), at(1));
    board.set_stale(&orders(), at(2));
    board.finished(&orders(), first, record(3, Outcome::Retrying(failure())));
    assert_eq!(board.stale_since(&orders()), Some(at(0)));
    run(&board, 4, Outcome::Accepted);
    assert_eq!(board.stale_since(&orders()), None);
}

#[test]
fn what_a_run_finds_itself_ends_with_its_success() {
    let board = board();
    let first = board.started(&orders(), at(1));
    board.found_stale(&orders(), at(-60));
    assert!((stale(&board, 0) - 60.0).abs() < f64::EPSILON);
    board.finished(&orders(), first, record(3, Outcome::Accepted));
    assert_eq!(board.stale_since(&orders()), None);
}

#[test]
fn parked_keeps_counting_and_stopped_owes_nothing() {
    let board = board();
    board.set_stale(&orders(), at(0));
    run(&board, 5, Outcome::Parked(failure()));
    assert_eq!(board.stale_since(&orders()), Some(at(0)));
    run(&board, 6, Outcome::Stopped);
    assert_eq!(board.stale_since(&orders()), None);
}

#[test]
fn a_clock_of_aws_that_is_ahead_makes_no_negative_staleness() {
    let board = board();
    board.set_stale(&orders(), at(30));
    assert!(stale(&board, 0).abs() < f64::EPSILON);
}

#[test]
fn staleness_can_be_ended_without_a_run() {
    let board = board();
    board.set_stale(&orders(), at(0));
    board.clear_stale(&orders());
    assert_eq!(board.stale_since(&orders()), None);
}

// Status.

#[test]
fn since_is_when_the_outcome_got_its_word() {
    let board = board();
    run(&board, 1, Outcome::Retrying(failure()));
    run(&board, 2, Outcome::Retrying(failure()));
    assert_eq!(status(&board, 3).since, Some(at(1)));
    run(&board, 4, Outcome::InSync);
    assert_eq!((status(&board, 5).since, status(&board, 5).outcome), (Some(at(4)), Some("in_sync")));
}

#[test]
fn versions_that_a_run_did_not_get_to_know_stay() {
    let board = board();
    let versions = |text: &str| Some(ShortVersions::from([("prod/db".to_owned(), text.to_owned())]));
    let first = board.started(&orders(), at(1));
    let known =
        RunRecord { wanted: versions("bbbb"), delivered: versions("aaaa"), ..record(1, Outcome::Confirming) };
    board.finished(&orders(), first, known);
    run(&board, 2, Outcome::Retrying(failure()));
    let status = status(&board, 3);
    assert_eq!((Some(status.wanted), Some(status.delivered)), (versions("bbbb"), versions("aaaa")));
}

#[test]
fn the_history_keeps_the_last_twenty_runs_newest_first() {
    let board = board();
    for second in 1..=25 {
        run(&board, second, Outcome::InSync);
    }
    let history = status(&board, 30).history;
    assert_eq!((history.len(), history[0].at, history[19].at), (20, at(25), at(6)));
    assert_eq!(history[0].run, board.runs_started(&orders()));
}

#[test]
fn long_texts_and_many_notes_are_cut() {
    let board = board();
    let long = Failure::new(FailureCode::Rejected, Retry::Never, "é".repeat(400), "x".repeat(600));
    let first = board.started(&orders(), at(1));
    let wordy = RunRecord { notes: vec!["y".repeat(600); 40], ..record(1, Outcome::Parked(long)) };
    board.finished(&orders(), first, wordy);
    let status = status(&board, 2);
    let failure = status.failure.unwrap();
    assert_eq!((failure.message.len(), failure.next_step.len()), (500, 500));
    assert_eq!((status.notes.len(), status.notes[0].len()), (16, 500));
}

#[test]
fn what_is_not_configured_is_ignored() {
    let board = board();
    let before = board.snapshot(at(0));
    let stranger = TargetName::parse("stranger").unwrap();
    let run = board.started(&stranger, at(0));
    board.finished(&stranger, run, record(1, Outcome::InSync));
    board.set_stale(&stranger, at(0));
    let other = SecretRef::new("prod/other", None, None).unwrap();
    board.notified(&other, &event("e", Change::Value, 0), at(0));
    assert_eq!(board.snapshot(at(0)), before);
    assert_eq!((board.outcome(&stranger), board.target(&stranger, at(0))), (None, None));
}

#[test]
fn the_json_of_a_target_has_all_that_a_person_needs() {
    let board = board();
    board.set_stale(&orders(), at(-10));
    let first = board.started(&orders(), at(0));
    let full = RunRecord {
        attempts: 3,
        next_try: Some(at(60)),
        event_id: Some("e1".to_owned()),
        request_id: Some("r1".to_owned()),
        notes: vec!["n".to_owned()],
        ..record(0, Outcome::Retrying(failure()))
    };
    board.finished(&orders(), first, full);
    let json = serde_json::to_value(board.snapshot(at(0))).unwrap();
    assert_eq!(
        json["targets"][0],
        serde_json::json!({
            "target": "orders", "outcome": "retrying", "since": at(0).to_string(),
            "failure": {"code": "unavailable", "message": "orders: no answer", "next_step": "wait"},
            "running_since": null, "stale_since": at(-10).to_string(), "stale_seconds": 10.0,
            "wanted": {}, "delivered": {}, "attempts": 3, "next_try": at(60).to_string(),
            "event_id": "e1", "request_id": "r1", "notes": ["n"],
            "history": [{
                "run": 1, "at": at(0).to_string(), "outcome": "retrying", "did": "observed",
                "duration_seconds": 0.25,
                "failure": {"code": "unavailable", "message": "orders: no answer", "next_step": "wait"},
            }],
        })
    );
}

#[test]
fn a_run_under_way_shows() {
    let board = board();
    let first = board.started(&orders(), at(7));
    assert_eq!(status(&board, 8).running_since, Some(at(7)));
    board.finished(&orders(), first, record(9, Outcome::InSync));
    assert_eq!(status(&board, 9).running_since, None);
}

#[test]
fn wanted_versions_are_shown_short() {
    use crate::model::{VersionId, VersionSeen, Wanted};
    let version = VersionId::parse("0a1b2c3d-0000-4000-8000-000000000001").unwrap();
    let seen = VersionSeen { version, created: None };
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db";
    let by_arn = SecretRef::new(arn, None, None).unwrap();
    let wanted =
        Wanted { versions: [(secret(), seen.clone()), (by_arn, seen)].into(), mapping: String::new() };
    let short = |label: &str| (label.to_owned(), "0a1b2c3d".to_owned());
    assert_eq!(short_versions(&wanted.versions), [short("prod/db (eu-west-1)"), short(arn)].into());
}

// Secrets.

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

// Waiting.

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_run_that_started_later() {
    let board = board();
    let under_way = board.started(&orders(), at(0));
    let after = board.runs_started(&orders());
    let target = orders();
    let (outcome, ()) = tokio::join!(board.wait_settled(&target, after, LIMIT), async {
        // It may have looked before the change that is waited for.
        board.finished(&orders(), under_way, record(1, Outcome::InSync));
        tokio::task::yield_now().await;
        run(&board, 2, Outcome::Accepted);
    });
    assert_eq!(outcome, Some(Outcome::Accepted));
}

#[tokio::test(start_paused = true)]
async fn waiting_goes_on_while_the_target_confirms() {
    let board = board();
    let after = board.runs_started(&orders());
    run(&board, 1, Outcome::Confirming);
    let target = orders();
    let (outcome, ()) = tokio::join!(board.wait_settled(&target, after, LIMIT), async {
        tokio::task::yield_now().await;
        run(&board, 2, Outcome::Confirming);
        tokio::task::yield_now().await;
        run(&board, 3, Outcome::InSync);
    });
    assert_eq!(outcome, Some(Outcome::InSync));
}

#[tokio::test(start_paused = true)]
async fn waiting_tells_of_a_failure_at_once() {
    let board = board();
    let after = board.runs_started(&orders());
    run(&board, 1, Outcome::Parked(failure()));
    assert_eq!(board.wait_settled(&orders(), after, LIMIT).await, Some(Outcome::Parked(failure())));
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_follows_does_not_hide_an_outcome_that_was_missed() {
    let board = board();
    let after = board.runs_started(&orders());
    run(&board, 1, Outcome::InSync);
    run(&board, 2, Outcome::Confirming);
    assert_eq!(board.wait_settled(&orders(), after, LIMIT).await, Some(Outcome::InSync));
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_nothing_when_the_time_is_over() {
    let board = board();
    run(&board, 1, Outcome::InSync);
    let after = board.runs_started(&orders());
    let start = tokio::time::Instant::now();
    assert_eq!(board.wait_settled(&orders(), after, LIMIT).await, None);
    assert_eq!(start.elapsed(), LIMIT);
    let stranger = TargetName::parse("stranger").unwrap();
    assert_eq!(board.wait_settled(&stranger, after, LIMIT).await, None);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_final_outcome_outlasts_failures_that_pass() {
    let board = board();
    let target = orders();
    let (outcome, ()) = tokio::join!(board.wait_final(&target, LIMIT), async {
        run(&board, 1, Outcome::Retrying(failure()));
        tokio::task::yield_now().await;
        run(&board, 2, Outcome::InSync);
    });
    assert_eq!(outcome, Some(Outcome::InSync));
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_refused_are_final_at_the_third_try() {
    let board = board();
    let retrying = |code, attempts| {
        let failure = Failure::new(code, Retry::Backoff, "no", "wait");
        let run = board.started(&orders(), at(1));
        board.finished(&orders(), run, RunRecord { attempts, ..record(1, Outcome::Retrying(failure)) });
        board.awaits_final(&orders())
    };
    assert!(board.awaits_final(&orders()), "no run has ended");
    assert!(retrying(FailureCode::Unauthenticated, 2));
    assert!(retrying(FailureCode::Unavailable, 3), "other failures pass");
    assert!(!retrying(FailureCode::Unauthenticated, 3));
    let start = tokio::time::Instant::now();
    let outcome = board.wait_final(&orders(), LIMIT).await.unwrap();
    assert_eq!(outcome.failure().map(|failure| failure.code), Some(FailureCode::Unauthenticated));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn when_the_time_is_over_the_final_outcome_is_the_last_failure_or_confirming_or_nothing() {
    let board = board();
    assert_eq!(board.wait_final(&orders(), LIMIT).await, None);
    run(&board, 1, Outcome::Retrying(failure()));
    assert_eq!(board.wait_final(&orders(), LIMIT).await, Some(Outcome::Retrying(failure())));
    run(&board, 2, Outcome::Confirming);
    assert_eq!(board.wait_final(&orders(), LIMIT).await, Some(Outcome::Confirming));
}
