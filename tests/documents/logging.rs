//! docs/LOGGING.md against the source: the table has every message that the relay can log, with its levels and fields, and
//! no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::{code, root, rows};

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Levels and fields of a message, over all places that log it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
    levels: BTreeSet<String>,
    fields: BTreeSet<String>,
}

type Lines = BTreeMap<String, Line>;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name == "tests" || name == "testing" || name.ends_with("_tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The text of a call's arguments, up to the parenthesis that closes it, split at its outermost commas.
fn arguments(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quoted, mut escaped) = (vec![String::new()], 0, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted && depth == 0 => break,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(c);
    }
    parts.retain(|part| !part.trim().is_empty());
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

/// A literal as it is logged, up to what is put into it; one that begins so is shown as it stands.
fn message(literal: &str) -> String {
    let text = literal.trim_matches('"').split("\\n").next().unwrap();
    let joined: Vec<&str> = text.split("\\\n").map(str::trim_start).collect();
    let joined = joined.concat();
    match joined.find('{') {
        Some(start) if start > 0 => joined[..start].trim_end_matches([':', ' ']).to_owned(),
        _ => joined.trim_end_matches(':').to_owned(),
    }
}

/// What a file logs outside of its tests.
fn logged(text: &str, lines: &mut Lines) {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    for level in LEVELS {
        for call in text.split(&format!("tracing::{level}!(")).skip(1) {
            let mut fields = arguments(call);
            let literal = fields.pop().unwrap();
            assert!(literal.starts_with('"'), "the last argument is the message: {literal}");
            let line = lines.entry(message(&literal)).or_default();
            line.levels.insert(level.to_owned());
            let names = fields.iter().map(|field| field.split(" = ").next().unwrap());
            line.fields.extend(names.map(|name| name.trim_start_matches(['%', '?']).to_owned()));
        }
    }
}

#[test]
fn every_message_of_the_source_is_documented_with_levels_and_fields_and_no_other() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut written = Lines::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        logged(&text, &mut written);
        // Without the path in front, a call would not be found here.
        let bare = LEVELS.iter().flat_map(|level| [format!(" {level}!("), format!("use tracing::{level}")]);
        let bare: Vec<_> = bare.filter(|call| text.contains(call.as_str())).collect();
        assert!(bare.is_empty(), "{} logs by {bare:?}; say tracing:: before it", file.display());
    }
    let mut documented = Lines::new();
    for row in rows("docs/LOGGING.md", "## The messages") {
        let [message, levels, fields, action] = &row[..] else { panic!("four cells: {row:?}") };
        assert!(!action.is_empty(), "{message}");
        let levels = levels.split(", ").map(str::to_owned).collect();
        let line = Line { levels, fields: code(fields).into_iter().collect() };
        // The first and last backticks alone: a message may have some of its own.
        let message = message.trim_start_matches(['`', ' ']).trim_end_matches(['`', ' ']);
        assert_eq!(documented.insert(message.to_owned(), line), None, "{message} is there twice");
    }
    let (messages, known): (BTreeSet<_>, BTreeSet<_>) =
        (documented.keys().collect(), written.keys().collect());
    assert_eq!(messages, known, "the messages of docs/LOGGING.md and those of the source");
    for (message, line) in &written {
        assert_eq!(&documented[message], line, "{message}");
    }
}

/// Lines about a target say which, and what they came from where there is a notification.
#[test]
fn every_line_about_a_run_names_its_target_and_its_request() {
    let text = fs::read_to_string(root().join("src/worker.rs")).unwrap();
    let mut lines = Lines::new();
    logged(&text, &mut lines);
    assert!(lines.len() >= 2, "{lines:?}");
    for (message, line) in lines {
        for field in ["target", "event_id", "request_id"] {
            assert!(line.fields.contains(field), "{message:?} has no {field}");
        }
    }
}

#[test]
fn the_reader_of_log_calls_sees_levels_fields_and_messages() {
    let text = "tracing::warn!(%target, since = %pause(a, b), next.step, \"it is \\\n   so:\\n{errors}\");\n\
                tracing::error!(\"{warning}\");\n#[cfg(test)]\nmod tests { tracing::info!(\"not this\"); }";
    let mut lines = Lines::new();
    logged(text, &mut lines);
    let names: Vec<&str> = lines.keys().map(String::as_str).collect();
    assert_eq!(names, ["it is so", "{warning}"]);
    let fields: Vec<&str> = lines["it is so"].fields.iter().map(String::as_str).collect();
    assert_eq!(fields, ["next.step", "since", "target"]);
    assert!(lines["{warning}"].levels.contains("error"));
}
