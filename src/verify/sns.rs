//! The check of an SNS message over HTTPS, in the one order that is safe.
//!
//! [`Envelope::parse`] reads strictly, [`Envelope::admit`] applies the topic list, the time window and
//! the rules of the certificate's address, all before anybody touches the network; the caller then
//! fetches [`Admitted::certificate_url`], reads it with [`Certificate::parse`], and
//! [`Admitted::verify`] gives a [`Verified`]. Nothing else makes one, so the message of an unverified
//! envelope cannot reach code that acts on it.
//!
//! Sources: "Verifying the signatures of Amazon SNS messages" (AWS), messages that AWS signed, and the
//! published flaws of other verifiers; each flaw has a test of its own in `flaws`.
//!
//! Does not guarantee: freshness beyond the window. A replay inside it shows by
//! [`Verified::message_id`] or by the id of the event in the message: the caller remembers which of them
//! it acted on.

mod admit;
mod canonical;
mod certificate;
mod certificate_url;
mod envelope;
mod partition;
mod refusal;
mod unverified;

#[cfg(test)]
mod flaws;
#[cfg(test)]
pub(crate) mod testing;

pub use admit::{Admitted, Content, Rules, Verified, Window};
pub use certificate::{Certificate, MAX_CERTIFICATE_BYTES};
pub use certificate_url::CertificateUrl;
pub use envelope::{Envelope, EnvelopeHeaders, Kind, SignatureVersion};
pub use refusal::{RefusalClass, SnsRefusal};

pub(crate) use admit::{check_subscribe_url, check_topic, check_version, check_window};
pub(crate) use canonical::canonical;
pub(crate) use certificate::CertificateFacts;
pub(crate) use unverified::{Field, Unverified};
