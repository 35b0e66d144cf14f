//! Which addresses a target may call: public ones, and those that its configuration names.
//!
//! Guarantees: an address that stands for an IPv4 address (mapped, compatible, NAT64, 6to4) is judged as
//! that; addresses where a platform hands out credentials are called by nobody, whatever is named.
//!
//! Does not guarantee: that a NAT64 prefix of a network's own is seen through; it looks like any other
//! address.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What a target may call beside public addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Both in order, each once.
    hosts: Box<[String]>,
    networks: Box<[IpNet]>,
}

/// Something that is not public and may be called all the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// A host, at whatever addresses it has; lower case.
    Host(String),
    /// A network; a single address is one of its own.
    Network(IpNet),
}

/// Why an address may not be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfReach {
    /// One of [`hands_out_credentials`].
    #[error("{0} is where a platform hands out credentials")]
    Credentials(IpAddr),
    /// Not public, and not named.
    #[error("{0} is {1} address, and `allow` does not name it")]
    NotPublic(IpAddr, Ground),
}

/// What makes an address not public; completes "is ... address".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ground(&'static str);

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Reach {
    /// Public addresses and these.
    pub fn beside_public(named: impl IntoIterator<Item = Named>) -> Self {
        let (mut hosts, mut networks) = (BTreeSet::new(), BTreeSet::new());
        for one in named {
            match one {
                Named::Host(host) => hosts.insert(host),
                Named::Network(network) => networks.insert(network),
            };
        }
        Self { hosts: hosts.into_iter().collect(), networks: networks.into_iter().collect() }
    }

    /// Whether `host` may be called at `address`.
    pub fn check(&self, host: &str, address: IpAddr) -> Result<(), OutOfReach> {
        let carried = carried_v4(address);
        if hands_out_credentials(address) {
            return Err(OutOfReach::Credentials(address));
        }
        let is_named = |address: IpAddr| self.networks.iter().any(|network| network.contains(&address));
        let host = host.trim_end_matches('.');
        if self.hosts.iter().any(|named| named == host)
            || is_named(address)
            || carried.is_some_and(|v4| is_named(v4.into()))
        {
            return Ok(());
        }
        let ground = match (carried, address) {
            (Some(v4), _) | (None, IpAddr::V4(v4)) => ground_v4(v4),
            (None, IpAddr::V6(v6)) => ground_v6(v6),
        };
        ground.map_or(Ok(()), |ground| Err(OutOfReach::NotPublic(address, ground)))
    }
}

/// Whether a machine, a container or a pod gets credentials of its own there, or what leads to them.
pub fn hands_out_credentials(address: IpAddr) -> bool {
    const V4: [Ipv4Addr; 4] = [
        // Instance metadata of EC2, Azure, Google Cloud and others.
        Ipv4Addr::new(169, 254, 169, 254),
        // Task credentials of ECS.
        Ipv4Addr::new(169, 254, 170, 2),
        // EKS Pod Identity.
        Ipv4Addr::new(169, 254, 170, 23),
        // The platform of an Azure machine; it looks public.
        Ipv4Addr::new(168, 63, 129, 16),
    ];
    const V6: [Ipv6Addr; 2] = [
        // Instance metadata of EC2.
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
        // EKS Pod Identity.
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    ];
    match (carried_v4(address), address) {
        (Some(v4), _) | (None, IpAddr::V4(v4)) => V4.contains(&v4),
        (None, IpAddr::V6(v6)) => V6.contains(&v6),
    }
}

/// The IPv4 address that an IPv6 address stands for.
fn carried_v4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return None };
    // RFC 4291, section 2.5.5: mapped, and compatible (`::` and `::1` are not that); RFC 6052: NAT64 with the
    // well-known prefix; RFC 3056: 6to4.
    let (high, low) = match v6.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => (high, low),
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
}

/// IANA's registry of special-purpose IPv4 addresses, and multicast.
fn ground_v4(address: Ipv4Addr) -> Option<Ground> {
    const fn net(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
        Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
    }
    const GROUNDS: [(Ipv4Net, &str); 15] = [
        (net(0, 0, 0, 8), "an unspecified"),
        (net(10, 0, 0, 8), "a private"),
        (net(100, 64, 0, 10), "a shared (carrier's NAT)"),
        (net(127, 0, 0, 8), "a loopback"),
        (net(169, 254, 0, 16), "a link-local"),
        (net(172, 16, 0, 12), "a private"),
        (net(192, 0, 0, 24), "a reserved"),
        (net(192, 0, 2, 24), "a documentation"),
        (net(192, 88, 99, 24), "a reserved"),
        (net(192, 168, 0, 16), "a private"),
        (net(198, 18, 0, 15), "a benchmarking"),
        (net(198, 51, 100, 24), "a documentation"),
        (net(203, 0, 113, 24), "a documentation"),
        (net(224, 0, 0, 4), "a multicast"),
        (net(240, 0, 0, 4), "a reserved"),
    ];
    ground(GROUNDS.iter().map(|(network, ground)| (network.contains(&address), *ground)))
}

/// Public are those of 2000::/3 alone (IANA's IPv6 address space), without its special-purpose ones.
fn ground_v6(address: Ipv6Addr) -> Option<Ground> {
    const fn net(first: u16, second: u16, length: u8) -> Ipv6Net {
        Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), length)
    }
    const PUBLIC: Ipv6Net = net(0x2000, 0, 3);
    const GROUNDS: [(Ipv6Net, &str); 6] = [
        (net(0xfc00, 0, 7), "a private"),
        (net(0xfe80, 0, 10), "a link-local"),
        (net(0xff00, 0, 8), "a multicast"),
        // Teredo is one of these.
        (net(0x2001, 0, 23), "a reserved"),
        (net(0x2001, 0xdb8, 32), "a documentation"),
        (net(0x3fff, 0, 20), "a documentation"),
    ];
    let alone = [(address.is_unspecified(), "an unspecified"), (address.is_loopback(), "a loopback")];
    let in_networks = GROUNDS.iter().map(|(network, ground)| (network.contains(&address), *ground));
    ground(alone.into_iter().chain(in_networks).chain([(!PUBLIC.contains(&address), "a reserved")]))
}

fn ground(mut grounds: impl Iterator<Item = (bool, &'static str)>) -> Option<Ground> {
    grounds.find_map(|(holds, ground)| holds.then_some(Ground(ground)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reach: &Reach, address: &str) -> Result<(), String> {
        let address: IpAddr = address.parse().unwrap();
        reach.check("refresh.example.com", address).map_err(|why| why.to_string())
    }

    fn network(text: &str) -> Named {
        Named::Network(text.parse().unwrap())
    }

    /// (first and last address of what is not public, ground)
    const NOT_PUBLIC: &[(&str, &str, &str)] = &[
        ("0.0.0.0", "0.255.255.255", "an unspecified"),
        ("10.0.0.0", "10.255.255.255", "a private"),
        ("100.64.0.0", "100.127.255.255", "a shared (carrier's NAT)"),
        ("127.0.0.0", "127.255.255.255", "a loopback"),
        ("169.254.0.0", "169.254.255.255", "a link-local"),
        ("172.16.0.0", "172.31.255.255", "a private"),
        ("192.0.0.0", "192.0.0.255", "a reserved"),
        ("192.0.2.0", "192.0.2.255", "a documentation"),
        ("192.88.99.0", "192.88.99.255", "a reserved"),
        ("192.168.0.0", "192.168.255.255", "a private"),
        ("198.18.0.0", "198.19.255.255", "a benchmarking"),
        ("198.51.100.0", "198.51.100.255", "a documentation"),
        ("203.0.113.0", "203.0.113.255", "a documentation"),
        ("224.0.0.0", "239.255.255.255", "a multicast"),
        ("240.0.0.0", "255.255.255.255", "a reserved"),
        ("::", "::", "an unspecified"),
        ("::1", "::1", "a loopback"),
        ("::2", "::ffff", "a reserved"),
        ("::ffff:0:0:0", "::ffff:0:ffff:ffff", "a reserved"),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "a reserved"),
        ("100::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "a reserved"),
        ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "a reserved"),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "a documentation"),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "a documentation"),
        ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "a reserved"),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "a private"),
        ("fe00::", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "a reserved"),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "a link-local"),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "a reserved"),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "a multicast"),
    ];

    /// Neighbours of what is not public, where they are public, and some others.
    const PUBLIC: &[&str] = &[
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "2600::1",
        "2a00:1450:4001:800::200e",
        "3ffe::",
        "3fff:1000::",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2002:101:101::1",
    ];

    #[test]
    fn an_address_is_public_or_the_ground_is_named() {
        for (first, last, ground) in NOT_PUBLIC {
            for address in [first, last] {
                let refusal = format!("{address} is {ground} address, and `allow` does not name it");
                assert_eq!(check(&Reach::default(), address), Err(refusal));
            }
        }
        for address in PUBLIC {
            assert_eq!(check(&Reach::default(), address), Ok(()), "{address}");
        }
    }

    /// Each form in which an IPv6 address stands for this one.
    fn forms(v4: &str) -> [String; 4] {
        let [a, b, c, d] = v4.parse::<Ipv4Addr>().unwrap().octets();
        let text = |text: String| text.parse::<Ipv6Addr>().unwrap().to_string();
        [
            text(format!("::ffff:{v4}")),
            text(format!("::{v4}")),
            text(format!("64:ff9b::{v4}")),
            text(format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::9")),
        ]
    }

    #[test]
    fn an_address_that_stands_for_another_is_judged_as_that() {
        let named = Reach::beside_public([network("127.0.0.0/8")]);
        for (v4, ground) in
            [("127.0.0.1", "a loopback"), ("10.1.2.3", "a private"), ("169.254.1.1", "a link-local")]
        {
            for form in forms(v4) {
                let refusal = format!("{form} is {ground} address, and `allow` does not name it");
                assert_eq!(check(&Reach::default(), &form), Err(refusal));
                assert_eq!(check(&named, &form).is_ok(), v4.starts_with("127."), "{form}");
            }
        }
    }

    #[test]
    fn what_is_named_may_be_called() {
        let reach = Reach::beside_public([network("10.0.0.0/8"), network("::1/128")]);
        for (address, within) in [
            ("10.9.9.9", true),
            ("11.0.0.1", true),
            ("127.0.0.1", false),
            ("192.168.0.1", false),
            ("::1", true),
            ("fd00::1", false),
        ] {
            assert_eq!(check(&reach, address).is_ok(), within, "{address}");
        }
        let reach = Reach::beside_public([Named::Host("refresh.internal".to_owned())]);
        for (host, within) in [
            ("refresh.internal", true),
            ("refresh.internal.", true),
            ("internal", false),
            ("a.refresh.internal", false),
            ("refresh.example.com", false),
        ] {
            assert_eq!(reach.check(host, Ipv4Addr::LOCALHOST.into()).is_ok(), within, "{host}");
        }
    }

    #[test]
    fn nobody_calls_an_address_that_hands_out_credentials() {
        let all = ["0.0.0.0/0", "::/0"].map(network);
        let host = Named::Host("refresh.example.com".to_owned());
        let open = Reach::beside_public(all.into_iter().chain([host]));
        let v4 = ["169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16"];
        let v6 = ["fd00:ec2::254", "fd00:ec2::23"].map(str::to_owned);
        for address in v4.iter().flat_map(|v4| [(*v4).to_owned()].into_iter().chain(forms(v4))).chain(v6) {
            let refusal = format!("{address} is where a platform hands out credentials");
            assert_eq!(check(&open, &address), Err(refusal));
        }
        for near in ["169.254.169.253", "fd00:ec2::255", "10.0.0.1"] {
            assert_eq!(check(&open, near), Ok(()));
        }
    }
}
