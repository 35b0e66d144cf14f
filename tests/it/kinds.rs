//! Every kind of target against the sandbox: each way to succeed and to fail.

mod application;
mod cloudhub;
mod http;
mod hybrid;
mod secret_value;
mod shared_secret;
mod stores;
mod then;
mod trouble;
mod watch;
mod writers;

use anypoint_relay::clock::{Clock, SystemClock};
use anypoint_relay::status::{FailureView, TargetStatus};
use anypoint_sandbox::wait_for;

use crate::support::{Answer, Bench, LIMIT, name};

/// The target of every test in here.
const TARGET: &str = "orders";

impl Bench {
    /// What the board says about the target of these tests.
    pub(crate) fn status(&self) -> TargetStatus {
        self.board().target(&name(TARGET), SystemClock.timestamp()).expect("a configured target")
    }

    /// Waits until a run of the target has met a failure of this class, and gives the newest one.
    pub(crate) async fn meets(&self, code: &str) -> FailureView {
        let failure = || {
            let lines = self.status().history.into_iter();
            lines.filter_map(|line| line.failure.map(|failure| *failure)).find(|failure| failure.code == code)
        };
        wait_for(&format!("a run that fails with {code}"), LIMIT, failure).await
    }

    /// Waits until the target is parked with a failure of this class and nothing is due for it.
    pub(crate) async fn parks(&self, code: &str) -> FailureView {
        self.ended_as(TARGET, "parked").await;
        let failure = self.status().failure.expect("a parked target says why");
        assert_eq!(failure.code, code, "{failure:?}");
        failure
    }

    /// A person asks for the target and waits for the outcome.
    pub(crate) async fn insist(&self) -> Answer {
        self.trigger(&format!(r#"{{"target":"{TARGET}"}}"#), "?wait=20s").await
    }
}
