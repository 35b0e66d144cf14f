//! The commands; the only place with `anyhow` and standard output.
//!
//! Results go to standard output, logs and errors to standard error. Exit codes: 0 as asked, 1 not as
//! asked (each command says what that means), 2 wrong usage (of `plan`: work to do), 3 not decided in
//! time.

pub mod audit;
pub mod check;
mod check_online;
mod hardening;
pub mod health;
pub mod init;
pub mod inspect;
pub mod operate;
pub mod packaging;
pub mod plan;
mod quiet;
mod remote;
pub mod serve;
pub mod status;
pub mod sync;
pub mod trigger;
mod view;
mod watch;
mod watch_file;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::quiet::Results;
use crate::model::Action;

/// Carries rotated AWS Secrets Manager credentials to Mule applications through the Anypoint Platform API
///
/// A notification is a hint; what is written is what AWS serves as current. Start with `init`, then
/// `check`, `plan` and `serve`. Documentation: README.md and docs/ARCHITECTURE.md in the repository.
#[derive(Debug, Parser)]
#[command(name = "anypoint-relay", version, max_term_width = 100)]
struct Cli {
    /// Say nothing while all is as asked; otherwise say why, on standard error. Of the log only warnings and errors
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the relay: take notifications, keep every target in sync
    #[command(
        after_help = "The first SIGTERM or SIGINT drains: no new work, running syncs finish. The second ends at once.\n\
                      A changed file takes over within seconds, and SIGHUP has it read again, with the credentials that \
                      it names; one that can't be used is told in the log and changes nothing."
    )]
    Serve {
        /// Let debuggers read this process's memory, and the kernel write core dumps of it: they may show values
        #[arg(long)]
        debuggable: bool,
        /// The configuration file
        file: PathBuf,
    },
    Init(init::InitArgs),
    /// Say whether a configuration is right, without any network unless `--online` asks for it
    #[command(
        after_help = "Exit codes: 0 usable, 1 not usable. Every problem is listed with its line. With \
                            --online 1 also if a check failed; warnings do not count."
    )]
    Check {
        /// Also try all that the relay depends on, and write nothing: AWS identity and clock, each secret, topic,
        /// connection and target, files and credentials. Says what mends each failure
        #[arg(long)]
        online: bool,
        /// The configuration file
        file: PathBuf,
        /// One JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
    Trigger(trigger::TriggerArgs),
    Sync(sync::SyncArgs),
    Plan(plan::PlanArgs),
    Inspect(inspect::InspectArgs),
    Health(health::HealthArgs),
    Status(status::StatusArgs),
    /// Have a running relay bring a target in sync now, whatever was given up
    ///
    /// A person's wish: it repeats a roll that failed, and passes roll_window and canary. What is in sync is not
    /// written again. Exit codes: 0 it is due, 1 it is not.
    Retry(operate::OperateArgs),
    /// Have a running relay look at a target now, and write if something differs
    ///
    /// As after a notification: it repeats nothing that was given up. Exit codes: 0 it is due, 1 it is not.
    SyncNow(operate::OperateArgs),
    /// Have a running relay start no run of a target until it is resumed
    ///
    /// A run under way finishes; what is notified meanwhile is kept, staleness counts on, alerts go on. Exit codes: 0
    /// it is paused, 1 it is not.
    Pause(operate::PauseArgs),
    /// End the pause of a target: what is due runs
    ///
    /// Exit codes: 0 it is resumed, 1 it is not, or was not paused.
    Resume(operate::OperateArgs),
    Audit(audit::AuditArgs),
    Completions(packaging::CompletionsArgs),
    Man(packaging::ManArgs),
}

/// The command line, for those who check what documents say about it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return unparsed(&error, std::env::args_os().nth(1)),
    };
    let mut out = Results::new(cli.quiet);
    let ended = run(cli.command, cli.quiet, &mut out);
    if !matches!(ended, Ok(ExitCode::SUCCESS)) {
        out.tell_after_all().ok();
    }
    match ended {
        Ok(code) => code,
        Err(error) => {
            // A closed pipe is the reader's wish, not an error to tell about.
            if !is_broken_pipe(&error) {
                writeln!(io::stderr(), "error: {error:#}").ok();
            }
            ExitCode::FAILURE
        }
    }
}

/// Help, or wrong usage: 2, but for `plan`, where a pipeline takes 2 for work to do.
fn unparsed(error: &clap::Error, command: Option<OsString>) -> ExitCode {
    error.print().ok();
    match error.use_stderr() {
        false => ExitCode::SUCCESS,
        true if command.is_some_and(|command| command == "plan") => ExitCode::FAILURE,
        true => ExitCode::from(2),
    }
}

fn run(command: Command, quiet: bool, out: &mut Results) -> anyhow::Result<ExitCode> {
    let hardening = hardening::harden(matches!(command, Command::Serve { debuggable: true, .. }));
    match command {
        Command::Check { file, json, online: true } => {
            Ok(code(block_on(check_online::check_online(&file, json, quiet, out))?))
        }
        Command::Check { file, json, .. } => Ok(code(check::check(&file, json, out)?)),
        Command::Init(args) => {
            block_on(init::init(&args, &mut io::stdin().lock(), &mut io::stderr(), out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Inspect(args) => Ok(code(inspect::inspect(&args, out)?)),
        Command::Serve { file, .. } => {
            block_on(serve::serve(&file, quiet, &hardening))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Plan(args) => Ok(block_on(plan::plan(&args, quiet, out))?.into()),
        Command::Sync(args) => Ok(block_on(sync::sync(&args, quiet, out))?.into()),
        Command::Trigger(args) => {
            let ended = block_on(trigger::trigger(&args, &crate::clock::SystemClock, out))?;
            Ok(ExitCode::from(ended.code()))
        }
        Command::Audit(args) => Ok(block_on(audit::audit(&args, out, &mut io::stderr()))?.into()),
        // These are asked for what they print.
        Command::Completions(args) => {
            packaging::completions(&args, Cli::command(), &mut io::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Man(args) => {
            packaging::man(&args, Cli::command(), &mut io::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Health(args) => Ok(code(block_on(health::health(&args, out))?)),
        Command::Status(args) => {
            block_on(status::status(&args, out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Retry(args) => act(out, Action::Retry, &args, None),
        Command::SyncNow(args) => act(out, Action::Sync, &args, None),
        Command::Pause(args) => act(out, Action::Pause, &args.operate, args.r#for.as_deref()),
        Command::Resume(args) => act(out, Action::Resume, &args, None),
    }
}

fn act(
    out: &mut Results,
    action: Action,
    args: &operate::OperateArgs,
    lasts: Option<&str>,
) -> anyhow::Result<ExitCode> {
    block_on(operate::operate(action, args, lasts, out))?;
    Ok(ExitCode::SUCCESS)
}

fn code(as_asked: bool) -> ExitCode {
    if as_asked { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(command);
    // A thread that waits for a file or a name server would hold the end of the process otherwise.
    runtime.shutdown_background();
    ended
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let written = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        // serde_json does not show the error of the writer as its source.
        let kind = written.or_else(|| cause.downcast_ref::<serde_json::Error>()?.io_error_kind());
        kind == Some(io::ErrorKind::BrokenPipe)
    })
}
