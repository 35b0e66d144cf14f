//! deploy/systemd/anypoint-relay.service: its commands are commands of the relay, and what keeps values in is set.
//! Where systemd is on the machine `.ci/run` lets it read the unit too.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anypoint_relay::cli;

use crate::read;

const UNIT: &str = "deploy/systemd/anypoint-relay.service";
const INSTALLED: &str = "/usr/local/bin/anypoint-relay";

#[test]
fn the_commands_of_the_unit_are_commands_of_the_relay() {
    let unit = read(UNIT);
    let mut found = Vec::new();
    for line in unit.lines() {
        let Some(command) = line.strip_prefix("ExecStart=").or_else(|| line.strip_prefix("ExecStartPre="))
        else {
            continue;
        };
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(words[0], INSTALLED);
        let matches =
            cli::command().try_get_matches_from(&words).unwrap_or_else(|error| panic!("{line}\n{error}"));
        found.push(matches.subcommand_name().unwrap().to_owned());
    }
    assert_eq!(found, ["check", "serve"]);
}

#[test]
fn the_unit_keeps_values_in_and_the_relay_to_its_folder() {
    let unit = read(UNIT);
    let settings: BTreeMap<&str, &str> =
        unit.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).collect();
    for (setting, value) in [
        ("DynamicUser", "yes"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("CapabilityBoundingSet", ""),
        ("LimitMEMLOCK", "infinity"),
        ("LimitCORE", "0"),
        ("StateDirectory", "anypoint-relay"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
    ] {
        assert_eq!(settings.get(setting), Some(&value), "{setting}");
    }
    // Credentials are loaded, never written into the unit.
    assert!(settings.contains_key("LoadCredential") && !settings.contains_key("Environment"));
}

#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_reads_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anypoint-relay.service");
    let verify = |text: &str| {
        fs::write(&path, text).unwrap();
        let output = Command::new("systemd-analyze").arg("verify").arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Other units of the machine are read as well, and may have their own faults.
        said.lines().filter(|line| line.contains("anypoint-relay")).map(str::to_owned).collect::<Vec<_>>()
    };
    // systemd looks for the binary, so it has to find the one of this build.
    let unit = read(UNIT).replace(INSTALLED, env!("CARGO_BIN_EXE_anypoint-relay"));
    assert_eq!(verify(&unit), Vec::<String>::new());
    assert_ne!(verify(&unit.replace("ProtectSystem=", "ProtectSytem=")), Vec::<String>::new());
}
