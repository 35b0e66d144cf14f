//! docs/METRICS.md against what is exposed, in both directions.

use std::collections::{BTreeMap, BTreeSet};

use crate::exposed::{OPEN, families};
use crate::{code, rows};

const DOCUMENT: &str = "docs/METRICS.md";

#[test]
fn every_metric_is_documented_with_its_type_and_labels_and_none_that_is_not_there() {
    let exposed: BTreeMap<String, (String, BTreeSet<String>)> = families()
        .into_iter()
        .map(|(name, family)| (name, (family.kind, family.labels.into_keys().collect())))
        .collect();
    let mut documented = BTreeMap::new();
    for row in rows(DOCUMENT, "## The metrics") {
        let [name, kind, labels, meaning, action] = &row[..] else { panic!("five cells: {row:?}") };
        assert!(!meaning.is_empty() && !action.is_empty(), "{name} says what it means and what it is for");
        let labels = code(labels).into_iter().collect();
        let twice = documented.insert(code(name).swap_remove(0), (kind.clone(), labels));
        assert_eq!(twice, None, "{name} is documented twice");
    }
    assert_eq!(documented, exposed);
}

#[test]
fn the_documented_meaning_of_a_metric_begins_as_its_help_does() {
    let exposed = families();
    for row in rows(DOCUMENT, "## The metrics") {
        let help = exposed[&code(&row[0])[0]].help.trim_end_matches('.').to_owned();
        assert!(row[3].replace('`', "").starts_with(&help), "{}: {help:?}, and {:?}", row[0], row[3]);
    }
}

#[test]
fn the_values_of_every_label_are_documented_and_no_others() {
    let mut exposed: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for (name, family) in families() {
        for (label, values) in family.labels {
            let values = if OPEN.contains(&label.as_str()) { BTreeSet::new() } else { values };
            exposed.insert((name.clone(), label), values);
        }
    }
    let mut documented = BTreeMap::new();
    for row in rows(DOCUMENT, "## The values of labels") {
        let [label, of, values] = &row[..] else { panic!("three cells: {row:?}") };
        for metric in code(of) {
            let twice = documented.insert(
                (metric, code(label).swap_remove(0)),
                code(values).into_iter().collect::<BTreeSet<_>>(),
            );
            assert_eq!(twice, None, "{label} of {of}");
        }
    }
    assert_eq!(documented, exposed);
}
