//! What can come in between when a secret is created: whatever it is, one secret with the right value is
//! what it ends in.

use anypoint_relay::status::FailureView;
use anypoint_sandbox::anypoint::{Endpoint, GroupState, Lands, LostWrite, SecretGroup, Seen};
use anypoint_sandbox::faults::{Action, Gate, Rule};
use anypoint_sandbox::wait_until;
use jiff::SignedDuration;
use serde_json::json;

use super::create::{creating, empty, held, tries};
use super::{TARGET, named, stored_user, target};
use crate::support::{Bench, LIMIT};

const FIRST: &str = "first-password";
const SECOND: &str = "second-password";

/// A rule for the creations alone.
fn spoilt(rule: Rule) -> Rule {
    rule.tag(Endpoint::SecretPost.tag())
}

/// Starts the relay with these settings of the connection.
async fn start(bench: &mut Bench, timeout: &str) {
    let file = bench.file(&target(&creating()));
    let file = file.replace("  prod:\n", &format!("  prod:\n    timeout: {timeout}\n"));
    bench.start_with(&file.replace("slow_retry: 1h", "slow_retry: 50ms")).await;
}

/// A relay whose first creation meets this, and the failure that follows.
async fn stumbles(rule: Rule, code: &str) -> (Bench, SecretGroup, FailureView) {
    let (mut bench, group) = empty().await;
    bench.anypoint.faults().add(spoilt(rule).times(1));
    start(&mut bench, "4s").await;
    let failure = bench.meets(code).await;
    (bench, group, failure)
}

/// What happens just before each creation does.
fn as_one_arrives(bench: &Bench, act: impl Fn() + Send + Sync + 'static) {
    bench.anypoint.faults().add(Rule::watch(move |seen| {
        if seen.tag == Endpoint::SecretPost.tag() {
            act();
        }
    }));
}

/// A rotation between the moment in which a creation is sent and that in which it arrives.
fn rotates_under_way(bench: &Bench) {
    let secret = bench.aws.secret("prod/orders/db").unwrap();
    let first = secret.current_version();
    as_one_arrives(bench, move || {
        if secret.current_version() == first {
            secret.rotate_password(SECOND);
        }
    });
}

fn says(failure: &FailureView, what: &str, next_step: &str) {
    assert_eq!(
        failure.message,
        format!(r#"creating shared secret "orders-db" through connection prod: {what}"#)
    );
    assert_eq!(failure.next_step, next_step);
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_found_and_written_once_more() {
    for lost in [Action::ResetAfter, Action::TruncateBody] {
        let (bench, group, _) = stumbles(Rule::new(lost), "unavailable").await;
        bench.in_sync(TARGET).await;
        assert_eq!((held(&group), tries(&bench)), (vec![FIRST.to_owned(); 2], [1, 1]));
    }
}

#[tokio::test]
async fn a_creation_that_a_gateway_gave_up_is_found_and_written_once_more() {
    let (mut bench, group) = empty().await;
    bench.anypoint.lose_next_write(LostWrite { lands: Lands::Now, seen: Seen::Status(504) });
    start(&mut bench, "4s").await;
    says(&bench.meets("unavailable").await, "HTTP 504 Gateway Timeout", "none: it is tried again");
    bench.in_sync(TARGET).await;
    assert_eq!((held(&group), tries(&bench)), (vec![FIRST.to_owned(); 2], [1, 1]));
}

#[tokio::test]
async fn a_creation_that_never_arrived_is_made_again() {
    let (bench, group, _) = stumbles(Rule::new(Action::ResetBefore), "unavailable").await;
    bench.in_sync(TARGET).await;
    assert_eq!((held(&group), tries(&bench)), (vec![FIRST.to_owned()], [2, 0]));
}

#[tokio::test]
async fn a_creation_without_an_answer_is_made_again_when_nothing_came_of_it() {
    let (mut bench, group) = empty().await;
    bench.anypoint.faults().add(spoilt(Rule::new(Action::Hang(Gate::new()))).times(1));
    start(&mut bench, "200ms").await;
    says(&bench.meets("timeout").await, "no answer in time", "none: it is tried again");
    bench.in_sync(TARGET).await;
    assert_eq!((held(&group), tries(&bench)), (vec![FIRST.to_owned()], [2, 0]));
}

#[tokio::test]
async fn a_creation_that_lands_late_makes_no_second_secret_and_brings_no_old_value() {
    let (mut bench, group) = empty().await;
    rotates_under_way(&bench);
    bench.anypoint.lose_next_write(LostWrite { lands: Lands::WhenReleased, seen: Seen::Status(504) });
    start(&mut bench, "4s").await;
    bench.meets("unavailable").await;
    bench.in_sync(TARGET).await;
    assert_eq!((held(&group), tries(&bench)), (vec![SECOND.to_owned()], [2, 0]));
    assert_eq!(bench.anypoint.release_held_writes(), [400], "its name is taken");
    assert_eq!(held(&group), [SECOND]);
    bench.insist().await;
    assert_eq!(tries(&bench), [2, 0], "nothing was due");
}

#[tokio::test]
async fn a_lost_creation_with_a_value_that_was_rotated_meanwhile_gets_the_new_one() {
    let (mut bench, group) = empty().await;
    rotates_under_way(&bench);
    bench.anypoint.faults().add(spoilt(Rule::new(Action::ResetAfter)).times(1));
    start(&mut bench, "4s").await;
    bench.meets("unavailable").await;
    bench.in_sync(TARGET).await;
    assert_eq!((held(&group), tries(&bench)), (vec![FIRST.to_owned(), SECOND.to_owned()], [1, 1]));
}

#[tokio::test]
async fn a_success_that_made_nothing_is_not_believed() {
    let (mut bench, group) = empty().await;
    bench.anypoint.faults().add(spoilt(Rule::status(201).body("{}")).times(1));
    start(&mut bench, "4s").await;
    bench.in_sync(TARGET).await;
    assert_eq!((held(&group), tries(&bench)), (vec![FIRST.to_owned()], [2, 0]));
    let runs: Vec<&str> = bench.runs(TARGET).iter().map(|run| run.outcome).rev().collect();
    assert_eq!((runs[0], runs.last()), ("confirming", Some(&"in_sync")), "{runs:?}");
}

#[tokio::test]
async fn a_creation_that_cannot_be_looked_at_is_proved_by_a_second_write() {
    let (mut bench, group) = empty().await;
    bench.anypoint.faults().add(Rule::status(500).tag(Endpoint::SecretGet.tag()).times(1));
    start(&mut bench, "4s").await;
    bench.in_sync(TARGET).await;
    assert_eq!((held(&group), tries(&bench)), (vec![FIRST.to_owned(); 2], [1, 1]));
    let runs: Vec<&str> = bench.runs(TARGET).iter().map(|run| run.outcome).rev().collect();
    assert_eq!((runs[0], runs.last()), ("confirming", Some(&"in_sync")), "{runs:?}");
}

#[tokio::test]
async fn one_that_another_creates_after_the_look_is_found_by_its_name_and_replaced() {
    for old_error_bodies in [false, true] {
        let (mut bench, group) = empty().await;
        bench.anypoint.rules(|rules| rules.old_error_bodies = old_error_bodies);
        let theirs = group.clone();
        as_one_arrives(&bench, move || {
            theirs.add_shared_secret(&stored_user());
        });
        start(&mut bench, "4s").await;
        let failure = bench.meets("conflict").await;
        assert_eq!(failure.message, r#"shared secret "orders-db" was created by another since the look"#);
        assert_eq!(failure.next_step, "none: the one that is there is written in a moment");
        bench.in_sync(TARGET).await;
        assert_eq!((held(&group), tries(&bench)), (vec!["old".to_owned(), FIRST.to_owned()], [1, 1]));
    }
}

#[tokio::test]
async fn a_refusal_whose_reason_cannot_be_found_out_is_no_last_word() {
    let (mut bench, group) = empty().await;
    let theirs = group.clone();
    as_one_arrives(&bench, move || {
        theirs.add_shared_secret(&stored_user());
    });
    // Two lists before the creation, of which the second is read for its sake, and one after it.
    bench.anypoint.faults().add(Rule::status(500).tag(Endpoint::SecretList.tag()).skip(2).times(1));
    start(&mut bench, "4s").await;
    let failure = bench.meets("unavailable").await;
    assert_eq!(
        failure.message,
        r#"reading shared secret "orders-db" through connection prod: HTTP 500 Internal Server Error"#
    );
    bench.in_sync(TARGET).await;
    assert_eq!((held(&group), tries(&bench)), (vec!["old".to_owned(), FIRST.to_owned()], [1, 1]));
}

#[tokio::test]
async fn two_targets_that_create_one_secret_end_with_one_of_them_as_its_writer() {
    let (mut bench, group) = empty().await;
    // Both have looked before either creation arrives.
    let gate = Gate::new();
    bench.anypoint.faults().add(spoilt(Rule::new(Action::Hang(gate.clone()))).times(2));
    let by_id = named(group.id(), "orders-db", &creating()).replace("  orders:", "  by-id:");
    bench.start(&(target(&creating()) + "\n" + &by_id)).await;
    gate.arrived(2).await;
    gate.open();
    let parked = || {
        let state = |target| bench.board().outcome(&crate::support::name(target)).map(|last| last.label());
        [TARGET, "by-id"].map(state)
    };
    wait_until("one writer", LIMIT, || {
        matches!(parked(), [Some("in_sync"), Some("parked")] | [Some("parked"), Some("in_sync")])
    })
    .await;
    let loser = if parked()[0] == Some("parked") { TARGET } else { "by-id" };
    let failure = bench.fails_with(loser, "conflict").await;
    assert!(failure.message.contains(" has two writers: "), "{failure}");
    assert!(held(&group).iter().all(|password| password == FIRST));
    assert_eq!(tries(&bench)[0], 2);
}

#[tokio::test]
async fn a_full_group_is_told_with_what_can_be_done_and_looked_at_again_slowly() {
    let (mut bench, group) = empty().await;
    for number in 0..350 {
        let body = json!({ "name": format!("blob-{number}"), "type": "Blob", "content": "x" });
        group.add_shared_secret(&body);
    }
    bench.start(&target(&creating())).await;
    let failure = bench.parks("over_quota").await;
    says(
        &failure,
        "HTTP 402 Payment Required (RB-1008 limit exceeded)",
        "a secret group has room for 350 secrets, and Anypoint deletes none of them alone: set `group` of \
         target orders to another group",
    );
    assert_eq!((group.shared_secrets(), tries(&bench)), (350, [1, 0]));
    bench.stop().await.unwrap();

    let billing = bench.anypoint.add_group("billing");
    bench.start(&named("billing", "orders-db", &creating())).await;
    bench.in_sync(TARGET).await;
    assert_eq!(held(&billing), [FIRST]);
}

#[tokio::test]
async fn room_that_is_made_later_is_found_by_the_slow_timer() {
    let (bench, group, _) = stumbles(Rule::status(402), "over_quota").await;
    bench.in_sync(TARGET).await;
    assert_eq!((held(&group), tries(&bench)), (vec![FIRST.to_owned()], [2, 0]));
}

#[tokio::test]
async fn a_creation_that_is_forbidden_names_the_scope_and_is_found_mended() {
    let (mut bench, group) = empty().await;
    bench.anypoint.grant("manage:secrets", false);
    start(&mut bench, "4s").await;
    let failure = bench.meets("denied").await;
    let (organization, environment) = (bench.anypoint.organization(), bench.anypoint.environment());
    says(
        &failure,
        "HTTP 403 Forbidden",
        &format!(
            "give the connected app of connection prod the scope Write secrets (manage:secrets) in environment \
             {environment} of organization {organization}"
        ),
    );
    assert_eq!((bench.status().outcome, group.shared_secrets()), (Some("parked"), 0));
    bench.anypoint.grant("manage:secrets", true);
    bench.in_sync(TARGET).await;
    assert_eq!(held(&group), [FIRST]);
}

#[tokio::test]
async fn the_scope_that_manages_groups_is_not_needed() {
    let (mut bench, group) = empty().await;
    bench.anypoint.grant("manage:secret_groups", false);
    bench.start(&target(&creating())).await;
    bench.in_sync(TARGET).await;
    assert_eq!(held(&group), [FIRST]);
}

#[tokio::test]
async fn a_group_that_became_busy_after_the_look_is_waited_for() {
    let (mut bench, group) = empty().await;
    let busy = group.clone();
    as_one_arrives(&bench, move || {
        busy.set_state(GroupState::Finishing);
    });
    start(&mut bench, "4s").await;
    wait_until("a creation", LIMIT, || tries(&bench)[0] == 1).await;
    // First the creation is refused, then each look finds the group busy.
    let failure = bench.meets("conflict").await;
    assert!(
        failure.message.ends_with("HTTP 409 Conflict")
            || failure.message.contains("its state is not `Clear`"),
        "{failure:?}"
    );
    assert_eq!((group.shared_secrets(), tries(&bench)), (0, [1, 0]));
    bench.anypoint.faults().clear();
    group.set_state(GroupState::Clear);
    bench.in_sync(TARGET).await;
    assert_eq!((held(&group), tries(&bench)), (vec![FIRST.to_owned()], [2, 0]));
}

#[tokio::test]
async fn a_conflict_passes_by_itself() {
    let (bench, group, failure) = stumbles(Rule::status(409), "conflict").await;
    says(
        &failure,
        "HTTP 409 Conflict",
        "usually none: it is tried again; if it stays, look at the resource in Anypoint",
    );
    bench.in_sync(TARGET).await;
    assert_eq!((held(&group), tries(&bench)), (vec![FIRST.to_owned()], [2, 0]));
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_as_long_as_was_asked() {
    let rule = Rule::status(429).header("retry-after", "1");
    let (bench, group, failure) = stumbles(rule, "rate_limited").await;
    says(&failure, "HTTP 429 Too Many Requests", "none: requests to the Secrets Manager are slowed down");
    bench.in_sync(TARGET).await;
    assert_eq!(held(&group), [FIRST]);
    let posts = bench.anypoint.log().matching(|request| request.tag == Endpoint::SecretPost.tag());
    let [refused, taken] = &posts[..] else { panic!("{} creations", posts.len()) };
    let waited = taken.at.duration_since(refused.at);
    assert!(waited >= SignedDuration::from_millis(950), "again after {waited}");
}

#[tokio::test]
async fn a_refusal_of_the_body_is_parked_with_its_code() {
    let (bench, group, failure) = stumbles(
        Rule::status(400)
            .body(r#"{"errors":[{"code":"RB-1003","field":"password","message":"first-password"}]}"#),
        "rejected",
    )
    .await;
    says(
        &failure,
        "HTTP 400 Bad Request (RB-1003 invalid value in field password)",
        "correct what the code names: the mapping of the target, or `group` of target orders, and \
         `organization` and `environment` of connection prod",
    );
    bench.ended_as(TARGET, "parked").await;
    assert_eq!((group.shared_secrets(), tries(&bench)), (0, [1, 0]));
}

#[tokio::test]
async fn a_group_that_is_gone_when_the_creation_arrives_is_told_as_such() {
    let (bench, group, failure) = stumbles(Rule::status(404), "not_found").await;
    says(
        &failure,
        "HTTP 404 Not Found",
        "check `group` of target orders, and `organization` and `environment` of connection prod",
    );
    bench.in_sync(TARGET).await;
    assert_eq!(held(&group), [FIRST]);
}
