//! One test or more per promise of the design, named after it. The verdict is the sandbox's.

mod hints;
mod proof;
mod senders;
