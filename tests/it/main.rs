//! The relay and the sandbox together, over real sockets.
//!
//! Every test starts a sandbox of its own and the real relay in front of it. The verdict comes from the
//! sandbox's history (what each replica ran with, and when), never from the relay's own word.

mod happy_path;
mod support;

#[path = "../support/openapi.rs"]
mod openapi;
