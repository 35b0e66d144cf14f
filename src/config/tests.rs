//! The example file against the decoder, and input that nobody meant.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::decode::Findings;
use super::load::{parse, read_document};
use super::*;

const EXAMPLE: &str = include_str!("../../config/relay.example.yaml");

fn nothing(_: &str) -> Option<String> {
    None
}

/// The example with its alternatives (`#key`, no space) in force as well.
fn with_alternatives() -> String {
    EXAMPLE
        .lines()
        .map(|line| match line.split_once('#') {
            Some((indent, rest))
                if indent.trim().is_empty() && !rest.starts_with([' ', '#']) && !rest.is_empty() =>
            {
                format!("{indent}{rest}\n")
            }
            // Deeper lines of an alternative keep their own indent after the sign.
            Some((indent, rest))
                if indent.len() >= 4 && indent.trim().is_empty() && rest.starts_with("  ") =>
            {
                format!("{indent}{rest}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn the_example_is_a_right_configuration() {
    let config = parse(EXAMPLE, "relay.example.yaml", &nothing).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((config.targets.len(), config.connections.len()), (17, 1));
    assert_eq!(config.listen.port(), 8080);
    assert_eq!(config.log.filter, "info");
}

#[test]
fn the_example_shows_every_key_that_the_decoder_knows() {
    let findings = Findings::default();
    let text = with_alternatives();
    read_document(&text, &nothing, &findings).unwrap();
    let keys = findings.keys.take();
    let shown: BTreeSet<_> = keys.iter().filter(|(.., given)| *given).map(|(of, key, _)| (of, key)).collect();
    let known: BTreeSet<_> = keys.iter().map(|(of, key, _)| (of, key)).collect();
    let hidden: Vec<_> = known.difference(&shown).collect();
    assert!(hidden.is_empty(), "not in config/relay.example.yaml: {hidden:?}");

    // The other way round: a key in the example that the decoder does not know is a problem, and the
    // only problems are the alternatives that exclude one another.
    let (problems, ..) = findings.into_parts();
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert!(messages.iter().all(|message| message.starts_with("give only one of")), "{messages:#?}");
    assert_eq!(messages.len(), 4, "{messages:#?}");
}

#[test]
fn the_defaults_that_the_example_names_are_the_defaults() {
    let shown = parse(EXAMPLE, "example", &nothing).unwrap();
    let bare = parse("{targets: {}}", "bare", &nothing).unwrap();
    assert_eq!(shown.listen, bare.listen);
    assert_eq!(format!("{:?}", shown.limits), format!("{:?}", bare.limits));
    assert_eq!(format!("{:?}", shown.admin), format!("{:?}", bare.admin));
    assert_eq!(format!("{:?}", shown.reconcile), format!("{:?}", bare.reconcile));
    assert_eq!(format!("{:?}", shown.queue), format!("{:?}", bare.queue));
    assert_eq!(format!("{:?}", shown.log), format!("{:?}", bare.log));
    let when = |alerts: &Alerts| (alerts.stale_after, alerts.repeat);
    assert_eq!(when(&shown.alerts), when(&bare.alerts));
    let times = |aws: &Aws| (aws.timeout, aws.freshness, aws.settle);
    assert_eq!(times(&shown.aws), times(&bare.aws));
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        let errors = parse(&text, "random", &nothing).err().map(|errors| errors.to_string());
        prop_assert!(errors.is_none_or(|text| text.starts_with("random")));
    }

    #[test]
    fn any_punctuation_never_panics(text in "[-?:,\\[\\]{}#&*!|>'\"%@` \\n\\ta-c0$.~<=]{0,120}") {
        let errors = parse(&text, "random", &nothing).err().map(|errors| errors.to_string());
        prop_assert!(errors.is_none_or(|text| text.starts_with("random")));
    }

    #[test]
    fn a_damaged_example_never_panics(
        damages in proptest::collection::vec((any::<prop::sample::Index>(), 0..12_usize, "[-?:,\\[\\]{}#&*!|>'\"% \\na${}~]{0,4}"), 1..6),
    ) {
        let mut text: Vec<char> = EXAMPLE.chars().collect();
        for (index, removed, inserted) in damages {
            let start = index.index(text.len());
            let end = (start + removed).min(text.len());
            text.splice(start..end, inserted.chars());
        }
        let text: String = text.into_iter().collect();
        let errors = parse(&text, "damaged", &nothing).err().map(|errors| errors.to_string());
        prop_assert!(errors.is_none_or(|text| text.lines().all(|line| line.starts_with("damaged"))));
    }

    #[test]
    fn a_line_moved_elsewhere_never_panics(from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let mut lines: Vec<&str> = EXAMPLE.lines().collect();
        let line = lines.remove(from.index(lines.len()));
        lines.insert(to.index(lines.len()), line);
        let errors = parse(&lines.join("\n"), "moved", &nothing).err().map(|errors| errors.to_string());
        prop_assert!(errors.is_none_or(|text| text.lines().all(|line| line.starts_with("moved"))));
    }
}

#[test]
fn deep_nesting_is_refused_at_once() {
    for open in ["[", "{a: ", "- ", "? "] {
        let text = open.repeat(200_000);
        let errors = parse(&text, "deep", &nothing).unwrap_err();
        assert_eq!(errors.count(), 1, "{open}");
    }
}

#[test]
fn a_hostile_file_cannot_make_the_list_of_problems_grow() {
    let lines: Vec<String> = (0..5000).map(|n| format!("key{n}: 1\n")).collect();
    let errors = parse(&lines.concat(), "many", &nothing).unwrap_err();
    assert_eq!(errors.count(), 5000);
    assert!(errors.problems().len() <= 200);
    assert!(errors.to_string().ends_with("many: and 4800 more"));
}

const SCHEMA: &str = include_str!("../../config/relay.schema.json");

/// What the decoder asks for, by the name of the mapping.
fn asked_for() -> BTreeMap<String, BTreeSet<String>> {
    let mut asked = BTreeMap::<String, BTreeSet<String>>::new();
    // Alternatives that exclude one another keep their keys to themselves in the example.
    let credential = "{ env: KEY }";
    let auth = [
        format!("api_key: {{ value: {credential} }}"),
        format!("basic: {{ username: a, password: {credential} }}"),
        "oauth: { issuer: a, audience: b, jwks_url: https://login.example.com/ }".to_owned(),
    ];
    let auth = auth.map(|auth| format!("ingress: {{ eventbridge: {{ auth: {{ {auth} }} }} }}\n"));
    for text in auth.into_iter().chain([with_alternatives(), EXAMPLE.to_owned()]) {
        let findings = Findings::default();
        read_document(&text, &nothing, &findings);
        for (of, key, _) in findings.keys.take() {
            asked.entry(of.to_owned()).or_default().insert(key.to_owned());
        }
    }
    let of_every_kind = asked.remove("a target").unwrap();
    for (of, keys) in &mut asked {
        if of.ends_with(" target") {
            keys.extend(of_every_kind.iter().cloned());
        }
    }
    asked
}

#[test]
fn the_schema_for_editors_has_the_keys_that_the_decoder_knows() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let parts = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let described: BTreeMap<String, BTreeSet<String>> = parts
        .filter_map(|part| {
            let keys = part["properties"].as_object()?.keys().cloned().collect();
            Some((part["title"].as_str()?.to_owned(), keys))
        })
        .collect();
    let asked = asked_for();
    for (of, keys) in &asked {
        assert_eq!(described.get(of), Some(keys), "{of}");
    }
    assert_eq!(described.len(), asked.len(), "{:?}", described.keys());
}

#[test]
fn the_schema_takes_the_example_and_refuses_what_no_configuration_has() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems = |text: &str| -> Vec<String> {
        let file: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        validator.iter_errors(&file).map(|error| format!("{}: {error}", error.instance_path())).collect()
    };
    assert_eq!(problems(EXAMPLE), [""; 0]);
    for (right, wrong) in [
        ("\nlisten: ", "\nlistn: "),
        ("kind: application", "kind: aplication"),
        ("platform: cloudhub2", "platform: cloudhub3"),
        ("    deployment: orders-api ", "    deployement: orders-api "),
        ("interval: 5m ", "interval: soon "),
        ("{ env: ANYPOINT_CLIENT_ID }", "ANYPOINT_CLIENT_ID"),
        ("workers: 16", "workers: 0"),
        ("field: username }", "feild: username }"),
    ] {
        let text = EXAMPLE.replacen(right, wrong, 1);
        assert_ne!(text, EXAMPLE, "{right}");
        assert!(!problems(&text).is_empty(), "{wrong}");
    }
}
