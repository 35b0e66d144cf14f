//! The relay as a process of its own, through all its lives: started, killed, started again, and all that it
//! writes searched for secrets.

use std::fs::File;
use std::io::Write as _;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep_until, timeout};

use crate::gauges::{Gauges, Pages};
use crate::leak::Leaks;
use crate::schedule::Signal;
use crate::world::World;

/// How long a relay that was told to end may take: it lets runs finish for 25 s.
const DRAIN: Duration = Duration::from_secs(30);
/// Between two looks at the relay's pages.
const LOOK: Duration = Duration::from_secs(1);

/// What the relay's lives were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lives {
    pub(crate) starts: u32,
    pub(crate) kills: u32,
    pub(crate) terms: u32,
    /// Ends that nobody had asked for, and drains that were late or ended badly.
    pub(crate) bad_ends: Vec<String>,
}

/// Holds the relay. Its process is killed when this is dropped.
pub(crate) struct Relay {
    orders: mpsc::UnboundedSender<Order>,
    keeper: JoinHandle<()>,
    lives: Arc<Mutex<Lives>>,
    gauges: Gauges,
}

enum Order {
    Kill { signal: Signal, down: Duration },
    End,
}

impl Relay {
    /// Starts it. It need not be ready yet.
    pub(crate) fn start(world: &World, leaks: &Leaks) -> anyhow::Result<Self> {
        let (orders, wanted) = mpsc::unbounded_channel();
        let lives = Arc::<Mutex<Lives>>::default();
        let gauges = Gauges::default();
        let log = File::create(world.file("relay.log")).context("cannot write the relay's log")?;
        let keeper = Keeper {
            exe: std::env::current_exe().context("this program is not found")?,
            configuration: world.file("relay.yaml"),
            environment: world.environment(),
            log: Arc::new(Mutex::new(log)),
            pages: Pages::of(world, leaks)?,
            leaks: leaks.clone(),
            lives: Arc::clone(&lives),
            gauges: gauges.clone(),
        };
        let first = keeper.launch()?;
        Ok(Self { orders, keeper: tokio::spawn(keeper.keep(first, wanted)), lives, gauges })
    }

    /// Kills it, and starts it again after it was down for so long.
    pub(crate) fn kill(&self, signal: Signal, down: Duration) {
        self.orders.send(Order::Kill { signal, down }).ok();
    }

    /// Ends it as an operator would.
    pub(crate) async fn end(self) -> (Lives, Gauges) {
        self.orders.send(Order::End).ok();
        self.keeper.await.ok();
        let lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (lives, self.gauges)
    }

    pub(crate) fn lives(&self) -> Lives {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn gauges(&self) -> &Gauges {
        &self.gauges
    }
}

/// One life.
struct Life {
    child: Child,
    /// Whether it has said that it listens; before that, a signal may end it as it likes.
    listens: Arc<AtomicBool>,
}

struct Keeper {
    exe: std::path::PathBuf,
    configuration: std::path::PathBuf,
    environment: Vec<(String, String)>,
    log: Arc<Mutex<File>>,
    pages: Pages,
    leaks: Leaks,
    lives: Arc<Mutex<Lives>>,
    gauges: Gauges,
}

impl Keeper {
    async fn keep(self, mut life: Life, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut looks = interval(LOOK);
        loop {
            tokio::select! {
                ended = life.child.wait() => {
                    self.bad_end(format!("it ended by itself: {}", told(ended.ok())));
                    let Some(next) = self.launch_or_tell() else { return };
                    life = next;
                }
                _ = looks.tick() => self.look(&life).await,
                order = orders.recv() => {
                    self.look(&life).await;
                    match order {
                        Some(Order::Kill { signal, down }) => {
                            self.stop(&mut life, signal).await;
                            sleep_until(Instant::now() + down).await;
                            let Some(next) = self.launch_or_tell() else { return };
                            life = next;
                        }
                        Some(Order::End) => {
                            self.stop(&mut life, Signal::Term).await;
                            return;
                        }
                        None => return,
                    }
                }
            }
        }
    }

    /// The same program again, in the mode in which it is the relay.
    fn launch(&self) -> anyhow::Result<Life> {
        let mut command = Command::new(&self.exe);
        command.arg("serve").arg(&self.configuration).env_clear().envs(self.environment.clone());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("the relay cannot be started")?;
        self.lives().starts += 1;
        self.gauges.begin_life();
        let listens = Arc::<AtomicBool>::default();
        let reader = |place| Reader {
            place,
            log: Arc::clone(&self.log),
            leaks: self.leaks.clone(),
            gauges: self.gauges.clone(),
            listens: Arc::clone(&listens),
        };
        if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
            tokio::spawn(reader("the relay's output").read(out));
            tokio::spawn(reader("the relay's log").read(err));
        }
        Ok(Life { child, listens })
    }

    fn launch_or_tell(&self) -> Option<Life> {
        self.launch().inspect_err(|error| self.bad_end(format!("{error:#}"))).ok()
    }

    async fn look(&self, life: &Life) {
        self.gauges.look(life.child.id(), &self.pages).await;
    }

    async fn stop(&self, life: &mut Life, signal: Signal) {
        let Life { child, listens } = life;
        match signal {
            Signal::Kill => {
                self.lives().kills += 1;
                child.kill().await.ok();
            }
            Signal::Term => {
                self.lives().terms += 1;
                let listened = listens.load(Ordering::Acquire);
                if let Some(id) = child.id() {
                    Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status().await.ok();
                }
                match timeout(DRAIN, child.wait()).await {
                    Ok(Ok(status)) if status.success() || !listened => {}
                    Ok(ended) => self.bad_end(format!("told to end, it ended badly: {}", told(ended.ok()))),
                    Err(_) => {
                        self.bad_end(format!("told to end, it still ran after {DRAIN:?}"));
                        child.kill().await.ok();
                    }
                }
            }
        }
    }

    fn bad_end(&self, what: String) {
        self.lives().bad_ends.push(what);
    }

    fn lives(&self) -> std::sync::MutexGuard<'_, Lives> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn told(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| "nobody knows how".to_owned(), |status| status.to_string())
}

/// Keeps and searches all that a life writes to one of its streams.
struct Reader {
    place: &'static str,
    log: Arc<Mutex<File>>,
    leaks: Leaks,
    gauges: Gauges,
    listens: Arc<AtomicBool>,
}

impl Reader {
    async fn read(self, stream: impl AsyncRead + Unpin) {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
            self.leaks.search(self.place, &line);
            let says = |message: &str| {
                let field = format!("\"message\":\"{message}\"");
                line.windows(field.len()).any(|part| part == field.as_bytes())
            };
            if says("listening") {
                self.listens.store(true, Ordering::Release);
            } else if says("reconciled") {
                self.gauges.reconciled_once();
            }
            self.log.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line).ok();
            line.clear();
        }
    }
}
