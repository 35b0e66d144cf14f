//! What attackers do with sockets, and the count of it.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

/// Where the attack goes, and what came of it; clones are the same.
#[derive(Clone)]
pub(super) struct Ground {
    address: String,
    tally: Arc<Tally>,
}

/// What the attackers did.
#[derive(Default)]
struct Tally {
    attackers: AtomicU64,
    connections: AtomicU64,
    open: AtomicU64,
    most_open: AtomicU64,
    answers: Mutex<BTreeMap<u16, u64>>,
}

impl Ground {
    /// The listener of a relay.
    pub(super) fn of(url: &str) -> Self {
        Self { address: url.trim_start_matches("http://").to_owned(), tally: Arc::default() }
    }

    /// So many attackers at once, each of which begins anew when `act` is over, after a pause.
    pub(super) fn swarm<A: Future<Output = io::Result<()>> + Send + 'static>(
        &self,
        attackers: usize,
        pause: Duration,
        act: impl Fn(Self, usize) -> A + Clone + Send + 'static,
    ) -> JoinSet<()> {
        self.tally.attackers.fetch_add(attackers as u64, Ordering::Relaxed);
        let swarm = (0..attackers).map(|number| {
            let (ground, act) = (self.clone(), act.clone());
            async move {
                let mut pace = interval(pause.max(Duration::from_millis(1)));
                loop {
                    pace.tick().await;
                    // That it was cut off is what the attacker expects.
                    act(ground.clone(), number).await.ok();
                    pace.reset();
                }
            }
        });
        swarm.collect()
    }

    pub(super) async fn connect(&self) -> io::Result<Attacker> {
        let stream = TcpStream::connect(&self.address).await?;
        self.tally.connections.fetch_add(1, Ordering::Relaxed);
        let open = self.tally.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.tally.most_open.fetch_max(open, Ordering::Relaxed);
        Ok(Attacker { ground: self.clone(), stream, read: Vec::new() })
    }

    /// How many take part.
    pub(super) fn attackers(&self) -> u64 {
        self.tally.attackers.load(Ordering::Relaxed)
    }

    /// Connections that were made.
    pub(super) fn connections(&self) -> u64 {
        self.tally.connections.load(Ordering::Relaxed)
    }

    /// The most that the attackers had at once.
    pub(super) fn most_open(&self) -> u64 {
        self.tally.most_open.load(Ordering::Relaxed)
    }

    /// Answers by their status.
    pub(super) fn answers(&self) -> BTreeMap<u16, u64> {
        self.tally.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A connection of an attacker.
pub(super) struct Attacker {
    ground: Ground,
    stream: TcpStream,
    read: Vec<u8>,
}

impl Drop for Attacker {
    fn drop(&mut self) {
        self.ground.tally.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Attacker {
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends `drop` again and again, slowly, until the other side has had enough.
    pub(super) async fn dribble(&mut self, drop: &[u8]) -> io::Result<()> {
        let mut pace = interval(Duration::from_millis(200));
        loop {
            pace.tick().await;
            self.stream.write_all(drop).await?;
            let answer = timeout(Duration::from_millis(1), self.answer());
            if let Ok(answered) = answer.await {
                return answered.map(drop_status);
            }
        }
    }

    /// Waits for the other side to hang up.
    pub(super) async fn linger(&mut self) -> io::Result<()> {
        self.stream.read_to_end(&mut self.read).await.map(|_| ())
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn ask(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request).await?;
        self.answer().await
    }

    /// The status of the next answer.
    async fn answer(&mut self) -> io::Result<u16> {
        loop {
            if let Some((status, length)) = answered(&self.read) {
                self.read.drain(..length);
                let mut answers = self.ground.tally.answers.lock().unwrap_or_else(PoisonError::into_inner);
                *answers.entry(status).or_default() += 1;
                return Ok(status);
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn drop_status(_: u16) {}

/// Status and length of an answer that is there as a whole.
fn answered(bytes: &[u8]) -> Option<(u16, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let whole = end + length.map_or(0, |length| length.parse().unwrap());
    (bytes.len() >= whole).then_some((status, whole))
}
