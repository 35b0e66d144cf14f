//! Whether SNS would deliver: a subscription of each listed topic, and how it is set.
//!
//! Only warnings, but for a topic that does not exist: the relay works without these permissions, and without a
//! subscription by its reconcile alone. Which address leads to the relay the relay does not know, so every
//! subscription to the path of its hook is looked at.

use futures_util::StreamExt;
use serde_json::json;

use super::finding::{Finding, Statement, Verdict};
use super::policy::allow;
use super::{Examination, side_by_side};
use crate::aws::{Delivery, Subscription};
use crate::model::{Failure, FailureCode, TopicArn};

const HOOK: &str = "/hooks/sns";

pub(super) async fn check(exam: &Examination, usable: bool) -> Vec<Finding> {
    let topics = exam.config.ingress.sns.as_ref().map(|sns| &sns.topics[..]).unwrap_or_default();
    if !usable {
        let left = |topic| Finding::new(Verdict::NotTried, subject(topic), "needs credentials for AWS");
        return topics.iter().map(left).collect();
    }
    let checks = topics.iter().map(|topic| (subject(topic), one(exam, topic)));
    let found: Vec<_> = side_by_side(checks).collect().await;
    found.into_iter().flat_map(|found| found.unwrap_or_else(|late| vec![late.as_warning()])).collect()
}

fn subject(topic: &TopicArn) -> String {
    format!("topic {topic}")
}

async fn one(exam: &Examination, topic: &TopicArn) -> Vec<Finding> {
    let all = match exam.access.subscriptions(topic).await {
        Ok(all) => all,
        Err(failure) => return vec![not_seen(exam, topic, &failure)],
    };
    let ours: Vec<Subscription> = all.into_iter().filter(leads_to_hook).collect();
    if ours.is_empty() {
        let command = format!(
            "aws sns subscribe --region {} --topic-arn {topic} --protocol https --notification-endpoint \
             https://YOUR_HOST{HOOK}",
            topic.region()
        );
        let found = format!("no subscription leads to {HOOK}: rotations are found by the timer alone");
        return vec![warning(topic, &found, command)];
    }
    let mut findings = Vec::new();
    for subscription in &ours {
        findings.extend(delivery(exam, topic, subscription).await);
    }
    if findings.is_empty() {
        let endpoints: Vec<&str> = ours.iter().map(|ours| ours.endpoint.as_str()).collect();
        let found =
            format!("delivers to {}, confirmed, signed, with a dead-letter queue", endpoints.join(", "));
        findings.push(Finding::ok(subject(topic), found));
    }
    findings
}

fn leads_to_hook(subscription: &Subscription) -> bool {
    let path = subscription.endpoint.split(['?', '#']).next().unwrap_or_default();
    matches!(subscription.protocol.as_str(), "https" | "http") && path.ends_with(HOOK)
}

/// What is not as it should be with a subscription.
async fn delivery(exam: &Examination, topic: &TopicArn, subscription: &Subscription) -> Vec<Finding> {
    let endpoint = &subscription.endpoint;
    let mut findings = Vec::new();
    if subscription.protocol != "https" {
        findings.push(warning(
            topic,
            &format!("{endpoint} is reached without TLS"),
            format!("subscribe the https address of the relay, then: {}", unsubscribe(subscription)),
        ));
    }
    let Some(arn) = &subscription.arn else {
        findings.push(warning(
            topic,
            &format!("the subscription of {endpoint} waits for its confirmation"),
            "start the relay where SNS reaches it, then subscribe the same address once more, which sends the \
             confirmation again; `ingress.sns.confirm` must not be off"
                .to_owned(),
        ));
        return findings;
    };
    let set = |name: &str, value: &str| {
        format!(
            "aws sns set-subscription-attributes --region {} --subscription-arn {arn} --attribute-name {name} \
             --attribute-value {value}",
            topic.region()
        )
    };
    match exam.access.delivery(topic, arn).await {
        Ok(Delivery { raw, dead_letters }) => {
            if raw {
                let found =
                    format!("{endpoint} gets raw messages, which are not signed: the relay refuses them");
                findings.push(warning(topic, &found, set("RawMessageDelivery", "false")));
            }
            if !dead_letters {
                let found = format!("{endpoint} has no dead-letter queue: what SNS gives up is lost unseen");
                let policy = r#"'{"deadLetterTargetArn":"ARN_OF_AN_SQS_QUEUE"}'"#;
                findings.push(warning(topic, &found, set("RedrivePolicy", policy)));
            }
        }
        Err(failure) => findings.push(not_seen(exam, topic, &failure)),
    }
    findings
}

fn unsubscribe(subscription: &Subscription) -> String {
    let arn = subscription.arn.as_deref().unwrap_or("ITS_ARN");
    format!("aws sns unsubscribe --subscription-arn {arn}")
}

fn warning(topic: &TopicArn, found: &str, mend: String) -> Finding {
    Finding::new(Verdict::Warning, subject(topic), found).mend(mend)
}

/// The relay needs none of these looks; a topic that is not there is a mistake all the same.
fn not_seen(exam: &Examination, topic: &TopicArn, failure: &Failure) -> Finding {
    let finding = Finding::failed(subject(topic), failure);
    match failure.code {
        FailureCode::NotFound => finding,
        FailureCode::Denied => finding.as_warning().missing(statement(exam, topic, failure)),
        _ => finding.as_warning(),
    }
}

fn statement(exam: &Examination, topic: &TopicArn, failure: &Failure) -> Vec<Statement> {
    let Some(action) = failure.lacks else { return Vec::new() };
    // Reading a subscription is not limited to a topic everywhere.
    let list = action == "sns:ListSubscriptionsByTopic";
    let resource = if list { json!(topic.as_str()) } else { json!("*") };
    vec![allow(exam.known.principal(), action, &resource)]
}
