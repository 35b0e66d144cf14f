//! `create`: a secret that is missing is made, and is from then on like any other.

use anypoint_relay::clock::{Clock, SystemClock};
use anypoint_sandbox::anypoint::{Endpoint, SecretGroup};
use anypoint_sandbox::wait_until;
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::json;

use super::{TARGET, USER, later, named, passwords, rotate, target};
use crate::support::{Bench, LIMIT, LOOKS_AT_TARGETS, RETRIES_SLOWLY};

/// The lines of a target that may make what is missing.
pub(super) fn creating() -> String {
    format!("{USER}\n    create: true\n    expiry: default")
}

/// A sandbox with the group `orders`, which is empty.
pub(super) async fn empty() -> (Bench, SecretGroup) {
    let bench = Bench::new().await;
    bench.aws.create_secret("prod/orders/db", json!({ "username": "app", "password": "first-password" }));
    let group = bench.anypoint.add_group("orders");
    (bench, group)
}

/// Every password that the one secret of the group was given.
pub(super) fn held(group: &SecretGroup) -> Vec<String> {
    assert_eq!(group.shared_secrets(), 1);
    passwords(&group.shared_secret("orders-db").expect("it has the name that is configured"))
}

/// How often it was tried to make one, and to replace one.
pub(super) fn tries(bench: &Bench) -> [usize; 2] {
    [Endpoint::SecretPost, Endpoint::SecretPut].map(|call| bench.anypoint.requests().of(call))
}

#[tokio::test]
async fn a_missing_secret_is_created_in_one_write_and_rotated_from_then_on() {
    let (mut bench, group) = empty().await;
    bench.start(&target(&creating())).await;
    bench.in_sync(TARGET).await;
    assert_eq!(held(&group), ["first-password"]);
    assert_eq!(tries(&bench), [1, 0]);
    assert_eq!(bench.status().notes, ["shared secret \"orders-db\" was not there and was created"]);
    let runs: Vec<&str> = bench.runs(TARGET).iter().map(|run| run.outcome).collect();
    assert_eq!(runs, ["in_sync"], "`modifiedAt` of the new one is the proof, in the same run");
    bench.insist().await;
    assert_eq!(tries(&bench), [1, 0], "nobody else has written since");

    later(&bench.anypoint, 10);
    rotate(&bench, "second-password");
    bench.trigger(r#"{"secret":"prod/orders/db"}"#, "").await;
    wait_until("the second password", LIMIT, || held(&group).len() == 2).await;
    bench.in_sync(TARGET).await;
    assert_eq!(held(&group), ["first-password", "second-password"]);
    assert_eq!(tries(&bench), [1, 1]);
    assert_eq!(bench.anypoint.requests().of(Endpoint::Other), 0, "no group was made, and nothing deleted");
}

#[tokio::test]
async fn each_type_is_created_with_its_fields() {
    let table = [
        ("SymmetricKey", "    key: { secret: key, binary: true }", json!({ "key": "c2lnbmluZy1rZXk=" })),
        (
            "S3Credential",
            "    access_key_id: { secret: prod/orders/db, field: username }\n    \
             secret_access_key: { secret: prod/orders/db, field: password }",
            json!({ "accessKeyId": "app", "secretAccessKey": "first-password" }),
        ),
        ("Blob", "    content: { secret: whole }", json!({ "content": "two\nlines" })),
    ];
    for (kind, lines, fields) in table {
        let (mut bench, group) = empty().await;
        bench.aws.create_secret("key", b"signing-key".to_vec());
        bench.aws.create_secret("whole", "two\nlines");
        bench.start(&target(&format!("    type: {kind}\n{lines}\n    create: true"))).await;
        bench.in_sync(TARGET).await;
        let [written] = &group.shared_secret("orders-db").unwrap().history()[..] else { panic!("one write") };
        assert_eq!((written.kind.as_str(), json!(written.fields)), (kind, fields));
    }
}

#[tokio::test]
async fn what_was_created_is_remembered_in_the_receipts_file_as_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let (mut bench, group) = empty().await;
    let file =
        format!("receipts: {}/receipts.json\n", folder.path().display()) + &bench.file(&target(&creating()));
    bench.start_with(&file).await;
    bench.in_sync(TARGET).await;
    bench.restart().await;
    bench.in_sync(TARGET).await;
    assert_eq!((held(&group), tries(&bench)), (vec!["first-password".to_owned()], [1, 0]));
}

#[tokio::test]
async fn without_create_it_stays_missing_and_the_way_out_is_told() {
    let (mut bench, group) = empty().await;
    bench.start(&target(USER)).await;
    let failure = bench.parks("not_found").await;
    assert_eq!(failure.message, "no shared secret is named \"orders-db\"; there are none");
    assert_eq!(
        failure.next_step,
        "correct `name` of target orders, or `organization` and `environment` of the connection; or set \
         `create: true`, and the relay creates it"
    );
    assert_eq!((group.shared_secrets(), tries(&bench)), (0, [0, 0]));
    bench.stop().await.unwrap();
    bench.start(&target(&creating())).await;
    bench.in_sync(TARGET).await;
    assert_eq!(held(&group), ["first-password"]);
}

#[tokio::test]
async fn a_group_is_never_created() {
    let (mut bench, group) = empty().await;
    bench.start(&named("billing", "orders-db", &creating())).await;
    let failure = bench.parks("not_found").await;
    assert_eq!(failure.message, "no secret group is named \"billing\"; there are \"orders\"");
    assert_eq!(
        failure.next_step,
        "correct `group` of target orders, or `organization` and `environment` of the connection"
    );
    assert_eq!((group.shared_secrets(), tries(&bench)), (0, [0, 0]));
    assert_eq!(bench.anypoint.requests().of(Endpoint::Other), 0);
}

#[tokio::test]
async fn one_that_exists_is_replaced_although_it_may_be_created() {
    let (mut bench, group) = empty().await;
    group.add_shared_secret(&super::stored_user());
    later(&bench.anypoint, 5);
    bench.start(&target(&creating())).await;
    bench.in_sync(TARGET).await;
    assert_eq!((held(&group), tries(&bench)), (vec!["old".to_owned(), "first-password".to_owned()], [0, 1]));
    assert_eq!(bench.status().notes, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_too_long_is_not_created_and_a_blob_of_it_is() {
    let (mut bench, group) = empty().await;
    let long = "x".repeat(65);
    rotate(&bench, &long);
    bench.start(&target(&creating())).await;
    let failure = bench.parks("too_long").await;
    assert_eq!(
        failure.message,
        "password of a UsernamePassword may have 64 characters, and the value has more"
    );
    assert_eq!(
        failure.next_step,
        "make rotation create a shorter value, or use a shared secret of type Blob (1,024,000 characters)"
    );
    assert_eq!((group.shared_secrets(), tries(&bench)), (0, [0, 0]));
    bench.stop().await.unwrap();
    let blob = "    type: Blob\n    content: { secret: prod/orders/db, field: password }\n    create: true";
    bench.start(&target(blob)).await;
    bench.in_sync(TARGET).await;
    assert_eq!(group.shared_secret("orders-db").unwrap().current().unwrap()["content"], long);
}

#[tokio::test]
async fn the_date_of_what_is_created_is_a_year_or_that_many_days_away_and_keep_keeps_it() {
    const DAYS: i64 = 10;
    let today = || SystemClock.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
    // The day may change between the two.
    let on = |before: Date, days: &dyn Fn(Date) -> Date| [before, today()].map(|day| days(day).to_string());
    for (policy, created, rotated) in [
        ("keep", None, None),
        ("default", None, Some(DAYS)),
        // The relay's days count from its own today.
        ("{ days: 90 }", Some(90), Some(0)),
    ] {
        let before = today();
        let (mut bench, group) = empty().await;
        bench.start(&target(&format!("{USER}\n    create: true\n    expiry: {policy}"))).await;
        bench.in_sync(TARGET).await;
        let dates = || {
            let writes = group.shared_secret("orders-db").unwrap().history().into_iter();
            writes.map(|write| write.expiration_date).collect::<Vec<String>>()
        };
        let first = on(before, &|day| created.map_or(day + 1.year(), |days: i64| day + days.days()));
        assert!(first.contains(&dates()[0]), "{policy}: {:?}", dates());
        let notes = bench.status().notes;
        let kept = " with Anypoint's own expiration date, which is kept from now on";
        let note = "shared secret \"orders-db\" was not there and was created";
        assert_eq!(notes, [format!("{note}{}", if policy == "keep" { kept } else { "" })]);

        bench.anypoint.advance(std::time::Duration::from_hours(24 * DAYS.unsigned_abs()));
        rotate(&bench, "second-password");
        bench.insist().await;
        wait_until("the second write", LIMIT, || dates().len() == 2).await;
        match rotated {
            None | Some(0) => assert_eq!(dates()[0], dates()[1], "{policy}"),
            Some(days) => {
                let moved = on(before, &|day| day + days.days() + 1.year());
                assert!(moved.contains(&dates()[1]), "{policy}: {:?}", dates());
            }
        }
    }
}

#[tokio::test]
async fn one_whose_group_was_made_anew_is_created_again() {
    let (mut bench, group) = empty().await;
    bench.start_with(&bench.tuned(&target(&creating()), &[LOOKS_AT_TARGETS, RETRIES_SLOWLY])).await;
    bench.in_sync(TARGET).await;
    group.remove();
    let anew = bench.anypoint.add_group("orders");
    // Not before the list of groups that the relay has read is too old for it.
    wait_until("the second creation", LIMIT, || anew.shared_secrets() == 1).await;
    bench.in_sync(TARGET).await;
    assert_eq!((held(&anew), tries(&bench)), (vec!["first-password".to_owned()], [2, 0]));
}
