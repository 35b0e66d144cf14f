//! Looks for secret values in all that the relay says: its log, its answers, its pages, its file.
//!
//! Every secret of the storm holds one marker, so that one search finds any of them, whole or cut, plain or
//! in a form that a value commonly takes on its way into an output.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// What every secret value and every key contains.
pub(crate) const MARKER: &str = "zQ7vK4mXw9Jt";
/// Places that are remembered; one is too many.
const KEPT: usize = 20;

/// What was found so far; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Leaks {
    forms: Arc<Vec<Vec<u8>>>,
    found: Arc<Mutex<Vec<String>>>,
}

impl Leaks {
    pub(crate) fn new() -> Self {
        Self { forms: Arc::new(forms()), found: Arc::default() }
    }

    /// Searches `text`, which came from `place`.
    pub(crate) fn search(&self, place: &str, text: &[u8]) {
        // Each form begins with one of few bytes, and most texts hold none of the forms.
        if self.forms.iter().any(|form| contains(text, form)) {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            if found.len() < KEPT && !found.iter().any(|known| known == place) {
                found.push(place.to_owned());
            }
        }
    }

    /// The places where a value was found.
    pub(crate) fn found(&self) -> Vec<String> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn contains(text: &[u8], form: &[u8]) -> bool {
    let Some(first) = form.first() else { return false };
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        if rest[at..].starts_with(form) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// The marker is letters and digits, which JSON, URLs, HTML and Debug leave as they are.
fn forms() -> Vec<Vec<u8>> {
    let bytes = MARKER.as_bytes();
    let hex = |pair: fn(&u8) -> String| bytes.iter().map(pair).collect::<String>().into_bytes();
    let decimal: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let base64 = (0..3).map(|before| {
        // Without the digits that its neighbours share.
        let encoded = STANDARD_NO_PAD.encode([&[0; 2][..before], bytes].concat());
        let (from, to) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
        encoded.as_bytes()[from..to].to_vec()
    });
    [
        bytes.to_vec(),
        hex(|byte| format!("{byte:02x}")),
        hex(|byte| format!("{byte:02X}")),
        decimal.join(", ").into_bytes(),
        decimal.join(",").into_bytes(),
    ]
    .into_iter()
    .chain(base64)
    .collect()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_value_is_found_in_every_form_and_its_absence_is_not() {
        let value = format!("{MARKER}-17-0123456789abcdef");
        let debug = format!("{:?}", value.as_bytes());
        let mut texts = vec![value.clone(), format!("{:x?}", value), debug, value[..14].to_owned()];
        texts.extend((0..3).map(|before| STANDARD.encode(format!("{}{value}", "x".repeat(before)))));
        texts.push(value.bytes().fold(String::new(), |mut hex, byte| {
            hex.extend([byte >> 4, byte & 15].map(|half| char::from(b"0123456789ABCDEF"[usize::from(half)])));
            hex
        }));
        for text in texts {
            let leaks = Leaks::new();
            leaks.search("the log", format!("before {text} after").as_bytes());
            assert_eq!(leaks.found(), ["the log"], "{text}");
        }
        let leaks = Leaks::new();
        leaks.search("the log", b"a line without any, zQ7 and zQ7vK4m alone are none");
        assert_eq!(leaks.found(), Vec::<String>::new());
    }
}
