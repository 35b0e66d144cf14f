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
use crate::sync::ports::{FetchedSecret, Secrets};
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

/// The findings, and the secrets that cannot be written from.
pub(super) async fn check(exam: &Examination, usable: bool) -> (Vec<Finding>, BTreeSet<SecretRef>) {
    let uses = uses(exam);
    if !usable {
        let left = |secret| Finding::new(Verdict::NotTried, subject(secret), "needs credentials for AWS");
        return (uses.keys().map(left).collect(), uses.keys().cloned().collect());
    }
    let checks = uses.iter().map(|(secret, uses)| (subject(secret), one(exam, secret, uses)));
    let found: Vec<_> = side_by_side(checks).collect().await;
    let found = found.into_iter().map(|found| found.unwrap_or_else(|finding| vec![finding]));
    let (mut findings, mut unread) = (Vec::new(), BTreeSet::new());
    for (secret, found) in uses.keys().zip(found) {
        if found.iter().any(Finding::is_failed) {
            unread.insert(secret.clone());
        }
        findings.extend(found);
    }
    (findings, unread)
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

async fn one(exam: &Examination, secret: &SecretRef, uses: &[Use<'_>]) -> Vec<Finding> {
    let read = async { if uses.is_empty() { Ok(None) } else { exam.aws.fetch(secret).await.map(Some) } };
    let (described, read) = tokio::join!(exam.aws.current(secret), read);
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
        return vec![Finding::ok(subject(secret), found)];
    }
    let finding = |failure: &Failure| {
        Finding::failed(subject(secret), failure).missing(exam.known.statements(secret, failure))
    };
    failures.iter().map(finding).collect()
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
