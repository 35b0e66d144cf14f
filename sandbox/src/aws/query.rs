//! The query protocol of SNS and STS: parameters in a form or in the URL, answers in XML.

use std::collections::HashMap;
use std::fmt::Write as _;

use axum::body::Body;
use http::{Response, StatusCode};
use uuid::Uuid;

use super::failure::{Failure, escape, respond};

/// The parameters of a call.
#[derive(Debug, Default)]
pub(crate) struct Parameters(HashMap<String, String>);

impl Parameters {
    /// From `application/x-www-form-urlencoded` text: a body or a URL's query.
    pub(crate) fn parse(text: &str) -> Self {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        Self(text.split('&').filter(|pair| !pair.is_empty()).map(pair).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.get(name).ok_or_else(|| {
            Failure::sender("InvalidParameter", &format!("Invalid parameter: {name} Reason: missing"))
        })
    }
}

/// `<ActionResponse><ActionResult>result</ActionResult><ResponseMetadata/></ActionResponse>`.
pub(crate) fn answer(namespace: &str, action: &str, result: &str) -> Response<Body> {
    let body = format!(
        "<{action}Response xmlns=\"{namespace}\">\n  <{action}Result>{result}</{action}Result>\n  \
         <ResponseMetadata>\n    <RequestId>{}</RequestId>\n  </ResponseMetadata>\n</{action}Response>\n",
        Uuid::new_v4(),
    );
    respond(StatusCode::OK, "text/xml", body)
}

/// Elements of text, one after the other.
pub(crate) fn elements(pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(String::new(), |mut xml, (name, text)| {
        write!(xml, "<{name}>{}</{name}>", escape(text)).expect("writing to a string");
        xml
    })
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = (byte == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        match (byte, hex) {
            (_, Some(value)) => {
                decoded.push(value);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let parameters = Parameters::parse("Action=A%3A%c3%A9&b=1+2&c&d=%zz");
        let read = |name| parameters.get(name);
        assert_eq!(
            (read("Action"), read("b"), read("c"), read("d"), read("e")),
            (Some("A:é"), Some("1 2"), Some(""), Some("%zz"), None)
        );
    }
}
