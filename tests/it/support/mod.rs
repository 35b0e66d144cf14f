//! A sandbox with the relay in front of it.

mod bench;
mod scene;
mod trigger;

pub(crate) use bench::{Bench, LIMIT, ORDERS_SECRET, ORDERS_TARGET, name};
pub(crate) use scene::{
    COMPARES_SECRETS, LOOKS_AT_TARGETS, NEVER_POLLS, RETRIES_SLOWLY, Setting, another_second,
    make_reads_fresh, now,
};
pub(crate) use trigger::Answer;
