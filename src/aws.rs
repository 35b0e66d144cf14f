//! AWS: reads of Secrets Manager behind the traits of [`crate::sync::ports`] and
//! [`crate::credential`], SNS subscription confirmation and publication, the certificates that SNS signs
//! with, and looks for `check --online`: who the relay is, how topics are subscribed, and where rules lead.
//!
//! Everything goes through the AWS SDK, except the two plain HTTPS GETs to an SNS host (certificate,
//! confirmation by URL), which go through [`crate::outbound`]. Failures leave as
//! [`crate::model::Failure`] with their retry class and next step.

mod certificates;
mod config;
mod error;
mod http_client;
mod identity;
mod listing;
mod rules;
mod secrets;
mod sns;
mod sns_http;
mod sns_publish;
mod subscriptions;
#[cfg(test)]
mod testing;

pub use certificates::{CertificateError, CertificateStore};
pub use config::Access;
pub use identity::{Caller, Identity};
pub use listing::{ListedSecret, SecretList};
pub use rules::{Destination, EventConnection, Input, Kind, Rule, RuleTarget};
pub use secrets::SecretsManager;
pub use sns::{Route, SnsConfirmer};
pub use sns_http::{SetupError, SnsHttp};
pub use sns_publish::SnsPublisher;
pub use subscriptions::{Delivery, Subscription};
