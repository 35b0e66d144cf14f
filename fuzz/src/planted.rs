//! A text that must come out nowhere.

use std::fmt::{Debug, Display};

use serde_json::Value;

/// What is planted.
pub(crate) const CANARY: &str = "kanarienvogel7f3a";

/// Longest refusal in bytes: a few lines of a log.
const LONGEST: usize = 600;

/// Puts the canary before every string of a document.
pub(crate) fn planted(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(format!("{CANARY}{text}")),
        Value::Array(items) => items.iter().map(planted).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), planted(member))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Holds that a refusal is short, one line and without the canary, however it is printed.
pub(crate) fn tells_nothing(refusal: &(impl Debug + Display)) {
    for text in [refusal.to_string(), format!("{refusal:?}")] {
        assert!(text.len() <= LONGEST, "a refusal of {} bytes", text.len());
        assert!(!text.contains('\n'), "a refusal of several lines: {text}");
        assert!(!text.contains(CANARY), "a refusal quotes its input: {text}");
    }
}
