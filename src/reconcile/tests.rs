use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::*;
use crate::clock::SystemClock;
use crate::model::{Failure, FailureCode, Next, Receipt, Retry, Roll, Stamp, VersionId, VersionSeen};
use crate::queue::{Policy, WorkQueue, full_jitter};
use crate::sync::memory::{Delivered, Pending, TargetMemory};
use crate::sync::ports::{FetchedSecret, Proof};

/// Current version by secret id; a secret that is not in it can't be asked for.
#[derive(Default)]
struct FakeSecrets(Mutex<BTreeMap<String, u8>>);

impl FakeSecrets {
    fn set(&self, id: &str, number: u8) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), number);
    }
}

fn seen(number: u8) -> VersionSeen {
    let version = VersionId::parse(&format!("00000000-0000-4000-8000-0000000000{number:02}")).unwrap();
    VersionSeen { version, created: None }
}

#[async_trait]
impl Secrets for FakeSecrets {
    async fn current(&self, secret: &SecretRef) -> Result<SecretState, Failure> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(secret.id()).copied();
        let number = known
            .ok_or_else(|| Failure::new(FailureCode::NotFound, Retry::Slowly, "no such secret", "none"))?;
        Ok(SecretState { current: seen(number), last_changed: None })
    }

    async fn fetch(&self, _: &SecretRef) -> Result<FetchedSecret, Failure> {
        panic!("a reconcile reads no value");
    }
}

fn secret(id: &str) -> SecretRef {
    SecretRef::new(id, None, None).unwrap()
}

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

struct Bench {
    secrets: Arc<FakeSecrets>,
    reconcile: Reconcile,
}

/// Targets by name, each with its secrets.
fn bench(targets: &[(&str, &[&str])]) -> Bench {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = crate::queue::Settings {
        retry_base: Duration::from_mins(1),
        retry_cap: Duration::from_mins(1),
        slow_retry: Duration::from_hours(1),
    };
    let mut queue = WorkQueue::new(settings, full_jitter());
    let mut specs = Vec::new();
    for (target, ids) in targets {
        queue.register(name(target), &Policy::default());
        specs.push(Arc::new(TargetSpec {
            name: name(target),
            secrets: ids.iter().map(|id| secret(id)).collect(),
            mapping: "m".to_owned(),
            proof: Proof::Receipt,
            rolls: true,
            supersede: false,
            confirm_limit: Duration::from_mins(1),
        }));
    }
    let secrets = Arc::new(FakeSecrets::default());
    let reconcile = Reconcile {
        secrets: Arc::clone(&secrets) as Arc<dyn Secrets>,
        memory: Arc::new(Memory::volatile()),
        board: Arc::new(StatusBoard::new(targets.iter().map(|(target, _)| name(target)), [])),
        queue: Arc::new(Queue::new(queue, Arc::clone(&clock))),
        specs,
        leaders: Arc::default(),
        clock,
    };
    Bench { secrets, reconcile }
}

impl Bench {
    fn holds(&self, target: &str, versions: &[(&str, u8)]) -> Receipt {
        let versions = versions.iter().map(|(id, number)| (secret(id), seen(*number))).collect();
        let receipt = Receipt::of(&Wanted { versions, mapping: "m".to_owned() }, Stamp::fresh(), None);
        let delivered = Some(Delivered { receipt: receipt.clone(), mark: None });
        self.reconcile
            .memory
            .set(&name(target), TargetMemory { delivered, ..TargetMemory::default() })
            .unwrap();
        receipt
    }

    fn phase(&self, target: &str) -> Phase {
        self.reconcile.queue.snapshot().of(&name(target)).unwrap().phase
    }
}

#[tokio::test]
async fn only_targets_that_differ_are_enqueued() {
    let bench = bench(&[("same", &["a"]), ("behind", &["b"]), ("new", &["a"])]);
    bench.secrets.set("a", 1);
    bench.secrets.set("b", 2);
    bench.holds("same", &[("a", 1)]);
    bench.holds("behind", &[("b", 1)]);
    let scan = bench.reconcile.enqueue_different().await.unwrap();
    assert_eq!(scan, Scan { compared: 3, enqueued: 2, unknown: 0 });
    assert_eq!(
        [bench.phase("same"), bench.phase("behind"), bench.phase("new")],
        [Phase::Idle, Phase::Queued, Phase::Queued]
    );
}

#[tokio::test]
async fn a_write_that_is_not_proved_yet_is_looked_at() {
    let bench = bench(&[("pending", &["a"])]);
    bench.secrets.set("a", 1);
    let receipt = bench.holds("pending", &[("a", 1)]);
    let mut memory = bench.reconcile.memory.of(&name("pending"));
    memory.pending = Some(Box::new(Pending {
        receipt,
        mark: None,
        since: bench.reconcile.clock.timestamp(),
        tries: 1,
        answered: false,
        doubts: 0,
    }));
    bench.reconcile.memory.set(&name("pending"), memory).unwrap();
    assert_eq!(bench.reconcile.enqueue_different().await.unwrap().enqueued, 1);
}

#[tokio::test]
async fn a_secret_that_cannot_be_asked_for_enqueues_its_targets_so_that_their_runs_say_why() {
    let bench = bench(&[("blind", &["missing"])]);
    bench.holds("blind", &[("missing", 1)]);
    let scan = bench.reconcile.enqueue_different().await.unwrap();
    assert_eq!(scan, Scan { compared: 1, enqueued: 1, unknown: 1 });
}

#[tokio::test]
async fn a_target_that_is_being_retried_is_left_to_its_backoff() {
    let bench = bench(&[("retrying", &["a"])]);
    bench.secrets.set("a", 1);
    bench.reconcile.enqueue_all().await.unwrap();
    let taken = bench.reconcile.queue.next().await.unwrap();
    bench
        .reconcile
        .queue
        .finish(&taken.key, Next::Retry { no_sooner_than: Some(Duration::from_mins(1)), roll: Roll::Over });
    assert_eq!(bench.reconcile.enqueue_different().await.unwrap().enqueued, 0);
    assert_eq!(bench.reconcile.enqueue_all().await.unwrap().enqueued, 0);
}

#[tokio::test]
async fn a_paused_target_is_enqueued_once_for_later_and_is_stale_where_aws_has_moved_on() {
    let bench = bench(&[("same", &["a"]), ("behind", &["a", "b"]), ("new", &["b"])]);
    bench.secrets.set("a", 1);
    bench.secrets.set("b", 2);
    bench.holds("same", &[("a", 1)]);
    bench.holds("behind", &[("a", 1), ("b", 1)]);
    for target in ["same", "behind", "new"] {
        bench.reconcile.queue.pause(&name(target), None).unwrap();
    }
    assert_eq!(bench.reconcile.enqueue_different().await.unwrap().enqueued, 2);
    assert_eq!(bench.reconcile.enqueue_different().await.unwrap().enqueued, 0, "they are held back already");
    let held_back = |target: &str| bench.reconcile.queue.line(&name(target)).unwrap().held_back();
    assert_eq!(["same", "behind", "new"].map(held_back), [false, true, true]);
    let stale = |target: &str| bench.reconcile.board.stale_since(&name(target)).is_some();
    assert_eq!(["same", "behind", "new"].map(stale), [false, true, false]);
}

#[tokio::test]
async fn the_scan_ends_with_the_queue() {
    let bench = bench(&[("same", &["a"])]);
    bench.reconcile.queue.close();
    let every = Intervals { secrets: Duration::from_secs(1), targets: Duration::from_secs(1) };
    bench.reconcile.run(every, |scan| panic!("a closed queue takes nothing: {scan:?}")).await;
}
