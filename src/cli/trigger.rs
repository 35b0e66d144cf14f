//! `anypoint-relay trigger`: signs a request, sends it to a running relay and says what came of it.
//!
//! The key is read, used and wiped; it is never an argument, where other users of the machine would
//! see it. Nothing is repeated: a second try is the caller's decision.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::clock::Clock;
use crate::credential::{CredentialReader, CredentialRef, Credentials};
use crate::http::ProblemBody;
use crate::ingress::{TargetState, TriggerAnswer, TriggerRequest, TriggerResult, parse_wait};
use crate::outbound;
use crate::webhook_signature::Signer;

const PATH: &str = "/hooks/trigger";
/// For everything but the wait itself: connecting, the relay's own limit, the answer.
const SLACK: Duration = Duration::from_secs(15);
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// Ask a running relay to look at a secret's targets, at one target or at everything
///
/// Exit codes: 0 in sync (or, without --wait, accepted), 1 refused or failing, 3 not settled within
/// the wait.
#[derive(Clone, Debug, clap::Args)]
pub struct TriggerArgs {
    /// Address of the relay's hooks listener, such as https://relay.example.com
    #[arg(long, env = "ANYPOINT_RELAY_URL")]
    url: String,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    subject: SubjectArgs,
    /// Why, for the log and the status page (256 characters at most)
    #[arg(long)]
    reason: Option<String>,
    /// Wait for the outcome: 1s to 60s
    #[arg(long, value_name = "TIME", value_parser = wait)]
    wait: Option<Duration>,
    /// PEM file with a further root certificate to trust
    #[arg(long, value_name = "FILE")]
    extra_root: Option<PathBuf>,
}

#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct KeyArgs {
    /// Environment variable that holds the trigger key: whsec_..., plain text, or the private half whsk_...
    #[arg(long, value_name = "NAME")]
    key_env: Option<String>,
    /// File that holds it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct SubjectArgs {
    /// Whatever uses this secret: its name, partial or full ARN
    #[arg(long, value_name = "NAME OR ARN")]
    secret: Option<String>,
    /// One target
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Every target
    #[arg(long)]
    all: bool,
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every target is settled; or, without a wait, the trigger was accepted.
    Done,
    /// The relay refused the trigger, or a target is parked or failing.
    Failed,
    /// The wait was over before every target was settled.
    NotSettled,
}

impl Ended {
    /// The exit code of the process.
    pub fn code(self) -> u8 {
        match self {
            Ended::Done => 0,
            Ended::Failed => 1,
            Ended::NotSettled => 3,
        }
    }
}

fn wait(text: &str) -> Result<Duration, String> {
    parse_wait(text).ok_or_else(|| "a time from 1s to 60s, such as 30s".to_owned())
}

/// Runs the command and writes what a person wants to know to `out`.
pub async fn trigger(
    args: &TriggerArgs,
    clock: &dyn Clock,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<Ended> {
    let (status, body) = send(args, clock).await?;
    if let Ok(answer) = serde_json::from_slice::<TriggerAnswer>(&body) {
        return Ok(report(&answer, out)?);
    }
    if let Ok(problem) = serde_json::from_slice::<ProblemBody>(&body) {
        refused(&problem, out)?;
        return Ok(Ended::Failed);
    }
    bail!(
        "{} answered HTTP {status}, but not as the relay does; check that --url leads to its hooks listener",
        args.url
    )
}

async fn send(args: &TriggerArgs, clock: &dyn Clock) -> anyhow::Result<(u16, bytes::Bytes)> {
    let place = match (&args.key.key_env, &args.key.key_file) {
        (Some(name), _) => CredentialRef::Env(name.clone()),
        (None, Some(path)) => CredentialRef::File(path.clone()),
        (None, None) => bail!("give --key-env or --key-file"),
    };
    let text = CredentialReader::new(None).read(&place).await.context("cannot read the trigger key")?;
    let signer = Signer::read(&text).with_context(|| format!("{place} holds no trigger key"))?;

    let request = TriggerRequest {
        secret: args.subject.secret.clone(),
        target: args.subject.target.clone(),
        all: args.subject.all.then_some(true),
        reason: args.reason.clone(),
    };
    let body = serde_json::to_vec(&request)?;
    let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
    let at = clock.timestamp().as_second();
    let signature = signer.sign(&id, at, &body);

    let extra_root = match &args.extra_root {
        Some(path) => {
            Some(tokio::fs::read(path).await.with_context(|| format!("cannot read {}", path.display()))?)
        }
        None => None,
    };
    let limits = outbound::Options::within(Duration::from_secs(10), args.wait.unwrap_or_default() + SLACK);
    let client = outbound::client(&outbound::Options { extra_root, ..limits })?;
    let response = client
        .post(address(&args.url, args.wait))
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", at.to_string())
        .header("webhook-signature", signature)
        .body(body)
        .send()
        .await
        .map_err(|error| anyhow::anyhow!("cannot reach {}: {}", args.url, outbound::reason(error)))?;
    let status = response.status().as_u16();
    let body = outbound::read_bounded(response, MAX_ANSWER)
        .await
        .with_context(|| format!("{} broke off its answer (HTTP {status})", args.url))?;
    Ok((status, body))
}

/// The hook's address, whether or not its path was given.
fn address(url: &str, wait: Option<Duration>) -> String {
    let base = url.trim_end_matches('/');
    let base = base.strip_suffix(PATH).unwrap_or(base);
    let query = wait.map(|wait| format!("?wait={}s", wait.as_secs())).unwrap_or_default();
    format!("{base}{PATH}{query}")
}

fn report(answer: &TriggerAnswer, out: &mut (dyn Write + Send)) -> std::io::Result<Ended> {
    let width = answer.targets.iter().map(|state| state.target.len()).max().unwrap_or(0);
    for TargetState { target, state, code, message, next_step } in &answer.targets {
        write!(out, "{:width$}  {}", plain(target), plain(&state.replace('_', " ")))?;
        if let (Some(code), Some(message)) = (code, message) {
            write!(out, ": {} ({})", plain(message), plain(code))?;
        }
        writeln!(out)?;
        if let Some(next_step) = next_step {
            writeln!(out, "{:width$}  next: {}", "", plain(next_step))?;
        }
    }
    let (sum, ended) = match answer.result {
        TriggerResult::Accepted => ("accepted", Ended::Done),
        TriggerResult::Settled => ("settled", Ended::Done),
        TriggerResult::Confirming => ("not settled yet; the relay goes on by itself", Ended::NotSettled),
        TriggerResult::Failed => ("failed", Ended::Failed),
    };
    writeln!(out, "{sum} (request {})", plain(&answer.request_id))?;
    Ok(ended)
}

fn refused(problem: &ProblemBody, out: &mut (dyn Write + Send)) -> std::io::Result<()> {
    let ProblemBody { title, status, detail, code, request_id, .. } = problem;
    let (title, detail, code) = (plain(title), plain(detail), plain(code));
    writeln!(out, "refused: {title}: {detail} (HTTP {status}, {code}, request {})", plain(request_id))?;
    match next_step(&problem.code) {
        Some(step) => writeln!(out, "next: {step}"),
        None => Ok(()),
    }
}

fn next_step(code: &str) -> Option<&'static str> {
    Some(match code {
        "unauthorized" => "compare the key with those under ingress.trigger.keys of the relay",
        "too_many_failures" => "mend the key first; then wait two minutes and try again",
        "trigger_outside_window" => "set this machine's clock, or the relay's",
        "hook_disabled" => "add ingress.trigger to the relay's configuration",
        "not_found" | "method_not_allowed" => "check that --url leads to the relay's hooks listener",
        "not_configured" => "compare the name with the relay's configuration",
        "starting" | "draining" | "overloaded" | "timeout" => "try again in a moment",
        "internal" => "look for the request id in the relay's log",
        _ => return None,
    })
}

/// Text from the other side, fit for a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests;
