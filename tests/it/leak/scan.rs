//! Looks for a text in everything that could be made of it on its way into an output.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Shorter forms than this are not looked for: they would be found by chance.
const SHORTEST: usize = 8;

/// What is looked for, in every form.
pub(super) struct Scan {
    /// By their first bytes, so that a channel is gone through once.
    forms: HashMap<[u8; SHORTEST], Vec<(String, Vec<u8>)>>,
    /// Which pairs of bytes a form begins with: most places of a channel need no more than this.
    pairs: Vec<bool>,
}

impl Scan {
    /// Looks for each of these texts, whole, and for its first and its last letters and digits: what was
    /// cut, or escaped in a way that nobody thought of, still shows one of them.
    pub(super) fn of<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut all = BTreeSet::new();
        for (name, secret) in secrets {
            let plain = |c: char| c.is_ascii_alphanumeric();
            let head: String = secret.chars().take_while(|c| plain(*c)).collect();
            let tail: String = secret.chars().rev().take_while(|c| plain(*c)).collect();
            let tail: String = tail.chars().rev().collect();
            for (part, text) in [("", secret), (" (start)", &head), (" (end)", &tail)] {
                for (form, bytes) in forms(text) {
                    if text.len() >= SHORTEST && bytes.len() >= SHORTEST {
                        all.insert((bytes, format!("{name}{part}, {form}")));
                    }
                }
            }
        }
        let mut scan = Self { forms: HashMap::new(), pairs: vec![false; 1 << 16] };
        for (bytes, name) in all {
            scan.add(name, bytes);
        }
        scan
    }

    /// Looks for these bytes too, which are no text.
    pub(super) fn and_bytes(mut self, name: &str, bytes: &[u8]) -> Self {
        assert!(bytes.len() >= SHORTEST);
        for (form, bytes) in forms_of_bytes(bytes) {
            self.add(format!("{name}, {form}"), bytes);
        }
        self
    }

    fn add(&mut self, name: String, bytes: Vec<u8>) {
        let start = bytes[..SHORTEST].try_into().unwrap();
        self.pairs[pair(&bytes)] = true;
        self.forms.entry(start).or_default().push((name, bytes));
    }

    /// The names of the forms that are in `text`, with what stands around them.
    pub(super) fn find(&self, text: &[u8]) -> Vec<String> {
        let mut found = BTreeSet::new();
        for (at, start) in text.windows(SHORTEST).enumerate() {
            if !self.pairs[pair(start)] {
                continue;
            }
            let start: &[u8; SHORTEST] = start.try_into().unwrap();
            let mut forms = self.forms.get(start).into_iter().flatten();
            if let Some((name, form)) = forms.find(|(_, form)| text[at..].starts_with(form)) {
                let around = &text[at.saturating_sub(80)..text.len().min(at + form.len() + 20)];
                found.insert(format!("{name}: ...{}...", String::from_utf8_lossy(around)));
            }
            if found.len() == 10 {
                break;
            }
        }
        found.into_iter().collect()
    }
}

fn pair(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// Every form of a text, by name.
fn forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let inner = |quoted: String| quoted[1..quoted.len() - 1].to_owned();
    let json = |text: &str| inner(serde_json::to_string(text).unwrap());
    let (once, debug) = (json(text), inner(format!("{text:?}")));
    let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut forms: Vec<(&'static str, Vec<u8>)> = vec![
        ("JSON", once.clone().into()),
        ("JSON in JSON", json(&once).into()),
        ("JSON with escaped slashes", once.replace('/', "\\/").into()),
        ("JSON in ASCII", ascii(&once, |unit| format!("\\u{unit:04x}")).into()),
        ("JSON in ASCII, capitals", ascii(&once, |unit| format!("\\u{unit:04X}")).into()),
        ("Debug", debug.clone().into()),
        ("Debug in JSON", json(&debug).into()),
        ("bytes in ASCII", text.as_bytes().escape_ascii().to_string().into()),
        ("HTML", html.into()),
        ("URL", percent(text, "%20", true).into()),
        ("URL, small letters", percent(text, "%20", false).into()),
        ("form", percent(text, "+", true).into()),
        ("UTF-16 LE", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16 BE", text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ];
    forms.extend(forms_of_bytes(text.as_bytes()));
    forms
}

/// Every form of bytes, text or not, by name.
fn forms_of_bytes(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let mut forms: Vec<(&'static str, Vec<u8>)> = vec![
        ("plain", bytes.into()),
        ("list of bytes", list.join(", ").into()),
        ("list of bytes, tight", list.join(",").into()),
        ("hex", hex(bytes, "", false).into()),
        ("hex, capitals", hex(bytes, "", true).into()),
    ];
    for offset in 0..3 {
        forms.push(("base64", aligned(bytes, offset, &STANDARD_NO_PAD).into()));
        forms.push(("base64 for URLs", aligned(bytes, offset, &URL_SAFE_NO_PAD).into()));
    }
    forms
}

/// Base64 of bytes when `offset` others stand before them, without the digits that their neighbours share.
fn aligned(bytes: &[u8], offset: usize, engine: &impl Engine) -> String {
    let bytes = [&[0; 2][..offset], bytes].concat();
    let encoded = engine.encode(&bytes);
    let (first, last) = ((offset * 8).div_ceil(6), bytes.len() * 8 / 6);
    encoded[first..last].to_owned()
}

fn hex(bytes: &[u8], before: &str, capitals: bool) -> String {
    bytes.iter().fold(String::new(), |mut all, byte| {
        if capitals { write!(all, "{before}{byte:02X}") } else { write!(all, "{before}{byte:02x}") }.unwrap();
        all
    })
}

fn percent(text: &str, space: &str, capitals: bool) -> String {
    text.chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() => c.to_string(),
            ' ' => space.to_owned(),
            c => hex(c.encode_utf8(&mut [0; 4]).as_bytes(), "%", capitals),
        })
        .collect()
}

fn ascii(text: &str, escape: impl Fn(u16) -> String) -> String {
    text.chars()
        .map(|c| match c {
            c if c.is_ascii() => c.to_string(),
            c => c.encode_utf16(&mut [0; 2]).iter().map(|unit| escape(*unit)).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;
    use crate::leak::CANARY;

    fn seen(text: impl AsRef<[u8]>) -> bool {
        let noise = [b"noise before ".as_slice(), text.as_ref(), b" and after"].concat();
        !Scan::of([("canary", CANARY)]).find(&noise).is_empty()
    }

    #[test]
    fn the_canary_is_seen_in_every_encoding() {
        assert!(seen(CANARY));
        for before in 0..6 {
            for after in 0..4 {
                let text = format!("{}{CANARY}{}", "x".repeat(before), "y".repeat(after));
                assert!(seen(STANDARD.encode(&text)), "base64 {before} {after}");
                assert!(seen(URL_SAFE.encode(&text)), "base64 for URLs {before} {after}");
            }
        }
        let hex = CANARY.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        assert!(seen(&hex) && seen(hex.to_uppercase()));
        let form: String = url::form_urlencoded::byte_serialize(CANARY.as_bytes()).collect();
        assert!(seen(&form) && seen(form.replace('+', "%20")));
        let json = serde_json::to_string(CANARY).unwrap();
        assert!(seen(&json) && seen(serde_json::to_string(&json).unwrap()));
        assert!(seen(format!("{CANARY:?}")) && seen(format!("{:?}", CANARY.as_bytes())));
        assert!(seen(CANARY.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()));
        assert!(seen(CANARY.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>()));
    }

    #[test]
    fn each_encoding_changes_the_canary_and_half_of_it_is_seen() {
        let escaped =
            ["JSON", "Debug", "bytes in ASCII", "HTML", "hex", "URL", "form", "UTF-16 LE", "base64"];
        let of = |name: &str| forms(CANARY).into_iter().find(|(form, _)| *form == name).unwrap().1;
        let different: BTreeSet<Vec<u8>> =
            escaped.iter().map(|name| of(name)).chain([CANARY.into()]).collect();
        assert_eq!(different.len(), 9, "JSON and Debug escape it alike, all others differ");
        let middle = CANARY.len() / 2;
        let cut = (middle..CANARY.len()).find(|at| CANARY.is_char_boundary(*at)).unwrap();
        assert!(seen(&CANARY[..cut]) && seen(&CANARY[cut..]));
        for half in [&CANARY[..cut], &CANARY[cut..]] {
            assert!(seen(STANDARD.encode(half)));
        }
    }

    #[test]
    fn what_is_not_the_canary_is_not_seen() {
        assert!(!seen("a password"));
        assert!(!seen(STANDARD.encode("a password that is long enough")));
    }
}
