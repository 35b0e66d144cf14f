//! `anypoint-relay inspect`: explain a captured notification, offline.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jiff::Timestamp;

use crate::config::{self, Config};
use crate::index::SecretIndex;
use crate::inspect::{Inspection, inspect as examine};
use crate::verify::sns::{Rules, Window};

/// Largest file that is read: four times the largest SNS message.
const MAX_FILE: u64 = 1024 * 1024;

/// Explain a captured notification, check by check, without any network
///
/// Exit codes: 0 verified, 1 refused.
#[derive(Clone, Debug, clap::Args)]
pub struct InspectArgs {
    /// The body as it was received: an SNS message or an EventBridge event
    message: PathBuf,
    /// The certificate that the message's SigningCertURL names (PEM)
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The time that counts as the present, such as 2026-03-06T20:00:30Z
    #[arg(long, value_name = "TIME")]
    at: Timestamp,
    /// A configuration, for the topics that are listened to and the targets that would be touched
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// Runs the command; gives whether the notification is verified.
pub fn inspect(args: &InspectArgs, out: &mut dyn Write) -> anyhow::Result<bool> {
    let message = read(&args.message)?;
    let certificate = args.certificate.as_deref().map(read).transpose()?;
    let config = args.config.as_deref().map(config::load).transpose()?;
    let index = config.as_ref().map(SecretIndex::of);
    let report = examine(
        &message,
        &Inspection {
            at: args.at,
            certificate: certificate.as_deref(),
            rules: config.as_ref().and_then(rules),
            index: index.as_ref(),
        },
    );
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(report.verified)
}

fn rules(config: &Config) -> Option<Rules<'_>> {
    let sns = config.ingress.sns.as_ref()?;
    Some(Rules {
        topics: &sns.topics,
        window: Window { max_age: sns.max_age, max_ahead: sns.max_ahead },
        require_version_2: sns.require_version_2,
        certificate_path: sns.emulator.certificate_path.as_deref(),
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?.len();
    if size > MAX_FILE {
        bail!("{shown} has {size} bytes; a captured notification has {MAX_FILE} at most");
    }
    std::fs::read(path).with_context(|| format!("cannot read {shown}"))
}
