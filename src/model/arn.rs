//! Amazon Resource Names of the two kinds that the relay meets.
//!
//! Source: Secrets Manager ARN `arn:<partition>:secretsmanager:<region>:<account>:secret:<name>-<6
//! characters>`; SNS ARN `arn:<partition>:sns:<region>:<account>:<topic>`.

use std::fmt;

/// Why a text is not the ARN it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArnError {
    /// Not the ARN of a secret.
    #[error("not an ARN of a secret (arn:<partition>:secretsmanager:<region>:<account>:secret:<name>)")]
    Secret,
    /// Not the ARN of a topic.
    #[error("not an ARN of an SNS topic (arn:<partition>:sns:<region>:<account>:<name>)")]
    Topic,
}

/// A full or partial ARN of a secret.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretArn {
    text: String,
    region: (usize, usize),
    account: (usize, usize),
    name: usize,
}

impl SecretArn {
    /// Parses `arn:<partition>:secretsmanager:<region>:<account>:secret:<name...>`.
    pub fn parse(text: &str) -> Result<Self, ArnError> {
        let [arn, partition, service, region, account, kind, name] = split(text).ok_or(ArnError::Secret)?;
        let fits = arn == "arn"
            && is_label(partition)
            && service == "secretsmanager"
            && is_label(region)
            && is_account(account)
            && kind == "secret"
            && (1..=512).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-!".contains(&b));
        if !fits {
            return Err(ArnError::Secret);
        }
        let region_start = arn.len() + partition.len() + service.len() + 3;
        let account_start = region_start + region.len() + 1;
        Ok(Self {
            text: text.to_owned(),
            region: (region_start, region_start + region.len()),
            account: (account_start, account_start + account.len()),
            name: text.len() - name.len(),
        })
    }

    /// The ARN as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its region.
    pub fn region(&self) -> &str {
        &self.text[self.region.0..self.region.1]
    }

    /// Its account, twelve digits.
    pub fn account(&self) -> &str {
        &self.text[self.account.0..self.account.1]
    }

    /// The last part: the name, with the random suffix where the ARN is a full one.
    pub fn name(&self) -> &str {
        &self.text[self.name..]
    }

    /// The ARN and its name without the suffix `-` and six characters, where it can be one. Only the
    /// caller knows whether the ARN is full: a name may itself end like a suffix.
    pub fn without_suffix(&self) -> Option<(&str, &str)> {
        let cut = self.text.len().checked_sub(7)?;
        let suffix = self.text.get(cut..)?.strip_prefix('-')?;
        let full = cut > self.name && suffix.bytes().all(|b| b.is_ascii_alphanumeric());
        full.then(|| (&self.text[..cut], &self.text[self.name..cut]))
    }
}

impl fmt::Display for SecretArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SecretArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The ARN of an SNS topic.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicArn {
    text: String,
    partition: String,
    region: String,
}

impl TopicArn {
    /// Parses `arn:<partition>:sns:<region>:<account>:<name>`.
    pub fn parse(text: &str) -> Result<Self, ArnError> {
        let [arn, partition, service, region, account, name] = split(text).ok_or(ArnError::Topic)?;
        let fits = arn == "arn"
            && is_label(partition)
            && service == "sns"
            && is_label(region)
            && is_account(account)
            && (1..=256).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        if !fits {
            return Err(ArnError::Topic);
        }
        Ok(Self { text: text.to_owned(), partition: partition.to_owned(), region: region.to_owned() })
    }

    /// The ARN as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its partition, such as `aws` or `aws-cn`.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// Its region.
    pub fn region(&self) -> &str {
        &self.region
    }
}

impl fmt::Display for TopicArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for TopicArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The parts of an ARN, as many as asked for; colons in the last one belong to it.
fn split<const N: usize>(text: &str) -> Option<[&str; N]> {
    let mut parts = text.splitn(N, ':');
    let split = std::array::from_fn(|_| parts.next().unwrap_or_default());
    // A text of fewer parts has no last one; neither kind allows an empty one.
    split.last().is_some_and(|last| !last.is_empty()).then_some(split)
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_arn_gives_region_account_and_name() {
        let arn =
            SecretArn::parse("arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-a1B2c3").unwrap();
        assert_eq!(
            (arn.region(), arn.account(), arn.name()),
            ("eu-west-1", "123456789012", "prod/db-a1B2c3")
        );
        assert_eq!(
            arn.without_suffix(),
            Some(("arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db", "prod/db"))
        );
    }

    #[test]
    fn a_name_shorter_than_a_suffix_has_none() {
        let arn = SecretArn::parse("arn:aws:secretsmanager:eu-west-1:123456789012:secret:-a1B2c3").unwrap();
        assert_eq!(arn.without_suffix(), None);
    }

    #[test]
    fn other_arns_are_refused() {
        for text in [
            "arn:aws:sns:eu-west-1:123456789012:rotations",
            "arn:aws:secretsmanager:eu-west-1:1234:secret:x",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a b",
            "",
        ] {
            assert_eq!(SecretArn::parse(text), Err(ArnError::Secret), "{text}");
        }
        assert_eq!(TopicArn::parse("arn:aws:sns:eu-west-1:123456789012:a:b"), Err(ArnError::Topic));
    }
}
