//! What `check --online` can say, against its tests: each text of src/doctor is asserted somewhere, by a part that no
//! other text has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::root;

/// A shorter part could be in any text.
const TELLING: usize = 9;
/// Texts that no test can bring about, each with its reason.
const OUT_OF_REACH: &[(&str, &str)] =
    &[("it is not set up", "the targets and connections that are looked at are those that were set up")];
/// It writes events, which nobody is shown.
const SAMPLES: &str = "src/doctor/eventbridge/samples.rs";
const TESTS: &str = "#[cfg(test)]";

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

fn read(folder: &str) -> Vec<String> {
    let mut files = vec![root().join(format!("{folder}.rs"))];
    sources(&root().join(folder), &mut files);
    files.retain(|file| *file != root().join(SAMPLES));
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// The string literals of some Rust, as they would be shown; what is filled in stays as `{...}`.
fn literals(text: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(start) = rest.find(['"', '\'', '/']) {
        let (before, from) = rest.split_at(start);
        let inner = &from[1..];
        if from.starts_with("//") {
            rest = from.split_once('\n').map_or("", |(_, next)| next);
        } else if from.starts_with('\'') {
            // Quotes stand in characters; a lifetime has no second apostrophe so near.
            let end = inner.char_indices().skip(1).take(2).find(|(_, c)| *c == '\'').map(|(at, _)| at);
            rest = end.map_or(inner, |end| &inner[end + 1..]);
        } else if from.starts_with('"') && before.ends_with("r#") {
            let (literal, next) = inner.split_once("\"#").unwrap();
            found.push(literal.to_owned());
            rest = next;
        } else if from.starts_with('"') {
            let (literal, next) = quoted(inner);
            found.push(literal);
            rest = next;
        } else {
            rest = inner;
        }
    }
    found
}

/// A literal behind its first quote, and what follows it.
fn quoted(text: &str) -> (String, &str) {
    let (mut literal, mut rest) = (String::new(), text);
    loop {
        let end = rest.find(['"', '\\']).unwrap_or_else(|| panic!("a literal has no end: {text}"));
        literal.push_str(&rest[..end]);
        let (escape, after) = (rest[end..].starts_with('\\'), &rest[end + 1..]);
        rest = match after.chars().next() {
            _ if !escape => return (literal, after),
            // Goes on in the next line, behind its indentation.
            Some('\n') => after.trim_start(),
            Some(escaped) => {
                literal.push(escaped);
                &after[escaped.len_utf8()..]
            }
            None => after,
        };
    }
}

/// What stands between the places that are filled in, from its first letter or dash.
fn parts(literal: &str) -> impl Iterator<Item = &str> {
    let between = literal.split('{').flat_map(|part| part.rsplit('}').take(1));
    let begun = between.map(|part| part.trim_start_matches([' ', ':', ',', ';', '(', ')', '\'']).trim_end());
    begun.filter(|part| part.len() >= TELLING)
}

/// The texts of some Rust that people read: of more than two words, and a part that tells them from others.
fn texts(source: &str) -> impl Iterator<Item = String> {
    let all = literals(source).into_iter();
    all.filter(|literal| literal.matches(' ').count() >= 2 && parts(literal).next().is_some())
}

/// How much of a text a part says.
fn said_of(text: &str, part: &str) -> usize {
    let common = parts(text).filter(|own| own.contains(part) || part.contains(own));
    common.map(|own| own.len().min(part.len())).max().unwrap_or(0)
}

/// Texts of which no part that is asserted says more than of every other.
fn unasserted(texts: &BTreeSet<String>, asserted: &[String]) -> BTreeSet<String> {
    let mut missing = texts.clone();
    for part in asserted.iter().flat_map(|literal| parts(literal)) {
        let most = texts.iter().map(|text| said_of(text, part)).max().unwrap_or(0);
        let mut meant = texts.iter().filter(|text| most > 0 && said_of(text, part) == most);
        if let (Some(only), None) = (meant.next(), meant.next()) {
            missing.remove(only);
        }
    }
    missing
}

#[test]
fn every_text_of_the_doctor_is_asserted_by_a_test() {
    let (mut said, mut asserted) = (BTreeSet::new(), Vec::new());
    for source in read("src/doctor") {
        let (code, tests) = source.split_once(TESTS).unwrap_or((&source, ""));
        said.extend(texts(code));
        asserted.extend(literals(tests));
    }
    asserted.extend(read("tests/it/cli/doctor").iter().flat_map(|tests| literals(tests)));
    assert!(said.len() >= 60, "the reader sees {} texts of the doctor", said.len());
    for (text, reason) in OUT_OF_REACH {
        assert!(said.remove(*text), "nothing says {text:?} any more ({reason})");
    }
    assert_eq!(unasserted(&said, &asserted), BTreeSet::new(), "no test asserts these");
}

/// The names of IAM actions among some literals.
fn actions(literals: &[String]) -> BTreeSet<String> {
    let is_action = |text: &&String| {
        text.split_once(':').is_some_and(|(service, call)| {
            ["events", "sns"].contains(&service) && call.bytes().all(|b| b.is_ascii_alphanumeric())
        })
    };
    literals.iter().filter(is_action).cloned().collect()
}

#[test]
fn the_policy_of_the_runbook_allows_each_look_of_the_doctor_and_no_more() {
    let looks = ["rules", "subscriptions"].map(|file| format!("src/aws/{file}.rs"));
    let asked = looks.map(|file| literals(&crate::read(&file))).concat();
    let runbook = crate::read("docs/RUNBOOK.md");
    let (_, policy) = runbook.split_once("<!-- test: doctor policy -->\n```json\n").unwrap();
    let (policy, _) = policy.split_once("```").unwrap();
    serde_json::from_str::<serde_json::Value>(policy).unwrap();
    let asked = actions(&asked);
    assert_eq!(asked.len(), 7, "{asked:?}");
    assert_eq!(actions(&literals(policy)), asked);
}

#[test]
fn the_reader_of_texts_sees_literals_and_who_asserts_them() {
    let source = "// \"not this one\"\nlet c = '\"'; let x: &'a str = \"one \\\"quoted\\\" word and {more} of it\";\n\
                  f(\"two lines that are \\\n    one text\", r#\"a raw \"text\" of words\"#, \"a b c d\");";
    let texts: BTreeSet<String> = texts(source).collect();
    let expected =
        ["a raw \"text\" of words", "one \"quoted\" word and {more} of it", "two lines that are one text"];
    assert_eq!(texts.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    let asserted = |parts: &[&str]| {
        let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        unasserted(&texts, &parts).len()
    };
    assert_eq!(asserted(&[]), 3);
    assert_eq!(asserted(&["lines that are one"]), 2);
    assert_eq!(asserted(&["lines", "another text of this kind"]), 3, "too short, and of none");
}
