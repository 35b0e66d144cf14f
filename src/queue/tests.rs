//! One test per rule of the queue, in the order in which they meet a key's life.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::*;
use crate::model::Roll;

const BASE: Duration = Duration::from_secs(10);
const CAP: Duration = Duration::from_mins(5);
const SLOW: Duration = Duration::from_mins(15);

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) const RETRY: Next = Next::Retry { no_sooner_than: None, roll: Roll::Over };
const PARKED: Next = Next::Park { slowly: false };
pub(super) const PARKED_SLOWLY: Next = Next::Park { slowly: true };

pub(super) fn work_queue(keys: &[&'static str], policy: &Policy) -> WorkQueue<&'static str> {
    let settings = Settings { retry_base: BASE, retry_cap: CAP, slow_retry: SLOW };
    // No jitter: the longest delay.
    let mut queue = WorkQueue::new(settings, Box::new(|limit| limit));
    for key in keys {
        queue.register(*key, policy);
    }
    queue
}

pub(super) fn note(reason: Reason) -> Note {
    Note::new(reason, Timestamp::UNIX_EPOCH)
}

pub(super) fn grouped() -> Policy {
    Policy { group: Some("host".into()), ..Policy::default() }
}

/// A queue and the time.
struct Bench {
    queue: WorkQueue<&'static str>,
    start: Instant,
    now: Instant,
}

impl Bench {
    fn new(keys: &[&'static str], policy: &Policy) -> Self {
        let now = Instant::now();
        Self { queue: work_queue(keys, policy), start: now, now }
    }

    fn at(&mut self, seconds: u64) -> &mut Self {
        self.now = self.start + secs(seconds);
        self
    }

    fn notify(&mut self, key: &'static str) -> Added {
        self.queue.add(&key, note(Reason::Notification), self.now).unwrap()
    }

    fn person(&mut self, key: &'static str) -> Added {
        self.queue.add(&key, note(Reason::Manual), self.now).unwrap()
    }

    fn take(&mut self) -> Option<Taken<&'static str>> {
        match self.queue.take(self.now) {
            Take::Run(taken) => Some(taken),
            Take::WaitUntil(at) => {
                assert!(at > self.now, "told to wait for a time that has come");
                None
            }
            Take::Empty | Take::Closed => None,
        }
    }

    fn take_key(&mut self) -> Option<&'static str> {
        self.take().map(|taken| taken.key)
    }

    fn finish(&mut self, key: &'static str, end: Next) -> &mut Self {
        self.queue.finish(&key, end, self.now);
        self
    }

    fn run(&mut self, key: &'static str, end: Next) -> &mut Self {
        assert_eq!(self.take_key(), Some(key), "at {:?}", self.now - self.start);
        self.finish(key, end)
    }

    /// Seconds from the start at which the queue wants to be asked again.
    fn waits_until(&mut self) -> Option<u64> {
        match self.queue.take(self.now) {
            Take::WaitUntil(at) => Some((at - self.start).as_secs()),
            Take::Empty => None,
            other => panic!("{other:?}"),
        }
    }

    fn phase(&self, key: &'static str) -> Phase {
        self.queue.snapshot(self.now).of(&key).unwrap().phase
    }
}

// One run per key.

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

// Backoff.

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

// Parked.

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

// Coalescing.

pub(super) fn coalescing() -> Policy {
    Policy { group: None, coalesce: secs(5), coalesce_cap: secs(12) }
}

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

// Fairness.

#[test]
fn due_keys_run_in_the_order_in_which_they_became_due() {
    let mut bench = Bench::new(&["a", "b", "c"], &Policy::default());
    for key in ["c", "a", "b", "c"] {
        bench.notify(key);
    }
    let order: Vec<_> = (0..3).filter_map(|_| bench.take_key()).collect();
    assert_eq!(order, ["c", "a", "b"]);
}

#[test]
fn once_a_key_is_due_every_other_key_is_taken_at_most_once_before_it() {
    let keys = ["a", "b", "c", "d", "e", "victim"];
    let mut bench = Bench::new(&keys, &Policy::default());
    fastrand::seed(7);
    for round in 0..500 {
        // A storm on all others, some of them running, then the victim, then more storm.
        let mut taken_before: BTreeMap<&str, u32> = BTreeMap::new();
        for key in &keys[..5] {
            bench.notify(key);
        }
        let mut running: Vec<_> = (0..fastrand::usize(0..4)).filter_map(|_| bench.take_key()).collect();
        bench.at(round * 10 + 1).notify("victim");
        loop {
            for key in &keys[..5] {
                bench.notify(key);
            }
            while running.len() > fastrand::usize(0..3) {
                let end = if fastrand::bool() { Next::Done } else { RETRY };
                let key = running.remove(fastrand::usize(0..running.len()));
                bench.finish(key, end);
            }
            match bench.take_key() {
                Some("victim") => break,
                Some(key) => {
                    *taken_before.entry(key).or_default() += 1;
                    running.push(key);
                }
                None => assert!(!running.is_empty(), "the victim is due and not taken"),
            }
        }
        assert!(taken_before.values().all(|count| *count <= 1), "round {round}: {taken_before:?}");
        bench.finish("victim", Next::Done);
        for key in running {
            bench.finish(key, Next::Done);
        }
    }
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

// Waiting in line.

#[test]
fn a_key_that_waits_in_line_keeps_its_place_and_its_group_waits_with_it() {
    let mut bench = Bench::new(&["a", "b"], &grouped());
    bench.queue.register("other", &Policy { group: Some("elsewhere".into()), ..Policy::default() });
    for key in ["a", "b", "other"] {
        bench.notify(key);
    }
    bench.run("a", Next::InLine { after: secs(3), roll: Roll::Over });
    assert_eq!(bench.phase("a"), Phase::Queued);
    bench.run("other", Next::Done);
    assert_eq!(bench.waits_until(), Some(3));
    let snapshot = bench.queue.snapshot(bench.now);
    assert_eq!(snapshot.of(&"b").unwrap().next_try_in, Some(secs(3)));
    assert_eq!(snapshot.groups[0].cool_for, None, "nobody asked for a pause");
    bench.at(3).run("a", Next::Done).run("b", Next::Done);
}

// Roll slots.

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

// Closing.

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

// Snapshots.

#[test]
fn a_snapshot_shows_every_phase_with_attempts_and_next_try() {
    let mut bench = Bench::new(&["idle", "backoff", "parked", "running", "queued"], &Policy::default());
    for key in ["backoff", "parked", "running", "queued"] {
        bench.notify(key);
    }
    bench.run("backoff", RETRY).run("parked", PARKED).take_key();
    bench.notify("running");
    let snapshot = bench.queue.snapshot(bench.start + secs(4));
    let line = |key| snapshot.of(&key).map(|line| (line.phase, line.attempts, line.next_try_in)).unwrap();
    assert_eq!(line("idle"), (Phase::Idle, 0, None));
    assert_eq!(line("backoff"), (Phase::Backoff, 1, Some(secs(6))));
    assert_eq!(line("parked"), (Phase::Parked, 0, None));
    assert_eq!(line("running"), (Phase::Running, 0, None));
    assert_eq!(line("queued"), (Phase::Queued, 0, Some(secs(0))));
    assert!(snapshot.of(&"running").unwrap().dirty);
    assert_eq!((snapshot.count(Phase::Parked), snapshot.is_idle()), (1, false));
}

#[test]
fn the_text_of_a_phase_is_its_json_and_its_label() {
    for phase in Phase::ALL {
        assert_eq!(serde_json::to_value(phase).unwrap(), phase.as_str());
        assert_eq!(crate::telemetry::metrics::QueuePhase::from(*phase).as_str(), phase.as_str());
    }
}
