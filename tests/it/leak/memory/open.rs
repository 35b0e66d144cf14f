//! A relay whose memory can be read, and the second that it has to forget a value.

use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, Instant};

use anypoint_sandbox::anypoint::Anypoint;

use super::process::Memory;
use crate::leak::scan::Scan;
use crate::support::{Bench, Proxy, Relay};

const SECOND: Duration = Duration::from_secs(1);
const SECRETS: &str = "secretsmanager.eu-west-1.amazonaws.com:443";

/// A sandbox whose Anypoint speaks TLS, as the real one does: what is decrypted lies in buffers of the
/// connection.
pub(super) async fn sandbox() -> Bench {
    let mut bench = Bench::new().await;
    bench.anypoint = Anypoint::start_tls(bench.aws.authority().server_config(&["127.0.0.1"])).await;
    bench.environment_with("ANYPOINT_CLIENT_ID", &bench.anypoint.client_id());
    bench.environment_with("ANYPOINT_CLIENT_SECRET", &bench.anypoint.client_secret());
    bench
}

/// A relay for these targets that reaches AWS by TLS too. It lives as long as the proxy.
pub(super) async fn start(bench: &Bench, targets: &str) -> (Relay, Proxy) {
    let endpoint = format!("endpoint: \"{}\", ", bench.aws.endpoint_url());
    let file = bench.write("relay.yaml", bench.tuned(targets, &[(&endpoint, "")]));
    let proxy = Proxy::start([(SECRETS, bench.aws.sns_tls_addr())].into()).await;
    let mut command = bench.binary();
    command
        .env_remove("AWS_ENDPOINT_URL")
        .env("SSL_CERT_FILE", bench.path("ca.pem"))
        .env("HTTPS_PROXY", &proxy.url)
        .env("NO_PROXY", "127.0.0.1")
        .args(["serve", "--debuggable"])
        .arg(file);
    (Relay::start(&mut command).await, proxy)
}

/// Nothing of what is looked for is there a second from now.
pub(super) async fn forgets(relay: &Relay, what: impl Display, scan: &Scan) {
    let since = Instant::now();
    loop {
        // Of the beginning: going through the memory takes a while by itself.
        let late = since.elapsed();
        let (found, read) = Memory::of(relay.process()).find(scan);
        assert!(read > 4 << 20, "{read} bytes are not the memory of a process");
        if found.is_empty() {
            let line =
                format!("{what}: {read} bytes of writable memory, nothing of the value after {late:?}\n");
            std::io::stdout().write_all(line.as_bytes()).unwrap();
            return;
        }
        assert!(late < SECOND, "{what}, after {late:?}: {found:#?}");
        tokio::task::yield_now().await;
    }
}
