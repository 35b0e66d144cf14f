//! The way to the endpoint: its TLS, and a proxy.

use crate::support::{Proxy, Relay, Run};

use super::*;

/// RFC 6761: no resolver knows it.
const HOST: &str = "refresh.invalid";

/// A receiver that asks who calls, and what the relay shows it, as settings of the target.
async fn mutual(bench: &Bench) -> (Receiver, String) {
    let authority = bench.aws.authority();
    let receiver = Receiver::start_tls(authority.mutual_config(&[HOST, "127.0.0.1"])).await;
    let (certificate, key) = authority.client_certificate();
    let (certificate, key) = (bench.write("relay.pem", certificate), bench.write("relay.key", key));
    let settings = format!(
        "    extra_root: {}
    client_certificate: {{ certificate: {}, key: {} }}",
        bench.path("ca.pem").display(),
        certificate.display(),
        key.display()
    );
    (receiver, settings)
}

#[tokio::test]
async fn an_endpoint_may_have_a_root_of_its_own_and_ask_who_calls() {
    for known in [false, true] {
        let mut bench = with_secrets().await;
        let (receiver, settings) = mutual(&bench).await;
        let (root, _) = settings.split_once('\n').unwrap();
        let settings = if known { &settings } else { root };
        bench.start(&target(&receiver, &format!("{VALUES}\n{settings}"))).await;
        if known {
            bench.ended_as(TARGET, "accepted").await;
            assert_eq!(verified(&receiver.received()[0])["values"]["password"], "first-password");
        } else {
            bench.meets("unavailable").await;
            assert_eq!(receiver.received().len(), 0);
        }
    }
}

#[tokio::test]
async fn a_proxy_is_used_wherever_it_lies_and_looks_the_name_up() {
    let mut bench = with_secrets().await;
    let (receiver, settings) = mutual(&bench).await;
    let place: &'static str = format!("{HOST}:{}", receiver.addr().port()).leak();
    let proxy = Proxy::start([(place, receiver.addr())].into()).await;
    let through = proxy.url.replace("127.0.0.1", "localhost");
    let file = |lines: String| {
        let file = target(&receiver, &format!("{VALUES}\n{settings}\n{lines}"));
        file.replace("https://127.0.0.1", &format!("https://{HOST}")).replace("    allow: [127.0.0.1]\n", "")
    };
    bench.start(&file(format!("    proxy: {{ url: \"{through}\" }}"))).await;
    bench.ended_as(TARGET, "accepted").await;
    bench.stop().await.unwrap();

    let usual = bench.write("relay.yaml", bench.file(&file(String::new())));
    let relay = Relay::start(bench.binary().env("HTTPS_PROXY", &through).arg("serve").arg(usual)).await;
    relay.shows(TARGET, "accepted").await;
    assert_eq!(proxy.asked(), [place.to_owned()].into());
    let requests = receiver.received();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(verified(request)["values"]["password"], "first-password");
    }
}

#[tokio::test]
async fn a_certificate_that_is_of_no_use_is_told_at_the_start() {
    let bench = with_secrets().await;
    let receiver = Receiver::start().await;
    bench.write("no.pem", "not PEM");
    for (setting, says) in [
        ("extra_root: gone.pem", "target orders: cannot read `extra_root` gone.pem: "),
        ("extra_root: no.pem", "target orders: the extra root is not one or more certificates in PEM form"),
    ] {
        let setting = setting.replace("no.pem", &bench.path("no.pem").display().to_string());
        let file = bench.file(&target(&receiver, &format!("{VALUES}\n    {setting}")));
        let file = bench.write("relay.yaml", file);
        let run = Run::of(bench.binary().arg("serve").arg(file)).await.ended(1);
        let last = run.err.lines().last().unwrap();
        assert!(last.contains(says), "{setting}: {last}");
    }
}
