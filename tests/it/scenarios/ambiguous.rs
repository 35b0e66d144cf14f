//! Writes whose answer is lost, writes that land late, versions that move meanwhile.

use anypoint_sandbox::anypoint::{Endpoint, Lands, LostWrite, Seen};
use anypoint_sandbox::faults::{Action, Gate, Rule};
use anypoint_sandbox::wait_until;
use http::Method;

use crate::support::{Bench, LIMIT, LOOKS_AT_TARGETS};

/// The calls to the deployment after the first lost write, in order.
fn calls(bench: &Bench) -> Vec<&'static str> {
    let is = |tag: &str, endpoint: Endpoint| tag == endpoint.tag();
    let requests = bench.anypoint.log().all().into_iter().filter_map(|request| match request.tag.as_str() {
        tag if is(tag, Endpoint::DeploymentGet) => Some("look"),
        tag if is(tag, Endpoint::DeploymentPatch) => Some("write"),
        _ => None,
    });
    requests.collect()
}

#[tokio::test]
async fn a_write_without_an_answer_is_looked_at_before_anything_else() {
    for lands in [Lands::Now, Lands::Never] {
        for seen in [Seen::Status(504), Seen::Silence] {
            let bench = Bench::orders_tuned(&[("    base_url", "    timeout: 150ms\n    base_url")]).await;
            bench.tell_by_eventbridge();
            bench.anypoint.log().clear();
            bench.anypoint.lose_next_write(LostWrite { lands, seen });
            bench.orders_db().rotate_password("second-password");
            bench.arrives("orders-api", "db.password", "second-password").await;

            let calls = calls(&bench);
            let lost = calls.iter().position(|call| *call == "write").unwrap();
            assert_eq!(calls[lost + 1], "look", "{lands:?} {seen:?}: {calls:?}");
            let writes = calls.iter().filter(|call| **call == "write").count();
            assert_eq!(writes, 2, "a write that nobody answered is repeated once: {calls:?}");
            assert_eq!(bench.passwords(), ["first-password", "second-password"]);
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_write_heals() {
    for action in [Action::ResetAfter, Action::ResetBefore, Action::TruncateBody] {
        let bench = Bench::orders().await;
        bench.tell_by_eventbridge();
        bench.anypoint.faults().add(Rule::new(action.clone()).method(Method::PATCH).times(1));
        bench.orders_db().rotate_password("second-password");
        bench.arrives("orders-api", "db.password", "second-password").await;
        assert_eq!(bench.passwords(), ["first-password", "second-password"], "{action:?}");
    }
}

#[tokio::test]
async fn an_old_write_that_lands_after_a_newer_one_is_healed() {
    let bench = Bench::orders_tuned(&[LOOKS_AT_TARGETS]).await;
    bench.tell_by_eventbridge();
    let secret = bench.orders_db();
    bench.anypoint.lose_next_write(LostWrite { lands: Lands::WhenReleased, seen: Seen::Status(504) });
    secret.rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    secret.rotate_password("third-password");
    bench.arrives("orders-api", "db.password", "third-password").await;

    assert_eq!(bench.anypoint.release_held_writes(), [200]);
    bench.runs_with("orders-api", "db.password", "second-password").await;
    bench.arrives("orders-api", "db.password", "third-password").await;
    assert_eq!(
        bench.passwords(),
        ["first-password", "second-password", "third-password", "second-password", "third-password"]
    );
}

#[tokio::test]
async fn a_version_that_moves_during_the_write_is_written_next_although_nobody_tells() {
    let bench = Bench::orders().await;
    let secret = bench.orders_db();
    let gate = Gate::new();
    bench.anypoint.faults().add(Rule::new(Action::Hang(gate.clone())).method(Method::PATCH).times(1));
    bench.tell_by_eventbridge();
    secret.rotate_password("second-password");
    gate.arrived(1).await;
    bench.aws.stop_emitting();
    secret.rotate_password("third-password");
    gate.open();
    bench.arrives("orders-api", "db.password", "third-password").await;
    assert_eq!(bench.passwords(), ["first-password", "second-password", "third-password"]);
}

#[tokio::test]
async fn a_write_that_hangs_until_its_client_gives_up_and_lands_then_is_healed() {
    let timeout = ("    base_url", "    timeout: 150ms\n    base_url");
    let bench = Bench::orders_tuned(&[LOOKS_AT_TARGETS, timeout]).await;
    let (secret, gate) = (bench.orders_db(), Gate::new());
    bench.anypoint.faults().add(Rule::new(Action::Hang(gate.clone())).method(Method::PATCH).times(1));
    bench.tell_by_eventbridge();
    secret.rotate_password("second-password");
    gate.arrived(1).await;
    secret.rotate_password("third-password");
    bench.arrives("orders-api", "db.password", "third-password").await;
    let app = bench.anypoint.app("orders-api");
    let writes = app.history().writes.len();
    gate.open();
    wait_until("the late write", LIMIT, || app.history().writes.len() > writes).await;
    wait_until("the write over it", LIMIT, || app.history().writes.len() > writes + 1).await;
    bench.arrives("orders-api", "db.password", "third-password").await;
}
