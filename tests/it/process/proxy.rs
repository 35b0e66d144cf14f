//! The way out leads through a proxy: for the AWS SDK, for the certificates of SNS and for Anypoint, but
//! not to the hosts that `NO_PROXY` names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Bench, ORDERS_TARGET, Relay};

const SECRETS: &str = "secretsmanager.eu-west-1.amazonaws.com:443";
const SNS: &str = "sns.eu-west-1.amazonaws.com:443";
/// RFC 6761: no resolver knows it.
const ANYPOINT: &str = "anypoint.invalid:443";

/// An HTTP proxy that leads to the sandbox what it was told to, and refuses the rest.
struct Proxy {
    url: String,
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl Proxy {
    async fn start(routes: BTreeMap<&'static str, SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<BTreeSet<String>>>::default();
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, routes.clone(), Arc::clone(&kept)));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    client: TcpStream,
    routes: BTreeMap<&'static str, SocketAddr>,
    asked: Arc<Mutex<BTreeSet<String>>>,
) {
    let mut client = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let (method, place) = {
        let mut words = head.split(' ');
        (words.next().unwrap().to_owned(), words.next().unwrap().to_owned())
    };
    asked.lock().unwrap().insert(place.clone());
    let Some(to) = routes.get(place.as_str()).filter(|_| method == "CONNECT") else {
        client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await.ok();
        return;
    };
    let mut server = TcpStream::connect(to).await.unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    copy_bidirectional(&mut client, &mut server).await.ok();
}

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
