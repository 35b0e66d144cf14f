//! `anypoint-relay init`: a first configuration, from options, from what AWS and Anypoint list, and from answers.
//!
//! Guarantees: what is written is a right configuration, because it was read as one before; a file that is there
//! is left as it is, unless told otherwise; no credential is asked for or written, only where one is to be found.
//! Questions go to standard error and answers come from standard input, so they may be piped; where no answer
//! comes, the options that would have spared the question are named.
//!
//! Only what no option gives is listed, and nothing is written anywhere but the file. A list that cannot be had
//! costs one line that says why, and its question. The value of a secret is read only where somebody agrees, for
//! the names of its fields, and dropped at once.

mod answers;
mod applications;
mod choice;
mod pairs;
mod questions;
mod secrets;
mod text;

use std::fs::OpenOptions;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use self::answers::Answers;
use self::questions::Questions;
use crate::config;

/// Write a first configuration, by asking or from options
///
/// One application whose properties take fields of one secret; more is added in the file, whose comments say what
/// is what. Where credentials are found (for AWS as its SDK finds them, for Anypoint in ANYPOINT_CLIENT_ID and
/// ANYPOINT_CLIENT_SECRET), what no option names is listed to choose from; with all of it named nothing is asked of
/// any network. Exit codes: 0 written, 1 not.
#[derive(Clone, Debug, clap::Args)]
pub struct InitArgs {
    /// The file to write; - is standard output
    #[arg(default_value = "relay.yaml")]
    file: PathBuf,
    /// Write it although there is one
    #[arg(long)]
    force: bool,
    /// Anypoint's host: anypoint.mulesoft.com, eu1.anypoint.mulesoft.com and so on
    #[arg(long, value_name = "HOST", conflicts_with = "base_url")]
    host: Option<String>,
    /// The address of an emulator in place of a host
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Organization (business group) id
    #[arg(long, value_name = "UUID")]
    organization: Option<String>,
    /// Environment id
    #[arg(long, value_name = "UUID")]
    environment: Option<String>,
    /// Where the application runs: cloudhub2, rtf, cloudhub or hybrid
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Name or id of the application
    #[arg(long, value_name = "NAME")]
    application: Option<String>,
    /// Name or ARN of the secret in AWS Secrets Manager
    #[arg(long, value_name = "NAME OR ARN")]
    secret: Option<String>,
    /// A secure property of the application and the field of the secret that it takes, such as
    /// db.password=password; name each secure property that the application has
    #[arg(long = "property", value_name = "PROPERTY=FIELD")]
    properties: Vec<String>,
    /// Ask no network: list nothing to choose from
    #[arg(long)]
    offline: bool,
    /// Region of the secret; without it the SDK's own
    #[arg(long, value_name = "REGION")]
    aws_region: Option<String>,
    /// The address of an emulator in place of AWS; without it AWS_ENDPOINT_URL counts
    #[arg(long, value_name = "URL")]
    aws_endpoint: Option<String>,
    /// ARN of an SNS topic that tells of rotations; without it EventBridge does
    #[arg(long, value_name = "ARN")]
    sns_topic: Option<String>,
}

/// Runs the command: asks on `ask`, reads from `answers`, says on `out` what is next.
pub async fn init(
    args: &InitArgs,
    answers: &mut dyn BufRead,
    ask: &mut dyn Write,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let to_stdout = args.file == Path::new("-");
    if !to_stdout && !args.force && args.file.exists() {
        bail!("{} is there already; name another file, or say --force", args.file.display());
    }
    let answers = Answers::complete(args, &mut Questions::new(answers, ask)).await?;
    let text = answers.text();
    let shown = args.file.display().to_string();
    read_as_configuration(&text, &shown)?;
    if to_stdout {
        out.write_all(text.as_bytes())?;
        return Ok(());
    }
    let mut options = OpenOptions::new();
    let options = if args.force { options.create(true).truncate(true) } else { options.create_new(true) };
    let file = options.write(true).open(&args.file);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("cannot write {shown}"))?;
    answers.tell_next(&shown, out)?;
    Ok(())
}

/// The configuration that a text is, or the end of the command.
fn read_as_configuration(text: &str, name: &str) -> anyhow::Result<config::Config> {
    config::parse(text, name, &|_| None).map_err(|errors| {
        anyhow::anyhow!("what was given makes no configuration, and nothing was written:\n{errors}")
    })
}
