//! The show: the take-over, the three triggers and two faults. Each act says what it could not prove.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anypoint_sandbox::aws::{ApiDestination, Attempt, Confirmed, Sink, Status, Subscription};
use anypoint_sandbox::faults::Rule;
use tokio::time::{Instant, interval};

use crate::backend::REPLICAS;
use crate::screen::{Screen, Tone};
use crate::stage::Stage;
use crate::telling::{self, Channel};
use crate::watch::{Watch, short};

/// Longest time that an act may take; after that it has failed.
const LIMIT: Duration = Duration::from_secs(8);
/// How many writes Anypoint refuses in the outage.
const REFUSED_WRITES: u64 = 4;
/// In place of a password.
const MASK: &str = "••••••••";

/// The triggers, as the last lines name them.
const TRIGGERS: [&str; 3] = ["EventBridge", "SNS", "signed trigger"];

/// What was proved, and what was not.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// The triggers, each with the time from the rotation to the proof.
    pub(crate) triggers: [(&'static str, Option<Duration>); 3],
    /// What is missing, for people.
    pub(crate) missing: Vec<String>,
}

/// What is missing, if anything is.
type Act = Result<(), Vec<String>>;

/// Plays the acts, one after another.
pub(crate) struct Show<'s> {
    stage: &'s Stage,
    screen: Screen,
    verdict: Verdict,
}

impl<'s> Show<'s> {
    /// Nothing is played yet.
    pub(crate) fn new(stage: &'s Stage, screen: Screen) -> Self {
        Self {
            stage,
            screen,
            verdict: Verdict { triggers: TRIGGERS.map(|name| (name, None)), missing: Vec::new() },
        }
    }

    /// Plays the acts until one fails.
    pub(crate) async fn play(mut self) -> Verdict {
        if let Err(missing) = self.acts().await {
            for what in &missing {
                self.screen.remark(Tone::Bad, what);
            }
            self.verdict.missing = missing;
        }
        self.verdict
    }

    /// The triggers come first: until their end no scan of the targets is due that could do their work.
    async fn acts(&mut self) -> Act {
        self.take_over().await?;
        self.by_eventbridge().await?;
        self.by_sns().await?;
        self.by_hand().await?;
        self.foreign_redeploy().await?;
        self.outage().await
    }

    async fn take_over(&mut self) -> Act {
        self.screen
            .chapter("Start", "nothing proves yet what the application holds, so the relay writes once");
        let watch = Watch::new(self.stage, self.screen, Vec::new());
        self.prove("start", watch).await
    }

    async fn by_eventbridge(&mut self) -> Act {
        self.screen.chapter("EventBridge", "a rule posts the event to an API destination");
        let destination = destination(self.stage);
        tell_only(self.stage, &Sink::Destination(destination.clone()));
        let watch = Watch::new(self.stage, self.screen, vec![Channel::EventBridge(destination)]);
        self.stage.backend.rotate();
        self.prove("EventBridge", watch).await
    }

    async fn by_sns(&mut self) -> Act {
        self.screen.chapter("SNS", "a topic posts signed messages to a subscription");
        let topic = self.stage.backend.aws.topic("rotations");
        topic.set_signature_version(2);
        let subscription = topic.subscribe(format!("{}/hooks/sns", self.stage.hooks));
        self.confirmed(&subscription).await?;
        tell_only(self.stage, &Sink::Topic(topic));
        let watch = Watch::new(self.stage, self.screen, vec![Channel::Sns(subscription)]);
        self.stage.backend.rotate();
        self.prove("SNS", watch).await
    }

    /// The relay confirms before it answers the message that asks for it.
    async fn confirmed(&self, subscription: &Subscription) -> Act {
        let (started, mut looks) = (Instant::now(), interval(Duration::from_millis(2)));
        let answered = |attempts: &[Attempt]| attempts.iter().any(|attempt| attempt.outcome.is_success());
        while !answered(&subscription.attempts()) && started.elapsed() < LIMIT {
            looks.tick().await;
        }
        match subscription.status() {
            Status::Confirmed(Confirmed::ByApi { .. }) => {
                let text = "subscription confirmed by the relay, through ConfirmSubscription";
                self.screen.step(started.elapsed(), Tone::Plain, text);
                Ok(())
            }
            other => Err(vec![format!("SNS: the relay did not confirm the subscription; it is {other:?}")]),
        }
    }

    async fn by_hand(&mut self) -> Act {
        self.screen.chapter("Signed trigger", "a person or a script asks, and waits for the outcome");
        self.stage.backend.aws.stop_emitting();
        let log = Arc::new(Mutex::new(Vec::new()));
        let watch = Watch::new(self.stage, self.screen, vec![Channel::Hand(Arc::clone(&log))]);
        let request =
            telling::trigger(self.stage).map_err(|error| vec![format!("signed trigger: {error}")])?;
        self.stage.backend.rotate();
        let sender = tokio::spawn(telling::send(request, log));
        let proved = self.prove("signed trigger", watch).await;
        sender.abort();
        proved
    }

    async fn foreign_redeploy(&mut self) -> Act {
        self.screen.chapter("Foreign redeploy", "a pipeline brings the old password back, and tells nobody");
        self.stage.backend.aws.stop_emitting();
        let watch = Watch::new(self.stage, self.screen, Vec::new());
        self.stage.backend.redeploy_with_the_old_password();
        self.prove("foreign redeploy", watch).await
    }

    async fn outage(&mut self) -> Act {
        self.screen.chapter("An outage", &format!("Anypoint answers {REFUSED_WRITES} writes with 503"));
        self.screen
            .remark(Tone::Faint, "staleness counts from the time of the event, which has whole seconds");
        let faults = self.stage.backend.anypoint.faults();
        let rule = faults.add(Rule::status(503).tag("deployments.patch").times(REFUSED_WRITES));
        let destination = destination(self.stage);
        tell_only(self.stage, &Sink::Destination(destination.clone()));
        let watch = Watch::new(self.stage, self.screen, vec![Channel::EventBridge(destination)]);
        self.stage.backend.rotate();
        self.prove("outage", watch).await?;
        match faults.hits(rule) {
            REFUSED_WRITES => Ok(()),
            refused => Err(vec![format!("outage: {refused} writes got a 503, not {REFUSED_WRITES}")]),
        }
    }

    /// Follows an act to its end, then asks the replicas themselves.
    async fn prove(&mut self, act: &str, mut watch: Watch<'_>) -> Act {
        let after = watch.until_in_sync(LIMIT).await;
        let replicas = self.stage.backend.app.running();
        let current =
            replicas.iter().filter(|replica| self.stage.backend.is_current(&replica.secure)).count();
        let writes = watch.writes_of_the_relay();
        let mut missing = Vec::new();
        if after.is_none() {
            missing.push(format!("{act}: {}", watch.why_not()));
        }
        if current != REPLICAS {
            missing.push(format!("{act}: {current} of {REPLICAS} replicas hold what AWS serves as current"));
        }
        if writes != 1 {
            missing.push(format!("{act}: the relay changed the deployment {writes} times, not once"));
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        if let Some((_, proved)) = self.verdict.triggers.iter_mut().find(|(name, _)| *name == act) {
            *proved = after;
        }
        let user = self.stage.backend.secret.current_value().field("username").unwrap_or_default();
        let version = self.stage.backend.secret.current_version();
        let text = format!(
            "proved at the replicas: {current} of {REPLICAS} hold {user} / {MASK} of {}, as AWS serves them",
            short(&version)
        );
        self.screen.remark(Tone::Faint, &text);
        Ok(())
    }
}

/// From now on, every rotation is told through this sink and no other.
pub(crate) fn tell_only(stage: &Stage, sink: &Sink) {
    stage.backend.aws.stop_emitting();
    stage.backend.aws.emit_on_rotation(sink);
}

/// The relay's hook as an API destination.
pub(crate) fn destination(stage: &Stage) -> ApiDestination {
    stage.backend.aws.api_destination(format!("{}/hooks/eventbridge", stage.hooks), stage.eventbridge_auth())
}
