//! The shell among many tasks, under paused time: random adds, random ends, any number of workers, and what
//! must hold for each key whatever their order was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::tests::{RETRY, note, secs};
use super::*;
use crate::clock::SystemClock;
use crate::model::Roll;

const KEYS: usize = 5;
const COALESCE: Duration = Duration::from_millis(50);
const COALESCE_CAP: Duration = Duration::from_millis(200);
const BACKOFF: Duration = Duration::from_millis(400);

#[derive(Clone, Debug)]
struct Case {
    workers: usize,
    /// When which key is added.
    adds: Vec<(u64, usize)>,
    /// How long the runs take and how they end, in their order; then they are done at once.
    runs: Vec<(u64, Next)>,
    /// When which key is paused, for how long, and whether by its own time or until it is resumed.
    pauses: Vec<(u64, usize, u64, bool)>,
}

/// The longest of them.
const PAUSE: u64 = 500;

fn case() -> impl Strategy<Value = Case> {
    let ends = prop_oneof![
        4 => Just(Next::Done),
        2 => Just(RETRY),
        1 => Just(Next::Again { after: Duration::from_millis(30), roll: Roll::Over }),
        1 => Just(Next::Park { slowly: false }),
    ];
    let adds = prop::collection::vec((0..3000_u64, 0..KEYS), 1..60);
    let runs = prop::collection::vec((0..120_u64, ends), 0..60);
    // One for each key, so that none is ended by another's resume.
    let pause = |key| prop::option::of((0..3000_u64, Just(key), 1..PAUSE, any::<bool>()));
    let pauses =
        (pause(0), pause(1), pause(2)).prop_map(|(a, b, c)| [a, b, c].into_iter().flatten().collect());
    (1..=KEYS, adds, runs, pauses).prop_map(|(workers, adds, runs, pauses)| Case {
        workers,
        adds,
        runs,
        pauses,
    })
}

/// What was seen of one key.
#[derive(Clone, Debug, Default)]
struct Seen {
    accepted: Vec<Instant>,
    /// Start and end of each run.
    runs: Vec<(Instant, Option<Instant>)>,
    pauses: Vec<(Instant, Instant)>,
    failed: usize,
}

#[expect(clippy::disallowed_methods, reason = "the time is paused: nothing waits")]
async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

async fn play(case: Case) -> BTreeMap<usize, Seen> {
    let settings = Settings { retry_base: BACKOFF, retry_cap: BACKOFF, slow_retry: secs(3600) };
    let mut state = WorkQueue::new(settings, Arc::new(|limit| limit));
    let policy = Policy { group: None, coalesce: COALESCE, coalesce_cap: COALESCE_CAP };
    for key in 0..KEYS {
        state.register(key, &policy);
    }
    let queue = Arc::new(Queue::new(state, Arc::new(SystemClock)));
    let seen: Arc<Mutex<BTreeMap<usize, Seen>>> = Arc::default();
    let ends = Arc::new(Mutex::new(case.runs.into_iter()));

    let workers: Vec<_> = (0..case.workers)
        .map(|_| {
            let (queue, seen, ends) = (Arc::clone(&queue), Arc::clone(&seen), Arc::clone(&ends));
            tokio::spawn(async move {
                while let Some(taken) = queue.next().await {
                    seen.lock().unwrap().entry(taken.key).or_default().runs.push((Instant::now(), None));
                    let (millis, end) = ends.lock().unwrap().next().unwrap_or((0, Next::Done));
                    pass(millis).await;
                    let mut seen = seen.lock().unwrap();
                    let seen = seen.get_mut(&taken.key).unwrap();
                    seen.runs.last_mut().unwrap().1 = Some(Instant::now());
                    seen.failed += usize::from(end != Next::Done);
                    queue.finish(&taken.key, end);
                }
            })
        })
        .collect();
    let senders: Vec<_> = case
        .adds
        .into_iter()
        .map(|(at, key)| {
            let (queue, seen) = (Arc::clone(&queue), Arc::clone(&seen));
            tokio::spawn(async move {
                pass(at).await;
                queue.add(&key, note(Reason::Notification)).unwrap();
                seen.lock().unwrap().entry(key).or_default().accepted.push(Instant::now());
            })
        })
        .collect();
    let pause = |(at, key, millis, open): (u64, usize, u64, bool)| {
        let (queue, seen) = (Arc::clone(&queue), Arc::clone(&seen));
        tokio::spawn(async move {
            pass(at).await;
            let (from, to) = (Instant::now(), Instant::now() + Duration::from_millis(millis));
            queue.pause(&key, (!open).then_some(to.into_std())).unwrap();
            if open {
                pass(millis).await;
                assert_eq!(queue.resume(&key), Ok(true));
            }
            seen.lock().unwrap().entry(key).or_default().pauses.push((from, to));
        })
    };
    let pausers: Vec<_> = case.pauses.into_iter().map(pause).collect();
    for sender in senders.into_iter().chain(pausers) {
        sender.await.unwrap();
    }
    while !queue.is_idle() {
        pass(10).await;
    }
    queue.close();
    for worker in workers {
        worker.await.unwrap();
    }
    Arc::try_unwrap(seen).unwrap().into_inner().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn each_add_is_followed_by_a_run_and_no_key_runs_twice_at_once(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let workers = case.workers;
        let played = runtime.block_on(async { tokio::time::timeout(secs(3600), play(case)).await });
        prop_assert!(played.is_ok(), "it comes to no end");
        for (key, seen) in played.into_iter().flatten() {
            let runs: Vec<(Instant, Instant)> = seen.runs.iter().map(|(from, to)| (*from, to.unwrap())).collect();
            for pair in runs.windows(2) {
                prop_assert!(pair[0].1 <= pair[1].0, "{key} runs twice at once: {runs:?}");
            }
            for at in &seen.accepted {
                // The time of a run that started at the same instant is the add's own: it was taken after it.
                prop_assert!(runs.iter().any(|(from, _)| from >= at), "the add of {key} at {at:?} is lost: {runs:?}");
            }
            // A run at the very instant of a pause or of its end may have come before the one or after the other.
            for (from, to) in &seen.pauses {
                prop_assert!(
                    runs.iter().all(|(at, _)| at <= from || at >= to),
                    "{key} starts while it is paused from {from:?} to {to:?}: {runs:?}"
                );
            }
            // Adds that come together are one run; what comes of itself is one for each end that was not the last.
            prop_assert!(
                runs.len() <= seen.accepted.len() + seen.failed,
                "{key}: {} runs for {} adds and {} runs that were not the last",
                runs.len(), seen.accepted.len(), seen.failed
            );
            // With a worker for each key nothing else stands between an add and its run than the window, the run
            // under way, a backoff and a pause.
            if workers >= KEYS {
                let longest = COALESCE_CAP + Duration::from_millis(120 + PAUSE) + BACKOFF;
                for at in &seen.accepted {
                    let next = runs.iter().map(|(from, _)| *from).find(|from| from >= at);
                    prop_assert!(next.is_some_and(|from| from - *at <= longest));
                }
            }
        }
    }
}
