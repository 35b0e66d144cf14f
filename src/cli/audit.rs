//! `anypoint-relay audit`: checks what the relay recorded, on any machine that has the key.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::credential::{CredentialReader, CredentialRef, Credentials};
use crate::telemetry::audit::verify::{Expected, Finding, Report, Verifier};
use crate::telemetry::audit::{Head, Key};

/// Check what the relay recorded of its decisions (`audit` in the configuration)
#[derive(Clone, Debug, clap::Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum AuditCommand {
    Verify(VerifyArgs),
}

/// Say whether every line is as the relay wrote it, and whether any is missing
///
/// Each line is bound by the key to all that is before it, so a byte that was changed and a line that was
/// removed, added, repeated or moved are found and named. What was cut off at the end shows only against a
/// head: note one now and then from the relay's log (`audit head`) or its metric (`relay_audit_head`), where
/// whoever can write to the file cannot.
///
/// Exit codes: 0 intact, 1 not intact, 2 not checked (no key, no file, wrong usage).
#[derive(Clone, Debug, clap::Args)]
pub struct VerifyArgs {
    /// The audit file; several, oldest first, if it was rotated
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A head that was noted, SEQ:MAC: the files must hold it; may be given several times
    #[arg(long = "head", value_name = "HEAD")]
    heads: Vec<Head>,
    /// The head before the first line, where earlier files are not given
    #[arg(long, value_name = "HEAD")]
    after: Option<Head>,
    /// Take it that new chains begin within the files: `to: stdout` begins one at each start
    #[arg(long)]
    restarts: bool,
    /// Environment variable that holds the key
    #[arg(long, value_name = "NAME", default_value = "AUDIT_KEY", conflicts_with = "key_file")]
    key_env: String,
    /// File that holds the key
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Nothing is wrong.
    Intact,
    /// Something is.
    NotIntact,
    /// It could not be checked.
    Not,
}

impl From<Checked> for ExitCode {
    fn from(checked: Checked) -> Self {
        ExitCode::from(match checked {
            Checked::Intact => 0,
            Checked::NotIntact => 1,
            Checked::Not => 2,
        })
    }
}

/// Runs the command; fails only when `out` or `err` cannot be written.
pub async fn audit(args: &AuditArgs, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Checked> {
    let AuditCommand::Verify(args) = &args.command;
    let report = match verify(args).await {
        Ok(report) => report,
        Err(error) => {
            writeln!(err, "error: {error:#}")?;
            return Ok(Checked::Not);
        }
    };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        print(args, &report, out)?;
    }
    Ok(if report.intact() { Checked::Intact } else { Checked::NotIntact })
}

async fn verify(args: &VerifyArgs) -> anyhow::Result<Report> {
    let place = match &args.key_file {
        Some(file) => CredentialRef::File(file.clone()),
        None => CredentialRef::Env(args.key_env.clone()),
    };
    let value = CredentialReader::new(None).read(&place).await.context("the key cannot be read")?;
    let key = Key::new(&value).with_context(|| place.to_string())?;
    let expected = Expected { after: args.after, heads: args.heads.clone(), restarts: args.restarts };
    let mut verifier = Verifier::new(&key, &expected);
    for path in &args.files {
        let name = path.display().to_string();
        let read = File::open(path).and_then(|file| verifier.file(&name, BufReader::new(file)));
        read.with_context(|| format!("{name} cannot be read"))?;
    }
    Ok(verifier.finish())
}

fn print(args: &VerifyArgs, report: &Report, out: &mut dyn Write) -> std::io::Result<()> {
    for Finding { file, line, message } in &report.notes {
        writeln!(out, "{file}:{line}: note: {message}")?;
    }
    for Finding { file, line, message } in &report.problems {
        writeln!(out, "{file}:{line}: {message}")?;
    }
    if let more @ 1.. = report.problem_count.saturating_sub(report.problems.len() as u64) {
        writeln!(out, "and {more} more")?;
    }
    let entries = counted(report.entries, "entry", "entries");
    if !report.intact() {
        let problems = counted(report.problem_count, "problem", "problems");
        return writeln!(out, "not intact: {problems}, {entries} that hold");
    }
    let times = |from, to| format!(", {from} to {to}");
    let times = report.from.zip(report.to).map(|(from, to)| times(from, to)).unwrap_or_default();
    writeln!(out, "intact: {entries}{times}")?;
    if report.lost > 0 {
        writeln!(
            out,
            "not in it: {} that the relay could not write",
            counted(report.lost, "entry", "entries")
        )?;
    }
    if let Some(head) = &report.head {
        writeln!(out, "head: {head}")?;
    }
    if args.heads.is_empty() {
        writeln!(out, "without --head nobody can tell whether entries were cut off at the end")?;
    }
    Ok(())
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
