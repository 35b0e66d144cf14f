//! What the relay takes from its machine, in a test's hand: names and the wall clock.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anypoint_relay::clock::{Clock, SystemClock};
use anypoint_relay::outbound::Lookup;
use async_trait::async_trait;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use jiff::{SignedDuration, Timestamp};

/// Names that lead to loopback while they are known, for the SDK and for all other clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    known: BTreeSet<String>,
    asked: Vec<String>,
}

impl Names {
    pub(crate) fn know(&self, name: &str) {
        self.0.lock().unwrap().known.insert(name.to_owned());
    }

    pub(crate) fn forget(&self, name: &str) {
        assert!(self.0.lock().unwrap().known.remove(name), "{name} is known");
    }

    /// How often a name was looked up.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|asked| *asked == name).count()
    }

    /// The SDK's client with these names.
    pub(crate) fn sdk_client(&self) -> SharedHttpClient {
        let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        aws_smithy_http_client::Builder::new().tls_provider(provider).build_with_resolver(self.clone())
    }

    fn find(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut state = self.0.lock().unwrap();
        state.asked.push(name.to_owned());
        if state.known.contains(name) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into()]);
        }
        // As the C library's resolver words it.
        Err(io::Error::other("failed to lookup address information: Name or service not known"))
    }
}

#[async_trait]
impl Lookup for Names {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.find(host)
    }
}

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::ready(self.find(name).map_err(ResolveDnsError::new))
    }
}

/// The machine's clock, but for a wall clock that somebody sets.
#[derive(Debug, Default)]
pub(crate) struct SetClock {
    ahead_millis: AtomicI64,
}

impl SetClock {
    /// Sets the wall clock so far ahead of the machine's; behind it, if negative.
    pub(crate) fn set_ahead(&self, by: SignedDuration) {
        self.ahead_millis.store(by.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Instant {
        SystemClock.now()
    }

    fn timestamp(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.ahead_millis.load(Ordering::Relaxed));
        SystemClock.timestamp() + ahead
    }
}
