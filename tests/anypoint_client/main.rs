//! The Anypoint side against a control plane that misbehaves.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail their test")]

mod application;
mod fake;
mod leaks;
mod reach;
mod requests;
mod shared_secret;
mod token;
mod trouble;
mod turns;
mod world;
