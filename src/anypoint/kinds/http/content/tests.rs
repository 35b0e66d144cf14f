use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{Selector, VersionId};
use crate::sync::ports::{FetchedSecret, SecretContent};

fn secret() -> SecretRef {
    SecretRef::new("prod/db", None, None).unwrap()
}

fn seen() -> VersionSeen {
    VersionSeen { version: VersionId::parse("00000000-0000-4000-8000-000000000001").unwrap(), created: None }
}

fn values(content: &Value) -> Values {
    let content = SecretContent::Text(SecretValue::from(content.to_string()));
    let mut values = Values::default();
    values.insert(secret(), FetchedSecret { arn: None, seen: seen(), content });
    values
}

fn field(name: &str) -> ValueSource {
    ValueSource::Secret(secret(), Selector::Field(name.to_owned()))
}

fn slot(form: Form, source: ValueSource) -> Json {
    Json::Value { place: "/db/it".to_owned(), source, form }
}

fn text_of(json: Json, values: &Values) -> Result<String, String> {
    let (secret, seen) = (secret(), seen());
    let secrets = vec![Secret::of((&secret, &seen))];
    let time = Timestamp::from_second(1_790_000_000).unwrap();
    let facts = Facts { target: "orders", secrets, message_id: "msg_1", time };
    let body = body(&HttpBody::Template(Box::new(json)), values, &facts).map_err(|failure| {
        assert_eq!((failure.code, failure.retry), (FailureCode::BadValue, Retry::Never));
        format!("{failure}; {}", failure.next_step)
    })?;
    Ok(body.unwrap().expose_str().unwrap().to_owned())
}

/// A template, and what it is to become.
#[derive(Clone, Debug)]
enum Shape {
    Value(usize),
    List(Vec<Shape>),
    Object(BTreeMap<String, Shape>),
}

fn any_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>(), 0..12).prop_map(String::from_iter)
}

fn any_shape() -> impl Strategy<Value = Shape> {
    (0..4_usize).prop_map(Shape::Value).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Shape::List),
            proptest::collection::btree_map(any_text(), inner, 0..4).prop_map(Shape::Object),
        ]
    })
}

impl Shape {
    fn template(&self) -> Json {
        match self {
            Shape::Value(index) => slot(Form::Text, field(&index.to_string())),
            Shape::List(items) => Json::List(items.iter().map(Shape::template).collect()),
            Shape::Object(members) => {
                Json::Object(members.iter().map(|(name, shape)| (name.clone(), shape.template())).collect())
            }
        }
    }

    fn expected(&self, texts: &[String]) -> Value {
        match self {
            Shape::Value(index) => texts[*index].as_str().into(),
            Shape::List(items) => items.iter().map(|item| item.expected(texts)).collect(),
            Shape::Object(members) => {
                members.iter().map(|(name, shape)| (name.clone(), shape.expected(texts))).collect()
            }
        }
    }
}

proptest! {
    #[test]
    fn any_texts_in_any_template_read_back_as_they_were(
        shape in any_shape(),
        texts in proptest::collection::vec(any_text(), 4),
    ) {
        let held: BTreeMap<String, &String> =
            texts.iter().enumerate().map(|(index, text)| (index.to_string(), text)).collect();
        let sent = text_of(shape.template(), &values(&json!(held))).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&sent).unwrap(), shape.expected(&texts));
    }

    #[test]
    fn any_text_is_the_type_that_was_asked_for_or_is_refused(text in "[-+0-9.eE truefalsn\"{}\\[\\]:,]{0,12}") {
        let values = values(&json!({ "it": text }));
        for (form, is) in [
            (Form::Number, Value::is_number as fn(&Value) -> bool),
            (Form::Boolean, Value::is_boolean),
            (Form::Json, |_| true),
        ] {
            if let Ok(sent) = text_of(slot(form, field("it")), &values) {
                prop_assert_eq!(&sent, text.trim());
                // A number that is larger than any of Rust's is one all the same.
                prop_assert!(serde_json::from_str(&sent).map_or(form != Form::Boolean, |sent| is(&sent)));
            } else {
                let read = serde_json::from_str::<Value>(&text);
                prop_assert!(read.map_or(true, |read| !is(&read) || text.trim() != text));
            }
        }
    }
}

#[test]
fn a_value_of_a_type_is_sent_as_aws_holds_it() {
    let held =
        json!({ "port": "5432", "amount": "1.50", "tls": true, "list": [1, {"a": "b"}], "text": "\"x\"" });
    let values = values(&held);
    for (form, name, sent) in [
        (Form::Number, "port", "5432"),
        (Form::Number, "amount", "1.50"),
        (Form::Boolean, "tls", "true"),
        (Form::Text, "tls", "\"true\""),
        (Form::Text, "port", "\"5432\""),
        (Form::Json, "list", r#"[1,{"a":"b"}]"#),
        (Form::Json, "text", "\"x\""),
        (Form::Text, "text", r#""\"x\"""#),
    ] {
        assert_eq!(text_of(slot(form, field(name)), &values).as_deref(), Ok(sent), "{name}");
    }
    let whole = ValueSource::Secret(secret(), Selector::Whole);
    assert_eq!(text_of(slot(Form::Json, whole), &values), Ok(held.to_string()));
}

#[test]
fn a_value_of_another_type_is_named_and_not_shown() {
    let values = values(&json!({ "password": "pass-5432", "padded": " 1", "one": "1", "flag": "True" }));
    for (form, name) in [
        (Form::Number, "password"),
        (Form::Number, "padded"),
        (Form::Number, "flag"),
        (Form::Boolean, "one"),
        (Form::Boolean, "flag"),
        (Form::Json, "password"),
    ] {
        let word = form.as_str();
        let expected = format!(
            "the value for /db/it is not JSON of the type {word}; correct the secret, or `as: {word}` of this value"
        );
        assert_eq!(text_of(slot(form, field(name)), &values), Err(expected), "{name}");
    }
}

#[test]
fn a_template_has_the_facts_of_the_write() {
    let facts = [Fact::Target, Fact::Secrets, Fact::MessageId, Fact::Time];
    let sent = text_of(Json::List(facts.map(Json::Fact).into()), &Values::default()).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&sent).unwrap(),
        json!([
            "orders",
            [{ "id": "prod/db", "version": "00000000-0000-4000-8000-000000000001" }],
            "msg_1",
            "2026-09-21T14:13:20Z",
        ])
    );
}

#[test]
fn a_header_takes_what_every_receiver_reads_alike() {
    let held = json!({
        "good": "Bearer a b\tc~", "empty": "", "line": "a\r\nx: y", "low": "a\u{1}", "high": "caf\u{e9}",
        "before": " a", "behind": "a\t", "delete": "a\u{7f}",
    });
    let values = values(&held);
    let header = |name: &str| match header("x-token", &field(name), &values) {
        Ok(value) => {
            assert!(value.is_sensitive());
            Ok(value.to_str().unwrap().to_owned())
        }
        Err(failure) => {
            assert_eq!((failure.code, failure.retry), (FailureCode::BadValue, Retry::Never));
            assert_eq!(failure.next_step, "correct the secret, or send it in the body");
            Err(failure.message)
        }
    };
    assert_eq!(header("good"), Ok("Bearer a b\tc~".to_owned()));
    assert_eq!(header("empty"), Ok(String::new()));
    for name in ["line", "low", "high", "delete"] {
        let message = "the value for header x-token has characters other than those of ASCII on one line";
        assert_eq!(header(name), Err(message.to_owned()), "{name}");
    }
    for name in ["before", "behind"] {
        let message = "the value for header x-token begins or ends with a blank";
        assert_eq!(header(name), Err(message.to_owned()), "{name}");
    }
}
