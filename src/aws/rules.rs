//! How EventBridge's events would reach the relay: a look that changes nothing, for people.
//!
//! Source: EventBridge API reference, DescribeRule, TestEventPattern, ListTargetsByRule,
//! DescribeApiDestination and DescribeConnection. The last shows the names of a credential, never its value.

use std::collections::HashMap;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::http::HttpResponse;
use aws_sdk_eventbridge::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_eventbridge::types;

use super::config::{Access, Place};
use super::error::{Call, Service};
use crate::model::{EventRule, Failure};

/// A rule has five targets unless AWS raised its limit; a page has 100.
const MAX_PAGES: usize = 5;

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `ENABLED` and the like.
    pub state: String,
    /// What it takes; none where it follows a schedule.
    pub pattern: Option<String>,
}

/// Where a rule sends what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTarget {
    /// Its id within the rule.
    pub id: String,
    /// The ARN of what it leads to.
    pub arn: String,
    /// The role that EventBridge takes for it.
    pub role: Option<String>,
    /// Whether a queue takes what cannot be delivered.
    pub dead_letters: bool,
    /// How often it is tried again; none is AWS's default of 185.
    pub retries: Option<i32>,
    /// For how many seconds it is tried; none is AWS's default of a day.
    pub max_age: Option<i32>,
    /// What is sent.
    pub input: Input,
}

/// What of an event is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// All of it.
    Whole,
    /// Always this text.
    Constant(String),
    /// What stands at this path.
    Path(String),
    /// A text with places that are filled in from paths.
    Template {
        /// The paths by name.
        paths: HashMap<String, String>,
        /// The text.
        template: String,
    },
}

/// An API destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// `ACTIVE` or `INACTIVE`.
    pub state: String,
    /// Where it leads.
    pub endpoint: String,
    /// `POST` and the like.
    pub method: String,
    /// Requests a second.
    pub per_second: Option<i32>,
    /// The ARN of its connection.
    pub connection: String,
}

/// The credential of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventConnection {
    /// `AUTHORIZED` and the like.
    pub state: String,
    /// Why it is in this state, where AWS says so.
    pub reason: Option<String>,
    /// How it proves itself.
    pub kind: Kind,
}

/// How a connection proves itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With a header of this name.
    ApiKey(String),
    /// With HTTP Basic under this user name.
    Basic(String),
    /// With a token.
    OAuth,
    /// In a way that is new.
    Other(String),
}

impl Access {
    /// The rule.
    pub async fn rule(&self, rule: &EventRule) -> Result<Rule, Failure> {
        let call = Asked::new(self, rule).await;
        let asked = call.client.describe_rule().name(rule.name()).set_event_bus_name(bus(rule)).send().await;
        let found = call.answer(asked, "events:DescribeRule", &format!("rule {rule}")).await?;
        let state = found.state.map(|state| state.as_str().to_owned()).unwrap_or_default();
        Ok(Rule { state, pattern: found.event_pattern })
    }

    /// Whether a pattern takes an event, by AWS's own judgement, in the region of the rule.
    pub async fn takes(&self, rule: &EventRule, pattern: &str, event: &str) -> Result<bool, Failure> {
        let call = Asked::new(self, rule).await;
        let asked = call.client.test_event_pattern().event_pattern(pattern).event(event).send().await;
        Ok(call.answer(asked, "events:TestEventPattern", &format!("pattern of rule {rule}")).await?.result)
    }

    /// Where the rule leads.
    pub async fn rule_targets(&self, rule: &EventRule) -> Result<Vec<RuleTarget>, Failure> {
        let call = Asked::new(self, rule).await;
        let (mut found, mut next) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let list = call.client.list_targets_by_rule().rule(rule.name());
            let asked = list.set_event_bus_name(bus(rule)).set_next_token(next).send().await;
            let page = call.answer(asked, "events:ListTargetsByRule", &format!("rule {rule}")).await?;
            found.extend(page.targets.unwrap_or_default().into_iter().map(target));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// The API destination with this ARN, in the region of the rule that leads to it.
    pub async fn destination(&self, rule: &EventRule, arn: &str) -> Result<Destination, Failure> {
        let call = Asked::new(self, rule).await;
        let asked = call.client.describe_api_destination().name(name(arn)).send().await;
        let subject = format!("API destination {}", name(arn));
        let found = call.answer(asked, "events:DescribeApiDestination", &subject).await?;
        Ok(Destination {
            state: found.api_destination_state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
            endpoint: found.invocation_endpoint.unwrap_or_default(),
            method: found.http_method.map(|method| method.as_str().to_owned()).unwrap_or_default(),
            per_second: found.invocation_rate_limit_per_second,
            connection: found.connection_arn.unwrap_or_default(),
        })
    }

    /// The connection with this ARN, in the region of the rule.
    pub async fn event_connection(&self, rule: &EventRule, arn: &str) -> Result<EventConnection, Failure> {
        let call = Asked::new(self, rule).await;
        let asked = call.client.describe_connection().name(name(arn)).send().await;
        let subject = format!("connection {}", name(arn));
        let found = call.answer(asked, "events:DescribeConnection", &subject).await?;
        let parameters = found.auth_parameters;
        let (key, basic) =
            parameters.map_or((None, None), |all| (all.api_key_auth_parameters, all.basic_auth_parameters));
        let kind = match found.authorization_type {
            Some(types::ConnectionAuthorizationType::ApiKey) => {
                Kind::ApiKey(key.and_then(|key| key.api_key_name).unwrap_or_default())
            }
            Some(types::ConnectionAuthorizationType::Basic) => {
                Kind::Basic(basic.and_then(|basic| basic.username).unwrap_or_default())
            }
            Some(types::ConnectionAuthorizationType::OauthClientCredentials) => Kind::OAuth,
            other => Kind::Other(other.map(|kind| kind.as_str().to_owned()).unwrap_or_default()),
        };
        Ok(EventConnection {
            state: found.connection_state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
            reason: found.state_reason.filter(|reason| !reason.is_empty()),
            kind,
        })
    }
}

/// A client where a rule is, and what its failures mean.
struct Asked<'a> {
    access: &'a Access,
    generation: std::sync::Arc<super::config::Generation>,
    client: Client,
}

impl<'a> Asked<'a> {
    async fn new(access: &'a Access, rule: &EventRule) -> Self {
        let place = Place { region: rule.region().map(str::to_owned), role: None };
        let generation = access.generation().await;
        let client = Client::new(&generation.sdk_config(&place).await);
        Self { access, generation, client }
    }

    async fn answer<T, E>(
        &self,
        asked: Result<T, SdkError<E, HttpResponse>>,
        action: &'static str,
        subject: &str,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match asked {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let call = Call { service: Service::EventBridge, action, subject, region: None, role: None };
                Err(self.access.failure(&self.generation, &error, &call).await)
            }
        }
    }
}

fn bus(rule: &EventRule) -> Option<String> {
    rule.bus().map(str::to_owned)
}

/// `arn:aws:events:<region>:<account>:connection/<name>/<uuid>`: the calls take the name.
fn name(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or(arn)
}

fn target(found: types::Target) -> RuleTarget {
    let input = match (found.input, found.input_path, found.input_transformer) {
        (Some(text), ..) => Input::Constant(text),
        (None, Some(path), _) => Input::Path(path),
        (None, None, Some(transformer)) => Input::Template {
            paths: transformer.input_paths_map.unwrap_or_default(),
            template: transformer.input_template,
        },
        (None, None, None) => Input::Whole,
    };
    let policy = found.retry_policy;
    RuleTarget {
        id: found.id,
        arn: found.arn,
        role: found.role_arn,
        dead_letters: found.dead_letter_config.is_some_and(|queue| queue.arn.is_some()),
        retries: policy.as_ref().and_then(|policy| policy.maximum_retry_attempts),
        max_age: policy.as_ref().and_then(|policy| policy.maximum_event_age_in_seconds),
        input,
    }
}
