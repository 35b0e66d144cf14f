//! A sandbox with the relay in front of it.

mod bench;
mod browser;
mod edges;
mod process;
mod proxy;
mod scene;
mod senders;
mod trigger;

pub(crate) use bench::{
    APPLICATION_MANAGER_LIMIT, Bench, EVENTBRIDGE_KEY, LIMIT, ORDERS_SECRET, ORDERS_TARGET, TRIGGER_KEY, name,
};
pub(crate) use browser::{Browser, ENTER, ESCAPE};
pub(crate) use edges::{Names, SetClock};
pub(crate) use process::{Relay, Run, binary, program, text, without};
pub(crate) use proxy::Proxy;
pub(crate) use scene::{
    COMPARES_SECRETS, LOOKS_AT_TARGETS, NEVER_POLLS, RETRIES_SLOWLY, Setting, another_second,
    make_reads_fresh, now,
};
pub(crate) use senders::{Line, cell, pass};
pub(crate) use trigger::{Answer, answer, client, signed_with};
