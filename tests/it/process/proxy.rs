//! The way out leads through a proxy: for the AWS SDK, for the certificates of SNS and for Anypoint, but
//! not to the hosts that `NO_PROXY` names.

use crate::support::{Bench, ORDERS_TARGET, Proxy, Relay};

const SECRETS: &str = "secretsmanager.eu-west-1.amazonaws.com:443";
const SNS: &str = "sns.eu-west-1.amazonaws.com:443";
/// RFC 6761: no resolver knows it.
const ANYPOINT: &str = "anypoint.invalid:443";

#[tokio::test]
async fn everything_but_what_no_proxy_names_goes_through_the_proxy() {
    let bench = Bench::with_orders().await;
    let aws = bench.aws.sns_tls_addr();
    let proxy = Proxy::start([(SECRETS, aws), (SNS, aws)].into()).await;
    let far = ORDERS_TARGET.replace("orders-api:", "far:").replace("connection: prod", "connection: far");
    let settings = bench.file(&format!("{ORDERS_TARGET}{far}"));
    let mut file: String = settings
        .lines()
        .filter(|line| !line.contains("emulator:"))
        .fold(String::new(), |file, line| file + line + "\n");
    file = file.replace(&format!("endpoint: \"{}\", ", bench.aws.endpoint_url()), "");
    let prod = file.split("connections:\n").nth(1).unwrap().split("targets:\n").next().unwrap();
    let other =
        prod.replace("  prod:", "  far:").replace(&bench.anypoint.base_url(), "https://anypoint.invalid");
    file = file.replace("targets:\n\n", &format!("{other}targets:\n\n"));
    let file = bench.write("relay.yaml", file);

    let relay = Relay::start(
        bench
            .binary()
            .env_remove("AWS_ENDPOINT_URL")
            .env("SSL_CERT_FILE", bench.path("ca.pem"))
            .env("HTTPS_PROXY", &proxy.url)
            .env("HTTP_PROXY", &proxy.url)
            .env("NO_PROXY", "127.0.0.1")
            .arg("serve")
            .arg(file),
    )
    .await;
    relay.shows("orders-api", "in_sync").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
    let failure = relay.shows_failure("far").await["failure"].clone();
    assert_eq!(failure["code"], "unavailable", "{failure}");
    assert_eq!(proxy.asked(), [ANYPOINT, SECRETS].map(str::to_owned).into());

    let mut message = bench.draft(bench.event().to_string());
    let body = bench.aws.sign_notification(&mut message);
    let headers = [
        ("content-type", "text/plain; charset=UTF-8".to_owned()),
        ("x-amz-sns-message-type", message.kind.name().to_owned()),
    ];
    assert_eq!(relay.post("/hooks/sns", &headers, &body).await.body["result"], "accepted");
    assert_eq!(proxy.asked(), [ANYPOINT, SECRETS, SNS].map(str::to_owned).into());
}
