//! The other side answers, and does not take the write.

use anypoint_sandbox::faults::Rule;
use anypoint_sandbox::wait_until;
use jiff::SignedDuration;

use super::kind::Kind;
use super::subject::Subject;
use crate::support::LIMIT;

const AGAIN: &str = "none: it is tried again";

pub(super) async fn it_is_parked_until_a_person_mends_it(mut subject: Subject) {
    subject.spoil(Rule::status(404));
    let next_step = match subject.kind {
        Kind::http => "check `url`, and that the receiver runs".to_owned(),
        kind => format!(
            "check {} of target orders, and `organization` and `environment` of connection prod",
            kind.settings()
        ),
    };
    subject.fails("not_found", "HTTP 404 Not Found", &next_step).await;
    assert_eq!(subject.written(), Vec::<String>::new());
    subject.faults().clear();
    subject.insist().await;
    subject.heals().await;
}

pub(super) async fn it_is_parked_until_the_slow_timer_finds_it_mended(mut subject: Subject) {
    let next_step = if let Some((scope, give)) = subject.kind.scope() {
        let anypoint = &subject.bench.anypoint;
        anypoint.grant(scope, false);
        let (environment, organization) = (anypoint.environment(), anypoint.organization());
        format!(
            "give the connected app of connection prod the scope {give} in environment {environment} of \
                 organization {organization}"
        )
    } else {
        subject.spoil(Rule::status(403));
        "check that the receiver verifies with the same key and that the clocks agree".to_owned()
    };
    subject.fails("denied", "HTTP 403 Forbidden", &next_step).await;
    assert_eq!(subject.bench.status().outcome, Some("parked"));
    match subject.kind.scope() {
        Some((scope, _)) => subject.bench.anypoint.grant(scope, true),
        None => subject.faults().clear(),
    }
    subject.heals().await;
}

pub(super) async fn it_passes_by_itself(mut subject: Subject) {
    subject.spoil(Rule::status(409).times(3));
    let next_step = match subject.kind {
        Kind::http => AGAIN,
        _ => "usually none: it is tried again; if it stays, look at the resource in Anypoint",
    };
    subject.fails("conflict", "HTTP 409 Conflict", next_step).await;
    subject.heals().await;
    assert_eq!(subject.written().len(), 1);
}

pub(super) async fn it_waits_for_as_long_as_was_asked(mut subject: Subject) {
    subject.spoil(Rule::status(429).header("retry-after", "1").times(1));
    let next_step = match subject.kind {
        Kind::http => AGAIN.to_owned(),
        kind => format!("none: requests to the {} are slowed down", kind.api()),
    };
    subject.fails("rate_limited", "HTTP 429 Too Many Requests", &next_step).await;
    subject.heals().await;
    let tries = subject.tries();
    let [refused, taken] = &tries[..] else { panic!("{} writes", tries.len()) };
    let waited = taken.at.duration_since(refused.at);
    assert!(waited >= SignedDuration::from_millis(950), "written again after {waited}");
}

pub(super) async fn it_backs_off(mut subject: Subject) {
    subject.spoil(Rule::status(429).times(1));
    subject.start().await;
    subject.bench.meets("rate_limited").await;
    subject.heals().await;
    assert_eq!((subject.tries().len(), subject.written().len()), (2, 1));
}

pub(super) async fn it_comes_back(mut subject: Subject) {
    subject.spoil(Rule::status(503).times(1));
    subject.start().await;
    // CloudHub says so when it is asked too often. Besides, a run may be told that its turn is far away.
    let code = match subject.kind {
        Kind::cloudhub | Kind::restart => "rate_limited",
        _ => "unavailable",
    };
    let message = format!("{}HTTP 503 Service Unavailable", subject.kind.writing());
    let refused = || {
        let mut failures = subject.bench.status().history.into_iter().filter_map(|line| line.failure);
        failures.any(|failure| failure.code == code && failure.message == message)
    };
    wait_until("a run that is refused", LIMIT, refused).await;
    subject.heals().await;
}

pub(super) async fn it_is_tried_again(mut subject: Subject) {
    subject.spoil(Rule::status(500).body("<html>first-password</html>"));
    subject.fails("unavailable", "HTTP 500 Internal Server Error", AGAIN).await;
    assert_eq!(subject.written(), Vec::<String>::new());
    subject.faults().clear();
    subject.heals().await;
}
