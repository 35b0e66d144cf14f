//! What the relay exposes, as a scraper sees it: every metric after everything was counted once under each of its
//! labels.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anypoint_relay::http::routes::ROUTES;
use anypoint_relay::model::{Failure, FailureCode, Outcome, RefusalReason, Retry, TargetName};
use anypoint_relay::telemetry::metrics::{
    AlertKind, AlertResult, Kind, Metrics, Name, QueuePhase, RotationAlert, Route, Verdict, WriteResult,
};
use jiff::Timestamp;

/// Labels whose values are no closed set.
pub(crate) const OPEN: [&str; 3] = ["target", "head", "version"];

/// One metric: its type, and its labels with the values that were seen.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) labels: BTreeMap<String, BTreeSet<String>>,
}

/// Every metric by its name, as in the table of names.
pub(crate) fn families() -> BTreeMap<String, Family> {
    let text = everything().encode();
    let mut found: BTreeMap<String, Family> = BTreeMap::new();
    for name in Name::ALL {
        let stem = name.as_str().trim_end_matches("_total");
        let described = |what: &str| {
            let head = format!("# {what} {stem} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&head));
            line.unwrap_or_else(|| panic!("no {head}")).to_owned()
        };
        let mut family = Family { kind: described("TYPE"), help: described("HELP"), ..Family::default() };
        let samples = match family.kind.as_str() {
            "histogram" => vec![format!("{stem}_bucket"), format!("{stem}_sum"), format!("{stem}_count")],
            _ => vec![name.as_str().to_owned()],
        };
        let mut seen = 0;
        for line in text.lines() {
            let (series, _) = line.split_once(' ').unwrap();
            let (sample, labels) = series.split_once('{').unwrap_or((series, ""));
            if !samples.iter().any(|name| name == sample) {
                continue;
            }
            seen += 1;
            for pair in labels.trim_end_matches('}').split(',').filter(|pair| !pair.is_empty()) {
                let (label, value) = pair.split_once("=\"").unwrap();
                let values = family.labels.entry(label.to_owned()).or_default();
                values.insert(value.trim_end_matches('"').to_owned());
            }
        }
        assert!(seen > 0, "no sample of {name:?} in\n{text}");
        family.labels.remove("le");
        found.insert(name.as_str().to_owned(), family);
    }
    let described = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
    assert_eq!(described, found.len(), "the table of names and what is exposed differ");
    found
}

/// What a query may name: each sample's name with its labels and, where they are a closed set, their values.
pub(crate) fn samples() -> BTreeMap<String, BTreeMap<String, Option<BTreeSet<String>>>> {
    let mut found = BTreeMap::new();
    for (name, family) in families() {
        let mut labels: BTreeMap<_, _> = family
            .labels
            .into_iter()
            .map(|(label, values)| {
                let closed = !OPEN.contains(&label.as_str());
                (label, closed.then_some(values))
            })
            .collect();
        if family.kind == "histogram" {
            found.insert(format!("{name}_sum"), labels.clone());
            found.insert(format!("{name}_count"), labels.clone());
            labels.insert("le".to_owned(), None);
            found.insert(format!("{name}_bucket"), labels);
        } else {
            found.insert(name, labels);
        }
    }
    found
}

fn everything() -> Metrics {
    let target = TargetName::parse("orders").unwrap();
    let metrics = Metrics::new([target.clone()]);
    let failure = || Failure::new(FailureCode::Denied, Retry::Slowly, "denied", "grant it");
    let outcomes = [
        Outcome::InSync,
        Outcome::Accepted,
        Outcome::Confirming,
        Outcome::retrying(failure()),
        Outcome::parked(failure()),
        Outcome::Stopped,
    ];
    let labels: Vec<&str> = outcomes.iter().map(Outcome::label).collect();
    assert_eq!(labels, Outcome::LABELS, "an outcome is missing here");
    for kind in Kind::ALL {
        for outcome in &outcomes {
            metrics.run(*kind, outcome, Duration::from_millis(20));
        }
        for result in WriteResult::ALL {
            metrics.write(*kind, *result);
        }
    }
    metrics.outcome(&target, &Outcome::InSync);
    for route in Route::ALL {
        for verdict in Verdict::ALL {
            metrics.notification(*route, *verdict);
        }
        for reason in RefusalReason::ALL {
            metrics.refused(*route, *reason);
        }
    }
    for kind in AlertKind::ALL {
        for result in AlertResult::ALL {
            metrics.alert(*kind, *result);
        }
    }
    for alert in RotationAlert::ALL {
        metrics.rotation_alert(*alert);
    }
    metrics.queue_keys(QueuePhase::ALL.iter().map(|phase| (*phase, 1)));
    for route in ROUTES.iter().map(|route| route.path).chain(["none"]) {
        for status in [101, 200, 302, 404, 429, 503, 999] {
            metrics.request(route, status);
        }
    }
    metrics.rotation_to_confirmed(Duration::from_secs(3));
    metrics.event_to_confirmed(Duration::from_secs(3));
    metrics.audit_head("1:00", 1);
    for listener in ["hooks", "admin"] {
        metrics.certificate(listener, Timestamp::UNIX_EPOCH);
    }
    metrics
}
