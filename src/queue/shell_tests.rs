//! The shell around the state machine, under paused time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::tests::{PARKED_SLOWLY, RETRY, coalescing, grouped, note, secs, work_queue};
use super::*;
use crate::clock::SystemClock;

fn shell(keys: &[&'static str], policy: &Policy) -> Arc<Queue<&'static str>> {
    Arc::new(Queue::new(work_queue(keys, policy), Arc::new(SystemClock)))
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_is_woken_by_an_add() {
    let queue = shell(&["a"], &Policy::default());
    let (taken, added) = tokio::join!(queue.next(), async { queue.add(&"a", note(Reason::Manual)) });
    assert_eq!(taken.map(|taken| taken.key), Some("a"));
    assert_eq!(added, Ok(Added::Queued));
    assert!(!queue.is_idle());
    queue.finish(&"a", Next::Done);
    assert!(queue.is_idle());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_for_a_time_takes_the_key_at_that_time() {
    let queue = shell(&["a"], &coalescing());
    let start = tokio::time::Instant::now();
    queue.add(&"a", note(Reason::Notification)).unwrap();
    queue.next().await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 5);
    queue.finish(&"a", RETRY);
    assert_eq!(queue.next().await.map(|taken| taken.attempts), Some(1));
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_for_a_far_time_is_woken_by_what_comes_sooner() {
    let queue = shell(&["a", "b"], &Policy::default());
    queue.add(&"a", note(Reason::Notification)).unwrap();
    queue.next().await.unwrap();
    queue.finish(&"a", PARKED_SLOWLY);
    let start = tokio::time::Instant::now();
    let (taken, ()) = tokio::join!(queue.next(), async {
        queue.add(&"b", note(Reason::Notification)).unwrap();
    });
    assert_eq!((taken.map(|taken| taken.key), start.elapsed().as_secs()), (Some("b"), 0));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_gives_up_waiting_leaves_the_others_informed() {
    let queue = shell(&["a"], &coalescing());
    let other = Arc::clone(&queue);
    let other = tokio::task::spawn(async move { other.next().await });
    tokio::task::yield_now().await;
    let mut dropped = Box::pin(queue.next());
    assert!(futures_util::poll!(&mut dropped).is_pending());
    queue.add(&"a", note(Reason::Notification)).unwrap();
    assert!(futures_util::poll!(&mut dropped).is_pending());
    drop(dropped);
    assert_eq!(other.await.unwrap().map(|taken| taken.key), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn many_workers_run_every_key_once_and_never_two_runs_of_one() {
    let keys: Vec<&'static str> = vec!["a", "b", "c", "d", "e", "f", "g", "h"];
    let queue = shell(&keys, &Policy::default());
    for key in &keys {
        queue.add(key, note(Reason::Reconcile)).unwrap();
    }
    let running = Arc::new(Mutex::new(BTreeSet::new()));
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let (queue, running) = (Arc::clone(&queue), Arc::clone(&running));
            tokio::task::spawn(async move {
                let mut runs = 0;
                while let Some(taken) = queue.next().await {
                    assert!(running.lock().unwrap().insert(taken.key));
                    tokio::task::yield_now().await;
                    running.lock().unwrap().remove(taken.key);
                    runs += 1;
                    queue.finish(&taken.key, if taken.attempts == 0 { RETRY } else { Next::Done });
                }
                runs
            })
        })
        .collect();
    while !queue.is_idle() {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    queue.close();
    let mut runs = 0;
    for worker in workers {
        runs += worker.await.unwrap();
    }
    assert_eq!(runs, 16);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_waiting_workers_when_the_last_run_is_over() {
    let queue = shell(&["a"], &Policy::default());
    queue.add(&"a", note(Reason::Manual)).unwrap();
    queue.next().await.unwrap();
    let (mut waiting, mut over) = (Box::pin(queue.next()), Box::pin(queue.over()));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    assert!(futures_util::poll!(&mut over).is_pending(), "it is open");
    queue.close();
    assert!(futures_util::poll!(&mut waiting).is_pending(), "a run is still under way");
    assert!(futures_util::poll!(&mut over).is_pending(), "a run is still under way");
    queue.finish(&"a", Next::Done);
    assert_eq!(waiting.await, None);
    over.await;
}

#[tokio::test(start_paused = true)]
async fn the_shell_passes_on_claims_and_cool_downs() {
    let queue = shell(&["a"], &grouped());
    let start = tokio::time::Instant::now();
    queue.cool_down("host", (start + secs(3)).into_std());
    queue.add(&"a", note(Reason::Manual)).unwrap();
    queue.next().await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 3);
    assert!(queue.claim_roll(&"a"));
    assert!(queue.snapshot().of(&"a").unwrap().rolling);
}
