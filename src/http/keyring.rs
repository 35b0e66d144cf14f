//! The credentials that senders prove themselves with, and how they rotate.
//!
//! Guarantees: read once at start; read again when a request was refused, at most once per
//! [`REREAD_EVERY`] however many are refused; a place that can't be read keeps its last value.
//!
//! A value that was replaced is let in until the places are read again: for [`FORGOTTEN_AFTER`] at most, as
//! requests come. Whoever found it would not be refused, so no refusal has to come first.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::credential::{CredentialError, CredentialRef, Credentials};
use crate::secret::SecretValue;

/// Shortest time between two reads: strangers can cause them.
pub const REREAD_EVERY: Duration = Duration::from_secs(5);

/// A read that is older than this is repeated behind the next request. It is no shorter because a place may
/// be a secret of AWS, where each read has its price.
pub const FORGOTTEN_AFTER: Duration = Duration::from_mins(1);

/// Turns what was read into what is compared, or says what is wrong with it.
pub type Decode = fn(SecretValue) -> Result<SecretValue, String>;

/// One accepted credential; cheap to clone.
#[derive(Clone)]
pub struct Key(Arc<(String, SecretValue)>);

impl Key {
    /// Its name in the configuration; empty where it has none.
    pub fn id(&self) -> &str {
        &self.0.0
    }

    /// The credential.
    pub fn value(&self) -> &SecretValue {
        &self.0.1
    }
}

/// The accepted credentials of one door.
pub struct KeyRing(Arc<Ring>);

struct Ring {
    places: Vec<(String, CredentialRef)>,
    decode: Decode,
    reader: Arc<dyn Credentials>,
    clock: Arc<dyn Clock>,
    keys: RwLock<Arc<[Key]>>,
    last_read: Mutex<Instant>,
}

impl KeyRing {
    /// Reads every place; one that can't be read or decoded is an error.
    pub async fn load(
        places: Vec<(String, CredentialRef)>,
        reader: Arc<dyn Credentials>,
        clock: Arc<dyn Clock>,
        decode: Decode,
    ) -> Result<Self, CredentialError> {
        let (keys, last_read) = (RwLock::new(Arc::default()), Mutex::new(clock.now()));
        let ring = Ring { places, decode, reader, clock, keys, last_read };
        let mut keys = Vec::with_capacity(ring.places.len());
        for (id, place) in &ring.places {
            keys.push(ring.read(id, place).await?);
        }
        ring.put(keys);
        Ok(Self(Arc::new(ring)))
    }

    /// What `check` finds among the credentials. After a refusal that `stale` credentials may have
    /// caused, among them as they are now; the second refusal is final.
    pub async fn admit<T, E>(
        &self,
        check: impl Fn(&[Key]) -> Result<T, E>,
        stale: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        match check(&self.0.keys()) {
            Err(refusal) if stale(&refusal) => {
                self.0.reread(REREAD_EVERY).await;
                check(&self.0.keys())
            }
            other => {
                self.forget_in_time();
                other
            }
        }
    }

    /// The request does not wait for the read: a place may be slow, and its sender's time is short.
    fn forget_in_time(&self) {
        // Whoever holds the lock reads.
        let due = self.0.last_read.try_lock().is_ok_and(|last| self.0.is_older(*last, FORGOTTEN_AFTER));
        if due {
            let ring = Arc::clone(&self.0);
            tokio::spawn(async move { ring.reread(FORGOTTEN_AFTER).await });
        }
    }
}

impl Ring {
    fn keys(&self) -> Arc<[Key]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, keys: Vec<Key>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
    }

    async fn read(&self, id: &str, place: &CredentialRef) -> Result<Key, CredentialError> {
        let value = (self.decode)(self.reader.read(place).await?)
            .map_err(|reason| CredentialError { place: place.to_string(), reason })?;
        Ok(Key(Arc::new((id.to_owned(), value))))
    }

    fn is_older(&self, read: Instant, than: Duration) -> bool {
        self.clock.now().saturating_duration_since(read) >= than
    }

    /// Reads every place again unless that was done less than this ago. Those who come while a read is
    /// under way wait for it.
    async fn reread(&self, than: Duration) {
        let mut last_read = self.last_read.lock().await;
        if !self.is_older(*last_read, than) {
            return;
        }
        // Set before the read as well: a caller that gives up half-way must not free the next one.
        *last_read = self.clock.now();
        let mut keys = self.keys().to_vec();
        for (key, (id, place)) in keys.iter_mut().zip(&self.places) {
            match self.read(id, place).await {
                Ok(fresh) => *key = fresh,
                Err(error) => tracing::warn!(%error, "credential kept as it was: it could not be read again"),
            }
        }
        self.put(keys);
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
                (false, None) => Err(CredentialError { place: place.to_string(), reason: "gone".to_owned() }),
            }
        }
    }

    async fn ring(then: Option<&'static str>) -> (KeyRing, Arc<Rotating>, TestClock) {
        let clock = TestClock::at(jiff::Timestamp::UNIX_EPOCH);
        let reader = Arc::new(Rotating { reads: AtomicUsize::new(0), then });
        let places = vec![("ops".to_owned(), CredentialRef::Env("KEY".to_owned()))];
        let ring =
            KeyRing::load(places, Arc::clone(&reader) as _, Arc::new(clock.clone()), Ok).await.unwrap();
        (ring, reader, clock)
    }

    async fn presents(ring: &KeyRing, text: &str) -> bool {
        let check = |keys: &[Key]| {
            keys.iter().any(|key| key.value().expose_str() == Some(text)).then_some(()).ok_or(())
        };
        ring.admit(check, |()| true).await.is_ok()
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
    async fn a_value_that_was_taken_out_is_forgotten_in_time_though_nobody_is_refused() {
        let (ring, reader, clock) = ring(Some("second")).await;
        clock.advance(FORGOTTEN_AFTER.checked_sub(Duration::from_secs(1)).unwrap());
        assert!(presents(&ring, "first").await);
        assert_eq!(reader.reads.load(Ordering::SeqCst), 1);
        clock.advance(Duration::from_secs(1));
        assert!(presents(&ring, "first").await, "nobody waits for the read");
        while reader.reads.load(Ordering::SeqCst) == 1 {
            tokio::task::yield_now().await;
        }
        // A refusal within five seconds of a read causes no further one.
        assert!(!presents(&ring, "first").await);
        assert!(presents(&ring, "second").await);
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
