//! The commands, run as a person runs them.

mod check;
mod doctor;
mod init;
mod inspect;
mod operate;
mod plan;
mod sync;
mod terminal;
mod trigger;
mod usage;
