//! TLS spoken by the relay itself: the certificate that takes another's place, the certificates of clients,
//! the probe of a container.

use std::net::SocketAddr;
use std::time::Duration;

use anypoint_sandbox::pki::{Authority, Identity};

use tokio::task::JoinSet;

use crate::support::{Answer, Bench, LIMIT, ORDERS_TARGET, Relay, Run, TRIGGER_KEY, answer, signed_with};

const NAME: &str = "relay.example.com";
/// 50 a second.
const PACE: Duration = Duration::from_millis(20);

/// A sandbox whose relay speaks TLS at the hooks.
struct Encrypted {
    bench: Bench,
    authority: Authority,
}

impl Encrypted {
    async fn new() -> Self {
        let this = Self { bench: Bench::with_orders().await, authority: Authority::new() };
        this.show(&this.authority.server_certificate(&[NAME]));
        this.bench.write("clients.pem", this.authority.pem());
        this
    }

    /// Puts another certificate in place, as a tool that renews them does: one file after the other.
    fn show(&self, identity: &Identity) {
        for (name, text) in [("cert.pem", &identity.certificate), ("key.pem", &identity.key)] {
            let new = self.bench.write("new.pem", text);
            std::fs::rename(new, self.bench.path(name)).unwrap();
        }
    }

    fn settings(&self, further: &str) -> String {
        let path = |name: &str| self.bench.path(name).display().to_string();
        format!("{{ certificate: \"{}\", key: \"{}\"{further} }}", path("cert.pem"), path("key.pem"))
    }

    async fn serve(&self, further: &str) -> Relay {
        let file = format!("tls: {}\n{}", self.settings(further), self.bench.file(ORDERS_TARGET));
        self.bench.spawn_with(&file).await
    }
}

/// A client that trusts these authorities alone.
fn client(relay: &Relay, trusted: &[&Authority]) -> reqwest::ClientBuilder {
    let address: SocketAddr = relay.hooks.strip_prefix("http://").unwrap().parse().unwrap();
    let roots =
        trusted.iter().map(|authority| reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap());
    reqwest::Client::builder().no_proxy().tls_certs_only(roots).resolve(NAME, address).timeout(LIMIT)
}

async fn trigger(client: &reqwest::Client) -> Answer {
    let body = r#"{"secret":"prod/orders/db"}"#;
    let mut request = client.post(format!("https://{NAME}/hooks/trigger")).body(body);
    let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
    for (name, value) in signed_with(&id, body, TRIGGER_KEY) {
        request = request.header(name, value);
    }
    answer("POST", "/hooks/trigger", request).await
}

#[tokio::test]
async fn another_certificate_takes_over_under_fifty_notifications_a_second_and_none_is_refused_or_lost() {
    let this = Encrypted::new().await;
    let relay = this.serve("").await;
    let next = Authority::new();
    // Senders trust both authorities all the time; half of them connect anew for each notification.
    let both = [&this.authority, &next];
    let kept = client(&relay, &both).build().unwrap();
    let fresh = client(&relay, &both).pool_max_idle_per_host(0).build().unwrap();
    // Somebody who trusts the next one alone sees when it is in force.
    let early = client(&relay, &[&next]).pool_max_idle_per_host(0).build().unwrap();

    let (mut sent, mut pace) = (JoinSet::new(), tokio::time::interval(PACE));
    let (mut changed, mut after) = (false, 0);
    while after < 50 {
        pace.tick().await;
        let number = sent.len();
        let client = if number % 2 == 0 { kept.clone() } else { fresh.clone() };
        sent.spawn(async move { trigger(&client).await.status });
        match number {
            25 => {
                this.bench.orders_db().rotate(r#"{"username":"orders_app","password":"the next one"}"#);
            }
            50 => this.show(&next.server_certificate(&[NAME])),
            _ => {}
        }
        if !changed && number > 50 && number % 10 == 0 {
            changed = early.get(format!("https://{NAME}/healthz")).send().await.is_ok();
        }
        after += usize::from(changed);
        assert!(number < 1_500, "the next certificate is never shown: {}", relay.log());
    }
    let statuses = sent.join_all().await;
    println!("{} notifications, every one taken", statuses.len());
    assert!(statuses.iter().all(|status| *status == 202), "{statuses:?}");
    relay.shows("orders-api", "in_sync").await;
    assert_eq!(this.bench.running("orders-api", "db.password"), ["the next one"]);
    relay.logs("it is told", |line| line["message"] == "TLS files were read again").await;
    let metrics = relay.ask("/metrics").await.text;
    assert!(
        metrics.contains(r#"relay_certificate_not_after_timestamp_seconds{listener="hooks"}"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_told_once_and_changes_nothing() {
    let this = Encrypted::new().await;
    let relay = this.serve("").await;
    this.bench.write("cert.pem", "half a certi");
    let told = |line: &serde_json::Value| {
        let error = line["error"].as_str().unwrap_or_default();
        line["level"] == "ERROR" && error.ends_with("cert.pem holds no certificate in PEM form")
    };
    relay.logs("it is told", told).await;
    let client = client(&relay, &[&this.authority]).build().unwrap();
    assert_eq!(trigger(&client).await.status, 202);
    // The next usable one is taken, and by then it has been told no second time.
    this.show(&this.authority.server_certificate(&[NAME]));
    relay.logs("the next one", |line| line["message"] == "TLS files were read again").await;
    assert_eq!(relay.lines().iter().filter(|line| told(line)).count(), 1);
}

#[tokio::test]
async fn without_a_certificate_of_its_own_a_client_gets_no_answer_where_one_is_asked_for() {
    let this = Encrypted::new().await;
    let ca = format!(", client_ca: \"{}\"", this.bench.path("clients.pem").display());
    let relay = this.serve(&ca).await;
    let stranger = client(&relay, &[&this.authority]).build().unwrap();
    assert!(stranger.get(format!("https://{NAME}/healthz")).send().await.is_err());
    let (certificate, key) = this.authority.client_certificate();
    let identity = reqwest::Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap();
    let known = client(&relay, &[&this.authority]).identity(identity).build().unwrap();
    assert_eq!(trigger(&known).await.status, 202);
}

#[tokio::test]
async fn the_probe_of_a_container_finds_the_listener_that_answers_it() {
    let this = Encrypted::new().await;
    let clients = format!(", client_ca: \"{}\"", this.bench.path("clients.pem").display());
    let port = |url: &str| url.rsplit_once(':').unwrap().1.to_owned();
    let asked = async |hooks: &str, admin: &str| {
        let file = format!("{hooks}\nadmin: {admin}\n");
        Run::of(this.bench.binary().arg("health").arg(this.bench.write("asked.yaml", file))).await
    };
    let relay = this.serve("").await;
    let hooks = format!("listen: 127.0.0.1:{}", port(&relay.hooks));
    let own = this.settings("");
    let run = asked(&format!("{hooks}\ntls: {own}"), "off").await.ended(0);
    assert_eq!(run.out, "200 OK\n");
    // Plain HTTP is not what this listener speaks.
    asked(&hooks, "off").await.ended(1);
    // Where the hooks ask for a certificate the admin listener is asked, and where there is none it is said.
    let closed = format!("{hooks}\ntls: {}", this.settings(&clients));
    asked(&closed, &format!("{{ listen: 127.0.0.1:{} }}", port(&relay.admin))).await.ended(0);
    let run = asked(&closed, "off").await.ended(1);
    assert!(run.err.contains("leave `client_ca` out of one"), "{run:?}");
}

#[tokio::test]
async fn files_that_cannot_be_used_keep_the_relay_from_starting_and_are_named() {
    let this = Encrypted::new().await;
    this.bench.write("key.pem", &this.authority.server_certificate(&[NAME]).key);
    let file = format!("tls: {}\n{}", this.settings(""), this.bench.file(ORDERS_TARGET));
    let run =
        Run::of(this.bench.binary().arg("serve").arg(this.bench.write("relay.yaml", file))).await.ended(1);
    let last = run.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: `tls`: the key in "), "{last}");
    assert!(last.contains("cert.pem do not go together"), "{last}");
}
