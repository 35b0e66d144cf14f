//! The commands; the only place with `anyhow` and standard output.

pub mod trigger;
