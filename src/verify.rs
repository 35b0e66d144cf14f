//! Who sent this? Pure functions that answer it: no socket, no clock, no queue.
//!
//! One file per kind of proof: [`sns`] (a signature by AWS), [`webhook`] (a signature by a holder of a
//! trigger key), and what EventBridge offers: [`shared`] (an API key or password over TLS) and [`token`]
//! (a token that an issuer signed). What they do not know: replay, which needs memory, and the fetching
//! of certificates and keys, which needs a network.

pub mod shared;
pub mod sns;
pub mod token;
pub mod webhook;
