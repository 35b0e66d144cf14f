//! A relay with a configuration of the measure's own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::time::{Instant, sleep_until};

use crate::client::Connection;
use crate::cores;
use crate::server::Process;
use crate::world::free_address;

/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(1);

/// What it says, in its folder.
const LOG: &str = "relay.log";

/// A running relay. It is killed when this is dropped.
pub(super) struct Relay {
    pub(super) process: Process,
    pub(super) started: Instant,
    folder: TempDir,
}

impl Relay {
    /// Starts it with this configuration, whose `listen` is added.
    pub(super) fn start(
        binary: &Path,
        configuration: &str,
        environment: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let (folder, address) = (tempfile::tempdir()?, free_address()?);
        let file = folder.path().join("relay.yaml");
        std::fs::write(&file, format!("listen: {address}\nadmin: off\n{configuration}"))?;
        let log = std::fs::File::create(folder.path().join(LOG))?;
        let mut command = Command::new(binary);
        command.arg("serve").arg(&file).env_clear().envs(environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let started = Instant::now();
        let child = cores::of_servers(move || command.spawn()).context("the relay cannot be started")?;
        Ok(Self { process: Process::of(child, address), started, folder })
    }

    /// When it accepted the last notification, by its own log.
    pub(super) fn accepted(&self) -> anyhow::Result<Timestamp> {
        let log = std::fs::read_to_string(self.folder.path().join(LOG))?;
        let accepted = log.lines().rfind(|line| line.contains("\"notification accepted\""));
        let line: serde_json::Value = serde_json::from_str(accepted.context("nothing was accepted")?)?;
        Ok(line["timestamp"].as_str().context("a line without a time")?.parse()?)
    }

    /// Waits until it answers 200 at /readyz, and gives how long that was from its start.
    pub(super) async fn ready(&self, limit: Duration) -> anyhow::Result<Duration> {
        loop {
            let status = match Connection::open(self.process.address).await {
                Ok(mut connection) => {
                    connection.exchange(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await.ok()
                }
                Err(_) => None,
            };
            if status == Some(200) {
                return Ok(self.started.elapsed());
            }
            ensure!(self.started.elapsed() < limit, "the relay is not ready after {limit:?}");
            pause(LOOK).await;
        }
    }
}

/// Lets so much time pass.
pub(super) async fn pause(time: Duration) {
    sleep_until(Instant::now() + time).await;
}

/// Waits until a count has not changed for so long.
pub(super) async fn settled(count: impl Fn() -> u64, quiet: Duration) {
    loop {
        let before = count();
        pause(quiet).await;
        if count() == before {
            return;
        }
    }
}

/// Waits until `holds`.
pub(super) async fn until(what: &str, limit: Duration, holds: impl Fn() -> bool) -> anyhow::Result<()> {
    let started = Instant::now();
    while !holds() {
        ensure!(started.elapsed() < limit, "after {limit:?} still not: {what}");
        pause(LOOK).await;
    }
    Ok(())
}
