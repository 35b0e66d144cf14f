use async_trait::async_trait;

use super::*;
use crate::clock::SystemClock;
use crate::model::SecretRef;
use crate::queue::Reason;
use crate::queue::{Note, Phase, Policy, WorkQueue, full_jitter};
use crate::sync::memory::Memory;
use crate::sync::ports::{FetchedSecret, Observed, Proof, SecretState, Secrets, TargetSpec};
use crate::sync::versions::VersionLog;

/// Nothing is asked of AWS: the targets here have no secrets.
struct NoSecrets;

#[async_trait]
impl Secrets for NoSecrets {
    async fn current(&self, _: &SecretRef) -> Result<SecretState, Failure> {
        Err(not_asked())
    }

    async fn fetch(&self, _: &SecretRef) -> Result<FetchedSecret, Failure> {
        Err(not_asked())
    }
}

fn not_asked() -> Failure {
    Failure::new(FailureCode::Internal, Retry::Never, "not asked for", "none")
}

/// What looking at the target leads to.
#[derive(Clone)]
enum Look {
    Panics,
    Fails(Failure),
}

struct FakeTarget(Arc<TargetSpec>, Look);

#[async_trait]
impl Target for FakeTarget {
    fn spec(&self) -> &Arc<TargetSpec> {
        &self.0
    }

    async fn observe(&self) -> Result<Box<dyn Observed>, Failure> {
        match &self.1 {
            Look::Panics => panic!("expected by the test"),
            Look::Fails(failure) => Err(failure.clone()),
        }
    }
}

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

fn workshop(targets: &[(&str, &str, Look)]) -> Workshop {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = crate::queue::Settings {
        retry_base: Duration::from_secs(1),
        retry_cap: Duration::from_mins(1),
        slow_retry: Duration::from_hours(1),
    };
    let mut queue = WorkQueue::new(settings, full_jitter());
    let mut stations = BTreeMap::new();
    for (target, group, look) in targets {
        let group: Arc<str> = (*group).into();
        let policy = Policy { group: Some(Arc::clone(&group)), ..Policy::default() };
        queue.register(name(target), &policy);
        let spec = TargetSpec {
            name: name(target),
            secrets: Box::default(),
            mapping: "m".to_owned(),
            proof: Proof::None,
            rolls: false,
            supersede: false,
            confirm_limit: Duration::from_mins(1),
        };
        let station = Station {
            target: Arc::new(FakeTarget(Arc::new(spec), look.clone())),
            kind: Kind::Http,
            group: Some(Arc::clone(&group)),
            cools: vec![group],
        };
        stations.insert(name(target), station);
    }
    Workshop {
        sync: Sync {
            secrets: Arc::new(NoSecrets),
            versions: Arc::new(VersionLog::new(Duration::from_secs(30), Duration::from_secs(5))),
            memory: Arc::new(Memory::volatile()),
            clock: Arc::clone(&clock),
            poll: Duration::from_secs(5),
            gates: BTreeMap::new(),
            leaders: Arc::default(),
        },
        board: Arc::new(StatusBoard::new(stations.keys().cloned(), [])),
        metrics: Arc::new(Metrics::new(stations.keys().cloned())),
        audit: Arc::new(Audit::off()),
        traces: Arc::new(Traces::off()),
        queue: Arc::new(Queue::new(queue, Arc::clone(&clock))),
        stations,
        clock,
    }
}

async fn run_once(workshop: &Workshop, target: &str) {
    let note = Note::new(Reason::Reconcile, workshop.clock.timestamp());
    workshop.queue.add(&name(target), note).unwrap();
    let taken = workshop.queue.next().await.unwrap();
    assert_eq!(taken.key, name(target));
    workshop.run(taken).await;
}

fn phase(workshop: &Workshop, target: &str) -> Phase {
    workshop.queue.snapshot().of(&name(target)).unwrap().phase
}

#[tokio::test]
async fn a_panic_in_a_run_parks_that_target_and_nothing_else() {
    let passing = Failure::new(FailureCode::Unavailable, Retry::Backoff, "down", "wait");
    let workshop = workshop(&[("broken", "a", Look::Panics), ("other", "b", Look::Fails(passing))]);
    run_once(&workshop, "broken").await;
    assert_eq!(phase(&workshop, "broken"), Phase::Parked);
    let outcome = workshop.board.outcome(&name("broken")).unwrap();
    let failure = outcome.failure().unwrap();
    assert_eq!((outcome.label(), failure.code), ("parked", FailureCode::Internal));
    assert_eq!(failure.message, "the run panicked: a bug of the relay");
    assert_eq!(failure.next_step, "report it with the log of this run; other targets are not affected");

    run_once(&workshop, "other").await;
    assert_eq!(phase(&workshop, "other"), Phase::Backoff);
}

#[tokio::test]
async fn a_worker_goes_on_with_other_targets_after_a_panic() {
    let failure = |code| Failure::new(code, Retry::Never, "as the test wants it", "none");
    let parks = Look::Fails(failure(FailureCode::NotFound));
    let workshop = workshop(&[("broken", "a", Look::Panics), ("other", "b", parks)]);
    for target in ["broken", "other"] {
        let note = Note::new(Reason::Reconcile, workshop.clock.timestamp());
        workshop.queue.add(&name(target), note).unwrap();
    }
    let other = name("other");
    let run = workshop.board.runs_started(&other);
    let outcome = tokio::select! {
        () = workshop.work() => unreachable!("the queue is not closed"),
        outcome = workshop.board.wait_settled(&other, run, Duration::from_mins(1)) => outcome,
    };
    assert_eq!(outcome.and_then(|outcome| outcome.failure().map(|f| f.code)), Some(FailureCode::NotFound));
    assert_eq!(phase(&workshop, "broken"), Phase::Parked);
}

#[tokio::test]
async fn a_person_lets_a_target_run_again_that_a_panic_has_parked() {
    let mut workshop = workshop(&[("broken", "a", Look::Panics)]);
    run_once(&workshop, "broken").await;
    let station = workshop.stations.get_mut(&name("broken")).unwrap();
    let passing = Failure::new(FailureCode::Unavailable, Retry::Backoff, "down", "wait");
    station.target = Arc::new(FakeTarget(Arc::clone(station.target.spec()), Look::Fails(passing)));

    let note = Note::new(Reason::Manual, workshop.clock.timestamp());
    workshop.queue.add(&name("broken"), note).unwrap();
    let taken = workshop.queue.next().await.unwrap();
    assert!(taken.insists && !taken.observe_only, "{taken:?}");
    workshop.run(taken).await;
    assert_eq!(phase(&workshop, "broken"), Phase::Backoff);
    assert_eq!(workshop.board.outcome(&name("broken")).unwrap().label(), "retrying");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_asks_for_a_pause_gets_it_from_its_other_targets_too() {
    let slow_down =
        Failure::new(FailureCode::RateLimited, Retry::CoolDown(Duration::from_secs(7)), "429", "wait");
    let workshop =
        workshop(&[("asked", "host", Look::Fails(slow_down)), ("neighbour", "host", Look::Panics)]);
    run_once(&workshop, "asked").await;
    let note = Note::new(Reason::Reconcile, workshop.clock.timestamp());
    workshop.queue.add(&name("neighbour"), note).unwrap();
    let started = workshop.clock.now();
    let taken = workshop.queue.next().await.unwrap();
    assert!(workshop.clock.now() - started >= Duration::from_secs(7), "{taken:?}");
}

#[tokio::test]
async fn what_becomes_of_a_target_is_recorded_when_it_changes_and_not_at_each_look() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let denied = |code| Look::Fails(Failure::new(code, Retry::Slowly, "refused", "grant it"));
    let key = crate::credential::CredentialRef::Env("AUDIT_KEY".to_owned());
    let to = crate::config::AuditTo::File(path.clone());
    let settings = crate::config::Audit { to, key, head_every: Duration::from_hours(1) };
    let plain = workshop(&[("one", "a", denied(FailureCode::Denied)), ("two", "a", Look::Panics)]);
    let secret = crate::secret::SecretValue::from("audit-key-0123456789abcdefghijklmnop".to_owned());
    let clock = Arc::clone(&plain.clock);
    let audit = Audit::open(&settings, &secret, Arc::clone(&plain.metrics), clock).unwrap();
    let workshop = Workshop { audit: Arc::new(audit), ..plain };
    for target in ["one", "one", "two", "one"] {
        run_once(&workshop, target).await;
    }
    workshop.audit.end("done").await;
    let text = std::fs::read_to_string(&path).unwrap();
    let said: Vec<(String, String, String)> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| ["what", "target", "code"].map(|key| line[key].as_str().unwrap_or("").to_owned()).into())
        .collect();
    let expected = [("parked", "one", "denied"), ("parked", "two", "internal"), ("end", "", "")];
    assert_eq!(said, expected.map(|(what, target, code)| (what.into(), target.into(), code.into())));
}

#[tokio::test]
async fn workers_end_when_the_queue_is_closed() {
    let workshop = workshop(&[("broken", "a", Look::Panics)]);
    workshop.queue.close();
    workshop.work().await;
    assert!(workshop.queue.snapshot().closed);
}

/// A proof is counted for a change of 100 s ago; gives corrections and both sums of seconds.
fn counted(said: &[(Reason, i64)]) -> [f64; 3] {
    let workshop = workshop(&[("orders", "a", Look::Panics)]);
    let now = workshop.clock.timestamp();
    let ago = |seconds: i64| now - jiff::SignedDuration::from_secs(seconds);
    let mut note = Note::default();
    for (reason, seconds) in said {
        note.merge(Note::new(*reason, ago(*seconds)));
    }
    let key = name("orders");
    workshop.count_proof(&Taken { key, note, attempts: 0, observe_only: false, insists: false }, ago(100));
    let text = workshop.metrics.encode();
    [
        r#"relay_reconcile_corrections_total{target="orders"} "#,
        "relay_rotation_to_confirmed_seconds_sum ",
        "relay_event_to_confirmed_seconds_sum ",
    ]
    .map(|sample| {
        text.lines().find_map(|line| line.strip_prefix(sample)?.parse::<f64>().ok()).unwrap().round()
    })
}

#[tokio::test]
async fn a_proof_is_counted_from_the_change_and_from_the_first_word_of_it() {
    for (said, expected) in [
        (&[(Reason::Reconcile, 60)][..], [1.0, 100.0, 0.0]),
        (&[(Reason::Start, 60)], [0.0, 100.0, 0.0]),
        (&[(Reason::Notification, 90), (Reason::Notification, 20)], [0.0, 100.0, 90.0]),
        (&[(Reason::Reconcile, 60), (Reason::Notification, 20)], [0.0, 100.0, 20.0]),
        (&[(Reason::Manual, 10)], [0.0, 100.0, 10.0]),
        // A target that was parked over an earlier change.
        (&[(Reason::Notification, 5000), (Reason::Notification, 90)], [0.0, 100.0, 100.0]),
    ] {
        let counted = counted(said);
        let near = counted.iter().zip(expected).all(|(is, wanted)| (is - wanted).abs() < 1.5);
        assert!(near, "{said:?}: {counted:?}");
    }
}
