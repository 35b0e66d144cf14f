//! Reads of a PromQL expression what can be checked without Prometheus: that each word is known, each metric is one of
//! the relay, and each label is one of that metric with a value that it can have.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::vec::IntoIter;

use crate::exposed::samples;

/// What else may stand in an expression. A word that is neither here nor exposed is a mistake, or is to be added.
const WORDS: [&str; 11] =
    ["absent", "bool", "histogram_quantile", "increase", "max", "min", "or", "rate", "sum", "time", "topk"];

/// What Prometheus adds to each series.
const OF_PROMETHEUS: [&str; 2] = ["instance", "job"];

type Labels = BTreeMap<String, Option<BTreeSet<String>>>;

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// Words, strings and signs; numbers, ranges such as `[5m]` and spaces are left out.
fn tokens(expression: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end_of =
            |closing: char| 1 + rest[1..].find(closing).unwrap_or_else(|| panic!("no end: {expression}"));
        let end = match first {
            '"' => end_of('"') + 1,
            '[' => end_of(']') + 1,
            _ if word(first) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        match first {
            '"' => found.push(Token::Text(rest[1..end - 1].to_owned())),
            '[' => {}
            _ if first.is_ascii_digit() || first.is_whitespace() => {}
            _ if word(first) => found.push(Token::Word(rest[..end].to_owned())),
            _ => found.push(Token::Sign(first)),
        }
        rest = &rest[end..];
    }
    found
}

/// The metrics and labels that may be named.
pub(crate) struct Vocabulary(BTreeMap<String, Labels>);

impl Vocabulary {
    pub(crate) fn new() -> Self {
        Self(samples())
    }

    /// The metrics of the relay that an expression names, or what is wrong with it.
    pub(crate) fn check(&self, expression: &str) -> Result<BTreeSet<String>, String> {
        let mut tokens = tokens(expression).into_iter().peekable();
        let (mut named, mut grouped) = (BTreeSet::new(), Vec::new());
        while let Some(token) = tokens.next() {
            let Token::Word(word) = token else { continue };
            if let Some(labels) = self.0.get(&word) {
                selector(&word, labels, &mut tokens)?;
                named.insert(word);
            } else if word == "up" {
                selector(&word, &Labels::new(), &mut tokens)?;
            } else if word == "by" {
                let list = tokens.by_ref().take_while(|token| *token != Token::Sign(')'));
                grouped.extend(list.filter_map(|token| match token {
                    Token::Word(label) => Some(label),
                    Token::Text(_) | Token::Sign(_) => None,
                }));
            } else if !WORDS.contains(&word.as_str()) {
                return Err(format!("{word} is neither a metric nor a known word"));
            }
        }
        grouped.iter().try_for_each(|label| self.has_label(&named, label))?;
        Ok(named)
    }

    /// Whether a label is one of the metrics that an expression names.
    pub(crate) fn has_label(&self, metrics: &BTreeSet<String>, label: &str) -> Result<(), String> {
        let known =
            OF_PROMETHEUS.contains(&label) || metrics.iter().any(|metric| self.0[metric].contains_key(label));
        if known { Ok(()) } else { Err(format!("{label} is no label of {metrics:?}")) }
    }
}

/// What may follow a metric: `{label="value", ...}`. A variable of Grafana's, `$job`, is any value.
fn selector(metric: &str, labels: &Labels, tokens: &mut Peekable<IntoIter<Token>>) -> Result<(), String> {
    if tokens.next_if_eq(&Token::Sign('{')).is_none() {
        return Ok(());
    }
    let mut label = String::new();
    for token in tokens.by_ref().take_while(|token| *token != Token::Sign('}')) {
        match token {
            Token::Word(word) => label = word,
            Token::Text(values) => {
                let known = labels.get(&label);
                if known.is_none() && !OF_PROMETHEUS.contains(&label.as_str()) {
                    return Err(format!("{label} is no label of {metric}"));
                }
                let Some(Some(closed)) = known else { continue };
                let value =
                    values.split('|').find(|value| !value.starts_with('$') && !closed.contains(*value));
                if let Some(value) = value {
                    return Err(format!("{label} of {metric} is never {value:?}"));
                }
            }
            Token::Sign(_) => {}
        }
    }
    Ok(())
}

#[test]
fn a_wrong_word_in_an_expression_is_found() {
    let vocabulary = Vocabulary::new();
    let right = r#"sum by (job, phase) (relay_queue_keys{phase=~"parked|paused",job="$job"}) > 0"#;
    assert_eq!(vocabulary.check(right).unwrap(), BTreeSet::from(["relay_queue_keys".to_owned()]));
    for (wrong, says) in [
        ("relay_queue_key > 0", "relay_queue_key is neither"),
        (r#"relay_queue_keys{phase="asleep"}"#, r#"phase of relay_queue_keys is never "asleep""#),
        (r#"relay_queue_keys{state="idle"}"#, "state is no label"),
        ("sum by (target) (relay_queue_keys)", "target is no label"),
        (r#"up{phase="idle"} == 0"#, "phase is no label of up"),
        ("smu(relay_queue_keys)", "smu is neither"),
        ("relay_run_duration_seconds > 1", "relay_run_duration_seconds is neither"),
    ] {
        let error = vocabulary.check(wrong).unwrap_err();
        assert!(error.contains(says), "{wrong}: {error}");
    }
}
