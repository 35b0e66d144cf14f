//! What a keystore, truststore or certificate is made of: parts, sizes, dates (contract 1.7, 1.8).

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use x509_parser::pem::Pem;

use super::answer::Problem;
use super::rules::Rules;
use super::secret_types::{default_expiry, expiry, valid_name};

/// The parts of an upload by name.
pub type Parts = BTreeMap<String, Vec<u8>>;

/// Certificates of one truststore.
const TRUSTED: usize = 15;

/// The three lists of a group that hold uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stores {
    /// `keystores`
    Keystores,
    /// `truststores`
    Truststores,
    /// `certificates`
    Certificates,
}

/// A part: name, most bytes, whether it must be there.
type Part = (&'static str, usize, bool);

impl Stores {
    const ALL: [Self; 3] = [Self::Keystores, Self::Truststores, Self::Certificates];

    /// The last part of the list's path.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keystores => "keystores",
            Self::Truststores => "truststores",
            Self::Certificates => "certificates",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.as_str() == text)
    }

    /// The parts of a type, under the names that the rules give them.
    fn parts(self, kind: &str, rules: &Rules) -> Option<Vec<Part>> {
        let specified = rules.store_parts_as_specified;
        let [keystore, truststore] =
            if specified { ["keystore", "truststore"] } else { ["keyStore", "trustStore"] };
        let capath = if rules.ca_path_certificate { "caPathCertificate" } else { "capath" };
        let pem = kind == "PEM";
        if !pem && (self == Self::Certificates || !["JKS", "PKCS12", "JCEKS"].contains(&kind)) {
            return None;
        }
        Some(match self {
            Self::Keystores if pem => vec![
                ("certificate", 4_096, true),
                ("key", 6_144, true),
                ("keyPassphrase", usize::MAX, rules.pem_key_needs_passphrase),
                (capath, 28_672, false),
            ],
            Self::Keystores => vec![
                (keystore, 40_960, true),
                ("storePassphrase", 64, true),
                ("keyPassphrase", 64, true),
                ("alias", 64, true),
                ("algorithm", usize::MAX, false),
            ],
            Self::Truststores if pem => vec![(truststore, 40_960, true)],
            Self::Truststores => vec![
                (truststore, 40_960, true),
                ("storePassphrase", 64, true),
                ("algorithm", usize::MAX, false),
            ],
            Self::Certificates => vec![("certStore", 4_096, true)],
        })
    }
}

/// An upload that was checked; parts that nobody knows are gone.
pub(crate) struct Checked {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) parts: Parts,
    pub(crate) expires: Date,
}

/// Checks an upload, and says all that is wrong with it.
pub(crate) fn check(
    list: Stores,
    upload: &Parts,
    allow_expired: bool,
    rules: &Rules,
    now: Timestamp,
) -> Result<Checked, Vec<Problem>> {
    let text = |name: &str| upload.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let mut problems = Vec::new();
    let name = text("name").unwrap_or_default();
    problems.extend(valid_name(&name).err());
    let kind = text("type").unwrap_or_default();
    let dated = expiry(&json!({ "expirationDate": text("expirationDate") }));
    let expires = dated.map_err(|problem| problems.push(problem)).ok().flatten();
    let Some(known) = list.parts(&kind, rules) else {
        problems.push(Problem::new("RB-1003", "type", "type has an invalid value").about(&kind));
        return Err(problems);
    };
    let mut parts = Parts::new();
    for (part, limit, required) in known {
        match upload.get(part).filter(|content| !content.is_empty()) {
            None if required => {
                problems.push(Problem::new("RB-1004", part, format!("{part} is missing or empty")));
            }
            None => {}
            Some(content) if content.len() > limit => {
                let message = format!("{part} is longer than {limit}");
                problems
                    .push(Problem::new("RB-1003", part, message).about(&String::from_utf8_lossy(content)));
            }
            Some(content) => {
                parts.insert(part.to_owned(), content.clone());
            }
        }
    }
    let mut earliest = None;
    if kind == "PEM" {
        for (part, content) in parts.iter().filter(|(part, _)| !part.starts_with("key")) {
            let Some(ends) = ends(content) else {
                problems.push(Problem::new("RB-1003", part, format!("{part} holds no certificate")));
                continue;
            };
            if list == Stores::Truststores && ends.len() > TRUSTED {
                problems.push(Problem::new("RB-1008", part, "too many certificates"));
            }
            if !allow_expired && ends.iter().any(|end| *end < now) {
                problems.push(Problem::new("RB-1007", part, "a certificate is expired"));
            }
            // A keystore lives as long as its own certificate.
            if !part.to_lowercase().starts_with("capath") {
                earliest = ends.into_iter().min();
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    let expires = expires.or(earliest.map(day)).unwrap_or_else(|| default_expiry(day(now)));
    Ok(Checked { name, kind, parts, expires })
}

/// Until when each certificate of a PEM text is valid; none if one is not a certificate, or none is there.
fn ends(content: &[u8]) -> Option<Vec<Timestamp>> {
    let ends: Option<Vec<Timestamp>> = Pem::iter_from_buffer(content)
        .map(|block| {
            let block = block.ok()?;
            let end = block.parse_x509().ok()?.validity().not_after.timestamp();
            Timestamp::from_second(end).ok()
        })
        .collect();
    ends.filter(|ends| !ends.is_empty())
}

/// What a GET shows beside name, type, date and `meta`: names of files and the alias, nothing inside.
pub(crate) fn shown(list: Stores, parts: &Parts) -> Value {
    let mut view = json!({ "details": {} });
    for part in parts.keys() {
        match part.as_str() {
            "certificate" | "certStore" => view["certificateFileName"] = "cert.pem".into(),
            "key" => view["keyFileName"] = "key.pem".into(),
            "capath" | "caPathCertificate" => view["capathFileName"] = "ca.pem".into(),
            "keyStore" | "keystore" | "trustStore" | "truststore" => {
                let name = if list == Stores::Keystores { "keystoreFileName" } else { "truststoreFileName" };
                view[name] = "store".into();
            }
            "alias" | "algorithm" => {
                view[part] = String::from_utf8_lossy(&parts[part]).into_owned().into();
            }
            _ => {}
        }
    }
    view
}
