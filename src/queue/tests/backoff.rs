//! How long a key waits before it runs again: after failures, between looks, while its group cools
//! down.

use super::*;

#[test]
fn a_failing_key_waits_exponentially_longer_up_to_the_cap() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    let mut delays = Vec::new();
    for attempt in 0..8 {
        let taken = bench.take().unwrap();
        assert_eq!(taken.attempts, attempt);
        bench.finish("a", RETRY);
        let until = bench.waits_until().unwrap();
        delays.push(until - (bench.now - bench.start).as_secs());
        bench.at(until);
    }
    assert_eq!(delays, [10, 20, 40, 80, 160, 300, 300, 300]);
}

#[test]
fn success_resets_the_backoff() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.run("a", RETRY).at(10).run("a", Next::Done);
    bench.notify("a");
    assert_eq!(bench.take().map(|taken| taken.attempts), Some(0));
    bench.finish("a", RETRY);
    assert_eq!(bench.waits_until(), Some(20));
}

#[test]
fn a_passing_failure_is_never_given_up() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    for attempt in 0..1000 {
        assert_eq!(bench.take().map(|taken| taken.attempts), Some(attempt));
        bench.finish("a", RETRY);
        let until = bench.waits_until().unwrap();
        bench.at(until);
    }
}

#[test]
fn a_retry_keeps_the_note_of_what_it_is_for() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    let first = note(Reason::Notification).with_event("e1");
    bench.queue.add(&"a", first, bench.now).unwrap();
    bench.run("a", RETRY).at(10);
    assert_eq!(bench.take().and_then(|taken| taken.note.event_id).as_deref(), Some("e1"));
    bench.queue.add(&"a", note(Reason::Notification).with_event("e2"), bench.now).unwrap();
    bench.finish("a", Next::Done);
    let second = bench.take().unwrap().note;
    assert_eq!((second.event_id.as_deref(), second.count), (Some("e2"), 1));
}

#[test]
fn the_other_sides_wish_lengthens_a_backoff_and_binds_early_runs_too() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.run("a", Next::Retry { no_sooner_than: Some(secs(60)), roll: Roll::Over });
    assert_eq!(bench.waits_until(), Some(60));
    assert_eq!(bench.notify("a"), Added::Coalesced);
    assert_eq!(bench.waits_until(), Some(60));
}

#[test]
fn an_add_during_backoff_brings_one_early_run_and_keeps_the_attempts() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.run("a", RETRY);
    assert_eq!(bench.at(2).notify("a"), Added::Early);
    assert_eq!(bench.notify("a"), Added::Coalesced);
    assert_eq!(bench.take().map(|taken| taken.attempts), Some(1));
}

#[test]
fn an_early_run_that_fails_gives_no_second_one_before_its_period_is_over() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    // The period that ends at 10 gives its one early run at 2.
    bench.run("a", RETRY).at(2).notify("a");
    bench.run("a", RETRY).at(3).notify("a");
    // The next period, from 2 to 22, gives one from 10 on.
    assert_eq!(bench.waits_until(), Some(10));
    bench.at(10).run("a", RETRY).at(11).notify("a");
    assert_eq!(bench.waits_until(), Some(22));
}

#[test]
fn a_storm_cannot_outrun_the_backoff() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    let mut runs = 0;
    for second in 0..3600 {
        bench.at(second).notify("a");
        while bench.take().is_some() {
            // And once more while it runs.
            bench.notify("a");
            bench.finish("a", RETRY);
            runs += 1;
        }
    }
    // Without adds: 6 runs in the first 610 s, then one per 300 s, 16 in all. Each period at most
    // one more, and the periods do not get shorter.
    assert!((16..=32).contains(&runs), "{runs} runs");
    assert_eq!(bench.queue.snapshot(bench.now).keys[0].attempts, runs);
}

#[test]
fn an_early_run_that_gets_further_gives_no_second_one_before_its_period_is_over() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.run("a", RETRY).at(2).notify("a");
    bench.run("a", Next::Again { after: secs(3), roll: Roll::Over });
    bench.at(5).run("a", Next::Again { after: secs(30), roll: Roll::Over });
    assert_eq!(bench.notify("a"), Added::Early);
    assert_eq!(bench.waits_until(), Some(10));
}

#[test]
fn an_early_run_waits_for_the_end_of_the_cool_down() {
    let mut bench = Bench::new(&["a"], &grouped());
    bench.notify("a");
    bench.run("a", RETRY);
    bench.queue.cool_down("host", bench.start + secs(7));
    assert_eq!(bench.at(2).notify("a"), Added::Early);
    assert_eq!(bench.waits_until(), Some(7));
    assert_eq!(bench.at(7).take_key(), Some("a"));
}

// Waiting: confirmations and waits.

#[test]
fn a_key_that_goes_on_later_comes_back_by_itself() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    bench.run("a", Next::Again { after: secs(5), roll: Roll::Over });
    assert_eq!((bench.phase("a"), bench.waits_until()), (Phase::Waiting, Some(5)));
    bench.at(5).run("a", Next::Done);
    assert_eq!(bench.waits_until(), None);
}

#[test]
fn a_storm_while_confirming_brings_one_early_look_per_period() {
    let mut bench = Bench::new(&["a"], &Policy::default());
    bench.notify("a");
    let mut looks = 0;
    for second in 0..100 {
        bench.at(second).notify("a");
        while bench.take().is_some() {
            bench.notify("a");
            bench.finish("a", Next::Again { after: secs(10), roll: Roll::Over });
            looks += 1;
        }
    }
    assert!((10..=20).contains(&looks), "{looks} looks in ten periods");
}

#[test]
fn a_key_whose_wait_has_an_end_is_due_at_once_and_its_next_failure_waits_its_own_time() {
    const HELD: Next = Next::Again { after: secs(300), roll: Roll::Over };
    let freed = || note(Reason::Freed);
    let mut bench = Bench::new(&["a"], &coalescing());
    bench.notify("a");
    bench.at(5).run("a", HELD);
    // The one early run of the wait is spent.
    bench.notify("a");
    bench.at(10).run("a", HELD);
    assert_eq!(bench.queue.add(&"a", freed(), bench.now), Ok(Added::Early));
    bench.run("a", RETRY);
    assert_eq!(bench.waits_until(), Some(20));
    // A backoff is no wait.
    bench.queue.add(&"a", freed(), bench.now).unwrap();
    assert_eq!(bench.waits_until(), Some(15));
    bench.at(20).run("a", HELD);
    // It may come while the run that then waits is under way.
    bench.notify("a");
    assert_eq!(bench.at(25).take_key(), Some("a"));
    bench.queue.add(&"a", freed(), bench.now).unwrap();
    bench.finish("a", HELD);
    assert_eq!(bench.take_key(), Some("a"));
}

// Cool-downs.

#[test]
fn nothing_of_a_group_starts_during_its_cool_down_and_others_do() {
    let mut bench = Bench::new(&["a", "b"], &grouped());
    bench.queue.register("other", &Policy { group: Some("elsewhere".into()), ..Policy::default() });
    bench.queue.cool_down("host", bench.start + secs(30));
    for key in ["a", "b", "other"] {
        bench.notify(key);
    }
    bench.run("other", Next::Done);
    assert_eq!(bench.waits_until(), Some(30));
    assert_eq!(bench.queue.snapshot(bench.now).keys[0].next_try_in, Some(secs(30)));
    bench.at(30).run("a", Next::Done).run("b", Next::Done);
}

#[test]
fn a_cool_down_is_only_ever_lengthened() {
    let mut bench = Bench::new(&["a"], &grouped());
    bench.notify("a");
    bench.queue.cool_down("host", bench.start + secs(30));
    bench.queue.cool_down("host", bench.start + secs(10));
    assert_eq!(bench.waits_until(), Some(30));
    bench.queue.cool_down("host", bench.start + secs(40));
    assert_eq!(bench.at(30).waits_until(), Some(40));
}
