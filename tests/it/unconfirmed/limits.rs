//! What Anypoint says when it is asked too often, in each form that its sources name.

use std::time::Duration;

use anypoint_relay::clock::{Clock, SystemClock};
use anypoint_relay::model::Retry;
use anypoint_sandbox::anypoint::Endpoint;
use anypoint_sandbox::wait_until;
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{APPLICATION_MANAGER_LIMIT, Bench, LIMIT, name, pass};

async fn over_the_limit_of_the_application_manager(answers_503: bool, headers: bool) {
    let bench = Bench::orders().await;
    bench.anypoint.rules(|rules| {
        rules.limit_answers_503 = answers_503;
        rules.limit_headers = headers;
    });
    bench.tell_by_eventbridge();
    bench.anypoint.set_application_manager_limit(Some(0));
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    let code = if answers_503 { "unavailable" } else { "rate_limited" };
    // Besides, runs may be told that their turn is far away: that is our own pacing.
    let refused = || {
        let now = SystemClock.timestamp();
        let status = bench.board().target(&name("orders-api"), now).expect("a configured target");
        let mut failures = status.history.into_iter().filter_map(|line| line.failure);
        failures.any(|failure| {
            failure.code == code && failure.message.starts_with("reading deployment \"orders-api\"")
        })
    };
    wait_until("a run that is refused", LIMIT, refused).await;
    bench.anypoint.set_application_manager_limit(Some(APPLICATION_MANAGER_LIMIT));
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn a_429_without_headers_is_waited_out() {
    over_the_limit_of_the_application_manager(false, false).await;
}

#[tokio::test]
async fn a_429_with_the_end_of_the_window_is_waited_out() {
    over_the_limit_of_the_application_manager(false, true).await;
}

#[tokio::test]
async fn a_503_without_headers_is_waited_out() {
    over_the_limit_of_the_application_manager(true, false).await;
}

#[tokio::test]
async fn a_503_with_the_end_of_the_window_is_waited_out() {
    over_the_limit_of_the_application_manager(true, true).await;
}

#[tokio::test]
async fn over_the_limit_of_logins_both_forms_of_refusal_hold_back_further_logins() {
    for answers_429 in [false, true] {
        let mut bench = Bench::new().await;
        bench.anypoint.rules(|rules| rules.login_limit_answers_429 = answers_429);
        bench.anypoint.set_login_limit(Some(0));
        bench.aws.create_secret("prod/orders/db", crate::support::ORDERS_SECRET);
        let none = anypoint_sandbox::anypoint::NONE;
        bench.anypoint.deploy("orders-api", none, [("db.user", "o"), ("db.password", "o")]);
        bench.start(crate::support::ORDERS_TARGET).await;
        let limited = |outcome: &anypoint_relay::model::Outcome| {
            outcome.failure().filter(|failure| failure.code.as_str() == "rate_limited").cloned()
        };
        let failure = bench.outcome("orders-api", limited).await;
        assert_eq!(bench.anypoint.requests().of(Endpoint::Token), 1);
        bench.anypoint.set_login_limit(None);
        if answers_429 {
            assert!(
                matches!(failure.retry, Retry::CoolDown(_)),
                "it names the end of the minute: {failure:?}"
            );
            pass(Duration::from_mins(1)).await;
        }
        bench.in_sync("orders-api").await;
        let logins = bench.anypoint.log().matching(|request| request.tag == Endpoint::Token.tag());
        let [refused, taken] = &logins[..] else { panic!("{} logins", logins.len()) };
        let pause = taken.at.duration_since(refused.at);
        assert!(answers_429 || pause >= SignedDuration::from_millis(950), "tried again after {pause}");
    }
}

#[tokio::test]
async fn over_a_limit_of_the_secrets_manager_each_form_of_refusal_is_waited_out() {
    let forms = [(false, false), (false, true), (true, false), (true, true)];
    join_all(forms.map(|(answers_503, headers)| async move {
        let mut bench = Bench::new().await;
        bench.anypoint.rules(|rules| {
            rules.limit_answers_503 = answers_503;
            rules.limit_headers = headers;
        });
        bench.anypoint.set_secrets_manager_limit(Some(0));
        bench.aws.create_secret("prod/orders/db", crate::support::ORDERS_SECRET);
        let stored = json!({ "name": "orders-db", "type": "Blob", "content": "b2xk" });
        let secret = bench.anypoint.add_group("orders").add_shared_secret(&stored);
        bench.anypoint.shift_modified_at(SignedDuration::from_secs(5));
        bench
            .start(
                "
  orders:
    kind: shared_secret
    connection: prod
    group: orders
    name: orders-db
    coalesce: 10ms
    type: Blob
    content: { secret: prod/orders/db, field: password }",
            )
            .await;
        let code = if answers_503 { "unavailable" } else { "rate_limited" };
        bench.fails_with("orders", code).await;
        bench.anypoint.set_secrets_manager_limit(Some(15));
        bench.in_sync("orders").await;
        assert_eq!(secret.current().unwrap()["content"], "first-password");
        assert_eq!(secret.history().len(), 2);
    }))
    .await;
}
