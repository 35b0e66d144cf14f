//! Adds that come together are one run, which no stream of adds puts off for good.

use super::*;

#[test]
fn adds_within_the_window_are_one_run() {
    let mut bench = Bench::new(&["a"], &coalescing());
    bench.notify("a");
    bench.at(4).notify("a");
    assert_eq!(bench.at(8).take(), None);
    assert_eq!(bench.at(9).take().map(|taken| taken.note.count), Some(2));
}

#[test]
fn a_steady_stream_cannot_postpone_a_key_beyond_the_cap() {
    let mut bench = Bench::new(&["a"], &coalescing());
    let mut started = Vec::new();
    for second in 0..30 {
        bench.at(second).notify("a");
        if bench.take().is_some() {
            started.push(second);
            bench.finish("a", Next::Done);
        }
    }
    // The add of second 12 joins the run of second 12; the one after it opens the next window.
    assert_eq!(started, [12, 25]);
}

#[test]
fn adds_during_a_run_wait_for_their_window_as_well() {
    let mut bench = Bench::new(&["a"], &coalescing());
    bench.notify("a");
    assert_eq!(bench.at(5).take_key(), Some("a"));
    bench.at(6).notify("a");
    bench.at(7).finish("a", Next::Done);
    assert_eq!(bench.waits_until(), Some(11));
}

#[test]
fn a_window_puts_off_neither_a_retry_nor_a_confirmation() {
    for end in [RETRY, Next::Again { after: BASE, roll: Roll::Over }] {
        let mut bench = Bench::new(&["a"], &coalescing());
        bench.notify("a");
        bench.at(5).run("a", end);
        assert_eq!(bench.at(13).notify("a"), Added::Coalesced);
        assert_eq!(bench.waits_until(), Some(15), "after {end:?}");
    }
}
