//! How a connection gets to its control plane: through which proxy, and with which certificate of its own.

use std::path::PathBuf;

use url::Url;

use super::decode::Value;
use super::scalar;
use super::source::credential;
use crate::credential::CredentialRef;

/// The proxy of a connection.
#[derive(Clone, Debug)]
pub enum Proxy {
    /// What `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say.
    Environment,
    /// None, whatever the environment says.
    Direct,
    /// This one, whatever the environment says.
    Through(HttpProxy),
}

/// An HTTP proxy, spoken to over HTTP or HTTPS.
#[derive(Clone, Debug)]
pub struct HttpProxy {
    /// Scheme, host and port.
    pub url: String,
    /// User name and password (HTTP Basic), where it asks for them.
    pub login: Option<(String, CredentialRef)>,
}

/// What a connection shows a server that asks who it is (mutual TLS). Both files are PEM.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The certificate, followed by those between it and the root.
    pub certificate: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
}

/// `none`, or `{ url, username, password }`.
pub(super) fn proxy(value: &Value<'_>) -> Option<Proxy> {
    const WHAT: &str = "`none`, or a mapping such as { url: http://proxy.example.com:3128 }";
    match value.written() {
        Some("none") => return Some(Proxy::Direct),
        // A URL in one piece may hold a password.
        Some(_) => return value.refuse(format!("expected {WHAT} (what stands here is not shown)")),
        None if value.is_mapping() => {}
        None => return value.expected(WHAT),
    }
    let mut fields = value.fields("a proxy")?;
    let (username, password) = (fields.get("username"), fields.get("password"));
    let url = fields.required("url", "the proxy, such as http://proxy.example.com:3128", proxy_url);
    let whole = fields.whole().clone();
    fields.finish_unquoted();
    let login = match (username, password) {
        (None, None) => Some(None),
        (Some(username), Some(password)) => {
            if url.as_ref().is_some_and(|url| url.scheme() == "http") {
                whole
                    .warn("its password goes to this proxy unencrypted; use https:// if the proxy speaks it");
            }
            scalar::basic_user_name(&username).zip(credential(&password)).map(Some)
        }
        (Some(_), None) => {
            whole.refuse("`password` is missing beside `username`: a reference such as { env: NAME }")
        }
        (None, Some(_)) => whole.refuse("`username` is missing beside `password`"),
    };
    Some(Proxy::Through(HttpProxy { url: url?.into(), login: login? }))
}

fn proxy_url(value: &Value<'_>) -> Option<Url> {
    const WHAT: &str = "the URL of a proxy such as http://proxy.example.com:3128";
    let url = Url::parse(value.text(WHAT)?).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
    });
    let Some(url) = url.filter(|url| url.fragment().is_none()) else {
        return value.refuse(format!("expected {WHAT} (not quoted here: it may hold a password)"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return value.refuse(
            "user name and password do not stand in the URL; give `username`, and `password` by reference",
        );
    }
    Some(url)
}

/// `{ certificate: FILE, key: FILE }`
pub(super) fn client_certificate(value: &Value<'_>) -> Option<ClientCertificate> {
    let mut fields = value.fields("a client certificate")?;
    let certificate = fields.required("certificate", "the path of a PEM file", scalar::path);
    let key = fields.required("key", "the path of a PEM file with its private key", scalar::path);
    fields.finish();
    Some(ClientCertificate { certificate: certificate?, key: key? })
}
