use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::*;
use crate::clock::TestClock;
use crate::model::{Mark, TargetName, VersionId};
use crate::secret::SecretValue;
use crate::sync::plan::Why;
use ports::{Applied, ApplyError, FetchedSecret, Observation, SecretContent, SecretState, Stage, Write};

/// AWS with one secret: `current` and `fetch` may be scripted to serve other versions first.
#[derive(Default)]
struct FakeSecrets {
    current: Mutex<u8>,
    stale_fetches: Mutex<VecDeque<u8>>,
    /// What the version becomes right after the next fetch.
    moves_after_fetch: Mutex<Option<u8>>,
    fails: Mutex<Option<Failure>>,
    fetches: Mutex<u32>,
}

fn version(number: u8) -> VersionId {
    VersionId::parse(&format!("00000000-0000-4000-8000-0000000000{number:02}")).unwrap()
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Secrets for FakeSecrets {
    async fn current(&self, _: &SecretRef) -> Result<SecretState, Failure> {
        if let Some(failure) = lock(&self.fails).clone() {
            return Err(failure);
        }
        let current = VersionSeen { version: version(*lock(&self.current)), created: None };
        Ok(SecretState { current, last_changed: Some(time(0)) })
    }

    async fn fetch(&self, _: &SecretRef) -> Result<FetchedSecret, Failure> {
        *lock(&self.fetches) += 1;
        let number = lock(&self.stale_fetches).pop_front().unwrap_or(*lock(&self.current));
        if let Some(next) = lock(&self.moves_after_fetch).take() {
            *lock(&self.current) = next;
        }
        let seen = VersionSeen { version: version(number), created: Some(time(i64::from(number))) };
        let content = SecretContent::Text(SecretValue::from(format!("value-{number}")));
        Ok(FetchedSecret { arn: None, seen, content })
    }
}

/// A target that carries its receipt and takes effect when told.
struct FakeTarget {
    spec: Arc<TargetSpec>,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Default)]
struct State {
    receipt: Option<Receipt>,
    value: Option<String>,
    version: u32,
    rolling: bool,
    /// The last roll failed.
    failed: bool,
    /// When its turn comes.
    turn: Option<Duration>,
    /// The next write lands but its answer is lost.
    loses_answer: bool,
    writes: u32,
}

struct Seen {
    observation: Observation,
    secret: SecretRef,
    state: Arc<Mutex<State>>,
}

#[async_trait]
impl Target for FakeTarget {
    fn spec(&self) -> &Arc<TargetSpec> {
        &self.spec
    }

    fn ready(&self) -> Result<(), Failure> {
        let not_yet = |wait| Failure::new(FailureCode::RateLimited, Retry::Line(wait), "not yet", "none");
        lock(&self.state).turn.map_or(Ok(()), |wait| Err(not_yet(wait)))
    }

    async fn observe(&self) -> Result<Box<dyn Observed>, Failure> {
        let state = lock(&self.state).clone();
        let observation = Observation {
            receipt: state.receipt,
            mark: Some(Mark(state.version.to_string())),
            stage: match (state.rolling, state.failed) {
                (true, _) => Stage::Rolling,
                (false, true) => Stage::Failed("it does not start".to_owned()),
                (false, false) => Stage::Settled,
            },
            refusal: None,
            provable: true,
        };
        let secret = self.spec.secrets.first().unwrap().clone();
        Ok(Box::new(Seen { observation, secret, state: Arc::clone(&self.state) }))
    }
}

impl Observed for Seen {
    fn observation(&self) -> &Observation {
        &self.observation
    }

    fn prepare(self: Box<Self>, values: &Values, receipt: &Receipt) -> Result<Box<dyn Write>, Failure> {
        let source = crate::model::ValueSource::Secret(self.secret, crate::model::Selector::Whole);
        let value = values.resolve(&source)?.expose_str().map(str::to_owned);
        Ok(Box::new(Prepared { value, receipt: receipt.clone(), state: self.state }))
    }
}

struct Prepared {
    value: Option<String>,
    receipt: Receipt,
    state: Arc<Mutex<State>>,
}

#[async_trait]
impl Write for Prepared {
    async fn send(self: Box<Self>) -> Result<Applied, ApplyError> {
        let mut state = lock(&self.state);
        state.receipt = Some(self.receipt);
        state.value = self.value;
        state.version += 1;
        state.writes += 1;
        state.rolling = true;
        if std::mem::take(&mut state.loses_answer) {
            let failure = Failure::new(FailureCode::Timeout, Retry::Backoff, "no answer", "wait");
            return Err(ApplyError { failure, ambiguous: true });
        }
        Ok(Applied { mark: Some(Mark(state.version.to_string())), notes: Vec::new() })
    }
}

struct Bench {
    secrets: Arc<FakeSecrets>,
    target: FakeTarget,
    sync: Sync,
    clock: TestClock,
}

impl Bench {
    fn new() -> Self {
        let secrets = Arc::new(FakeSecrets { current: Mutex::new(1), ..FakeSecrets::default() });
        let clock = TestClock::at(time(100));
        let spec = TargetSpec {
            name: TargetName::parse("orders").unwrap(),
            secrets: [SecretRef::new("prod/db", None, None).unwrap()].into(),
            mapping: "m".to_owned(),
            proof: Proof::Receipt,
            rolls: true,
            supersede: false,
            confirm_limit: Duration::from_mins(10),
        };
        let sync = Sync {
            secrets: Arc::clone(&secrets) as Arc<dyn Secrets>,
            versions: Arc::new(VersionLog::new(Duration::from_secs(30), Duration::from_secs(5))),
            memory: Arc::new(Memory::volatile()),
            clock: Arc::new(clock.clone()),
            poll: Duration::from_secs(5),
            gates: BTreeMap::new(),
            leaders: Arc::default(),
        };
        Self { secrets, target: FakeTarget { spec: Arc::new(spec), state: Arc::default() }, sync, clock }
    }

    async fn run(&self) -> Ended {
        run(&self.sync, &self.target, Leave::Write, &|| true).await
    }

    fn state(&self) -> State {
        lock(&self.target.state).clone()
    }

    fn finish_roll(&self) {
        lock(&self.target.state).rolling = false;
    }

    /// The relay starts again and remembers nothing.
    fn restart(&mut self) {
        self.sync.memory = Arc::new(Memory::volatile());
        self.sync.versions = Arc::new(VersionLog::new(Duration::from_secs(30), Duration::from_secs(5)));
    }

    async fn deliver(&self) {
        assert_eq!(self.run().await.outcome, Outcome::Confirming);
        self.finish_roll();
        assert_eq!(self.run().await.outcome, Outcome::InSync);
    }
}

#[tokio::test]
async fn a_write_is_confirming_until_the_target_proves_it() {
    let bench = Bench::new();
    let written = bench.run().await;
    assert_eq!(
        (written.outcome, written.wrote),
        (Outcome::Confirming, Some(Wrote { why: Why::NothingDelivered, end: WriteEnd::Taken }))
    );
    assert_eq!(bench.run().await.outcome, Outcome::Confirming, "it still rolls");
    bench.finish_roll();
    let proved = bench.run().await;
    assert_eq!((proved.outcome, proved.next), (Outcome::InSync, Next::Done));
    assert_eq!((bench.state().value.as_deref(), bench.state().writes), (Some("value-1"), 1));
}

#[tokio::test]
async fn a_run_with_nothing_to_do_reads_no_value() {
    let bench = Bench::new();
    bench.deliver().await;
    let fetches = *lock(&bench.secrets.fetches);
    assert_eq!(bench.run().await.outcome, Outcome::InSync);
    assert_eq!(*lock(&bench.secrets.fetches), fetches);
}

#[tokio::test]
async fn a_version_that_moves_during_the_write_makes_the_run_go_round_again() {
    let bench = Bench::new();
    *lock(&bench.secrets.moves_after_fetch) = Some(2);
    let ended = bench.run().await;
    assert_eq!(ended.next, Next::Again { after: Duration::ZERO, roll: Roll::UnderWay });
    bench.finish_roll();
    bench.deliver().await;
    assert_eq!(bench.state().value.as_deref(), Some("value-2"));
}

#[tokio::test]
async fn a_stale_value_is_not_written() {
    let bench = Bench::new();
    bench.deliver().await;
    *lock(&bench.secrets.current) = 2;
    lock(&bench.secrets.stale_fetches).push_back(1);
    let ended = bench.run().await;
    assert!(matches!(ended.outcome, Outcome::Retrying(_)), "{:?}", ended.outcome);
    assert_eq!(bench.state().writes, 1);
    bench.deliver().await;
    assert_eq!(bench.state().value.as_deref(), Some("value-2"));
}

#[tokio::test]
async fn a_rollback_that_no_event_named_is_delivered_after_two_equal_reads() {
    let bench = Bench::new();
    bench.deliver().await;
    *lock(&bench.secrets.current) = 2;
    bench.deliver().await;
    *lock(&bench.secrets.current) = 1;
    assert!(matches!(bench.run().await.next, Next::Again { roll: Roll::Over, .. }));
    assert_eq!(bench.state().value.as_deref(), Some("value-2"));
    bench.clock.advance(Duration::from_secs(5));
    bench.deliver().await;
    assert_eq!(bench.state().value.as_deref(), Some("value-1"));
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_observed_and_repeated_once() {
    let bench = Bench::new();
    lock(&bench.target.state).loses_answer = true;
    let lost = bench.run().await;
    assert_eq!(lost.next, Next::Retry { no_sooner_than: None, roll: Roll::UnderWay }, "it may roll");
    assert_eq!(bench.run().await.outcome, Outcome::Confirming, "it landed and rolls");
    bench.finish_roll();
    assert_eq!(bench.run().await.wrote.map(|wrote| wrote.why), Some(Why::Unanswered));
    bench.finish_roll();
    assert_eq!(bench.run().await.outcome, Outcome::InSync);
    assert_eq!(bench.state().writes, 2);
}

#[tokio::test]
async fn without_a_roll_slot_nothing_is_read_or_written() {
    let bench = Bench::new();
    let ended = run(&bench.sync, &bench.target, Leave::Write, &|| false).await;
    assert_eq!(ended.next, Next::AwaitRoll);
    assert_eq!((*lock(&bench.secrets.fetches), bench.state().writes), (0, 0));
}

#[tokio::test]
async fn a_permanent_failure_parks_and_keeps_counting_staleness() {
    let bench = Bench::new();
    bench.deliver().await;
    bench.sync.versions.named(
        bench.target.spec.secrets.first().unwrap(),
        version(2),
        Some(time(50)),
        bench.clock.now(),
    );
    *lock(&bench.secrets.current) = 2;
    let denied = Failure::new(FailureCode::Denied, Retry::Slowly, "denied", "allow it");
    *lock(&bench.secrets.fails) = Some(denied.clone());
    let ended = bench.run().await;
    assert_eq!((ended.outcome, ended.next), (Outcome::parked(denied), Next::Park { slowly: true }));
    *lock(&bench.secrets.fails) = None;
    let written = bench.run().await;
    assert_eq!((written.outcome, written.stale_since), (Outcome::Confirming, Some(time(50))));
}

#[tokio::test]
async fn a_proof_knows_since_when_aws_had_been_ahead() {
    let bench = Bench::new();
    bench.run().await;
    bench.finish_roll();
    let first = bench.run().await;
    assert_eq!((first.proved_now, first.proved_since), (true, None), "a first delivery follows no change");
    let secret = bench.target.spec.secrets.first().unwrap();
    bench.sync.versions.named(secret, version(2), Some(time(50)), bench.clock.now());
    *lock(&bench.secrets.current) = 2;
    assert_eq!(bench.run().await.proved_since, None);
    bench.finish_roll();
    let proved = bench.run().await;
    assert_eq!((proved.proved_now, proved.proved_since), (true, Some(time(50))));
    assert_eq!(bench.run().await.proved_since, None, "it was proved before");
}

#[tokio::test]
async fn a_first_delivery_is_not_stale_since_the_last_change_of_its_secret() {
    let bench = Bench::new();
    assert_eq!(bench.run().await.stale_since, None, "nothing is known to have been there before");
    assert_eq!(bench.run().await.stale_since, None, "while it rolls");
}

#[tokio::test]
async fn a_restart_does_not_forget_since_when_aws_has_been_ahead() {
    let mut bench = Bench::new();
    bench.deliver().await;
    *lock(&bench.secrets.current) = 2;
    bench.restart();
    assert_eq!(bench.run().await.stale_since, Some(time(0)), "the secret's last change");
}

#[tokio::test]
async fn a_restart_does_not_forget_that_the_last_roll_failed() {
    let mut bench = Bench::new();
    bench.deliver().await;
    *lock(&bench.secrets.current) = 2;
    bench.run().await;
    bench.finish_roll();
    lock(&bench.target.state).failed = true;
    bench.restart();
    let ended = bench.run().await;
    assert_eq!(ended.outcome.failure().map(|failure| failure.code), Some(FailureCode::RollFailed));
    assert_eq!(ended.stale_since, Some(time(0)), "it shows the new version and runs with the old one");
}

#[tokio::test]
async fn a_turn_that_has_not_come_is_no_failed_try_and_asks_aws_nothing() {
    let bench = Bench::new();
    bench.deliver().await;
    let wait = Duration::from_millis(700);
    lock(&bench.target.state).turn = Some(wait);
    let ended = bench.run().await;
    assert!(matches!(ended.outcome, Outcome::Retrying(_)));
    assert_eq!(ended.next, Next::InLine { after: wait });
    assert_eq!(ended.wanted, None, "nothing was asked for");
}

#[tokio::test]
async fn a_look_that_fails_during_a_roll_does_not_say_that_the_roll_is_over() {
    let bench = Bench::new();
    assert_eq!(bench.run().await.outcome, Outcome::Confirming);
    let down = Failure::new(FailureCode::Unavailable, Retry::Backoff, "down", "none");
    *lock(&bench.secrets.fails) = Some(down);
    assert_eq!(bench.run().await.next, Next::Retry { no_sooner_than: None, roll: Roll::Unknown });
}
