//! `anypoint-relay retry`, `sync-now`, `pause` and `resume`: an operator's hands on a running relay.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::remote::{Remote, RemoteArgs};
use super::status::{colours, print_json};
use super::trigger::plain;
use super::view::{self, Page, Style};
use crate::model::{Action, TargetName};

/// Every action has these.
#[derive(Clone, Debug, clap::Args)]
pub struct OperateArgs {
    /// The target
    #[arg(value_parser = TargetName::parse)]
    target: TargetName,
    /// Why, for the relay's log and audit (256 characters at most)
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    remote: RemoteArgs,
    /// JSON as the relay gives it
    #[arg(long)]
    json: bool,
}

/// A pause may also end by itself.
#[derive(Clone, Debug, clap::Args)]
pub struct PauseArgs {
    #[command(flatten)]
    pub(super) operate: OperateArgs,
    /// End it by itself after this time: 30m, 2h, up to 720h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) r#for: Option<String>,
}

/// A duration is checked here and told to the relay as it was written.
fn duration(text: &str) -> Result<String, &'static str> {
    crate::config::parse_duration(text).map(|_| text.to_owned())
}

#[derive(Serialize)]
struct Wish<'a> {
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#for: Option<&'a str>,
}

#[derive(Deserialize)]
struct Done {
    request_id: String,
    survives_restart: Option<bool>,
    #[serde(flatten)]
    page: Page,
}

/// Runs one of the commands.
pub(super) async fn operate(
    action: Action,
    args: &OperateArgs,
    lasts: Option<&str>,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let remote = Remote::open(&args.remote, true, None).await?;
    let path = format!("/targets/{}/{}", args.target, action.as_str());
    let body = remote.post(&path, &Wish { reason: &args.reason, r#for: lasts }).await?;
    if args.json {
        return print_json(&body, out);
    }
    let done: Done = view::read(&body)?;
    let name = plain(args.target.as_str());
    let what = match action {
        Action::Retry => format!("{name}: a run that may repeat what was given up"),
        Action::Sync => format!("{name}: a look"),
        Action::Pause => format!("{name} is paused: no run starts"),
        Action::Resume => format!("{name} is resumed: what is due runs"),
    };
    writeln!(out, "{what} (request {})", plain(&done.request_id))?;
    if done.survives_restart == Some(false) {
        writeln!(out, "a restart of the relay ends the pause: its configuration has no `receipts` file")?;
    }
    Ok(view::target(&done.page, Style { redraws: false, colours: colours() }, out)?)
}
