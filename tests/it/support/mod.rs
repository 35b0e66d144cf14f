//! A sandbox with the relay in front of it.

mod bench;
mod trigger;

pub(crate) use bench::{Bench, LIMIT, name};
pub(crate) use trigger::Answer;
