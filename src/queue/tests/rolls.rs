//! No more keys of a group roll at once than its limit, and a slot that gets free is never missed.

use super::*;

fn rolling_bench() -> Bench {
    let mut bench = Bench::new(&["a", "b", "c"], &grouped());
    bench.queue.set_max_rolling(&"host".into(), 1);
    for key in ["a", "b", "c"] {
        bench.notify(key);
    }
    bench
}

const ROLLING: Next = Next::Again { after: BASE, roll: Roll::UnderWay };

#[test]
fn no_more_keys_of_a_group_roll_at_once_than_its_limit() {
    let mut bench = rolling_bench();
    for (key, claimed) in [("a", true), ("b", false), ("c", false)] {
        assert_eq!(bench.take_key(), Some(key));
        assert_eq!(bench.queue.claim_roll(&key), claimed, "{key}");
    }
    assert!(bench.queue.claim_roll(&"a"), "asking again changes nothing");
}

#[test]
fn a_confirming_key_keeps_its_slot_until_it_is_done() {
    let mut bench = rolling_bench();
    bench.take_key();
    assert!(bench.queue.claim_roll(&"a"));
    bench.finish("a", ROLLING);
    assert_eq!(bench.take_key(), Some("b"));
    assert!(!bench.queue.claim_roll(&"b"));
    bench.finish("b", Next::AwaitRoll);
    assert_eq!(bench.phase("b"), Phase::AwaitingRoll);
    bench.run("c", Next::Done);
    bench.at(10).run("a", Next::Done);
    assert_eq!(bench.take_key(), Some("b"));
    assert!(bench.queue.claim_roll(&"b"));
}

#[test]
fn a_freed_slot_goes_to_the_key_that_has_waited_longest() {
    for end in [Next::Done, RETRY, PARKED, Next::Again { after: secs(500), roll: Roll::Over }] {
        let mut bench = rolling_bench();
        bench.take_key();
        assert!(bench.queue.claim_roll(&"a"));
        bench.run("b", Next::AwaitRoll).run("c", Next::AwaitRoll);
        bench.finish("a", end);
        assert_eq!(bench.take_key(), Some("b"), "after {end:?}");
        // The slot is kept for it: nobody can claim in between.
        assert!(bench.queue.snapshot(bench.now).of(&"b").unwrap().rolling);
        assert_eq!(bench.phase("c"), Phase::AwaitingRoll);
        // It finds nothing to write; the slot goes on.
        bench.finish("b", Next::Done);
        assert_eq!(bench.take_key(), Some("c"));
    }
}

#[test]
fn a_key_that_waits_in_line_keeps_the_slot_that_it_was_given() {
    let mut bench = rolling_bench();
    bench.take_key();
    assert!(bench.queue.claim_roll(&"a"));
    bench.run("b", Next::AwaitRoll).run("c", Next::AwaitRoll);
    bench.finish("a", Next::Done);
    bench.run("b", Next::InLine { after: BASE });
    assert_eq!(bench.phase("c"), Phase::AwaitingRoll);
    bench.at(10);
    assert_eq!(bench.take_key(), Some("b"));
    assert!(bench.queue.claim_roll(&"b"));
}

#[test]
fn a_slot_freed_between_the_refused_claim_and_the_end_of_the_run_is_not_missed() {
    let mut bench = rolling_bench();
    bench.take_key();
    assert!(bench.queue.claim_roll(&"a"));
    assert_eq!(bench.take_key(), Some("b"));
    assert!(!bench.queue.claim_roll(&"b"));
    bench.finish("a", Next::Done).finish("b", Next::AwaitRoll);
    bench.run("c", Next::Done);
    assert_eq!(bench.take_key(), Some("b"));
}

#[test]
fn a_run_that_could_not_look_keeps_the_slot_that_it_has_and_takes_none() {
    let ends = [
        Next::Retry { no_sooner_than: None, roll: Roll::Unknown },
        Next::Again { after: BASE, roll: Roll::Unknown },
        Next::Retry { no_sooner_than: None, roll: Roll::UnderWay },
    ];
    for end in ends {
        let mut bench = rolling_bench();
        bench.take_key();
        assert!(bench.queue.claim_roll(&"a"));
        bench.finish("a", ROLLING);
        bench.run("b", Next::Done).run("c", Next::Done);
        bench.at(10).run("a", end);
        bench.notify("b");
        assert_eq!(bench.take_key(), Some("b"));
        assert!(!bench.queue.claim_roll(&"b"), "after {end:?}");
    }
    let mut bench = rolling_bench();
    bench.run("a", ends[0]);
    assert_eq!(bench.take_key(), Some("b"));
    assert!(bench.queue.claim_roll(&"b"));
}

#[test]
fn a_roll_that_was_not_claimed_counts_all_the_same() {
    let mut bench = rolling_bench();
    bench.run("a", ROLLING);
    assert_eq!(bench.take_key(), Some("b"));
    assert!(!bench.queue.claim_roll(&"b"));
}

#[test]
fn an_add_on_a_key_that_waits_for_a_slot_is_kept_for_its_run() {
    let mut bench = rolling_bench();
    bench.take_key();
    assert!(bench.queue.claim_roll(&"a"));
    bench.run("b", Next::AwaitRoll).run("c", Next::Done);
    assert_eq!(bench.notify("b"), Added::Coalesced);
    assert_eq!(bench.take(), None);
    bench.finish("a", Next::Done);
    assert_eq!(bench.take().map(|taken| taken.note.count), Some(2));
}

#[test]
fn without_a_limit_every_key_may_roll() {
    let mut bench = Bench::new(&["a", "b"], &grouped());
    bench.queue.register("free", &Policy::default());
    for key in ["a", "b", "free"] {
        bench.notify(key);
        assert_eq!(bench.take_key(), Some(key));
        assert!(bench.queue.claim_roll(&key));
    }
    bench.finish("a", ROLLING);
    assert!(!bench.queue.claim_roll(&"a"), "only a run can claim");
    assert!(!bench.queue.claim_roll(&"nobody"));
}

#[test]
fn a_raised_limit_lets_nobody_overtake_the_keys_that_wait() {
    let mut bench = rolling_bench();
    bench.take_key();
    assert!(bench.queue.claim_roll(&"a"));
    bench.run("b", Next::AwaitRoll);
    bench.queue.set_max_rolling(&"host".into(), 2);
    assert_eq!(bench.take_key(), Some("c"));
    assert!(!bench.queue.claim_roll(&"c"));
    bench.finish("c", Next::AwaitRoll);
    assert_eq!(bench.take_key(), Some("b"));
    assert_eq!(bench.phase("c"), Phase::AwaitingRoll);
}

#[test]
fn a_limit_of_none_is_a_limit_of_one() {
    let mut bench = Bench::new(&["a"], &grouped());
    bench.queue.set_max_rolling(&"host".into(), 0);
    bench.notify("a");
    bench.take_key();
    assert!(bench.queue.claim_roll(&"a"));
}
