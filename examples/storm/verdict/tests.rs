//! Each of the five can be something else than 0.

use anypoint_sandbox::anypoint::Map;

use super::*;
use crate::history::{Field, RECEIPT};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn map(entries: &[(&str, &str)]) -> Map {
    entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Version `number` of a secret is current from `from` to `until`.
fn tenure(number: u32, from: i64, until: Option<i64>) -> Tenure {
    Tenure {
        version: format!("v{number}"),
        username: format!("user-{}", number % 2),
        password: format!("password-{number}"),
        url: format!("jdbc:{number}"),
        from: at(from),
        until: until.map(at),
    }
}

/// The user and the password of these versions.
fn values(user: u32, password: u32) -> Map {
    map(&[("user", &format!("user-{}", user % 2)), ("password", &format!("password-{password}"))])
}

fn write(seconds: i64, secure: Map) -> Write {
    Write { by: By::Relay, at: at(seconds), made: None, clear: Map::new(), secure }
}

fn held(secure: Map) -> Held {
    Held { since: at(0), clear: Map::new(), secure }
}

/// One target of one secret: version 1 is current from 0 to 10, 2 to 20, and 3 from then on. It holds 3.
fn history() -> History {
    let part = |name: &str, field| Part { name: name.to_owned(), secret: 0, field };
    let target = Target {
        name: "orders".to_owned(),
        wants: Wants::Values,
        parts: vec![part("user", Field::Username), part("password", Field::Password)],
        original: None,
        started: Vec::new(),
        landed: Vec::new(),
        held: vec![held(values(3, 3))],
    };
    History {
        secrets: vec![vec![tenure(1, 0, Some(10)), tenure(2, 10, Some(20)), tenure(3, 20, None)]],
        targets: vec![target],
        allowance: Duration::from_secs(3),
    }
}

fn of(change: impl FnOnce(&mut Target)) -> History {
    let mut history = history();
    change(&mut history.targets[0]);
    history
}

fn texts(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.what.as_str()).collect()
}

#[test]
fn a_history_in_order_has_no_findings() {
    let history = of(|target| {
        target.started = vec![write(1, values(1, 1)), write(11, values(2, 2)), write(21, values(3, 3))];
        target.landed.clone_from(&target.started);
    });
    assert_eq!((lost(&history), older_over_newer(&history), late(&history)), (vec![], vec![], 0));
    assert_eq!((wrong_value(&history), neighbour_lost(&history), raced(&history)), (vec![], vec![], 0));
}

#[test]
fn a_target_with_an_older_value_in_one_replica_is_lost() {
    let history = of(|target| target.held = vec![held(values(3, 3)), held(values(2, 2))]);
    assert_eq!(texts(&lost(&history)), ["user is not the current one"]);
    let history = of(|target| target.held = vec![held(values(3, 1))]);
    assert_eq!(texts(&lost(&history)), ["password is not the current one"]);
    let history = of(|target| target.held.clear());
    assert_eq!(texts(&lost(&history)), ["nothing of it runs"]);
}

#[test]
fn a_target_that_reads_for_itself_is_lost_if_it_started_before_the_secret_moved() {
    let started = |seconds: i64| {
        of(|target| {
            target.wants = Wants::Restart(vec![0]);
            target.held = vec![Held { since: at(seconds), ..held(Map::new()) }];
        })
    };
    let another = "it has read another version of secret 0 when it started";
    assert_eq!(texts(&lost(&started(19))), [another]);
    assert_eq!(lost(&started(20)), vec![]);
    // AWSCURRENT goes away and comes back.
    let mut history = started(12);
    history.secrets[0].push(tenure(2, 30, None));
    assert_eq!(lost(&history), vec![]);
    history.targets[0].held[0].since = at(25);
    assert_eq!(texts(&lost(&history)), [another]);
}

#[test]
fn a_write_may_start_with_a_version_that_ceased_just_now_and_not_with_an_older_one() {
    let started = |seconds: i64| of(|target| target.started = vec![write(seconds, values(1, 1))]);
    assert_eq!(older_over_newer(&started(13)), vec![]);
    assert_eq!(oldest(&started(13)), Duration::from_secs(3));
    let found = older_over_newer(&started(14));
    assert_eq!(texts(&found), [format!("{} carried a version superseded 4.0s before", at(14))]);
}

#[test]
fn a_version_that_came_back_is_not_an_older_one() {
    let mut history = of(|target| target.started = vec![write(40, values(1, 1))]);
    assert_eq!(older_over_newer(&history).len(), 1);
    history.secrets[0][2].until = Some(at(30));
    history.secrets[0].push(tenure(1, 30, None));
    assert_eq!(older_over_newer(&history), vec![]);
    history.targets[0].started = vec![write(29, values(1, 1))];
    assert_eq!(older_over_newer(&history).len(), 1, "it had not come back yet");
}

#[test]
fn a_write_that_started_in_time_and_landed_late_is_counted_apart() {
    let history = of(|target| {
        target.started = vec![write(9, values(1, 1)), write(21, values(3, 3))];
        target.landed = vec![write(21, values(3, 3)), write(25, values(1, 1)), write(26, values(3, 3))];
    });
    assert_eq!((older_over_newer(&history).len(), late(&history)), (0, 1));
}

#[test]
fn one_old_secret_among_several_makes_a_write_an_old_one() {
    let mut history = of(|target| {
        target.parts.push(Part { name: "other".to_owned(), secret: 1, field: Field::Password });
        let mut secure = values(3, 3);
        secure.extend(map(&[("other", "password-5")]));
        target.started = vec![write(25, secure)];
    });
    history.secrets.push(vec![tenure(5, 0, Some(10)), tenure(6, 10, None)]);
    assert_eq!(older_over_newer(&history).len(), 1);
}

#[test]
fn a_mix_of_fields_and_a_value_of_no_version_are_wrong() {
    for wrong in
        [values(1, 2), map(&[("user", "user-1"), ("password", "none yet")]), map(&[("user", "user-1")])]
    {
        let history = of(|target| target.started = vec![write(25, wrong.clone())]);
        let what = format!("{} carried what no version of secret 0 had", at(25));
        assert_eq!(texts(&wrong_value(&history)), [what], "{wrong:?}");
        let history = of(|target| target.landed = vec![write(25, wrong)]);
        assert_eq!(wrong_value(&history).len(), 1, "if only its effect was seen");
    }
}

#[test]
fn a_version_that_is_not_current_yet_is_wrong() {
    let history = of(|target| target.started = vec![write(19, values(3, 3))]);
    assert_eq!(wrong_value(&history).len(), 1, "it was pending");
}

#[test]
fn what_a_pipeline_writes_is_not_the_relays() {
    let by_pipeline = |write: Write| Write { by: By::Pipeline, ..write };
    let history = of(|target| target.landed = vec![by_pipeline(write(25, values(1, 2)))]);
    assert_eq!((wrong_value(&history), late(&history)), (vec![], 0));
}

/// An application with a property of others, on which `writes` took effect.
fn with_others(writes: Vec<Write>) -> History {
    of(|target| {
        target.original = Some((map(&[("team", "a")]), values(0, 0)));
        target.landed = writes;
    })
}

fn relay(looked: i64, arrived: i64, landed: i64, clear: &[(&str, &str)]) -> Write {
    let mut clear = map(clear);
    clear.insert(RECEIPT.to_owned(), format!("receipt of {landed}"));
    let made = Some((at(looked), at(arrived)));
    Write { made, clear, ..write(landed, values(1, 1)) }
}

fn pipeline(seconds: i64, clear: &[(&str, &str)], visitor: Option<&str>) -> Write {
    let mut secure = values(0, 0);
    secure.extend(visitor.map(|name| (name.to_owned(), "theirs".to_owned())));
    Write { by: By::Pipeline, clear: map(clear), ..write(seconds, secure) }
}

#[test]
fn a_property_of_others_that_a_write_changes_or_drops_is_lost() {
    for clear in [&[][..], &[("team", "b")], &[("team", "a"), ("more", "x")]] {
        let history = with_others(vec![relay(1, 2, 3, clear)]);
        assert_eq!((neighbour_lost(&history).len(), raced(&history)), (1, 0), "{clear:?}");
    }
    let history = with_others(vec![relay(1, 2, 3, &[("team", "a")])]);
    assert_eq!((neighbour_lost(&history).len(), raced(&history)), (0, 0));
}

#[test]
fn a_property_that_was_set_before_the_look_has_to_be_kept() {
    let old = vec![pipeline(5, &[("team", "b")], None), relay(6, 7, 8, &[("team", "a")])];
    assert_eq!(neighbour_lost(&with_others(old)).len(), 1);
    let new = vec![pipeline(5, &[("team", "b")], None), relay(6, 7, 8, &[("team", "b")])];
    assert_eq!(neighbour_lost(&with_others(new)).len(), 0);
}

#[test]
fn a_property_that_was_set_after_the_look_is_raced_and_not_lost() {
    for (looked, arrived) in [(4, 7), (3, 4)] {
        let raced_by = vec![pipeline(5, &[("team", "b")], None), relay(looked, arrived, 8, &[("team", "a")])];
        let history = with_others(raced_by);
        assert_eq!((neighbour_lost(&history).len(), raced(&history)), (0, 1), "{looked} {arrived}");
    }
}

#[test]
fn a_secure_property_of_others_is_lost_by_any_write_after_a_look_that_showed_it() {
    let writes = vec![pipeline(5, &[("team", "a")], Some("token")), relay(6, 7, 8, &[("team", "a")])];
    assert_eq!(neighbour_lost(&with_others(writes)).len(), 1);
    let gone = pipeline(6, &[("team", "a")], None);
    let writes = vec![pipeline(5, &[("team", "a")], Some("token")), gone, relay(7, 8, 9, &[("team", "a")])];
    assert_eq!(neighbour_lost(&with_others(writes)).len(), 0);
}
