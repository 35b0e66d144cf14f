//! A sandbox with the relay in front of it.

mod bench;
mod process;
mod trigger;

pub(crate) use bench::{Bench, EVENTBRIDGE_KEY, LIMIT, ORDERS_SECRET, ORDERS_TARGET, TRIGGER_KEY, name};
pub(crate) use process::{Relay, Run, Sent, binary, text, without};
pub(crate) use trigger::{Answer, client, signed_with};
