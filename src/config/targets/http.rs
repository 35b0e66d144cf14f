//! `kind: http`: a signed request to any endpoint, with or without values.

mod allow;
mod body;
mod expect;
mod headers;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::Method;

use super::super::channel::channel;
use super::super::decode::{Fields, Value};
use super::super::ingress::distinct;
use super::super::runtime::TICK;
use super::super::scalar::{self, duration};
use super::super::source::{credential, value_source, watched};
use super::super::target::sources_of;
use super::super::{HttpBody, HttpTarget};
use crate::model::{Reach, SecretRef, ValueSource};

/// `told`: the secrets that it tells about beside those under `watch`.
pub(super) fn http(mut fields: Fields<'_>, told: BTreeSet<SecretRef>) -> Option<HttpTarget> {
    let url = fields.required("url", "where the signed request goes", |value| {
        scalar::url(value).map(|url| (value.clone(), url))
    });
    let method = fields.known_or("method", Method::POST, method);
    let key = fields.required("key", "the signing key, such as { env: FACADE_KEY }", credential);
    let headers = fields.known_or("headers", Vec::new(), headers::headers);
    let (values, body) = (fields.get("values"), fields.get("body"));
    let watch = fields.known_or("watch", BTreeSet::new(), |value| {
        distinct(value, "a list of secrets", watched).map(|list| list.into_iter().collect())
    });
    let expect = fields.optional("expect", expect::expect).map(Box::new);
    let reach = fields.known_or("allow", Reach::default(), allow::allow);
    let timeout = fields.or("timeout", Duration::from_secs(30), duration(TICK, Duration::from_mins(5)));
    let channel = channel(&mut fields);
    let whole = fields.whole().clone();
    fields.finish();
    let body = sent(method.as_ref(), values.as_ref(), body.as_ref());
    if let (Some((value, url)), Some(reach)) = (&url, &reach) {
        allow::check(value, url, reach);
    }
    let (headers, body, mut watch) = (headers?, body?, watch?);
    watch.extend(told);
    if watch.is_empty() && sources_of(&body, &headers).iter().all(|(_, source)| source.secret().is_none()) {
        return whole.refuse(
            "depends on no secret; name those that it sends under `values`, `body` or `headers`, or those that \
             it tells about under `watch`",
        );
    }
    Some(HttpTarget {
        url: url?.1.into(),
        method: method?,
        key: key?,
        headers,
        body,
        watch,
        expect,
        timeout,
        reach: reach?,
        channel,
    })
}

fn method(value: &Value<'_>) -> Option<Method> {
    let what = "POST, PUT, PATCH or GET";
    let methods = [Method::POST, Method::PUT, Method::PATCH, Method::GET];
    let text = value.text(what)?;
    methods.into_iter().find(|method| method == text).or_else(|| value.expected(what))
}

fn sent(method: Option<&Method>, values: Option<&Value<'_>>, body: Option<&Value<'_>>) -> Option<HttpBody> {
    match (values, body) {
        (Some(value), _) | (None, Some(value)) if method == Some(&Method::GET) => {
            value.refuse("a GET has no body; leave this out, or take another `method`")
        }
        (Some(_), Some(body)) => body.refuse("give only one of `values` and `body`"),
        (None, None) if method == Some(&Method::GET) => Some(HttpBody::None),
        (None, None) => Some(HttpBody::Notice(Box::default())),
        (Some(values), None) => named_values(values).map(HttpBody::Notice),
        (None, Some(body)) => body::body(body).map(Box::new).map(HttpBody::Template),
    }
}

fn named_values(value: &Value<'_>) -> Option<Box<[(String, ValueSource)]>> {
    let entries = value.entries("a mapping of names to sources")?;
    let read: Vec<Option<(String, ValueSource)>> = entries
        .into_iter()
        .map(|(name, value)| {
            let source = value_source(&value)?;
            if name.is_empty() {
                return value.refuse("a value is sent under a name; give it one");
            }
            Some((name.to_owned(), source))
        })
        .collect();
    let named: BTreeMap<String, ValueSource> = read.into_iter().collect::<Option<_>>()?;
    Some(named.into_iter().collect())
}
