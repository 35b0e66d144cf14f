//! What the relay says about itself: log lines, metrics, traces and the audit.
//!
//! Guarantees: every metric name stands in one table and every label has a closed set of values or
//! grows with the configured targets only; libraries cannot log below `info`, where they quote
//! requests and answers.

pub mod audit;
pub mod logging;
pub mod metrics;
pub mod traces;
