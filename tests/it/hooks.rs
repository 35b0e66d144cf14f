//! The hooks and the admin listener over real sockets, told by the sandbox's own senders.
//!
//! The flaws of SNS verifiers that were found in other people's code have a test each, named
//! `flaw_<row>_...` after the row of the table that `verify::sns::flaws` follows; those here need a
//! network to show.

mod certificates;
mod confirmation;
mod eventbridge;
mod limits;
mod page;
mod sns;
mod trigger;
