//! Whether each secret can be read, by the two calls that a run makes, and has the parts that sources name.
//!
//! The value is dropped in the function that read it. A secret that targets only watch is described and not
//! read, as in a run.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;

use super::finding::{Finding, Verdict};
use super::{Examination, side_by_side};
use crate::config::TargetKind;
use crate::model::{Failure, SecretRef, ValueSource};
use crate::sync::ports::{FetchedSecret, Secrets as _};
use crate::sync::values::Values;

/// A part of a secret that a target writes.
struct Use<'a> {
    /// `orders-api: db.password`
    place: String,
    source: &'a ValueSource,
    /// An object or a list will do.
    json: bool,
}

type Uses<'a> = BTreeMap<SecretRef, Vec<Use<'a>>>;

/// What was found of all secrets.
#[derive(Default)]
pub(super) struct Secrets {
    pub(super) findings: Vec<Finding>,
    /// Those that cannot be written from.
    pub(super) unread: BTreeSet<SecretRef>,
    /// The full ARNs of those that were read.
    pub(super) arns: BTreeMap<SecretRef, String>,
}

/// What was found of one.
struct One {
    findings: Vec<Finding>,
    arn: Option<String>,
}

pub(super) async fn check(exam: &Examination, usable: bool) -> Secrets {
    let uses = uses(exam);
    if !usable {
        let left = |secret| Finding::new(Verdict::NotTried, subject(secret), "needs credentials for AWS");
        let (findings, unread) = (uses.keys().map(left).collect(), uses.keys().cloned().collect());
        return Secrets { findings, unread, arns: BTreeMap::new() };
    }
    let checks = uses.iter().map(|(secret, uses)| (subject(secret), one(exam, secret, uses)));
    let found: Vec<_> = side_by_side(checks).collect().await;
    let mut all = Secrets::default();
    for (secret, found) in uses.keys().zip(found) {
        let One { findings, arn } = found.unwrap_or_else(|late| One { findings: vec![late], arn: None });
        if findings.iter().any(Finding::is_failed) {
            all.unread.insert(secret.clone());
        }
        all.findings.extend(findings);
        all.arns.extend(arn.map(|arn| (secret.clone(), arn)));
    }
    all
}

fn uses(exam: &Examination) -> Uses<'_> {
    let mut uses = Uses::new();
    for target in exam.config.targets.values() {
        for secret in target.kind.secrets() {
            uses.entry(secret).or_default();
        }
        for (name, source) in target.kind.sources() {
            let Some(secret) = source.secret() else { continue };
            let json = matches!(target.kind, TargetKind::Http(_));
            let place = format!("{}: {name}", target.name);
            uses.entry(secret.clone()).or_default().push(Use { place, source, json });
        }
    }
    uses
}

fn subject(secret: &SecretRef) -> String {
    let role = secret.role().map(|role| format!(" as {role}")).unwrap_or_default();
    format!("secret {secret}{role}")
}

async fn one(exam: &Examination, secret: &SecretRef, uses: &[Use<'_>]) -> One {
    let read = async { if uses.is_empty() { Ok(None) } else { exam.aws.fetch(secret).await.map(Some) } };
    let (described, read) = tokio::join!(exam.aws.current(secret), read);
    let arn = read.as_ref().ok().and_then(|value| value.as_ref()?.arn.clone());
    let mut failures: Vec<Failure> = Vec::new();
    let parts = match (&described, read) {
        (_, Ok(Some(value))) => missing_parts(secret, value, uses),
        (_, Ok(None)) => Vec::new(),
        (_, Err(failure)) => vec![failure],
    };
    for failure in described.as_ref().err().cloned().into_iter().chain(parts) {
        // Both calls say the same of a secret that does not exist, or of a role that cannot be assumed.
        if failures.iter().all(|other| other.message != failure.message) {
            failures.push(failure);
        }
    }
    if let (true, Ok(state)) = (failures.is_empty(), &described) {
        let version = state.current.version.as_str().get(..8).unwrap_or_default();
        let found = match uses.len() {
            0 => format!("AWSCURRENT is {version}; watched, so its value is not read"),
            1 => format!("AWSCURRENT is {version}; the part that is used is there"),
            parts => format!("AWSCURRENT is {version}; all {parts} parts that are used are there"),
        };
        return One { findings: vec![Finding::ok(subject(secret), found)], arn };
    }
    let finding = |failure: &Failure| {
        Finding::failed(subject(secret), failure).missing(exam.known.statements(secret, failure))
    };
    One { findings: failures.iter().map(finding).collect(), arn }
}

/// What the value lacks. It ends here.
fn missing_parts(secret: &SecretRef, value: FetchedSecret, uses: &[Use<'_>]) -> Vec<Failure> {
    let mut values = Values::default();
    values.insert(secret.clone(), value);
    let missing = uses.iter().filter_map(|Use { place, source, json }| {
        let part = if *json { values.resolve_json(source) } else { values.resolve(source) };
        let failure = part.err()?;
        Some(Failure { message: format!("{} (for {place})", failure.message), ..failure })
    });
    missing.collect()
}
