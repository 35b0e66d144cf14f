//! The signed trigger, sent from here with plain HTTP as Standard Webhooks describes it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anypoint_relay::verify::webhook;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::stage::{SECRET, Stage, now};
use crate::watch::Told;

/// The request: the secret's targets are to be looked at, and the answer waits for the outcome.
pub(crate) fn trigger(stage: &Stage) -> reqwest::Result<RequestBuilder> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?;
    let body = json!({"secret": SECRET, "reason": "the demo"}).to_string();
    let (id, at) = (format!("msg_{}", uuid::Uuid::new_v4().simple()), now().as_second());
    let signature = webhook::sign(&id, at, body.as_bytes(), stage.trigger_key().as_bytes());
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
