//! `anypoint-relay init`: a first configuration, from options and answers.
//!
//! Guarantees: what is written is a right configuration, because it was read as one before; a file that is there
//! is left as it is, unless told otherwise; no credential is asked for or written, only where one is to be found.
//! Questions go to standard error and answers come from standard input, so they may be piped; where no answer
//! comes, the options that would have spared the question are named.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::config;

/// Write a first configuration, by asking or from options
///
/// One application whose properties take fields of one secret; more is added in the file, whose comments say what
/// is what. Exit codes: 0 written, 1 not.
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
    /// ARN of an SNS topic that tells of rotations; without it EventBridge does
    #[arg(long, value_name = "ARN")]
    sns_topic: Option<String>,
}

/// What the file is made of.
#[derive(Debug)]
struct Answers {
    connection: (&'static str, String),
    organization: String,
    environment: String,
    platform: String,
    application: String,
    secret: String,
    properties: Vec<(String, String)>,
    sns_topic: Option<String>,
}

/// Runs the command: asks on `ask`, reads from `answers`, says on `out` what is next.
pub fn init(
    args: &InitArgs,
    answers: &mut dyn BufRead,
    ask: &mut dyn Write,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let to_stdout = args.file == Path::new("-");
    if !to_stdout && !args.force && args.file.exists() {
        bail!("{} is there already; name another file, or say --force", args.file.display());
    }
    let answers = Answers::complete(args, &mut Questions { answers, ask })?;
    let text = answers.text();
    let shown = args.file.display().to_string();
    if let Err(errors) = config::parse(&text, &shown, &|_| None) {
        bail!("what was given makes no configuration, and nothing was written:\n{errors}");
    }
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

/// Asks for what no option gave.
struct Questions<'a> {
    answers: &'a mut dyn BufRead,
    ask: &'a mut dyn Write,
}

impl Questions<'_> {
    fn answer(
        &mut self,
        given: Option<&String>,
        option: &str,
        question: &str,
        default: Option<&str>,
    ) -> anyhow::Result<String> {
        if let Some(given) = given {
            return Ok(given.clone());
        }
        let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
        loop {
            write!(self.ask, "{question}{shown}: ")?;
            self.ask.flush()?;
            let mut line = String::new();
            if self.answers.read_line(&mut line)? == 0 {
                writeln!(self.ask)?;
                bail!("no answer came; give {option}, or run it where you can answer");
            }
            match (line.trim(), default) {
                ("", Some(default)) => return Ok(default.to_owned()),
                ("", None) => writeln!(self.ask, "  an answer is needed here")?,
                (answer, _) => return Ok(answer.to_owned()),
            }
        }
    }
}

impl Answers {
    fn complete(args: &InitArgs, questions: &mut Questions<'_>) -> anyhow::Result<Self> {
        let connection = if let Some(url) = &args.base_url {
            ("base_url", url.clone())
        } else {
            let default = Some("anypoint.mulesoft.com");
            ("host", questions.answer(args.host.as_ref(), "--host", "Anypoint's host", default)?)
        };
        let mut plain = |given: &Option<String>, option: &str, question: &str, default: Option<&str>| {
            questions.answer(given.as_ref(), option, question, default)
        };
        let organization =
            plain(&args.organization, "--organization", "Organization (business group) id", None)?;
        let environment = plain(&args.environment, "--environment", "Environment id", None)?;
        let platform = plain(
            &args.platform,
            "--platform",
            "Where the application runs (cloudhub2, rtf, cloudhub, hybrid)",
            Some("cloudhub2"),
        )?;
        let application = plain(&args.application, "--application", "Name or id of the application", None)?;
        let secret = plain(&args.secret, "--secret", "Name or ARN of the secret in AWS", None)?;
        let properties = if args.properties.is_empty() {
            let question = "Every secure property of the application, with the field of the secret that it takes, \
                            such as db.user=username db.password=password";
            let line = plain(&None, "--property", question, None)?;
            line.split_whitespace().map(str::to_owned).collect()
        } else {
            args.properties.clone()
        };
        let pair = |text: &String| match text.split_once('=') {
            Some((property, field)) if !property.is_empty() && !field.is_empty() => {
                Ok((property.to_owned(), field.to_owned()))
            }
            _ => bail!("{text:?} is no property and field such as db.password=password"),
        };
        Ok(Self {
            connection,
            organization,
            environment,
            platform,
            application,
            secret,
            properties: properties.iter().map(pair).collect::<anyhow::Result<_>>()?,
            sns_topic: args.sns_topic.clone(),
        })
    }

    fn text(&self) -> String {
        let mut text = String::from(HEAD);
        // Writing to a String does not fail.
        match &self.sns_topic {
            Some(topic) => writeln!(text, "{SNS}    topics: [{}]", scalar(topic)).ok(),
            None => write!(text, "{EVENTBRIDGE}").ok(),
        };
        let (key, host) = &self.connection;
        let name = target_name(&self.application);
        write!(
            text,
            "{TRIGGER}\nconnections:\n  prod:\n    {key}: {}\n{APP}    organization: {}\n    environment: {}\n\n\
             targets:\n{TARGET}  {name}:\n    kind: application\n    platform: {}\n    connection: prod\n    deployment: {}\n\
             {PROPERTIES}    secure_properties:\n",
            scalar(host),
            scalar(&self.organization),
            scalar(&self.environment),
            scalar(&self.platform),
            scalar(&self.application),
        )
        .ok();
        for (property, field) in &self.properties {
            let (property, secret, field) = (scalar(property), scalar(&self.secret), scalar(field));
            writeln!(text, "      {property}: {{ secret: {secret}, field: {field} }}").ok();
        }
        text
    }

    fn tell_next(&self, file: &str, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "{file} is written. Next, with values of yours:\n")?;
        writeln!(out, "  export ANYPOINT_CLIENT_ID=... ANYPOINT_CLIENT_SECRET=...   # the connected app's")?;
        if self.sns_topic.is_none() {
            writeln!(
                out,
                "  export EVENTBRIDGE_KEY=\"$(openssl rand -hex 24)\"          # for its connection"
            )?;
        }
        writeln!(
            out,
            "  export TRIGGER_KEY=\"$(openssl rand -hex 24)\"              # for whoever triggers by hand"
        )?;
        writeln!(out, "  anypoint-relay check {file} --online   # what it depends on; writes nothing")?;
        writeln!(
            out,
            "  anypoint-relay plan {file}             # what would be written where; writes nothing"
        )?;
        writeln!(out, "  anypoint-relay serve {file}")
    }
}

/// A text as YAML takes it for one; `$` begins no variable in it.
fn scalar(text: &str) -> String {
    let text = text.replace('$', "$$");
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let nothing = text.eq_ignore_ascii_case("null");
    if !nothing && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain) {
        return text;
    }
    // A JSON text is one of YAML too.
    serde_json::Value::from(text).to_string()
}

/// The application's name as far as a target may be called so.
fn target_name(application: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '-' };
    let name: String = application.chars().map(legal).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "application".to_owned() } else { name.to_owned() }
}

const HEAD: &str = "\
# Every setting with a comment: config/relay.example.yaml in the repository.
# `anypoint-relay check` reads this file; a relay that runs takes changes of it within seconds.

# Where the hooks listen. Without `tls` something before them has to speak TLS: AWS calls nothing else.
listen: 0.0.0.0:8080

# Who may notify. Without any of it the relay finds rotations by its timer, within `reconcile.interval` (5m).
ingress:
";
const EVENTBRIDGE: &str = "  \
  # An EventBridge API destination that POSTs to /hooks/eventbridge, with this key in its connection.
  eventbridge:
    auth: { api_key: { header: x-api-key, value: { env: EVENTBRIDGE_KEY } } }
";
const SNS: &str = "  \
  # An SNS subscription of protocol https to /hooks/sns, without raw message delivery.
  sns:
";
const TRIGGER: &str = "  \
  # A person or a script: anypoint-relay trigger.
  trigger:
    keys: [ { id: ops, value: { env: TRIGGER_KEY } } ]
";
const APP: &str = "    \
    # The connected app. Credentials are given by reference alone: env, file or aws_secret.
    client_id: { env: ANYPOINT_CLIENT_ID }
    client_secret: { env: ANYPOINT_CLIENT_SECRET }
";
const TARGET: &str = "  \
  # A target takes values from secrets. A rotation of any of them writes it once.
";
const PROPERTIES: &str = "    \
    # ALL secure properties of the application: Anypoint replaces the whole map and shows nobody the values, so the
    # relay refuses a write that would lose one that is not listed, and names it.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_so_that_it_is_read_as_the_same_text() {
        for text in [
            "orders-api",
            "prod/orders/db",
            "1",
            "true",
            "a: b",
            "${HOME}",
            "\"quoted\" # no comment",
            "null",
        ] {
            let file = format!("targets: {{}}\nreceipts: {}\n", scalar(text));
            let read =
                config::parse(&file, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
            assert_eq!(read.receipts.unwrap().to_str(), Some(text));
        }
    }

    #[test]
    fn every_application_gives_a_target_a_name() {
        for (application, name) in [
            ("orders-api", "orders-api"),
            ("Orders API (v2)", "orders-api--v2"),
            ("bc0a7c1e-7a44-4d0a-8d5b-3f1d2c9e4a22", "bc0a7c1e-7a44-4d0a-8d5b-3f1d2c9e4a22"),
            ("---", "application"),
        ] {
            assert_eq!(target_name(application), name);
            assert!(crate::model::TargetName::parse(name).is_ok(), "{name}");
        }
    }
}
