//! The roll, step by step, at given times.

use super::*;

const STEP: i64 = 10;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn map(value: &str) -> Map {
    Map::from([("db.password".to_owned(), value.to_owned())])
}

/// Two replicas that run with `old`, and a roll to `new` from second 100 on.
fn rolling(rules: &Rules, strategy: UpdateStrategy, fails: bool) -> Deployment {
    let pace = Pace::PerReplica(Duration::from_secs(STEP.unsigned_abs()));
    let mut app = Deployment::new("orders", Map::new(), map("old"), pace, at(0));
    app.scale(2, at(0));
    app.strategy = strategy;
    app.fail_next = u32::from(fails);
    app.write(Map::new(), map("new"), &Author::outside("me"), rules.status_lags, at(100));
    app
}

fn passwords(app: &Deployment) -> Vec<String> {
    app.running().into_iter().map(|replica| replica.secure["db.password"].clone()).collect()
}

#[test]
fn replicas_are_replaced_one_after_another_at_the_time_each_was_due() {
    let rules = Rules::default();
    let mut app = rolling(&rules, UpdateStrategy::Rolling, false);
    app.advance(&rules, at(109));
    assert_eq!(passwords(&app), ["old", "old"]);
    app.advance(&rules, at(110));
    assert_eq!(passwords(&app), ["new", "old"]);
    assert_eq!(app.phase(), Phase::Applying);
    app.advance(&rules, at(500));
    assert_eq!(passwords(&app), ["new", "new"]);
    assert_eq!(app.phase(), Phase::Settled);

    let history = app.history();
    let second = &history.replicas[1];
    assert_eq!((second[0].from, second[0].until), (at(0), Some(at(120))));
    assert_eq!((second[1].from, second[1].until), (at(120), None));
    assert_eq!((history.writes[0].result, history.writes[0].ended), (RollResult::Succeeded, Some(at(120))));
    assert_eq!(history.secure_values("db.password"), ["old", "new"]);
}

#[test]
fn recreate_leaves_nothing_running_until_the_first_replica_is_back() {
    let rules = Rules::default();
    let mut app = rolling(&rules, UpdateStrategy::Recreate, false);
    assert!(!app.any_running());
    app.advance(&rules, at(110));
    assert_eq!(passwords(&app), ["new"]);
}

#[test]
fn a_failed_roll_takes_back_the_replicas_that_had_changed() {
    let rules = Rules::default();
    let mut app = rolling(&rules, UpdateStrategy::Rolling, true);
    app.advance(&rules, at(110));
    assert_eq!(passwords(&app), ["new", "old"]);
    app.advance(&rules, at(120));
    assert_eq!(passwords(&app), ["old", "old"]);
    assert_eq!(app.phase(), Phase::Failed);
    assert_eq!(app.spec().secure, map("new"), "the specification keeps what was written");
    assert_ne!(Some(&app.spec().version), app.last_good().map(|good| &good.version));
    assert_eq!(app.history().writes[0].result, RollResult::Failed);
    assert_eq!(app.history().secure_values("db.password"), ["old", "new", "old"]);
}

#[test]
fn a_fallback_that_fails_too_leaves_nothing_running() {
    let rules = Rules { fallback_fails: true, ..Rules::default() };
    let mut app = rolling(&rules, UpdateStrategy::Rolling, true);
    app.advance(&rules, at(120));
    assert!(!app.any_running());
}

#[test]
fn a_failed_roll_can_take_the_specification_back_as_well() {
    let rules = Rules { failed_roll_reverts_spec: true, ..Rules::default() };
    let mut app = rolling(&rules, UpdateStrategy::Rolling, true);
    app.advance(&rules, at(120));
    assert_eq!(app.spec().secure, map("old"));
    assert_eq!(app.phase(), Phase::Failed);
}

#[test]
fn a_write_during_a_roll_supersedes_it() {
    let rules = Rules::default();
    let mut app = rolling(&rules, UpdateStrategy::Rolling, false);
    app.advance(&rules, at(110));
    app.write(Map::new(), map("newer"), &Author::outside("me"), 0, at(115));
    app.advance(&rules, at(500));
    assert_eq!(passwords(&app), ["newer", "newer"]);
    let results: Vec<_> = app.history().writes.iter().map(|write| write.result).collect();
    assert_eq!(results, [RollResult::Superseded, RollResult::Succeeded]);
}

#[test]
fn a_write_to_a_stopped_application_rolls_only_when_it_is_started() {
    let rules = Rules::default();
    let pace = Pace::PerReplica(Duration::from_secs(1));
    let mut app = Deployment::new("orders", Map::new(), map("old"), pace, at(0));
    app.want(DesiredState::Stopped, at(1));
    app.write(Map::new(), map("new"), &Author::outside("me"), 0, at(2));
    app.advance(&rules, at(10));
    assert!(!app.any_running());
    assert_eq!(app.history().rolls(), 0);
    app.want(DesiredState::Started, at(20));
    app.advance(&rules, at(21));
    assert_eq!(passwords(&app), ["new"]);
}

#[test]
fn a_roll_by_hand_waits_for_the_hand() {
    let rules = Rules::default();
    let mut app = Deployment::new("orders", Map::new(), map("old"), Pace::Manual, at(0));
    app.write(Map::new(), map("new"), &Author::outside("me"), 0, at(1));
    app.advance(&rules, at(1_000_000));
    assert_eq!(passwords(&app), ["old"]);
    assert!(app.step(&rules, at(1_000_001)));
    assert_eq!(passwords(&app), ["new"]);
    assert!(!app.step(&rules, at(1_000_002)), "the roll is over");
}
