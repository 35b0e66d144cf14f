//! deploy/grafana/dashboard.json against what is exposed: no panel asks for what is not there, and no metric is left out.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::exposed::families;
use crate::promql::Vocabulary;
use crate::read;

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/grafana/dashboard.json")).unwrap()
}

/// Its panels, without the headings between them.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    let panels: Vec<_> = panels.collect();
    assert!(panels.len() >= 15, "{} panels", panels.len());
    panels
}

#[test]
fn every_expression_of_the_dashboard_names_what_is_exposed_and_every_metric_is_shown() {
    let (vocabulary, dashboard) = (Vocabulary::new(), dashboard());
    let mut shown = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title} asks for nothing");
        for target in targets {
            let expression = target["expr"].as_str().unwrap();
            let named = vocabulary.check(expression).unwrap_or_else(|error| panic!("{title}: {error}"));
            let legend = target["legendFormat"].as_str().unwrap();
            for label in legend.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap()) {
                vocabulary.has_label(&named, label).unwrap_or_else(|error| panic!("{title}: {error}"));
                // A sum has no other labels than those that it is taken by.
                let kept = !expression.contains(" by (") || expression.contains(label);
                assert!(kept, "{title}: {label} is summed away");
            }
            shown.extend(named);
        }
    }
    let families = families();
    let left_out: Vec<&String> =
        families.keys().filter(|name| !shown.iter().any(|sample| sample.starts_with(*name))).collect();
    assert_eq!(left_out, Vec::<&String>::new(), "metrics that no panel shows");
}

#[test]
fn the_dashboard_takes_its_data_source_job_and_instance_from_variables() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39, "that of Grafana 11 or later");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "job", "instance"]);
    for variable in &variables[1..] {
        let query = variable["query"]["query"].as_str().unwrap();
        assert!(query.starts_with("label_values(relay_build_info"), "{query}");
    }
    let mut ids = BTreeSet::new();
    for panel in panels(&dashboard) {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels have the id of {}", panel["title"]);
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
            let expression = target["expr"].as_str().unwrap();
            // Each selector, so that no panel mixes relays that were not chosen.
            let chosen = expression.matches(r#"job="$job",instance=~"$instance""#).count();
            assert_eq!(chosen, expression.matches('{').count(), "{expression}");
        }
    }
}
