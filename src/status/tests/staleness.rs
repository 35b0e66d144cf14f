//! How long a target owes what AWS serves.

use super::*;

#[test]
fn a_target_is_stale_from_the_event_until_it_is_in_sync() {
    let board = board();
    assert!(stale(&board, 0).abs() < f64::EPSILON);
    board.set_stale(&orders(), at(0));
    run(&board, 5, Outcome::retrying(failure()));
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
    board.finished(&orders(), first, record(3, Outcome::retrying(failure())));
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
    run(&board, 5, Outcome::parked(failure()));
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
