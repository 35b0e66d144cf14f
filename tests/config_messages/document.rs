//! The YAML itself, and the environment filled into it.

use crate::{APPLICATION, again, application_and, assert_printed};

#[test]
fn malformed_yaml_says_where_it_breaks() {
    assert_printed(
        "targets:
  orders:
    kind: [application
    connection: prod
",
        "relay.yaml:4:15: not valid YAML: illegal placement of ':' indicator",
    );
    assert_printed(
        "targets:\n\torders: {}\n",
        "relay.yaml:2:2: not valid YAML: tabs disallowed within this context (block indentation)",
    );
    assert_printed(
        "aws: *region\n",
        "relay.yaml:1:6: not valid YAML: while parsing node, found unknown anchor",
    );
    assert_printed(
        "targets:
  : 1
",
        "relay.yaml:2:3: a key is missing before the ':'",
    );
    assert_printed(
        "? [a, b]
: 1
",
        "relay.yaml:1:3: a key is a text, not a list or a mapping",
    );
}

#[test]
fn a_file_without_settings_says_what_to_start_from() {
    assert_printed(
        "# nothing yet\n",
        "relay.yaml:1:1: the file is empty; config/relay.example.yaml shows every setting",
    );
    assert_printed(
        "- targets\n",
        "relay.yaml:1:1: expected a mapping such as `targets: ...` at the top; config/relay.example.yaml shows every setting",
    );
    assert_printed(
        "targets",
        "relay.yaml:1:1: expected a mapping such as `targets: ...` at the top; config/relay.example.yaml shows every setting",
    );
}

#[test]
fn what_yaml_could_do_beyond_a_configuration_is_refused() {
    assert_printed(
        "targets: {}
---
targets: {}
",
        "relay.yaml:2:1: a second document begins; a configuration is one",
    );
    assert_printed(
        "aws: &region { region: eu-west-1 }
queue: *region
",
        "relay.yaml:1:6: anchors (&name) are not used here; write the value out where it is needed",
    );
    assert_printed(
        "listen: !!str 0.0.0.0:8080\n",
        "relay.yaml:1:9: tags (!name) are not used here; leave the tag out",
    );
}

#[test]
fn a_duplicate_key_names_the_first_one() {
    assert_printed(
        "listen: 0.0.0.0:8080
listen: 0.0.0.0:8081
",
        "relay.yaml:2:1: listen: given twice, first on line 1; keep one of them",
    );
}

#[test]
fn a_duplicate_target_names_the_first_one() {
    assert_printed(
        &application_and(&again(APPLICATION).replace("again:", "orders:")),
        "relay.yaml:16:3: targets.orders: given twice, first on line 9; keep one of them",
    );
}

#[test]
fn every_missing_variable_is_reported_by_name() {
    assert_printed(
        "listen: ${HOST}:${PORT}
log: { filter: '${LEVEL}' }
",
        "relay.yaml:1:9: listen: environment variable HOST is not set; set it, or write `${HOST:-default}`
relay.yaml:1:9: listen: environment variable PORT is not set; set it, or write `${PORT:-default}`
relay.yaml:2:16: log.filter: environment variable LEVEL is not set; set it, or write `${LEVEL:-default}`",
    );
}

#[test]
fn a_dollar_that_is_no_reference_says_how_to_write_it() {
    assert_printed(
        "receipts: /var/$HOME/receipts\n",
        "relay.yaml:1:11: receipts: a single `$`; write `${NAME}` for an environment variable or `$$` for a literal `$`",
    );
    assert_printed(
        "receipts: ${HOME\n",
        "relay.yaml:1:11: receipts: `${` has no closing `}`; write `$$` for a literal `$`",
    );
    assert_printed(
        "receipts: ${HOME?}\n",
        "relay.yaml:1:11: receipts: `${...}` takes the name of an environment variable, as in `${NAME}` or `${NAME:-default}`; write `$$` for a literal `$`",
    );
}

#[test]
fn the_value_of_a_variable_is_never_shown() {
    assert_printed(
        "queue: { workers: '${HIDDEN}' }
log: { format: '${HIDDEN}' }
aws: { endpoint: '${HIDDEN}' }
",
        r#"relay.yaml:1:19: queue.workers: expected a whole number between 1 and 1024, found "${HIDDEN}"
relay.yaml:2:16: log.format: "${HIDDEN}" is not a log format (json, pretty)
relay.yaml:3:18: aws.endpoint: expected a URL such as https://relay.example.com/refresh; this is not one (not quoted here: it may hold a token)"#,
    );
}
