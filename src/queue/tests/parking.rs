//! Nothing but a person or the slow timer makes a parked key write.

use super::*;

#[test]
fn an_add_on_a_parked_key_wakes_one_observing_pass() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.run("a", PARKED);
    assert_eq!((bench.phase("a"), bench.waits_until()), (Phase::Parked, None));
    assert_eq!(bench.notify("a"), Added::Woken);
    assert_eq!(bench.notify("a"), Added::Coalesced);
    assert!(bench.take().unwrap().observe_only);
    bench.finish("a", PARKED);
    assert_eq!(bench.take(), None);
}

#[test]
fn a_person_gives_a_parked_key_a_full_run_with_a_fresh_backoff() {
    for reason in [Reason::Manual, Reason::Config] {
        let mut bench = Bench::new(&["a"], &Policy::default());
        bench.notify("a");
        bench.run("a", RETRY).at(10).run("a", PARKED);
        assert_eq!(bench.queue.add(&"a", note(reason), bench.now), Ok(Added::Woken));
        let taken = bench.take().unwrap();
        assert_eq!((taken.observe_only, taken.attempts), (false, 0));
    }
}

#[test]
fn a_person_turns_a_waiting_observing_pass_into_a_full_run() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.run("a", PARKED);
    bench.notify("a");
    assert_eq!(bench.person("a"), Added::Coalesced);
    assert!(!bench.take().unwrap().observe_only);
}

#[test]
fn a_person_during_the_run_that_parks_gives_a_full_run_next() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.take_key();
    bench.person("a");
    bench.finish("a", PARKED);
    assert!(!bench.take().unwrap().observe_only);
}

#[test]
fn an_observing_pass_that_fails_is_not_followed_by_a_write_on_a_timer() {
    for end in [RETRY, Next::Again { after: BASE, roll: Roll::Over }] {
        let mut bench = Bench::new(&["a"], &Policy::default());
        bench.notify("a");
        bench.run("a", PARKED);
        bench.notify("a");
        bench.run("a", end).at(10);
        assert!(bench.take().unwrap().observe_only, "after {end:?}");
    }
}

#[test]
fn a_persons_wish_lasts_until_a_pass_has_answered_to_it() {
    let confirming = Next::Again { after: BASE, roll: Roll::UnderWay };
    let waiting = Next::Again { after: BASE, roll: Roll::Over };
    for (end, insists) in [(PARKED, false), (confirming, false), (RETRY, true), (waiting, true)] {
        let mut bench = Bench::new(&["a"], &Policy::default());
        bench.person("a");
        assert!(bench.take().unwrap().insists);
        bench.finish("a", end);
        bench.notify("a");
        assert_eq!(bench.at(10).take().unwrap().insists, insists, "after {end:?}");
    }
}

#[test]
fn a_key_that_is_done_is_parked_no_more() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.run("a", PARKED);
    bench.notify("a");
    bench.run("a", Next::Done);
    bench.notify("a");
    assert!(!bench.take().unwrap().observe_only);
}

#[test]
fn a_key_parked_slowly_is_run_in_full_by_its_timer() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.run("a", PARKED_SLOWLY);
    assert_eq!(bench.waits_until(), Some(900));
    assert!(!bench.at(900).take().unwrap().observe_only);
    bench.finish("a", PARKED_SLOWLY);
    assert_eq!(bench.waits_until(), Some(1800));
}

#[test]
fn a_stream_of_adds_does_not_put_off_the_slow_timer() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.run("a", PARKED_SLOWLY);
    for second in 1..900 {
        bench.at(second).notify("a");
        assert!(bench.take().unwrap().observe_only);
        bench.finish("a", PARKED_SLOWLY);
    }
    bench.at(900).notify("a");
    assert!(!bench.take().unwrap().observe_only);
}

#[test]
fn a_key_parked_for_good_has_no_timer() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.run("a", PARKED_SLOWLY).at(900).run("a", PARKED);
    assert_eq!(bench.at(1_000_000).take(), None);
}
