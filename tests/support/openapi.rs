//! Holds a real response to `openapi.yaml`: status, headers, content type and body.
//!
//! Any test that sees a response of the relay can pass it through [`Spec::check`], which makes it a
//! contract test as well. Knows nothing of the relay's types, so it can't share their mistakes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::HeaderMap;
use jsonschema::Validator;
use serde_json::{Value, json};

/// The document as JSON.
pub(crate) struct Spec {
    /// The whole document.
    pub(crate) document: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Spec {
    /// The document of this repository, read once.
    pub(crate) fn get() -> &'static Self {
        static SPEC: OnceLock<Spec> = OnceLock::new();
        SPEC.get_or_init(|| {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml");
            let text = std::fs::read_to_string(path).expect("openapi.yaml can be read");
            let document = serde_saphyr::from_str(&text).expect("openapi.yaml is YAML");
            Self { document, validators: Mutex::default() }
        })
    }

    /// Panics, saying what and where, when the document does not allow this response.
    pub(crate) fn check(
        &self,
        method: &str,
        path_and_query: &str,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
    ) {
        if let Err(why) = self.verdict(method, path_and_query, status, headers, body) {
            panic!(
                "openapi.yaml does not allow this answer to {method} {path_and_query}: {why}\n\
                 status {status}, headers {headers:?}, body {}",
                String::from_utf8_lossy(body)
            );
        }
    }

    /// The value, or what its `$ref` leads to.
    pub(crate) fn resolve<'s>(&'s self, value: &'s Value) -> &'s Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let pointer = reference.strip_prefix('#').expect("references stay inside the document");
                let found = self.document.pointer(pointer);
                self.resolve(found.unwrap_or_else(|| panic!("{reference} leads nowhere")))
            }
            None => value,
        }
    }

    /// What is wrong with `value` as an instance of `schema`, if anything.
    pub(crate) fn mismatch(&self, schema: &Value, value: &Value) -> Option<String> {
        let validator = self.validator(schema);
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{} at '{}'", error, error.instance_path()))
            .collect();
        (!errors.is_empty()).then(|| errors.join("; "))
    }

    /// Made once for each schema: making one takes longer than most requests.
    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let mut made = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = made.entry(schema.to_string()).or_insert_with(|| {
            let root = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "components": self.document["components"],
                "allOf": [schema],
            });
            Arc::new(jsonschema::validator_for(&root).expect("the schema is one"))
        });
        Arc::clone(validator)
    }

    fn verdict(
        &self,
        method: &str,
        path_and_query: &str,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), String> {
        let path = path_and_query.split('?').next().unwrap_or_default();
        let Some(item) = self.item(path) else {
            return self.problem(404, "not_found", status, headers, body);
        };
        let Some(operation) = item.get(method.to_ascii_lowercase()) else {
            return self.problem(405, "method_not_allowed", status, headers, body);
        };
        let response = operation["responses"]
            .get(status.to_string())
            .ok_or_else(|| format!("status {status} is not documented"))?;
        let response = self.resolve(response);
        self.check_headers(response, headers)?;
        self.check_body(response, status, headers, body)
    }

    /// What the document says of a path: by its own name, or by one whose segments in braces stand for any.
    fn item(&self, path: &str) -> Option<&Value> {
        let paths = self.document["paths"].as_object()?;
        let fits = |known: &str| {
            let pairs = known.split('/').zip(path.split('/'));
            known.split('/').count() == path.split('/').count()
                && pairs
                    .into_iter()
                    .all(|(known, sent)| known == sent || known.starts_with('{') && !sent.is_empty())
        };
        paths.get(path).or_else(|| paths.iter().find(|(known, _)| fits(known)).map(|(_, item)| item))
    }

    /// What every unknown path and method gets; not repeated at each path.
    fn problem(
        &self,
        expected: u16,
        code: &str,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), String> {
        if status != expected {
            return Err(format!("the document has no such route, so the status is to be {expected}"));
        }
        let response = json!({
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
        });
        self.check_body(&response, status, headers, body)?;
        let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        if body["code"] == code { Ok(()) } else { Err(format!("the code is to be {code}")) }
    }

    fn check_headers(&self, response: &Value, headers: &HeaderMap) -> Result<(), String> {
        let documented = response.get("headers").and_then(Value::as_object).into_iter().flatten();
        for (name, header) in documented {
            let header = self.resolve(header);
            match headers.get(name).map(|value| value.to_str()) {
                Some(Ok(text)) => {
                    if let Some(why) = self.mismatch(&header["schema"], &json!(text)) {
                        return Err(format!("header {name}: {why}"));
                    }
                }
                Some(Err(_)) => return Err(format!("header {name} is not text")),
                None if header["required"] == json!(true) => return Err(format!("header {name} is missing")),
                None => {}
            }
        }
        Ok(())
    }

    fn check_body(
        &self,
        response: &Value,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), String> {
        let Some(content) = response.get("content") else {
            return if body.is_empty() { Ok(()) } else { Err("a body is not documented".to_owned()) };
        };
        let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        let media = content.get(kind).ok_or_else(|| format!("content type '{kind}' is not documented"))?;
        if !kind.ends_with("json") {
            return std::str::from_utf8(body).map(|_| ()).map_err(|error| error.to_string());
        }
        let value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        if let Some(why) = self.mismatch(&media["schema"], &value) {
            return Err(why);
        }
        if kind == "application/problem+json" && value["status"] != json!(status) {
            return Err("the problem's status differs from the answer's".to_owned());
        }
        let id = headers.get("x-request-id").and_then(|value| value.to_str().ok());
        match value.get("request_id") {
            Some(in_body) if in_body.as_str() != id => Err("request_id differs from x-request-id".to_owned()),
            _ => Ok(()),
        }
    }
}
