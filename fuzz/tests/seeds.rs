//! Every seed, and every input that was ever found to break something, in plain `cargo test`.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::fs;
use std::path::{Path, PathBuf};

use anypoint_relay_fuzz::{TARGETS, target};

/// The lines of `fuzz/targets`: a name, and the folders of its seeds.
fn listed() -> Vec<(&'static str, Vec<PathBuf>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let lines = include_str!("../targets").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split_ascii_whitespace();
            (words.next().unwrap(), words.map(|folder| root.join(folder)).collect())
        })
        .collect()
}

#[test]
fn every_target_is_listed_with_its_seeds() {
    let names: Vec<_> = listed().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, TARGETS.iter().map(|target| target.name).collect::<Vec<_>>());
}

#[test]
fn every_seed_and_every_finding_is_handled_as_promised() {
    for (name, folders) in listed() {
        let check = target(name).unwrap().check;
        let mut seeds = 0;
        for folder in folders {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    println!("{name}: {}", path.display());
                    check(&fs::read(path).unwrap());
                    seeds += 1;
                }
            }
        }
        assert!(seeds >= 5, "{name} has {seeds} seeds");
    }
}
