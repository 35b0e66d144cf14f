//! `anypoint-relay status`: how the targets of a running relay stand, worst first, or one of them at length.

use std::io::{self, IsTerminal, Write};

use super::remote::{Remote, RemoteArgs};
use super::{view, watch};
use crate::model::TargetName;

/// Ask a running relay how its targets stand, or one of them: why, what to do, its last runs
///
/// The worst come first. Exit codes: 0 it answered, 1 it did not.
#[derive(Clone, Debug, clap::Args)]
pub struct StatusArgs {
    /// One target, at length; none means all, a line for each
    #[arg(value_parser = TargetName::parse)]
    target: Option<TargetName>,
    #[command(flatten)]
    remote: RemoteArgs,
    /// Go on with what changes: on a terminal the page is drawn anew, else each change is a line
    #[arg(long)]
    watch: bool,
    /// JSON as the relay gives it; with --watch one line for each event
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn status(args: &StatusArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    let style = view::Style { redraws: io::stdout().is_terminal(), colours: colours() };
    if args.watch {
        let remote = Remote::open(&args.remote, false, Some(watch::LONGEST)).await?;
        return watch::watch(&remote, args.target.as_ref(), args.json, style, out).await;
    }
    let remote = Remote::open(&args.remote, false, None).await?;
    let body = remote.get(&path(args.target.as_ref())).await?;
    if args.json {
        return print_json(&body, out);
    }
    match args.target {
        Some(_) => view::target(&view::read(&body)?, style, out)?,
        None => view::fleet(&view::read(&body)?, style, out)?,
    }
    Ok(())
}

/// The page that is asked for.
pub(super) fn path(target: Option<&TargetName>) -> String {
    target.map_or("/status".to_owned(), |target| format!("/targets/{target}"))
}

/// The relay's own words, indented.
pub(super) fn print_json(body: &[u8], out: &mut dyn Write) -> anyhow::Result<()> {
    let value: serde_json::Value = view::read(body)?;
    serde_json::to_writer_pretty(&mut *out, &value)?;
    writeln!(out)?;
    Ok(())
}

/// Whether standard output shows colours, and nobody minds (no-color.org).
pub(super) fn colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !unwanted
}
