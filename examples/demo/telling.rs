//! How the relay is told: two channels of AWS, and the signed trigger, which is sent from here with plain
//! HTTP as Standard Webhooks describes it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anypoint_relay::webhook_signature;
use anypoint_sandbox::aws::{ApiDestination, Attempt, Outcome, Subscription};
use jiff::Timestamp;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::backend::SECRET;
use crate::stage::{Stage, now};

/// A way to tell the relay. What it answered is read from the sender's own log.
pub(crate) enum Channel {
    /// The fake EventBridge.
    EventBridge(ApiDestination),
    /// The fake SNS.
    Sns(Subscription),
    /// This process, with a signed trigger.
    Hand(Arc<Mutex<Vec<Told>>>),
}

/// Something that a sender did.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) at: Timestamp,
    pub(crate) text: String,
    /// Whether the relay took the notification.
    pub(crate) accepted: bool,
}

impl Channel {
    /// All that its sender did so far, in order.
    pub(crate) fn told(&self) -> Vec<Told> {
        match self {
            Channel::EventBridge(destination) => {
                destination.attempts().iter().map(|attempt| told("event", attempt)).collect()
            }
            Channel::Sns(subscription) => {
                subscription.attempts().iter().map(|attempt| told("signed message", attempt)).collect()
            }
            Channel::Hand(told) => told.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

fn told(what: &str, attempt: &Attempt) -> Told {
    let at = attempt.at.checked_add(attempt.took).unwrap_or(attempt.at);
    let text = match &attempt.outcome {
        Outcome::Status(status) => format!("{what} delivered, answered {status}"),
        Outcome::NoAnswer(reason) => format!("{what} not delivered: {reason}"),
    };
    Told { at, text, accepted: attempt.outcome.is_success() }
}

/// The request: the secret's targets are to be looked at, and the answer waits for the outcome.
pub(crate) fn trigger(stage: &Stage) -> reqwest::Result<RequestBuilder> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?;
    let body = json!({"secret": SECRET, "reason": "the demo"}).to_string();
    let (id, at) = (format!("msg_{}", uuid::Uuid::new_v4().simple()), now().as_second());
    let signature = webhook_signature::sign(&id, at, body.as_bytes(), stage.trigger_key().as_bytes());
    Ok(client
        .post(format!("{}/hooks/trigger?wait=15s", stage.hooks))
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", at)
        .header("webhook-signature", signature)
        .body(body))
}

/// Sends it and notes what happens.
pub(crate) async fn send(request: RequestBuilder, log: Arc<Mutex<Vec<Told>>>) {
    let note = |text: String, accepted: bool| {
        let told = Told { at: now(), text, accepted };
        log.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    };
    note("trigger sent, ?wait=15s".to_owned(), false);
    match answer(request).await {
        Ok((status, body)) => {
            let result = body["result"].as_str().unwrap_or("no result");
            let target = &body["targets"][0];
            let (name, state) = (target["target"].as_str(), target["state"].as_str());
            let (name, state) = (name.unwrap_or("no target"), state.unwrap_or("no state").replace('_', " "));
            note(format!("trigger answered {status}, {result}: {name} {state}"), status == 200);
        }
        Err(error) => note(format!("trigger not answered: {error}"), false),
    }
}

async fn answer(request: RequestBuilder) -> reqwest::Result<(u16, Value)> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    Ok((status, response.json().await?))
}
