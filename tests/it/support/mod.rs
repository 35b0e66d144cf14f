//! A sandbox with the relay in front of it.

mod bench;
mod process;
mod senders;
mod trigger;

pub(crate) use bench::{Bench, EVENTBRIDGE_KEY, LIMIT, ORDERS_SECRET, ORDERS_TARGET, TRIGGER_KEY, name};
pub(crate) use process::{Relay, Run, Sent, binary, text, without};
pub(crate) use senders::{cell, pass};
pub(crate) use trigger::Answer;
