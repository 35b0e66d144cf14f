//! `anypoint-relay health`: asks a relay whether it is alive; for container health checks, where there is
//! no curl.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use url::{Host, Url};

use crate::config;
use crate::outbound::{self, Options};

/// Ask a relay whether it is alive or ready (for container health checks)
///
/// Exit codes: 0 it answered with a 2xx, 1 it did not.
#[derive(Clone, Debug, clap::Args)]
pub struct HealthArgs {
    /// The configuration of a relay on this machine: is it alive where `listen` says?
    #[arg(conflicts_with = "url")]
    file: Option<PathBuf>,
    /// The probe: /healthz for alive, /readyz for ready
    #[arg(long, default_value = "http://127.0.0.1:8080/healthz")]
    url: String,
    /// Longest time to wait
    #[arg(long, default_value = "2s", value_parser = crate::config::parse_duration)]
    timeout: Duration,
}

/// Runs the command; gives whether the relay answered well.
pub async fn health(args: &HealthArgs, out: &mut dyn Write) -> anyhow::Result<bool> {
    let (url, connect) = match &args.file {
        Some(file) => configured(file).map(|(url, place)| (url, Some(place)))?,
        None => (args.url.clone(), this_machine(&args.url)),
    };
    // The certificate is for the name that senders use, not for this machine's address; nothing is sent that
    // anybody could want, and all that is learnt is whether something answers.
    let any_certificate = connect.is_some();
    let client = outbound::client(&Options {
        connect,
        any_certificate,
        ..Options::within(args.timeout, args.timeout)
    })?;
    match client.get(&url).send().await {
        Ok(answer) => {
            writeln!(out, "{}", answer.status())?;
            Ok(answer.status().is_success())
        }
        Err(error) => {
            writeln!(out, "no answer from {url}: {}; does the relay run there?", outbound::reason(error))?;
            Ok(false)
        }
    }
}

/// The probe of the relay that `file` configures, and where to connect for it.
fn configured(file: &Path) -> anyhow::Result<(String, (String, SocketAddr))> {
    let Some(config::Probe { listen: mut address, tls }) = config::load_probe(file)? else {
        bail!(
            "{}: every listener asks for a client's certificate, and this command has none; leave `client_ca` out \
             of one, such as `admin` on 127.0.0.1",
            file.display()
        );
    };
    if address.port() == 0 {
        bail!("{}: the system chooses the port of `listen`; give the probe with --url", file.display());
    }
    address = reachable(address);
    let scheme = if tls { "https" } else { "http" };
    let url = Url::parse(&format!("{scheme}://{address}/healthz"))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    Ok((url.into(), (host, address)))
}

/// Where to connect for what listens there: a wildcard is no address to connect to.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// The address of a probe of this machine. It is connected to directly: a container often has a proxy in
/// its environment, and the proxy's own machine is not the one that is asked about.
pub(super) fn this_machine(url: &str) -> Option<(String, SocketAddr)> {
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

    #[test]
    fn a_relay_is_asked_where_its_file_says() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("relay.yaml");
        let asked = |text: &str| {
            std::fs::write(&file, text).unwrap();
            configured(&file).map(|(url, (_, address))| (url, address.to_string()))
        };
        for (text, address) in [
            ("listen: 0.0.0.0:8081", "127.0.0.1:8081"),
            ("listen: '[::]:8081'", "[::1]:8081"),
            ("listen: 10.0.0.7:8081", "10.0.0.7:8081"),
            ("listen: 0.0.0.0:${NOT_SET_FOR_HEALTH:-8082}", "127.0.0.1:8082"),
            ("log: { format: pretty }", "127.0.0.1:8080"),
            ("listen: 0.0.0.0:8081\ntls: { certificate: a, key: b, client_ca: c }", "127.0.0.1:9090"),
            ("tls: { client_ca: c }\nadmin: { listen: '127.0.0.1:9091' }", "127.0.0.1:9091"),
            // Edits that the relay which runs has not read.
            (
                "listen: 0.0.0.0:8081\nlog: { format: \"${NOT_SET_FOR_HEALTH}\", fromat: json }",
                "127.0.0.1:8081",
            ),
        ] {
            let expected = (format!("http://{address}/healthz"), address.to_owned());
            assert_eq!(asked(text).unwrap(), expected, "{text}");
        }
        let (url, _) = asked("listen: 127.0.0.1:8443\ntls: { certificate: a, key: b }").unwrap();
        assert_eq!(url, "https://127.0.0.1:8443/healthz");
        for (text, part) in [
            ("listen: 0.0.0.0:0", "give the probe with --url"),
            ("listen: here", "relay.yaml:1:9: listen: expected an IP address and a port"),
            ("listen: 0.0.0.0:${NOT_SET_FOR_HEALTH}", "NOT_SET_FOR_HEALTH is not set"),
            ("listen: [", "relay.yaml:"),
            ("tls: { client_ca: c }\nadmin: off", "every listener asks for a client's certificate"),
        ] {
            let error = asked(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
