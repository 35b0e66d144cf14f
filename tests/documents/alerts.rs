//! deploy/prometheus/rules.yaml against what is exposed and against docs/RUNBOOK.md. That each rule fires when it should is
//! shown by promtool, with the cases of rules_test.yaml.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::promql::Vocabulary;
use crate::read;

const RULES: &str = "deploy/prometheus/rules.yaml";

/// Labels that a rule's annotation may name although no metric of the relay has them.
const OF_ANY_ALERT: [&str; 2] = ["instance", "job"];

struct Rule {
    name: String,
    expression: String,
    severity: String,
    annotations: Value,
}

fn rules() -> Vec<Rule> {
    let document: Value = serde_saphyr::from_str(&read(RULES)).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let groups = document["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    let rules: Vec<Rule> = rules
        .map(|rule| Rule {
            name: text(&rule["alert"]),
            expression: text(&rule["expr"]),
            severity: text(&rule["labels"]["severity"]),
            annotations: rule["annotations"].clone(),
        })
        .collect();
    assert!(rules.len() >= 10, "{} rules", rules.len());
    rules
}

#[test]
fn every_expression_of_a_rule_names_metrics_labels_and_values_that_are_exposed() {
    let vocabulary = Vocabulary::new();
    for Rule { name, expression, .. } in rules() {
        let named = vocabulary.check(&expression).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!named.is_empty() || expression.contains("up{"), "{name} looks at nothing");
    }
}

#[test]
fn what_a_rule_says_is_complete_and_names_labels_that_are_there() {
    let vocabulary = Vocabulary::new();
    for Rule { name, expression, severity, annotations } in rules() {
        assert!(["critical", "warning"].contains(&severity.as_str()), "{name}: {severity}");
        let text = |key: &str| annotations[key].as_str().unwrap_or_else(|| panic!("{name} has no {key}"));
        assert!(text("description").contains("Next: "), "{name} says what to do");
        let named = vocabulary.check(&expression).unwrap();
        for key in ["summary", "description"] {
            for rest in text(key).split("$labels.").skip(1) {
                let label = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap();
                let known = OF_ANY_ALERT.contains(&label) || vocabulary.has_label(&named, label).is_ok();
                // A sum has no other labels than those that it is taken by.
                let kept = !expression.starts_with("sum by")
                    || expression.split(')').next().unwrap().split(['(', ',', ' ']).any(|word| word == label);
                assert!(known && kept, "{name}: {key} names {label}");
            }
        }
    }
}

/// As GitHub makes the anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}

#[test]
fn every_rule_leads_to_its_entry_of_the_runbook_and_every_entry_has_a_rule() {
    let runbook = read("docs/RUNBOOK.md");
    let (_, section) = runbook.split_once("\n## Alerts\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let entries: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let names: BTreeSet<String> = rules().into_iter().map(|rule| rule.name).collect();
    assert_eq!(entries.iter().map(|entry| (*entry).to_owned()).collect::<BTreeSet<_>>(), names);
    for Rule { name, severity, expression, annotations } in rules() {
        let url = format!("docs/RUNBOOK.md#{}", anchor(&name));
        assert_eq!(annotations["runbook_url"], url, "{name}");
        let entry = section.split(&format!("### {name}\n\n")).nth(1).unwrap().split("\n### ").next().unwrap();
        let (said, _) = entry.split_once(": ").unwrap();
        assert_eq!(said.to_lowercase(), severity, "{name}");
        for metric in Vocabulary::new().check(&expression).unwrap() {
            assert!(entry.contains(&format!("`{metric}`")), "the entry of {name} names {metric}");
        }
    }
}

#[test]
fn every_link_inside_the_runbook_leads_to_a_heading() {
    let runbook = read("docs/RUNBOOK.md");
    let headings: BTreeSet<String> = runbook
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_matches(['#', ' '])))
        .collect();
    let links: Vec<&str> = runbook.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() >= 3, "{links:?}");
    for link in links {
        assert!(headings.contains(link), "#{link} is no heading");
    }
}

#[test]
fn every_rule_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let cases = read("deploy/prometheus/rules_test.yaml");
    for Rule { name, .. } in rules() {
        let asked = format!("ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}'");
        let quiet = cases.lines().any(|line| line.contains(&asked) && line.ends_with("exp_samples: [] }"));
        assert!(quiet, "rules_test.yaml has no case in which {name} does not fire");
        let fired = format!("ALERTS{{alertname=\"{name}\",alertstate=\"firing\",severity=");
        assert!(cases.contains(&fired), "rules_test.yaml has no case in which {name} fires");
    }
}
