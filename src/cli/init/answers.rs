//! All that the file is made of, question by question. What an option gives is not asked for.

use anyhow::bail;

use super::InitArgs;
use super::applications::{Anypoint, Application};
use super::pairs::Proposal;
use super::questions::Questions;
use super::secrets::Secrets;
use super::text::Aws;
use crate::anypoint::Shelf;

/// What the file is made of.
#[derive(Debug)]
pub(super) struct Answers {
    /// `host` or `base_url`, and which.
    pub(super) connection: (&'static str, String),
    pub(super) organization: String,
    pub(super) environment: String,
    pub(super) platform: String,
    pub(super) application: String,
    pub(super) secret: String,
    /// Properties with the field that each takes.
    pub(super) properties: Vec<(String, String)>,
    pub(super) sns_topic: Option<String>,
    pub(super) aws: Aws,
}

impl Answers {
    pub(super) async fn complete(args: &InitArgs, questions: &mut Questions<'_>) -> anyhow::Result<Self> {
        let connection = if let Some(url) = &args.base_url {
            ("base_url", url.clone())
        } else {
            let default = Some("anypoint.mulesoft.com");
            ("host", questions.answer(args.host.as_ref(), "--host", "Anypoint's host", default)?)
        };
        let mut anypoint = Anypoint::open(args, &connection, questions).await?;
        let organization = organization(args, anypoint.as_ref(), questions).await?;
        let environment = environment(args, anypoint.as_mut(), &organization, questions).await?;
        let chosen = match &mut anypoint {
            Some(anypoint) if args.application.is_none() => {
                let platform = args.platform.as_deref();
                anypoint.application(&organization, &environment, platform, questions).await?
            }
            _ => None,
        };
        let platform = platform(args, chosen.as_ref(), questions)?;
        let given = args.application.as_ref().or(chosen.as_ref().map(|chosen| &chosen.deployment));
        let application = questions.answer(given, "--application", "Name or id of the application", None)?;
        let mut secrets = Secrets::open(args).await?;
        let secret = secrets.choose(args, questions).await?;
        let properties = if args.properties.is_empty() {
            let proposal = propose(chosen.as_ref(), &secrets, &secret, questions).await?;
            let line = questions.answer(None, "--property", question(&platform), proposal.as_deref())?;
            line.split_whitespace().map(str::to_owned).collect()
        } else {
            args.properties.clone()
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
            aws: secrets.into_settings(),
        })
    }
}

async fn organization(
    args: &InitArgs,
    anypoint: Option<&Anypoint>,
    questions: &mut Questions<'_>,
) -> anyhow::Result<String> {
    let own = match anypoint {
        Some(anypoint) if args.organization.is_none() => anypoint.own_organization(questions).await?,
        _ => None,
    };
    let question = "Organization (business group) id";
    questions.answer(args.organization.as_ref(), "--organization", question, own.as_deref())
}

async fn environment(
    args: &InitArgs,
    anypoint: Option<&mut Anypoint>,
    organization: &str,
    questions: &mut Questions<'_>,
) -> anyhow::Result<String> {
    let chosen = match anypoint {
        Some(anypoint) if args.environment.is_none() => anypoint.environment(organization, questions).await?,
        _ => None,
    };
    let given = args.environment.as_ref().or(chosen.as_ref());
    questions.answer(given, "--environment", "Environment id", None)
}

/// As far as a list tells it, it is not asked for.
fn platform(
    args: &InitArgs,
    chosen: Option<&Application>,
    questions: &mut Questions<'_>,
) -> anyhow::Result<String> {
    let question = match chosen.and_then(|application| application.shelf) {
        Some(Shelf::Hybrid) => return Ok("hybrid".to_owned()),
        Some(Shelf::ApplicationManager) => {
            "Whether it runs on cloudhub2 or rtf, which the list does not tell"
        }
        None => "Where the application runs (cloudhub2, rtf, cloudhub, hybrid)",
    };
    questions.answer(args.platform.as_ref(), "--platform", question, Some("cloudhub2"))
}

fn question(platform: &str) -> &'static str {
    if platform == "hybrid" {
        "The properties of the application to set, with the field of the secret that each takes, such as \
         db.user=username db.password=password"
    } else {
        "Every secure property of the application, with the field of the secret that it takes, such as \
         db.user=username db.password=password"
    }
}

/// Pairs that names suggest, where every secure property that is known has one.
async fn propose(
    chosen: Option<&Application>,
    secrets: &Secrets,
    secret: &str,
    questions: &mut Questions<'_>,
) -> anyhow::Result<Option<String>> {
    let fields = secrets.fields(secret, questions).await?;
    let known = chosen.and_then(|application| application.secure.as_ref()).filter(|names| !names.is_empty());
    if let Some(names) = known {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        questions.tell(&format!("  secure properties of the application: {}", names.join(", ")))?;
    }
    let proposal = match (known, &fields) {
        (Some(names), Some(fields)) => Proposal::of(names, fields),
        (None, Some(fields)) => Proposal::of_fields(fields),
        (_, None) => return Ok(None),
    };
    if !proposal.left.is_empty() {
        questions.tell(&format!("  no one field seems to be for {}", proposal.left.join(", ")))?;
    }
    // Part of them would be a write that loses the others, which the relay refuses.
    let whole = proposal.left.is_empty() && !proposal.pairs.is_empty();
    Ok(whole.then(|| proposal.pairs.join(" ")))
}

fn pair(text: &String) -> anyhow::Result<(String, String)> {
    match text.split_once('=') {
        Some((property, field)) if !property.is_empty() && !field.is_empty() => {
            Ok((property.to_owned(), field.to_owned()))
        }
        _ => bail!("{text:?} is no property and field such as db.password=password"),
    }
}
