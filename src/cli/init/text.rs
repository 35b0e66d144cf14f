//! The text of the file, and what to do with it next.

use std::fmt::Write as _;
use std::io::Write;

use super::answers::Answers;

/// What the file says of AWS, if anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Aws {
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
}

impl Aws {
    /// A mapping `aws`, to which more can be added.
    pub(super) fn text_even_if_empty(&self) -> String {
        let line = |key: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("  {key}: {}\n", scalar(value))).unwrap_or_default()
        };
        format!("aws:\n{}{}", line("region", &self.region), line("endpoint", &self.endpoint))
    }

    fn text(&self) -> String {
        match self {
            Self { region: None, endpoint: None } => String::new(),
            _ => format!("{AWS}{}\n", self.text_even_if_empty()),
        }
    }
}

/// A connection `prod`, below `connections:`.
pub(super) fn connection(
    (key, host): &(&'static str, String),
    organization: &str,
    environment: &str,
) -> String {
    format!(
        "  prod:\n    {key}: {}\n{APP}    organization: {}\n    environment: {}\n",
        scalar(host),
        scalar(organization),
        scalar(environment)
    )
}

impl Answers {
    pub(super) fn text(&self) -> String {
        let mut text = String::from(HEAD);
        // Writing to a String does not fail.
        match &self.sns_topic {
            Some(topic) => writeln!(text, "{SNS}    topics: [{}]", scalar(topic)).ok(),
            None => write!(text, "{EVENTBRIDGE}").ok(),
        };
        let name = target_name(&self.application);
        let (comment, list) = match self.platform.as_str() {
            "hybrid" => (HYBRID, "properties"),
            _ => (PROPERTIES, "secure_properties"),
        };
        write!(
            text,
            "{TRIGGER}\n{}connections:\n{}\n\
             targets:\n{TARGET}  {name}:\n    kind: application\n    platform: {}\n    connection: prod\n    deployment: {}\n\
             {comment}    {list}:\n",
            self.aws.text(),
            connection(&self.connection, &self.organization, &self.environment),
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

    pub(super) fn tell_next(&self, file: &str, out: &mut dyn Write) -> std::io::Result<()> {
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
pub(super) fn scalar(text: &str) -> String {
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
const AWS: &str = "\
# Where secrets are that are named without a region.
";
const HYBRID: &str = "    \
    # Hybrid servers hide no value: whoever may see the application there may read these.
";
const PROPERTIES: &str = "    \
    # ALL secure properties of the application: Anypoint replaces the whole map and shows nobody the values, so the
    # relay refuses a write that would lose one that is not listed, and names it.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

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
