//! PEM (RFC 7468) as people store it: blocks with anything between them.
//!
//! Guarantees: the bytes of a block are wiped when it goes; an error never quotes the content.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::secret::SecretValue;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One block. No Debug: it may be a key.
pub(super) struct Block<'a> {
    /// What stands behind `BEGIN`.
    pub(super) label: &'a str,
    /// Its bytes.
    pub(super) der: SecretValue,
    /// Whether headers say that the bytes are encrypted (RFC 1421; OpenSSL's form before PKCS #8).
    pub(super) encrypted: bool,
}

/// Every block of a text, or what is wrong with its form.
pub(super) fn blocks(text: &str) -> Result<Vec<Block<'_>>, &'static str> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        let Some(rest) = line.strip_prefix(BEGIN) else { continue };
        let label = rest.strip_suffix(DASHES).ok_or("a BEGIN line does not end in five dashes")?;
        let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
        let mut encrypted = false;
        loop {
            let line = lines.next().ok_or("a BEGIN line has no END line")?;
            if let Some(end) = line.strip_prefix(END) {
                if end.strip_suffix(DASHES) != Some(label) {
                    return Err("a BEGIN line and its END line differ");
                }
                break;
            }
            if line.contains(':') {
                encrypted |= line.starts_with("Proc-Type:") && line.contains("ENCRYPTED");
            } else {
                digits.extend_from_slice(line.trim_start().as_bytes());
            }
        }
        found.push(Block { label, der: decode(&digits).ok_or("a block is not base64")?, encrypted });
    }
    if found.is_empty() { Err("there is no PEM block in it") } else { Ok(found) }
}

/// Base64 into memory that is wiped.
pub(super) fn decode(digits: &[u8]) -> Option<SecretValue> {
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(digits.len())]);
    let length = STANDARD.decode_slice(digits, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(SecretValue::new(std::mem::take(&mut *bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (String, Vec<u8>, bool);

    fn read(text: &str) -> Result<Vec<Read>, &'static str> {
        let whole =
            |block: Block<'_>| (block.label.to_owned(), block.der.expose_bytes().to_vec(), block.encrypted);
        blocks(text).map(|all| all.into_iter().map(whole).collect())
    }

    #[test]
    fn blocks_are_found_between_other_lines_and_with_either_line_end() {
        let text = "Bag Attributes\n-----BEGIN A-----\nAQ\nID\n-----END A-----\nsubject=x\n-----BEGIN B C-----\nBA==\n-----END B C-----";
        let both = vec![("A".to_owned(), vec![1, 2, 3], false), ("B C".to_owned(), vec![4], false)];
        assert_eq!(read(text), Ok(both.clone()));
        assert_eq!(read(&text.replace('\n', "\r\n")), Ok(both));
    }

    #[test]
    fn headers_tell_that_a_block_is_encrypted() {
        let text =
            "-----BEGIN K-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAQID\n-----END K-----";
        assert_eq!(read(text), Ok(vec![("K".to_owned(), vec![1, 2, 3], true)]));
    }

    #[test]
    fn what_is_no_pem_is_told_without_its_content() {
        for (text, wrong) in [
            ("", "there is no PEM block in it"),
            ("s3cret", "there is no PEM block in it"),
            ("-----BEGIN A-----\ns3cret!\n-----END A-----", "a block is not base64"),
            ("-----BEGIN A-----\nAQID\n", "a BEGIN line has no END line"),
            ("-----BEGIN A-----\nAQID\n-----END B-----", "a BEGIN line and its END line differ"),
            ("-----BEGIN A----- AQID -----END A-----", "a block is not base64"),
            ("-----BEGIN A", "a BEGIN line does not end in five dashes"),
        ] {
            let found = read(text);
            assert!(found == Err(wrong) || text.contains(" AQID ") && found.is_err(), "{text}: {found:?}");
        }
    }
}
