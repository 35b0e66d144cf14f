//! Sends requests: as fast as they are answered, or so many a second.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{bail, ensure};
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep_until};

use crate::client::Connection;
use crate::corpus::Requests;
use crate::numbers::Latencies;

/// Requests a second of [`steadily`].
pub(crate) const STEADY: u32 = 500;
/// Connections of [`steadily`]: enough that one slow answer delays nobody else.
const STEADY_CONNECTIONS: u32 = 32;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Driven {
    pub(crate) latencies: Latencies,
    pub(crate) took: Duration,
}

/// A server, what it is to be sent, and what it should answer.
pub(crate) struct Course<'a> {
    pub(crate) to: SocketAddr,
    pub(crate) requests: &'a Requests,
    /// What was not sent to this server before begins here.
    pub(crate) next: Cell<usize>,
    pub(crate) refused: bool,
}

impl Course<'_> {
    /// Each of the connections sends its next request when its last one was answered, until the time is over or there
    /// are no more.
    pub(crate) async fn at_full_load(&self, connections: u16, time: Duration) -> anyhow::Result<Driven> {
        let all = RefCell::new(Latencies::default());
        let open = (0..connections).map(|_| Connection::open(self.to));
        let connections = try_join_all(open).await?;
        let started = Instant::now();
        let until = started + time;
        let all_of_them = connections.into_iter().map(|mut connection| {
            let all = &all;
            async move {
                let mut latencies = Latencies::default();
                while Instant::now() < until
                    && let Some(request) = self.take()
                {
                    let sent = Instant::now();
                    let status = connection.exchange(request).await?;
                    latencies.add(sent.elapsed());
                    self.expect(status, &connection)?;
                }
                all.borrow_mut().append(latencies);
                anyhow::Ok(())
            }
        });
        try_join_all(all_of_them).await?;
        Ok(Driven { latencies: all.into_inner(), took: started.elapsed() })
    }

    /// [`STEADY`] requests a second. A request that its predecessor delayed counts from the moment at which it was due:
    /// a server that stalls is not spared the requests that it kept from being sent.
    pub(crate) async fn steadily(&self, time: Duration) -> anyhow::Result<Driven> {
        let all = RefCell::new(Latencies::default());
        let (between, started) = (Duration::from_secs(1) / STEADY, Instant::now());
        let each = u32::try_from(time.as_nanos() / between.as_nanos())?.div_ceil(STEADY_CONNECTIONS);
        let senders = (0..STEADY_CONNECTIONS).map(|lane| {
            let all = &all;
            async move {
                let mut connection = Connection::open(self.to).await?;
                let mut latencies = Latencies::default();
                for turn in 0..each {
                    let due = started + between * (turn * STEADY_CONNECTIONS + lane);
                    let late = Instant::now() > due;
                    sleep_until(due).await;
                    let Some(request) = self.take() else { break };
                    // The timer's own lateness is not the server's.
                    let since = if late { due } else { Instant::now() };
                    let status = connection.exchange(request).await?;
                    latencies.add(since.elapsed());
                    self.expect(status, &connection)?;
                }
                all.borrow_mut().append(latencies);
                anyhow::Ok(())
            }
        });
        try_join_all(senders).await?;
        Ok(Driven { latencies: all.into_inner(), took: started.elapsed() })
    }

    /// Sends some before anything is measured: certificates are fetched, code is warm. A server that needs a while
    /// until it takes anything gets it.
    pub(crate) async fn warm_up(&self, count: usize, patience: Duration) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut connection = loop {
            match Connection::open(self.to).await {
                Ok(connection) => break connection,
                Err(error) if started.elapsed() > patience => bail!("{} does not listen: {error}", self.to),
                Err(_) => sleep_until(Instant::now() + Duration::from_millis(5)).await,
            }
        };
        for _ in 0..count {
            let Some(request) = self.take() else {
                bail!("there are fewer requests than the warming up takes")
            };
            loop {
                let status = connection.exchange(request).await?;
                if self.is_expected(status) {
                    break;
                }
                ensure!(
                    started.elapsed() < patience,
                    "answered otherwise than it should: {}",
                    connection.answer()
                );
                sleep_until(Instant::now() + Duration::from_millis(5)).await;
            }
        }
        Ok(())
    }

    fn take(&self) -> Option<&[u8]> {
        let place = self.next.get();
        self.next.set(place + 1);
        self.requests.get(place)
    }

    fn is_expected(&self, status: u16) -> bool {
        if self.refused { (400..500).contains(&status) } else { (200..300).contains(&status) }
    }

    fn expect(&self, status: u16, connection: &Connection) -> anyhow::Result<()> {
        ensure!(self.is_expected(status), "answered otherwise than it should: {}", connection.answer());
        Ok(())
    }
}
