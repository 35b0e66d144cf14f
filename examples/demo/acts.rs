//! The show: the take-over, the three triggers and two faults. Each act says what it could not prove.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anypoint_sandbox::aws::{ApiDestination, Confirmed, Sink, Status, Subscription};
use anypoint_sandbox::faults::Rule;
use tokio::time::{Instant, interval};

use crate::screen::{Screen, Tone};
use crate::stage::{REPLICAS, Stage};
use crate::telling::{self, Channel};
use crate::watch::{Watch, short};

/// Longest time that an act may take; after that it has failed.
const LIMIT: Duration = Duration::from_secs(8);
/// How many writes Anypoint refuses in the outage.
const REFUSED_WRITES: u64 = 4;
/// In place of a password.
const MASK: &str = "••••••••";

/// What was proved, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// The triggers, each with the time from the rotation to the proof.
    pub(crate) triggers: Vec<(&'static str, Option<Duration>)>,
    /// What is missing, for people.
    pub(crate) missing: Vec<String>,
}

/// Plays the acts, one after another.
pub(crate) struct Show<'s> {
    stage: &'s Stage,
    screen: Screen,
    verdict: Verdict,
}

impl<'s> Show<'s> {
    /// Nothing is played yet.
    pub(crate) fn new(stage: &'s Stage, screen: Screen) -> Self {
        Self { stage, screen, verdict: Verdict::default() }
    }

    /// Plays everything. The triggers come first: until their end no scan of the targets is due that could
    /// do their work.
    pub(crate) async fn play(mut self) -> anyhow::Result<Verdict> {
        self.take_over().await;
        self.by_eventbridge().await;
        self.by_sns().await;
        self.by_hand().await?;
        self.foreign_redeploy().await;
        self.outage().await;
        Ok(self.verdict)
    }

    async fn take_over(&mut self) {
        self.screen
            .chapter("Start", "nothing proves yet what the application holds, so the relay writes once");
        let watch = Watch::new(self.stage, self.screen, Vec::new());
        self.prove("start", watch).await;
    }

    async fn by_eventbridge(&mut self) {
        self.screen.chapter("EventBridge", "a rule posts the event to an API destination");
        let destination = destination(self.stage);
        tell_only(self.stage, &Sink::Destination(destination.clone()));
        let watch = Watch::new(self.stage, self.screen, vec![Channel::EventBridge(destination)]);
        self.stage.rotate();
        let after = self.prove("EventBridge", watch).await;
        self.verdict.triggers.push(("EventBridge", after));
    }

    async fn by_sns(&mut self) {
        self.screen.chapter("SNS", "a topic posts signed messages to a subscription");
        let topic = self.stage.aws.topic("rotations");
        topic.set_signature_version(2);
        let subscription = topic.subscribe(format!("{}/hooks/sns", self.stage.hooks));
        if !self.confirmed(&subscription).await {
            self.verdict.triggers.push(("SNS", None));
            return;
        }
        tell_only(self.stage, &Sink::Topic(topic));
        let watch = Watch::new(self.stage, self.screen, vec![Channel::Sns(subscription)]);
        self.stage.rotate();
        let after = self.prove("SNS", watch).await;
        self.verdict.triggers.push(("SNS", after));
    }

    async fn confirmed(&mut self, subscription: &Subscription) -> bool {
        let (started, mut looks) = (Instant::now(), interval(Duration::from_millis(2)));
        while started.elapsed() < LIMIT {
            looks.tick().await;
            match subscription.status() {
                // The relay confirms before it answers the message that asks for it.
                Status::Confirmed(Confirmed::ByApi { .. }) if !subscription.attempts().is_empty() => {
                    let text = "subscription confirmed by the relay, through ConfirmSubscription";
                    self.screen.step(started.elapsed(), Tone::Plain, text);
                    return true;
                }
                Status::Pending | Status::Confirmed(Confirmed::ByApi { .. }) => {}
                other => {
                    self.verdict.missing.push(format!("SNS: the subscription is {other:?}"));
                    return false;
                }
            }
        }
        self.verdict.missing.push("SNS: the relay did not confirm the subscription".to_owned());
        false
    }

    async fn by_hand(&mut self) -> anyhow::Result<()> {
        self.screen.chapter("Signed trigger", "a person or a script asks, and waits for the outcome");
        self.stage.aws.stop_emitting();
        let log = Arc::new(Mutex::new(Vec::new()));
        let watch = Watch::new(self.stage, self.screen, vec![Channel::Hand(Arc::clone(&log))]);
        let request = telling::trigger(self.stage)?;
        self.stage.rotate();
        let sender = tokio::spawn(telling::send(request, log));
        let after = self.prove("signed trigger", watch).await;
        sender.abort();
        self.verdict.triggers.push(("signed trigger", after));
        Ok(())
    }

    async fn foreign_redeploy(&mut self) {
        self.screen.chapter("Foreign redeploy", "a pipeline brings the old password back, and tells nobody");
        self.stage.aws.stop_emitting();
        let watch = Watch::new(self.stage, self.screen, Vec::new());
        self.stage.redeploy_with_the_old_password();
        self.prove("foreign redeploy", watch).await;
    }

    async fn outage(&mut self) {
        let about = format!(
            "Anypoint answers {REFUSED_WRITES} writes with 503; staleness counts from the event's time (whole seconds)"
        );
        self.screen.chapter("An outage", &about);
        let faults = self.stage.anypoint.faults();
        let rule = faults.add(Rule::status(503).tag("deployments.patch").times(REFUSED_WRITES));
        let destination = destination(self.stage);
        tell_only(self.stage, &Sink::Destination(destination.clone()));
        let watch = Watch::new(self.stage, self.screen, vec![Channel::EventBridge(destination)]);
        self.stage.rotate();
        self.prove("outage", watch).await;
        let refused = faults.hits(rule);
        if refused != REFUSED_WRITES {
            self.verdict.missing.push(format!("outage: {refused} writes got a 503, not {REFUSED_WRITES}"));
        }
        faults.clear();
    }

    /// Follows an act to its end, then asks the replicas themselves. Gives the time to the proof.
    async fn prove(&mut self, act: &str, mut watch: Watch<'_>) -> Option<Duration> {
        let after = watch.until_in_sync(LIMIT).await;
        let replicas = self.stage.app.running();
        let current = replicas.iter().filter(|replica| self.stage.is_current(&replica.secure)).count();
        let writes = watch.writes_of_the_relay();
        if after.is_none() {
            self.missing(format!("{act}: {}", watch.why_not()));
        }
        if current != REPLICAS {
            self.missing(format!("{act}: {current} of {REPLICAS} replicas hold what AWS serves as current"));
        }
        if writes != 1 {
            self.missing(format!("{act}: the relay changed the deployment {writes} times, not once"));
        }
        let proved = after.filter(|_| current == REPLICAS && writes == 1)?;
        let user = self.stage.secret.current_value().field("username").unwrap_or_default();
        let version = self.stage.secret.current_version();
        let text = format!(
            "proved at the replicas: {current} of {REPLICAS} hold {user} / {MASK} of {}, as AWS serves them",
            short(&version)
        );
        self.screen.remark(Tone::Faint, &text);
        Some(proved)
    }

    fn missing(&mut self, what: String) {
        self.screen.remark(Tone::Bad, &what);
        self.verdict.missing.push(what);
    }
}

/// From now on, every rotation is told through this sink and no other.
pub(crate) fn tell_only(stage: &Stage, sink: &Sink) {
    stage.aws.stop_emitting();
    stage.aws.emit_on_rotation(sink);
}

/// The relay's hook as an API destination.
pub(crate) fn destination(stage: &Stage) -> ApiDestination {
    stage.aws.api_destination(format!("{}/hooks/eventbridge", stage.hooks), stage.eventbridge_auth())
}
