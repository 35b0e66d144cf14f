//! How the relay is told: by EventBridge, by SNS, by signed triggers; and what it answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anypoint_relay::webhook_signature;
use anypoint_sandbox::aws::{Attempt, CURRENT, Order, Secret, events};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::arrivals::now;
use crate::leak::Leaks;
use crate::schedule::{Rotation, Tell};
use crate::world::World;

/// How often each answer was given, by route; no answer is 0.
type Answers = BTreeMap<(&'static str, u16), u64>;

/// The senders.
pub(crate) struct Senders {
    client: reqwest::Client,
    tally: Tally,
    leaks: Leaks,
    rng: Rng,
}

/// What was sent and answered; clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Mutex<Counts>>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Notifications, each once however often it was tried.
    pub(crate) sent: u64,
    /// Rotations that nobody was told of.
    pub(crate) dropped: u64,
    pub(crate) answers: Answers,
}

impl Tally {
    pub(crate) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn answered(&self, route: &'static str, status: Option<u16>) {
        *self.lock().answers.entry((route, status.unwrap_or_default())).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Senders {
    pub(crate) fn new(leaks: &Leaks, rng: Rng) -> anyhow::Result<Self> {
        let client =
            reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(20));
        Ok(Self { client: client.build()?, tally: Tally::default(), leaks: leaks.clone(), rng })
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Tells of a rotation.
    pub(crate) fn tell(&mut self, world: &World, secret: &Secret, how: Rotation, tell: Tell, copies: usize) {
        let event = self.event(secret, how);
        let (eventbridge, sns, trigger) = match tell {
            Tell::Nobody => (false, false, false),
            Tell::EventBridge => (true, false, false),
            Tell::Sns => (false, true, false),
            Tell::Trigger => (false, false, true),
            Tell::All => (true, true, true),
        };
        {
            let mut counts = self.tally.lock();
            let ways = [eventbridge, sns, trigger].into_iter().filter(|told| *told).count() as u64;
            counts.sent += ways * copies as u64;
            counts.dropped += u64::from(ways == 0);
        }
        for _ in 0..copies {
            if eventbridge {
                world.destination.send(event.clone());
            }
            if sns {
                world.topic.set_signature_version(self.rng.u8(1..=2));
                world.topic.publish(event.to_string());
            }
        }
        if trigger {
            // Copies of a trigger have one id, as the retries of a script have.
            let id = format!("msg_{:032x}", self.rng.u128(..));
            let query = ["", "?wait=5s"][self.rng.usize(..2)];
            for _ in 0..copies {
                self.post(world, &id, &json!({"secret": secret.name()}), query);
            }
        }
    }

    /// What AWS says, in one of the forms in which it comes.
    fn event(&mut self, secret: &Secret, how: Rotation) -> Value {
        let (arn, version) = (secret.arn(), secret.current_version());
        match (how, self.rng.u8(..3)) {
            (Rotation::Abandoned, _) => events::service_event(arn, "RotationAbandoned", &version, None),
            (Rotation::Staged, 0) => events::service_event(arn, "RotationSucceeded", &version, None),
            (Rotation::Put, 0) => {
                let parameters = json!({"secretId": arn, "clientRequestToken": version});
                events::api_call(arn, "PutSecretValue", &parameters)
            }
            (Rotation::Back, 0) => {
                let parameters =
                    json!({"secretId": arn, "versionStage": CURRENT, "moveToVersionId": version});
                events::api_call(arn, "UpdateSecretVersionStage", &parameters)
            }
            _ => events::label_updated(arn, CURRENT, &version),
        }
    }

    /// A person asks for this target.
    pub(crate) fn ask_for(&mut self, world: &World, target: &str) {
        let id = format!("msg_{:032x}", self.rng.u128(..));
        self.tally.lock().sent += 1;
        self.post(world, &id, &json!({"target": target, "reason": "mended"}), "");
    }

    fn post(&self, world: &World, id: &str, body: &Value, query: &str) {
        let body = body.to_string();
        let at = now().as_second();
        let signature = webhook_signature::sign(id, at, body.as_bytes(), world.trigger_key.as_bytes());
        let request = self
            .client
            .post(format!("http://{}/hooks/trigger{query}", world.addresses.hooks))
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at)
            .header("webhook-signature", signature)
            .body(body);
        let (tally, leaks) = (self.tally.clone(), self.leaks.clone());
        tokio::spawn(async move {
            let answer = request.send().await.ok();
            tally.answered("trigger", answer.as_ref().map(|answer| answer.status().as_u16()));
            if let Some(text) = match answer {
                Some(answer) => answer.text().await.ok(),
                None => None,
            } {
                leaks.search("an answer to a trigger", text.as_bytes());
            }
        });
    }

    /// From now on, AWS's notifications are kept back; those that were so far go out in another order.
    pub(crate) fn shuffle(world: &World, number: u64) {
        world.destination.release(Order::Shuffled(number));
        world.topic.release(Order::Shuffled(number));
        if number.is_multiple_of(2) {
            world.destination.hold();
            world.topic.hold();
        }
    }

    /// Counts and searches what was answered to AWS's senders.
    pub(crate) fn collect(&self, world: &World) {
        for attempt in world.aws.take_deliveries() {
            let Attempt { url, outcome, body, .. } = attempt;
            let route = if url.ends_with("/sns") { "sns" } else { "eventbridge" };
            self.tally.answered(route, outcome.status());
            self.leaks.search("an answer to AWS", &body);
        }
    }
}
