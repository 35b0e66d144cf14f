//! Holds `openapi.yaml` to the code and the code to `openapi.yaml`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use anypoint_relay::http::probes::Probe;
use anypoint_relay::http::routes::{Listener, ROUTES};
use anypoint_relay::http::{ErrorCode, ProblemBody};
use anypoint_relay::ingress::{Acknowledgement, TriggerAnswer, TriggerRequest};
use anypoint_relay::model::{FailureCode, Outcome};
use serde_json::Value;
use support::openapi::Spec;

/// Every operation: method, path and what the document says.
fn operations() -> Vec<(String, String, &'static Value)> {
    let paths = Spec::get().document["paths"].as_object().unwrap();
    let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
    let of = |(path, item): (&String, &'static Value)| {
        let path = path.clone();
        let operations = item.as_object().unwrap().iter();
        operations
            .filter(move |(key, _)| methods.contains(&key.as_str()))
            .map(move |(method, operation)| (method.to_ascii_uppercase(), path.clone(), operation))
    };
    paths.iter().flat_map(of).collect()
}

/// Every media type of every request and response, with where it stands.
fn media() -> Vec<(String, &'static Value)> {
    let spec = Spec::get();
    let mut found = Vec::new();
    let mut collect = |place: String, holder: &'static Value| {
        for (kind, media) in holder.get("content").and_then(Value::as_object).into_iter().flatten() {
            found.push((format!("{place} {kind}"), media));
        }
    };
    for (method, path, operation) in operations() {
        if let Some(body) = operation.get("requestBody") {
            collect(format!("{method} {path}"), body);
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            collect(format!("{method} {path} {status}"), spec.resolve(response));
        }
    }
    found
}

fn examples() -> Vec<(String, &'static Value, &'static Value)> {
    let of = |(place, media): (String, &'static Value)| {
        let examples = media.get("examples").and_then(Value::as_object);
        examples
            .into_iter()
            .flatten()
            .map(move |(name, example)| (format!("{place} {name}"), &media["schema"], &example["value"]))
    };
    media().into_iter().flat_map(of).collect()
}

fn words(schema: &str) -> Vec<&'static str> {
    let words = Spec::get().document["components"]["schemas"][schema]["enum"].as_array().unwrap();
    words.iter().map(|word| word.as_str().unwrap()).collect()
}

#[test]
fn what_is_served_and_what_is_documented_are_the_same_routes() {
    let served: BTreeSet<_> =
        ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    let documented: BTreeSet<_> = operations().into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(served, documented);
}

#[test]
fn each_operation_stands_under_the_listener_that_serves_it() {
    for (method, path, operation) in operations() {
        let listeners: BTreeSet<_> = ROUTES
            .iter()
            .filter(|route| route.method == method && route.path == path)
            .map(|route| route.listener)
            .collect();
        let expected = match (listeners.contains(&Listener::Hooks), listeners.contains(&Listener::Admin)) {
            (true, true) => "probes",
            (true, false) => "hooks",
            (false, true) => "admin",
            (false, false) => panic!("{method} {path} is served nowhere"),
        };
        assert_eq!(operation["tags"], serde_json::json!([expected]), "{method} {path}");
    }
}

#[test]
fn the_code_lists_are_the_codes_own() {
    let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(words("ErrorCode"), codes);
    let codes: Vec<_> = FailureCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(words("FailureCode"), codes);
    assert_eq!(words("Outcome"), Outcome::LABELS);
}

#[test]
fn every_media_type_has_an_example_and_every_example_fits_its_schema() {
    for (place, media) in media() {
        let examples = media.get("examples").and_then(Value::as_object);
        assert!(examples.is_some_and(|examples| !examples.is_empty()), "{place} has no example");
    }
    for (place, schema, example) in examples() {
        assert_eq!(Spec::get().mismatch(schema, example), None, "{place}");
    }
}

#[test]
fn every_example_is_read_by_the_type_behind_its_schema() {
    fn read<T: serde::de::DeserializeOwned>(place: &str, example: &Value) {
        let result = serde_json::from_value::<T>(example.clone());
        assert!(
            result.is_ok(),
            "{place}: {}",
            result.err().map(|error| error.to_string()).unwrap_or_default()
        );
    }
    let mut read_by_a_type = 0;
    for (place, schema, example) in examples() {
        let name = schema.get("$ref").and_then(Value::as_str).unwrap_or_default();
        match name.rsplit('/').next().unwrap_or_default() {
            "Problem" => read::<ProblemBody>(&place, example),
            "Acknowledgement" => read::<Acknowledgement>(&place, example),
            "TriggerAnswer" => read::<TriggerAnswer>(&place, example),
            "TriggerRequest" => read::<TriggerRequest>(&place, example),
            "Probe" => read::<Probe>(&place, example),
            _ => continue,
        }
        read_by_a_type += 1;
    }
    assert!(read_by_a_type > 30, "only {read_by_a_type} examples have a type");
}

#[test]
fn every_example_of_a_problem_says_what_the_code_says() {
    let mut shown = BTreeSet::new();
    for (place, schema, example) in examples() {
        if schema["$ref"] != "#/components/schemas/Problem" {
            continue;
        }
        let code = ErrorCode::ALL.iter().find(|code| code.as_str() == example["code"]).unwrap();
        assert_eq!(example["title"], code.title(), "{place}");
        assert_eq!(example["status"], code.status().as_u16(), "{place}");
        let status = code.status().as_u16().to_string();
        assert!(place.contains(&format!(" {status} ")), "{place} shows a problem of status {status}");
        shown.insert(*code);
    }
    // These two are the answers to what is not in the document.
    let missing: Vec<_> = ErrorCode::ALL.iter().filter(|code| !shown.contains(code)).collect();
    assert_eq!(missing, [&ErrorCode::NotFound, &ErrorCode::MethodNotAllowed]);
}

#[test]
fn every_event_example_is_understood() {
    let mut understood = 0;
    for (place, _, example) in examples() {
        if place.starts_with("POST /hooks/eventbridge application/json") {
            let events = anypoint_relay::events::parse(example.to_string().as_bytes());
            assert!(events.is_ok(), "{place}: {events:?}");
            understood += 1;
        }
        if place.starts_with("POST /hooks/sns text/plain notification") {
            let events = anypoint_relay::events::parse(example["Message"].as_str().unwrap().as_bytes());
            assert!(events.is_ok(), "{place}: {events:?}");
            understood += 1;
        }
    }
    assert_eq!(understood, 3);
}

#[test]
fn the_validator_refuses_what_the_document_does_not_allow() {
    let refuses = |status: u16, headers: &[(&'static str, &str)], body: &str| {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
        });
        let headers: http::HeaderMap = headers.collect();
        let check = || Spec::get().check("GET", "/healthz", status, &headers, body.as_bytes());
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err()
    };
    let id = ("x-request-id", "mine");
    let json = ("content-type", "application/json");
    let fine = r#"{"status":"ok"}"#;
    assert!(!refuses(200, &[id, json], fine));
    assert!(refuses(201, &[id, json], fine), "another status");
    assert!(refuses(200, &[json], fine), "no request id");
    assert!(refuses(200, &[id, ("content-type", "text/html")], fine), "another content type");
    assert!(refuses(200, &[id, json], r#"{"status":"ok","more":1}"#), "a further field");
    assert!(refuses(200, &[id, json], "ok"), "not JSON");
}
