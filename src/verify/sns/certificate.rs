//! A signing certificate: exactly one PEM block, RSA, in its time, with the right name.
//!
//! The chain to a root is not checked: the file holds the leaf alone, and TLS to the host of
//! [`super::CertificateUrl`] is what vouches for it (no verifier of AWS's own checks the chain). The
//! strict file form keeps an error page that reflects its input from passing as a certificate.

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::{SignatureVersion, SnsRefusal, partition};
use crate::model::TopicArn;

/// Largest certificate file that is looked at; real ones have about 2 KiB.
pub const MAX_CERTIFICATE_BYTES: usize = 64 * 1024;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// A certificate whose form and key are right. Time, name and signature are asked for each message.
#[derive(Clone, Debug)]
pub struct Certificate {
    facts: CertificateFacts,
    sha1: ParsedPublicKey,
    sha256: ParsedPublicKey,
}

impl Certificate {
    /// Reads a file. Refusals mean that the file is not what SNS serves; whether a proxy's error page
    /// or an attack is behind it, the caller cannot tell.
    pub fn parse(pem: &[u8]) -> Result<Self, SnsRefusal> {
        CertificateFacts::read(pem)?.into_certificate()
    }

    /// When it stops being valid: no reason to keep it longer.
    pub fn not_after(&self) -> Timestamp {
        self.facts.not_after
    }

    pub(super) fn check_use(&self, topic: &TopicArn, now: Timestamp) -> Result<(), SnsRefusal> {
        self.facts.check_validity(now)?;
        self.facts.check_name(topic)
    }

    /// RSASSA-PKCS1-v1_5 over the canonical string.
    pub(crate) fn check_signature(
        &self,
        version: SignatureVersion,
        canonical: &[u8],
        signature: &[u8],
    ) -> Result<(), SnsRefusal> {
        let key = match version {
            SignatureVersion::One => &self.sha1,
            SignatureVersion::Two => &self.sha256,
        };
        key.verify_sig(canonical, signature).map_err(|_| SnsRefusal::Signature)
    }
}

/// What a certificate says, before its key is judged.
#[derive(Clone, Debug)]
pub(crate) struct CertificateFacts {
    names: Vec<String>,
    not_before: Timestamp,
    not_after: Timestamp,
    /// SubjectPublicKeyInfo; none where the key is not RSA of an accepted size.
    rsa: Option<Vec<u8>>,
}

impl CertificateFacts {
    /// Reads exactly one PEM block with one X.509 certificate in it.
    pub(crate) fn read(pem: &[u8]) -> Result<Self, SnsRefusal> {
        let der = one_block(pem).ok_or(SnsRefusal::CertificateFile)?;
        Self::from_der(&der).ok_or(SnsRefusal::CertificateFile)
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let names = certificate.subject_alternative_name().ok()?.map(|extension| {
            let names = extension.value.general_names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            });
            names.collect()
        });
        let key = certificate.public_key();
        let is_rsa =
            matches!(key.parsed(), Ok(PublicKey::RSA(rsa)) if (2048..=8192).contains(&rsa.key_size()));
        let validity = certificate.validity();
        Some(Self {
            names: names.unwrap_or_default(),
            not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
            rsa: is_rsa.then(|| key.raw.to_vec()),
        })
    }

    /// The names for hosts in it.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// First and last second of its validity.
    pub(crate) fn validity(&self) -> (Timestamp, Timestamp) {
        (self.not_before, self.not_after)
    }

    /// Both ends of the validity belong to it (RFC 5280, 4.1.2.5), down to whole seconds.
    pub(crate) fn check_validity(&self, now: Timestamp) -> Result<(), SnsRefusal> {
        if now < self.not_before {
            Err(SnsRefusal::CertificateEarly)
        } else if now.as_second() > self.not_after.as_second() {
            Err(SnsRefusal::CertificateExpired)
        } else {
            Ok(())
        }
    }

    /// The name must be there in full; wildcards and the common name do not count.
    pub(crate) fn check_name(&self, topic: &TopicArn) -> Result<(), SnsRefusal> {
        let wanted = partition::certificate_name(topic).ok_or(SnsRefusal::CertificateName)?;
        let found = self.names.iter().any(|name| name.eq_ignore_ascii_case(&wanted));
        if found { Ok(()) } else { Err(SnsRefusal::CertificateName) }
    }

    /// The certificate, if its key will do.
    pub(crate) fn into_certificate(self) -> Result<Certificate, SnsRefusal> {
        let rsa = self.rsa.as_deref().ok_or(SnsRefusal::CertificateKey)?;
        let parsed = |algorithm| ParsedPublicKey::new(algorithm, rsa).map_err(|_| SnsRefusal::CertificateKey);
        let sha1 = parsed(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY)?;
        let sha256 = parsed(&RSA_PKCS1_2048_8192_SHA256)?;
        Ok(Certificate { sha1, sha256, facts: self })
    }
}

/// The content of a file that is one `CERTIFICATE` block (RFC 7468, strict form) and nothing else but
/// line ends after it.
fn one_block(pem: &[u8]) -> Option<Vec<u8>> {
    if pem.len() > MAX_CERTIFICATE_BYTES {
        return None;
    }
    let text = std::str::from_utf8(pem).ok()?;
    let body = text.trim_end_matches(['\r', '\n']).strip_prefix(BEGIN)?.strip_suffix(END)?;
    // The markers stand on lines of their own, and no line between them is empty.
    let lines = body.strip_prefix('\r').unwrap_or(body).strip_prefix('\n')?;
    if !lines.ends_with('\n') || lines.lines().any(str::is_empty) {
        return None;
    }
    STANDARD.decode(lines.lines().collect::<String>()).ok()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, CertificateShape};
    use super::*;

    fn refusal(pem: &str) -> SnsRefusal {
        Certificate::parse(pem.as_bytes()).unwrap_err()
    }

    #[test]
    fn one_pem_block_is_read_with_either_line_end() {
        let pem = testing::certificate(&CertificateShape::default());
        for text in [pem.clone(), pem.trim_end().to_owned(), pem.replace('\n', "\r\n")] {
            assert!(Certificate::parse(text.as_bytes()).is_ok());
        }
    }

    #[test]
    fn any_other_form_than_one_pem_block_is_refused() {
        let pem = testing::certificate(&CertificateShape::default());
        let body = pem.trim_end().strip_prefix(BEGIN).unwrap().strip_suffix(END).unwrap();
        for text in [
            String::new(),
            format!("{pem}{pem}"),
            format!("{pem}trailing"),
            format!("{pem} "),
            format!("leading\n{pem}"),
            format!("\n{pem}"),
            format!("<Error><Key>{pem}</Key></Error>"),
            format!("<Error>\n{pem}</Error>\n"),
            body.to_owned(),
            format!("-----BEGIN TRUSTED CERTIFICATE-----{body}-----END TRUSTED CERTIFICATE-----"),
            format!("{BEGIN}{body}-----END RSA PRIVATE KEY-----"),
            format!("{BEGIN}\nAAAA\n{END}\n"),
            format!("{BEGIN}\n{body}{END}\n"),
            format!("{BEGIN}{}{END}\n", body.trim_end()),
            format!("{BEGIN}\nProc-Type: 4,ENCRYPTED\n{body}{END}\n"),
            pem.replace("\nMII", "\nMII "),
            pem.replace(BEGIN, "-----BEGIN CERTIFICATE----- "),
            format!("{pem}{}", "\n".repeat(MAX_CERTIFICATE_BYTES)),
        ] {
            assert_eq!(refusal(&text), SnsRefusal::CertificateFile, "{text}");
        }
    }

    #[test]
    fn bytes_after_the_certificate_inside_the_block_are_refused() {
        let pem = testing::certificate(&CertificateShape::default());
        let mut der = one_block(pem.as_bytes()).unwrap();
        der.push(0);
        assert_eq!(
            refusal(&format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(der))),
            SnsRefusal::CertificateFile
        );
    }

    #[test]
    fn a_key_under_2048_bits_or_of_another_kind_is_refused() {
        let small = include_str!("../../../tests/fixtures/sns/certificate-rsa-1024.pem");
        let elliptic = include_str!("../../../tests/fixtures/sns/certificate-p256.pem");
        assert_eq!(refusal(small), SnsRefusal::CertificateKey);
        assert_eq!(refusal(elliptic), SnsRefusal::CertificateKey);
    }

    #[test]
    fn both_ends_of_the_validity_belong_to_it() {
        let pem = testing::certificate(&CertificateShape::default());
        let facts = CertificateFacts::read(pem.as_bytes()).unwrap();
        let (first, last) = facts.validity();
        let second = jiff::SignedDuration::from_secs(1);
        assert_eq!(facts.check_validity(first), Ok(()));
        assert_eq!(facts.check_validity(last), Ok(()));
        assert_eq!(facts.check_validity(first - second), Err(SnsRefusal::CertificateEarly));
        assert_eq!(facts.check_validity(last + second), Err(SnsRefusal::CertificateExpired));
    }

    #[test]
    fn only_the_full_name_counts() {
        let topic = TopicArn::parse(testing::TOPIC).unwrap();
        for (names, fits) in [
            (vec!["sns.amazonaws.com"], true),
            (vec!["other.example", "SNS.amazonaws.com"], true),
            (vec!["sns.eu-west-1.amazonaws.com"], false),
            (vec!["*.amazonaws.com"], false),
            (vec!["sns.amazonaws.com.evil.example"], false),
            (vec![], false),
        ] {
            let pem = testing::certificate(&CertificateShape { names: names.clone(), ..Default::default() });
            let facts = CertificateFacts::read(pem.as_bytes()).unwrap();
            assert_eq!(facts.check_name(&topic).is_ok(), fits, "{names:?}");
        }
    }
}
