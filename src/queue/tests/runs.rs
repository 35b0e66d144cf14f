//! A key has one run at a time, and what comes meanwhile is neither lost nor run twice; a closed queue
//! starts nothing more.

use super::*;

#[test]
fn a_key_never_runs_twice_at_once() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    assert_eq!(bench.take_key(), Some("a"));
    assert_eq!(bench.notify("a"), Added::Dirty);
    assert_eq!(bench.at(1000).take_key(), None);
}

#[test]
fn many_adds_before_a_start_are_one_run_whose_note_counts_them() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    assert_eq!(bench.notify("a"), Added::Queued);
    for _ in 1..100 {
        assert_eq!(bench.notify("a"), Added::Coalesced);
    }
    assert_eq!(bench.take().map(|taken| taken.note.count), Some(100));
    bench.finish("a", Next::Done);
    assert_eq!(bench.take(), None);
    assert_eq!(bench.phase("a"), Phase::Idle);
}

#[test]
fn a_hundred_adds_during_a_run_cause_exactly_one_more_pass() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.take_key();
    for _ in 0..100 {
        assert_eq!(bench.notify("a"), Added::Dirty);
    }
    bench.finish("a", Next::Done);
    assert_eq!(bench.take().map(|taken| taken.note.count), Some(100));
    bench.finish("a", Next::Done);
    assert_eq!(bench.take(), None);
}

#[test]
fn an_add_during_a_run_causes_one_more_pass_however_the_run_ends() {
    for end in [
        Next::Done,
        RETRY,
        PARKED,
        PARKED_SLOWLY,
        Next::AwaitRoll,
        Next::Again { after: BASE, roll: Roll::UnderWay },
    ] {
        let mut bench = Bench::new(&["a"], &grouped());
        bench.notify("a");
        bench.take_key();
        bench.notify("a");
        bench.finish("a", end);
        assert_eq!(bench.take_key(), Some("a"), "after {end:?}");
        bench.finish("a", Next::Done);
        assert_eq!(bench.at(10_000).take(), None, "after {end:?}");
    }
}

#[test]
fn a_key_that_is_not_registered_is_refused_and_takes_no_memory() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    assert_eq!(bench.queue.add(&"b", note(Reason::Manual), bench.now), Err(Refused::Unknown));
    assert_eq!(bench.queue.snapshot(bench.now).keys.len(), 1);
}

#[test]
fn finishing_a_key_that_does_not_run_changes_nothing() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.finish("a", PARKED).finish("b", Next::Done);
    assert_eq!(bench.take_key(), Some("a"));
}

#[test]
fn a_closed_queue_refuses_adds_drops_what_is_due_and_waits_for_what_runs() {
    let mut bench = Bench::new(&["a", "b", "c"], &Policy::default());
    for key in ["a", "b", "c"] {
        bench.notify(key);
    }
    bench.run("a", RETRY);
    assert_eq!(bench.take_key(), Some("b"));
    bench.notify("b");
    bench.queue.close();
    assert_eq!(bench.queue.add(&"a", note(Reason::Manual), bench.now), Err(Refused::Closed));
    bench.at(1000);
    assert_eq!(bench.queue.take(bench.now), Take::Empty);
    bench.finish("b", RETRY);
    assert_eq!(bench.queue.take(bench.now), Take::Closed);
    let snapshot = bench.queue.snapshot(bench.now);
    assert!(snapshot.closed && snapshot.is_idle(), "{snapshot:?}");
}
