//! What clients may ask about subscriptions.
//!
//! Source: SNS API reference, ListSubscriptionsByTopic and GetSubscriptionAttributes: a list in pages of 100 in
//! which a subscription that is not confirmed has the word `PendingConfirmation` as its ARN; attributes as a
//! map of texts, `RedrivePolicy` among them only where there is one.

use std::sync::Arc;

use http::StatusCode;

use super::wire::topic;
use super::{Core, Status, SubscriptionState};
use crate::aws::failure::Failure;
use crate::aws::query::{self, Parameters};

const PAGE: usize = 100;

pub(super) fn list(core: &Arc<Core>, parameters: &Parameters) -> Result<String, Failure> {
    let topic = topic(core, parameters)?;
    let start: usize = match parameters.get("NextToken") {
        Some(token) => {
            token.parse().map_err(|_| Failure::sender("InvalidParameter", "Invalid parameter: NextToken"))?
        }
        None => 0,
    };
    let sns = core.sns.lock();
    let of_topic = sns
        .subscriptions
        .iter()
        .filter(|(_, state)| state.topic_arn == topic.arn() && state.status != Status::Deleted);
    let all: Vec<String> = of_topic.map(|(arn, state)| member(core, arn, state)).collect();
    let page: String = all.iter().skip(start).take(PAGE).map(String::as_str).collect();
    let next = start + PAGE;
    let token =
        if all.len() > next { query::elements(&[("NextToken", &next.to_string())]) } else { String::new() };
    Ok(format!("<Subscriptions>{page}</Subscriptions>{token}"))
}

fn member(core: &Core, arn: &str, state: &SubscriptionState) -> String {
    let arn = if state.status == Status::Pending { "PendingConfirmation" } else { arn };
    let texts = query::elements(&[
        ("TopicArn", &state.topic_arn),
        ("Protocol", protocol(state)),
        ("SubscriptionArn", arn),
        ("Owner", &core.account),
        ("Endpoint", &state.endpoint),
    ]);
    format!("<member>{texts}</member>")
}

pub(super) fn attributes(core: &Arc<Core>, parameters: &Parameters) -> Result<String, Failure> {
    let arn = parameters.required("SubscriptionArn")?;
    let sns = core.sns.lock();
    let state =
        sns.subscriptions.get(arn).filter(|state| state.status != Status::Deleted).ok_or_else(|| {
            Failure::sender("NotFound", "Subscription does not exist").with_status(StatusCode::NOT_FOUND)
        })?;
    let pending = state.status == Status::Pending;
    let mut all = vec![
        ("SubscriptionArn", arn.to_owned()),
        ("TopicArn", state.topic_arn.clone()),
        ("Protocol", protocol(state).to_owned()),
        ("Endpoint", state.endpoint.clone()),
        ("Owner", core.account.clone()),
        ("RawMessageDelivery", state.raw.to_string()),
        ("PendingConfirmation", pending.to_string()),
    ];
    if let Some(queue) = &state.dead_letter_queue {
        all.push(("RedrivePolicy", format!("{{\"deadLetterTargetArn\":\"{queue}\"}}")));
    }
    let entry = |(key, value): &(&str, String)| {
        format!("<entry>{}</entry>", query::elements(&[("key", key), ("value", value)]))
    };
    Ok(format!("<Attributes>{}</Attributes>", all.iter().map(entry).collect::<String>()))
}

fn protocol(state: &SubscriptionState) -> &str {
    state.endpoint.split("://").next().unwrap_or_default()
}
