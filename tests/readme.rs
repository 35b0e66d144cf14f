//! What README.md, docs/ and the Dockerfile say is tried: commands are run or parsed, files are looked
//! for, documents are read by the code that reads them in production.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anypoint_relay::app::{App, Edges};
use anypoint_relay::aws::Access;
use anypoint_relay::config;
use anypoint_relay::inspect::{Inspection, inspect};
use anypoint_relay::lifecycle::Lifecycle;
use anypoint_relay::model::{Change, FailureCode, Outcome, Shape};
use anypoint_relay::{cli, events};
use anypoint_sandbox::Sandbox;
use aws_sdk_secretsmanager::config::Credentials;

const TRIGGER_KEY: &str = "trigger-key-0123456789abcdefghij";

/// Files of the reader's own that the documents speak of.
const OF_THE_READER: [&str; 3] = ["relay.yaml", "message.json", "cert.pem"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// README.md and every Markdown file below docs/.
fn documents() -> Vec<(String, String)> {
    let mut names = vec!["README.md".to_owned()];
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                folders.push(name);
            } else if Path::new(&name).extension().is_some_and(|end| end == "md") {
                names.push(name);
            }
        }
    }
    assert!(names.len() > 2, "{names:?}");
    names.into_iter().map(|name| (name.clone(), read(&name))).collect()
}

/// A fenced block: its language and its lines, without the indentation of the fence.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else { continue };
        let indent = line.len() - line.trim_start().len();
        let inside = lines.by_ref().take_while(|line| line.trim() != "```");
        let mut block = String::new();
        for line in inside {
            block.push_str(line.get(indent..).unwrap_or_default());
            block.push('\n');
        }
        blocks.push((language.to_owned(), block));
    }
    blocks
}

/// The block that follows a marker such as `<!-- test: curl -->`.
fn marked(text: &str, marker: &str) -> String {
    let marker = format!("<!-- test: {marker} -->");
    let (_, rest) = text.split_once(&marker).unwrap_or_else(|| panic!("README.md has no {marker}"));
    assert!(rest.trim_start().starts_with("```"), "no block follows {marker}");
    // The fence's indentation is part of its line, which starts behind the marker's line break.
    blocks(rest).swap_remove(0).1
}

/// Inline code, with line breaks as spaces.
fn spans(text: &str) -> Vec<String> {
    let mut prose = String::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            prose.push_str(line.trim());
            prose.push(if line.trim().is_empty() { '\n' } else { ' ' });
        }
    }
    let mut spans = Vec::new();
    for paragraph in prose.lines() {
        let parts: Vec<&str> = paragraph.split('`').collect();
        assert!(parts.len() % 2 == 1, "an odd number of backticks in: {paragraph}");
        spans.extend(parts.into_iter().skip(1).step_by(2).map(str::to_owned));
    }
    spans
}

/// The configuration of the README, with the environment that it asks for.
fn configuration() -> String {
    marked(&read("README.md"), "configuration")
}

#[test]
fn the_configuration_of_the_readme_is_one() {
    let text = configuration();
    let config = config::parse(&text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.targets.len(), 1);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn the_shell_block_of_the_readme_brings_its_target_in_sync() {
    for (command, version) in [("curl", "--version"), ("openssl", "version")] {
        let found = Command::new(command).arg(version).output();
        assert!(found.is_ok(), "this test needs the command {command}: install it");
    }
    let relay = Relay::start().await;
    let script = marked(&read("README.md"), "curl");
    let url = relay.hooks.clone();
    let output = tokio::task::spawn_blocking(move || {
        Command::new("sh")
            .args(["-eu", "-c", &script])
            .env("RELAY_URL", url)
            .env("TRIGGER_KEY", TRIGGER_KEY)
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .output()
            .unwrap()
    })
    .await
    .unwrap();

    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", shown(&output)));
    assert_eq!(answer["result"], "settled", "{answer}");
    assert_eq!(answer["targets"][0]["target"], "orders-api", "{answer}");
    assert_eq!(answer["targets"][0]["state"], "in_sync", "{answer}");
    let held = relay.sandbox.anypoint.running("orders-api");
    assert_eq!(held[0].secure["db.password"], "the-current-password");
    relay.stop().await;
}

#[tokio::test]
async fn the_health_check_of_the_image_asks_at_the_configured_port_and_needs_no_proxy() {
    let relay = Relay::start().await;
    let port = relay.hooks.rsplit(':').next().unwrap().to_owned();
    let words = exec_form("HEALTHCHECK");
    assert_eq!(words.last(), exec_form("\nCMD").last(), "it reads the file that the relay runs with");
    let example = root().join("config/relay.example.yaml");
    assert!(fs::read_to_string(&example).unwrap().contains("\nlisten: 0.0.0.0:${PORT:-8080}\n"));
    let check = async || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anypoint-relay"));
        command
            .args(&words[1..words.len() - 1])
            .arg(&example)
            .env("PORT", &port)
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .env("http_proxy", "http://127.0.0.1:9")
            .env_remove("NO_PROXY")
            .env_remove("no_proxy");
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    let output = check().await;
    assert!(output.status.success(), "{}", shown(&output));
    relay.stop().await;
    let output = check().await;
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
}

#[test]
fn every_command_line_of_the_documents_is_one() {
    let mut tried = BTreeSet::new();
    for (name, text) in documents() {
        let fenced = blocks(&text).into_iter().flat_map(|(_, block)| {
            let joined = block.replace("\\\n", " ");
            joined.lines().map(str::to_owned).collect::<Vec<_>>()
        });
        for line in fenced.chain(spans(&text)) {
            let words: Vec<&str> = line.split_whitespace().skip_while(|word| is_before(word)).collect();
            if words.first() != Some(&"anypoint-relay") || words.len() < 2 {
                continue;
            }
            let parsed = cli::command().try_get_matches_from(&words);
            let matches = parsed.unwrap_or_else(|error| panic!("{name}: {line}\n{error}"));
            tried.insert(matches.subcommand_name().unwrap().to_owned());
        }
    }
    let all = [
        "audit",
        "check",
        "completions",
        "health",
        "init",
        "inspect",
        "man",
        "pause",
        "plan",
        "resume",
        "retry",
        "serve",
        "status",
        "sync",
        "sync-now",
        "trigger",
    ];
    let all = all.map(str::to_owned);
    assert_eq!(tried, BTreeSet::from(all), "the documents show these commands");
}

/// The prompt, and variables that are set for one command.
fn is_before(word: &str) -> bool {
    word == "$"
        || word
            .split_once('=')
            .is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
}

#[test]
fn the_readme_begins_with_the_demo_and_the_tests() {
    let first = blocks(&read("README.md")).swap_remove(0).1;
    let commands: Vec<&str> = first
        .lines()
        .map(|line| line.split('#').next().unwrap().trim_start_matches("$ ").trim_end())
        .collect();
    assert_eq!(commands, ["cargo run --release --example demo", "cargo test --workspace"]);
}

#[test]
fn every_file_that_the_documents_name_exists() {
    let top: BTreeSet<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "target")
        .collect();
    let mut found = 0;
    for (name, text) in documents() {
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let linked = links.filter(|link| !link.is_empty() && !link.contains("://"));
        let beside = PathBuf::from(&name).parent().unwrap().to_owned();
        for link in linked {
            assert!(root().join(&beside).join(link).exists(), "{name} links to {link}");
            found += 1;
        }
        // `tests/it/promises.rs: promise_1_*` names a file too.
        for span in spans(&text) {
            let path = span.split(':').next().unwrap();
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
            if path.starts_with('/')
                || path.is_empty()
                || !path.bytes().all(plain)
                || OF_THE_READER.contains(&path)
            {
                continue;
            }
            let file = [".rs", ".md", ".yaml", ".toml"].iter().any(|end| path.ends_with(end));
            let first = path.split('/').next().unwrap();
            if file || top.contains(first) {
                assert!(root().join(path).exists(), "{name} names {path}");
                found += 1;
            } else if path.contains('/') && root().join("src").join(first).is_dir() {
                let module = root().join("src").join(path);
                assert!(module.is_dir() || module.with_extension("rs").exists(), "{name} names {path}");
                found += 1;
            }
        }
    }
    assert!(found >= 15, "only {found} names of files were recognised");
}

/// What every file below these folders calls its functions, by file.
fn functions() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = ["src", "tests", "sandbox", "fuzz"].map(PathBuf::from).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.to_str().unwrap().to_owned();
                let text = read(&name);
                let words = text.split("fn ").skip(1);
                let names = words.map(|word| {
                    word.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>()
                });
                found.insert(name, names.collect());
            }
        }
    }
    found
}

#[test]
fn every_test_that_the_documents_name_exists() {
    let functions = functions();
    let mut found = 0;
    for (document, text) in documents() {
        for span in spans(&text) {
            // `tests/it/hooks/sns.rs::flaw_08_...` is one of a file, `hooks::sns::flaw_08_...` one of some file.
            let Some((place, name)) = span.rsplit_once("::") else { continue };
            let start = name.trim_end_matches(['…', '*']);
            let named =
                |function: &String| function == name || (start != name && function.starts_with(start));
            let plain =
                start.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            let exists = if place.contains('/') {
                functions.get(place).is_some_and(|all| all.iter().any(named))
            } else if plain && start.matches('_').count() >= 3 {
                functions.values().flatten().any(named)
            } else {
                continue;
            };
            assert!(exists, "{document} names the test {span}");
            found += 1;
        }
    }
    assert!(found >= 100, "only {found} names of tests were recognised");
}

/// What an attack meets has a verdict, and a test that shows it.
#[test]
fn every_attack_of_the_table_has_a_test_and_a_verdict() {
    let page = read("docs/SECURITY.md");
    let (_, section) = page.split_once("## Known flaws of webhook verifiers").expect("the section");
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| **")).skip(1);
    let mut attacks = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        let [attack, does, shown, verdict] = cells[..] else { panic!("four cells: {row}") };
        assert!(shown.contains(".rs::") && !does.is_empty(), "{attack}");
        let known = ["held", "not held", "not applicable"].iter().any(|word| verdict.starts_with(word));
        assert!(known, "{attack}: {verdict}");
        attacks += 1;
    }
    assert!(attacks >= 30, "{attacks} attacks");
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = read("Cargo.toml");
    let mut section = "";
    let mut direct = BTreeSet::new();
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let ("dependencies" | "dev-dependencies", Some((name, _))) =
            (section, line.split_once(" = "))
        {
            direct.insert(name);
        }
    }
    let page = read("docs/DEPENDENCIES.md");
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let listed: BTreeSet<&str> =
        cells.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches('`')).collect();
    assert_eq!(listed, direct);
}

#[test]
fn every_example_of_the_targets_is_read_and_every_kind_has_one() {
    let examples: Vec<String> = blocks(&read("docs/TARGETS.md"))
        .into_iter()
        .map(|(language, text)| {
            assert_eq!(language, "yaml");
            text
        })
        .collect();
    let text = format!(
        "connections:
  prod:
    host: anypoint.mulesoft.com
    client_id: {{ env: ID }}
    client_secret: {{ env: SECRET }}
    organization: 3f8a6c2e-5b1d-4f70-9c3a-2d4e6f8a0b1c
    environment: 7c1e9d40-8a2b-4c6d-b5e3-1f2a3b4c5d6e
targets:
{}",
        examples.concat()
    );
    let config = config::parse(&text, "TARGETS.md", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    let shown = config.targets.values().filter(|target| target.follows.is_none()).count();
    assert_eq!(shown, examples.len(), "one target an example");
    let shown: BTreeSet<&str> = config.targets.values().map(|target| target.kind.as_str()).collect();
    let whole = config::parse(&read("config/relay.example.yaml"), "relay.example.yaml", &|_| None);
    let all = whole.unwrap_or_else(|errors| panic!("{errors}")).targets;
    assert!(all.values().all(|target| shown.contains(target.kind.as_str())), "{shown:?}");
}

#[test]
fn the_small_event_form_of_the_documents_is_understood() {
    let text = read("docs/ARCHITECTURE.md");
    let (_, section) = text.split_once("## The small event form").expect("the section");
    let (language, json) = blocks(section).swap_remove(0);
    assert_eq!(language, "json");
    let events = events::parse(json.as_bytes()).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0].shape, &events[0].change), (&Shape::Transformed, &Change::Value));
    assert!(events[0].version.is_some() && events[0].at.is_some(), "{:?}", events[0]);
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(events[0].secret.text, object["secretArn"].as_str().unwrap());
}

#[test]
fn every_promise_has_a_test_of_its_name() {
    let text = read("docs/ARCHITECTURE.md");
    let (_, section) = text.split_once("## The promises").expect("the section");
    let parts = fs::read_dir(root().join("tests/it/promises")).unwrap();
    let parts = parts.map(|part| fs::read_to_string(part.unwrap().path()).unwrap());
    let tests: String = parts.chain([read("tests/it/promises.rs")]).collect();
    let mut promises = 0;
    for row in section.lines().filter(|line| line.starts_with("| ")) {
        let Some(number) =
            row.trim_start_matches("| ").split(' ').next().filter(|word| word.parse::<u8>().is_ok())
        else {
            continue;
        };
        let name = format!("promise_{number}_");
        assert!(row.contains(&format!("{name}*`")), "the row of promise {number} names its tests: {row}");
        assert!(tests.contains(&format!("fn {name}")), "tests/it/promises.rs has no test {name}*");
        promises += 1;
    }
    assert_eq!(promises, 8);
}

/// The first cell of each row of the table behind a heading, without its backticks.
fn first_column(document: &str, heading: &str) -> Vec<String> {
    let text = read(document);
    let (_, section) = text.split_once(heading).unwrap_or_else(|| panic!("{document} has no {heading}"));
    let rows =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cell = |row: &str| row.split('|').nth(1).unwrap().trim().trim_matches('`').to_owned();
    rows.skip(2).map(cell).collect()
}

#[test]
fn the_runbook_has_every_outcome_and_every_failure_code() {
    assert_eq!(first_column("docs/RUNBOOK.md", "## What the outcome means"), Outcome::LABELS);
    let codes: Vec<&str> = FailureCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(first_column("docs/RUNBOOK.md", "## What the failure means"), codes);
}

#[test]
fn the_checks_of_an_sns_message_are_those_that_inspect_makes_in_its_order() {
    let inspection =
        Inspection { at: jiff::Timestamp::UNIX_EPOCH, certificate: None, rules: None, index: None };
    let report = inspect(br#"{"Type":"SubscriptionConfirmation"}"#, &inspection);
    let made: Vec<&str> = report.checks.iter().map(|check| check.check).collect();
    assert_eq!(first_column("docs/ARCHITECTURE.md", "## What an SNS message must pass"), made);
}

#[test]
fn every_metric_that_the_documents_name_is_one() {
    let names = read("src/telemetry/metrics/names.rs");
    let mut found = 0;
    for (document, text) in documents() {
        for span in spans(&text).iter().filter(|span| span.starts_with("relay_")) {
            let name = span.split([' ', '{']).next().unwrap();
            assert!(names.contains(&format!("\"{name}\"")), "{document} names the metric {name}");
            found += 1;
        }
    }
    assert!(found >= 5, "{found}");
}

#[test]
fn the_environment_of_the_readme_has_every_credential_of_its_configuration() {
    let wanted: BTreeSet<String> = configuration()
        .split("{ env: ")
        .skip(1)
        .map(|rest| rest.split(' ').next().unwrap().to_owned())
        .collect();
    let script = format!("{}env\n", marked(&read("README.md"), "environment"));
    let mut shell = Command::new("sh");
    let output =
        wanted.iter().fold(shell.args(["-eu", "-c", &script]), Command::env_remove).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let set: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    for name in wanted {
        assert!(set.get(name.as_str()).is_some_and(|value| !value.is_empty()), "{name} is not exported");
    }
    assert!(set["TRIGGER_KEY"].len() >= 24, "the shortest trigger key has 24 bytes");
}

#[test]
fn the_policy_of_the_readme_allows_what_the_relay_asks_of_aws() {
    let policy: serde_json::Value = serde_json::from_str(&marked(&read("README.md"), "policy")).unwrap();
    let mut allowed = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        assert!(!statement["Resource"].as_str().unwrap().starts_with('*'), "{statement}");
        let one = std::slice::from_ref(&statement["Action"]);
        let actions = statement["Action"].as_array().map_or(one, Vec::as_slice);
        allowed.extend(actions.iter().map(|action| action.as_str().unwrap().to_owned()));
    }
    // The actions that a denied call asks for by name.
    let mut asked = BTreeSet::new();
    for file in ["src/aws/secrets.rs", "src/aws/sns.rs", "src/aws/sns_publish.rs", "src/aws/error.rs"] {
        let source = read(file);
        let source = source.split("#[cfg(test)]").next().unwrap();
        for service in ["secretsmanager:", "sns:", "sts:", "kms:"] {
            for rest in source.split(service).skip(1) {
                let action: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
                if action.starts_with(|first: char| first.is_ascii_uppercase()) {
                    asked.insert(format!("{service}{action}"));
                }
            }
        }
    }
    assert_eq!(allowed, asked);
}

#[test]
fn the_scopes_that_a_denied_call_asks_for_are_in_the_readme() {
    let readme = read("README.md");
    // Shared secrets and stores go through the calls of one file.
    let kinds = [
        ("application", "application"),
        ("shared_secret", "grouped"),
        ("keystore", "grouped"),
        ("truststore", "grouped"),
        ("certificate", "grouped"),
    ];
    for (kind, file) in kinds {
        let row = readme
            .lines()
            .map(str::trim)
            .find(|line| {
                line.starts_with('|')
                    && line.split('|').nth(1).is_some_and(|cell| cell.contains(&format!("`{kind}`")))
            })
            .unwrap();
        let source = read(&format!("src/anypoint/kinds/{file}.rs"));
        let scopes = source.lines().filter(|line| line.contains("_SCOPE: &str"));
        let named: Vec<&str> =
            scopes.filter_map(|line| Some(line.split_once('(')?.1.split_once(')')?.0)).collect();
        assert_eq!(named.len(), 2, "{kind}: {named:?}");
        assert!(named.iter().all(|scope| row.contains(&format!("(`{scope}`)"))), "{named:?}: {row}");
    }
}

#[test]
fn what_the_image_copies_and_runs_exists() {
    let dockerfile = read("Dockerfile");
    let mut copied = 0;
    for line in dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0].starts_with("--from=") {
            assert_eq!(words[1], "/src/target/release/anypoint-relay", "{line}");
            continue;
        }
        for source in &words[..words.len() - 1] {
            assert!(root().join(source).exists(), "the Dockerfile copies {source}");
            copied += 1;
        }
    }
    assert!(copied >= 4, "{copied}");

    let user = dockerfile.lines().filter_map(|line| line.strip_prefix("USER ")).next_back();
    let numeric = |id: &str| id.parse::<u32>().is_ok_and(|id| id != 0);
    assert!(user.is_some_and(|user| user.split(':').all(numeric)), "Kubernetes needs a number: {user:?}");

    let (entry, command, health) = (exec_form("ENTRYPOINT"), exec_form("\nCMD"), exec_form("HEALTHCHECK"));
    assert_eq!(health[0], entry[0]);
    for words in [[entry, command].concat(), health] {
        let parsed = cli::command().try_get_matches_from(&words);
        parsed.unwrap_or_else(|error| panic!("{words:?}\n{error}"));
    }
}

/// The JSON array that follows an instruction of the Dockerfile.
fn exec_form(instruction: &str) -> Vec<String> {
    let dockerfile = read("Dockerfile");
    let (_, rest) = dockerfile.split_once(instruction).unwrap_or_else(|| panic!("no {instruction}"));
    let array = &rest[rest.find('[').unwrap()..=rest.find(']').unwrap()];
    serde_json::from_str(array).unwrap_or_else(|error| panic!("{array}: {error}"))
}

fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr))
}

/// A relay with the configuration of the README, which finds the sandbox where AWS and Anypoint would be.
struct Relay {
    sandbox: Sandbox,
    hooks: String,
    lifecycle: Lifecycle,
    ended: tokio::task::JoinHandle<Result<(), String>>,
    _credentials: tempfile::TempDir,
}

impl Relay {
    async fn start() -> Self {
        let sandbox = Sandbox::start().await;
        let value = r#"{"username":"orders_app","password":"the-current-password"}"#;
        sandbox.aws.create_secret("prod/orders/db", value);
        sandbox.anypoint.deploy(
            "orders-api",
            [("http.port", "8081")],
            [("db.user", "orders_app"), ("db.password", "an-old-password")],
        );
        let credentials = tempfile::tempdir().unwrap();
        let text = Self::configuration(&sandbox, credentials.path());
        let config =
            config::parse(&text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        let own = Credentials::new("AKIASANDBOX", "sandbox/secret/access/key", None, None, "sandbox");
        let access = Access::with_credentials(config.aws.clone(), own);
        let bound = App::build(config, access, Edges::default()).await.unwrap().bind().await.unwrap();
        let hooks = format!("http://{}", bound.hooks_addr().unwrap());
        let lifecycle = Lifecycle::default();
        let ended = tokio::spawn(bound.run(lifecycle.clone(), Duration::from_secs(10)));
        Self { sandbox, hooks, lifecycle, ended, _credentials: credentials }
    }

    /// The README's text with other places and shorter timers; what is replaced must be there.
    fn configuration(sandbox: &Sandbox, folder: &Path) -> String {
        let anypoint = &sandbox.anypoint;
        let credentials = [
            ("EVENTBRIDGE_KEY", "eventbridge-key-0123456789abcdef".to_owned()),
            ("TRIGGER_KEY", TRIGGER_KEY.to_owned()),
            ("ANYPOINT_CLIENT_ID", anypoint.client_id()),
            ("ANYPOINT_CLIENT_SECRET", anypoint.client_secret()),
        ];
        let mut text = configuration();
        let mut replace = |from: &str, to: &str| {
            assert!(text.contains(from), "{from:?} is not in the README's configuration");
            text = text.replace(from, to);
        };
        for (name, value) in credentials {
            let file = folder.join(name);
            fs::write(&file, value).unwrap();
            replace(&format!("{{ env: {name} }}"), &format!("{{ file: \"{}\" }}", file.display()));
        }
        replace("0.0.0.0:8080", "127.0.0.1:0");
        replace("host: anypoint.mulesoft.com", &format!("base_url: {}", anypoint.base_url()));
        replace("5a1f6d9c-3a3e-4a52-9d6a-0a7d5f0c8b11", &anypoint.organization());
        replace("0d6b7c1e-7a44-4d0a-8d5b-3f1d2c9e4a22", &anypoint.environment());
        replace("deployment: orders-api\n", "deployment: orders-api\n    coalesce: 10ms\n");
        format!(
            "{text}admin: off\nqueue: {{ confirm_poll: 20ms }}\naws: {{ region: eu-west-1, endpoint: \"{}\" }}\n",
            sandbox.aws.endpoint_url()
        )
    }

    async fn stop(self) {
        self.lifecycle.drain();
        self.ended.await.unwrap().unwrap();
    }
}
