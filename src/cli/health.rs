//! `anypoint-relay health`: asks a relay whether it is alive; for container health checks, where there is
//! no curl.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use url::{Host, Url};

use crate::outbound::{self, Options};

/// Ask a relay whether it is alive or ready (for container health checks)
///
/// Exit codes: 0 it answered with a 2xx, 1 it did not.
#[derive(Clone, Debug, clap::Args)]
pub struct HealthArgs {
    /// The probe: /healthz for alive, /readyz for ready
    #[arg(long, default_value = "http://127.0.0.1:8080/healthz")]
    url: String,
    /// Longest time to wait
    #[arg(long, default_value = "2s", value_parser = crate::config::parse_duration)]
    timeout: Duration,
}

/// Runs the command; gives whether the relay answered well.
pub async fn health(args: &HealthArgs, out: &mut dyn Write) -> anyhow::Result<bool> {
    let client = outbound::client(&Options {
        connect_timeout: args.timeout,
        timeout: args.timeout,
        idle: None,
        extra_root: None,
        connect: this_machine(&args.url),
        https_only: false,
    })?;
    match client.get(&args.url).send().await {
        Ok(answer) => {
            writeln!(out, "{}", answer.status())?;
            Ok(answer.status().is_success())
        }
        Err(error) => {
            writeln!(out, "no answer: {}", outbound::reason(error))?;
            Ok(false)
        }
    }
}

/// The address of a probe of this machine. It is connected to directly: a container often has a proxy in
/// its environment, and the proxy's own machine is not the one that is asked about.
fn this_machine(url: &str) -> Option<(String, SocketAddr)> {
    let url = Url::parse(url).ok()?;
    let address = match url.host()? {
        Host::Ipv4(address) => IpAddr::V4(address),
        Host::Ipv6(address) => IpAddr::V6(address),
        Host::Domain(_) => return None,
    };
    let (host, port) = (url.host_str()?.to_owned(), url.port_or_known_default()?);
    address.is_loopback().then(|| (host, SocketAddr::new(address, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_of_this_machine_is_connected_to_directly() {
        let address = |url: &str| this_machine(url).map(|(_, address)| address.to_string());
        assert_eq!(address("http://127.0.0.1:8080/healthz").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(address("http://[::1]:8080/healthz").as_deref(), Some("[::1]:8080"));
        assert_eq!(address("http://127.0.0.1/readyz").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(address("http://10.0.0.7:8080/healthz"), None);
        assert_eq!(address("https://relay.example.com/healthz"), None);
    }
}
