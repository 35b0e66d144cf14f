//! The fields of each type, and how long their values may be.

use serde_json::{Value, json};

use super::{TARGET, USER, sandbox, stored_user, target};

#[tokio::test]
async fn each_type_gets_its_fields_and_keeps_its_name() {
    let key = "c2lnbmluZy1rZXk=";
    let table = [
        (stored_user(), USER.to_owned(), json!({ "username": "app", "password": "first-password" })),
        (
            json!({ "name": "orders-db", "type": "SymmetricKey", "key": "b2xk" }),
            "    type: SymmetricKey\n    key: { secret: key, binary: true }".to_owned(),
            json!({ "key": key }),
        ),
        (
            json!({ "name": "orders-db", "type": "S3Credential", "accessKeyId": "A", "secretAccessKey": "B" }),
            "    type: S3Credential\n    access_key_id: { secret: prod/orders/db, field: username }\n    \
             secret_access_key: { secret: prod/orders/db, field: password }"
                .to_owned(),
            json!({ "accessKeyId": "app", "secretAccessKey": "first-password" }),
        ),
        (
            json!({ "name": "orders-db", "type": "Blob", "content": "b2xk" }),
            "    type: Blob\n    content: { secret: whole }".to_owned(),
            json!({ "content": "two\nlines" }),
        ),
    ];
    for (stored, lines, fields) in table {
        let (mut bench, _, secret) = sandbox(&stored).await;
        bench.aws.create_secret("key", b"signing-key".to_vec());
        bench.aws.create_secret("whole", "two\nlines");
        bench.start(&target(&lines)).await;
        bench.in_sync(TARGET).await;
        let [_, written] = &secret.history()[..] else { panic!("one write") };
        assert_eq!((&written.name[..], json!(written.fields)), ("orders-db", fields));
        assert_eq!(written.kind, stored["type"].as_str().unwrap());
    }
}

#[tokio::test]
async fn user_names_and_passwords_have_64_characters_and_one_more_is_refused_with_the_way_out() {
    longest("UsernamePassword", &["username", "password"], 64).await;
}

#[tokio::test]
async fn keys_of_s3_have_136_characters_and_one_more_is_refused_with_the_way_out() {
    longest("S3Credential", &["access_key_id", "secret_access_key"], 136).await;
}

#[tokio::test]
async fn symmetric_keys_have_2048_characters_and_one_more_is_refused_with_the_way_out() {
    longest("SymmetricKey", &["key"], 2_048).await;
}

async fn longest(kind: &str, keys: &[&str], limit: usize) {
    for (length, fits) in [(limit, true), (limit + 1, false)] {
        let stored = json!({
            "name": "orders-db", "type": kind, "username": "o", "password": "o", "accessKeyId": "o",
            "secretAccessKey": "o", "key": "b2xk",
        });
        let source = |key: &&str| format!("    {key}: {{ secret: prod/orders/db, field: {key} }}\n");
        let lines = format!("    type: {kind}\n{}", keys.iter().map(source).collect::<String>());
        let (mut bench, _, secret) = sandbox(&only(&stored, kind)).await;
        // Characters are counted, not bytes; a key is base64.
        let long = if kind == "SymmetricKey" { "A" } else { "é" }.repeat(length);
        let values: serde_json::Map<_, _> = keys.iter().map(|key| ((*key).to_owned(), json!(long))).collect();
        bench.aws.secret("prod/orders/db").unwrap().rotate(Value::from(values));
        bench.start(&target(&lines)).await;
        if fits {
            bench.in_sync(TARGET).await;
            assert!(secret.current().unwrap().values().all(|value| *value == long));
            continue;
        }
        let failure = bench.parks("too_long").await;
        let what = format!(" of a {kind} may have {limit} characters, and the value has more");
        assert!(failure.message.ends_with(&what), "{failure:?}");
        assert_eq!(
            failure.next_step,
            "make rotation create a shorter value, or use a shared secret of type Blob (1,024,000 characters)"
        );
        assert_eq!(secret.history().len(), 1);
    }
}

/// A body with the fields of its type alone.
fn only(stored: &Value, kind: &str) -> Value {
    let fields: &[&str] = match kind {
        "UsernamePassword" => &["username", "password"],
        "S3Credential" => &["accessKeyId", "secretAccessKey"],
        _ => &["key"],
    };
    let names = ["name", "type"].iter().chain(fields);
    Value::from(
        names.map(|name| ((*name).to_owned(), stored[*name].clone())).collect::<serde_json::Map<_, _>>(),
    )
}

#[tokio::test]
async fn the_largest_type_has_its_limit_too() {
    // AWS holds 64 KiB at most, so it takes a template to come near a million characters.
    for (last, fits) in [(24_000, true), (24_001, false)] {
        let stored = json!({ "name": "orders-db", "type": "Blob", "content": "b2xk" });
        let (mut bench, _, secret) = sandbox(&stored).await;
        bench.aws.create_secret("parts", json!({ "a": "x".repeat(40_000), "b": "y".repeat(last) }));
        let template = format!("{}{{b}}", "{a}".repeat(25));
        let lines = format!("    type: Blob\n    content: {{ secret: parts, template: \"{template}\" }}");
        bench.start(&target(&lines)).await;
        if fits {
            bench.in_sync(TARGET).await;
            assert_eq!(secret.current().unwrap()["content"].len(), 1_024_000);
        } else {
            let failure = bench.parks("too_long").await;
            assert_eq!(
                failure.message,
                "content of a Blob may have 1024000 characters, and the value has more"
            );
            assert_eq!(failure.next_step, "store less: this is the largest type that Anypoint has");
        }
    }
}
