//! What happens to a target over time. Every verdict is the sandbox's: its log says what was asked and
//! written, its history what each replica ran with.

mod alerts;
mod alternating;
mod ambiguous;
mod coalescing;
mod corrections;
mod failed_rolls;
mod foreign;
mod gates;
mod limits;
mod many;
mod mending;
mod names;
mod rollback;
mod rolling;
mod stale;
mod time;
mod watching;
