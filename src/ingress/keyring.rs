//! The credentials that senders prove themselves with, and how they rotate.
//!
//! Guarantees: read once at start; read again when a request was refused, at most once per
//! [`REREAD_EVERY`] however many are refused; a place that can't be read keeps its last value.
//!
//! Does not guarantee: that a value which was replaced stops working before the first request that
//! uses the new one.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::credential::{CredentialError, CredentialRef, Credentials};
use crate::secret::SecretValue;

/// Shortest time between two reads: strangers can cause them.
pub(super) const REREAD_EVERY: Duration = Duration::from_secs(5);

/// One accepted credential.
pub(super) struct Key {
    /// Its name in the configuration; empty where it has none.
    pub(super) id: String,
    /// The credential.
    pub(super) value: SecretValue,
}

/// The accepted credentials of one hook.
pub(super) struct KeyRing {
    places: Vec<(String, CredentialRef)>,
    reader: Arc<dyn Credentials>,
    clock: Arc<dyn Clock>,
    keys: RwLock<Arc<[Arc<Key>]>>,
    last_read: Mutex<Instant>,
}

impl KeyRing {
    /// Reads every place; one that can't be read is an error.
    pub(super) async fn load(
        places: Vec<(String, CredentialRef)>,
        reader: Arc<dyn Credentials>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CredentialError> {
        let mut keys = Vec::with_capacity(places.len());
        for (id, place) in &places {
            keys.push(Arc::new(Key { id: id.clone(), value: reader.read(place).await? }));
        }
        let last_read = Mutex::new(clock.now());
        Ok(Self { places, reader, clock, keys: RwLock::new(keys.into()), last_read })
    }

    /// What `check` finds among the credentials; after a refusal, among them as they are now. The
    /// second refusal is final.
    pub(super) async fn admit<T, E>(&self, check: impl Fn(&[Arc<Key>]) -> Result<T, E>) -> Result<T, E> {
        if let Ok(admitted) = check(&self.keys()) {
            return Ok(admitted);
        }
        self.reread().await;
        check(&self.keys())
    }

    fn keys(&self) -> Arc<[Arc<Key>]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads every place again unless that was done a moment ago. Those who come while a read is
    /// under way wait for it.
    async fn reread(&self) {
        let mut last_read = self.last_read.lock().await;
        let now = self.clock.now();
        if now.saturating_duration_since(*last_read) < REREAD_EVERY {
            return;
        }
        // Set before the read as well: a caller that gives up half-way must not free the next one.
        *last_read = now;
        let mut keys = self.keys().to_vec();
        for (key, (id, place)) in keys.iter_mut().zip(&self.places) {
            match self.reader.read(place).await {
                Ok(value) => *key = Arc::new(Key { id: id.clone(), value }),
                Err(error) => tracing::warn!(%error, "credential kept as it was: it could not be read again"),
            }
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
        *last_read = self.clock.now();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::clock::TestClock;

    /// Gives `first` at the first read and `then` (or a failure) at all others.
    struct Rotating {
        reads: AtomicUsize,
        then: Option<&'static str>,
    }

    #[async_trait]
    impl Credentials for Rotating {
        async fn read(&self, place: &CredentialRef) -> Result<SecretValue, CredentialError> {
            let first = self.reads.fetch_add(1, Ordering::SeqCst) == 0;
            match (first, self.then) {
                (true, _) => Ok(SecretValue::from("first".to_owned())),
                (false, Some(text)) => Ok(SecretValue::from(text.to_owned())),
                (false, None) => {
                    Err(CredentialError { place: place.to_string(), reason: "gone".to_owned() })
                }
            }
        }
    }

    async fn ring(then: Option<&'static str>) -> (KeyRing, Arc<Rotating>, TestClock) {
        let clock = TestClock::at(jiff::Timestamp::UNIX_EPOCH);
        let reader = Arc::new(Rotating { reads: AtomicUsize::new(0), then });
        let places = vec![("ops".to_owned(), CredentialRef::Env("KEY".to_owned()))];
        let as_reader: Arc<dyn Credentials> = Arc::clone(&reader) as _;
        let ring = KeyRing::load(places, as_reader, Arc::new(clock.clone())).await.unwrap();
        (ring, reader, clock)
    }

    async fn presents(ring: &KeyRing, text: &str) -> bool {
        let check = |keys: &[Arc<Key>]| {
            keys.iter().any(|key| key.value.expose_str() == Some(text)).then_some(()).ok_or(())
        };
        ring.admit(check).await.is_ok()
    }

    #[tokio::test]
    async fn a_rotated_credential_is_read_again_when_the_new_one_is_refused() {
        let (ring, reader, clock) = ring(Some("second")).await;
        clock.advance(REREAD_EVERY);
        assert!(presents(&ring, "first").await);
        assert_eq!(reader.reads.load(Ordering::SeqCst), 1);
        assert!(presents(&ring, "second").await);
        assert!(!presents(&ring, "first").await);
    }

    #[tokio::test]
    async fn refusals_cause_one_read_per_period() {
        let (ring, reader, clock) = ring(Some("second")).await;
        clock.advance(REREAD_EVERY);
        for _ in 0..100 {
            assert!(!presents(&ring, "wrong").await);
        }
        assert_eq!(reader.reads.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_read_keeps_its_value() {
        let (ring, reader, clock) = ring(None).await;
        clock.advance(REREAD_EVERY);
        assert!(!presents(&ring, "second").await);
        assert_eq!(reader.reads.load(Ordering::SeqCst), 2);
        assert!(presents(&ring, "first").await);
    }
}
