//! No failure repeats what the other side echoes.

use std::time::Duration;

use anypoint_relay::model::{Failure, FailureCode, Retry};

use crate::fake::Answer;
use crate::world::{CANARY, CLIENT_SECRET, KEY, World, deliver};

#[tokio::test]
async fn no_failure_shows_a_value_that_the_answer_echoes() {
    let statuses = [301, 304, 400, 401, 402, 403, 404, 405, 408, 409, 410, 415, 418, 422, 429, 500, 502, 503];
    let leaks = |failure: &Failure| {
        let text = format!("{failure:?} {failure}");
        [CANARY, CLIENT_SECRET, KEY, "token-1"].into_iter().find(|secret| text.contains(secret))
    };
    let planted = Failure::new(FailureCode::Rejected, Retry::Never, CANARY, "");
    assert_eq!(leaks(&planted), Some(CANARY), "the scan sees a leak");

    let mut failures = 0;
    for kind in 0..4 {
        let world = World::new();
        let target = world.target(world.every_kind()[kind].clone());
        for status in statuses {
            for (method, part) in [("POST", "/token"), ("PATCH", "/"), ("PUT", "/"), ("POST", "/flow")] {
                // Past every cool-down, and past the token's life.
                world.clock.advance(Duration::from_hours(2));
                let headers = vec![("x-anypnt-trx-id", CANARY.to_owned())];
                world.fake.state().faults = [(method, part, Answer::Echo(status, headers))].into();
                if let Err(error) = deliver(&target, CANARY).await {
                    failures += 1;
                    assert_eq!(leaks(&error.failure), None, "{:?}", error.failure);
                }
            }
        }
    }
    // Each kind fails at its token and at its write for every status; `http` needs no token, and a
    // write that is told 401 once is repeated.
    assert_eq!(failures, 3 * (2 * statuses.len() - 1) + statuses.len());
}
