//! What Linux says of a process: its memory and its file handles.

use std::fs;
use std::process::Command;

/// Of `/proc/<process>/status`, in KiB.
fn kib(process: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
}

/// What it holds now.
pub(super) fn resident_kib(process: u32) -> u64 {
    kib(process, "VmRSS")
}

/// The most that it held since [`forget_peak`].
pub(super) fn peak_kib(process: u32) -> u64 {
    kib(process, "VmHWM")
}

/// The peak is what it holds now.
pub(super) fn forget_peak(process: u32) {
    fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
}

/// The files and connections that a process has open.
pub(super) fn open_files(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

/// Lets this process have so many file handles, and says how many it may have.
pub(super) fn file_handles(wanted: u64) -> u64 {
    let soft = || {
        let limits = fs::read_to_string("/proc/self/limits").unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        let word = line.split_whitespace().next().unwrap();
        if word == "unlimited" { u64::MAX } else { word.parse().unwrap() }
    };
    if soft() < wanted {
        // Where it cannot be had, the caller sees that it has not become more.
        let own = std::process::id().to_string();
        Command::new("prlimit").args(["--pid", &own, &format!("--nofile={wanted}:")]).status().ok();
    }
    soft()
}
