//! The secret: listed by AWS where there are credentials, and the names of its fields where somebody agrees.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::choice::{Chosen, Item, choose};
use super::questions::Questions;
use super::text::Aws;
use super::{InitArgs, read_as_configuration};
use crate::aws::{Access, ListedSecret, SecretsManager};
use crate::model::SecretRef;
use crate::sync::ports::Secrets as _;
use crate::sync::values::field_names;

const QUESTION: &str = "Name or ARN of the secret in AWS";
/// Longest time for one call: somebody waits.
const TIMEOUT: &str = "10s";

/// The way to AWS, for as long as somebody chooses.
pub(super) struct Secrets {
    /// None where there are no credentials, or nobody wants it.
    access: Option<Arc<Access>>,
    settings: Aws,
}

impl Secrets {
    /// Looks for credentials, unless options make it needless.
    pub(super) async fn open(args: &InitArgs) -> anyhow::Result<Self> {
        let settings = Aws { region: args.aws_region.clone(), endpoint: args.aws_endpoint.clone() };
        let named = args.secret.is_some() && !args.properties.is_empty();
        if args.offline || named {
            return Ok(Self { access: None, settings });
        }
        let draft = format!("targets: {{}}\n{}  timeout: {TIMEOUT}\n", settings.text_even_if_empty());
        let access = Access::new(read_as_configuration(&draft, "--aws-region, --aws-endpoint")?.aws);
        let access = access.has_credentials().await.then(|| Arc::new(access));
        Ok(Self { access, settings })
    }

    /// The secret, and where the file has to say that it is.
    pub(super) async fn choose(
        &mut self,
        args: &InitArgs,
        questions: &mut Questions<'_>,
    ) -> anyhow::Result<String> {
        if let Some(secret) = &args.secret {
            return Ok(secret.clone());
        }
        let ask = |questions: &mut Questions<'_>| questions.answer(None, "--secret", QUESTION, None);
        let Some(access) = &self.access else {
            if !args.offline {
                questions
                    .tell("secrets are not listed: no credentials for AWS were found where its SDK looks")?;
            }
            return ask(questions);
        };
        let mut list = match access.list_secrets().await {
            Ok(list) => list,
            Err(failure) => {
                questions.tell_not_listed("secrets", &failure)?;
                return ask(questions);
            }
        };
        if list.secrets.is_empty() {
            questions.tell(&format!("AWS lists no secret in {}", list.region))?;
            return ask(questions);
        }
        // Those that rotate are what the relay is for.
        list.secrets.sort_by(|one, other| (!one.rotates, &one.name).cmp(&(!other.rotates, &other.name)));
        let items: Vec<Item> = list.secrets.iter().map(item).collect();
        let part = if list.partial { "; there are more than AWS told in time" } else { "" };
        let title = format!("Secrets of AWS in {}{part}", list.region);
        match choose(questions, &title, "Secret", "--secret", &items)? {
            Chosen::Listed(place) => {
                // A name alone is looked for in the region of whoever runs the relay.
                self.settings.region = Some(list.region);
                Ok(list.secrets.swap_remove(place).name)
            }
            Chosen::Other(secret) => Ok(secret),
        }
    }

    /// The names of the secret's fields, if somebody lets its value be read for them. It ends here.
    pub(super) async fn fields(
        &self,
        secret: &str,
        questions: &mut Questions<'_>,
    ) -> anyhow::Result<Option<BTreeSet<String>>> {
        let Some(access) = &self.access else { return Ok(None) };
        let Ok(secret) = SecretRef::new(secret, None, None) else { return Ok(None) };
        let question = format!(
            "Read the value of {secret} once, for the names of its fields? Nothing else of it is kept or shown"
        );
        if !questions.agrees(&question)? {
            return Ok(None);
        }
        let names = SecretsManager::new(Arc::clone(access)).fetch(&secret).await;
        match names.and_then(|fetched| field_names(&secret, &fetched.content)) {
            Ok(names) => {
                let shown: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
                let more = names.len().saturating_sub(shown.len());
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                questions.tell(&format!("  read and dropped; its fields: {}{more}", shown.join(", ")))?;
                Ok(Some(names))
            }
            Err(failure) => {
                questions.tell_not_listed("fields", &failure)?;
                Ok(None)
            }
        }
    }

    /// What the file says of AWS.
    pub(super) fn into_settings(self) -> Aws {
        self.settings
    }
}

fn item(secret: &ListedSecret) -> Item {
    let ListedSecret { name, arn, rotates, rotated, owner } = secret;
    let rotation = match (rotates, rotated) {
        (true, Some(at)) => format!("rotates, last on {}", at.strftime("%Y-%m-%d")),
        (true, None) => "rotates, not once yet".to_owned(),
        (false, Some(at)) => format!("rotation off, last on {}", at.strftime("%Y-%m-%d")),
        (false, None) => "no rotation".to_owned(),
    };
    let owner = owner.as_ref().map(|owner| format!(", kept by {owner}")).unwrap_or_default();
    Item { name: name.clone(), id: arn.clone(), note: format!("{rotation}{owner}") }
}
