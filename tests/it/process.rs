//! The binary as a process: killed, drained, restarted.

mod audit;
mod crash;
mod drain;
mod proxy;
mod start;
mod tls;
