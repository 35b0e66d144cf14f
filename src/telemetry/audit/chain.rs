//! The chain: how a line of the audit is bound to everything before it.
//!
//! A line is `{"seq":7,...,"mac":"<64 hex digits>"}`. Its mac is HMAC-SHA256, under the configured key, of the
//! mac of the line before (32 zero bytes before the first) and of every byte that follows that line's end, up
//! to this line's own `,"mac":"`. So the bytes themselves are covered, not a reading of them, and so is what a
//! crash left between two lines.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac as _};
use jiff::Timestamp;
use serde::Deserialize;
use sha2::Sha256;

use crate::model::hex;
use crate::secret::SecretValue;

/// Shortest key: as long as the digest (RFC 2104, section 3).
const MIN_KEY_BYTES: usize = 32;
/// What stands between a line's content and its mac.
const BEFORE_MAC: &[u8] = br#","mac":""#;
const AFTER_MAC: &[u8] = br#""}"#;

/// The key is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an audit key has at least {MIN_KEY_BYTES} bytes; make one with: openssl rand -hex 32")]
pub struct KeyError;

/// What makes and checks the macs.
pub struct Key(Hmac<Sha256>);

impl Key {
    /// Takes any 32 bytes or more as they are.
    pub fn new(key: &SecretValue) -> Result<Self, KeyError> {
        if key.len() < MIN_KEY_BYTES {
            return Err(KeyError);
        }
        Hmac::new_from_slice(key.expose_bytes()).map(Self).map_err(|_| KeyError)
    }

    /// The mac of what follows the line with the mac `previous`.
    pub(super) fn mac(&self, previous: &Mac, between: &[u8], content: &[u8]) -> Mac {
        let mut hmac = self.0.clone();
        for part in [&previous.0[..], between, content] {
            hmac.update(part);
        }
        Mac(hmac.finalize().into_bytes().into())
    }
}

/// What binds a line to all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac([u8; 32]);

impl Mac {
    /// Lower-case hex alone: each line has one spelling.
    fn parse(text: &[u8]) -> Option<Self> {
        let digit = |byte: &u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = text.as_chunks::<2>();
        let mut mac = [0; 32];
        if pairs.len() != mac.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in mac.iter_mut().zip(pairs) {
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Some(Self(mac))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// The end of a chain: whoever has noted it can tell later whether anything was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the last line.
    pub seq: u64,
    /// Its mac.
    pub mac: Mac,
}

impl Head {
    /// Before the first line.
    pub const NONE: Self = Self { seq: 0, mac: Mac([0; 32]) };
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.mac)
    }
}

/// The text is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a head reads SEQ:MAC, a number and 64 hex digits, as the log and the metric show it")]
pub struct HeadError;

impl FromStr for Head {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, HeadError> {
        let (seq, mac) = text.split_once(':').ok_or(HeadError)?;
        let seq = seq.parse().map_err(|_| HeadError)?;
        Ok(Self { seq, mac: Mac::parse(mac.as_bytes()).ok_or(HeadError)? })
    }
}

/// A line of the audit, taken apart. Whether it is a true one is not said by that.
pub(super) struct Line<'a> {
    /// What the mac covers of it.
    pub(super) content: &'a [u8],
    pub(super) mac: Mac,
    pub(super) entry: Known,
}

/// What a reader of the chain has to know of an entry.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Known {
    pub(super) seq: u64,
    pub(super) time: Timestamp,
    pub(super) what: String,
    /// Bytes between the line before and this one that a crash left there.
    #[serde(default)]
    pub(super) torn: u64,
    /// Entries before this one that could not be written.
    #[serde(default)]
    pub(super) lost: u64,
}

impl<'a> Line<'a> {
    /// Takes a line without its end; none if it has not the form of one.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_suffix(AFTER_MAC)?;
        let (rest, mac) = rest.split_at_checked(rest.len().checked_sub(64)?)?;
        let content = rest.strip_suffix(BEFORE_MAC)?;
        let entry = serde_json::from_slice(&[content, b"}"].concat()).ok()?;
        Some(Self { content, mac: Mac::parse(mac)?, entry })
    }

    pub(super) fn head(&self) -> Head {
        Head { seq: self.entry.seq, mac: self.mac }
    }

    /// Whether it is the line that follows `previous`, with these bytes between the two.
    pub(super) fn follows(&self, previous: &Head, between: &[u8], key: &Key) -> bool {
        previous.seq.checked_add(1) == Some(self.entry.seq)
            && key.mac(&previous.mac, between, self.content) == self.mac
    }
}

/// Makes a line of `object`, a JSON object that is not empty, and gives its mac.
pub(super) fn seal(key: &Key, previous: &Mac, between: &[u8], object: &[u8]) -> (Vec<u8>, Mac) {
    let content = object.strip_suffix(b"}").unwrap_or(object);
    let mac = key.mac(previous, between, content);
    let line = [content, BEFORE_MAC, mac.to_string().as_bytes(), AFTER_MAC, b"\n"].concat();
    (line, mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<Key, KeyError> {
        Key::new(&SecretValue::from(text.to_owned()))
    }

    #[test]
    fn the_mac_is_one_that_other_tools_make() {
        let key = key("0123456789abcdef0123456789abcdef").unwrap();
        let (line, mac) = seal(&key, &Head::NONE.mac, b"", br#"{"seq":1}"#);
        // (head -c 32 /dev/zero; printf '{"seq":1') | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        let expected = "1517b155365214a23fd8809607c79c3e4ac1b1c85d73bf33593d53fc195261b0";
        assert_eq!(mac.to_string(), expected);
        assert_eq!(String::from_utf8(line).unwrap(), format!("{{\"seq\":1,\"mac\":\"{expected}\"}}\n"));
    }

    #[test]
    fn a_short_key_is_refused() {
        assert_eq!(key("0123456789abcdef0123456789abcde").err(), Some(KeyError));
    }

    #[test]
    fn a_head_survives_its_text_form_and_has_one_spelling() {
        let text = format!("17:{}", "0a".repeat(32));
        assert_eq!(text.parse::<Head>().unwrap().to_string(), text);
        for odd in ["", "17", "17:", ":0a", "x:0a", &text.to_uppercase(), &format!("{text}0"), "17:\u{e9}"] {
            assert_eq!(odd.parse::<Head>(), Err(HeadError), "{odd}");
        }
    }
}
