//! The one path: observe, plan, apply, confirm, record.

// memory
// plan
pub mod ports;
pub mod values;
// versions
