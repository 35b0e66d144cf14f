//! Wanted and delivered: what the planning function compares. All of it is free of values.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{SecretRef, VersionId};

/// The version of a secret that AWS served as AWSCURRENT, and when that version was created, where
/// the call that told us says it (GetSecretValue does, DescribeSecret does not).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionSeen {
    /// The version under AWSCURRENT.
    pub version: VersionId,
    /// The version's creation, which is when it was pending, not when it became current.
    pub created: Option<Timestamp>,
}

/// What a target should hold: the current version of each of its secrets, written through this
/// mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Current version by secret.
    pub versions: BTreeMap<SecretRef, VersionSeen>,
    /// Fingerprint of the target's own mapping (names, selectors, literals), free of values.
    pub mapping: String,
}

impl Wanted {
    /// A digest over mapping and versions: equal exactly when nothing is due.
    pub fn digest(&self) -> WantedDigest {
        let mut hash = Sha256::new();
        hash.update(self.mapping.as_bytes());
        for (secret, seen) in &self.versions {
            for part in [secret.id(), secret.region().unwrap_or(""), seen.version.as_str()] {
                hash.update([0]);
                hash.update(part.as_bytes());
            }
        }
        let hash = hash.finalize();
        WantedDigest(std::array::from_fn(|place| hash[place]))
    }
}

/// [`Wanted::digest`]; as text 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedDigest([u8; 16]);

impl WantedDigest {
    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| fits)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for WantedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// A text that is unique to one write, so that each write differs and can be told from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(String);

impl Stamp {
    /// Takes 8 to 40 letters, digits and dashes.
    pub fn parse(text: &str) -> Option<Self> {
        let fits =
            (8..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        fits.then(|| Self(text.to_owned()))
    }

    /// A fresh one.
    pub fn fresh() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// The stamp as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What changes at a target whenever anybody writes to it: a deployment's version, `modifiedAt`.
/// Opaque; only compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(pub String);

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a receipt could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a receipt of this relay")]
pub struct ReceiptError;

/// The value-free record of one write.
///
/// As text: `1;<digest>;<stamp>;<mark before or ->;<version@epoch,... or ->`. The versions stand in the
/// order of the target's secrets; they are left out where the text would pass the room there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Of what was written.
    pub digest: WantedDigest,
    /// Unique to the write.
    pub stamp: Stamp,
    /// The target's mark from before the write.
    pub before: Option<Mark>,
    /// The versions written, in the order of the target's secrets; empty where there was no room.
    pub versions: Vec<VersionSeen>,
}

impl Receipt {
    /// The record of writing `wanted`.
    pub fn of(wanted: &Wanted, stamp: Stamp, before: Option<Mark>) -> Self {
        Self { digest: wanted.digest(), stamp, before, versions: wanted.versions.values().cloned().collect() }
    }

    /// Whether exactly `wanted` was written.
    pub fn is_of(&self, wanted: &Wanted) -> bool {
        self.digest == wanted.digest()
    }

    /// The text form, at most `room` characters long: without the versions where they do not fit.
    pub fn to_text(&self, room: usize) -> String {
        let versions: Vec<String> = self
            .versions
            .iter()
            .map(|seen| match seen.created {
                // As exact as AWS says it: of two versions of one second, too, one is the earlier.
                Some(created) => {
                    let millis = created.subsec_millisecond();
                    format!("{}@{}.{millis:03}", seen.version, created.as_second())
                }
                None => seen.version.to_string(),
            })
            .collect();
        let before = self.before.as_ref().map_or("-", |mark| mark.0.as_str());
        let head = format!("1;{};{};{before};", self.digest, self.stamp.as_str());
        let full = format!("{head}{}", if versions.is_empty() { "-".to_owned() } else { versions.join(",") });
        if full.len() <= room { full } else { format!("{head}-") }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        let parts: Vec<&str> = text.split(';').collect();
        let ["1", digest, stamp, before, versions] = parts[..] else {
            return Err(ReceiptError);
        };
        let versions = match versions {
            "-" => Vec::new(),
            list => list.split(',').map(version_seen).collect::<Option<_>>().ok_or(ReceiptError)?,
        };
        Ok(Self {
            digest: WantedDigest::parse(digest).ok_or(ReceiptError)?,
            stamp: Stamp::parse(stamp).ok_or(ReceiptError)?,
            before: (before != "-").then(|| Mark(before.to_owned())),
            versions,
        })
    }
}

fn version_seen(text: &str) -> Option<VersionSeen> {
    let (version, created) = match text.split_once('@') {
        Some((version, epoch)) => {
            let (second, millis) = epoch.split_once('.').unwrap_or((epoch, "0"));
            let nanos = millis.parse::<i32>().ok()?.checked_mul(1_000_000)?;
            (version, Some(Timestamp::new(second.parse().ok()?, nanos).ok()?))
        }
        None => (text, None),
    };
    Some(VersionSeen { version: VersionId::parse(version).ok()?, created })
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(version: &str) -> Wanted {
        let secret = SecretRef::new("prod/db", None, None).unwrap();
        let seen = VersionSeen {
            version: VersionId::parse(version).unwrap(),
            created: Some(Timestamp::from_millisecond(1_790_000_000_042).unwrap()),
        };
        Wanted { versions: [(secret, seen)].into(), mapping: "m".to_owned() }
    }

    #[test]
    fn a_receipt_survives_its_text_form() {
        let wanted = wanted("00000000-0000-4000-8000-000000000001");
        let receipt = Receipt::of(&wanted, Stamp::fresh(), Some(Mark("v7".to_owned())));
        assert_eq!(Receipt::parse(&receipt.to_text(1024)), Ok(receipt.clone()));
        assert!(receipt.is_of(&wanted));
    }

    #[test]
    fn a_receipt_with_whole_seconds_is_read_as_well() {
        let text =
            "1;00000000000000000000000000000000;aaaaaaaa;-;00000000-0000-4000-8000-000000000001@1790000000";
        let created = Receipt::parse(text).map(|receipt| receipt.versions[0].created);
        assert_eq!(created, Ok(Some(Timestamp::from_second(1_790_000_000).unwrap())));
        for odd in ["@", "@x", "@1.x", "@1.1000000"] {
            assert_eq!(Receipt::parse(&text.replace("@1790000000", odd)), Err(ReceiptError), "{odd}");
        }
    }

    #[test]
    fn without_room_the_versions_go_and_the_comparison_stays() {
        let wanted = wanted("00000000-0000-4000-8000-000000000001");
        let text = Receipt::of(&wanted, Stamp::fresh(), None).to_text(80);
        assert!(text.len() <= 80 && text.ends_with(";-"), "{text}");
        assert!(Receipt::parse(&text).unwrap().is_of(&wanted));
    }

    #[test]
    fn another_version_or_mapping_is_another_digest() {
        let one = wanted("00000000-0000-4000-8000-000000000001");
        let two = wanted("00000000-0000-4000-8000-000000000002");
        let mapped = Wanted { mapping: "n".to_owned(), ..one.clone() };
        assert_ne!(one.digest(), two.digest());
        assert_ne!(one.digest(), mapped.digest());
    }

    #[test]
    fn foreign_texts_are_no_receipts() {
        for text in [
            "",
            "1;;;;",
            "2;00;x;-;-",
            "1;zz;aaaaaaaa;-;-",
            "1;+0000000000000000000000000000000;aaaaaaaa;-;-",
        ] {
            assert_eq!(Receipt::parse(text), Err(ReceiptError), "{text}");
        }
    }
}
