//! Answers and error bodies, in the shape of each API family.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::rules::Rules;

/// One answer. A type of its own because a write that lands late has its answer kept aside.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    content: Content,
    headers: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug)]
enum Content {
    Empty,
    Json(Value),
    Text(&'static str),
}

impl Answer {
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, content: Content::Empty, headers: Vec::new() }
    }

    pub(crate) fn json(status: StatusCode, body: Value) -> Self {
        Self { status, content: Content::Json(body), headers: Vec::new() }
    }

    pub(crate) fn text(status: StatusCode, body: &'static str) -> Self {
        Self { status, content: Content::Text(body), headers: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = match self.content {
            Content::Empty => self.status.into_response(),
            Content::Json(body) => (self.status, Json(body)).into_response(),
            Content::Text(body) => (self.status, body).into_response(),
        };
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// Whose error bodies apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Secrets,
    Applications,
    SecretValue,
}

/// One entry of `errors` in a Secrets Manager error (contract 1.6).
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) field: Option<String>,
    /// What the field contained, shown only under `errors_echo_values`.
    pub(crate) content: Option<String>,
}

impl Problem {
    pub(crate) fn new(code: &'static str, field: &str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: Some(field.to_owned()), content: None }
    }

    pub(crate) fn about(mut self, content: &str) -> Self {
        self.content = Some(content.to_owned());
        self
    }

    fn text(&self, rules: &Rules) -> String {
        match &self.content {
            Some(content) if rules.errors_echo_values => format!("{}: {content}", self.message),
            _ => self.message.clone(),
        }
    }
}

/// An error in the family's shape.
pub(crate) fn error(family: Family, rules: &Rules, status: StatusCode, message: &str) -> Answer {
    refuse(family, rules, status, message, &[])
}

/// An error that lists what is wrong.
pub(crate) fn refuse(
    family: Family,
    rules: &Rules,
    status: StatusCode,
    message: &str,
    problems: &[Problem],
) -> Answer {
    if family != Family::Secrets {
        let details: Vec<String> = problems.iter().map(|problem| problem.text(rules)).collect();
        let message = if details.is_empty() {
            message.to_owned()
        } else {
            format!("{message}: {}", details.join("; "))
        };
        return Answer::json(status, json!({ "status": status.as_u16(), "message": message }));
    }
    if rules.old_error_bodies {
        return Answer::json(status, old_body(rules, status, message, problems));
    }
    let mut body = json!({ "message": message });
    if !problems.is_empty() {
        body["errors"] = problems
            .iter()
            .map(|problem| json!({ "code": problem.code, "message": problem.text(rules), "field": problem.field }))
            .collect();
    }
    Answer::json(status, body)
}

fn old_body(rules: &Rules, status: StatusCode, message: &str, problems: &[Problem]) -> Value {
    if status == StatusCode::NOT_FOUND {
        return json!({ "name": "NotFoundError", "message": message });
    }
    let entry = |path: &str, keyword: &str, text: &str| json!({ "type": "body", "dataPath": path, "keyword": keyword, "schema": {}, "data": null, "message": text });
    let errors: Vec<Value> = if problems.is_empty() {
        vec![entry("", "", message)]
    } else {
        let each = problems.iter();
        each.map(|problem| {
            let path = problem.field.as_ref().map(|field| format!(".{field}")).unwrap_or_default();
            entry(&path, problem.code, &problem.text(rules))
        })
        .collect()
    };
    json!({ "errors": errors })
}
