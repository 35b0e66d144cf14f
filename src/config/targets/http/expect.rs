//! `expect`: which answer means that the receiver runs with what it was sent.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::super::super::decode::Value;
use super::super::super::document::Kind;
use super::super::super::ingress::distinct;
use super::super::super::source::is_pointer;
use super::super::super::{Expect, ExpectedStatus};
use super::body::literal;

const STATUS: &str = "a status such as 204, a class such as 2xx, or a list of them";

pub(super) fn expect(value: &Value<'_>) -> Option<Expect> {
    let usual = vec![ExpectedStatus::Class(2)];
    if !value.is_mapping() {
        return statuses(value).map(|status| Expect { status, json: BTreeMap::new() });
    }
    let mut fields = value.fields("an expectation")?;
    let status = fields.known_or("status", usual, statuses);
    let json = fields.known_or("json", BTreeMap::new(), places);
    fields.finish();
    Some(Expect { status: status?, json: json? })
}

fn statuses(value: &Value<'_>) -> Option<Vec<ExpectedStatus>> {
    match value.kind() {
        Kind::List(_) => distinct(value, STATUS, status),
        _ => status(value).map(|one| vec![one]),
    }
}

fn status(value: &Value<'_>) -> Option<ExpectedStatus> {
    let text = value.text(STATUS)?;
    let status = match text.strip_suffix("xx") {
        Some(class) => class.parse().ok().filter(|class| (2..=5).contains(class)).map(ExpectedStatus::Class),
        None => text.parse().ok().filter(|code| (200..=599).contains(code)).map(ExpectedStatus::Code),
    };
    status.or_else(|| value.expected(STATUS))
}

fn places(value: &Value<'_>) -> Option<BTreeMap<String, Json>> {
    let entries = value.entries("a mapping of JSON pointers to values, such as { /status: ready }")?;
    let read: Vec<Option<(String, Json)>> = entries
        .into_iter()
        .map(|(pointer, value)| {
            if !is_pointer(pointer) {
                return value.refuse("not a JSON pointer such as /status");
            }
            let expected = serde_json::from_str(literal(&value)?.raw().get()).ok()?;
            Some((pointer.to_owned(), expected))
        })
        .collect();
    read.into_iter().collect()
}
