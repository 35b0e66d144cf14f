//! Whether each connection signs in, and what a run would do with each target: `plan`'s own answer, or, where
//! a secret of the target cannot be read, at least a look at the target itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt;

use super::finding::{Finding, Verdict};
use super::{Examination, platforms, side_by_side};
use crate::anypoint::{Connection, Pacers, Writers};
use crate::app::App;
use crate::config::{self, Config, Target};
use crate::model::{ConnectionName, Failure, FailureCode, Outcome, SecretRef};
use crate::sync::forecast::{Forecast, Step};
use crate::sync::memory::Memory;
use crate::sync::ports::{Observation, Stage};

pub(super) async fn check(exam: &Examination, unread: &BTreeSet<SecretRef>) -> Vec<Finding> {
    let unusable = unusable(exam);
    let app = match App::build(reduced(exam, &unusable), access(exam), exam.edges.clone()).await {
        Ok(app) => app,
        Err(error) => {
            let found = format!("the targets cannot be put together: {}", error.whole());
            return vec![Finding::new(Verdict::Failed, "targets", found).mend("correct what it names")];
        }
    };
    let connections = exam.config.connections.values();
    let signing = connections.map(|settings| {
        let subject = connection(&settings.name);
        (subject, sign_in(&app, settings, unusable.get(&settings.name)))
    });
    let mut findings: Vec<Finding> =
        side_by_side(signing).map(|found| found.unwrap_or_else(|late| late)).collect().await;
    let shut: BTreeSet<&ConnectionName> = exam
        .config
        .connections
        .keys()
        .zip(&findings)
        .filter(|(_, finding)| finding.is_failed())
        .map(|(name, _)| name)
        .collect();
    let looks = exam.config.targets.values().map(|target| {
        let shut = target.kind.connection().filter(|name| shut.contains(name));
        (subject(target), one(exam, &app, target, shut, unread))
    });
    let looks: Vec<Finding> =
        side_by_side(looks).map(|found| found.unwrap_or_else(|late| late)).collect().await;
    findings.extend(looks);
    findings
}

/// The connections that cannot be set up, each with the reason.
fn unusable(exam: &Examination) -> BTreeMap<ConnectionName, String> {
    let (pacers, writers) = (Pacers::default(), Writers::default());
    let open = |settings: &config::Connection| {
        let (clock, lookup) = (Arc::clone(&exam.edges.clock), Arc::clone(&exam.edges.lookup));
        Connection::open(settings, Arc::clone(&exam.credentials), &pacers, &writers, clock, lookup)
    };
    let all = exam.config.connections.iter();
    all.filter_map(|(name, settings)| Some((name.clone(), open(settings).err()?.to_string()))).collect()
}

/// The configuration without all that the targets do not need, or that cannot be used.
fn reduced(exam: &Examination, unusable: &BTreeMap<ConnectionName, String>) -> Config {
    let mut config = exam.config.clone();
    (config.ingress, config.admin, config.audit) = (config::Ingress::default(), None, None);
    config.receipts = config.receipts.filter(|file| Memory::open(file).is_ok());
    config.connections.retain(|name, _| !unusable.contains_key(name));
    config.targets.retain(|_, target| {
        target.kind.connection().is_none_or(|connection| !unusable.contains_key(connection))
    });
    config
}

pub(super) fn access(exam: &Examination) -> crate::aws::Access {
    exam.access.with_settings(exam.config.aws.clone())
}

fn connection(name: &ConnectionName) -> String {
    format!("connection {name}")
}

fn subject(target: &Target) -> String {
    format!("target {}", target.name)
}

async fn sign_in(app: &App, settings: &config::Connection, unusable: Option<&String>) -> Finding {
    let subject = connection(&settings.name);
    if let Some(why) = unusable {
        return Finding::new(Verdict::Failed, subject, why)
            .mend("correct the setting, or put a file that the relay may read in its place");
    }
    match app.sign_in(&settings.name).await {
        Some(Ok(())) => Finding::ok(subject, format!("signed in at {}", settings.base_url)),
        Some(Err(failure)) => Finding::failed(subject, &failure),
        None => Finding::new(Verdict::NotTried, subject, "it is not set up"),
    }
}

async fn one(
    exam: &Examination,
    app: &App,
    target: &Target,
    shut: Option<&ConnectionName>,
    unread: &BTreeSet<SecretRef>,
) -> Finding {
    if let Some(shut) = shut {
        return Finding::new(Verdict::NotTried, subject(target), format!("needs connection {shut}"));
    }
    let secrets = target.kind.secrets();
    let found = if let Some(secret) = secrets.iter().find(|secret| unread.contains(*secret)) {
        app.look(&target.name).await.map(|seen| looked_at(target, &seen?, secret))
    } else {
        let forecast = app.forecast(std::slice::from_ref(&target.name)).await.pop();
        forecast.map(|(_, forecast)| foretold(target, &forecast))
    };
    match found {
        Some(Ok(finding)) => finding,
        Some(Err(failure)) => platforms::failed(exam, target, subject(target), &failure).await,
        None => Finding::new(Verdict::NotTried, subject(target), "it is not set up"),
    }
}

/// What the target itself shows, where a run would not get as far.
fn looked_at(target: &Target, seen: &Observation, secret: &SecretRef) -> Result<Finding, Failure> {
    let place = target.kind.place();
    if let Some(refusal) = &seen.refusal {
        return Err(refusal.clone());
    }
    let shown = match &seen.stage {
        Stage::Missing => format!("{place} is not there yet, and would be created"),
        _ => format!("{place} is there"),
    };
    Ok(Finding::ok(subject(target), format!("{shown}; what a run would do depends on secret {secret}")))
}

fn foretold(target: &Target, forecast: &Forecast) -> Result<Finding, Failure> {
    let (subject, place) = (subject(target), target.kind.place());
    Ok(match &forecast.step {
        Step::Nothing(outcome) => Finding::ok(subject, format!("{place}: nothing to write, {outcome}")),
        Step::Write(why) => {
            let why = why.as_str().replace('_', " ");
            Finding::ok(subject, format!("{place}: a run would write now ({why})"))
        }
        Step::Wait(Outcome::Retrying(failure)) => {
            let waits = Finding::failed(subject, failure).as_warning();
            let found = format!("{place}: a run would wait: {}", waits.found);
            // Its hours, or a canary: as the configuration wants it.
            let verdict = if failure.code == FailureCode::Held { Verdict::Ok } else { Verdict::Warning };
            Finding { verdict, found, ..waits }
        }
        Step::Wait(outcome) => Finding::ok(subject, format!("{place}: a run would wait ({outcome})")),
        Step::Refuse(failure) | Step::Unknown(failure) => return Err(failure.clone()),
    })
}
