//! Keystores, truststores and certificates (1.2, 1.4 to 1.8).

use super::*;
use anypoint_sandbox::anypoint::{Endpoint, GroupState, Lands, LostWrite, Seen, Store, Stores};
use anypoint_sandbox::pki::Hierarchy;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// The parts of an upload, in the order they are sent.
type Form = Vec<(&'static str, Vec<u8>)>;

fn form(kind: &'static str, parts: &[(&'static str, &[u8])]) -> Form {
    let fixed: [(&'static str, &[u8]); 2] = [("name", b"orders-tls"), ("type", kind.as_bytes())];
    fixed.iter().chain(parts).map(|(name, content)| (*name, content.to_vec())).collect()
}

fn with(mut form: Form, part: &'static str, content: impl AsRef<[u8]>) -> Form {
    form.retain(|(name, _)| *name != part);
    form.push((part, content.as_ref().to_vec()));
    form
}

fn without(mut form: Form, part: &str) -> Form {
    form.retain(|(name, _)| *name != part);
    form
}

fn keystore(pki: &Hierarchy) -> Form {
    let leaf = pki.issue("orders");
    form("PEM", &[("certificate", leaf.certificate.as_bytes()), ("key", leaf.key.as_bytes())])
}

impl Client {
    async fn upload(&self, url: &str, form: &Form) -> Answer {
        let mut body = Vec::new();
        for (name, content) in form {
            let head = format!(
                "--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n"
            );
            body.extend([head.as_bytes(), content, b"\r\n"].concat());
        }
        body.extend(b"--b0undary--\r\n");
        let put = self.http.put(url).bearer_auth(&self.token);
        answer(put.header("content-type", "multipart/form-data; boundary=b0undary").body(body)).await
    }

    fn store_url(&self, group: &SecretGroup, list: Stores, store: &Store) -> String {
        format!("{}/{}/{}/{}", self.secrets, group.id(), list.as_str(), store.id())
    }
}

/// One store in a group, and where it is.
struct Case {
    anypoint: Anypoint,
    group: SecretGroup,
    store: Store,
    client: Client,
    url: String,
}

async fn case(list: Stores, stored: &Form) -> Case {
    let anypoint = Anypoint::start().await;
    let group = anypoint.add_group("edge");
    let store = group.add_store(list, stored.iter().map(|(name, content)| (*name, content)));
    let client = Client::of(&anypoint).await;
    let url = client.store_url(&group, list, &store);
    Case { anypoint, group, store, client, url }
}

fn first_code(answer: &Answer) -> (StatusCode, &str) {
    (answer.status, code(answer))
}

#[tokio::test]
async fn an_upload_replaces_a_store_and_never_comes_out() {
    let pki = Hierarchy::new();
    let case = case(Stores::Keystores, &keystore(&pki)).await;
    let next = with(keystore(&pki), "capath", pki.chain());
    let put = case.client.upload(&case.url, &with(next.clone(), "keyPassphrase", "s3cret")).await;
    assert_eq!(put.status, StatusCode::OK);
    let [_, written] = &case.store.history()[..] else { panic!("two writes") };
    assert_eq!((written.kind.as_str(), written.name.as_str()), ("PEM", "orders-tls"));
    assert_eq!(written.parts["key"], next[3].1);
    assert_eq!(written.text("keyPassphrase"), "s3cret");
    assert_eq!(written.by, case.anypoint.client_id());

    let seen = case.client.get(&case.url).await.body;
    assert_eq!((&seen["name"], &seen["type"]), (&json!("orders-tls"), &json!("PEM")));
    assert_eq!(seen["meta"]["path"], format!("keystores/{}", case.store.id()));
    assert!(seen["keyFileName"].is_string() && seen["capathFileName"].is_string());
    assert!(!seen.to_string().contains("BEGIN") && !seen.to_string().contains("s3cret"));
    let list = case.url.rsplit_once('/').unwrap().0;
    assert_eq!(case.client.get(list).await.body[0]["meta"]["id"], case.store.id());
    // What is left out of the next one is gone.
    case.client.upload(&case.url, &keystore(&pki)).await;
    assert_eq!(case.client.get(&case.url).await.body.get("capathFileName"), None);
    let requests = case.anypoint.requests();
    let counts = [Endpoint::StorePut, Endpoint::StoreGet, Endpoint::StoreList].map(|call| requests.of(call));
    assert_eq!(counts, [2, 2, 1]);
}

#[tokio::test]
async fn each_type_has_its_parts_and_sizes() {
    let pki = Hierarchy::new();
    let leaf = pki.issue("orders");
    let (certificate, key) = (leaf.certificate.as_bytes(), leaf.key.as_bytes());
    let chain = pki.chain();
    let file: &[u8] = &[0xfe, 0xed, 0xfe, 0xed];
    let passphrases: [(&str, &[u8]); 3] =
        [("storePassphrase", b"store"), ("keyPassphrase", b"key"), ("alias", b"orders")];
    let cases = [
        (
            Stores::Keystores,
            form("PEM", &[("certificate", certificate), ("key", key), ("capath", chain.as_bytes())]),
            vec![("certificate", 4_096, true), ("key", 6_144, true), ("capath", 28_672, false)],
        ),
        (
            Stores::Keystores,
            form("JKS", &[&[("keyStore", file)][..], &passphrases].concat()),
            vec![
                ("keyStore", 40_960, true),
                ("storePassphrase", 64, true),
                ("keyPassphrase", 64, true),
                ("alias", 64, true),
            ],
        ),
        (
            Stores::Truststores,
            form("PEM", &[("trustStore", chain.as_bytes())]),
            vec![("trustStore", 40_960, true)],
        ),
        (
            Stores::Truststores,
            form("JCEKS", &[("trustStore", file), passphrases[0]]),
            vec![("trustStore", 40_960, true), ("storePassphrase", 64, true)],
        ),
        (Stores::Certificates, form("PEM", &[("certStore", certificate)]), vec![("certStore", 4_096, true)]),
    ];
    for (list, whole, parts) in cases {
        let case = case(list, &whole).await;
        for (part, limit, required) in parts {
            let cut = case.client.upload(&case.url, &without(whole.clone(), part)).await;
            let expected = if required { (StatusCode::BAD_REQUEST, "RB-1004") } else { (StatusCode::OK, "") };
            assert_eq!(first_code(&cut), expected, "{list:?} without {part}");
            // Behind the last block anything may follow.
            let mut long = whole.iter().find(|(name, _)| *name == part).unwrap().1.clone();
            long.resize(limit, b'\n');
            let fits = case.client.upload(&case.url, &with(whole.clone(), part, &long)).await;
            assert_eq!(fits.status, StatusCode::OK, "{list:?} {part}: {}", fits.body);
            long.push(b'\n');
            let over = case.client.upload(&case.url, &with(whole.clone(), part, &long)).await;
            assert_eq!(first_code(&over), (StatusCode::BAD_REQUEST, "RB-1003"), "{list:?} {part}");
        }
    }
}

#[tokio::test]
async fn the_file_of_a_store_has_one_of_two_names() {
    let pki = Hierarchy::new();
    for (specified, right, wrong) in [(false, "trustStore", "truststore"), (true, "truststore", "trustStore")]
    {
        let case = case(Stores::Truststores, &form("PEM", &[("trustStore", pki.root().as_bytes())])).await;
        case.anypoint.rules(|rules| rules.store_parts_as_specified = specified);
        let upload = |name| form("PEM", &[(name, pki.authority().as_bytes())]);
        let refused = case.client.upload(&case.url, &upload(wrong)).await;
        assert_eq!(first_code(&refused), (StatusCode::BAD_REQUEST, "RB-1004"));
        assert_eq!(refused.body["errors"][0]["field"], right);
        assert_eq!(case.client.upload(&case.url, &upload(right)).await.status, StatusCode::OK);
        assert_eq!(case.store.history()[1].text(right), pki.authority());
    }
}

#[tokio::test]
async fn the_chain_has_one_of_two_names_and_the_other_is_passed_over() {
    let pki = Hierarchy::new();
    for (terraform, right, wrong) in
        [(false, "capath", "caPathCertificate"), (true, "caPathCertificate", "capath")]
    {
        let case = case(Stores::Keystores, &keystore(&pki)).await;
        case.anypoint.rules(|rules| rules.ca_path_certificate = terraform);
        for (name, shown) in [(right, true), (wrong, false)] {
            let put = case.client.upload(&case.url, &with(keystore(&pki), name, pki.chain())).await;
            assert_eq!(put.status, StatusCode::OK);
            let seen = case.client.get(&case.url).await.body;
            assert_eq!(seen.get("capathFileName").is_some(), shown, "{name}");
        }
    }
}

#[tokio::test]
async fn a_pem_keystore_may_need_the_passphrase_of_its_key() {
    let pki = Hierarchy::new();
    let case = case(Stores::Keystores, &keystore(&pki)).await;
    assert_eq!(case.client.upload(&case.url, &keystore(&pki)).await.status, StatusCode::OK);
    case.anypoint.rules(|rules| rules.pem_key_needs_passphrase = true);
    let refused = case.client.upload(&case.url, &keystore(&pki)).await;
    assert_eq!(first_code(&refused), (StatusCode::BAD_REQUEST, "RB-1004"));
    let put = case.client.upload(&case.url, &with(keystore(&pki), "keyPassphrase", "x")).await;
    assert_eq!(put.status, StatusCode::OK);
}

#[tokio::test]
async fn an_expired_certificate_is_refused_unless_it_is_allowed() {
    let pki = Hierarchy::new();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let key = pki.issue("orders").key;
    let expired = pki.certify("orders", &key, at("2020-01-01T00:00:00Z"), at("2020-02-01T00:00:00Z"));
    let case = case(Stores::Certificates, &form("PEM", &[("certStore", pki.root().as_bytes())])).await;
    let upload = form("PEM", &[("certStore", expired.as_bytes())]);
    let refused = case.client.upload(&case.url, &upload).await;
    assert_eq!(first_code(&refused), (StatusCode::BAD_REQUEST, "RB-1007"));
    let allowed = case.client.upload(&format!("{}?allowExpiredCert=true", case.url), &upload).await;
    assert_eq!(allowed.status, StatusCode::OK);
}

#[tokio::test]
async fn without_a_date_a_store_lives_as_long_as_its_certificate() {
    let pki = Hierarchy::new();
    let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let key = pki.issue("orders").key;
    let leaf = |until: &str| pki.certify("orders", &key, from, until.parse().unwrap());
    let both = leaf("2090-05-06T00:00:00Z") + &leaf("2080-03-04T00:00:00Z");
    let one = leaf("2080-03-04T00:00:00Z");
    for (list, upload, date) in [
        (
            Stores::Keystores,
            form(
                "PEM",
                &[
                    ("certificate", one.as_bytes()),
                    ("key", key.as_bytes()),
                    ("capath", pki.root().as_bytes()),
                ],
            ),
            "2080-03-04",
        ),
        (Stores::Truststores, form("PEM", &[("trustStore", both.as_bytes())]), "2080-03-04"),
        (Stores::Certificates, form("PEM", &[("certStore", one.as_bytes())]), "2080-03-04"),
        (
            Stores::Certificates,
            form("PEM", &[("certStore", one.as_bytes()), ("expirationDate", b"2031-01-31")]),
            "2031-01-31",
        ),
    ] {
        let case = case(list, &upload).await;
        assert_eq!(case.client.get(&case.url).await.body["expirationDate"], date, "{list:?}");
        assert_eq!(case.store.history()[0].expiration_date, date);
    }
    let binary = form("JKS", &[("trustStore", &[1]), ("storePassphrase", b"store")]);
    let case = case(Stores::Truststores, &binary).await;
    let [written] = &case.store.history()[..] else { panic!("one write") };
    let day = written.at.to_zoned(jiff::tz::TimeZone::UTC).date();
    assert_eq!(written.expiration_date, (day + 1.year()).to_string(), "nobody looks inside");
}

#[tokio::test]
async fn a_truststore_takes_fifteen_certificates() {
    let pki = Hierarchy::new();
    let case = case(Stores::Truststores, &form("PEM", &[("trustStore", pki.root().as_bytes())])).await;
    for (count, expected) in [(15, (StatusCode::OK, "")), (16, (StatusCode::BAD_REQUEST, "RB-1008"))] {
        let many = pki.root().repeat(count);
        let put = case.client.upload(&case.url, &form("PEM", &[("trustStore", many.as_bytes())])).await;
        assert_eq!(first_code(&put), expected, "{count}");
    }
}

#[tokio::test]
async fn what_is_no_certificate_no_form_or_of_another_type_is_refused() {
    let pki = Hierarchy::new();
    let case = case(Stores::Certificates, &form("PEM", &[("certStore", pki.root().as_bytes())])).await;
    for bad in ["no PEM", "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n"] {
        let put = case.client.upload(&case.url, &form("PEM", &[("certStore", bad.as_bytes())])).await;
        assert_eq!(first_code(&put), (StatusCode::BAD_REQUEST, "RB-1003"), "{bad}");
    }
    let put = case.client.put(&case.url, &json!({ "name": "orders-tls" })).await;
    assert_eq!(put.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let file = form("JKS", &[("trustStore", &[1]), ("storePassphrase", b"store")]);
    let stored = case.group.add_store(Stores::Truststores, file.iter().map(|(name, part)| (*name, part)));
    let url = case.client.store_url(&case.group, Stores::Truststores, &stored);
    let put = case.client.upload(&url, &form("PEM", &[("trustStore", pki.root().as_bytes())])).await;
    assert_eq!((put.status, &put.body["errors"][0]["field"]), (StatusCode::BAD_REQUEST, &json!("type")));
    assert_eq!(case.client.send(Method::DELETE, &url, None).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let elsewhere = case.client.store_url(&case.group, Stores::Keystores, &stored);
    assert_eq!(case.client.get(&elsewhere).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_busy_group_takes_no_upload() {
    let pki = Hierarchy::new();
    let case = case(Stores::Keystores, &keystore(&pki)).await;
    case.group.set_state(GroupState::Finishing);
    assert_eq!(case.client.upload(&case.url, &keystore(&pki)).await.status, StatusCode::CONFLICT);
    case.group.set_state(GroupState::Clear);
    case.anypoint.rules(|rules| rules.put_answers_204 = true);
    assert_eq!(case.client.upload(&case.url, &keystore(&pki)).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn an_upload_may_land_late_and_moves_the_date() {
    let pki = Hierarchy::new();
    let case = case(Stores::Keystores, &keystore(&pki)).await;
    let modified = |seen: Value| seen["meta"]["modifiedAt"].as_str().unwrap().to_owned();
    let before = modified(case.client.get(&case.url).await.body);
    case.anypoint.shift_modified_at(SignedDuration::from_secs(5));
    case.anypoint.lose_next_write(LostWrite { lands: Lands::WhenReleased, seen: Seen::Status(504) });
    assert_eq!(case.client.upload(&case.url, &keystore(&pki)).await.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(modified(case.client.get(&case.url).await.body), before);
    assert_eq!(case.anypoint.release_held_writes(), [200]);
    assert_ne!(modified(case.client.get(&case.url).await.body), before);
    assert_eq!(case.store.history().len(), 2);
}
