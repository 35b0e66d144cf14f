use super::*;

const FRESHNESS: Duration = Duration::from_secs(30);
const SETTLE: Duration = Duration::from_secs(5);

struct Bench {
    log: VersionLog,
    secret: SecretRef,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self {
            log: VersionLog::new(FRESHNESS, SETTLE),
            secret: SecretRef::new("prod/db", None, None).unwrap(),
            now: Instant::now(),
        }
    }

    fn named(&self, number: u8, at: i64) {
        self.log.named(&self.secret, version(number), Some(time(at)), self.now);
    }

    fn read(&self, number: u8) -> Verdict {
        self.log.judge(&self.secret, &seen(number), None, None, self.now)
    }

    fn describe(&self, number: u8) -> Verdict {
        let read = VersionSeen { version: version(number), created: None };
        self.log.judge(&self.secret, &read, None, None, self.now)
    }
}

fn version(number: u8) -> VersionId {
    VersionId::parse(&format!("00000000-0000-4000-8000-0000000000{number:02}")).unwrap()
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// Versions are created in the order of their numbers.
fn seen(number: u8) -> VersionSeen {
    VersionSeen { version: version(number), created: Some(time(i64::from(number) * 10)) }
}

#[test]
fn a_read_that_is_older_than_the_named_version_is_repeated_for_a_bounded_time() {
    let mut bench = Bench::new();
    assert_eq!(bench.read(1), Verdict::Current);
    bench.named(2, 25);
    assert_eq!(bench.read(1), Verdict::Wait(FIRST_PAUSE, Doubt::AnotherWasNamed));
    assert_eq!(bench.read(1), Verdict::Wait(FIRST_PAUSE * 2, Doubt::AnotherWasNamed));
    assert_eq!(bench.read(2), Verdict::Current);
    bench.named(3, 35);
    bench.now += FRESHNESS;
    assert_eq!(bench.read(2), Verdict::Current, "AWSCURRENT has the last word");
}

#[test]
fn names_that_keep_coming_do_not_hold_a_read_back_for_longer() {
    let mut bench = Bench::new();
    assert_eq!(bench.read(1), Verdict::Current);
    bench.named(2, 25);
    bench.now += FRESHNESS / 2;
    bench.named(3, 26);
    assert!(matches!(bench.read(1), Verdict::Wait(_, Doubt::AnotherWasNamed)));
    bench.now += FRESHNESS / 2;
    assert_eq!(bench.read(1), Verdict::Current);
    bench.named(4, 27);
    assert!(matches!(bench.read(1), Verdict::Wait(_, Doubt::AnotherWasNamed)), "a wait of its own");
}

#[test]
fn a_replayed_event_of_a_superseded_version_is_not_waited_for() {
    let bench = Bench::new();
    bench.named(1, 15);
    assert_eq!(bench.read(1), Verdict::Current);
    bench.named(2, 25);
    assert_eq!(bench.read(2), Verdict::Current);
    bench.named(1, 15);
    assert_eq!(bench.read(2), Verdict::Current);
    assert!(matches!(bench.read(1), Verdict::Wait(_, Doubt::GoesBack)), "a replay names no rollback");
}

#[test]
fn a_rollback_that_an_event_named_is_believed_at_once() {
    let bench = Bench::new();
    bench.named(1, 15);
    assert_eq!(bench.read(1), Verdict::Current);
    bench.named(2, 25);
    assert_eq!(bench.read(2), Verdict::Current);
    bench.named(1, 40);
    assert_eq!(bench.read(1), Verdict::Current);
}

#[test]
fn a_move_back_that_no_event_named_needs_two_equal_reads() {
    let mut bench = Bench::new();
    assert_eq!(bench.read(1), Verdict::Current);
    assert_eq!(bench.read(2), Verdict::Current);
    assert_eq!(bench.read(1), Verdict::Wait(SETTLE, Doubt::GoesBack));
    bench.now += SETTLE / 2;
    assert_eq!(bench.read(1), Verdict::Wait(SETTLE / 2, Doubt::GoesBack));
    bench.now += SETTLE / 2;
    assert_eq!(bench.read(1), Verdict::Current);
}

#[test]
fn two_stale_reads_right_after_an_event_do_not_outweigh_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.read(1), Verdict::Current);
    bench.named(2, 25);
    assert_eq!(bench.describe(2), Verdict::Current);
    assert_eq!(bench.read(1), Verdict::Wait(SETTLE, Doubt::GoesBack));
    bench.now += SETTLE;
    assert_eq!(bench.describe(1), Verdict::Wait(SETTLE, Doubt::GoesBack));
    bench.now += FRESHNESS;
    assert_eq!(bench.read(1), Verdict::Current, "AWSCURRENT has the last word");
}

#[test]
fn a_fresh_read_in_between_starts_the_two_reads_anew() {
    let mut bench = Bench::new();
    assert_eq!(bench.read(2), Verdict::Current);
    assert!(matches!(bench.read(1), Verdict::Wait(..)));
    assert_eq!(bench.read(2), Verdict::Current);
    bench.now += SETTLE;
    assert_eq!(bench.read(1), Verdict::Wait(SETTLE, Doubt::GoesBack));
}

#[test]
fn a_stale_value_behind_a_fresh_description_is_not_believed() {
    let bench = Bench::new();
    assert_eq!(bench.read(2), Verdict::Current);
    assert_eq!(bench.describe(3), Verdict::Current);
    assert!(matches!(bench.read(2), Verdict::Wait(_, Doubt::GoesBack)));
    assert_eq!(bench.read(3), Verdict::Current);
}

#[test]
fn after_a_restart_the_receipt_tells_that_a_read_goes_back() {
    let bench = Bench::new();
    let verdict = bench.log.judge(&bench.secret, &seen(1), None, Some(&seen(2)), bench.now);
    assert_eq!(verdict, Verdict::Wait(SETTLE, Doubt::GoesBack));
}

#[test]
fn after_a_restart_a_rollback_is_believed_at_the_second_read_of_its_value() {
    let mut bench = Bench::new();
    let read = |bench: &Bench| {
        assert_eq!(bench.describe(1), Verdict::Current, "a description shows no creation date");
        bench.log.judge(&bench.secret, &seen(1), None, Some(&seen(2)), bench.now)
    };
    assert_eq!(read(&bench), Verdict::Wait(SETTLE, Doubt::GoesBack));
    bench.now += SETTLE;
    assert_eq!(read(&bench), Verdict::Current);
}

#[test]
fn an_event_of_the_same_second_as_the_last_move_is_waited_for() {
    let bench = Bench::new();
    let changed = time(10) + Duration::from_millis(345);
    let verdict = bench.log.judge(&bench.secret, &seen(1), Some(changed), None, bench.now);
    assert_eq!(verdict, Verdict::Current);
    bench.named(2, 10);
    assert!(matches!(bench.read(1), Verdict::Wait(_, Doubt::AnotherWasNamed)));
}

#[test]
fn a_value_of_another_version_than_was_just_described_is_read_again() {
    let mut bench = Bench::new();
    assert_eq!(bench.describe(2), Verdict::Current);
    assert_eq!(bench.read(1), Verdict::Wait(SETTLE, Doubt::GoesBack), "it may be stale");
    // A description that is stale as well does not make it right.
    assert!(matches!(bench.describe(1), Verdict::Wait(_, Doubt::GoesBack)));
    bench.now += SETTLE / 2;
    assert_eq!(bench.describe(2), Verdict::Current);
    assert_eq!(bench.read(2), Verdict::Current);
}

#[test]
fn a_rotation_between_a_description_and_the_value_is_believed_after_a_while() {
    let mut bench = Bench::new();
    assert_eq!(bench.describe(1), Verdict::Current);
    assert_eq!(bench.read(2), Verdict::Wait(SETTLE, Doubt::GoesBack));
    bench.now += SETTLE;
    assert_eq!(bench.describe(2), Verdict::Current);
    assert_eq!(bench.read(2), Verdict::Current);
}

#[test]
fn a_description_from_before_the_last_known_change_is_doubted() {
    let bench = Bench::new();
    let describe = |number: u8, changed: i64| {
        let read = VersionSeen { version: version(number), created: None };
        bench.log.judge(&bench.secret, &read, Some(time(changed)), None, bench.now)
    };
    assert_eq!(describe(1, 10), Verdict::Current);
    assert_eq!(describe(3, 30), Verdict::Current);
    assert_eq!(describe(2, 20), Verdict::Wait(SETTLE, Doubt::GoesBack));
    assert_eq!(describe(4, 40), Verdict::Current);
}

#[test]
fn a_version_that_another_writer_has_overtaken_is_doubted_although_it_was_believed() {
    let bench = Bench::new();
    assert_eq!(bench.read(1), Verdict::Current);
    let given = |number: u8| bench.log.judge(&bench.secret, &seen(1), None, Some(&seen(number)), bench.now);
    assert_eq!(given(1), Verdict::Current);
    assert_eq!(given(2), Verdict::Wait(SETTLE, Doubt::GoesBack));
}

#[test]
fn the_memory_of_superseded_versions_is_bounded() {
    let bench = Bench::new();
    for number in 0..99 {
        assert_eq!(bench.read(number), Verdict::Current);
    }
    let tracks = bench.log.tracks.lock().unwrap();
    assert_eq!(tracks[&bench.secret].superseded.len(), REMEMBERED);
}
