//! Whether EventBridge would deliver: the rule that the configuration names, what its pattern takes, and the way
//! from its targets to the hook.
//!
//! Whether the pattern takes an event is AWS's own judgement, on samples of the secrets of the rule's region;
//! whether what a target makes of it is understood is the relay's. Only warnings, but for a rule that does not
//! exist: the relay needs none of these looks, and without events its reconcile finds each rotation.
//!
//! Does not see whether the events reach the rule's bus (a trail, forwarding from another account or region),
//! and what the role of a target allows.

mod input;
mod samples;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use serde_json::{Value, json};

use self::samples::{About, label_updated, recorded};
use super::finding::{Finding, Verdict};
use super::policy::allow;
use super::{Examination, side_by_side};
use crate::aws::Rule;
use crate::config::EventBridgeIngress;
use crate::model::{EventRule, Failure, FailureCode, SecretArn, SecretRef};

const HOOK: &str = "/hooks/eventbridge";
/// AWS's own pattern for the native event, for all secrets: the relay answers 200 to those it does not know.
const PATTERN: &str = r#"'{"source":["aws.secretsmanager"],"detail-type":["Secret Label Updated"],"detail":{"labelUpdated":["AWSCURRENT"]}}'"#;
/// More names make no finding clearer.
const NAMES_SHOWN: usize = 3;

/// `arns`: of secrets that were read, as AWS says them.
pub(super) async fn check(
    exam: &Examination,
    usable: bool,
    arns: &BTreeMap<SecretRef, String>,
) -> Vec<Finding> {
    let Some(ingress) = &exam.config.ingress.eventbridge else { return Vec::new() };
    let Some(rule) = &ingress.rule else {
        let found = "no rule is named, so whether EventBridge delivers is not looked at";
        return vec![
            Finding::new(Verdict::NotTried, "ingress.eventbridge", found).mend(
                "set `ingress.eventbridge.rule` to the name or ARN of the rule that leads to the relay",
            ),
        ];
    };
    let look = Look { exam, ingress, rule, region: rule.region().or(exam.known.region.as_deref()) };
    if !usable {
        return vec![Finding::new(Verdict::NotTried, look.subject(), "needs credentials for AWS")];
    }
    let checks = [(look.subject(), look.all(arns))].into_iter();
    let found: Vec<_> = side_by_side(checks).collect().await;
    found.into_iter().flat_map(|found| found.unwrap_or_else(|late| vec![late.as_warning()])).collect()
}

/// One rule under examination.
struct Look<'e> {
    exam: &'e Examination,
    ingress: &'e EventBridgeIngress,
    rule: &'e EventRule,
    region: Option<&'e str>,
}

impl Look<'_> {
    fn subject(&self) -> String {
        format!("rule {}", self.rule)
    }

    fn warning(&self, found: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding::new(Verdict::Warning, self.subject(), found).mend(mend)
    }

    /// `aws events <verb> --region … <names>`
    fn command(&self, verb: &str, names: &str) -> String {
        let region = self.region.map(|region| format!("--region {region} ")).unwrap_or_default();
        format!("aws events {verb} {region}{names}")
    }

    /// A command about the rule, which it calls its name or its rule.
    fn rule_command(&self, verb: &str, option: &str) -> String {
        let bus = self.rule.bus().map(|bus| format!(" --event-bus-name {bus}")).unwrap_or_default();
        self.command(verb, &format!("{option} {}{bus}", self.rule.name()))
    }

    async fn all(&self, arns: &BTreeMap<SecretRef, String>) -> Vec<Finding> {
        let rule = match self.exam.access.rule(self.rule).await {
            Ok(rule) => rule,
            Err(failure) => return vec![self.not_seen(&failure, &self.rule_resource())],
        };
        let mut findings = Vec::new();
        if !rule.state.starts_with("ENABLED") {
            let found = format!("it is {}, so it sends nothing", rule.state);
            findings.push(self.warning(found, self.rule_command("enable-rule", "--name")));
        }
        let secrets = self.secrets(arns);
        let sample = self.pattern(&rule, &secrets, &mut findings).await;
        let way = self.targets(sample.as_ref(), &mut findings).await;
        if let (true, Some(way)) = (findings.is_empty(), way) {
            let count = secrets.len();
            let found = format!("enabled, takes the changes of {}; {way}", counted(count, "secret"));
            findings.push(Finding::ok(self.subject(), found));
        }
        findings
    }

    /// What events call the secrets of the rule's region.
    fn secrets(&self, arns: &BTreeMap<SecretRef, String>) -> Vec<About> {
        let targets = self.exam.config.targets.values();
        let all: BTreeSet<SecretRef> = targets.flat_map(|target| target.kind.secrets()).collect();
        let region_of =
            |secret: &SecretRef| secret.region().or(self.exam.known.region.as_deref()).map(str::to_owned);
        let here = all.iter().filter(|secret| region_of(secret).as_deref() == self.region);
        // A secret may be named in several ways, and read as several roles.
        let abouts: BTreeSet<About> = here.map(|secret| self.about(secret, arns.get(secret))).collect();
        abouts.into_iter().collect()
    }

    fn about(&self, secret: &SecretRef, arn: Option<&String>) -> About {
        let arn = arn.cloned().unwrap_or_else(|| {
            let made_up = self.exam.known.resource(secret);
            made_up.as_str().unwrap_or_default().replace("??????", "AbCdEf")
        });
        let name = SecretArn::parse(&arn).ok();
        let name = name.as_ref().and_then(|arn| Some(arn.without_suffix()?.1.to_owned()));
        About { name: name.unwrap_or_else(|| secret.id().to_owned()), arn }
    }

    /// Finds what the pattern does not take; gives an event that it does, or should.
    async fn pattern(&self, rule: &Rule, secrets: &[About], findings: &mut Vec<Finding>) -> Option<Value> {
        let Some(first) = secrets.first() else {
            let region = self.region.unwrap_or("its region");
            let found = format!("no configured secret is in {region}, so no event of one comes through it");
            findings.push(self.warning(found, "name the rule of the secrets' region"));
            return None;
        };
        let put_rule = format!("{} --event-pattern {PATTERN}", self.rule_command("put-rule", "--name"));
        let Some(pattern) = &rule.pattern else {
            findings.push(self.warning("it has no event pattern", put_rule));
            return Some(label_updated(first));
        };
        let asked = secrets.iter().map(|secret| (self.subject(), self.missed(pattern, secret)));
        let asked: Vec<_> = side_by_side(asked).collect().await;
        let mut missed: BTreeMap<Vec<&'static str>, Vec<&str>> = BTreeMap::new();
        let mut taken = None;
        for (secret, answer) in secrets.iter().zip(asked) {
            match answer {
                Ok(Ok(Judged { misses, example })) => {
                    taken = taken.or(example);
                    if !misses.is_empty() {
                        missed.entry(misses).or_default().push(&secret.name);
                    }
                }
                // All of them fail alike.
                Ok(Err(failure)) => {
                    findings.push(self.not_seen(&failure, &json!("*")));
                    break;
                }
                Err(late) => {
                    findings.push(late.as_warning());
                    break;
                }
            }
        }
        for (misses, names) in missed {
            let found = if misses.len() == recorded(first).len() {
                let names = listed(&names);
                format!("its pattern takes no change of {names}: rotations are found by the timer alone")
            } else {
                format!("of {} its pattern misses {}", listed(&names), misses.join(", "))
            };
            findings.push(self.warning(found, put_rule.clone()));
        }
        taken.or_else(|| Some(label_updated(first)))
    }

    /// Which changes of the secret the pattern lets by.
    async fn missed(&self, pattern: &str, secret: &About) -> Result<Judged, Failure> {
        let takes =
            async |event: &Value| self.exam.access.takes(self.rule, pattern, &event.to_string()).await;
        let native = label_updated(secret);
        if takes(&native).await? {
            return Ok(Judged { misses: Vec::new(), example: Some(native) });
        }
        let mut judged = Judged { misses: Vec::new(), example: None };
        for (name, event) in recorded(secret) {
            if takes(&event).await? {
                judged.example = judged.example.or(Some(event));
            } else {
                judged.misses.push(name);
            }
        }
        Ok(judged)
    }

    /// The relay needs none of these looks; a rule that is not there is a mistake all the same.
    fn not_seen(&self, failure: &Failure, resource: &Value) -> Finding {
        let finding = Finding::failed(self.subject(), failure);
        match (failure.code, failure.lacks) {
            (FailureCode::NotFound, _) => finding,
            (FailureCode::Denied, Some(action)) => {
                let statement = allow(self.exam.known.principal(), action, resource);
                finding.as_warning().missing(vec![statement])
            }
            _ => finding.as_warning(),
        }
    }

    fn rule_resource(&self) -> Value {
        if self.rule.as_str().starts_with("arn:") {
            return json!(self.rule.as_str());
        }
        let (partition, account) = self.exam.known.home();
        let region = self.region.unwrap_or("*");
        json!(format!("arn:{partition}:events:{region}:{account}:rule/{}", self.rule.name()))
    }
}

/// What a pattern makes of a secret's changes.
struct Judged {
    /// Kinds of changes that it does not take.
    misses: Vec<&'static str>,
    /// An event that it takes.
    example: Option<Value>,
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
