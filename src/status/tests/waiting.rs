//! Waiting for an outcome.

use super::*;

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
    run(&board, 1, Outcome::parked(failure()));
    assert_eq!(board.wait_settled(&orders(), after, LIMIT).await, Some(Outcome::parked(failure())));
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
        run(&board, 1, Outcome::retrying(failure()));
        tokio::task::yield_now().await;
        run(&board, 2, Outcome::InSync);
    });
    assert_eq!(outcome, Some(Outcome::InSync));
}

#[tokio::test(start_paused = true)]
async fn when_the_time_is_over_the_final_outcome_is_the_last_failure_or_confirming_or_nothing() {
    let board = board();
    assert_eq!(board.wait_final(&orders(), LIMIT).await, None);
    run(&board, 1, Outcome::retrying(failure()));
    assert_eq!(board.wait_final(&orders(), LIMIT).await, Some(Outcome::retrying(failure())));
    run(&board, 2, Outcome::Confirming);
    assert_eq!(board.wait_final(&orders(), LIMIT).await, Some(Outcome::Confirming));
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_refused_are_final_at_the_third_try() {
    let board = board();
    let retrying = |code, attempts| {
        let failure = Failure::new(code, Retry::Backoff, "no", "wait");
        let run = board.started(&orders(), at(1));
        board.finished(&orders(), run, RunRecord { attempts, ..record(1, Outcome::retrying(failure)) });
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
