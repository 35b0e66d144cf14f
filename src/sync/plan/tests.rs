use std::collections::BTreeMap;

use super::*;
use crate::model::{Mark, SecretRef, Stamp, TargetName, VersionId, VersionSeen};
use crate::sync::memory::{Delivered, GivenUp, Pending};

const LIMIT: Duration = Duration::from_mins(10);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn spec(proof: Proof) -> TargetSpec {
    TargetSpec {
        name: TargetName::parse("orders").unwrap(),
        secrets: [SecretRef::new("prod/db", None, None).unwrap()].into(),
        mapping: "m".to_owned(),
        proof,
        rolls: true,
        supersede: false,
        confirm_limit: LIMIT,
    }
}

fn wanted(number: u8) -> Wanted {
    let version = VersionId::parse(&format!("00000000-0000-4000-8000-0000000000{number:02}")).unwrap();
    let secret = SecretRef::new("prod/db", None, None).unwrap();
    Wanted {
        versions: BTreeMap::from([(secret, VersionSeen { version, created: None })]),
        mapping: "m".to_owned(),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "marks are optional wherever they are used")]
fn mark(text: &str) -> Option<Mark> {
    Some(Mark(text.to_owned()))
}

fn receipt(number: u8) -> Receipt {
    Receipt::of(&wanted(number), Stamp::fresh(), mark("v1"))
}

fn seen(receipt: Option<&Receipt>, version: &str, stage: Stage) -> Observation {
    Observation { receipt: receipt.cloned(), mark: mark(version), stage, refusal: None, provable: true }
}

fn delivered(receipt: &Receipt, version: &str) -> TargetMemory {
    TargetMemory {
        delivered: Some(Delivered { receipt: receipt.clone(), mark: mark(version) }),
        ..TargetMemory::default()
    }
}

fn pending(receipt: &Receipt, version: Option<&str>, tries: u32) -> TargetMemory {
    TargetMemory {
        pending: Some(Box::new(Pending {
            receipt: receipt.clone(),
            mark: version.and_then(mark),
            since: at(0),
            tries,
            answered: version.is_some(),
            doubts: 0,
        })),
        ..TargetMemory::default()
    }
}

fn decide(proof: Proof, number: u8, seen: &Observation, memory: &TargetMemory) -> Plan {
    plan(&spec(proof), &wanted(number), seen, memory, at(10), Leave::Write)
}

#[test]
fn a_proved_delivery_that_nobody_touched_is_in_sync() {
    let receipt = receipt(1);
    let seen = seen(Some(&receipt), "v2", Stage::Settled);
    assert_eq!(decide(Proof::Receipt, 1, &seen, &delivered(&receipt, "v2")), Plan::Nothing(Outcome::InSync));
    assert_eq!(
        decide(Proof::Receipt, 1, &seen, &pending(&receipt, Some("v2"), 1)),
        Plan::Nothing(Outcome::InSync)
    );
}

#[test]
fn a_moved_version_or_a_changed_mapping_is_written() {
    let receipt = receipt(1);
    let seen = seen(Some(&receipt), "v2", Stage::Settled);
    let memory = delivered(&receipt, "v2");
    assert_eq!(decide(Proof::Receipt, 2, &seen, &memory), Plan::Write(Why::WantedChanged));
    let mapped = Wanted { mapping: "n".to_owned(), ..wanted(1) };
    let plan = plan(&spec(Proof::Receipt), &mapped, &seen, &memory, at(10), Leave::Write);
    assert_eq!(plan, Plan::Write(Why::WantedChanged));
}

#[test]
fn a_deployment_version_that_is_not_ours_is_written_over_although_it_carries_our_receipt() {
    let receipt = receipt(1);
    let seen = seen(Some(&receipt), "v3", Stage::Settled);
    assert_eq!(decide(Proof::Receipt, 1, &seen, &delivered(&receipt, "v2")), Plan::Write(Why::ForeignWrite));
    assert_eq!(
        decide(Proof::Receipt, 1, &seen, &pending(&receipt, Some("v2"), 1)),
        Plan::Write(Why::ForeignWrite)
    );
}

#[test]
fn a_write_that_was_never_answered_is_repeated_once_and_then_believed() {
    let receipt = receipt(1);
    let seen = seen(Some(&receipt), "v2", Stage::Settled);
    assert_eq!(decide(Proof::Receipt, 1, &seen, &pending(&receipt, None, 1)), Plan::Write(Why::Unanswered));
    assert_eq!(decide(Proof::Receipt, 1, &seen, &pending(&receipt, None, 2)), Plan::Nothing(Outcome::InSync));
}

#[test]
fn after_a_restart_without_memory_the_receipt_stands_for_itself() {
    let receipt = receipt(1);
    let seen = seen(Some(&receipt), "v2", Stage::Settled);
    assert_eq!(decide(Proof::Receipt, 1, &seen, &TargetMemory::default()), Plan::Nothing(Outcome::InSync));
}

#[test]
fn a_receipt_that_the_memory_does_not_know_is_a_late_or_foreign_write() {
    let (ours, other) = (receipt(1), receipt(1));
    let seen = seen(Some(&other), "v9", Stage::Settled);
    assert_eq!(decide(Proof::Receipt, 1, &seen, &delivered(&ours, "v2")), Plan::Write(Why::ForeignWrite));
}

#[test]
fn without_the_fields_that_prove_it_a_delivery_is_accepted_only() {
    let receipt = receipt(1);
    let seen = Observation { provable: false, ..seen(Some(&receipt), "v2", Stage::Settled) };
    assert_eq!(
        decide(Proof::Receipt, 1, &seen, &delivered(&receipt, "v2")),
        Plan::Nothing(Outcome::Accepted)
    );
}

#[test]
fn a_failed_roll_with_our_receipt_is_not_in_sync_and_not_repeated() {
    let receipt = receipt(1);
    let seen = seen(Some(&receipt), "v2", Stage::Failed("DEPLOYMENT_FAILED".to_owned()));
    let Plan::Park(failure) = decide(Proof::Receipt, 1, &seen, &pending(&receipt, Some("v2"), 1)) else {
        panic!("a failed roll parks");
    };
    assert_eq!(failure.code, FailureCode::RollFailed);
    assert_eq!(
        decide(Proof::Receipt, 2, &seen, &pending(&receipt, Some("v2"), 1)),
        Plan::Write(Why::WantedChanged),
        "a newer version is tried"
    );
    let insist = plan(
        &spec(Proof::Receipt),
        &wanted(1),
        &seen,
        &pending(&receipt, Some("v2"), 1),
        at(10),
        Leave::Insist,
    );
    assert_eq!(insist, Plan::Write(Why::WantedChanged), "a person may have it repeated");
}

#[test]
fn a_failed_roll_whose_spec_was_taken_back_is_not_repeated() {
    let (old, new) = (receipt(1), receipt(2));
    let seen = seen(Some(&old), "v1", Stage::Failed("FAILED".to_owned()));
    let Plan::Park(failure) = decide(Proof::Receipt, 2, &seen, &pending(&new, Some("v2"), 1)) else {
        panic!("a failed roll parks");
    };
    assert_eq!(failure.code, FailureCode::RollFailed);
    assert_eq!(
        decide(Proof::Receipt, 2, &seen, &pending(&new, None, 1)),
        Plan::Write(Why::WantedChanged),
        "a write without an answer may never have been there"
    );
    assert!(matches!(decide(Proof::Receipt, 2, &seen, &pending(&new, None, 2)), Plan::Park(_)));
}

/// A memory whose last look showed a failure, and which has begun this write since.
fn over_a_failure(failed: &Observation, receipt: &Receipt) -> TargetMemory {
    let mut memory = TargetMemory::default();
    memory.note_rest(failed, at(-5));
    memory.begin(receipt, at(0));
    memory
}

#[test]
fn the_failure_of_the_roll_before_is_not_taken_for_that_of_the_new_one() {
    let receipt = receipt(1);
    let failed = seen(Some(&receipt), "v3", Stage::Failed("FAILED".to_owned()));
    let mut memory = over_a_failure(&failed, &receipt);
    memory.answered(mark("v3"));
    let decide = |number, memory: &TargetMemory, leave| {
        plan(&spec(Proof::Receipt), &wanted(number), &failed, memory, at(10), leave)
    };
    let parks = |plan: Plan| matches!(plan, Plan::Park(failure) if failure.code == FailureCode::RollFailed);
    let rolled = {
        let mut memory = memory.clone();
        memory.note_rest(&seen(Some(&receipt), "v3", Stage::Rolling), at(5));
        memory.note_rest(&failed, at(10));
        memory
    };
    assert!(parks(decide(1, &rolled, Leave::Write)), "the new roll was seen, and then its failure");

    for _ in 1..5 {
        memory.note_rest(&failed, at(10));
        assert_eq!(decide(1, &memory, Leave::Write), Plan::Wait(Outcome::Confirming));
    }
    let newer = decide(2, &memory, Leave::Look);
    assert!(matches!(newer, Plan::Wait(Outcome::Retrying(_))), "it may roll: {newer:?}");
    assert_eq!(decide(1, &memory, Leave::Insist), Plan::Write(Why::WantedChanged));
    memory.note_rest(&failed, at(10));
    assert!(parks(decide(1, &memory, Leave::Write)), "no status lags for that long");
}

#[test]
fn a_lost_write_over_a_failed_roll_is_not_waited_for() {
    let (old, new) = (receipt(1), receipt(2));
    let failed = seen(Some(&old), "v2", Stage::Failed("FAILED".to_owned()));
    let mut memory = over_a_failure(&failed, &new);
    memory.note_rest(&failed, at(5));
    assert_eq!(decide(Proof::Receipt, 2, &failed, &memory), Plan::Write(Why::WantedChanged));
    let landed = Observation { receipt: Some(new), ..failed };
    assert_eq!(decide(Proof::Receipt, 2, &landed, &memory), Plan::Wait(Outcome::Confirming));
}

#[test]
fn a_redeploy_without_our_receipt_is_a_foreign_write() {
    let (ours, older) = (receipt(1), receipt(2));
    let memory = delivered(&ours, "v2");
    for carried in [None, Some(&older)] {
        let seen = seen(carried, "v3", Stage::Settled);
        assert_eq!(decide(Proof::Receipt, 1, &seen, &memory), Plan::Write(Why::ForeignWrite));
    }
}

#[test]
fn a_roll_of_ours_is_waited_for_until_its_limit() {
    let receipt = receipt(1);
    let seen = seen(Some(&receipt), "v2", Stage::Rolling);
    let memory = pending(&receipt, Some("v2"), 1);
    let decide = |second| plan(&spec(Proof::Receipt), &wanted(1), &seen, &memory, at(second), Leave::Write);
    assert_eq!(decide(600), Plan::Wait(Outcome::Confirming));
    let Plan::Park(failure) = decide(601) else { panic!("an overdue roll parks") };
    assert_eq!(failure.code, FailureCode::RollOverdue);
    assert_eq!(failure.message, "the roll did not end within 10m");
}

#[test]
fn a_newer_version_waits_for_the_end_of_our_roll_unless_told_to_supersede() {
    let receipt = receipt(1);
    let seen = seen(Some(&receipt), "v2", Stage::Rolling);
    let memory = pending(&receipt, Some("v2"), 1);
    assert!(matches!(decide(Proof::Receipt, 2, &seen, &memory), Plan::Wait(Outcome::Retrying(_))));
    let supersede = TargetSpec { supersede: true, ..spec(Proof::Receipt) };
    assert_eq!(
        plan(&supersede, &wanted(2), &seen, &memory, at(10), Leave::Write),
        Plan::Write(Why::WantedChanged)
    );
}

#[test]
fn a_write_that_would_lose_a_value_is_refused() {
    let refusal =
        Failure::new(FailureCode::WouldLose, Retry::Never, "would lose api.key", "own or forget it");
    let seen = Observation { refusal: Some(refusal.clone()), ..seen(None, "v1", Stage::Settled) };
    assert_eq!(decide(Proof::Receipt, 1, &seen, &TargetMemory::default()), Plan::Park(refusal));
}

#[test]
fn a_look_at_a_parked_target_writes_only_if_the_wanted_state_changed() {
    let failure = Failure::new(FailureCode::Rejected, Retry::Never, "refused", "mend it");
    let memory = TargetMemory {
        given_up: Some(Box::new(GivenUp { digest: wanted(1).digest(), failure: failure.clone() })),
        ..TargetMemory::default()
    };
    let seen = seen(None, "v1", Stage::Settled);
    let look = |number| plan(&spec(Proof::Receipt), &wanted(number), &seen, &memory, at(10), Leave::Look);
    assert_eq!(look(1), Plan::Park(failure));
    assert_eq!(look(2), Plan::Write(Why::NothingDelivered));
}

#[test]
fn a_stopped_application_is_left_alone() {
    let seen = seen(None, "v1", Stage::Stopped);
    assert_eq!(decide(Proof::Receipt, 1, &seen, &TargetMemory::default()), Plan::Nothing(Outcome::Stopped));
}

#[test]
fn a_kind_proved_by_its_mark_is_written_again_when_the_mark_moved_or_is_unknown() {
    let receipt = receipt(1);
    let seen = seen(None, "18:00:54", Stage::Settled);
    let decide = |number, memory: &TargetMemory| decide(Proof::Mark, number, &seen, memory);
    assert_eq!(decide(1, &delivered(&receipt, "18:00:54")), Plan::Nothing(Outcome::InSync));
    assert_eq!(decide(1, &delivered(&receipt, "17:00:00")), Plan::Write(Why::ForeignWrite));
    assert_eq!(decide(2, &delivered(&receipt, "18:00:54")), Plan::Write(Why::WantedChanged));
    assert_eq!(decide(1, &pending(&receipt, None, 1)), Plan::Write(Why::Unanswered));
    assert_eq!(decide(1, &TargetMemory::default()), Plan::Write(Why::NothingDelivered));
}

#[test]
fn what_does_not_exist_is_written_whatever_is_remembered_of_it() {
    let receipt = receipt(1);
    let seen = Observation { mark: None, provable: false, ..seen(None, "", Stage::Missing) };
    let mut answered = pending(&receipt, None, 2);
    answered.answered(None);
    for memory in [TargetMemory::default(), delivered(&receipt, "18:00:54"), answered] {
        assert_eq!(decide(Proof::Mark, 1, &seen, &memory), Plan::Write(Why::Missing));
    }
    let failure = Failure::new(FailureCode::OverQuota, Retry::Slowly, "m", "n");
    let given_up = Box::new(GivenUp { digest: wanted(1).digest(), failure: failure.clone() });
    let memory = TargetMemory { given_up: Some(given_up), ..TargetMemory::default() };
    let look = plan(&spec(Proof::Mark), &wanted(1), &seen, &memory, at(10), Leave::Look);
    assert_eq!(look, Plan::Park(failure));
}

#[test]
fn a_kind_without_proof_is_accepted_at_best() {
    let receipt = receipt(1);
    let seen = Observation { mark: None, ..seen(None, "", Stage::Settled) };
    assert_eq!(decide(Proof::None, 1, &seen, &delivered(&receipt, "")), Plan::Nothing(Outcome::Accepted));
    assert_eq!(decide(Proof::None, 2, &seen, &delivered(&receipt, "")), Plan::Write(Why::WantedChanged));
    let lost = TargetMemory { pending: pending(&receipt, None, 1).pending, ..delivered(&receipt, "") };
    assert_eq!(decide(Proof::None, 1, &seen, &lost), Plan::Write(Why::Unanswered));
}

#[test]
fn our_receipt_beside_the_version_from_before_the_write_proves_nothing() {
    let receipt = receipt(1);
    let seen = seen(Some(&receipt), "v1", Stage::Settled);
    let memory = pending(&receipt, None, 1);
    assert_eq!(decide(Proof::Receipt, 1, &seen, &memory), Plan::Wait(Outcome::Confirming));
}

#[test]
fn a_foreign_roll_without_an_end_is_written_over_after_the_limit() {
    let seen = seen(None, "v2", Stage::Rolling);
    let memory = TargetMemory { restless: Some(at(0)), ..TargetMemory::default() };
    let decide = |second| plan(&spec(Proof::Receipt), &wanted(1), &seen, &memory, at(second), Leave::Write);
    assert!(matches!(decide(600), Plan::Wait(Outcome::Retrying(_))));
    assert_eq!(decide(601), Plan::Write(Why::WantedChanged));
}

#[test]
fn an_application_that_is_down_gets_a_newer_value_at_once() {
    let receipt = receipt(1);
    let seen = seen(Some(&receipt), "v2", Stage::Down);
    let decide = |number, leave| {
        plan(&spec(Proof::Receipt), &wanted(number), &seen, &delivered(&receipt, "v2"), at(10), leave)
    };
    assert_eq!(decide(2, Leave::Write), Plan::Write(Why::WantedChanged));
    assert_eq!(decide(1, Leave::Write), Plan::Wait(Outcome::Confirming), "what it has is what is wanted");
}

#[test]
fn a_delivered_application_that_never_comes_to_rest_is_told_after_the_limit() {
    let receipt = receipt(1);
    let memory = TargetMemory { restless: Some(at(0)), ..delivered(&receipt, "v2") };
    for stage in [Stage::Rolling, Stage::Down] {
        let seen = seen(Some(&receipt), "v2", stage.clone());
        let decide = |number, second| {
            plan(&spec(Proof::Receipt), &wanted(number), &seen, &memory, at(second), Leave::Write)
        };
        assert_eq!(decide(1, 600), Plan::Wait(Outcome::Confirming), "{stage:?}");
        assert!(matches!(decide(1, 601), Plan::Park(failure) if failure.code == FailureCode::RollOverdue));
        assert_eq!(decide(2, 601), Plan::Write(Why::WantedChanged), "{stage:?}");
    }
}

#[test]
fn what_was_given_up_is_not_written_by_a_look_at_an_application_that_is_down() {
    let failure = Failure::new(FailureCode::Denied, Retry::Slowly, "m", "n");
    let given_up = Box::new(GivenUp { digest: wanted(1).digest(), failure: failure.clone() });
    let memory = TargetMemory { given_up: Some(given_up), ..TargetMemory::default() };
    let seen = seen(None, "v1", Stage::Down);
    let decide = |leave| plan(&spec(Proof::Receipt), &wanted(1), &seen, &memory, at(10), leave);
    assert_eq!(decide(Leave::Look), Plan::Park(failure));
    assert_eq!(decide(Leave::Insist), Plan::Write(Why::WantedChanged));
}

#[test]
fn a_kind_whose_answer_is_the_proof_is_in_sync_once_it_has_answered() {
    let receipt = receipt(1);
    let seen = Observation { mark: None, ..seen(None, "", Stage::Settled) };
    let mut memory = pending(&receipt, None, 1);
    assert_eq!(decide(Proof::Answer, 1, &seen, &TargetMemory::default()), Plan::Write(Why::NothingDelivered));
    assert_eq!(decide(Proof::Answer, 1, &seen, &memory), Plan::Write(Why::Unanswered));
    memory.answered(None);
    assert_eq!(decide(Proof::Answer, 1, &seen, &memory), Plan::Nothing(Outcome::InSync));
    assert_eq!(decide(Proof::Answer, 2, &seen, &memory), Plan::Write(Why::WantedChanged));
    assert_eq!(decide(Proof::Answer, 1, &seen, &delivered(&receipt, "")), Plan::Nothing(Outcome::InSync));
}

#[test]
fn an_answered_write_of_a_kind_without_proof_is_not_sent_again() {
    let receipt = receipt(1);
    let seen = Observation { mark: None, ..seen(None, "", Stage::Settled) };
    let mut memory = pending(&receipt, None, 1);
    assert_eq!(decide(Proof::None, 1, &seen, &memory), Plan::Write(Why::Unanswered));
    memory.answered(None);
    assert_eq!(decide(Proof::None, 1, &seen, &memory), Plan::Nothing(Outcome::Accepted));
    assert_eq!(decide(Proof::None, 2, &seen, &memory), Plan::Write(Why::WantedChanged));
}
