//! No key starves behind the others.

use std::collections::BTreeMap;

use super::*;

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

#[test]
fn a_key_that_waits_in_line_keeps_its_place_and_its_group_waits_with_it() {
    let mut bench = Bench::new(&["a", "b"], &grouped());
    bench.queue.register("other", &Policy { group: Some("elsewhere".into()), ..Policy::default() });
    for key in ["a", "b", "other"] {
        bench.notify(key);
    }
    bench.run("a", Next::InLine { after: secs(3) });
    assert_eq!(bench.phase("a"), Phase::Queued);
    bench.run("other", Next::Done);
    assert_eq!(bench.waits_until(), Some(3));
    let snapshot = bench.queue.snapshot(bench.now);
    assert_eq!(snapshot.of(&"b").unwrap().next_try_in, Some(secs(3)));
    assert_eq!(snapshot.groups[0].cool_for, None, "nobody asked for a pause");
    bench.at(3).run("a", Next::Done).run("b", Next::Done);
}
