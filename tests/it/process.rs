//! The binary as a process: killed, drained, restarted.

mod audit;
mod crash;
mod drain;
mod proxy;
mod reload;
mod start;
mod tls;
