//! The one path: observe, plan, apply, confirm, record.

pub mod memory;
pub mod plan;
pub mod ports;
pub mod values;
pub mod versions;
