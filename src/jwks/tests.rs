//! What an issuer may answer, and what comes of it.

use std::io;
use std::net::IpAddr;

use async_trait::async_trait;
use axum::response::Response;

use super::*;
use crate::model::TokenAlgorithm;
use crate::outbound::testing::{Authority, Server, reply};

const HOST: &str = "login.example.com";

/// Every name leads there.
#[derive(Debug)]
struct To(&'static str);

#[async_trait]
impl Lookup for To {
    async fn lookup(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![self.0.parse().unwrap()])
    }
}

/// What comes of a fetch from an issuer that answers so, and what it was asked.
async fn fetch_from(
    answer: impl Fn() -> Response + Send + Sync + 'static,
    address: &'static str,
) -> (Result<Bytes, String>, usize) {
    let authority = Authority::new();
    let server = Server::https(&authority, HOST, move |_| {
        let answer = answer();
        async move { answer }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("ca.pem");
    std::fs::write(&root, authority.pem()).unwrap();
    let config = config(&format!("https://{HOST}:{}/keys", server.address.port()), Some(root));
    let fetched = Jwks::new(&config, Arc::new(To(address))).unwrap().fetch().await;
    (fetched, server.seen().len())
}

fn config(url: &str, extra_root: Option<PathBuf>) -> OAuth {
    OAuth {
        issuer: "issuer".to_owned(),
        audience: "audience".to_owned(),
        jwks_url: Url::parse(url).unwrap(),
        algorithms: vec![TokenAlgorithm::Es256],
        leeway: Duration::ZERO,
        scope: None,
        extra_root,
    }
}

#[tokio::test]
async fn the_file_comes_as_it_is_also_from_a_private_address_that_the_host_has() {
    let (fetched, asked) = fetch_from(|| reply(200, "{\"keys\": []}"), "127.0.0.1").await;
    assert_eq!((fetched.unwrap(), asked), (Bytes::from_static(b"{\"keys\": []}"), 1));
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_fault_says_what_to_do() {
    let elsewhere = || {
        let mut answer = reply(307, "");
        answer.headers_mut().insert("location", "/other".parse().unwrap());
        answer
    };
    let (fetched, asked) = fetch_from(elsewhere, "127.0.0.1").await;
    let told = "HTTP 307; redirects are not followed, so give the last URL".to_owned();
    assert_eq!((fetched, asked), (Err(told), 1));
    for status in [404, 500] {
        let (fetched, _) = fetch_from(move || reply(status, "{\"keys\": []}"), "127.0.0.1").await;
        assert!(fetched.unwrap_err().starts_with(&format!("HTTP {status}; check that jwks_url")));
    }
}

#[tokio::test]
async fn a_file_without_end_is_given_up() {
    let (fetched, _) = fetch_from(|| reply(200, vec![b' '; MAX_BYTES + 1]), "127.0.0.1").await;
    assert_eq!(fetched, Err("the answer is longer than 262144 bytes".to_owned()));
}

#[tokio::test]
async fn a_name_that_leads_to_where_credentials_are_handed_out_is_not_connected_to() {
    let (fetched, asked) = fetch_from(|| reply(200, "{}"), "169.254.169.254").await;
    let fault = fetched.unwrap_err();
    assert!(fault.contains("169.254.169.254 is where a platform hands out credentials"), "{fault}");
    assert_eq!(asked, 0);
}

#[test]
fn an_extra_root_that_is_not_there_is_an_error_at_the_start() {
    let missing = config("https://login.example.com/keys", Some(PathBuf::from("/nowhere/ca.pem")));
    let error = Jwks::new(&missing, Arc::new(To("127.0.0.1"))).err().unwrap().to_string();
    assert!(
        error.starts_with("ingress.eventbridge.auth.oauth.extra_root: cannot read /nowhere/ca.pem"),
        "{error}"
    );
}
