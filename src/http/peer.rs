//! From which address a request comes, also through proxies.
//!
//! Guarantees: `X-Forwarded-For` counts only as far as every hop after it is a listed proxy, so a client
//! cannot choose its address; a header that cannot be read counts for nothing.
//!
//! Does not guarantee that an address is one person: many may share it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::Request;
use ipnet::IpNet;

/// More hops than these are no honest list.
const MAX_HOPS: usize = 32;

/// The other end of the connection, as an extension of each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The address that a request comes from: that of the connection or, behind the `trusted` proxies, the
/// last one in `X-Forwarded-For` that is none of theirs.
pub fn client(request: &Request, trusted: &[IpNet]) -> IpAddr {
    let peer = request.extensions().get::<Peer>();
    // A request without a connection has no address to tell it from others.
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(peer)| peer.ip().to_canonical());
    let is_proxy = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_proxy(&peer) {
        return peer;
    }
    let headers = request.headers().get_all("x-forwarded-for");
    let hops = headers.iter().map(|line| line.to_str().ok()).collect::<Option<Vec<_>>>();
    // Several lines are one list (RFC 9110, 5.3).
    let hops = hops.map(|lines| lines.join(",")).unwrap_or_default();
    let hops: Option<Vec<IpAddr>> =
        hops.split(',').take(MAX_HOPS + 1).map(|hop| address(hop.trim())).collect();
    match hops {
        Some(hops) if hops.len() <= MAX_HOPS => {
            let stranger = hops.iter().rev().find(|hop| !is_proxy(hop));
            stranger.or(hops.first()).copied().unwrap_or(peer)
        }
        _ => peer,
    }
}

/// An address, perhaps with the port that some proxies add.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parsed = plain.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    parsed.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn client_of(peer: &str, forwarded: &[&str]) -> String {
        let trusted: Vec<IpNet> =
            ["10.0.0.0/8", "fd00::/8"].iter().map(|network| network.parse().unwrap()).collect();
        let request = Request::builder().extension(Peer(peer.parse().unwrap()));
        let request =
            forwarded.iter().fold(request, |request, line| request.header("x-forwarded-for", *line));
        client(&request.body(Body::empty()).unwrap(), &trusted).to_string()
    }

    #[test]
    fn the_last_address_that_is_no_proxy_counts() {
        for (forwarded, client) in [
            (&["203.0.113.7"][..], "203.0.113.7"),
            (&["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
            (&["203.0.113.7, 10.1.1.1,10.2.2.2"], "203.0.113.7"),
            (&["1.1.1.1", "203.0.113.7", "10.1.1.1"], "203.0.113.7"),
            (&["203.0.113.7:4711"], "203.0.113.7"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["::ffff:203.0.113.7"], "203.0.113.7"),
            (&["10.3.3.3, 10.1.1.1"], "10.3.3.3"),
        ] {
            assert_eq!(client_of("10.0.0.1:1000", forwarded), client, "{forwarded:?}");
        }
    }

    #[test]
    fn a_stranger_cannot_choose_its_address() {
        assert_eq!(client_of("203.0.113.9:1000", &["1.1.1.1"]), "203.0.113.9");
        assert_eq!(client_of("203.0.113.9:1000", &["10.0.0.1"]), "203.0.113.9");
        assert_eq!(client_of("[::ffff:10.0.0.1]:1000", &["203.0.113.7"]), "203.0.113.7");
    }

    #[test]
    fn a_header_that_cannot_be_read_leaves_the_address_of_the_connection() {
        let many = vec!["1.1.1.1"; MAX_HOPS + 1].join(",");
        for forwarded in ["", "unknown", "1.1.1.1,", "1.1.1.1 2.2.2.2", "_hidden, 10.1.1.1", "1.1.1", &many] {
            assert_eq!(client_of("10.0.0.1:1000", &[forwarded]), "10.0.0.1", "{forwarded}");
        }
        assert_eq!(client_of("10.0.0.1:1000", &[]), "10.0.0.1");
    }
}
