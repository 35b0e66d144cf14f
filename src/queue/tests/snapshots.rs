//! What the queue tells of itself.

use super::*;

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
