//! That the charts are XML, and show what was measured.

use super::*;
use crate::options::Kind;
use crate::runner::{Figures, Measured};

const CAPTION: &str = "2 cores, a <fast> & small machine; commit 0123456789ab";

/// The texts of an XML document whose elements all end, each in the one that it began in.
fn texts(xml: &str) -> Vec<String> {
    let (mut open, mut texts) = (Vec::new(), Vec::new());
    for part in xml.trim().split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag ends");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "of {xml}");
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().expect("a tag has a name").to_owned());
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        assert_eq!(text.matches('&').count(), text.matches(';').count() - text.matches("; commit").count());
        texts.push(text.trim().to_owned());
    }
    assert!(open.is_empty(), "{open:?} has no end");
    texts.into_iter().filter(|text| !text.is_empty()).collect()
}

fn measured(server: Server, p50: f64) -> Measured {
    let latencies = Quantiles { p50, p99: 3.0 * p50, p999: 10.0 * p50 };
    let figures = Figures {
        per_second: 1e3 / p50,
        full_load_ms: latencies,
        steady_ms: latencies,
        cpu_seconds_per_100_000: p50,
        peak_bytes: None,
    };
    Measured { server, figures: Some(figures) }
}

#[test]
fn the_chart_of_latency_names_each_kind_and_whoever_was_measured() {
    let servers = [(Server::Relay, 1.2), (Server::Verifies, 0.7), (Server::NodeSns, 11.0)];
    let outcome =
        |kind| Outcome { kind, measured: servers.map(|(server, p50)| measured(server, p50)).into() };
    let texts = texts(&latency(&[outcome(Kind::SnsV2), outcome(Kind::BadSignature)], CAPTION));
    for text in [
        "Latency of a notification",
        "relay",
        "axum: reads, parses, verifies",
        "Node: fastify",
        "signed SNS message, version 2",
        "SNS message with a wrong signature",
        "at full load",
        "at 500 requests a second",
        "milliseconds",
        "0.1",
        "1",
        "10",
        "100",
        "1,000",
        "2 cores, a &lt;fast&gt; &amp; small machine; commit 0123456789ab",
    ] {
        assert!(texts.iter().any(|shown| shown == text), "{text} is not in {texts:?}");
    }
}

#[test]
fn the_chart_of_growth_shows_each_number_of_targets_with_its_figures() {
    let sizes = [(10, 19.1, 24.0), (1_000, 23.0, 24.5), (100_000, 412.0, 26.0)];
    let lines: Vec<Line> = sizes
        .iter()
        .flat_map(|&(size, megabytes, micros)| {
            [Line::new(MEMORY, megabytes, "MB"), Line::new(EVENT, micros, "us")]
                .map(|line| line.targets(size))
        })
        .collect();
    let texts = texts(&growth_of(&lines, CAPTION));
    for text in ["memory, MB", "CPU time of an event, us", "targets", "100,000", "19.1", "412", "24.5", "26"]
    {
        assert!(texts.iter().any(|shown| shown == text), "{text} is not in {texts:?}");
    }
}
