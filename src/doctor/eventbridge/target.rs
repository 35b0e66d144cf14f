//! The way from a rule to the hook: a target, the API destination it leads to, and that one's connection.

use serde_json::{Value, json};

use super::input::understood;
use super::{HOOK, Look};
use crate::aws::{Destination, EventConnection, Kind, RuleTarget};
use crate::config::EventBridgeAuth;
use crate::doctor::finding::{Finding, Statement};

/// EventBridge tries for a day. Below these a restart of the relay, or of what stands before it, may lose events.
const FEW_RETRIES: i32 = 5;
const SHORT_AGE: i32 = 600;

impl Look<'_> {
    /// Finds what keeps `sample` from the hook; gives the way in words, if there is one.
    pub(super) async fn targets(
        &self,
        sample: Option<&Value>,
        findings: &mut Vec<Finding>,
    ) -> Option<String> {
        let targets = match self.exam.access.rule_targets(self.rule).await {
            Ok(targets) => targets,
            Err(failure) => {
                findings.push(self.not_seen(&failure, &self.rule_resource()));
                return None;
            }
        };
        let (mut way, mut elsewhere, mut all_seen) = (None, Vec::new(), true);
        for target in targets.iter().filter(|target| target.arn.contains(":api-destination/")) {
            match self.exam.access.destination(self.rule, &target.arn).await {
                Ok(destination) if leads_to_hook(&destination) => {
                    self.target(target, sample, findings);
                    self.destination(target, &destination, findings);
                    self.connection(&destination, findings).await;
                    way = Some(shown(&destination));
                }
                Ok(destination) => elsewhere.push(destination.endpoint),
                Err(failure) => {
                    all_seen = false;
                    findings.push(self.not_seen(&failure, &json!(target.arn)));
                }
            }
        }
        if way.is_none() && all_seen {
            let others = match elsewhere.len() {
                0 => "none is an API destination".to_owned(),
                _ => format!("they lead to {}", elsewhere.join(", ")),
            };
            let found = format!("no target of it leads to {HOOK}: {others}");
            let put = self.rule_command("put-targets", "--rule");
            let mend = format!("{put} --targets Id=relay,Arn=DESTINATION-ARN,RoleArn=INVOKE-ROLE-ARN");
            findings.push(self.warning(found, mend));
        }
        way
    }

    fn target(&self, target: &RuleTarget, sample: Option<&Value>, findings: &mut Vec<Finding>) {
        let id = &target.id;
        // put-targets replaces the whole of a target.
        let put = |more: &str| {
            let role = target.role.as_deref().unwrap_or("INVOKE-ROLE-ARN");
            let put = self.rule_command("put-targets", "--rule");
            format!(
                "{put} --targets 'Id={id},Arn={},RoleArn={role}{more}' (with all that it has set beside)",
                target.arn
            )
        };
        if sample.is_some_and(|sample| !understood(&target.input, sample)) {
            let found = format!(
                "target {id} sends what the relay does not understand: its input is not the whole event"
            );
            let mend = "remove its input, input path or input transformer, or let it make the small event form of \
                        docs/ARCHITECTURE.md: ";
            findings.push(self.warning(found, format!("{mend}{}", put(""))));
        }
        if !target.dead_letters {
            let found =
                format!("target {id} has no dead-letter queue: what EventBridge gives up is lost unseen");
            findings.push(self.warning(found, put(",DeadLetterConfig={Arn=ARN_OF_AN_SQS_QUEUE}")));
        }
        if target.retries.is_some_and(|retries| retries < FEW_RETRIES)
            || target.max_age.is_some_and(|seconds| seconds < SHORT_AGE)
        {
            let retries = target.retries.unwrap_or(185);
            let age = target.max_age.unwrap_or(86_400);
            let found =
                format!("target {id} is given up after {retries} retries or {age} s, before a relay is back");
            let policy = ",RetryPolicy={MaximumRetryAttempts=185,MaximumEventAgeInSeconds=86400}";
            findings.push(self.warning(found, put(policy)));
        }
        if target.role.is_none() {
            let invoke = json!({
                "Effect": "Allow", "Action": "events:InvokeApiDestination", "Resource": target.arn,
            });
            let found = format!("target {id} has no role, so EventBridge may not call the destination");
            let statement = Statement { policy_of: "the role INVOKE-ROLE-ARN".to_owned(), statement: invoke };
            findings.push(self.warning(found, put("")).missing(vec![statement]));
        }
    }

    fn destination(&self, target: &RuleTarget, destination: &Destination, findings: &mut Vec<Finding>) {
        let name = name(&target.arn);
        let update = |more: &str| self.command("update-api-destination", &format!("--name {name} {more}"));
        if destination.method != "POST" {
            let found =
                format!("API destination {name} uses {}, and the hook takes POST alone", destination.method);
            findings.push(self.warning(found, update("--http-method POST")));
        }
        if destination.state != "ACTIVE" {
            let found = format!("API destination {name} is {}, so no event leaves", destination.state);
            let mend = format!(
                "authorize its connection (below, if it is not), then: {}",
                update("--http-method POST")
            );
            findings.push(self.warning(found, mend));
        }
    }

    async fn connection(&self, destination: &Destination, findings: &mut Vec<Finding>) {
        let arn = &destination.connection;
        let connection = match self.exam.access.event_connection(self.rule, arn).await {
            Ok(connection) => connection,
            Err(failure) => return findings.push(self.not_seen(&failure, &json!(arn))),
        };
        let (name, ours) = (name(arn), wanted(&self.ingress.auth));
        let update =
            format!("{} {}", self.command("update-connection", &format!("--name {name}")), ours.parameters);
        let EventConnection { state, reason, kind } = connection;
        if state != "AUTHORIZED" && state != "ACTIVE" {
            let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            let found = format!("connection {name} is {state}{reason}: nothing is sent");
            findings.push(self.warning(found, format!("give it its credential: {update}")));
        }
        if !ours.takes(&kind) {
            let found = format!(
                "connection {name} uses {}, and the relay takes {} alone",
                shown_kind(&kind),
                shown_kind(&ours.kind)
            );
            let mend = format!("{update}; or set `ingress.eventbridge.auth` to what it uses");
            findings.push(self.warning(found, mend));
        }
    }
}

fn leads_to_hook(destination: &Destination) -> bool {
    destination.endpoint.split(['?', '#']).next().unwrap_or_default().ends_with(HOOK)
}

fn shown(destination: &Destination) -> String {
    let rate = destination.per_second.map(|rate| format!(", at most {rate}/s")).unwrap_or_default();
    format!(
        "leads to {} with the relay's kind of credential and a dead-letter queue{rate}",
        destination.endpoint
    )
}

/// What the configuration wants of a connection.
struct Wanted {
    kind: Kind,
    /// How the AWS CLI sets it.
    parameters: String,
}

impl Wanted {
    /// Names of headers have any case, names of users do not.
    fn takes(&self, kind: &Kind) -> bool {
        match (&self.kind, kind) {
            (Kind::ApiKey(ours), Kind::ApiKey(theirs)) => ours.eq_ignore_ascii_case(theirs),
            (ours, theirs) => ours == theirs,
        }
    }
}

fn wanted(auth: &EventBridgeAuth) -> Wanted {
    match auth {
        EventBridgeAuth::ApiKey { header, .. } => Wanted {
            kind: Kind::ApiKey(header.clone()),
            parameters: format!(
                "--authorization-type API_KEY --auth-parameters \
                 'ApiKeyAuthParameters={{ApiKeyName={header},ApiKeyValue=THE-KEY}}'"
            ),
        },
        EventBridgeAuth::Basic { username, .. } => Wanted {
            kind: Kind::Basic(username.clone()),
            parameters: format!(
                "--authorization-type BASIC --auth-parameters \
                 'BasicAuthParameters={{Username={username},Password=THE-PASSWORD}}'"
            ),
        },
        EventBridgeAuth::OAuth(_) => Wanted {
            kind: Kind::OAuth,
            parameters: "--authorization-type OAUTH_CLIENT_CREDENTIALS --auth-parameters \
                         'OAuthParameters={ClientParameters={ClientID=ID,ClientSecret=SECRET},\
                         AuthorizationEndpoint=TOKEN-ENDPOINT,HttpMethod=POST}'"
                .to_owned(),
        },
    }
}

fn shown_kind(kind: &Kind) -> String {
    match kind {
        Kind::ApiKey(header) => format!("API_KEY in the header {header}"),
        Kind::Basic(user) => format!("BASIC as user {user}"),
        Kind::OAuth => "OAUTH_CLIENT_CREDENTIALS".to_owned(),
        Kind::Other(other) => other.clone(),
    }
}

/// The name in an ARN that ends in a name and an id.
fn name(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or(arn)
}
