//! Certificates before they are sent: how many, until when, and who signed whom.
//!
//! Guarantees: what passes has certificates alone in it (a private key in the wrong field would be shown
//! to everybody who may read metadata), all valid now, each signed by the next. Does not guarantee: that
//! anybody trusts the last of them, or that names fit a host.

use jiff::{SignedDuration, Timestamp};
use x509_parser::error::X509Error;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{pem, refuse};
use crate::model::{Failure, Retry};

/// What expires within this time is told.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How far an issuer's clock may be ahead of this one.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// Longest name that a message shows, in characters.
const NAME: usize = 64;

/// The certificates of one setting.
pub(super) struct Certificates {
    setting: &'static str,
    ders: Vec<Vec<u8>>,
}

impl Certificates {
    /// Reads PEM; anything else than certificates refuses it.
    pub(super) fn read(setting: &'static str, text: &str) -> Result<Self, Failure> {
        let blocks = pem::blocks(text).map_err(|what| {
            refuse(
                format!("`{setting}` is not PEM: {what}"),
                "store the text with its line ends (in JSON: \\n), from BEGIN to END",
            )
        })?;
        let mut ders = Vec::with_capacity(blocks.len());
        for block in blocks {
            if block.label != "CERTIFICATE" {
                let what =
                    if block.label.ends_with("PRIVATE KEY") { "a private key" } else { "another block" };
                return Err(refuse(
                    format!(
                        "`{setting}` holds {what} beside certificates, which would be stored in the open"
                    ),
                    "give certificates alone; a private key belongs to `key`",
                ));
            }
            ders.push(block.der.expose_bytes().to_vec());
        }
        Ok(Self { setting, ders })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.ders.len()
    }

    /// Each of them, in order.
    pub(super) fn parsed(&self) -> Result<Vec<X509Certificate<'_>>, Failure> {
        let parsed = self.ders.iter().map(|der| X509Certificate::from_der(der)).enumerate();
        parsed
            .map(|(place, parsed)| match parsed {
                Ok(([], certificate)) => Ok(certificate),
                _ => Err(refuse(
                    format!("block {} of `{}` is not an X.509 certificate", place + 1, self.setting),
                    "store the certificate as it was issued, in PEM",
                )),
            })
            .collect()
    }
}

/// Refuses what is not valid now. Gives what expires soon, the earliest first.
pub(super) fn check_validity(
    all: &[(&'static str, &X509Certificate<'_>)],
    now: Timestamp,
) -> Result<Option<String>, Failure> {
    let mut earliest: Option<(Timestamp, String)> = None;
    for (setting, certificate) in all {
        let name = name(certificate);
        let validity = certificate.validity();
        let [Ok(from), Ok(until)] =
            [validity.not_before, validity.not_after].map(|time| Timestamp::from_second(time.timestamp()))
        else {
            return Err(refuse(
                format!("certificate {name} of `{setting}` has a validity that no calendar has"),
                "issue it again",
            ));
        };
        if now.as_second() > until.as_second() {
            return Err(refuse(
                format!("certificate {name} of `{setting}` expired on {}", day(until)),
                "renew it: Anypoint refuses expired certificates",
            ));
        }
        if from > now + AHEAD {
            let mut early = refuse(
                format!("certificate {name} of `{setting}` is not valid before {}", day(from)),
                "wait, or issue one that is valid now; it is looked at again from time to time",
            );
            // Nobody has to change anything for this to pass.
            early.retry = Retry::Slowly;
            return Err(early);
        }
        if until < now + SOON && earliest.as_ref().is_none_or(|(first, _)| until < *first) {
            earliest = Some((until, name));
        }
    }
    Ok(earliest.map(|(until, name)| format!("certificate {name} expires on {}: renew it soon", day(until))))
}

/// Refuses a chain in which one is not signed by the next. Gives why that could not be told for one.
pub(super) fn check_chain(
    leaf: &X509Certificate<'_>,
    above: &[X509Certificate<'_>],
) -> Result<Option<String>, Failure> {
    const ORDER: &str = "put the issuer of the leaf first, then the issuer of that, up to the root";
    if above.iter().any(|certificate| certificate.as_raw() == leaf.as_raw()) {
        return Err(refuse(
            "`ca_path` holds the certificate of `certificate` as well".to_owned(),
            "leave the leaf out of `ca_path`",
        ));
    }
    let mut unchecked = None;
    let issuers = above.iter();
    for (certificate, issuer) in std::iter::once(leaf).chain(above).zip(issuers) {
        let (lower, upper) = (name(certificate), name(issuer));
        if !issuer.is_ca() && issuer.version().0 >= 2 {
            return Err(refuse(format!("certificate {upper} of `ca_path` is not of a CA"), ORDER));
        }
        let issued = certificate.issuer().as_raw() == issuer.subject().as_raw();
        match certificate.verify_signature(Some(issuer.public_key())) {
            Ok(()) if issued => {}
            Err(X509Error::SignatureUnsupportedAlgorithm) if issued => {
                unchecked = Some(format!(
                    "not checked: whether {upper} signed {lower} (the relay does not know the algorithm)"
                ));
            }
            _ => {
                return Err(refuse(
                    format!("certificate {lower} is not signed by {upper}, which follows it in `ca_path`"),
                    ORDER,
                ));
            }
        }
    }
    Ok(unchecked)
}

/// The common name in quotes, else the whole subject; cut to a length that fits a line.
pub(super) fn name(certificate: &X509Certificate<'_>) -> String {
    let subject = certificate.subject();
    let common = subject.iter_common_name().next().and_then(|name| name.as_str().ok());
    let whole: String = common.map_or_else(|| subject.to_string(), str::to_owned);
    let shown: String = whole.chars().take(NAME).collect();
    format!("{shown:?}")
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
