//! Completions and manual pages: each is there for every command that the relay has.

use std::fs;
use std::process::{Command, Output};

use anypoint_relay::cli;

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

fn relay(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_anypoint-relay")).args(args).output().unwrap()
}

fn printed(args: &[&str]) -> String {
    let output = relay(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn commands() -> Vec<String> {
    let commands: Vec<_> =
        cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    assert!(commands.len() > 10, "{commands:?}");
    commands
}

/// Whether a text has the word, and not as a part of another.
fn mentions(text: &str, word: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.split(|c: char| !inside(c)).any(|found| found == word)
}

#[test]
fn the_completions_of_every_shell_know_every_command() {
    for shell in SHELLS {
        let script = printed(&["completions", shell]);
        for command in commands() {
            assert!(mentions(&script, &command), "{shell}: {command}");
        }
        assert!(script.contains("--key-env") || script.contains("key-env"), "{shell}: an option of trigger");
    }
    let bash = printed(&["completions", "bash"]);
    let checked = Command::new("bash").args(["-n", "-c", &bash]).output();
    assert!(checked.is_ok_and(|output| output.status.success()), "bash reads its script");
    let unknown = relay(&["completions", "tcsh"]);
    assert_eq!(unknown.status.code(), Some(2));
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(SHELLS.iter().all(|shell| said.contains(shell)), "{said}");
}

#[test]
fn the_manual_page_has_every_command_and_each_has_a_page_of_its_own() {
    // roff writes a dash of the text as `\-`.
    let plain = |page: &str| page.replace("\\-", "-");
    let page = plain(&printed(&["man"]));
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(printed(&["man", folder.path().to_str().unwrap()]), "");
    let name = |command: &str| format!("anypoint-relay-{command}");
    for command in commands() {
        assert!(mentions(&page, &name(&command)), "the manual page lacks {command}");
        let own = fs::read_to_string(folder.path().join(format!("{}.1", name(&command)))).unwrap();
        assert!(plain(&own).contains(&name(&command)), "{command}: {own}");
    }
    assert!(folder.path().join("anypoint-relay.1").exists());
}

#[test]
fn manual_pages_that_cannot_be_written_are_told_with_the_folder() {
    let output = relay(&["man", "/nowhere/at/all"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot write manual pages to /nowhere/at/all: "), "{said}");
}
