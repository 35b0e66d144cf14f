//! What is told first: that the token has expired, or that the place does not exist.

use anypoint_sandbox::anypoint::Endpoint;

use crate::support::{Bench, ORDERS_TARGET};

#[tokio::test]
async fn a_wrong_environment_is_told_as_such_also_with_an_expired_token() {
    for not_found_first in [false, true] {
        let mut bench = Bench::orders_stopped().await;
        bench.anypoint.rules(|rules| rules.not_found_before_unauthorized = not_found_first);
        let wrong = uuid::Uuid::new_v4().to_string();
        let file = bench.file(ORDERS_TARGET).replace(&bench.anypoint.environment(), &wrong);
        bench.start_with(&file).await;
        bench.ended_as("orders-api", "parked").await;

        bench.anypoint.expire_tokens();
        let answer = bench.trigger(r#"{"target":"orders-api"}"#, "?wait=20s").await;
        assert_eq!(answer.status, 502, "{}", answer.text);
        let failure = bench.fails_with("orders-api", "not_found").await;
        let what = "looking for deployment \"orders-api\" through connection prod: HTTP 404 Not Found";
        assert!(failure.message.starts_with(what), "{failure}");
        let next_step = "`organization` and `environment` of connection prod";
        assert!(failure.next_step.ends_with(next_step), "{failure:?}");
        bench.ended_as("orders-api", "parked").await;
        // Where the token is looked at first, it takes another one to find out.
        let tokens = if not_found_first { 1 } else { 2 };
        assert_eq!(bench.anypoint.requests().of(Endpoint::Token), tokens);
    }
}
