//! Proxies of a connection, and servers that ask who it is.

use anypoint_sandbox::anypoint::{Anypoint, NONE};
use anypoint_sandbox::wait_until;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::{Bench, LIMIT, ORDERS_SECRET, ORDERS_TARGET, Proxy, Relay, Run};

/// RFC 6761: no resolver knows it.
const HOST: &str = "anypoint.invalid";
const PLACE: &str = "anypoint.invalid:443";

/// [`Bench::with_orders`] with an Anypoint that speaks TLS under a name and its address, and perhaps asks
/// its clients for a certificate.
async fn over_tls(mutual: bool) -> Bench {
    let mut bench = Bench::new().await;
    let authority = bench.aws.authority();
    let names = [HOST, "127.0.0.1"];
    let config = if mutual { authority.mutual_config(&names) } else { authority.server_config(&names) };
    bench.anypoint = Anypoint::start_tls(config).await;
    bench.environment_with("ANYPOINT_CLIENT_ID", &bench.anypoint.client_id());
    bench.environment_with("ANYPOINT_CLIENT_SECRET", &bench.anypoint.client_secret());
    bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
    bench.anypoint.deploy("orders-api", NONE, [("db.user", "orders_app"), ("db.password", "none yet")]);
    bench
}

/// The usual file with these settings of the connection, and a root that it trusts.
fn file(bench: &Bench, settings: &str) -> String {
    let root = format!("    extra_root: {}\n{settings}    base_url", bench.path("ca.pem").display());
    bench.tuned(ORDERS_TARGET, &[("    base_url", &root)])
}

fn basic(password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("relay:{password}")))
}

#[tokio::test]
async fn a_connection_logs_in_to_its_own_proxy_whose_password_may_rotate() {
    let mut bench = over_tls(false).await;
    let proxy = Proxy::start([(PLACE, bench.anypoint.addr())].into()).await;
    proxy.demand(&basic("first p@ss:word"));
    bench.environment_with("PROXY_PASSWORD", "first p@ss:word");
    let settings = format!(
        "    proxy: {{ url: \"{}\", username: relay, password: {{ env: PROXY_PASSWORD }} }}\n",
        proxy.url
    );
    let text = file(&bench, &settings).replace(&bench.anypoint.base_url(), &format!("https://{HOST}"));
    bench.start_with(&text).await;
    bench.in_sync("orders-api").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
    assert_eq!((proxy.asked(), proxy.turned_away()), ([PLACE.to_owned()].into(), 0));

    bench.tell_by_eventbridge();
    proxy.demand(&basic("second"));
    bench.orders_db().rotate_password("second-password");
    let failure = bench.fails_with("orders-api", "unavailable").await;
    assert!(failure.next_step.contains("`proxy`"), "{failure:?}");
    assert!(!format!("{failure:?}").contains("p@ss"), "{failure:?}");
    let away = proxy.turned_away();
    wait_until("another try with the old password", LIMIT, || proxy.turned_away() > away).await;
    bench.set_credential("PROXY_PASSWORD", "second");
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn a_connection_may_ignore_the_proxy_of_the_environment() {
    let bench = over_tls(false).await;
    let proxy = Proxy::start([].into()).await;
    let through = |file| {
        let mut command = bench.binary();
        command.env("HTTPS_PROXY", &proxy.url).arg("serve").arg(file);
        command
    };
    let place = bench.anypoint.addr().to_string();

    let usual = bench.write("usual.yaml", file(&bench, ""));
    let relay = Relay::start(&mut through(usual)).await;
    assert_eq!(relay.shows_failure("orders-api").await["failure"]["code"], "unavailable");
    assert_eq!(proxy.asked(), [place].into());
    assert_eq!(bench.anypoint.log().count(), 0);
    relay.kill_9().await;

    let away = proxy.asked();
    let direct = bench.write("direct.yaml", file(&bench, "    proxy: none\n"));
    let relay = Relay::start(&mut through(direct)).await;
    relay.shows("orders-api", "in_sync").await;
    assert_eq!(proxy.asked(), away);
    assert!(bench.anypoint.log().count() > 0);
}

#[tokio::test]
async fn a_connection_shows_its_certificate_to_a_server_that_asks_for_one() {
    let mut bench = over_tls(true).await;
    let unknown = file(&bench, "");
    bench.start_with(&unknown).await;
    bench.fails_with("orders-api", "unavailable").await;
    assert_eq!(bench.anypoint.log().count(), 0);
    bench.stop().await.unwrap();

    let (certificate, key) = bench.aws.authority().client_certificate();
    let (certificate, key) = (bench.write("relay.pem", certificate), bench.write("relay.key", key));
    let settings = format!(
        "    client_certificate: {{ certificate: {}, key: {} }}\n",
        certificate.display(),
        key.display()
    );
    let known = file(&bench, &settings);
    bench.start_with(&known).await;
    bench.in_sync("orders-api").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
}

#[tokio::test]
async fn a_client_certificate_that_is_of_no_use_is_told_at_the_start() {
    let bench = over_tls(true).await;
    let (certificate, key) = bench.aws.authority().client_certificate();
    let (_, stranger) = bench.aws.authority().client_certificate();
    bench.write("relay.pem", &certificate);
    bench.write("relay.key", &key);
    bench.write("stranger.key", stranger);
    bench.write("no.pem", "not PEM");
    for (certificate, key, says) in [
        ("missing.pem", "relay.key", "cannot read `client_certificate.certificate`"),
        ("relay.pem", "missing.key", "cannot read `client_certificate.key`"),
        ("no.pem", "relay.key", "not certificates and one private key in PEM form"),
        ("relay.pem", "relay.pem", "not certificates and one private key in PEM form"),
        ("relay.pem", "stranger.key", "KeyMismatch"),
    ] {
        let path = |name| bench.path(name).display().to_string();
        let settings =
            format!("    client_certificate: {{ certificate: {}, key: {} }}\n", path(certificate), path(key));
        let file = bench.write("relay.yaml", file(&bench, &settings));
        let run = Run::of(bench.binary().arg("serve").arg(file)).await.ended(1);
        let last = run.err.lines().last().unwrap();
        assert!(last.contains("connection prod: ") && last.contains(says), "{certificate} {key}: {last}");
    }
}
