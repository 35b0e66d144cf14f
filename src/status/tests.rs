//! The board as its users see it: staleness, the status JSON, waiting for an outcome.

mod secrets;
mod shown;
mod staleness;
mod waiting;

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
