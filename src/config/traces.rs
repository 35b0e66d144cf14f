//! `traces`: where spans go, under which name, and how many of them.

use std::collections::BTreeMap;

use http::HeaderName;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use url::Url;

use super::decode::Value;
use super::scalar::{self, line};
use super::source::credential;
use crate::credential::CredentialRef;

/// Where spans go. Read at the start only.
#[derive(Clone, Debug)]
pub struct Traces {
    /// The collector's address for traces (OTLP over HTTP, protobuf).
    pub endpoint: Url,
    /// `service.name` of the spans.
    pub service_name: String,
    /// Which part of the traces that begin here is recorded, 0 to 1.
    pub sample_ratio: f64,
    /// What the collector is shown, by the name of the header.
    pub headers: BTreeMap<String, CredentialRef>,
}

pub(super) fn traces(value: &Value<'_>) -> Option<Traces> {
    let mut fields = value.fields("`traces`")?;
    let endpoint = fields.required("endpoint", "the collector, such as http://127.0.0.1:4318", endpoint);
    let name = line("the name of a service");
    let service_name = fields.or("service_name", "anypoint-relay".to_owned(), name);
    let sample_ratio = fields.or("sample_ratio", 1.0, ratio);
    let headers = fields.or("headers", BTreeMap::new(), headers);
    let open = |url: &Url| url.scheme() == "http" && !scalar::is_on_this_machine(url.as_str());
    if !headers.is_empty() && endpoint.as_ref().is_some_and(open) {
        fields.whole().warn("its headers go to the collector unencrypted; use https:// if it speaks it");
    }
    fields.finish();
    Some(Traces { endpoint: endpoint?, service_name, sample_ratio, headers })
}

/// As every OTLP exporter has it, traces go to `/v1/traces` below the endpoint. Plain HTTP is what collectors
/// speak inside of a cluster, and spans have no values.
fn endpoint(value: &Value<'_>) -> Option<Url> {
    let mut url = scalar::url_of_any_scheme(value)?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return value.refuse("expected the URL of a collector such as http://127.0.0.1:4318");
    }
    if url.query().is_some() {
        return value.refuse("the endpoint of a collector has no `?` part; leave it out");
    }
    if url.path().trim_end_matches('/').ends_with("/v1/traces") {
        return value.refuse("leave `/v1/traces` out; it is put after the endpoint");
    }
    url.set_path(&format!("{}/v1/traces", url.path().trim_end_matches('/')));
    Some(url)
}

fn ratio(value: &Value<'_>) -> Option<f64> {
    let what = "a number between 0 and 1";
    match value.text(what)?.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Some(ratio),
        _ => value.expected(what),
    }
}

fn headers(value: &Value<'_>) -> Option<BTreeMap<String, CredentialRef>> {
    let mut headers = BTreeMap::new();
    for (key, value) in value.entries("a mapping of header names to credentials")? {
        let name = match HeaderName::from_bytes(key.as_bytes()) {
            Ok(name) if [CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING].contains(&name) => {
                return value.refuse("the relay sets this header itself; leave it out");
            }
            Ok(name) => name.as_str().to_owned(),
            Err(_) => return value.refuse("not the name of a header, such as authorization"),
        };
        if headers.insert(name, credential(&value)?).is_some() {
            return value.refuse("given twice, in other letters; keep one of them");
        }
    }
    Some(headers)
}
