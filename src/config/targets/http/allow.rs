//! `allow`: what a target may call although it is not public.

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

use super::super::super::decode::Value;
use super::super::super::ingress::distinct;
use crate::model::{Named, OutOfReach, Reach, hands_out_credentials};

pub(super) fn allow(value: &Value<'_>) -> Option<Reach> {
    distinct(value, "a list of addresses, networks and host names", named).map(Reach::beside_public)
}

fn named(value: &Value<'_>) -> Option<Named> {
    const WHAT: &str = "an address, a network or a host such as 10.1.2.3, 10.0.0.0/8 or refresh.internal";
    let text = value.text(WHAT)?;
    let network = match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address.to_canonical())),
        Err(_) => text.parse::<IpNet>().ok(),
    };
    if let Some(network) = network {
        let address = network.addr();
        if network.max_prefix_len() == network.prefix_len() && hands_out_credentials(address) {
            return value.refuse(format!(
                "{}; no target may call it, so leave it out",
                OutOfReach::Credentials(address)
            ));
        }
        if network.trunc() != network {
            return value.expected(&format!("the network {}", network.trunc()));
        }
        return Some(Named::Network(network));
    }
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match Host::parse(text) {
        Ok(Host::Domain(host)) if host.chars().all(letters) => {
            Some(Named::Host(host.trim_end_matches('.').to_owned()))
        }
        _ => value.expected(WHAT),
    }
}

/// Refuses a URL with an address that is out of reach: no look-up stands between it and a connection.
pub(super) fn check(value: &Value<'_>, url: &Url, reach: &Reach) {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(_)) | None => return,
    };
    match reach.check("", address) {
        // Where credentials are handed out no URL of any setting leads.
        Ok(()) | Err(OutOfReach::Credentials(_)) => {}
        Err(why @ OutOfReach::NotPublic(..)) => {
            value.refuse::<()>(format!("{why}; if it is meant, write `allow: [\"{address}\"]`"));
        }
    }
}
