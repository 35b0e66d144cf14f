//! The hooks and the admin listener over real sockets, told by the sandbox's own senders.
//!
//! The flaws that SNS verifiers are known for have a test each, named `flaw_<number>_...` as those of
//! `verify::sns::flaws`; the ones here need a network to show.

mod certificates;
mod confirmation;
mod eventbridge;
mod headers;
mod hostile;
mod limits;
mod made_up;
mod oauth;
mod page;
mod sns;
mod trigger;
