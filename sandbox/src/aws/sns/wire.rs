//! What clients may ask of SNS: the query protocol, signed by the SDK or as a plain GET of a URL.

use std::sync::Arc;

use axum::body::Body;
use http::{Response, StatusCode};

use super::{Confirmed, Core, Kind, Publication, Status, Subscription, Topic, look};
use crate::aws::caller::Caller;
use crate::aws::failure::Failure;
use crate::aws::query::{self, Parameters};

pub(crate) const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// Answers one call; without credentials there is no caller.
pub(crate) fn serve(core: &Arc<Core>, caller: Option<&Caller>, parameters: &Parameters) -> Response<Body> {
    let action = parameters.get("Action").unwrap_or_default();
    let answered = match (action, caller) {
        ("ConfirmSubscription", _) => confirm(core, caller, parameters).map(subscription_arn),
        ("Unsubscribe", _) => parameters
            .required("SubscriptionArn")
            .and_then(|arn| unsubscribe(core, arn, caller))
            .map(|()| String::new()),
        ("Publish", Some(_)) => publish(core, parameters),
        ("Subscribe", Some(_)) => subscribe(core, parameters),
        ("ListSubscriptionsByTopic", Some(_)) => look::list(core, parameters),
        ("GetSubscriptionAttributes", Some(_)) => look::attributes(core, parameters),
        ("Publish" | "Subscribe" | "ListSubscriptionsByTopic" | "GetSubscriptionAttributes", None) => {
            Err(Failure::sender("MissingAuthenticationToken", "Request is missing Authentication Token")
                .with_status(StatusCode::FORBIDDEN))
        }
        _ => Err(Failure::sender("InvalidAction", "the sandbox does not have this action")),
    };
    match answered {
        Ok(result) => query::answer(NAMESPACE, action, &result),
        Err(failure) => failure.xml(NAMESPACE),
    }
}

/// ConfirmSubscription; gives the subscription's ARN. Confirming again gives it again.
fn confirm(core: &Core, caller: Option<&Caller>, parameters: &Parameters) -> Result<String, Failure> {
    let (topic, token) = (parameters.required("TopicArn")?, parameters.required("Token")?);
    let authenticate = parameters.get("AuthenticateOnUnsubscribe") == Some("true");
    if authenticate && caller.is_none() {
        return Err(unauthorized("AuthenticateOnUnsubscribe needs a signed request"));
    }
    let mut sns = core.sns.lock();
    if !sns.topics.contains_key(topic) {
        return Err(Failure::sender("NotFound", "Topic does not exist").with_status(StatusCode::NOT_FOUND));
    }
    let found = sns
        .subscriptions
        .iter_mut()
        .find(|(_, state)| state.topic_arn == topic && state.token == token && state.token_valid);
    let Some((arn, state)) = found else {
        return Err(Failure::sender("InvalidParameter", "Invalid parameter: Invalid token"));
    };
    if !matches!(state.status, Status::Confirmed(_)) {
        state.authenticate_on_unsubscribe = authenticate;
        state.status =
            Status::Confirmed(caller.map_or(Confirmed::ByUrl, |caller| Confirmed::ByApi {
                access_key: caller.access_key.clone(),
            }));
    }
    Ok(arn.clone())
}

/// Unsubscribe. An end without credentials is told to the endpoint, with a way back.
pub(super) fn unsubscribe(core: &Arc<Core>, arn: &str, caller: Option<&Caller>) -> Result<(), Failure> {
    {
        let mut sns = core.sns.lock();
        let Some(state) = sns.subscriptions.get_mut(arn) else {
            return Err(
                Failure::sender("NotFound", "Subscription does not exist").with_status(StatusCode::NOT_FOUND)
            );
        };
        if state.authenticate_on_unsubscribe && caller.is_none() {
            return Err(unauthorized("this subscription can be ended with credentials alone"));
        }
        state.status = Status::Deleted;
    }
    if caller.is_none() {
        let subscription = Subscription { core: Arc::clone(core), arn: arn.to_owned() };
        subscription.confirm_by(Kind::UnsubscribeConfirmation);
    }
    Ok(())
}

/// Publish, within its limits.
///
/// Source: SNS API reference, Publish: a message of 1 to 262,144 bytes; a subject of less than 100 characters
/// that begins with a letter, a number or a punctuation mark and has no line breaks or control characters.
fn publish(core: &Arc<Core>, parameters: &Parameters) -> Result<String, Failure> {
    let topic = topic(core, parameters)?;
    let (message, subject) = (parameters.required("Message")?, parameters.get("Subject"));
    if message.is_empty() {
        return Err(invalid("Empty message"));
    }
    if message.len() > 256 * 1024 {
        return Err(invalid("Message too long"));
    }
    let fits = |subject: &str| {
        subject.starts_with(|first: char| first.is_alphanumeric() || first.is_ascii_punctuation())
            && subject.chars().count() < 100
            && !subject.chars().any(char::is_control)
    };
    if !subject.is_none_or(fits) {
        return Err(invalid("Subject"));
    }
    let subject = subject.map(str::to_owned);
    let publication = Publication { message: message.to_owned(), subject, attributes: Vec::new() };
    let id = topic.publish_for_client(publication);
    Ok(query::elements(&[("MessageId", &id)]))
}

fn invalid(what: &str) -> Failure {
    Failure::sender("InvalidParameter", &format!("Invalid parameter: {what}"))
}

fn subscribe(core: &Arc<Core>, parameters: &Parameters) -> Result<String, Failure> {
    let topic = topic(core, parameters)?;
    topic.subscribe(parameters.required("Endpoint")?);
    Ok(subscription_arn("pending confirmation".to_owned()))
}

pub(super) fn topic(core: &Arc<Core>, parameters: &Parameters) -> Result<Topic, Failure> {
    Topic::existing(Arc::clone(core), parameters.required("TopicArn")?)
        .ok_or_else(|| Failure::sender("NotFound", "Topic does not exist").with_status(StatusCode::NOT_FOUND))
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over a result")]
fn subscription_arn(arn: String) -> String {
    query::elements(&[("SubscriptionArn", &arn)])
}

fn unauthorized(text: &str) -> Failure {
    Failure::sender("AuthorizationError", text).with_status(StatusCode::FORBIDDEN)
}
