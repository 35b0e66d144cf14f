//! `create` for stores: as for shared secrets, by the upload that replaces them.

use anypoint_sandbox::anypoint::{Endpoint, Stores};
use anypoint_sandbox::faults::{Action, Rule};
use anypoint_sandbox::pki::Hierarchy;
use anypoint_sandbox::wait_until;
use jiff::SignedDuration;

use super::{PEM_KEYSTORE, TARGET, secret, target};
use crate::support::{Bench, LIMIT};

fn creating(lines: &str) -> String {
    format!("{}\n    create: true", target(lines))
}

/// How often it was tried to make one, and to replace one.
fn tries(bench: &Bench) -> [usize; 2] {
    [Endpoint::StorePost, Endpoint::StorePut].map(|call| bench.anypoint.requests().of(call))
}

#[tokio::test]
async fn each_kind_is_created_by_one_upload_and_rotated_from_then_on() {
    let truststore = "kind: truststore\n    type: PEM\n    truststore: { secret: prod/tls, field: chain }";
    let certificate = "kind: certificate\n    certificate: { secret: prod/tls, field: certificate }";
    for (list, lines, part) in [
        (Stores::Keystores, PEM_KEYSTORE, "certificate"),
        (Stores::Truststores, truststore, "trustStore"),
        (Stores::Certificates, certificate, "certStore"),
    ] {
        let mut bench = Bench::new().await;
        let hierarchies = [Hierarchy::new(), Hierarchy::new()];
        let secrets = hierarchies.each_ref().map(|pki| secret(pki, &pki.issue("orders")));
        bench.aws.create_secret("prod/tls", secrets[0].clone());
        let group = bench.anypoint.add_group("edge");
        bench.start(&creating(lines)).await;
        bench.in_sync(TARGET).await;
        let store = group.store(list, "orders-tls").unwrap();
        assert_eq!((store.history().len(), tries(&bench)), (1, [1, 0]), "{list:?}");
        assert_eq!(bench.status().notes, [format!("{} was not there and was created", named(list))]);

        bench.anypoint.shift_modified_at(SignedDuration::from_secs(10));
        bench.aws.secret("prod/tls").unwrap().rotate(secrets[1].clone());
        bench.insist().await;
        wait_until("the second upload", LIMIT, || store.history().len() == 2).await;
        bench.in_sync(TARGET).await;
        assert_eq!(tries(&bench), [1, 1], "{list:?}");
        let field = if list == Stores::Truststores { "chain" } else { "certificate" };
        for (written, secret) in store.history().iter().zip(&secrets) {
            assert_eq!(written.text(part), secret[field].as_str().unwrap(), "{list:?}");
        }
    }
}

fn named(list: Stores) -> &'static str {
    match list {
        Stores::Keystores => "keystore \"orders-tls\"",
        Stores::Truststores => "truststore \"orders-tls\"",
        Stores::Certificates => "certificate \"orders-tls\"",
    }
}

#[tokio::test]
async fn a_bad_pair_is_not_created_and_the_good_one_after_it_is() {
    let mut bench = Bench::new().await;
    let pki = Hierarchy::new();
    let (good, other) = (pki.issue("orders"), pki.issue("other"));
    let mut bad = secret(&pki, &good);
    bad["key"] = other.key.into();
    bench.aws.create_secret("prod/tls", bad);
    let group = bench.anypoint.add_group("edge");
    bench.start(&creating(PEM_KEYSTORE)).await;
    bench.parks("bad_value").await;
    assert_eq!((group.store(Stores::Keystores, "orders-tls").is_none(), tries(&bench)), (true, [0, 0]));

    bench.aws.secret("prod/tls").unwrap().rotate(secret(&pki, &good));
    bench.insist().await;
    bench.in_sync(TARGET).await;
    assert_eq!(tries(&bench), [1, 0]);
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_ends_in_one_store() {
    let mut bench = Bench::new().await;
    let pki = Hierarchy::new();
    bench.aws.create_secret("prod/tls", secret(&pki, &pki.issue("orders")));
    let group = bench.anypoint.add_group("edge");
    let lost = Rule::new(Action::ResetAfter).tag(Endpoint::StorePost.tag()).times(1);
    bench.anypoint.faults().add(lost);
    bench.start(&creating(PEM_KEYSTORE)).await;
    bench.meets("unavailable").await;
    bench.in_sync(TARGET).await;
    let history = group.store(Stores::Keystores, "orders-tls").unwrap().history();
    assert_eq!((history.len(), tries(&bench)), (2, [1, 1]));
    assert_eq!(history[0].parts, history[1].parts);
}
