//! The commands, run as a person runs them.

mod check;
mod inspect;
mod plan;
mod sync;
mod trigger;
mod usage;
