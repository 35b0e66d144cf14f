use std::net::SocketAddr;

use anypoint_sandbox::pki::{Authority, Identity};
use rustls::ClientConfig;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::*;

const NAME: &str = "relay.example.com";

struct Files {
    folder: TempDir,
    authority: Authority,
}

impl Files {
    /// A certificate and its key.
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new() };
        files.put(&files.authority.server_certificate(&[NAME]));
        files
    }

    fn put(&self, identity: &Identity) {
        self.write("cert.pem", &identity.certificate);
        self.write("key.pem", &identity.key);
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn settings(&self, client_ca: Option<&str>) -> config::Tls {
        let path = |name: &str| self.folder.path().join(name);
        config::Tls { certificate: path("cert.pem"), key: path("key.pem"), client_ca: client_ca.map(path) }
    }

    async fn load(&self, client_ca: Option<&str>) -> Result<Tls, TlsError> {
        Tls::load(&self.settings(client_ca)).await
    }

    async fn refused(&self, client_ca: Option<&str>) -> String {
        let error = self.load(client_ca).await.err().expect("it is refused").to_string();
        error.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

/// The certificate that a client is shown, after a word has gone both ways, or why it gets that far not.
async fn shown_to(
    tls: &Tls,
    authority: &Authority,
    own: Option<(String, String)>,
) -> Result<Vec<u8>, String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = tls.acceptor().accept(stream).await.map_err(|error| error.to_string())?;
        stream.write_all(b"!").await.unwrap();
        stream.flush().await.unwrap();
        Ok::<_, String>(stream)
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate.as_bytes(), String::new()).unwrap();
            builder
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
                .unwrap()
        }
    };
    let client = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let name = NAME.try_into().unwrap();
        let mut stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
        // With TLS 1.3 a client learns only now that its certificate is refused.
        stream.read_u8().await.map_err(|error| error.to_string())?;
        Ok(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
    };
    let (server, client) = tokio::join!(server, client);
    server.and(client)
}

fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

#[tokio::test]
async fn changed_files_are_in_force_for_the_next_connection() {
    let files = Files::new();
    let tls = files.load(None).await.unwrap();
    assert!(!tls.look().await.unwrap());
    let next = files.authority.server_certificate(&[NAME]);
    files.put(&next);
    assert!(tls.look().await.unwrap());
    assert_eq!(shown_to(&tls, &files.authority, None).await.unwrap(), der(&next.certificate));
}

#[tokio::test]
async fn files_that_do_not_go_together_leave_the_last_ones_in_force() {
    let files = Files::new();
    let before = std::fs::read_to_string(files.settings(None).certificate).unwrap();
    let tls = files.load(None).await.unwrap();
    // As in the moment between the two writes of whoever replaces both.
    files.write("cert.pem", &files.authority.server_certificate(&[NAME]).certificate);
    assert!(matches!(tls.look().await, Err(TlsError::Mismatch { .. })));
    assert_eq!(shown_to(&tls, &files.authority, None).await.unwrap(), der(&before));
    files.put(&files.authority.server_certificate(&[NAME]));
    assert!(tls.look().await.unwrap());
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_a_change() {
    let files = Files::new();
    let next = files.authority.server_certificate(&[NAME]);
    for (folder, identity) in [("one", &files.authority.server_certificate(&[NAME])), ("two", &next)] {
        std::fs::create_dir(files.folder.path().join(folder)).unwrap();
        files.write(&format!("{folder}/cert.pem"), &identity.certificate);
        files.write(&format!("{folder}/key.pem"), &identity.key);
    }
    // As a ConfigMap or a Secret of Kubernetes is changed.
    let link = files.folder.path().join("now");
    std::os::unix::fs::symlink("one", &link).unwrap();
    let settings =
        config::Tls { certificate: link.join("cert.pem"), key: link.join("key.pem"), client_ca: None };
    let tls = Tls::load(&settings).await.unwrap();
    let other = files.folder.path().join("other");
    std::os::unix::fs::symlink("two", &other).unwrap();
    std::fs::rename(&other, &link).unwrap();
    assert!(tls.look().await.unwrap());
    assert_eq!(shown_to(&tls, &files.authority, None).await.unwrap(), der(&next.certificate));
}

#[tokio::test]
async fn what_cannot_be_used_is_told_with_its_file() {
    let files = Files::new();
    let good = files.authority.server_certificate(&[NAME]);
    files.write("cert.pem", &files.authority.server_certificate(&[NAME]).certificate);
    assert_eq!(
        files.refused(None).await,
        "the key in key.pem and the certificate in cert.pem do not go together: keys may not be consistent: \
         KeyMismatch"
    );
    files.put(&good);
    files.write("cert.pem", "no certificate");
    assert_eq!(files.refused(None).await, "cert.pem holds no certificate in PEM form");
    files.put(&good);
    files.write("key.pem", &good.certificate);
    assert_eq!(files.refused(None).await, "key.pem holds no private key in PEM form that is not encrypted");
    files.put(&good);
    assert!(files.refused(Some("ca.pem")).await.starts_with("ca.pem cannot be read: No such file"));
    files.write("ca.pem", "none");
    assert_eq!(files.refused(Some("ca.pem")).await, "ca.pem holds no certificate in PEM form");
}

#[tokio::test]
async fn with_a_client_ca_only_its_clients_get_in() {
    let files = Files::new();
    files.write("ca.pem", files.authority.pem());
    let tls = files.load(Some("ca.pem")).await.unwrap();
    let own = files.authority.client_certificate();
    assert!(shown_to(&tls, &files.authority, Some(own.clone())).await.is_ok());
    let none = shown_to(&tls, &files.authority, None).await.unwrap_err();
    assert!(none.contains("certificate"), "{none}");
    let stranger = Authority::new().client_certificate();
    assert!(shown_to(&tls, &files.authority, Some(stranger)).await.is_err());
    // Another authority takes its place without a restart.
    files.write("ca.pem", Authority::new().pem());
    assert!(tls.look().await.unwrap());
    assert!(shown_to(&tls, &files.authority, Some(own)).await.is_err());
}

#[tokio::test]
async fn the_end_of_the_certificate_is_known() {
    let files = Files::new();
    let identity = anypoint_sandbox::pki::Hierarchy::new();
    let leaf = identity.issue(NAME);
    let until: Timestamp = "2031-05-06T07:08:09Z".parse().unwrap();
    let certificate = identity.certify(NAME, &leaf.key, "2026-01-01T00:00:00Z".parse().unwrap(), until);
    files.put(&Identity { certificate, key: leaf.key });
    assert_eq!(files.load(None).await.unwrap().expires(), until);
}
