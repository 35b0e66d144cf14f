//! `anypoint-relay status --watch`: the status of a running relay, live, by its server-sent events.
//!
//! A stream that ends, or says nothing for [`SILENCE`], is opened again, and the whole state fetched anew; only a
//! relay that cannot be asked at the start ends the command.

use std::io::Write;
use std::time::Duration;

use anyhow::bail;
use jiff::Timestamp;
use serde::Deserialize;

use super::remote::Remote;
use super::status::path;
use super::trigger::plain;
use super::view::{self, Fleet, Page, Style};
use crate::model::TargetName;
use crate::outbound;

/// How long one stream may last.
pub(super) const LONGEST: Duration = Duration::from_hours(24);
/// The relay says every 15 seconds that it is there.
const SILENCE: Duration = Duration::from_secs(45);
/// Before a stream is opened again.
const PAUSE: Duration = Duration::from_secs(2);
/// Largest event; a target with its history takes about five kilobytes.
const MAX_EVENT: usize = 4 * 1024 * 1024;

/// Shows what changes for as long as somebody looks.
pub(super) async fn watch(
    remote: &Remote,
    target: Option<&TargetName>,
    json: bool,
    style: Style,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let mut screen = Screen { remote, target, json, style, fleet: None };
    let mut events = Events::open(remote).await?;
    loop {
        let lost = loop {
            match events.next().await {
                Ok(event) => screen.take_in(&event, out).await?,
                Err(lost) => break lost,
            }
        };
        writeln!(std::io::stderr(), "the stream ended ({lost:#}); it is opened again").ok();
        events = loop {
            pause().await;
            if let Ok(events) = Events::open(remote).await {
                break events;
            }
        };
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing else waits, and the person may end it at any time")]
async fn pause() {
    tokio::time::sleep(PAUSE).await;
}

struct Event {
    name: String,
    data: String,
}

/// What is told of a notification.
#[derive(Deserialize)]
struct Notice {
    at: Timestamp,
    route: String,
    verdict: String,
    secret: Option<String>,
    count: u64,
}

struct Screen<'a> {
    remote: &'a Remote,
    target: Option<&'a TargetName>,
    json: bool,
    style: Style,
    /// All targets, where all are watched.
    fleet: Option<Fleet>,
}

impl Screen<'_> {
    async fn take_in(&mut self, event: &Event, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
        if self.json {
            writeln!(out, "{{\"event\":\"{}\",\"data\":{}}}", event.name, event.data)?;
            return Ok(out.flush()?);
        }
        match event.name.as_str() {
            // Whoever was told so has missed what came before.
            "hello" | "resync" => self.fetch(out).await?,
            "target" => self.changed(&view::read(event.data.as_bytes())?, out)?,
            "notification" if self.target.is_none() && !self.style.redraws => {
                let notice: Notice = view::read(event.data.as_bytes())?;
                let Notice { at, route, verdict, secret, count } = notice;
                let secret = secret.unwrap_or_default();
                let line = format!("{at:.0}  notification by {route}: {verdict} {secret} ({count} in a row)");
                writeln!(out, "{}", plain(&line))?;
            }
            // What later versions may tell.
            _ => {}
        }
        Ok(out.flush()?)
    }

    async fn fetch(&mut self, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
        let body = self.remote.get(&path(self.target)).await?;
        self.clear(out)?;
        if self.target.is_some() {
            view::target(&view::read(&body)?, self.style, out)?;
        } else {
            let fleet = view::read(&body)?;
            view::fleet(&fleet, self.style, out)?;
            self.fleet = Some(fleet);
        }
        Ok(())
    }

    fn changed(&mut self, page: &Page, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
        if self.target.is_some_and(|target| target.as_str() != page.target.name) {
            return Ok(());
        }
        if !self.style.redraws {
            return Ok(view::line(&page.target, page.at, out)?);
        }
        self.clear(out)?;
        if self.target.is_some() {
            return Ok(view::target(page, self.style, out)?);
        }
        let Some(fleet) = &mut self.fleet else { return Ok(()) };
        fleet.at = page.at;
        if let Some(known) = fleet.targets.iter_mut().find(|known| known.name == page.target.name) {
            known.clone_from(&page.target);
        }
        Ok(view::fleet(fleet, self.style, out)?)
    }

    /// From the top of an empty screen, where it may be drawn over.
    fn clear(&self, out: &mut (dyn Write + Send)) -> std::io::Result<()> {
        if self.style.redraws { write!(out, "\u{1b}[H\u{1b}[2J") } else { Ok(()) }
    }
}

/// A stream of server-sent events.
struct Events {
    response: reqwest::Response,
    /// What came of the next event.
    bytes: Vec<u8>,
}

impl Events {
    async fn open(remote: &Remote) -> anyhow::Result<Self> {
        Ok(Self { response: remote.stream("/events").await?, bytes: Vec::new() })
    }

    async fn next(&mut self) -> anyhow::Result<Event> {
        loop {
            if let Some(end) = self.bytes.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.bytes.drain(..end + 2).collect();
                if let Some(event) = event(&block) {
                    return Ok(event);
                }
                continue;
            }
            if self.bytes.len() > MAX_EVENT {
                bail!("an event of more than {MAX_EVENT} bytes");
            }
            match tokio::time::timeout(SILENCE, self.response.chunk()).await {
                Ok(Ok(Some(chunk))) => self.bytes.extend_from_slice(&chunk),
                Ok(Ok(None)) => bail!("the relay ended it"),
                Ok(Err(error)) => bail!("{}", outbound::reason(error)),
                Err(_) => bail!("nothing came for {} s", SILENCE.as_secs()),
            }
        }
    }
}

/// The event of a block; none for a comment. The relay writes each on lines of their own, data on one.
fn event(block: &[u8]) -> Option<Event> {
    let text = std::str::from_utf8(block).ok()?;
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    Some(Event { name: line("event: ")?, data: line("data: ")? })
}
