//! `/hooks/sns`: messages of Amazon SNS.
//!
//! Guarantees: the topic list, the time window and the rules of the certificate's address are applied
//! before any network use; a certificate that can't be had now is a 503, because SNS never repeats a
//! 403; no address out of a message is ever followed; a message about a subscription that was acted on
//! is acted on once.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::answer::{Acknowledgement, Verdict};
use super::places::Place;
use super::ports::{Alert, CertificateFault, DedupId};
use super::{IngressState, body, offer};
use crate::config::{Confirm, SnsIngress};
use crate::http::{ErrorCode, Problem, RequestId};
use crate::model::TopicArn;
use crate::telemetry::metrics::Route;
use crate::telemetry::traces;
use crate::verify::sns::{
    Certificate, CertificateUrl, Content, Envelope, EnvelopeHeaders, RefusalClass, Rules, SnsRefusal,
    Verified, Window,
};

/// What the configuration says about SNS, and the certificates that were parsed.
pub(super) struct SnsHook {
    config: SnsIngress,
    parsed: Parsed,
}

impl SnsHook {
    pub(super) fn new(config: &SnsIngress) -> Self {
        Self { config: config.clone(), parsed: Parsed::default() }
    }

    async fn certificate(
        &self,
        state: &IngressState,
        url: &CertificateUrl,
    ) -> Result<Arc<Certificate>, Problem> {
        let pem = state.certificates().fetch(url.as_str()).await.map_err(no_certificate)?;
        self.parsed.certificate(&pem).map_err(|refusal| {
            if refusal == SnsRefusal::CertificateFile {
                state.certificates().reject(url.as_str(), &pem);
            }
            refused(refusal)
        })
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            topics: &self.config.topics,
            window: Window { max_age: self.config.max_age, max_ahead: self.config.max_ahead },
            require_version_2: self.config.require_version_2,
            certificate_path: self.config.emulator.certificate_path.as_deref(),
        }
    }
}

/// A message that AWS signed for a listed topic. [`Message::verified`] is the only way to get one.
struct Message(Verified);

impl Message {
    async fn verified(state: &IngressState, place: &Place, request: Request) -> Result<Self, Problem> {
        let hook = state.sns().ok_or_else(body::disabled)?;
        let (Parts { headers, .. }, body) = request.into_parts();
        let body = body::read(body, state.limits().body_bytes, place).await?;
        let now = state.clock().timestamp();
        let admitted = Envelope::parse(&body, &envelope_headers(&headers))
            .and_then(|envelope| envelope.admit(&hook.rules(), now))
            .map_err(refused)?;
        let certificate = hook.certificate(state, admitted.certificate_url()).await?;
        let verified = admitted.verify(&certificate, now).map_err(refused)?;
        place.keep()?;
        traces::proved();
        Ok(Self(verified))
    }
}

fn envelope_headers(headers: &HeaderMap) -> EnvelopeHeaders<'_> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    EnvelopeHeaders {
        message_type: text("x-amz-sns-message-type"),
        raw_delivery: text("x-amz-sns-rawdelivery").is_some_and(|value| value.eq_ignore_ascii_case("true")),
    }
}

/// The handler.
pub(super) async fn receive(
    state: &IngressState,
    id: &RequestId,
    place: &Place,
    request: Request,
) -> Result<Response, Problem> {
    let Message(message) = Message::verified(state, place, request).await?;
    let seen = DedupId::message(message.message_id());
    let (verdict, detail) = match message.content() {
        Content::Notification { message: text } => {
            offer::events(state, Route::Sns, id, text.as_bytes(), |_| Ok(()))?
        }
        _ if state.intake().knows(&seen) => (Verdict::Duplicate, None),
        Content::SubscriptionConfirmation { token } => {
            let verdict = confirm(state, message.topic(), token).await?;
            state.intake().remember(&seen);
            (verdict, None)
        }
        Content::UnsubscribeConfirmation => {
            state.intake().alert(Alert::Unsubscribed { topic: message.topic().clone() });
            state.intake().remember(&seen);
            (Verdict::Unsubscribed, None)
        }
    };
    Ok(Acknowledgement::respond(StatusCode::OK, verdict, detail, id))
}

async fn confirm(state: &IngressState, topic: &TopicArn, token: &str) -> Result<Verdict, Problem> {
    let mode = state.sns().ok_or_else(body::disabled)?.config.confirm;
    match mode {
        Confirm::Off => {
            // The token is of no use but to confirm this very subscription, and without it nobody could.
            tracing::warn!(
                %topic,
                token,
                "a subscription waits for a person: aws sns confirm-subscription --topic-arn <topic> \
                 --token <token> --authenticate-on-unsubscribe true"
            );
            state.intake().alert(Alert::ConfirmByHand { topic: topic.clone() });
            Ok(Verdict::NotConfirmed)
        }
        Confirm::Auto | Confirm::Api | Confirm::Url => match state.confirmer().confirm(topic, token).await {
            Ok(()) => Ok(Verdict::Confirmed),
            Err(failure) => {
                let problem = Problem::new(
                    ErrorCode::ConfirmationFailed,
                    "send it again in a moment; the relay's log has the cause",
                )
                .because(format_args!("{}; {}", failure.message, failure.next_step));
                state.intake().alert(Alert::ConfirmationFailed { topic: topic.clone(), failure });
                Err(problem)
            }
        },
    }
}

/// The sender is told which rule class failed, the log which rule.
fn refused(refusal: SnsRefusal) -> Problem {
    let problem = match refusal {
        SnsRefusal::RawDelivery => Problem::new(
            ErrorCode::RawDelivery,
            "raw messages carry no signature; turn raw message delivery off on the subscription",
        ),
        SnsRefusal::TopicNotListed => Problem::new(
            ErrorCode::TopicNotListed,
            "add the topic to ingress.sns.topics if its messages are wanted",
        ),
        SnsRefusal::TooOld | SnsRefusal::TooNew => Problem::new(
            ErrorCode::MessageOutsideWindow,
            "the message is older, or further ahead of this clock, than the configuration allows",
        ),
        // SNS serves nothing else there, so something on the way did: the message must not be lost for it.
        SnsRefusal::CertificateFile => {
            Problem::new(ErrorCode::CertificateUnavailable, "send it again in a moment")
        }
        _ => match refusal.class() {
            RefusalClass::Malformed => {
                Problem::new(ErrorCode::Malformed, format!("not a message as SNS writes it: {refusal}"))
            }
            RefusalClass::Refused => Problem::new(
                ErrorCode::SignatureRefused,
                "the signature, the certificate or its address was refused",
            ),
        },
    };
    match problem.code() {
        // Not the sender's doing.
        ErrorCode::CertificateUnavailable => problem,
        _ => problem.refused(refusal.reason()),
    }
    .because(refusal)
}

fn no_certificate(fault: CertificateFault) -> Problem {
    Problem::new(ErrorCode::CertificateUnavailable, "send it again in a moment").because(fault)
}

/// Parsed certificates, so that a message costs one signature check and no certificate parsing. The
/// store gives the same bytes for the same certificate; that they are the same is seen by address.
#[derive(Default)]
struct Parsed(Mutex<Vec<PemAndCertificate>>);

type PemAndCertificate = (Arc<[u8]>, Arc<Certificate>);

impl Parsed {
    /// AWS signs with one certificate per region and replaces it about twice a year.
    const KEPT: usize = 8;

    fn certificate(&self, pem: &Arc<[u8]>) -> Result<Arc<Certificate>, SnsRefusal> {
        let known = |kept: &[PemAndCertificate]| {
            kept.iter().find(|(bytes, _)| Arc::ptr_eq(bytes, pem)).map(|(_, parsed)| Arc::clone(parsed))
        };
        if let Some(parsed) = known(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(parsed);
        }
        let parsed = Arc::new(Certificate::parse(pem)?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == Self::KEPT {
            kept.remove(0);
        }
        kept.push((Arc::clone(pem), Arc::clone(&parsed)));
        Ok(parsed)
    }
}
