//! Stores that are binary files: that they are what they are said to be, and whole.
//!
//! A JKS or JCEKS store ends in a digest over itself and its pass phrase, so a wrong pass phrase and a
//! damaged file are refused. Of a PKCS #12 store only the form is looked at; of all of them neither the
//! alias nor the certificates inside.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA1_OUTPUT_LEN};
use zeroize::Zeroizing;

use super::{pem, refuse};
use crate::config::StoreFormat;
use crate::model::Failure;
use crate::secret::SecretValue;

/// The file behind its base64, which may have line ends.
pub(super) fn decode(setting: &'static str, text: &str) -> Result<SecretValue, Failure> {
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    digits.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    pem::decode(&digits).ok_or_else(|| {
        refuse(
            format!("the value for {setting} is not base64"),
            "store the file as binary and set `binary: true` on its source, or store it as base64",
        )
    })
}

/// Refuses a file of another format, or one that `passphrase` does not open where that can be told.
pub(super) fn check(
    setting: &'static str,
    format: StoreFormat,
    file: &[u8],
    passphrase: &str,
) -> Result<(), Failure> {
    let found = recognise(file);
    if found != Some(format) {
        let (wanted, found) = (format.as_str(), found.map(StoreFormat::as_str));
        return Err(refuse(
            format!("`{setting}` is not a store of type {wanted}"),
            &match found {
                Some(found) => {
                    format!("it is one of type {found}: store one of type {wanted} (keytool -importkeystore)")
                }
                None => format!("store the file as it is, of type {wanted}"),
            },
        ));
    }
    if format != StoreFormat::Pkcs12 && !is_whole(file, passphrase) {
        return Err(refuse(
            format!("`store_passphrase` does not open `{setting}`, or the file is damaged"),
            "rotate both together: take them from one secret",
        ));
    }
    Ok(())
}

/// By the first bytes.
fn recognise(file: &[u8]) -> Option<StoreFormat> {
    match file {
        [0xfe, 0xed, 0xfe, 0xed, ..] => Some(StoreFormat::Jks),
        [0xce, 0xce, 0xce, 0xce, ..] => Some(StoreFormat::Jceks),
        // SEQUENCE { INTEGER 3, ... }, its length in any form (RFC 7292, 4).
        [0x30, 0x80, 2, 1, 3, ..]
        | [0x30, 0x81, _, 2, 1, 3, ..]
        | [0x30, 0x82, _, _, 2, 1, 3, ..]
        | [0x30, 0x83, _, _, _, 2, 1, 3, ..] => Some(StoreFormat::Pkcs12),
        _ => None,
    }
}

/// SHA-1 over the pass phrase in UTF-16, a fixed text and the file (JDK, `sun.security.provider.JavaKeyStore`).
fn is_whole(file: &[u8], passphrase: &str) -> bool {
    let Some((content, digest)) = file.split_last_chunk::<SHA1_OUTPUT_LEN>() else { return false };
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for unit in passphrase.encode_utf16() {
        hash.update(&unit.to_be_bytes());
    }
    hash.update(b"Mighty Aphrodite");
    hash.update(content);
    hash.finish().as_ref() == digest
}
