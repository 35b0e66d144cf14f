//! What must hold for every input that strangers send: one function for each parser that meets them.
//!
//! A function returns where its input was handled as promised and panics where not. More than "it does not
//! crash" is asked: what is read prints back to the same, what is verified really carries a proof, a
//! refusal is short and quotes nothing that it must not. Where there is an oracle it shares no code with
//! the relay.
//!
//! `tests/seeds.rs` runs them over the seeds and over what was found, in plain `cargo test`;
//! `tests/libfuzzer.rs` lets libFuzzer look for more (`fuzz/run.sh`, docs/FUZZING.md).

mod certificate;
mod config;
mod credentials;
mod events;
mod ids;
mod planted;
mod receipt;
mod sns;
mod token;
mod trigger;

/// One function and its name: of its seeds' folder, its dictionary, its line in `fuzz/targets`.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// What must hold.
    pub check: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "sns", check: sns::check },
    Target { name: "certificate", check: certificate::check },
    Target { name: "events", check: events::check },
    Target { name: "trigger", check: trigger::check },
    Target { name: "credentials", check: credentials::check },
    Target { name: "token", check: token::check },
    Target { name: "config", check: config::check },
    Target { name: "ids", check: ids::check },
    Target { name: "receipt", check: receipt::check },
];

/// The one of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().copied().find(|target| target.name == name)
}
