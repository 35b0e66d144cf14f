//! A fake AWS and a fake Anypoint Platform on loopback, for tests, benches and the demo.
//!
//! Both speak the real wire formats on ports of their own, misbehave on request ([`faults`]) and keep a
//! history that tests ask for the verdict: which value was current when, and what each replica held.
//! Where the real services' behaviour is not confirmed, the fake has a switch.
//!
//! The sandbox uses nothing of the relay: shared code would hide shared mistakes. It is a tool for
//! tests: where it cannot do its work (no port, no key) it panics, which fails the test that needs it.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a sandbox that cannot start must fail the test that needs it"
)]

pub mod anypoint;
pub mod aws;
pub mod faults;
pub mod issuer;
pub mod pki;
pub mod server;
mod time;

pub use time::{ask_for, wait_for, wait_until};

/// Both fakes, side by side.
#[derive(Debug)]
pub struct Sandbox {
    /// The fake AWS.
    pub aws: aws::Aws,
    /// The fake Anypoint Platform.
    pub anypoint: anypoint::Anypoint,
}

impl Sandbox {
    /// Starts both on free loopback ports.
    pub async fn start() -> Self {
        Self { aws: aws::Aws::start().await, anypoint: anypoint::Anypoint::start().await }
    }
}
