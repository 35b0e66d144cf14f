//! The hooks: what SNS, EventBridge and people send, verified and handed on as hints.
//!
//! Guarantees: nothing of a request is acted on before it is verified (each hook's extractor has no
//! other constructor); what goes on to [`ports::Intake`] is a name, never a value; every sender is
//! told what makes it do the right thing next ("What each sender is told" in `docs/ARCHITECTURE.md`).
//!
//! Not here: who wants a secret, the queue, AWS and Anypoint. They are behind [`ports`].

mod answer;
mod body;
mod eventbridge;
mod gate;
mod offer;
mod places;
pub mod ports;
mod router;
mod sns;
mod state;
mod token_keys;
mod trigger;
mod wait;

pub use answer::{Acknowledgement, TargetState, TriggerAnswer, TriggerRequest, TriggerResult, Verdict};
pub use router::router;
pub use state::{IngressState, Parts};
pub use wait::{LONGEST as LONGEST_WAIT, parse as parse_wait};

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
