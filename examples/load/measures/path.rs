//! From a notification to the first byte of the write at a fake Anypoint: what the relay itself takes, and how often
//! it has to wait for somebody else.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use anypoint_sandbox::Sandbox;
use anypoint_sandbox::anypoint::NONE;
use anypoint_sandbox::faults::{Action, Rule};
use anypoint_sandbox::server::Recorded;
use jiff::Timestamp;
use serde_json::json;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::Line;
use super::relay::{Relay, settled, until};
use crate::client::Connection;
use crate::corpus::event_request;
use crate::numbers::Latencies;
use crate::world::{connected_app, connection, now};

const LIMIT: Duration = Duration::from_secs(20);
const KEY: &str = "a key of the load, long enough";
/// Without a request, before the next rotation; at least.
const REST: Duration = Duration::from_millis(250);
/// What the fake Anypoint calls the write.
const WRITE: &str = "deployments.patch";

pub(super) async fn measure(binary: &Path) -> anyhow::Result<Vec<Line>> {
    let mut lines = at(binary, Duration::ZERO, 200).await?;
    lines.extend(at(binary, Duration::from_millis(50), 40).await?);
    Ok(lines)
}

async fn at(binary: &Path, delay: Duration, rotations: usize) -> anyhow::Result<Vec<Line>> {
    let Sandbox { aws, anypoint } = Sandbox::start().await;
    let secret = aws.create_secret("prod/orders/db", json!({"password": "the first"}));
    let app = anypoint.deploy("orders-api", NONE, [("db.password", "the first")]);
    app.roll_time(Duration::ZERO);
    anypoint.set_application_manager_limit(None);
    if !delay.is_zero() {
        for faults in [aws.faults(), anypoint.faults()] {
            faults.add(Rule::new(Action::Latency(delay)));
        }
    }
    let text = format!(
        "aws: {{ region: eu-west-1, endpoint: \"{}\" }}
ingress:
  eventbridge: {{ auth: {{ api_key: {{ header: x-api-key, value: {{ env: KEY }} }} }} }}
queue: {{ confirm_poll: 100ms }}
{}targets:
  orders-api:
    kind: application
    platform: cloudhub2
    connection: load
    deployment: orders-api
    coalesce: 0s
    secure_properties: {{ db.password: {{ secret: prod/orders/db, field: password }} }}
",
        aws.endpoint_url(),
        // With the rate of production: a higher one lets no two requests out at once, which the relay needs here.
        connection(&anypoint, ""),
    );
    let mut environment = aws.environment();
    environment.push(("KEY".to_owned(), KEY.to_owned()));
    environment.extend(connected_app(&anypoint));
    let relay = Relay::start(binary, &text, &environment)?;
    relay.ready(LIMIT).await?;
    until("the first write", LIMIT, || !app.history().writes.is_empty()).await?;

    let mut sender = Connection::open(relay.process.address).await?;
    let [mut to_answer, mut to_write, mut from_accepted] = std::array::from_fn(|_| Latencies::default());
    let mut on_the_way: BTreeMap<String, Latencies> = BTreeMap::new();
    for turn in 0..rotations {
        // Whatever the write before has still to do is done, and its connections are too old to be used again: the
        // next one starts from rest, as after the hours between two rotations.
        let asked = || aws.log().count() + anypoint.log().count();
        settled(asked, REST + 4 * delay).await;
        // They are searched on the thread that serves the fakes: what grows from turn to turn would slow those down.
        aws.log().clear();
        anypoint.log().clear();
        secret.rotate_password(&format!("password {turn}"));
        let request = event_request(&secret, KEY);
        let sent = now();
        let status = sender.exchange(&request).await?;
        ensure!((200..300).contains(&status), "answered otherwise than it should: {}", sender.answer());
        to_answer.add(since(sent, now()));
        let is_write = |request: &Recorded| request.tag == WRITE;
        awake_until("the write", LIMIT, || anypoint.log().count_of(is_write) > 0).await?;
        let write = anypoint.log().matching(is_write).into_iter().next().context("a write was seen")?;
        to_write.add(since(sent, write.at));
        from_accepted.add(since(relay.accepted()?, write.at));
        let before_it = |request: &Recorded| request.at < write.at;
        let asked_before = [aws.log(), anypoint.log()].map(|log| log.matching(before_it));
        for request in asked_before.into_iter().flatten() {
            on_the_way.entry(request.tag).or_default().add(since(sent, request.at));
        }
    }
    let quantiles = |latencies: Latencies| latencies.quantiles().context("nothing was sent");
    let [answer, sent, accepted] = [quantiles(to_answer)?, quantiles(to_write)?, quantiles(from_accepted)?];
    let name = format!("upstreams at {} ms", delay.as_millis());
    let [half, most] =
        [("p50", accepted.p50, 2.0), ("p99", accepted.p99, 5.0)].map(|(share, value, goal)| {
            let line = Line::new(format!("{name}: accepted to the write, {share}"), value, "ms");
            if delay.is_zero() { line.goal(goal) } else { line }
        });
    let halves = on_the_way.into_iter().filter_map(|(tag, times)| Some((times.quantiles()?.p50, tag)));
    let mut halves: Vec<(f64, String)> = halves.collect();
    halves.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let steps: Vec<String> = halves.into_iter().map(|(time, tag)| format!("{tag} {time:.2} ms")).collect();
    let half = half.remarks(vec![format!("from sending, at p50 each: {}", steps.join(", "))]);
    let sent = [
        Line::new(format!("{name}: sent to the answer, p50"), answer.p50, "ms"),
        Line::new(format!("{name}: sent to the write, p50"), sent.p50, "ms"),
        Line::new(format!("{name}: sent to the write, p99"), sent.p99, "ms"),
    ];
    Ok(sent.into_iter().chain([half, most]).collect())
}

fn since(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or(Duration::ZERO)
}

/// Waits until `holds` without going to sleep. This thread serves the fakes, and one that had to be woken by each
/// request would be measured with the time that a machine takes for that.
async fn awake_until(what: &str, limit: Duration, holds: impl Fn() -> bool) -> anyhow::Result<()> {
    let started = Instant::now();
    while !holds() {
        ensure!(started.elapsed() < limit, "after {limit:?} still not: {what}");
        yield_now().await;
    }
    Ok(())
}
