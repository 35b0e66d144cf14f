//! How requests get to their server: through which proxy, trusting whom, and with which certificate of
//! one's own.

use std::path::PathBuf;

use url::Url;

use super::decode::{Fields, Value};
use super::scalar;
use super::source::credential;
use crate::credential::CredentialRef;

/// What a connection, or a target that has none, goes through. Hardly any target says anything of it, so what can be
/// said lies apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// PEM file with a further root certificate.
    pub extra_root: Option<PathBuf>,
    /// What is shown to a server that asks for a certificate.
    pub client_certificate: Option<Box<ClientCertificate>>,
    /// The way out.
    pub proxy: Proxy,
}

/// The way out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// What `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say.
    #[default]
    Environment,
    /// None, whatever the environment says.
    Direct,
    /// This one, whatever the environment says.
    Through(Box<HttpProxy>),
}

/// An HTTP proxy, spoken to over HTTP or HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProxy {
    /// Scheme, host and port.
    pub url: String,
    /// User name and password (HTTP Basic), where it asks for them.
    pub login: Option<(String, CredentialRef)>,
}

/// What a server that asks who calls is shown (mutual TLS). Both files are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, followed by those between it and the root.
    pub certificate: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
}

/// Reads `extra_root`, `client_certificate` and `proxy`.
pub(super) fn channel(fields: &mut Fields<'_>) -> Channel {
    Channel {
        extra_root: fields.optional("extra_root", scalar::path),
        client_certificate: fields.optional("client_certificate", client_certificate).map(Box::new),
        proxy: fields.or("proxy", Proxy::Environment, proxy),
    }
}

/// `none`, or `{ url, username, password }`.
fn proxy(value: &Value<'_>) -> Option<Proxy> {
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
    Some(Proxy::Through(Box::new(HttpProxy { url: url?.into(), login: login? })))
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
fn client_certificate(value: &Value<'_>) -> Option<ClientCertificate> {
    let mut fields = value.fields("a client certificate")?;
    let certificate = fields.required("certificate", "the path of a PEM file", scalar::path);
    let key = fields.required("key", "the path of a PEM file with its private key", scalar::path);
    fields.finish();
    Some(ClientCertificate { certificate: certificate?, key: key? })
}
