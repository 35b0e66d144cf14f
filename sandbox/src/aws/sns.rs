//! SNS: topics that sign, subscriptions that are confirmed, deliveries that are tried again.
//!
//! The test's side is [`Topic`] and [`Subscription`]. What goes over HTTP is in [`message`], when and
//! how often in [`delivery`], and what clients may call in [`wire`].

mod delivery;
mod look;
mod message;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

pub use self::delivery::RetryPolicy;
pub use self::message::{Kind, SnsMessage, timestamp};
pub(crate) use self::wire::{NAMESPACE, serve};
use super::Core;
use super::delivery::Attempt;
use super::outbox::{Order, Outbox};
use super::secrets::partition;
use crate::pki::SigningCertificate;
use crate::time;

/// All topics of the sandbox, and what they sign with.
#[derive(Debug)]
pub(crate) struct Sns(Mutex<State>);

#[derive(Debug)]
pub(crate) struct State {
    topics: BTreeMap<String, TopicState>,
    subscriptions: BTreeMap<String, SubscriptionState>,
    certificates: BTreeMap<String, String>,
    signing: SigningCertificate,
    signing_path: String,
    policy: RetryPolicy,
}

#[derive(Debug)]
struct TopicState {
    region: String,
    signature_version: String,
    outbox: Outbox<SnsMessage>,
    /// What clients have published, oldest first.
    published: Vec<Publication>,
}

#[derive(Debug)]
struct SubscriptionState {
    topic_arn: String,
    endpoint: String,
    status: Status,
    token: String,
    token_valid: bool,
    authenticate_on_unsubscribe: bool,
    raw: bool,
    /// The queue of its RedrivePolicy. What is given up is in `dead` with or without one.
    dead_letter_queue: Option<String>,
    content_type: String,
    attempts: Vec<Attempt>,
    dead: Vec<SnsMessage>,
}

/// Where a subscription stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Waits for its confirmation.
    Pending,
    /// Gets messages.
    Confirmed(Confirmed),
    /// Was ended.
    Deleted,
}

/// How a subscription was confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// By the test, with no handshake.
    ByTest,
    /// By the signed API call.
    ByApi {
        /// The caller's access key.
        access_key: String,
    },
    /// By a request without credentials: the SubscribeURL.
    ByUrl,
}

impl Sns {
    pub(crate) fn new(signing: SigningCertificate) -> Self {
        let mut state = State {
            topics: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            certificates: BTreeMap::new(),
            signing: signing.clone(),
            signing_path: String::new(),
            policy: RetryPolicy::default(),
        };
        state.set_signing(signing);
        Self(Mutex::new(state))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Signs with this from now on, under a new URL; the former certificates stay in place.
    pub(crate) fn set_signing(&mut self, signing: SigningCertificate) -> String {
        self.signing_path = self.add_certificate(&signing.pem);
        self.signing = signing;
        self.signing_path.clone()
    }

    /// Serves a file as a certificate; gives its path.
    pub(crate) fn add_certificate(&mut self, pem: &str) -> String {
        let hash = Uuid::new_v4().simple();
        let path = format!("/SimpleNotificationService-{hash}.pem");
        self.certificates.insert(path.clone(), pem.to_owned());
        path
    }

    pub(crate) fn certificate(&self, path: &str) -> Option<&str> {
        self.certificates.get(path).map(String::as_str)
    }

    pub(crate) fn set_policy(&mut self, policy: RetryPolicy) {
        self.policy = policy;
    }

    /// Signs a message; the certificate's URL is filled in where it is empty.
    pub(crate) fn sign(&self, region: &str, message: &mut SnsMessage) {
        if message.signing_cert_url.is_empty() {
            message.signing_cert_url = format!("https://{}{}", host(region), self.signing_path);
        }
        message.sign(&self.signing.key);
    }

    /// All attempts to deliver to any subscription.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.subscriptions.values().flat_map(|subscription| subscription.attempts.clone()).collect()
    }

    /// The same, and forgets them.
    pub(crate) fn take_attempts(&mut self) -> Vec<Attempt> {
        let all = self.subscriptions.values_mut();
        all.flat_map(|subscription| std::mem::take(&mut subscription.attempts)).collect()
    }

    fn topic(&mut self, arn: &str) -> &mut TopicState {
        self.topics.get_mut(arn).expect("topics are not deleted")
    }

    fn subscription(&mut self, arn: &str) -> &mut SubscriptionState {
        self.subscriptions.get_mut(arn).expect("subscriptions are kept")
    }
}

/// The host of SNS in a region.
pub(crate) fn host(region: &str) -> String {
    let suffix = if partition(region) == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("sns.{region}.{suffix}")
}

/// One topic; clones are the same one.
#[derive(Clone, Debug)]
pub struct Topic {
    core: Arc<Core>,
    arn: String,
}

/// What is published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// The message.
    pub message: String,
    /// The subject.
    pub subject: Option<String>,
    /// Message attributes, all of the type `String`.
    pub attributes: Vec<(String, String)>,
}

impl Topic {
    pub(crate) fn create(core: Arc<Core>, region: &str, name: &str) -> Self {
        let arn = format!("arn:{}:sns:{region}:{}:{name}", partition(region), core.account);
        let (region, signature_version) = (region.to_owned(), "1".to_owned());
        let topic =
            || TopicState { region, signature_version, outbox: Outbox::default(), published: Vec::new() };
        core.sns.lock().topics.entry(arn.clone()).or_insert_with(topic);
        Self { core, arn }
    }

    pub(crate) fn existing(core: Arc<Core>, arn: &str) -> Option<Self> {
        let found = core.sns.lock().topics.contains_key(arn);
        found.then(|| Self { core, arn: arn.to_owned() })
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The topic's attribute SignatureVersion, `1` or `2`; `1` by default, as at AWS.
    pub fn set_signature_version(&self, version: u8) {
        self.core.sns.lock().topic(&self.arn).signature_version = version.to_string();
    }

    /// Subscribes an endpoint and sends it the confirmation, with retries.
    pub fn subscribe(&self, url: impl Into<String>) -> Subscription {
        let subscription = self.insert(url.into(), Status::Pending);
        subscription.send_confirmation();
        subscription
    }

    /// Subscribes an endpoint that need not confirm.
    pub fn subscribe_confirmed(&self, url: impl Into<String>) -> Subscription {
        self.insert(url.into(), Status::Confirmed(Confirmed::ByTest))
    }

    /// Publishes a text; gives the message id.
    pub fn publish(&self, message: impl Into<String>) -> String {
        self.publish_all(Publication { message: message.into(), ..Publication::default() })
    }

    /// Publishes with subject and attributes; gives the message id.
    pub fn publish_all(&self, publication: Publication) -> String {
        let mut message = SnsMessage::notification(&self.arn, publication.message, time::now());
        message.subject = publication.subject;
        message.attributes = publication.attributes;
        let id = message.message_id.clone();
        let now = self.core.sns.lock().topic(&self.arn).outbox.put(message);
        for message in now {
            delivery::fan_out(&self.core, &self.arn, &[message]);
        }
        id
    }

    /// What clients have published with the API, oldest first. Without what the test published itself.
    pub fn published(&self) -> Vec<Publication> {
        self.core.sns.lock().topic(&self.arn).published.clone()
    }

    fn publish_for_client(&self, publication: Publication) -> String {
        self.core.sns.lock().topic(&self.arn).published.push(publication.clone());
        self.publish_all(publication)
    }

    /// Delivers each message this often; 1 is the default.
    pub fn set_copies(&self, copies: usize) {
        self.core.sns.lock().topic(&self.arn).outbox.set_copies(copies);
    }

    /// Keeps back what is published until [`Self::release`].
    pub fn hold(&self) {
        self.core.sns.lock().topic(&self.arn).outbox.hold();
    }

    /// Delivers what was kept back, one after the other in this order (retries apart).
    pub fn release(&self, order: Order) {
        let held = self.core.sns.lock().topic(&self.arn).outbox.release(order);
        delivery::fan_out(&self.core, &self.arn, &held);
    }

    fn insert(&self, endpoint: String, status: Status) -> Subscription {
        let arn = format!("{}:{}", self.arn, Uuid::new_v4());
        let state = SubscriptionState {
            topic_arn: self.arn.clone(),
            endpoint,
            status,
            token: message::new_token(),
            token_valid: true,
            authenticate_on_unsubscribe: false,
            raw: false,
            dead_letter_queue: None,
            content_type: "text/plain; charset=UTF-8".to_owned(),
            attempts: Vec::new(),
            dead: Vec::new(),
        };
        self.core.sns.lock().subscriptions.insert(arn.clone(), state);
        Subscription { core: Arc::clone(&self.core), arn }
    }
}

/// One subscription; clones are the same one.
#[derive(Clone, Debug)]
pub struct Subscription {
    core: Arc<Core>,
    arn: String,
}

impl Subscription {
    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        self.with(|state| state.status.clone())
    }

    /// Waits until the endpoint has confirmed it, and gives how.
    ///
    /// # Panics
    /// After `limit`.
    pub async fn confirmed(&self, limit: Duration) -> Confirmed {
        time::wait_for("the confirmation of a subscription", limit, || match self.status() {
            Status::Confirmed(how) => Some(how),
            Status::Pending | Status::Deleted => None,
        })
        .await
    }

    /// Whether ending it needs credentials, as the confirmation asked.
    pub fn authenticate_on_unsubscribe(&self) -> bool {
        self.with(|state| state.authenticate_on_unsubscribe)
    }

    /// The token of its (last) confirmation.
    pub fn token(&self) -> String {
        self.with(|state| state.token.clone())
    }

    /// Lets the token lapse, as after two days.
    pub fn expire_token(&self) {
        self.with(|state| state.token_valid = false);
    }

    /// Sends the confirmation (once more).
    pub fn send_confirmation(&self) {
        self.confirm_by(Kind::SubscriptionConfirmation);
    }

    /// Somebody without credentials follows the UnsubscribeURL. True if that ended the subscription;
    /// then the endpoint gets an UnsubscribeConfirmation.
    pub fn unsubscribe_by_url(&self) -> bool {
        wire::unsubscribe(&self.core, &self.arn, None).is_ok()
    }

    /// Raw message delivery: no envelope, no signature.
    pub fn set_raw(&self, raw: bool) {
        self.with(|state| state.raw = raw);
    }

    /// Its RedrivePolicy, which leads to the queue with this ARN.
    pub fn set_dead_letter_queue(&self, arn: &str) {
        self.with(|state| state.dead_letter_queue = Some(arn.to_owned()));
    }

    /// The delivery policy's `headerContentType`.
    pub fn set_content_type(&self, content_type: &str) {
        content_type.clone_into(&mut self.core.sns.lock().subscription(&self.arn).content_type);
    }

    /// All attempts to deliver to it, confirmations included, in the order in which they ended.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.with(|state| state.attempts.clone())
    }

    /// The attempts for one message.
    pub fn attempts_of(&self, message_id: &str) -> Vec<Attempt> {
        self.attempts().into_iter().filter(|attempt| attempt.id == message_id).collect()
    }

    /// Waits until an attempt for this message was answered with 2xx.
    ///
    /// # Panics
    /// After `limit`.
    pub async fn delivered(&self, message_id: &str, limit: Duration) -> Attempt {
        time::wait_for("the delivery of a message", limit, || {
            self.attempts_of(message_id).into_iter().find(|attempt| attempt.outcome.is_success())
        })
        .await
    }

    /// What was given up: refused for good, or out of retries.
    pub fn dead_letters(&self) -> Vec<SnsMessage> {
        self.with(|state| state.dead.clone())
    }

    fn confirm_by(&self, kind: Kind) {
        let message = {
            let mut state = self.core.sns.lock();
            let (topic, token) = {
                let subscription = state.subscription(&self.arn);
                subscription.token = message::new_token();
                subscription.token_valid = true;
                (subscription.topic_arn.clone(), subscription.token.clone())
            };
            let host = host(&state.topic(&topic).region);
            SnsMessage::confirmation(kind, &topic, &token, &host, time::now())
        };
        delivery::send(&self.core, &self.arn, message);
    }

    fn with<T>(&self, act: impl FnOnce(&mut SubscriptionState) -> T) -> T {
        act(self.core.sns.lock().subscription(&self.arn))
    }
}
