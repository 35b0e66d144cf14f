//! The binary as a process: killed, drained, restarted.

mod crash;
mod drain;
mod proxy;
mod start;
