//! The keys that an issuer of bearer tokens publishes, held and kept fresh.
//!
//! Guarantees: at most one fetch at a time, and none sooner than [`RETRY_AFTER`] after the last, whatever
//! strangers send; a `kid` that is not known is looked for once before its token is refused, so a key that
//! the issuer has just begun to use works at once; keys older than [`REFRESH_AFTER`] are fetched anew behind
//! the token that finds them so, those older than [`OLD_AFTER`] before it is judged, so a key that the issuer
//! has withdrawn is believed no longer than that. While it cannot be reached what is held serves for [`KEEP`].
//!
//! A fetch goes on when its callers give up, so that the sender's next try finds the keys.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::Parts;
use super::ports::{TokenKeys, TokenKeysFault};
use crate::clock::Clock;
use crate::verify::token::KeySet;

/// Shortest time between two fetches: strangers can cause them.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How old keys may be before they are fetched anew.
pub(super) const REFRESH_AFTER: Duration = Duration::from_mins(10);
/// How old keys may be for a token to be judged without asking first.
pub(super) const OLD_AFTER: Duration = Duration::from_mins(15);
/// How old keys may be at all.
pub(super) const KEEP: Duration = Duration::from_hours(24);

/// Why a token could not be judged, or how it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused<E> {
    /// There are no keys to judge it by.
    NoKeys(TokenKeysFault),
    /// It was judged.
    Judged(E),
}

/// The keys of one issuer.
pub(super) struct IssuerKeys(Arc<Inner>);

struct Inner {
    issuer: Arc<dyn TokenKeys>,
    clock: Arc<dyn Clock>,
    held: RwLock<Held>,
    /// When the last fetch began; locked while one is under way.
    last_fetch: Arc<Mutex<Option<Instant>>>,
}

#[derive(Clone)]
enum Held {
    Keys(Arc<KeySet>, Instant),
    /// Never had, or too old; and why.
    Nothing(TokenKeysFault),
}

impl IssuerKeys {
    /// Nothing is fetched before the first token comes: an issuer that is down keeps no relay from starting.
    pub(super) fn new(issuer: Arc<dyn TokenKeys>, parts: &Parts) -> Self {
        let nothing = Held::Nothing(TokenKeysFault("not tried yet".to_owned()));
        let (held, last_fetch) = (RwLock::new(nothing), Arc::default());
        Self(Arc::new(Inner { issuer, clock: Arc::clone(&parts.clock), held, last_fetch }))
    }

    /// What `check` finds among the keys. After a refusal that `stale` keys may have caused, among them as
    /// they are now; the second refusal is final.
    pub(super) async fn admit<T, E>(
        &self,
        check: impl Fn(&KeySet) -> Result<T, E>,
        stale: impl Fn(&E) -> bool,
    ) -> Result<T, Refused<E>> {
        let keys = match self.0.held() {
            Held::Keys(keys, since) if self.0.age(since) < REFRESH_AFTER => keys,
            Held::Keys(keys, since) if self.0.age(since) < OLD_AFTER => {
                self.0.refresh_behind();
                keys
            }
            Held::Keys(..) | Held::Nothing(_) => self.fetched().await.map_err(Refused::NoKeys)?,
        };
        match check(&keys) {
            Err(refusal) if stale(&refusal) => {
                let keys = self.fetched().await.map_err(Refused::NoKeys)?;
                check(&keys).map_err(Refused::Judged)
            }
            other => other.map_err(Refused::Judged),
        }
    }

    /// The keys after a fetch, unless the last one was a moment ago. Those who come while one is under way
    /// wait for it.
    async fn fetched(&self) -> Result<Arc<KeySet>, TokenKeysFault> {
        let last_fetch = Arc::clone(&self.0.last_fetch).lock_owned().await;
        if self.0.may_fetch(*last_fetch) {
            // The task ends by itself; if it panicked, what is held still stands.
            tokio::spawn(Arc::clone(&self.0).fetch(last_fetch)).await.ok();
        }
        match self.0.held() {
            Held::Keys(keys, _) => Ok(keys),
            Held::Nothing(fault) => Err(fault),
        }
    }
}

impl Inner {
    /// What serves now.
    fn held(&self) -> Held {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        match held {
            Held::Keys(_, since) if self.age(since) >= KEEP => {
                Held::Nothing(TokenKeysFault("the last ones are a day old".to_owned()))
            }
            held => held,
        }
    }

    fn may_fetch(&self, last_fetch: Option<Instant>) -> bool {
        last_fetch.is_none_or(|last| self.age(last) >= RETRY_AFTER)
    }

    fn age(&self, since: Instant) -> Duration {
        self.clock.now().saturating_duration_since(since)
    }

    fn refresh_behind(self: &Arc<Self>) {
        let Ok(last_fetch) = Arc::clone(&self.last_fetch).try_lock_owned() else { return };
        if self.may_fetch(*last_fetch) {
            tokio::spawn(Arc::clone(self).fetch(last_fetch));
        }
    }

    async fn fetch(self: Arc<Self>, mut last_fetch: OwnedMutexGuard<Option<Instant>>) {
        let begun = self.clock.now();
        *last_fetch = Some(begun);
        let fetched = match self.issuer.fetch().await {
            Ok(json) => KeySet::parse(&json).map_err(|error| TokenKeysFault(error.to_string())),
            Err(fault) => Err(fault),
        };
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        match (fetched, &*held) {
            (Ok(keys), _) => *held = Held::Keys(Arc::new(keys), begun),
            (Err(error), Held::Keys(..)) => {
                tracing::warn!(%error, "the issuer's keys are kept as they were");
            }
            (Err(fault), Held::Nothing(_)) => *held = Held::Nothing(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use bytes::Bytes;
    use serde_json::Value;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::clock::TestClock;
    use crate::ingress::testing;
    use crate::model::TokenAlgorithm;
    use crate::verify::token::testing::{Pair, key_set};
    use crate::verify::token::{TokenRefusal, TokenRules, check};

    /// Publishes what it is told, or fails; answers as often as it is allowed to.
    struct FakeIssuer {
        published: std::sync::Mutex<Option<Bytes>>,
        fetches: AtomicUsize,
        answers: Semaphore,
    }

    #[async_trait]
    impl TokenKeys for FakeIssuer {
        async fn fetch(&self) -> Result<Bytes, TokenKeysFault> {
            self.fetches.fetch_add(1, Ordering::SeqCst);
            self.answers.acquire().await.unwrap().forget();
            let published = self.published.lock().unwrap().clone();
            published.ok_or_else(|| TokenKeysFault("HTTP 500".to_owned()))
        }
    }

    struct Scene {
        keys: IssuerKeys,
        issuer: Arc<FakeIssuer>,
        clock: TestClock,
        pair: Pair,
    }

    impl Scene {
        /// An issuer that publishes one key, `first`.
        fn new() -> Self {
            let (clock, pair) = (TestClock::at(testing::now()), Pair::p256());
            let issuer = Arc::new(FakeIssuer {
                published: std::sync::Mutex::new(Some(key_set(&[pair.jwk("first")]).into())),
                fetches: AtomicUsize::new(0),
                answers: Semaphore::new(1000),
            });
            let parts = Parts { clock: Arc::new(clock.clone()), ..testing::parts() };
            let keys = IssuerKeys::new(Arc::clone(&issuer) as _, &parts);
            Self { keys, issuer, clock, pair }
        }

        fn publishes(&self, keys: &[Value]) {
            *self.issuer.published.lock().unwrap() = Some(key_set(keys).into());
        }

        fn fails(&self) {
            *self.issuer.published.lock().unwrap() = None;
        }

        fn fetches(&self) -> usize {
            self.issuer.fetches.load(Ordering::SeqCst)
        }

        /// Shows a token that never expires, signed by the key of this name.
        async fn shows(&self, pair: &Pair, id: &str) -> Result<(), Refused<TokenRefusal>> {
            let token = pair.token(id, &serde_json::json!({"iss": "i", "aud": "a", "exp": 1e12}));
            let rules = TokenRules {
                issuer: "i",
                audience: "a",
                algorithms: &[TokenAlgorithm::Es256],
                leeway: Duration::ZERO,
                scope: None,
            };
            let check = |keys: &KeySet| check(&token, keys, &rules, testing::now());
            self.keys.admit(check, |refusal| *refusal == TokenRefusal::UnknownKey).await
        }

        async fn shows_first(&self) -> Result<(), Refused<TokenRefusal>> {
            self.shows(&self.pair, "first").await
        }

        /// Waits until no fetch is under way.
        async fn settled(&self) {
            drop(self.keys.0.last_fetch.lock().await);
        }
    }

    const UNKNOWN: Result<(), Refused<TokenRefusal>> = Err(Refused::Judged(TokenRefusal::UnknownKey));

    #[tokio::test]
    async fn keys_are_fetched_with_the_first_token_and_then_held() {
        let scene = Scene::new();
        assert_eq!(scene.fetches(), 0);
        for _ in 0..100 {
            assert_eq!(scene.shows_first().await, Ok(()));
        }
        assert_eq!(scene.fetches(), 1);
    }

    #[tokio::test]
    async fn a_key_that_the_issuer_has_just_begun_to_use_works_at_once() {
        let (scene, second) = (Scene::new(), Pair::p256());
        assert_eq!(scene.shows_first().await, Ok(()));
        scene.publishes(&[scene.pair.jwk("first"), second.jwk("second")]);
        scene.clock.advance(RETRY_AFTER);
        assert_eq!(scene.shows(&second, "second").await, Ok(()));
        assert_eq!(scene.shows_first().await, Ok(()));
        assert_eq!(scene.fetches(), 2);
    }

    #[tokio::test]
    async fn invented_key_ids_cause_one_fetch_per_period() {
        let scene = Scene::new();
        assert_eq!(scene.shows_first().await, Ok(()));
        scene.clock.advance(RETRY_AFTER);
        for number in 0..100 {
            assert_eq!(scene.shows(&scene.pair, &format!("invented-{number}")).await, UNKNOWN);
        }
        assert_eq!(scene.fetches(), 2);
    }

    #[tokio::test]
    async fn a_key_that_the_issuer_withdrew_ends_with_the_next_refresh() {
        let (scene, second) = (Scene::new(), Pair::p256());
        assert_eq!(scene.shows_first().await, Ok(()));
        scene.publishes(&[second.jwk("second")]);
        scene.clock.advance(REFRESH_AFTER);
        assert_eq!(scene.shows_first().await, Ok(()), "the refresh goes on behind this one");
        scene.settled().await;
        scene.clock.advance(RETRY_AFTER);
        assert_eq!(scene.shows_first().await, UNKNOWN);
        assert_eq!(scene.shows(&second, "second").await, Ok(()));
    }

    #[tokio::test]
    async fn after_a_quiet_time_a_withdrawn_key_is_not_believed_even_once() {
        let (scene, second) = (Scene::new(), Pair::p256());
        assert_eq!(scene.shows_first().await, Ok(()));
        scene.publishes(&[second.jwk("second")]);
        scene.clock.advance(OLD_AFTER);
        assert_eq!(scene.shows_first().await, UNKNOWN);
        assert_eq!(scene.fetches(), 2);
    }

    #[tokio::test]
    async fn while_the_issuer_is_away_the_last_keys_serve_for_a_day_and_no_longer() {
        let scene = Scene::new();
        assert_eq!(scene.shows_first().await, Ok(()));
        scene.fails();
        scene.clock.advance(KEEP.checked_sub(Duration::from_secs(1)).unwrap());
        assert_eq!(scene.shows_first().await, Ok(()));
        scene.settled().await;
        assert_eq!(scene.fetches(), 2);
        scene.clock.advance(RETRY_AFTER);
        assert!(matches!(scene.shows_first().await, Err(Refused::NoKeys(_))));
        scene.publishes(&[scene.pair.jwk("first")]);
        scene.clock.advance(RETRY_AFTER);
        assert_eq!(scene.shows_first().await, Ok(()));
    }

    #[tokio::test]
    async fn a_file_that_is_no_set_of_keys_replaces_nothing() {
        let scene = Scene::new();
        assert_eq!(scene.shows_first().await, Ok(()));
        *scene.issuer.published.lock().unwrap() = Some(Bytes::from_static(b"<html>maintenance</html>"));
        scene.clock.advance(RETRY_AFTER);
        assert_eq!(scene.shows(&scene.pair, "other").await, UNKNOWN);
        assert_eq!(scene.fetches(), 2);
        assert_eq!(scene.shows_first().await, Ok(()));
    }

    #[tokio::test]
    async fn an_issuer_that_was_never_reached_is_asked_once_per_period_and_the_fault_is_told() {
        let scene = Scene::new();
        scene.fails();
        for _ in 0..100 {
            let told = Err(Refused::NoKeys(TokenKeysFault("HTTP 500".to_owned())));
            assert_eq!(scene.shows_first().await, told);
        }
        assert_eq!(scene.fetches(), 1);
    }

    #[tokio::test]
    async fn those_who_come_together_wait_for_one_fetch_which_outlives_them() {
        let scene = Scene::new();
        scene.issuer.answers.forget_permits(1000);
        let given_up = futures_util::future::join(scene.shows_first(), scene.shows_first());
        let mut given_up = Box::pin(given_up);
        assert!(futures_util::poll!(given_up.as_mut()).is_pending());
        tokio::task::yield_now().await;
        drop(given_up);
        scene.issuer.answers.add_permits(1);
        scene.settled().await;
        assert_eq!(scene.shows_first().await, Ok(()));
        assert_eq!(scene.fetches(), 1);
    }
}
