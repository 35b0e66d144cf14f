//! The words of the system as types: parsed once at the edge, trusted afterwards.
//!
//! Nothing here knows HTTP, AWS clients, Anypoint or the queue.

mod action;
mod arn;
mod duration;
mod event;
mod failure;
mod moment;
mod names;
mod next;
mod outcome;
mod pause;
mod reach;
mod refusal;
mod roll_window;
mod rule;
mod secret_ref;
mod sns_host;
mod state;
mod token_algorithm;

pub use action::Action;
pub use arn::{ArnError, SecretArn, TopicArn};
pub use duration::{parse_duration, show_duration};
pub use event::{Change, Event, EventError, Ignored, SecretMention, Shape};
pub use failure::{Failure, FailureCode, Retry};
pub use moment::Moment;
pub use names::{ConnectionName, NameError, TargetName, VersionId};
pub use next::{Next, Roll};
pub use outcome::Outcome;
pub use pause::Pause;
pub use reach::{Ground, Named, OutOfReach, Reach, hands_out_credentials};
pub use refusal::RefusalReason;
pub use roll_window::RollWindow;
pub use rule::{EventRule, RuleError};
pub use secret_ref::{SecretIdError, SecretRef, Selector, TemplatePart, ValueSource};
pub use state::{Mark, Receipt, ReceiptError, Stamp, VersionSeen, Wanted, WantedDigest, hex};
pub use token_algorithm::TokenAlgorithm;
