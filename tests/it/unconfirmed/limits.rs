//! What Anypoint says when it is asked too often, in each form that its sources name.

use anypoint_sandbox::anypoint::Endpoint;

use crate::support::Bench;

#[tokio::test]
async fn over_the_limit_of_the_application_manager_every_form_of_refusal_is_waited_out() {
    for (answers_503, headers) in [(false, false), (false, true), (true, false), (true, true)] {
        let bench = Bench::orders().await;
        bench.anypoint.rules(|rules| {
            rules.limit_answers_503 = answers_503;
            rules.limit_headers = headers;
        });
        bench.tell_by_eventbridge();
        bench.anypoint.set_application_manager_limit(Some(0));
        bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
        let code = if answers_503 { "unavailable" } else { "rate_limited" };
        let failure = bench
            .outcome("orders-api", |outcome| {
                outcome.failure().filter(|failure| failure.code.as_str() == code).cloned()
            })
            .await;
        assert!(failure.message.starts_with("reading deployment \"orders-api\""), "{failure}");
        bench.anypoint.set_application_manager_limit(Some(15));
        bench.arrives("orders-api", "db.password", "second-password").await;
    }
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
        bench.outcome("orders-api", limited).await;
        assert_eq!(bench.anypoint.requests().of(Endpoint::Token), 1);
        if answers_429 {
            // It names the end of the minute, which is too far away for a test.
            continue;
        }
        bench.anypoint.set_login_limit(None);
        bench.in_sync("orders-api").await;
        assert_eq!(bench.anypoint.requests().of(Endpoint::Token), 2);
    }
}
