//! Where it is looked for, and what is said when it is not there, not at rest, or another thing.

use anypoint_sandbox::anypoint::{Endpoint, GroupState};

use super::{TARGET, USER, named, passwords, sandbox, stored_user, target};

#[tokio::test]
async fn group_and_secret_are_found_by_name_and_by_id() {
    for by_id in [(true, true), (true, false), (false, true)] {
        let (mut bench, group, secret) = sandbox(&stored_user()).await;
        let group_named = if by_id.0 { group.id() } else { "orders" };
        let secret_named = if by_id.1 { secret.id() } else { "orders-db" };
        bench.start(&named(group_named, secret_named, USER)).await;
        bench.in_sync(TARGET).await;
        assert_eq!(passwords(&secret), ["old", "first-password"]);
        let requests = bench.anypoint.requests();
        let lists = [Endpoint::GroupList, Endpoint::SecretList].map(|list| requests.of(list));
        assert_eq!(lists, [usize::from(!by_id.0), usize::from(!by_id.1)], "an id needs no list");
    }
}

#[tokio::test]
async fn names_that_do_not_exist_are_told_with_those_that_do() {
    let (mut bench, ..) = sandbox(&stored_user()).await;
    bench.start(&named("billing", "orders-db", USER)).await;
    let failure = bench.parks("not_found").await;
    assert_eq!(failure.message, "no secret group is named \"billing\"; there are \"orders\"");
    assert_eq!(
        failure.next_step,
        "correct `group` of target orders, or `organization` and `environment` of the connection"
    );
    bench.stop().await.unwrap();
    bench.start(&named("orders", "billing", USER)).await;
    let failure = bench.parks("not_found").await;
    assert_eq!(failure.message, "no shared secret is named \"billing\"; there are \"orders-db\"");
}

#[tokio::test]
async fn a_secret_of_another_type_is_not_touched() {
    let (mut bench, _, secret) = sandbox(&stored_user()).await;
    bench.start(&target("    type: Blob\n    content: { secret: prod/orders/db }")).await;
    let failure = bench.parks("rejected").await;
    assert_eq!(failure.message, "shared secret \"orders-db\" is of another type than Blob");
    assert_eq!(
        failure.next_step,
        "set `type` of target orders to what is stored; Anypoint cannot change a type"
    );
    assert_eq!(secret.history().len(), 1);
}

#[tokio::test]
async fn a_group_that_is_being_changed_is_waited_for() {
    for (state, at_top) in [
        (GroupState::Finishing, false),
        (GroupState::Finishing, true),
        (GroupState::Deleting, false),
        (GroupState::Cancelling, true),
    ] {
        let (mut bench, group, secret) = sandbox(&stored_user()).await;
        bench.anypoint.rules(|rules| rules.group_state_at_top_level = at_top);
        group.set_state(state);
        bench.start(&target(USER)).await;
        let failure = bench.meets("conflict").await;
        assert_eq!(failure.message, "secret group \"orders\" is being changed (its state is not `Clear`)");
        assert_eq!(bench.anypoint.requests().of(Endpoint::SecretPut), 0);
        group.set_state(GroupState::Clear);
        bench.in_sync(TARGET).await;
        assert_eq!(passwords(&secret), ["old", "first-password"]);
    }
}
