//! A configuration: YAML, `${NAME}`, and every setting.
//!
//! What is refused is refused in bounded words, with places that the file has; the value of a variable is
//! in none of them. A second reading says the same.

use anypoint_relay::config::{Config, ConfigErrors, parse};
use anypoint_relay::model::{parse_duration, show_duration};

use crate::planted::CANARY;

/// More lines than this are counted and not listed.
const MOST_PROBLEMS: usize = 201;
/// A path of the deepest setting, quotes, and a sentence.
const LONGEST_LINE: usize = 4000;

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    duration(text);
    let first = read(text);
    match (&first, &read(text)) {
        (Ok(config), Ok(again)) => {
            assert_eq!(format!("{config:?}"), format!("{again:?}"));
            config.warnings.iter().for_each(|warning| is_bounded(warning));
        }
        (Err(errors), Err(again)) => {
            assert_eq!(errors, again);
            are_bounded(errors, text);
        }
        _ => panic!("a second reading says something else"),
    }
}

/// Every variable whose name starts with `S` holds the canary, with what could change the structure of a
/// document; no other is set.
fn read(text: &str) -> Result<Config, ConfigErrors> {
    let environment = |name: &str| name.starts_with('S').then(|| format!("{CANARY}\n: [\"'{{&*!$${{SX}}"));
    parse(text, "relay.yaml", &environment)
}

fn are_bounded(errors: &ConfigErrors, text: &str) {
    assert!(!errors.problems().is_empty() && errors.problems().len() <= MOST_PROBLEMS);
    assert!(errors.count() >= errors.problems().len());
    // YAML has more line ends than `lines` knows.
    let lines = text.split(['\n', '\r']).count();
    for problem in errors.problems() {
        is_bounded(&problem.in_file("relay.yaml").to_string());
        if let Some(place) = problem.place {
            assert!(place.line >= 1 && place.line <= lines + 1, "line {} of {lines}", place.line);
        }
    }
}

fn is_bounded(line: &str) {
    assert!(line.len() <= LONGEST_LINE, "a message of {} bytes", line.len());
    assert!(!line.contains(['\n', '\r']), "a message of several lines: {line}");
    assert!(!line.contains(CANARY), "a message with the value of a variable: {line}");
}

/// What is shown can be written back.
fn duration(text: &str) {
    if let Some(read) = parse_duration(text) {
        assert_eq!(parse_duration(&show_duration(read)), Some(read), "{text}");
    }
}
