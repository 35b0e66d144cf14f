//! Clocks that jump: a machine that slept, a process that stood still, readings that come out of order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

#[test]
fn what_fell_due_while_the_clock_jumped_runs_once_and_in_order() {
    let mut bench = Bench::new(&KEYS, &coalescing());
    // Due at 5 s by their windows, but "c", which fails and is due at 10 s.
    bench.at(0).notify("c");
    bench.at(5).run("c", RETRY);
    for key in ["b", "a"] {
        bench.notify(key);
    }
    bench.at(7 * 24 * 3600);
    let order: Vec<_> = std::iter::from_fn(|| bench.take_key()).collect();
    assert_eq!(order, ["b", "a", "c"]);
    for key in order {
        bench.finish(key, Next::Done);
    }
    assert_eq!(bench.waits_until(), None, "nothing is made up for");
}

#[test]
fn a_backoff_that_the_clock_jumped_over_is_one_try_and_counts_on() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.run("a", RETRY);
    bench.at(24 * 3600);
    assert_eq!(bench.take().map(|taken| taken.attempts), Some(1));
    bench.finish("a", RETRY);
    assert_eq!(bench.waits_until(), Some(24 * 3600 + 20));
}

/// What happens next, and how far the clock moves before it.
#[derive(Clone, Debug)]
enum Step {
    Add(usize),
    Take,
    Finish(usize, Next),
}

fn step() -> impl Strategy<Value = (i64, Step)> {
    let moves = prop_oneof![
        6 => 0..2000_i64,
        // A reading that was taken before the last one, and a jump.
        2 => -1500..0_i64,
        1 => 60_000..7_200_000_i64,
    ];
    let ends = prop_oneof![
        Just(Next::Done),
        Just(RETRY),
        Just(Next::Again { after: secs(1), roll: Roll::Over }),
        Just(PARKED_SLOWLY),
    ];
    let step = prop_oneof![
        4 => (0..KEYS.len()).prop_map(Step::Add),
        3 => Just(Step::Take),
        2 => (any::<prop::sample::Index>(), ends).prop_map(|(nth, end)| Step::Finish(nth.index(KEYS.len()), end)),
    ];
    (moves, step)
}

/// Since when a key may wait: by its window from the first add on, whatever came later.
#[derive(Default)]
struct Waiting(BTreeMap<&'static str, Instant>);

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The deadline of a window is kept by whatever reading comes first after it, and readings that go back
    /// neither break the queue nor lose an add.
    #[test]
    fn no_jump_makes_a_key_run_twice_or_wait_beyond_its_window(steps in prop::collection::vec(step(), 1..150)) {
        let policy = coalescing();
        let mut bench = Bench::new(&KEYS, &policy);
        // Milliseconds from the start, in the middle of nowhere, so that they can go back as well.
        let mut clock = 3_600_000_i64;
        let mut running: BTreeSet<&'static str> = BTreeSet::new();
        // Keys that came to rest are not held back by a backoff: for them the window alone counts.
        let mut resting: BTreeSet<&'static str> = KEYS.into();
        let mut waiting = Waiting::default();
        for (by, step) in steps {
            clock += by;
            bench.now = bench.start + Duration::from_millis(clock.unsigned_abs());
            match step {
                Step::Add(key) => {
                    let key = KEYS[key];
                    bench.notify(key);
                    if resting.contains(key) {
                        waiting.0.entry(key).or_insert(bench.now + policy.coalesce_cap);
                    }
                }
                Step::Take => {
                    let overdue: Vec<_> =
                        waiting.0.iter().filter(|(_, until)| **until <= bench.now).map(|(key, _)| *key).collect();
                    let mut taken = Vec::new();
                    while let Take::Run(run) = bench.queue.take(bench.now) {
                        prop_assert!(running.insert(run.key), "{} runs twice", run.key);
                        taken.push(run.key);
                    }
                    for key in overdue {
                        prop_assert!(taken.contains(&key), "{key} waits beyond its window");
                    }
                    for key in taken {
                        waiting.0.remove(key);
                        resting.remove(key);
                    }
                }
                Step::Finish(nth, end) => {
                    let Some(key) = running.iter().nth(nth % running.len().max(1)).copied() else { continue };
                    running.remove(key);
                    let dirty = bench.queue.snapshot(bench.now).of(&key).unwrap().dirty;
                    bench.finish(key, end);
                    if end == Next::Done && !dirty {
                        resting.insert(key);
                    }
                }
            }
        }
        // Nothing is lost: in the end each key that was added, or failed, comes.
        bench.now = bench.start + secs(90 * 24 * 3600);
        for key in running {
            bench.finish(key, Next::Done);
        }
        let rest: BTreeSet<_> = std::iter::from_fn(|| bench.take_key()).collect();
        for key in waiting.0.keys() {
            // One that was added while it ran is taken when its window has closed.
            prop_assert!(rest.contains(key), "{key} is lost");
        }
    }
}
