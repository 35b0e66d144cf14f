//! Back-pressure: what attackers cost the relay's memory and the senders of valid notifications.
//!
//! The relay is a process of its own, with the limits of its defaults. Each test attacks it for a few
//! seconds while AWS's senders go on at a steady pace: every notification of theirs must be taken
//! within the sender's deadline, the last rotation must arrive while the attack goes on, and the memory
//! of the process must grow by no more than [`GROWTH_MIB`]. Each test prints its row of the table in
//! `docs/RELIABILITY.md`.
//!
//! They take a machine of their own, and one at a time:
//! `cargo test --locked --test it -- --ignored --nocapture flood`.

mod attack;
mod certificates;
mod connections;
mod memory;
mod notifications;
mod siege;

/// How much the process may grow under any attack, in MiB: a read buffer of 64 KiB for each of the 512
/// connections (32), the bodies of all requests together (32), and as much again for what the allocator
/// keeps, the tasks of the connections, and the ids of the last 20,000 notifications (32).
const GROWTH_MIB: u64 = 96;
/// How many files it may have open: 512 connections to the hooks, 64 to the admin listener, its own to
/// AWS and Anypoint and what every process has. Many systems give a process 1,024 and no more.
const OPEN_FILES: usize = 640;
