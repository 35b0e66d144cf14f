//! Who may import whom. The compiler does not hold this inside one crate, so a test reads the
//! `crate::` paths of every file and compares them with the one table in here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Layers from the outside in. A module may use modules of later layers, and of its own module only.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["doctor"],
    &["app"],
    &["admin", "alerts", "ingress", "intake", "reconcile", "worker", "aws", "anypoint", "jwks"],
    &["inspect"],
    &["events", "index", "queue", "sync", "verify"],
    &["http", "lifecycle", "outbound", "status", "telemetry"],
    &["config"],
    &["credential", "webhook_signature"],
    &["clock", "model", "secret"],
];

/// Uses inside one layer, or to a place further out, each with its reason.
const EXCEPTIONS: &[(&str, &str, &str)] =
    &[("intake", "ingress", "it implements the port that the hooks hand on to")];

/// The outsides implement the traits of `sync` or bring what the hooks ask for; they must not know the rest
/// of that layer.
const OUTSIDES: &[&str] = &["aws", "anypoint", "jwks"];
const OUTSIDES_MAY_USE: &[&str] = &["outbound", "sync"];

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| layer.contains(&module))
        .unwrap_or_else(|| panic!("module `{module}` is in no layer: add it to tests/architecture.rs"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// `src/sync/plan.rs` -> `sync`.
fn module_of(path: &Path, root: &Path) -> String {
    let first = path.strip_prefix(root).unwrap().components().next().unwrap();
    first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn uses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let own = if line.contains("crate::") { "crate::" } else { "anypoint_relay::cli::" };
        for (start, _) in line.match_indices(own) {
            let path = line[start..].split_once("::").unwrap().1;
            if let Some(list) = path.strip_prefix('{') {
                let heads = list.split([',', '}']).map(|item| item.trim().split("::").next().unwrap_or(""));
                found.extend(heads.filter(|head| !head.is_empty()).map(str::to_owned));
            } else {
                let head = path.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap();
                found.push(head.to_owned());
            }
        }
    }
    found.retain(|head| head.starts_with(|c: char| c.is_ascii_lowercase()));
    found
}

fn graph() -> BTreeMap<(String, String), PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut edges = BTreeMap::new();
    for file in files.into_iter().filter(|file| !file.ends_with("lib.rs")) {
        let from = module_of(&file, &root);
        for to in uses(&fs::read_to_string(&file).unwrap()) {
            if to != from {
                edges.insert((from.clone(), to), file.clone());
            }
        }
    }
    edges
}

#[test]
fn modules_use_only_what_lies_further_in() {
    let mut wrong = Vec::new();
    for ((from, to), file) in graph() {
        let allowed = layer(&from) < layer(&to) || EXCEPTIONS.iter().any(|(a, b, _)| *a == from && *b == to);
        let outside = OUTSIDES.contains(&from.as_str())
            && layer(&to) <= layer("sync")
            && !OUTSIDES_MAY_USE.contains(&to.as_str());
        if !allowed || outside {
            wrong.push(format!("{from} uses {to} ({})", file.display()));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_exception_is_needed() {
    let graph = graph();
    for (from, to, reason) in EXCEPTIONS {
        assert!(graph.contains_key(&((*from).to_owned(), (*to).to_owned())), "{from} uses no {to}: {reason}");
        assert!(layer(from) >= layer(to), "{from} may use {to} anyway: {reason}");
    }
}

#[test]
fn the_reader_of_imports_sees_imports() {
    let text = "use crate::model::{A, B};\nuse crate::{clock::Clock, secret};\n// use crate::app;\nlet x = crate::aws::Y;\n";
    assert_eq!(uses(text), ["model", "clock", "secret", "aws"]);
    assert!(graph().contains_key(&("sync".to_owned(), "model".to_owned())));
}

#[test]
fn the_sandbox_knows_nothing_of_the_relay() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sandbox");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("anypoint-relay"), "sandbox/Cargo.toml names the relay");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 1);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("anypoint_relay"), "{} names the relay", file.display());
    }
}

/// How long a comparison takes is no test's to measure on a machine that others use. That it is made by `subtle`,
/// over all that is accepted, can be read.
#[test]
fn what_a_sender_shows_is_compared_in_constant_time_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    let shared = read("verify/shared.rs");
    let check = shared.split_once("pub fn check(").unwrap().1.split_once("\n    }\n").unwrap().0;
    let webhook = read("verify/webhook.rs");
    let verify = webhook.split_once("let mut found = Choice::from(0);").unwrap().1;
    let verify = verify.split_once("if bool::from(found)").unwrap().0;
    for (file, text) in [("shared.rs", check), ("webhook.rs", verify)] {
        assert!(text.contains(".ct_eq("), "{file}");
        for early in ["==", "!=", ".contains(", ".any(", ".all(", ".find(", ".position(", "break", "&&", "||"]
        {
            let found = text.lines().find(|line| line.contains(early));
            assert_eq!(found, None, "{file} may end early, or compares otherwise, by {early}");
        }
    }
    // A value has no `==` by which it could be compared elsewhere.
    let secret = read("secret.rs");
    assert!(!secret.contains("derive(") && !secret.contains("PartialEq for"));
}
