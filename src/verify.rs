//! Who sent this? Pure functions that answer it: no socket, no clock, no queue.
//!
//! One file per kind of proof: [`sns`] (a signature by AWS), [`webhook`] (an HMAC by a holder of a
//! trigger key), [`shared`] (an API key or password over TLS, all that EventBridge offers). What they
//! do not know: replay, which needs memory, and the fetching of certificates, which needs a network.

pub mod shared;
pub mod sns;
pub mod webhook;
