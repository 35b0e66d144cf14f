//! The IAM statement that allows what was refused, ready to be pasted.
//!
//! It allows the one action that was refused on the one resource, as far as the configuration and the relay's
//! identity tell them: an account or region that is not known is a `*`. The key of a secret is not known
//! (SecretsManager names it only to those who may describe the secret), so its statement holds for the keys of
//! that account, by way of Secrets Manager alone.

use serde_json::{Value, json};

use super::finding::Statement;
use crate::aws::Identity;
use crate::model::{Failure, SecretArn, SecretRef};

/// What is known of the relay at AWS.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) identity: Option<Identity>,
    pub(super) region: Option<String>,
}

impl Known {
    /// What would allow the call for `secret` that failed, where a permission was missing.
    pub(super) fn statements(&self, secret: &SecretRef, failure: &Failure) -> Vec<Statement> {
        let reader = secret.role().map_or_else(|| self.principal(), str::to_owned);
        match failure.lacks {
            Some("sts:AssumeRole") => {
                let role = secret.role().unwrap_or("*");
                let trust = json!({
                    "Effect": "Allow", "Principal": {"AWS": self.principal()}, "Action": "sts:AssumeRole",
                });
                vec![
                    allow(self.principal(), "sts:AssumeRole", &json!(role)),
                    Statement { policy_of: format!("{role} (trust policy)"), statement: trust },
                ]
            }
            Some("kms:Decrypt") => vec![Statement { policy_of: reader, statement: self.decrypt(secret) }],
            Some(action) => vec![allow(reader, action, &self.resource(secret))],
            None => Vec::new(),
        }
    }

    /// The relay's identity, as policies name it: of a session its role.
    pub(super) fn principal(&self) -> String {
        let Some(identity) = &self.identity else { return "the relay's identity".to_owned() };
        let mut parts = identity.arn.splitn(6, ':');
        let session = (parts.nth(1), parts.nth(3).and_then(|name| name.strip_prefix("assumed-role/")));
        match session {
            (Some(partition), Some(session)) => {
                let role = session.split('/').next().unwrap_or_default();
                format!("arn:{partition}:iam::{}:role/{role}", identity.account)
            }
            _ => identity.arn.clone(),
        }
    }

    /// Partition and account of the relay's own identity.
    pub(super) fn home(&self) -> (&str, &str) {
        let identity = self.identity.as_ref();
        let partition = identity.and_then(|identity| identity.arn.split(':').nth(1));
        (partition.unwrap_or("aws"), identity.map_or("*", |identity| &identity.account))
    }

    /// The ARN of a secret, as a policy has it.
    pub(super) fn resource(&self, secret: &SecretRef) -> Value {
        let (partition, region, account) = self.place(secret);
        let arn = match SecretArn::parse(secret.id()) {
            Ok(arn) if arn.without_suffix().is_some() => return json!(arn.as_str()),
            Ok(arn) => arn.as_str().to_owned(),
            Err(_) => format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{}", secret.id()),
        };
        // Secrets Manager ends each ARN in six characters of its own.
        json!(format!("{arn}-??????"))
    }

    fn decrypt(&self, secret: &SecretRef) -> Value {
        let (partition, region, account) = self.place(secret);
        let suffix = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        json!({
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": format!("arn:{partition}:kms:{region}:{account}:key/*"),
            "Condition": {"StringEquals": {"kms:ViaService": format!("secretsmanager.{region}.{suffix}")}},
        })
    }

    /// Partition, region and account of a secret.
    fn place(&self, secret: &SecretRef) -> (String, String, String) {
        let named = secret.id().starts_with("arn:").then(|| secret.id());
        let arn = named.or(secret.role()).or(self.identity.as_ref().map(|identity| identity.arn.as_str()));
        let part = |at: usize| arn.and_then(|arn| arn.split(':').nth(at)).filter(|part| !part.is_empty());
        let region = secret.region().or(self.region.as_deref()).unwrap_or("*");
        (part(1).unwrap_or("aws").to_owned(), region.to_owned(), part(4).unwrap_or("*").to_owned())
    }
}

/// A statement that allows one action.
pub(super) fn allow(policy_of: String, action: &str, resource: &Value) -> Statement {
    Statement { policy_of, statement: json!({"Effect": "Allow", "Action": action, "Resource": resource}) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FailureCode, Retry};

    fn known(arn: &str) -> Known {
        let identity = Identity { account: "123456789012".to_owned(), arn: arn.to_owned() };
        Known { identity: Some(identity), region: Some("eu-west-1".to_owned()) }
    }

    fn resource(id: &str, role: Option<&str>) -> Value {
        let secret = SecretRef::new(id, None, role).unwrap();
        let failure = Failure::new(FailureCode::Denied, Retry::Slowly, "no", "allow it");
        let failure = failure.lacking("secretsmanager:GetSecretValue");
        let statements = known("arn:aws:iam::123456789012:user/relay").statements(&secret, &failure);
        assert_eq!(statements[0].statement["Action"], "secretsmanager:GetSecretValue");
        statements[0].statement["Resource"].clone()
    }

    #[test]
    fn a_secret_is_named_as_closely_as_it_is_known() {
        let whole = "arn:aws:secretsmanager:us-east-1:210987654321:secret:db-AbC123";
        assert_eq!(resource(whole, None), whole);
        assert_eq!(
            resource("prod/db", None),
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-??????"
        );
        let role = Some("arn:aws-cn:iam::210987654321:role/reader");
        assert_eq!(
            resource("prod/db", role),
            "arn:aws-cn:secretsmanager:eu-west-1:210987654321:secret:prod/db-??????"
        );
    }

    #[test]
    fn a_session_is_its_role() {
        let session = known("arn:aws:sts::123456789012:assumed-role/relay/i-0abc");
        assert_eq!(session.principal(), "arn:aws:iam::123456789012:role/relay");
        assert_eq!(Known::default().principal(), "the relay's identity");
    }
}
