//! The relay and the sandbox together, over real sockets.
//!
//! Every test starts a sandbox of its own and the real relay in front of it. The verdict comes from the
//! sandbox's history (what each replica ran with, and when), never from the relay's own word.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod cli;
mod connections;
mod dashboard;
mod drill;
mod flood;
mod happy_path;
mod hooks;
mod kinds;
mod leak;
mod neighbours;
mod process;
mod promises;
mod rotations;
mod scenarios;
mod support;
mod traces;
mod unconfirmed;

#[path = "../support/openapi.rs"]
mod openapi;
