//! What `/status` tells of a target.

use super::*;
use crate::model::VersionSeen;

#[test]
fn since_is_when_the_outcome_got_its_word() {
    let board = board();
    run(&board, 1, Outcome::retrying(failure()));
    run(&board, 2, Outcome::retrying(failure()));
    assert_eq!(status(&board, 3).since, Some(at(1)));
    run(&board, 4, Outcome::InSync);
    assert_eq!((status(&board, 5).since, status(&board, 5).outcome), (Some(at(4)), Some("in_sync")));
}

#[test]
fn versions_that_a_run_did_not_get_to_know_stay() {
    let board = board();
    let versions = |text: &str| {
        let version = crate::model::VersionId::parse(&text.repeat(32)).unwrap();
        Versions::of(&[(secret(), VersionSeen { version, created: None })].into())
    };
    let first = board.started(&orders(), at(1));
    let (wanted, delivered) = (Some(versions("b")), Some(versions("a")));
    board.finished(&orders(), first, RunRecord { wanted, delivered, ..record(1, Outcome::Confirming) });
    run(&board, 2, Outcome::retrying(failure()));
    let status = status(&board, 3);
    let shown = |text: &str| ShortVersions::from([("prod/db (eu-west-1)".to_owned(), text.to_owned())]);
    assert_eq!((status.wanted, status.delivered), (shown("bbbbbbbb"), shown("aaaaaaaa")));
}

#[test]
fn the_history_keeps_the_last_twenty_runs_newest_first() {
    let board = board();
    for second in 1..=25 {
        run(&board, second, Outcome::InSync);
    }
    let history = status(&board, 30).history;
    assert_eq!((history.len(), history[0].at, history[19].at), (20, at(25).into(), at(6).into()));
    assert_eq!(history[0].run, board.runs_started(&orders()));
}

#[test]
fn long_texts_and_many_notes_are_cut() {
    let board = board();
    let long = Failure::new(FailureCode::Rejected, Retry::Never, "é".repeat(400), "x".repeat(600));
    let first = board.started(&orders(), at(1));
    let wordy = RunRecord { notes: vec!["y".repeat(600); 40], ..record(1, Outcome::parked(long)) };
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
        event_id: Some("e1".to_owned()),
        request_id: Some("r1".to_owned()),
        notes: vec!["n".to_owned()],
        ..record(0, Outcome::retrying(failure()))
    };
    board.finished(&orders(), first, full);
    let json = serde_json::to_value(board.snapshot(at(0))).unwrap();
    assert_eq!(
        json["targets"][0],
        serde_json::json!({
            "target": "orders", "state": "retrying", "next_step": "wait", "paused": null, "phase": null,
            "held_back": false, "delivery": null, "outcome": "retrying", "since": at(0).to_string(),
            "failure": {"code": "unavailable", "message": "orders: no answer", "next_step": "wait"},
            "running_since": null, "stale_since": at(-10).to_string(), "stale_seconds": 10.0,
            "wanted": {}, "delivered": {}, "attempts": 3, "next_try": null,
            "event_id": "e1", "request_id": "r1", "notes": ["n"],
            "history": [{
                "run": 1, "at": at(0).to_string(), "outcome": "retrying", "did": "observed",
                "duration_seconds": 0.25, "reasons": [], "told": null, "why": null, "write": null,
                "proved": false, "event_id": "e1", "request_id": "r1",
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
    use crate::model::{VersionId, Wanted};
    let version = VersionId::parse("0a1b2c3d-0000-4000-8000-000000000001").unwrap();
    let seen = VersionSeen { version, created: None };
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db";
    let by_arn = SecretRef::new(arn, None, None).unwrap();
    let wanted =
        Wanted { versions: [(secret(), seen.clone()), (by_arn, seen)].into(), mapping: String::new() };
    let short = |label: &str| (label.to_owned(), "0a1b2c3d".to_owned());
    assert_eq!(short_versions(&wanted.versions), [short("prod/db (eu-west-1)"), short(arn)].into());
}

#[test]
fn the_last_write_is_shown_step_by_step() {
    let board = board();
    let written =
        Delivery { notified: Some(at(1).into()), read: at(2).into(), written: at(3).into(), confirmed: None };
    let wrote = RunRecord { written: Some(written.clone()), ..record(4, Outcome::Confirming) };
    let first = board.started(&orders(), at(1));
    board.finished(&orders(), first, wrote);
    run(&board, 5, Outcome::Confirming);
    assert_eq!(status(&board, 6).delivery, Some(written.clone()));
    for second in [7, 9] {
        let run = board.started(&orders(), at(second));
        board.finished(&orders(), run, RunRecord { proved: true, ..record(second, Outcome::InSync) });
        assert_eq!(
            status(&board, 10).delivery,
            Some(Delivery { confirmed: Some(at(7).into()), ..written.clone() })
        );
    }
}

#[test]
fn a_pause_shows_until_it_is_over_and_staleness_counts_on() {
    let board = board();
    run(&board, 1, Outcome::InSync);
    board.set_stale(&orders(), at(2));
    let pause = Pause { since: at(3), until: Some(at(60)), reason: "a freeze".to_owned() };
    board.set_pause(&orders(), Some(pause.clone()));
    let shown = status(&board, 10);
    assert_eq!((shown.state, shown.outcome, shown.stale_seconds), ("paused", Some("in_sync"), 8.0));
    assert_eq!((shown.paused, board.pause(&orders(), at(10))), (Some(pause.clone()), Some(pause)));
    assert_eq!((status(&board, 60).state, board.pause(&orders(), at(60))), ("in_sync", None));
}

#[test]
fn who_watches_is_told_of_runs_pauses_and_staleness_that_is_new() {
    let board = board();
    let mut place = 0;
    let mut told = |what: &str, expected: bool| {
        let news = board.news_after(place);
        assert_eq!(news.is_some(), expected, "{what}");
        place = news.map_or(place, |(at, _)| at);
        assert_eq!(*board.news().borrow(), place, "{what}");
    };
    told("nothing", false);
    board.set_stale(&orders(), at(5));
    told("stale", true);
    board.set_stale(&orders(), at(6));
    told("still stale", false);
    run(&board, 7, Outcome::InSync);
    told("a run", true);
    let pause = Pause { since: at(8), until: Some(at(9)), reason: "a freeze".to_owned() };
    board.set_pause(&orders(), Some(pause));
    told("a pause", true);
    board.end_pauses(at(8));
    told("a pause that goes on", false);
    board.end_pauses(at(9));
    told("the end of a pause", true);
    board.end_pauses(at(10));
    told("a pause that was told to be over", false);
}
