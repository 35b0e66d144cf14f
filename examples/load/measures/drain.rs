//! A thousand applications whose secrets rotate at once: the time until the last one is proved, beside the time that
//! the rate limit alone dictates.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anypoint_sandbox::Sandbox;
use anypoint_sandbox::anypoint::NONE;
use serde_json::json;
use tokio::time::Instant;

use super::Line;
use super::relay::{Relay, pause, settled};
use crate::world::{connected_app, connection};

const APPLICATIONS: u32 = 1_000;
/// Requests a second to the Application Manager: more than Anypoint allows, to make the measure short.
const RATE: u32 = 60;
/// A look, the write, and a look that proves it: fewer requests cannot do.
const REQUESTS: u32 = 3;
const LIMIT: Duration = Duration::from_mins(10);
/// Without a request so long, the relay has nothing to do.
const QUIET: Duration = Duration::from_secs(8);

pub(super) async fn measure(binary: &Path) -> anyhow::Result<Vec<Line>> {
    let Sandbox { aws, anypoint } = Sandbox::start().await;
    anypoint.set_application_manager_limit(None);
    let mut text = format!(
        "aws: {{ region: eu-west-1, endpoint: \"{}\" }}
reconcile: {{ interval: 1s }}
queue: {{ workers: 128, confirm_poll: 5s }}
{}targets:
",
        aws.endpoint_url(),
        connection(
            &anypoint,
            &format!(
                "    rates: {{ application_manager: {RATE} }}
    max_rolling: {APPLICATIONS}
"
            )
        ),
    );
    let (mut secrets, mut apps) = (Vec::new(), Vec::new());
    for number in 0..APPLICATIONS {
        let name = format!("app-{number:04}");
        secrets.push(aws.create_secret(&format!("load/{name}"), json!({"password": "the first"})));
        let app = anypoint.deploy(&name, NONE, [("db.password", "the first")]);
        app.roll_time(Duration::from_millis(200));
        apps.push(app);
        writeln!(
            text,
            "  {name}: {{ kind: application, platform: cloudhub2, connection: load, deployment: {name}, coalesce: 0s, \
             secure_properties: {{ db.password: {{ secret: load/{name}, field: password }} }} }}"
        )?;
    }
    let mut environment = aws.environment();
    environment.extend(connected_app(&anypoint));
    let relay = Relay::start(binary, &text, &environment)?;
    let holds = |password: &str| {
        let current = |app: &anypoint_sandbox::anypoint::App| {
            app.running().iter().all(|one| one.secure.get("db.password").is_some_and(|held| held == password))
        };
        let written = apps.iter().all(|app| !app.history().writes.is_empty());
        written && apps.iter().all(current)
    };
    let every_second = Duration::from_secs(1);
    until_slowly("the first writes", || holds("the first"), every_second).await?;
    settled(|| anypoint.log().count(), QUIET).await;

    let asked = anypoint.log().count();
    let began = Instant::now();
    for secret in &secrets {
        secret.rotate_password("the second");
    }
    until_slowly("every application runs with the new value", || holds("the second"), every_second / 10)
        .await?;
    let applied = began.elapsed();
    let enough = u64::from(APPLICATIONS * REQUESTS);
    let asked_since = || anypoint.log().count() - asked;
    until_slowly("every application was looked at again", || asked_since() >= enough, every_second / 10)
        .await?;
    let proved = began.elapsed();
    settled(|| anypoint.log().count(), QUIET).await;
    let requests = asked_since();
    drop(relay);
    let bound = f64::from(APPLICATIONS * REQUESTS) / f64::from(RATE);
    let remark =
        format!("{requests} requests to Anypoint; the bound is {REQUESTS} for each at {RATE} a second");
    Ok(vec![
        Line::new("the bound", bound, "s").remarks(vec![remark]),
        Line::new("until the last application ran with it", applied.as_secs_f64(), "s"),
        Line::new("until each was looked at once more, which proves it", proved.as_secs_f64(), "s")
            .goal(bound * 1.05),
    ])
}

async fn until_slowly(what: &str, holds: impl Fn() -> bool, look: Duration) -> anyhow::Result<()> {
    let began = Instant::now();
    while !holds() {
        anyhow::ensure!(began.elapsed() < LIMIT, "after {LIMIT:?} still not: {what}");
        pause(look).await;
    }
    Ok(())
}
