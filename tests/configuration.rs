//! docs/CONFIGURATION.md is written from the schema for editors, so that neither says what the other does not:
//! `UPDATE_DOCS=1 cargo test --test configuration`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, Value};

const HEAD: &str = "\
# Configuration

One YAML file. `config/relay.example.yaml` shows every setting in its place, with comments; this page is the same as
tables, written from `config/relay.schema.json`, which editors take for completion and checks: name it in the file's first
line as `# yaml-language-server: $schema=` and the path or URL of that file.

An unknown key is an error, and all errors are told at once, each with its place and what would be right:
`anypoint-relay check relay.yaml`. Texts may hold `${NAME}` or `${NAME:-default}` from the environment; `$$` is a literal `$`.
A changed file is in force within seconds; `listen`, `tls`, `admin` (but for its tokens), `receipts`, `log`, `audit`
and `traces` wait for the next start.
";

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/relay.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn name_of(part: &Value) -> Option<&str> {
    part["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// What may stand there, in a few words.
fn kind(part: &Value, all: &Map<String, Value>) -> String {
    if let Some(name) = name_of(part) {
        return match all[name]["title"].as_str() {
            Some(_) => format!("[{name}](#{name})"),
            None => match name {
                "duration" | "size" | "address" => name.to_owned(),
                "value" | "header_value" => format!("[a value](#{})", "source"),
                "watch_list" => "list of names or [watched](#watched)".to_owned(),
                "http_then" => "keys of [http](#http)".to_owned(),
                "target" => {
                    "[application](#application), [shared_secret](#shared_secret) and so on".to_owned()
                }
                other => panic!("no words for {other}"),
            },
        };
    }
    if let Some(constant) = part.get("const") {
        return format!("`{}`", constant.as_str().map_or_else(|| constant.to_string(), str::to_owned));
    }
    if let Some(choices) = part["enum"].as_array() {
        let choices: Vec<String> =
            choices.iter().map(|choice| format!("`{}`", choice.as_str().unwrap())).collect();
        return choices.join(", ");
    }
    if let Some(forms) = part["anyOf"].as_array() {
        // A variable of the environment may stand anywhere, and is not told each time.
        let forms = forms.iter().filter(|form| form["pattern"] != "\\$\\{" && form["const"] != false);
        return forms.map(|form| kind(form, all)).collect::<Vec<_>>().join(", or ");
    }
    match part["type"].as_str() {
        Some("integer") => format!("{} to {}", part["minimum"], part["maximum"]),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => format!("list of {}", kind(&part["items"], all)),
        Some("object") if part["additionalProperties"].is_object() => {
            format!("names with {}", kind(&part["additionalProperties"], all))
        }
        Some("object") => "mapping".to_owned(),
        Some("number") => "number".to_owned(),
        Some("string") => "text".to_owned(),
        _ if part["type"].is_array() => "text or number".to_owned(),
        _ => "anything".to_owned(),
    }
}

fn table(text: &mut String, part: &Value, all: &Map<String, Value>) {
    let required: Vec<&str> =
        part["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    writeln!(text, "\n| key | what stands there | what it is | default |\n|---|---|---|---|").unwrap();
    for (key, setting) in part["properties"].as_object().unwrap() {
        let default = match &setting["default"] {
            _ if required.contains(&key.as_str()) => "required".to_owned(),
            Value::Null => String::new(),
            Value::String(default) => default.clone(),
            other => other.to_string(),
        };
        let says = setting["description"].as_str().unwrap_or_default();
        writeln!(text, "| `{key}` | {} | {says} | {default} |", kind(setting, all).replace('|', "\\|"))
            .unwrap();
    }
}

fn document() -> String {
    let schema = schema();
    let all = schema["$defs"].as_object().unwrap();
    let mut text = String::from(HEAD);
    writeln!(text, "\n## The file").unwrap();
    table(&mut text, &schema, all);
    for (name, part) in all.iter().filter(|(_, part)| part["title"].is_string()) {
        writeln!(text, "\n## {name}").unwrap();
        if let Some(says) = part["description"].as_str() {
            writeln!(text, "\n{says}").unwrap();
        }
        table(&mut text, part, all);
    }
    text
}

#[test]
fn the_document_says_what_the_schema_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONFIGURATION.md");
    let document = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == document, "out of date: UPDATE_DOCS=1 cargo test --test configuration");
}

#[test]
fn every_setting_is_described() {
    let schema = schema();
    let parts = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    for part in parts.filter(|part| part["title"].is_string()) {
        for (key, setting) in part["properties"].as_object().unwrap() {
            let says = setting["description"].as_str().unwrap_or_default();
            assert!(says.ends_with('.') || key == "kind", "{} {key}: {says:?}", part["title"]);
        }
    }
}
