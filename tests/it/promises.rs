//! One test or more per promise of `docs/ARCHITECTURE.md`, named after it. The verdict is the sandbox's.

mod hints;
mod proof;
mod senders;
