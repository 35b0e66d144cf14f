//! Secrets Manager behind the relay's own traits.
//!
//! Guarantees: reads name the stage AWSCURRENT explicitly (some emulators answer with another
//! version when no stage is named); a value is in a [`SecretValue`] before anything else happens to
//! it; an answer that cannot be what AWS sends (no version, two current ones, a value beyond AWS's
//! own limit) is a failure and never a guess.
//!
//! Only ids that the configuration names are ever asked for: a [`SecretRef`] comes from there alone.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::config::{Access, Generation, Place};
use super::error::{self, Call, Service};
use crate::credential::{CredentialError, CredentialRef, Credentials};
use crate::model::{Failure, FailureCode, Retry, SecretRef, VersionId, VersionSeen};
use crate::secret::SecretValue;
use crate::sync::ports::{FetchedSecret, SecretContent, SecretState, Secrets};
use crate::sync::values::select;

/// The stage that production values carry.
const CURRENT: &str = "AWSCURRENT";
/// Largest value that Secrets Manager stores, in bytes (its quotas page).
const MAX_VALUE: usize = 65_536;

/// Reads secrets as the configuration names them.
pub struct SecretsManager {
    access: Arc<Access>,
}

impl SecretsManager {
    /// Reads by way of `access`.
    pub fn new(access: Arc<Access>) -> Self {
        Self { access }
    }

    /// The client for a secret, or why there can be none.
    async fn client(
        &self,
        generation: &Arc<Generation>,
        place: &Place,
        secret: &SecretRef,
    ) -> Result<aws_sdk_secretsmanager::Client, Failure> {
        if generation.region(place).is_none() {
            // The SDK may have looked for it in a metadata service that was not there yet.
            self.access.forget(generation).await;
            return Err(Failure::new(
                FailureCode::Rejected,
                Retry::Slowly,
                format!("secret {secret}: no AWS region is known"),
                "set `aws.region`, or AWS_REGION, or a region beside the source",
            ));
        }
        Ok(generation.secrets(place).await)
    }
}

#[async_trait]
impl Secrets for SecretsManager {
    async fn current(&self, secret: &SecretRef) -> Result<SecretState, Failure> {
        let (generation, place) = (self.access.generation().await, Place::of(secret));
        let client = self.client(&generation, &place, secret).await?;
        match client.describe_secret().secret_id(secret.id()).send().await {
            Ok(output) => state(secret, &output),
            Err(error) => {
                let call = call("secretsmanager:DescribeSecret", secret, &generation, &place);
                Err(self.access.failure(&generation, &error, &call).await)
            }
        }
    }

    async fn fetch(&self, secret: &SecretRef) -> Result<FetchedSecret, Failure> {
        let (generation, place) = (self.access.generation().await, Place::of(secret));
        let client = self.client(&generation, &place, secret).await?;
        let asked = client.get_secret_value().secret_id(secret.id()).version_stage(CURRENT);
        match asked.send().await {
            Ok(output) => fetched(secret, output),
            Err(error) => {
                let call = call("secretsmanager:GetSecretValue", secret, &generation, &place);
                Err(self.access.failure(&generation, &error, &call).await)
            }
        }
    }
}

#[async_trait]
impl Credentials for SecretsManager {
    async fn read(&self, place: &CredentialRef) -> Result<SecretValue, CredentialError> {
        let failed = |reason: String| CredentialError { place: place.to_string(), reason };
        let CredentialRef::AwsSecret(secret, selector) = place else {
            return Err(failed("it is not in AWS".to_owned()));
        };
        let explain = |failure: Failure| failed(format!("{} ({})", failure.message, failure.next_step));
        let value = self.fetch(secret).await.map_err(explain)?;
        select(secret, &value.content, selector).map_err(explain)
    }
}

fn call<'a>(
    action: &'static str,
    secret: &'a SecretRef,
    generation: &'a Generation,
    place: &'a Place,
) -> Call<'a> {
    Call {
        service: Service::SecretsManager,
        action,
        subject: secret.id(),
        region: generation.region(place),
        role: place.role.as_deref(),
    }
}

fn state(secret: &SecretRef, output: &DescribeSecretOutput) -> Result<SecretState, Failure> {
    if output.deleted_date().is_some() {
        // DescribeSecret still answers; reading the value would fail.
        return Err(error::scheduled_for_deletion(secret.id()));
    }
    let mut current = output
        .version_ids_to_stages()
        .into_iter()
        .flatten()
        .filter(|(_, stages)| stages.iter().any(|stage| stage == CURRENT))
        .map(|(version, _)| version);
    let version = match (current.next(), current.next()) {
        (Some(version), None) => parse_version(secret, Some(version))?,
        (None, _) => return Err(error::no_current_version(secret.id())),
        (Some(_), Some(_)) => return Err(odd(secret, "two versions labelled AWSCURRENT")),
    };
    Ok(SecretState {
        current: VersionSeen { version, created: None },
        last_changed: output.last_changed_date().and_then(timestamp),
    })
}

fn fetched(secret: &SecretRef, mut output: GetSecretValueOutput) -> Result<FetchedSecret, Failure> {
    let text = output.secret_string.take().map(SecretValue::from);
    let binary = output.secret_binary.take().map(|blob| SecretValue::new(blob.into_inner()));
    let content = match (text, binary) {
        (Some(text), None) => SecretContent::Text(text),
        (None, Some(binary)) => SecretContent::Binary(binary),
        (None, None) => return Err(odd(secret, "no value")),
        (Some(_), Some(_)) => return Err(odd(secret, "both a text and a binary value")),
    };
    let (SecretContent::Text(value) | SecretContent::Binary(value)) = &content;
    if value.is_empty() {
        return Err(odd(secret, "an empty value"));
    }
    if value.len() > MAX_VALUE {
        return Err(odd(secret, "a value above 65,536 bytes"));
    }
    let version = parse_version(secret, output.version_id())?;
    let stages = output.version_stages();
    if !stages.is_empty() && !stages.iter().any(|stage| stage == CURRENT) {
        return Err(odd(secret, "a version that is not labelled AWSCURRENT"));
    }
    let created = output.created_date().and_then(timestamp);
    Ok(FetchedSecret { arn: output.arn.take(), seen: VersionSeen { version, created }, content })
}

fn parse_version(secret: &SecretRef, version: Option<&str>) -> Result<VersionId, Failure> {
    version.and_then(|text| VersionId::parse(text).ok()).ok_or_else(|| odd(secret, "no valid version id"))
}

pub(super) fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

/// Two replicas of AWS may disagree for a moment; an emulator that answers so will keep doing it.
fn odd(secret: &SecretRef, what: &str) -> Failure {
    Failure::new(
        FailureCode::BadAnswer,
        Retry::Backoff,
        format!("secret {secret}: AWS answered with {what}"),
        "look at the secret's versions (`aws secretsmanager describe-secret`) and, if one is set, at the \
         endpoint override",
    )
}

#[cfg(test)]
mod tests;
