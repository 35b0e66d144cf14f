//! Which addresses a client may connect to, checked where a name becomes addresses: anew for each
//! connection, on the very addresses that are then connected to. What a name led to before counts for
//! nothing, so a name that is pointed elsewhere between a check and a connection gains nothing.
//!
//! Whoever a client is for, no name leads it to where a platform hands out credentials.
//!
//! Does not guarantee anything about an address in place of a name, which is not looked up: whoever
//! takes a URL in checks that (`Reach::check`, and the configuration for every URL in it). Nor about what is reached through a proxy: the proxy
//! looks the name up, and only its own name is looked up here.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::model::{OutOfReach, Reach, hands_out_credentials};

/// How names become addresses.
#[async_trait]
pub trait Lookup: fmt::Debug + Send + Sync {
    /// The addresses of `host`, in the order in which they are to be tried.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// As the system does it.
#[derive(Debug)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Lets a client connect to what is within reach.
#[derive(Clone, Debug)]
pub struct Guard {
    /// What that is.
    pub reach: Reach,
    /// The name of the proxy that is used, if one is: where it lies is not the target's matter.
    pub proxy: Option<String>,
}

impl Guard {
    fn let_through(&self, host: &str, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, OutOfReach> {
        if self.proxy.as_deref() == Some(host) {
            return Ok(found);
        }
        let mut refused = None;
        let mut within = Vec::with_capacity(found.len());
        for address in found {
            match self.reach.check(host, address) {
                Ok(()) => within.push(address),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        match refused {
            Some(why) if within.is_empty() => Err(why),
            _ => Ok(within),
        }
    }
}

/// The resolver of a client.
#[derive(Clone)]
pub(super) struct Names {
    pub(super) lookup: Arc<dyn Lookup>,
    /// None lets everything through, but for what no client may call.
    pub(super) guard: Option<Guard>,
}

impl Names {
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Box<dyn Error + Send + Sync>> {
        let (refused, found): (Vec<_>, Vec<_>) =
            self.lookup.lookup(host).await?.into_iter().partition(|address| hands_out_credentials(*address));
        match (&self.guard, refused.first()) {
            (_, Some(address)) if found.is_empty() => Err(OutOfReach::Credentials(*address).into()),
            (Some(guard), _) => Ok(guard.let_through(host, found)?),
            (None, _) => Ok(found),
        }
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.clone();
        Box::pin(async move {
            let addresses = names.addresses(name.as_str()).await?;
            // Port 0 stands for that of the URL.
            let addresses: Addrs = Box::new(addresses.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

/// Why a [`Guard`] kept a request from being sent, if that is what it failed by.
pub fn out_of_reach(error: &reqwest::Error) -> Option<OutOfReach> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(why) = cause.downcast_ref::<OutOfReach>() {
            return Some(*why);
        }
        source = cause.source();
    }
    None
}

/// The host of the proxy that the environment names for `url`, if it names one.
pub fn environment_proxy(url: &Url) -> Option<String> {
    let proxy = Matcher::from_system().intercept(&url.as_str().parse().ok()?)?;
    proxy.uri().host().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Gives one answer after the other.
    #[derive(Debug)]
    struct Answers(Mutex<Vec<Vec<&'static str>>>);

    #[async_trait]
    impl Lookup for Answers {
        async fn lookup(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
            let answer = self.0.lock().unwrap().remove(0);
            Ok(answer.into_iter().map(|address| address.parse().unwrap()).collect())
        }
    }

    fn guarded(answers: &[&[&'static str]]) -> Names {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        let lookup = Arc::new(Answers(Mutex::new(answers)));
        let guard = Guard { reach: Reach::default(), proxy: Some("proxy.internal".to_owned()) };
        Names { lookup, guard: Some(guard) }
    }

    async fn resolve(names: &Names, host: &str) -> Result<Vec<String>, String> {
        let found = names.resolve(host.parse().unwrap()).await;
        found.map(|found| found.map(|at| at.to_string()).collect()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn each_lookup_is_checked_for_itself() {
        let names = guarded(&[&["93.184.216.34"], &["127.0.0.1"], &["93.184.216.34"]]);
        let host = "refresh.example.com";
        assert_eq!(resolve(&names, host).await, Ok(vec!["93.184.216.34:0".to_owned()]));
        let refusal = "127.0.0.1 is a loopback address, and `allow` does not name it";
        assert_eq!(resolve(&names, host).await, Err(refusal.to_owned()));
        assert_eq!(resolve(&names, host).await, Ok(vec!["93.184.216.34:0".to_owned()]));
    }

    #[tokio::test]
    async fn of_several_addresses_those_within_reach_are_tried() {
        let names = guarded(&[&["10.0.0.1", "93.184.216.34", "fe80::1"], &["10.0.0.1", "fe80::1"], &[]]);
        let host = "refresh.example.com";
        assert_eq!(resolve(&names, host).await, Ok(vec!["93.184.216.34:0".to_owned()]));
        let refusal = "10.0.0.1 is a private address, and `allow` does not name it";
        assert_eq!(resolve(&names, host).await, Err(refusal.to_owned()));
        assert_eq!(resolve(&names, host).await, Ok(vec![]));
    }

    #[tokio::test]
    async fn nobody_is_led_to_where_credentials_are_handed_out() {
        let refusal = "169.254.169.254 is where a platform hands out credentials";
        let metadata: &[&[&'static str]] = &[&["169.254.169.254"], &["169.254.169.254", "10.0.0.1"]];
        let guarded = guarded(metadata);
        assert_eq!(resolve(&guarded, "proxy.internal").await, Err(refusal.to_owned()));
        assert_eq!(resolve(&guarded, "proxy.internal").await, Ok(vec!["10.0.0.1:0".to_owned()]));
        let free = Names { guard: None, ..self::guarded(metadata) };
        assert_eq!(resolve(&free, "anypoint.example.com").await, Err(refusal.to_owned()));
        assert_eq!(resolve(&free, "anypoint.example.com").await, Ok(vec!["10.0.0.1:0".to_owned()]));
    }

    #[tokio::test]
    async fn the_proxy_may_lie_anywhere_and_no_other_name_may() {
        let names = guarded(&[&["10.0.0.1"], &["10.0.0.1"]]);
        assert_eq!(resolve(&names, "proxy.internal").await, Ok(vec!["10.0.0.1:0".to_owned()]));
        assert!(resolve(&names, "other.internal").await.is_err());
    }
}
