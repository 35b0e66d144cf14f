//! The secrets of an account and region, for a person to choose from (`init`).
//!
//! Only what a list shows: names, whether and when they rotate, who owns them; no value is near. Bounded: a
//! list ends after [`PAGES`] or [`PATIENCE`], and says that there are more. AWS's lists may lag by minutes.

use std::time::Duration;

use aws_sdk_secretsmanager::types::SecretListEntry;
use jiff::Timestamp;
use tokio::time::Instant;

use super::config::{Access, Place};
use super::error::{Call, Service};
use super::secrets::timestamp;
use crate::model::{Failure, FailureCode, Retry};

/// Secrets of one page: AWS's own limit.
const PAGE: i32 = 100;
/// Most pages of a list. A page may be empty and not the last.
const PAGES: usize = 100;
/// No further page is asked for after this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A secret as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSecret {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Whether AWS rotates it on a schedule.
    pub rotates: bool,
    /// When it was last rotated.
    pub rotated: Option<Timestamp>,
    /// The service of AWS that keeps it, such as `rds`.
    pub owner: Option<String>,
}

/// What there is.
#[derive(Clone, Debug)]
pub struct SecretList {
    /// In AWS's order.
    pub secrets: Vec<ListedSecret>,
    /// There are more.
    pub partial: bool,
    /// Where they are.
    pub region: String,
}

impl Access {
    /// Lists the secrets of the relay's own account and region.
    pub async fn list_secrets(&self) -> Result<SecretList, Failure> {
        let (generation, place) = (self.generation().await, Place::default());
        let Some(region) = generation.region(&place).map(str::to_owned) else {
            return Err(Failure::new(
                FailureCode::Rejected,
                Retry::Slowly,
                "no AWS region is known",
                "set `aws.region`, or AWS_REGION",
            ));
        };
        let client = generation.secrets(&place).await;
        let until = Instant::now() + PATIENCE;
        let (mut secrets, mut token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let page = client.list_secrets().max_results(PAGE).set_next_token(token);
            let page = match page.send().await {
                Ok(page) => page,
                Err(error) => {
                    let call = Call {
                        service: Service::SecretsManager,
                        action: "secretsmanager:ListSecrets",
                        // A list is of all: policies allow it on no single secret.
                        subject: "*",
                        region: Some(&region),
                        role: None,
                    };
                    return Err(self.failure(&generation, &error, &call).await);
                }
            };
            secrets.extend(page.secret_list.unwrap_or_default().into_iter().filter_map(listed));
            token = page.next_token;
            if token.is_none() || Instant::now() >= until {
                break;
            }
        }
        Ok(SecretList { secrets, partial: token.is_some(), region })
    }
}

/// An entry without a name or an ARN is none that a configuration could name.
fn listed(entry: SecretListEntry) -> Option<ListedSecret> {
    Some(ListedSecret {
        name: entry.name?,
        arn: entry.arn?,
        rotates: entry.rotation_enabled.unwrap_or(false),
        rotated: entry.last_rotated_date.as_ref().and_then(timestamp),
        owner: entry.owning_service.filter(|owner| !owner.is_empty()),
    })
}
