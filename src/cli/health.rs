//! `anypoint-relay health`: asks a relay whether it is alive; for container health checks, where there is
//! no curl.

use std::io::Write;
use std::time::Duration;

use crate::outbound::{self, Options};

/// Ask a relay whether it is alive or ready (for container health checks)
///
/// Exit codes: 0 it answered with a 2xx, 1 it did not.
#[derive(Clone, Debug, clap::Args)]
pub struct HealthArgs {
    /// The probe: /healthz for alive, /readyz for ready
    #[arg(long, default_value = "http://127.0.0.1:8080/healthz")]
    url: String,
    /// Longest time to wait
    #[arg(long, default_value = "2s", value_parser = crate::config::parse_duration)]
    timeout: Duration,
}

/// Runs the command; gives whether the relay answered well.
pub async fn health(args: &HealthArgs, out: &mut dyn Write) -> anyhow::Result<bool> {
    let client = outbound::client(&Options {
        connect_timeout: args.timeout,
        timeout: args.timeout,
        idle: None,
        extra_root: None,
        connect: None,
        https_only: false,
    })?;
    match client.get(&args.url).send().await {
        Ok(answer) => {
            writeln!(out, "{}", answer.status())?;
            Ok(answer.status().is_success())
        }
        Err(error) => {
            writeln!(out, "no answer: {}", outbound::reason(error))?;
            Ok(false)
        }
    }
}
