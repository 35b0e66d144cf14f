//! A relay under attack, AWS's senders meanwhile, and the verdict.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anypoint_sandbox::aws::{Attempt, Auth, Outcome, Sink};
use anypoint_sandbox::{wait_for, wait_until};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;

use super::attack::Ground;
use super::memory::{forget_peak, open_files, peak_kib, resident_kib};
use super::{GROWTH_MIB, OPEN_FILES};
use crate::support::{Bench, EVENTBRIDGE_KEY, LIMIT, ORDERS_TARGET, Relay};

/// One attack at a time: each is to have the machine for itself.
static MACHINE: Mutex<()> = Mutex::const_new(());

/// Between two rotations, each of which is told by SNS and by EventBridge.
const PACE: Duration = Duration::from_millis(250);
const ROTATIONS: usize = 16;
/// How long the senders wait for an answer.
const EVENTBRIDGE_DEADLINE: Duration = Duration::from_secs(5);
const SNS_DEADLINE: Duration = Duration::from_secs(15);

/// A relay as a process, told by both of AWS's senders.
pub(super) struct Siege {
    pub(super) bench: Bench,
    pub(super) ground: Ground,
    relay: Relay,
    rotations: usize,
    _alone: MutexGuard<'static, ()>,
}

/// What came of the valid notifications.
struct Senders {
    notifications: usize,
    /// Of the first tries that were not taken.
    refusals: Vec<Outcome>,
    median: Duration,
    slowest: Duration,
}

impl Siege {
    /// The relay is in sync, and holds the certificate that SNS signs with.
    pub(super) async fn new() -> Self {
        let alone = MACHINE.lock().await;
        let bench = Bench::with_orders().await;
        let relay = bench.spawn(ORDERS_TARGET).await;
        relay.shows("orders-api", "in_sync").await;
        let topic = bench.aws.topic("rotations");
        topic.set_signature_version(2);
        topic.subscribe_confirmed(format!("{}/hooks/sns", relay.hooks));
        let key = Auth::ApiKey { header: "x-api-key".to_owned(), value: EVENTBRIDGE_KEY.to_owned() };
        let destination = bench.aws.api_destination(format!("{}/hooks/eventbridge", relay.hooks), key);
        bench.aws.emit_on_rotation(&Sink::Topic(topic));
        bench.aws.emit_on_rotation(&Sink::Destination(destination));
        let ground = Ground::of(&relay.hooks);
        let mut siege = Self { bench, ground, relay, rotations: 0, _alone: alone };
        siege.rotate();
        siege.arrives().await;
        siege.senders(1).await;
        siege
    }

    /// What the attackers were answered.
    pub(super) fn statuses(&self) -> Vec<u16> {
        self.ground.answers().into_keys().collect()
    }

    fn rotate(&mut self) {
        self.rotations += 1;
        self.bench.aws.secret("prod/orders/db").unwrap().rotate_password(&self.password());
    }

    fn password(&self) -> String {
        format!("password-{}", self.rotations)
    }

    /// Every replica runs with the newest password.
    async fn arrives(&self) {
        let password = self.password();
        let arrived = || {
            let running = self.bench.running("orders-api", "db.password");
            !running.is_empty() && running.iter().all(|held| *held == password)
        };
        wait_until(format!("{password} at every replica"), LIMIT, arrived).await;
    }

    /// Both notifications of each of these rotations have been taken; gives and forgets what that took.
    async fn senders(&self, rotations: usize) -> Senders {
        let by_notification = || {
            let mut all: BTreeMap<(String, String), Vec<Attempt>> = BTreeMap::new();
            for attempt in self.bench.aws.deliveries() {
                all.entry((attempt.url.clone(), attempt.id.clone())).or_default().push(attempt);
            }
            all
        };
        let taken = || {
            let all = by_notification();
            let taken = |tries: &Vec<Attempt>| tries.iter().any(|attempt| attempt.outcome.is_success());
            (all.len() == 2 * rotations && all.values().all(taken)).then_some(all)
        };
        let notifications = wait_for("an answer of 2xx to each notification", LIMIT, taken).await;
        self.bench.aws.take_deliveries();
        for attempt in notifications.values().flatten() {
            let sns = attempt.url.ends_with("/sns");
            let deadline = if sns { SNS_DEADLINE } else { EVENTBRIDGE_DEADLINE };
            assert!(attempt.took < deadline, "{attempt:?}");
        }
        let first_tries = notifications.values().map(|tries| &tries[0].outcome);
        let refusals = first_tries.filter(|outcome| !outcome.is_success()).cloned().collect();
        let mut took: Vec<Duration> = notifications.values().flatten().map(|attempt| attempt.took).collect();
        took.sort_unstable();
        Senders {
            notifications: notifications.len(),
            refusals,
            median: took[took.len() / 2],
            slowest: *took.last().unwrap(),
        }
    }

    /// Holds the relay under this attack until the rotations of the meantime have arrived, and prints a
    /// table of what that took.
    #[expect(clippy::print_stderr, reason = "the figures are for whoever runs it with --nocapture")]
    pub(super) async fn under(&mut self, attack: &str, begin: impl FnOnce(&Ground) -> JoinSet<()>) {
        let process = self.relay.process();
        forget_peak(process);
        let before = resident_kib(process);
        let started = Instant::now();
        let attackers = begin(&self.ground);
        let mut pace = tokio::time::interval(PACE);
        for _ in 0..ROTATIONS {
            pace.tick().await;
            self.rotate();
        }
        let last = Instant::now();
        self.arrives().await;
        let (arrived, lasted) = (last.elapsed(), started.elapsed());
        let senders = self.senders(ROTATIONS).await;
        let files = open_files(process);
        drop(attackers);
        self.relay.shows("orders-api", "in_sync").await;
        let (peak, after) = (peak_kib(process), resident_kib(process));

        let mib = |kib: u64| format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024);
        let answers = self.ground.answers();
        let answers: Vec<String> =
            answers.iter().map(|(status, count)| format!("{count} x {status}")).collect();
        eprintln!(
            "
| {attack} | |
|---|---|
| lasted | {lasted:.1?} |
| attackers, connections made, most of them at once | {}, {}, {} |
| answers to the attackers | {} |
| memory before, peak, after (MiB) | {}, {}, {} |
| files and connections that the relay had open at the end | {files} |
| valid notifications taken, and what some were told first | {}, {:?} |
| their latency, median and longest | {:.1?}, {:.1?} |
| last rotation ran at every replica after | {arrived:.1?} |
",
            self.ground.attackers(),
            self.ground.connections(),
            self.ground.most_open(),
            answers.join(", "),
            mib(before),
            mib(peak),
            mib(after),
            senders.notifications,
            senders.refusals,
            senders.median,
            senders.slowest,
        );
        assert!(4 * senders.refusals.len() <= senders.notifications, "{:?}", senders.refusals);
        assert!(files <= OPEN_FILES, "{files} files");
        assert!(peak.saturating_sub(before) <= GROWTH_MIB * 1024, "it grew from {before} to {peak} KiB");
    }
}
