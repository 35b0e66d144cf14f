use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tokio::time::Instant;

use super::*;
use crate::clock::TestClock;
use crate::model::{FailureCode, Outcome};
use crate::status::{Did, RunRecord};

/// A topic that takes what it is given, or fails as told.
#[derive(Default)]
struct FakeTopic {
    fails: Mutex<Vec<Retry>>,
    always: Mutex<Option<Retry>>,
    /// When it was asked, with the subject and whether it took it.
    asked: Mutex<Vec<(Instant, String, bool)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Channel for FakeTopic {
    async fn publish(&self, subject: &str, _: &str) -> Result<(), Failure> {
        let retry = lock(&self.fails).pop().or(*lock(&self.always));
        lock(&self.asked).push((Instant::now(), subject.to_owned(), retry.is_none()));
        match retry {
            Some(retry) => Err(Failure::new(FailureCode::Unavailable, retry, "down", "wait")),
            None => Ok(()),
        }
    }
}

impl FakeTopic {
    fn took(&self) -> Vec<String> {
        lock(&self.asked).iter().filter(|(.., took)| *took).map(|(_, subject, _)| subject.clone()).collect()
    }

    /// The pauses between the tries, in seconds.
    fn pauses(&self) -> Vec<u64> {
        let asked = lock(&self.asked);
        asked.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs()).collect()
    }
}

struct Bench {
    topic: Arc<FakeTopic>,
    clock: TestClock,
    alerts: Alerts,
}

impl Bench {
    fn new() -> Self {
        Self::with(true)
    }

    fn with(has_topic: bool) -> Self {
        let names = || ["billing", "orders"].map(name);
        let (topic, clock) = (Arc::new(FakeTopic::default()), TestClock::at(at(0)));
        let settings = Settings {
            stale_after: Duration::from_mins(15),
            repeat: Duration::from_hours(24),
            retry_base: Duration::from_secs(1),
            retry_cap: Duration::from_mins(5),
        };
        let channel = has_topic.then(|| Arc::clone(&topic) as Arc<dyn Channel>);
        let alerts = Alerts::new(
            Arc::new(StatusBoard::new(names(), [])),
            Arc::new(Metrics::new(names())),
            Arc::new(clock.clone()),
            settings,
            channel,
            Arc::new(Audit::off()),
            Told::default(),
        );
        Self { topic, clock, alerts }
    }

    fn look_after(&self, wait: Duration) {
        self.clock.advance(wait);
        self.alerts.look();
    }

    /// A run of the target ends.
    fn run(&self, target: &str, outcome: Outcome) {
        let (target, now) = (name(target), self.clock.timestamp());
        let run = self.alerts.board.started(&target, now);
        if !outcome.is_settled() {
            self.alerts.board.found_stale(&target, now);
        }
        let record = RunRecord::new(now, Duration::ZERO, outcome, Did::Observed);
        self.alerts.board.finished(&target, run, record);
    }

    /// Publishes until nothing more happens for an hour.
    async fn settle(&self) {
        let publishing = tokio::time::timeout(Duration::from_hours(1), self.alerts.publish());
        assert!(publishing.await.is_err(), "it goes on for ever");
    }

    fn counted(&self, kind: &str, result: &str) -> u64 {
        let sample = format!("relay_alerts_total{{kind=\"{kind}\",result=\"{result}\"}} ");
        let text = self.alerts.metrics.encode();
        text.lines().find_map(|line| line.strip_prefix(&sample)?.parse().ok()).unwrap()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

fn parked() -> Outcome {
    Outcome::parked(Failure::new(FailureCode::Denied, Retry::Slowly, "denied", "grant it"))
}

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn a_parked_target_is_told_of_when_it_has_been_stale_for_long_enough() {
    let bench = Bench::new();
    bench.run("orders", parked());
    bench.run("billing", Outcome::InSync);
    for _ in 0..30 {
        bench.look_after(MINUTE);
    }
    bench.run("orders", Outcome::InSync);
    for _ in 0..30 {
        bench.look_after(MINUTE);
        bench.settle().await;
    }
    assert_eq!(bench.topic.took(), ["orders is no longer stale (in_sync)"], "the newest word alone");
    assert_eq!((bench.counted("stale", "logged"), bench.counted("healed", "logged")), (1, 1));
    assert_eq!((bench.counted("stale", "superseded"), bench.counted("healed", "published")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_application_that_is_not_meant_to_run_is_not_told_of_and_ends_what_was() {
    let bench = Bench::new();
    bench.run("billing", Outcome::Stopped);
    bench.run("orders", parked());
    bench.look_after(15 * MINUTE);
    bench.settle().await;
    bench.run("orders", Outcome::Stopped);
    bench.look_after(MINUTE);
    bench.settle().await;
    assert_eq!(bench.topic.took(), ["orders is stale (denied)", "orders is no longer stale (stopped)"]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_down_is_tried_again_ever_more_rarely_until_it_takes_the_alert() {
    let bench = Bench::new();
    *lock(&bench.topic.fails) = vec![Retry::Slowly, Retry::Backoff, Retry::Backoff];
    bench.run("orders", parked());
    bench.look_after(15 * MINUTE);
    bench.settle().await;
    assert_eq!(bench.topic.took(), ["orders is stale (denied)"]);
    assert_eq!(bench.topic.pauses(), [1, 2, 4]);
    assert_eq!((bench.counted("stale", "failed"), bench.counted("stale", "published")), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_nobody_takes_is_given_up_and_the_next_one_is_tried() {
    let bench = Bench::new();
    *lock(&bench.topic.always) = Some(Retry::Backoff);
    bench.run("orders", parked());
    bench.look_after(15 * MINUTE);
    bench.settle().await;
    assert_eq!(bench.topic.pauses(), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    println!("given up after {} s", bench.topic.pauses().iter().sum::<u64>());
    assert_eq!((bench.counted("stale", "failed"), bench.counted("stale", "given_up")), (11, 1));
    *lock(&bench.topic.always) = None;
    bench.run("billing", parked());
    bench.look_after(15 * MINUTE);
    bench.settle().await;
    assert_eq!(bench.topic.took(), ["billing is stale (denied)"]);
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_is_refused_for_good_is_not_repeated() {
    let bench = Bench::new();
    *lock(&bench.topic.fails) = vec![Retry::Never];
    bench.run("orders", parked());
    bench.look_after(15 * MINUTE);
    bench.settle().await;
    assert_eq!((lock(&bench.topic.asked).len(), bench.counted("stale", "given_up")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_newer_alert_takes_the_place_of_one_that_is_being_repeated() {
    let bench = Bench::new();
    *lock(&bench.topic.always) = Some(Retry::Backoff);
    bench.run("orders", parked());
    bench.look_after(15 * MINUTE);
    let in_hand = bench.alerts.told.0.outbox.next().await;
    bench.run("orders", Outcome::InSync);
    bench.look_after(MINUTE);
    assert!(in_hand.put_back(), "it has been overtaken");
    *lock(&bench.topic.always) = None;
    bench.settle().await;
    assert_eq!(bench.topic.took(), ["orders is no longer stale (in_sync)"]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded_by_the_number_of_targets() {
    let bench = Bench::new();
    *lock(&bench.topic.always) = Some(Retry::Backoff);
    for _ in 0..100 {
        for target in ["orders", "billing"] {
            bench.run(target, parked());
        }
        bench.look_after(15 * MINUTE);
        for target in ["orders", "billing"] {
            bench.run(target, Outcome::InSync);
        }
        bench.look_after(MINUTE);
    }
    assert_eq!((bench.counted("stale", "logged"), bench.counted("healed", "logged")), (200, 200));
    *lock(&bench.topic.always) = None;
    bench.settle().await;
    assert_eq!(bench.topic.took().len(), 2);
    assert_eq!(bench.counted("stale", "superseded") + bench.counted("healed", "superseded"), 398);
}

#[tokio::test(start_paused = true)]
async fn without_a_topic_the_log_alone_tells() {
    let bench = Bench::with(false);
    bench.run("orders", parked());
    bench.look_after(15 * MINUTE);
    bench.alerts.publish().await;
    assert_eq!((bench.counted("stale", "logged"), bench.counted("stale", "superseded")), (1, 0));
    assert!(bench.topic.took().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_never_answers_holds_up_no_look() {
    struct Silent;
    #[async_trait]
    impl Channel for Silent {
        async fn publish(&self, _: &str, _: &str) -> Result<(), Failure> {
            std::future::pending().await
        }
    }
    let mut bench = Bench::new();
    bench.alerts.channel = Some(Arc::new(Silent));
    bench.run("orders", parked());
    bench.clock.advance(15 * MINUTE);
    let running = tokio::time::timeout(MINUTE, bench.alerts.run());
    assert!(running.await.is_err());
    bench.run("billing", parked());
    bench.clock.advance(15 * MINUTE);
    assert!(tokio::time::timeout(MINUTE, bench.alerts.run()).await.is_err());
    assert_eq!(bench.counted("stale", "logged"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_told_and_what_waits_outlive_who_tells_it() {
    let mut bench = Bench::new();
    bench.run("orders", parked());
    bench.look_after(15 * MINUTE);
    // Its publication is broken off.
    drop(bench.alerts.told.0.outbox.next().await);
    bench.alerts = Alerts::new(
        Arc::clone(&bench.alerts.board),
        Arc::clone(&bench.alerts.metrics),
        Arc::new(bench.clock.clone()),
        bench.alerts.settings,
        bench.alerts.channel.clone(),
        Arc::new(Audit::off()),
        bench.alerts.told.clone(),
    );
    bench.look_after(MINUTE);
    bench.settle().await;
    assert_eq!(bench.counted("stale", "logged"), 1);
    assert_eq!(bench.topic.took().len(), 1);
}
