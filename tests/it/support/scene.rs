//! What tests about time share: settings changed, events made by hand, and what was asked of whom.

use anypoint_relay::clock::{Clock, SystemClock};
use anypoint_relay::model::{Failure, Outcome};
use anypoint_relay::status::RunLine;
use anypoint_sandbox::anypoint::{Endpoint, Environment};
use anypoint_sandbox::aws::{Operation, Secret, StalePlan, events};
use anypoint_sandbox::wait_until;
use jiff::Timestamp;

use super::bench::ORDERS_TARGET;
use super::{Answer, Bench, LIMIT, name};

/// A setting of the usual file and what takes its place.
pub(crate) type Setting<'a> = (&'a str, &'a str);

/// Secrets are compared every moment, without any notification.
pub(crate) const COMPARES_SECRETS: Setting<'_> = ("interval: 1h, targets", "interval: 50ms, targets");
/// Targets are looked at every moment.
pub(crate) const LOOKS_AT_TARGETS: Setting<'_> = ("targets_interval: 1h", "targets_interval: 60ms");
/// A parked target that somebody may have mended is looked at every moment.
pub(crate) const RETRIES_SLOWLY: Setting<'_> = ("slow_retry: 1h", "slow_retry: 100ms");
/// A roll is looked at when something asks for it, and not by itself.
pub(crate) const NEVER_POLLS: Setting<'_> = ("confirm_poll: 20ms", "confirm_poll: 10m");

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    SystemClock.timestamp()
}

/// Reads are up to date again.
pub(crate) fn make_reads_fresh(secret: &Secret) {
    for operation in [Operation::Describe, Operation::Get] {
        secret.set_stale(operation, StalePlan::Never);
    }
}

/// Waits until another second has begun: receipts and events know whole seconds.
pub(crate) async fn another_second() {
    let second = now().as_second();
    wait_until("another second", LIMIT, || now().as_second() > second).await;
}

impl Bench {
    /// The usual file with these targets and other settings.
    pub(crate) fn tuned(&self, targets: &str, settings: &[Setting<'_>]) -> String {
        settings.iter().fold(self.file(targets), |text, (usual, other)| {
            assert!(text.contains(usual), "no setting {usual:?} in\n{text}");
            text.replace(usual, other)
        })
    }

    /// The usual file with connections to further environments, by name.
    pub(crate) fn file_with(&self, targets: &str, others: &[(&str, &Environment)]) -> String {
        let text = self.file(targets);
        let prod = text.split("connections:\n").nth(1).unwrap().split("targets:\n").next().unwrap();
        let others = others.iter().map(|(name, environment)| {
            prod.replace("  prod:", &format!("  {name}:"))
                .replace(&self.anypoint.organization(), environment.organization())
                .replace(&self.anypoint.environment(), environment.id())
        });
        let others: String = others.collect();
        text.replacen("targets:\n", &format!("{others}targets:\n"), 1)
    }

    /// [`Bench::orders`] with other settings.
    pub(crate) async fn orders_tuned(settings: &[Setting<'_>]) -> Self {
        let mut bench = Self::orders_stopped().await;
        let text = bench.tuned(ORDERS_TARGET, settings);
        bench.start_with(&text).await;
        bench.in_sync("orders-api").await;
        bench
    }

    /// Starts the relay of [`Bench::orders`] again with other settings.
    pub(crate) async fn restart_with(&mut self, settings: &[Setting<'_>]) {
        self.stop().await.unwrap();
        let text = self.tuned(ORDERS_TARGET, settings);
        self.start_with(&text).await;
        self.in_sync("orders-api").await;
    }

    /// AWSCURRENT goes to the previous version and back again, and reads don't see the second move:
    /// the sandbox's stale reads show the state before a move.
    pub(crate) fn reads_show_the_previous_version(&self, secret: &Secret) {
        self.aws.stop_emitting();
        let current = secret.current_version();
        secret.rollback();
        for operation in [Operation::Describe, Operation::Get] {
            secret.set_stale(operation, StalePlan::Reads(10_000));
        }
        secret.make_current(&current);
    }

    /// The secret of [`Bench::orders`].
    pub(crate) fn orders_db(&self) -> Secret {
        self.aws.secret("prod/orders/db").unwrap()
    }

    /// An event with a fresh id says that AWSCURRENT of `secret` came to this version at that time.
    pub(crate) async fn tell_of(&self, secret: &Secret, version: &str, at: Timestamp) -> Answer {
        let mut event = events::label_updated(secret.arn(), "AWSCURRENT", version);
        event["time"] = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
        self.post_event(&event).await
    }

    /// Does something and waits until a run that started after it has ended, not to go on by itself.
    pub(crate) async fn run_after<T>(&self, target: &str, act: impl Future<Output = T>) -> Outcome {
        let target = name(target);
        let run = self.board().runs_started(&target);
        act.await;
        self.board().wait_settled(&target, run, LIMIT).await.expect("a run that ends")
    }

    /// The last runs of a target, newest first.
    pub(crate) fn runs(&self, target: &str) -> Vec<RunLine> {
        self.board().target(&name(target), Timestamp::UNIX_EPOCH).unwrap().history
    }

    /// Waits until the target's last run ended with this failure code.
    pub(crate) async fn fails_with(&self, target: &str, code: &str) -> Failure {
        self.outcome(target, |outcome| outcome.failure().filter(|f| f.code.as_str() == code).cloned()).await
    }

    /// How often AWS was asked for this.
    pub(crate) fn asked(&self, operation: &str) -> usize {
        self.aws.log().count_of(|request| request.tag == operation)
    }

    /// How often a deployment was looked at.
    pub(crate) fn looks(&self) -> usize {
        self.anypoint.requests().of(Endpoint::DeploymentGet)
    }

    /// How often a deployment was written, whatever came of it.
    pub(crate) fn patches(&self) -> usize {
        self.anypoint.requests().of(Endpoint::DeploymentPatch)
    }

    /// The value of a sample of `/metrics` as a number; 0 if it is not there.
    pub(crate) async fn number(&self, sample: &str) -> f64 {
        self.metric(sample).await.map_or(0.0, |number| number.parse().unwrap())
    }

    /// Waits until every replica runs with this value, whatever the relay says.
    pub(crate) async fn runs_with(&self, app: &str, property: &str, value: &str) {
        let what = format!("{value} at every replica of {app}");
        wait_until(&what, LIMIT, || {
            let running = self.running(app, property);
            !running.is_empty() && running.iter().all(|held| held == value)
        })
        .await;
    }

    /// Every value that a replica of `orders-api` ran with as password, in order.
    pub(crate) fn passwords(&self) -> Vec<String> {
        self.anypoint.history("orders-api").secure_values("db.password")
    }
}
