//! Whether a private key belongs to a certificate, before either is sent.
//!
//! Guarantees: a decrypted key is wiped; a wrong pass phrase and a foreign key are refused. What cannot
//! be opened here (OpenSSL's encryption before PKCS #8, scrypt, 3DES, curves and sizes that the crypto
//! library does not sign with) is let through and said not to be checked: Anypoint may well know it.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::prelude::X509Certificate;
use x509_parser::x509::SubjectPublicKeyInfo;
use zeroize::Zeroizing;

use super::{certificates, pem, refuse};
use crate::model::Failure;
use crate::secret::SecretValue;

/// More would hold a thread up; OpenSSL writes 2,048, and 600,000 is what is advised for passwords.
const MAX_ITERATIONS: u32 = 600_000;

/// Refuses a key that is not that of `leaf`. Gives why that could not be told.
pub(super) fn check(
    key: &str,
    passphrase: Option<&SecretValue>,
    leaf: &X509Certificate<'_>,
) -> Result<Option<&'static str>, Failure> {
    let block = only_block(key)?;
    let encrypted = block.encrypted || block.label == "ENCRYPTED PRIVATE KEY";
    let der = match (encrypted, passphrase) {
        (false, _) => block.der,
        (true, None) => {
            return Err(refuse(
                "`key` is encrypted, and there is no `key_passphrase`".to_owned(),
                "set `key_passphrase`, or store the key without encryption",
            ));
        }
        (true, Some(_)) if block.encrypted => {
            return Ok(Some("`key` is encrypted in OpenSSL's old form"));
        }
        (true, Some(passphrase)) => match decrypt(block.der.expose_bytes(), passphrase.expose_bytes()) {
            Opened::Key(key) => key,
            Opened::WrongPassphrase => {
                return Err(refuse(
                    "`key_passphrase` does not open `key`".to_owned(),
                    "rotate both together: take them from one secret",
                ));
            }
            Opened::Unknown => return Ok(Some("`key` is encrypted in a way that the relay does not read")),
        },
    };
    let bytes = der.expose_bytes();
    let key = match block.label {
        "RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(bytes)),
        "EC PRIVATE KEY" => PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(bytes)),
        _ => PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(bytes)),
    };
    let Ok(key) = any_supported_type(&key) else {
        return Ok(Some("`key` is of a kind or size that the relay does not know"));
    };
    let Some(public) = key.public_key() else {
        return Ok(Some("`key` does not show its public part"));
    };
    let same = SubjectPublicKeyInfo::from_der(public.as_ref())
        .is_ok_and(|(_, public)| public.subject_public_key.data == leaf.public_key().subject_public_key.data);
    if same {
        return Ok(None);
    }
    Err(refuse(
        format!("`key` is not the key of certificate {}", certificates::name(leaf)),
        "rotate both together: take them from one secret",
    ))
}

/// The one private key of a text.
fn only_block(text: &str) -> Result<pem::Block<'_>, Failure> {
    let blocks = pem::blocks(text).map_err(|what| {
        refuse(
            format!("`key` is not PEM: {what}"),
            "store the text with its line ends (in JSON: \\n), from BEGIN to END",
        )
    })?;
    // OpenSSL writes the curve's parameters before the key.
    let mut rest = blocks.into_iter().filter(|block| block.label != "EC PARAMETERS");
    match (rest.next(), rest.next()) {
        (Some(block), None) if block.label.ends_with("PRIVATE KEY") => Ok(block),
        _ => Err(refuse(
            "`key` holds something else than one private key".to_owned(),
            "give the private key alone; certificates belong to `certificate` and `ca_path`",
        )),
    }
}

enum Opened {
    Key(SecretValue),
    WrongPassphrase,
    Unknown,
}

/// PBES2 with PBKDF2 and AES-CBC (RFC 8018), which is what OpenSSL, Java and AWS write.
fn decrypt(der: &[u8], passphrase: &[u8]) -> Opened {
    let Some(scheme) = Scheme::read(der) else { return Opened::Unknown };
    let mut key = Zeroizing::new([0_u8; 32]);
    let key = &mut key[..scheme.key_length];
    pbkdf2::derive(scheme.prf, scheme.iterations, scheme.salt, passphrase, key);
    let algorithm = match scheme.key_length {
        16 => &AES_128,
        24 => &AES_192,
        _ => &AES_256,
    };
    let opening = UnboundCipherKey::new(algorithm, key).and_then(PaddedBlockDecryptingKey::cbc_pkcs7);
    let Ok(opening) = opening else { return Opened::Unknown };
    let mut content = Zeroizing::new(scheme.content.to_vec());
    let length = match opening.decrypt(&mut content, DecryptionContext::Iv128(FixedLength::from(scheme.iv))) {
        // Now and then a wrong key leaves a right padding, but no structure.
        Ok(plain) if take(plain, Tag::Sequence).is_some_and(|(_, rest)| rest.is_empty()) => plain.len(),
        _ => return Opened::WrongPassphrase,
    };
    content.truncate(length);
    Opened::Key(SecretValue::new(std::mem::take(&mut *content)))
}

/// What an EncryptedPrivateKeyInfo says about its encryption.
struct Scheme<'a> {
    prf: pbkdf2::Algorithm,
    iterations: NonZeroU32,
    salt: &'a [u8],
    key_length: usize,
    iv: [u8; 16],
    content: &'a [u8],
}

impl<'a> Scheme<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        // Encoded object identifiers (RFC 8018, appendix C; NIST's AES).
        const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
        const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
        const HMAC: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02];
        const AES: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01];

        let (whole, _) = take(der, Tag::Sequence)?;
        let (algorithm, rest) = take(whole, Tag::Sequence)?;
        let (content, _) = take(rest, Tag::OctetString)?;
        let parameters = take(named(algorithm, PBES2)?, Tag::Sequence)?.0;
        let (derivation, rest) = take(parameters, Tag::Sequence)?;
        let (encryption, _) = take(rest, Tag::Sequence)?;

        let derivation = take(named(derivation, PBKDF2)?, Tag::Sequence)?.0;
        let (salt, rest) = take(derivation, Tag::OctetString)?;
        let (iterations, rest) = take(rest, Tag::Integer)?;
        let iterations = iterations
            .iter()
            .try_fold(0_u32, |sum, byte| sum.checked_mul(256).map(|sum| sum | u32::from(*byte)))?;
        let iterations = NonZeroU32::new(iterations).filter(|count| count.get() <= MAX_ITERATIONS)?;
        let rest = take(rest, Tag::Integer).map_or(rest, |(_, rest)| rest);
        let prf = match take(rest, Tag::Sequence) {
            None => pbkdf2::PBKDF2_HMAC_SHA1,
            Some((prf, _)) => match take(prf, Tag::Oid)?.0.strip_prefix(HMAC)? {
                [7] => pbkdf2::PBKDF2_HMAC_SHA1,
                [9] => pbkdf2::PBKDF2_HMAC_SHA256,
                [10] => pbkdf2::PBKDF2_HMAC_SHA384,
                [11] => pbkdf2::PBKDF2_HMAC_SHA512,
                _ => return None,
            },
        };

        let (cipher, rest) = take(encryption, Tag::Oid)?;
        let key_length = match cipher.strip_prefix(AES)? {
            [2] => 16,
            [22] => 24,
            [42] => 32,
            _ => return None,
        };
        let iv = take(rest, Tag::OctetString)?.0.try_into().ok()?;
        Some(Self { prf, iterations, salt, key_length, iv, content })
    }
}

/// What follows the object identifier of an AlgorithmIdentifier, where it is this one.
fn named<'a>(algorithm: &'a [u8], identifier: &[u8]) -> Option<&'a [u8]> {
    take(algorithm, Tag::Oid).filter(|(found, _)| *found == identifier).map(|(_, rest)| rest)
}

/// The content of the element that stands first, and what follows it.
fn take(der: &[u8], tag: Tag) -> Option<(&[u8], &[u8])> {
    let (rest, any) = Any::from_der(der).ok()?;
    (any.tag() == tag).then_some((any.data, rest))
}
