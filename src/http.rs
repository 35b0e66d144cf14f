//! What both HTTP listeners share: the server, the table of routes, request ids, problems and readiness.

pub mod envelope;
pub mod failures;
pub mod keyring;
pub mod peer;
pub mod probes;
pub mod problem;
pub mod readiness;
pub mod request_id;
pub mod routes;
pub mod serve;
pub mod tls;

pub use problem::{ErrorCode, Problem, ProblemBody};
pub use readiness::{NotReady, Readiness};
pub use request_id::RequestId;

#[cfg(test)]
#[path = "../tests/support/openapi.rs"]
pub(crate) mod contract;
