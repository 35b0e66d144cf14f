//! A pause holds back every run of a key and loses nothing; nobody else waits for it.

use super::*;

#[test]
fn no_run_of_a_paused_key_starts_until_it_is_resumed() {
    let mut bench = Bench::new(&["a", "b"], &Policy::default());
    bench.queue.pause(&"a", None, bench.now).unwrap();
    assert_eq!(bench.notify("a"), Added::Queued);
    bench.notify("b");
    assert_eq!((bench.phase("a"), bench.take_key()), (Phase::Paused, Some("b")));
    assert_eq!(bench.at(1_000_000).notify("a"), Added::Coalesced);
    assert_eq!((bench.take_key(), bench.waits_until()), (None, None));
    assert_eq!(bench.queue.resume(&"a", bench.now), Ok(true));
    assert_eq!(bench.take().map(|taken| taken.note.count), Some(2));
}

#[test]
fn a_pause_for_a_time_ends_by_itself_and_sooner_when_it_is_resumed() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.queue.pause(&"a", Some(bench.start + secs(60)), bench.now).unwrap();
    bench.notify("a");
    assert_eq!(bench.waits_until(), Some(60));
    assert_eq!(bench.at(60).take_key(), Some("a"));
    bench.finish("a", Next::Done);
    assert_eq!((bench.phase("a"), bench.queue.resume(&"a", bench.now)), (Phase::Idle, Ok(false)));

    bench.queue.pause(&"a", Some(bench.start + secs(600)), bench.now).unwrap();
    bench.notify("a");
    assert_eq!(bench.take_key(), None);
    bench.at(90);
    bench.queue.resume(&"a", bench.now).unwrap();
    assert_eq!(bench.take_key(), Some("a"));
}

#[test]
fn a_later_pause_takes_the_place_of_an_earlier_one() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    for (until, waits) in [(Some(600), Some(600)), (None, None), (Some(60), Some(60))] {
        let until = until.map(|seconds| bench.start + secs(seconds));
        bench.queue.pause(&"a", until, bench.now).unwrap();
        assert_eq!(bench.waits_until(), waits);
    }
}

#[test]
fn a_run_under_way_finishes_and_the_next_one_is_held_back() {
    for end in [Next::Done, RETRY, Next::Again { after: BASE, roll: Roll::Over }, PARKED_SLOWLY] {
        let mut bench = Bench::new(&["a"], &Policy::default());
        bench.notify("a");
        bench.take_key();
        bench.queue.pause(&"a", None, bench.now).unwrap();
        assert_eq!(bench.phase("a"), Phase::Running);
        assert_eq!(bench.notify("a"), Added::Dirty);
        bench.finish("a", end);
        assert_eq!((bench.phase("a"), bench.at(10_000).take_key()), (Phase::Paused, None), "after {end:?}");
        let line = bench.queue.snapshot(bench.now).keys.remove(0);
        assert_eq!((line.held_back(), line.next_try_in), (true, None));
        bench.queue.resume(&"a", bench.now).unwrap();
        assert_eq!(bench.take_key(), Some("a"));
    }
}

#[test]
fn a_paused_key_keeps_its_backoff_and_what_it_was_parked_with() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.run("a", RETRY);
    bench.queue.pause(&"a", None, bench.now).unwrap();
    bench.queue.resume(&"a", bench.now).unwrap();
    assert_eq!((bench.phase("a"), bench.waits_until()), (Phase::Backoff, Some(10)));
    bench.at(10).run("a", PARKED);
    bench.queue.pause(&"a", None, bench.now).unwrap();
    bench.notify("a");
    bench.queue.resume(&"a", bench.now).unwrap();
    assert!(bench.take().unwrap().observe_only);
}

#[test]
fn a_paused_key_keeps_no_roll_slot_and_no_place_in_the_line_for_one() {
    let mut bench = Bench::new(&["a", "b", "c"], &grouped());
    bench.queue.set_max_rolling(&"host".into(), 1);
    for key in ["a", "b", "c"] {
        bench.notify(key);
    }
    bench.take_key();
    assert!(bench.queue.claim_roll(&"a"));
    bench.finish("a", Next::Again { after: BASE, roll: Roll::UnderWay });
    for key in ["b", "c"] {
        assert_eq!(bench.take_key(), Some(key));
        assert!(!bench.queue.claim_roll(&key));
        bench.finish(key, Next::AwaitRoll);
    }
    bench.queue.pause(&"b", None, bench.now).unwrap();
    bench.queue.pause(&"a", None, bench.now).unwrap();
    assert_eq!((bench.take_key(), bench.take_key()), (Some("c"), None));
    assert!(bench.queue.claim_roll(&"c"), "it was given the slot of a, past b");
    bench.finish("c", Next::Done);
    bench.queue.resume(&"b", bench.now).unwrap();
    assert_eq!(bench.take_key(), Some("b"));
    assert!(bench.queue.claim_roll(&"b"));
}

#[test]
fn a_pause_during_the_run_that_starts_a_roll_keeps_no_slot_either() {
    let mut bench = Bench::new(&["a", "b"], &grouped());
    bench.queue.set_max_rolling(&"host".into(), 1);
    bench.notify("a");
    bench.take_key();
    assert!(bench.queue.claim_roll(&"a"));
    bench.queue.pause(&"a", None, bench.now).unwrap();
    bench.finish("a", Next::Again { after: BASE, roll: Roll::UnderWay });
    bench.notify("b");
    assert_eq!(bench.take_key(), Some("b"));
    assert!(bench.queue.claim_roll(&"b"));
}

#[test]
fn only_registered_keys_of_an_open_queue_are_paused() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    assert_eq!(bench.queue.pause(&"x", None, bench.now), Err(Refused::Unknown));
    assert_eq!(bench.queue.resume(&"x", bench.now), Err(Refused::Unknown));
    bench.queue.close();
    assert_eq!(bench.queue.pause(&"a", None, bench.now), Err(Refused::Closed));
    assert_eq!(bench.queue.resume(&"a", bench.now), Err(Refused::Closed));
}

#[test]
fn with_nothing_due_a_paused_key_is_idle_until_something_is_due_by_itself() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.queue.pause(&"a", None, bench.now).unwrap();
    bench.notify("a");
    assert!(bench.queue.snapshot(bench.now).is_idle(), "a person has to end it");
    bench.queue.pause(&"a", Some(bench.start + secs(60)), bench.now).unwrap();
    assert!(!bench.queue.snapshot(bench.now).is_idle());
}
