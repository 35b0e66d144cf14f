//! The HTTP clients of `http` targets: one for all that go the same way.
//!
//! A client reads the platform's root certificates, which takes milliseconds of the start and memory for
//! ever, so targets share what they can.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;

use crate::anypoint::client::{Client, ClientError};
use crate::config::{self, Channel, HttpTarget};
use crate::credential::Credentials;
use crate::model::Reach;
use crate::outbound::{self, Guard, Lookup, SystemLookup};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_TIMEOUT: Duration = Duration::from_mins(5);

/// The clients that the targets of one configuration share, made when the first one needs them.
pub struct Clients {
    lookup: Arc<dyn Lookup>,
    made: Mutex<Vec<(Way, Arc<Client>)>>,
}

/// All that a client depends on.
#[derive(PartialEq)]
struct Way {
    https_only: bool,
    reach: Reach,
    channel: Channel,
    /// The name of the proxy.
    proxy: Option<String>,
}

impl Default for Clients {
    fn default() -> Self {
        Self::with_lookup(Arc::new(SystemLookup))
    }
}

impl Clients {
    /// Clients that look names up this way.
    pub fn with_lookup(lookup: Arc<dyn Lookup>) -> Self {
        Self { lookup, made: Mutex::default() }
    }

    pub(super) fn of(
        &self,
        target: &HttpTarget,
        url: &Url,
        credentials: &Arc<dyn Credentials>,
    ) -> Result<Arc<Client>, ClientError> {
        let (reach, channel) = (target.reach.clone(), target.channel.clone());
        let proxy = proxy_name(&channel.proxy, url);
        let way = Way { https_only: url.scheme() == "https", reach, channel, proxy };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = made.iter().find(|(other, _)| *other == way) {
            return Ok(Arc::clone(client));
        }
        let options = outbound::Options {
            https_only: way.https_only,
            // Each request brings its own limit. No connection stays open: calls are rare, and it would
            // keep what it carried.
            ..outbound::Options::within(CONNECT_TIMEOUT, LONGEST_TIMEOUT)
        };
        let (reach, proxy, lookup) = (way.reach.clone(), way.proxy.clone(), Arc::clone(&self.lookup));
        let options = outbound::Options { guard: Some(Guard { reach, proxy }), lookup, ..options };
        let client = Arc::new(Client::open(&way.channel, options, credentials)?);
        made.push((way, Arc::clone(&client)));
        Ok(client)
    }
}

fn proxy_name(proxy: &config::Proxy, url: &Url) -> Option<String> {
    match proxy {
        config::Proxy::Environment => outbound::environment_proxy(url),
        config::Proxy::Direct => None,
        config::Proxy::Through(proxy) => Url::parse(&proxy.url).ok()?.host_str().map(str::to_owned),
    }
}
