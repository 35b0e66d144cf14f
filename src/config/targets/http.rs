//! `kind: http`: a signed request to any endpoint, with or without values.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::HttpTarget;
use super::super::decode::{Fields, Value};
use super::super::ingress::distinct;
use super::super::runtime::TICK;
use super::super::scalar::{self, duration};
use super::super::source::{credential, value_source, watched};
use crate::model::{SecretRef, ValueSource};

/// `told`: the secrets that it tells about beside those under `watch`.
pub(super) fn http(mut fields: Fields<'_>, told: BTreeSet<SecretRef>) -> Option<HttpTarget> {
    let url = fields.required("url", "where the signed request goes", scalar::url);
    let key = fields.required("key", "the signing key, such as { env: FACADE_KEY }", credential);
    let values = fields.get("values");
    let watch = fields.get("watch");
    let timeout = fields.or("timeout", Duration::from_secs(30), duration(TICK, Duration::from_mins(5)));
    let whole = fields.whole().clone();
    fields.finish();
    let values = values.map_or(Some(BTreeMap::new()), |value| named_values(&value));
    let watch = watch.map_or(Some(BTreeSet::new()), |value| {
        distinct(&value, "a list of secrets", watched).map(|list| list.into_iter().collect())
    });
    let (values, mut watch) = (values?, watch?);
    watch.extend(told);
    if watch.is_empty() && !values.values().any(|source| source.secret().is_some()) {
        return whole.refuse(
            "depends on no secret; name those that it sends under `values`, or those that it tells about under `watch`",
        );
    }
    Some(HttpTarget { url: url?.into(), key: key?, values, watch, timeout })
}

fn named_values(value: &Value<'_>) -> Option<BTreeMap<String, ValueSource>> {
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
    read.into_iter().collect()
}
