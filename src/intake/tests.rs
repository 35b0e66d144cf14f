use std::time::Instant;

use axum::extract::Request;

use super::*;
use crate::clock::SystemClock;
use crate::ingress::ports::DedupId;
use crate::ingress::testing::{TRIGGER_KEY, sns_post, trigger_signed};
use crate::ingress::{self, IngressState, Parts};
use crate::model::{SecretRef, Shape, VersionId, VersionSeen};
use crate::queue::{Policy, WorkQueue, full_jitter};
use crate::status::{Did, RunRecord};
use crate::sync::versions::Verdict;
use crate::verify::sns::testing::Draft;

const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-a1B2c3";

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

fn secret() -> SecretRef {
    SecretRef::new("prod/db", None, None).unwrap()
}

fn version(number: u8) -> VersionId {
    VersionId::parse(&format!("00000000-0000-4000-8000-0000000000{number:02}")).unwrap()
}

/// `orders` and `billing` use `prod/db`; `thin` uses another secret.
fn desk() -> Desk {
    desk_with(Arc::new(SystemClock), ReplayLimits { ids: 10, age: Duration::from_mins(1) })
}

fn desk_with(clock: Arc<dyn Clock>, limits: ReplayLimits) -> Desk {
    let settings = crate::queue::Settings {
        retry_base: Duration::from_secs(1),
        retry_cap: Duration::from_secs(1),
        slow_retry: Duration::from_secs(1),
    };
    let targets = ["billing", "orders", "thin"].map(name);
    let mut queue = WorkQueue::new(settings, full_jitter());
    for target in &targets {
        queue.register(target.clone(), &Policy::default());
    }
    let other = SecretRef::new("prod/other", None, None).unwrap();
    Desk {
        index: SecretIndex::new([
            (secret(), name("orders")),
            (secret(), name("billing")),
            (other.clone(), name("thin")),
        ]),
        queue: Arc::new(Queue::new(queue, Arc::clone(&clock))),
        versions: Arc::new(VersionLog::new(Duration::from_secs(30), Duration::from_secs(5))),
        board: Arc::new(StatusBoard::new(targets.clone(), [secret(), other])),
        metrics: Arc::new(Metrics::new(targets)),
        audit: Arc::new(Audit::off()),
        clock,
        seen: Arc::new(Mutex::new(ReplayMemory::new(limits))),
    }
}

fn hint(id: &str, subject: Subject) -> Hint {
    Hint {
        id: DedupId::event(id),
        route: Route::EventBridge,
        request_id: "request-1".to_owned(),
        subject,
        reason: None,
        key_id: None,
    }
}

fn event(change: Change) -> Subject {
    Subject::Event(Event {
        id: "event-1".to_owned(),
        shape: Shape::Native,
        change,
        secret: SecretMention { text: ARN.to_owned(), region: None, account: None },
        version: Some(version(2)),
        at: None,
    })
}

fn targets(answer: &Answer) -> Vec<&str> {
    match answer {
        Answer::Accepted(ticket) => ticket.targets.iter().map(|(target, _)| target.as_str()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_enqueues_every_target_of_its_secret_and_no_other() {
    let desk = desk();
    let answer = desk.offer(hint("1", event(Change::Value)));
    assert_eq!(targets(&answer), ["billing", "orders"]);
}

#[test]
fn the_version_that_an_event_names_is_waited_for() {
    let desk = desk();
    desk.offer(hint("1", event(Change::Value)));
    let read = VersionSeen { version: version(1), created: None };
    let verdict = desk.versions.judge(&secret(), &read, None, None, Instant::now());
    assert!(matches!(verdict, Verdict::Wait(..)), "{verdict:?}");
}

#[test]
fn an_id_counts_once() {
    let desk = desk();
    assert_eq!(targets(&desk.offer(hint("1", Subject::All))).len(), 3);
    assert_eq!(desk.offer(hint("1", Subject::All)), Answer::Duplicate);
    assert_eq!(targets(&desk.offer(hint("2", Subject::All))).len(), 3);
}

/// Sends one notification again every minute until it is refused for its time; how many minutes that
/// took.
async fn replayed(app: &ingress::testing::App, request: impl Fn() -> Request) -> (Vec<(u16, String)>, usize) {
    let limits = (&app.config).into();
    let parts = Parts { intake: Arc::new(desk_with(Arc::new(app.clock.clone()), limits)), ..app.parts() };
    let router = ingress::router(IngressState::open(&app.config, app.limits.clone(), parts).await.unwrap());
    let mut answers: Vec<(u16, String)> = Vec::new();
    for minute in 0.. {
        let reply = ingress::testing::ask(&router, request()).await;
        let (status, word) = reply.cell();
        if word.ends_with("outside_window") {
            return (answers, minute);
        }
        if answers.last().is_none_or(|(_, last)| last != word) {
            answers.push((status, word.to_owned()));
        }
        app.clock.advance(Duration::from_mins(1));
    }
    unreachable!("the window ends")
}

#[tokio::test]
async fn a_captured_trigger_is_refused_for_as_long_as_its_timestamp_is_accepted() {
    let mut app = ingress::testing::App::new();
    let tolerance = Duration::from_hours(1);
    app.config.trigger.as_mut().unwrap().tolerance = tolerance;
    // Signed by a clock that is as far ahead as is taken.
    let at = ingress::testing::now() + tolerance;
    let body = r#"{"all": true}"#;
    let trigger = || trigger_signed("/hooks/trigger", "msg_1", body, at, TRIGGER_KEY);
    let (answers, minutes) = replayed(&app, trigger).await;
    assert_eq!(answers, [(202, "accepted".to_owned()), (409, "duplicate".to_owned())]);
    assert_eq!(minutes, 121);
}

#[test]
fn what_was_told_to_come_again_is_new_when_it_does() {
    let desk = desk();
    desk.queue.close();
    assert_eq!(desk.offer(hint("1", Subject::All)), Answer::Closed);
    assert_eq!(desk.offer(hint("1", Subject::All)), Answer::Closed, "it was not remembered");
}

#[test]
fn unknown_secrets_and_targets_are_not_configured_and_not_remembered() {
    let desk = desk();
    for subject in [Subject::Secret("prod/unknown".to_owned()), Subject::Target(name("unknown"))] {
        assert_eq!(desk.offer(hint("1", subject)), Answer::NotConfigured);
    }
    assert_eq!(targets(&desk.offer(hint("1", Subject::Target(name("thin"))))), ["thin"]);
}

#[test]
fn a_rotation_that_failed_is_shown_and_enqueues_nothing() {
    let desk = desk();
    let answer = desk.offer(hint("1", event(Change::RotationFailed)));
    assert_eq!(answer, Answer::NotOfInterest("rotation_failed"));
    assert!(desk.queue.is_idle());
    let status = desk.board.snapshot(desk.clock.timestamp());
    let line = status.secrets.iter().find(|line| line.secret == "prod/db").unwrap();
    assert!(line.rotation_failed.is_some());
}

#[test]
fn a_rotation_that_failed_alerts_once_however_often_it_is_told() {
    let desk = desk();
    for change in [Change::RotationFailed, Change::RotationAbandoned] {
        let first = desk.offer(hint(change.as_str(), event(change.clone())));
        assert_eq!(first, Answer::NotOfInterest(change.as_str()));
        assert_eq!(desk.offer(hint(change.as_str(), event(change.clone()))), Answer::Duplicate);
        let sample = format!("relay_rotation_alerts_total{{alert=\"{}\"}} 1", change.as_str());
        assert!(desk.metrics.encode().lines().any(|line| line == sample), "{sample}");
    }
}

#[tokio::test]
async fn a_captured_confirmation_does_nothing_for_as_long_as_it_is_accepted() {
    let mut app = ingress::testing::App::new();
    let sns = app.config.sns.as_mut().unwrap();
    (sns.max_age, sns.max_ahead) = (Duration::from_mins(10), Duration::from_hours(1));
    app.clock.jump_to(ingress::testing::now() - Duration::from_hours(1));
    let draft = Draft::confirmation("SubscriptionConfirmation").signed();
    let (answers, minutes) = replayed(&app, || sns_post(&draft)).await;
    assert_eq!(answers, [(200, "confirmed".to_owned()), (200, "duplicate".to_owned())]);
    assert_eq!((minutes, app.confirmer.confirmed.lock().unwrap().len()), (71, 1));
}

#[tokio::test]
async fn a_ticket_is_settled_by_a_run_that_started_after_it() {
    let desk = desk();
    let early = desk.board.started(&name("thin"), desk.clock.timestamp());
    let Answer::Accepted(ticket) = desk.offer(hint("1", Subject::Target(name("thin")))) else {
        panic!("it is configured");
    };
    let ended = |outcome| RunRecord::new(desk.clock.timestamp(), Duration::ZERO, outcome, Did::Observed);
    desk.board.finished(&name("thin"), early, ended(Outcome::Accepted));
    let late = desk.settle(ticket.clone(), Duration::ZERO).await;
    assert_eq!(late[0].outcome, None, "the run that had started before does not count");

    let run = desk.board.started(&name("thin"), desk.clock.timestamp());
    desk.board.finished(&name("thin"), run, ended(Outcome::InSync));
    let reports = desk.settle(ticket, Duration::from_secs(5)).await;
    assert_eq!(reports[0].outcome, Some(Outcome::InSync));
}
