//! The values of one run, and how a source picks its part of them.
//!
//! Guarantees: every field that one write takes from a secret comes from one version of it; a number is
//! written digit by digit as AWS holds it; a part that is missing, null or an object is a failure that
//! names the field and never shows the content.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::model::{Failure, FailureCode, Retry, SecretRef, Selector, TemplatePart, ValueSource};
use crate::secret::SecretValue;
use crate::sync::ports::{FetchedSecret, SecretContent};

/// The fetched secrets of one run.
#[derive(Default)]
pub struct Values(BTreeMap<SecretRef, FetchedSecret>);

impl Values {
    /// Adds a fetched secret.
    pub fn insert(&mut self, secret: SecretRef, fetched: FetchedSecret) {
        self.0.insert(secret, fetched);
    }

    /// What was fetched, without the values.
    pub fn versions(&self) -> impl Iterator<Item = (&SecretRef, &crate::model::VersionSeen)> {
        self.0.iter().map(|(secret, fetched)| (secret, &fetched.seen))
    }

    /// A secret that was read in two versions: references that are written differently may mean one
    /// secret, and each is read by itself.
    pub fn mixed(&self) -> Option<&SecretRef> {
        let mut read = HashMap::new();
        let mut all = self.0.iter();
        all.find_map(|(secret, FetchedSecret { arn, seen, .. })| {
            let first = read.entry(arn.as_ref()?).or_insert(&seen.version);
            (*first != &seen.version).then_some(secret)
        })
    }

    /// The part that `source` names, which is no object and no list.
    pub fn resolve(&self, source: &ValueSource) -> Result<SecretValue, Failure> {
        self.read(source, scalar)
    }

    /// As [`Values::resolve`], and an object or a list of the secret is the JSON text that it is.
    pub fn resolve_json(&self, source: &ValueSource) -> Result<SecretValue, Failure> {
        self.read(source, any)
    }

    fn read(&self, source: &ValueSource, read: Read) -> Result<SecretValue, Failure> {
        match source {
            ValueSource::Literal(text) => Ok(SecretValue::from(text.clone())),
            ValueSource::Secret(secret, selector) => {
                let fetched = self
                    .0
                    .get(secret)
                    .ok_or_else(|| bad(secret, "was not fetched", "report this: it is a bug of the relay"))?;
                select_as(read, secret, &fetched.content, selector)
            }
        }
    }
}

/// Picks one part of a secret's content.
pub fn select(
    secret: &SecretRef,
    content: &SecretContent,
    selector: &Selector,
) -> Result<SecretValue, Failure> {
    select_as(scalar, secret, content, selector)
}

/// The names of the fields that a source can take, in alphabetical order; of the content no more than that.
pub fn field_names(secret: &SecretRef, content: &SecretContent) -> Result<BTreeSet<String>, Failure> {
    let SecretContent::Text(text) = content else {
        return Err(bad(secret, "holds binary, not text", "take it with `binary: true`"));
    };
    let fields: HashMap<String, &RawValue> = serde_json::from_str(Json::parse(secret, text)?.0.get())
        .map_err(|_| bad(secret, "is not a JSON object", "use the whole string (no `field`)"))?;
    let named = fields.into_iter().filter(|(_, value)| !value.get().starts_with(['n', '{', '[']));
    Ok(named.map(|(name, _)| name).collect())
}

/// How the value at a place of a JSON document is read.
type Read = fn(&SecretRef, Option<Json<'_>>, &str) -> Result<SecretValue, Failure>;

fn select_as(
    read: Read,
    secret: &SecretRef,
    content: &SecretContent,
    selector: &Selector,
) -> Result<SecretValue, Failure> {
    match (selector, content) {
        (Selector::Whole, SecretContent::Text(text)) => Ok(SecretValue::new(text.expose_bytes().to_vec())),
        (Selector::Binary, SecretContent::Binary(bytes)) => {
            Ok(SecretValue::from(STANDARD.encode(bytes.expose_bytes())))
        }
        (Selector::Binary, SecretContent::Text(_)) => {
            Err(bad(secret, "holds text, not binary", "remove `binary: true` from the source"))
        }
        (_, SecretContent::Binary(_)) => {
            Err(bad(secret, "holds binary, not text", "set `binary: true` on the source"))
        }
        (Selector::Field(name), SecretContent::Text(text)) => {
            let json = Json::parse(secret, text)?;
            read(secret, json.field(name), &format!("field {name:?}"))
        }
        (Selector::Pointer(pointer), SecretContent::Text(text)) => {
            let json = Json::parse(secret, text)?;
            read(secret, json.pointer(pointer), &format!("pointer {pointer:?}"))
        }
        (Selector::Template(parts), SecretContent::Text(text)) => {
            let json = Json::parse(secret, text)?;
            let mut whole = Vec::new();
            for part in parts {
                match part {
                    TemplatePart::Text(text) => whole.extend_from_slice(text.as_bytes()),
                    TemplatePart::Field(name) => {
                        let place = format!("field {name:?}");
                        let value = scalar(secret, json.field(name), &place)?;
                        whole.extend_from_slice(value.expose_bytes());
                    }
                }
            }
            Ok(SecretValue::new(whole))
        }
    }
}

/// A JSON value as the very text that AWS holds: a number that is read as one loses its last digits or
/// its trailing zeros. Borrowed, so there is no copy to wipe.
#[derive(Clone, Copy)]
struct Json<'t>(&'t RawValue);

impl<'t> Json<'t> {
    fn parse(secret: &SecretRef, text: &'t SecretValue) -> Result<Self, Failure> {
        // serde_json's own message may quote the content, so it is not passed on.
        serde_json::from_slice(text.expose_bytes())
            .map(Self)
            .map_err(|_| bad(secret, "is not JSON", "store JSON, or use the whole string (no `field`)"))
    }

    fn field(self, name: &str) -> Option<Self> {
        let fields: HashMap<String, &'t RawValue> = serde_json::from_str(self.0.get()).ok()?;
        fields.get(name).copied().map(Self)
    }

    fn item(self, place: &str) -> Option<Self> {
        let leads = place.starts_with('+') || (place.starts_with('0') && place != "0");
        let place: usize = place.parse().ok().filter(|_| !leads)?;
        let items: Vec<&'t RawValue> = serde_json::from_str(self.0.get()).ok()?;
        items.get(place).copied().map(Self)
    }

    /// RFC 6901.
    fn pointer(self, pointer: &str) -> Option<Self> {
        let Some(path) = pointer.strip_prefix('/') else { return pointer.is_empty().then_some(self) };
        path.split('/').try_fold(self, |value, step| {
            let step = step.replace("~1", "/").replace("~0", "~");
            value.field(&step).or_else(|| value.item(&step))
        })
    }
}

fn any(secret: &SecretRef, value: Option<Json<'_>>, place: &str) -> Result<SecretValue, Failure> {
    match value {
        Some(Json(value)) if value.get().starts_with(['{', '[']) => {
            Ok(SecretValue::new(value.get().as_bytes().to_vec()))
        }
        value => scalar(secret, value, place),
    }
}

fn scalar(secret: &SecretRef, value: Option<Json<'_>>, place: &str) -> Result<SecretValue, Failure> {
    let wrong = |what: &str| {
        Err(bad(secret, &format!("{place} {what}"), "correct the secret or the source's `field`"))
    };
    let Some(Json(value)) = value else { return wrong("is missing") };
    match value.get().as_bytes() {
        [b'n', ..] => wrong("is null"),
        [b'{', ..] => wrong("is an object, not a text"),
        [b'[', ..] => wrong("is a list, not a text"),
        [b'"', ..] => match serde_json::from_str::<String>(value.get()) {
            Ok(text) => Ok(SecretValue::from(text)),
            Err(_) => wrong("is not a valid text"),
        },
        // A port may be a number or a text (AWS's rotation templates accept both).
        number_or_flag => Ok(SecretValue::new(number_or_flag.to_vec())),
    }
}

fn bad(secret: &SecretRef, what: &str, next_step: &str) -> Failure {
    Failure::new(FailureCode::BadValue, Retry::Never, format!("secret {secret} {what}"), next_step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{VersionId, VersionSeen};

    const SECRET: &str = r#"{
        "digits": 1234567890123456789012345, "amount": 1.50, "less": -0.0, "tiny": 1E-07, "huge": 2e+999,
        "port": 5432, "tls": true, "gone": null, "name": "o\u0027neill \u20ac", "broken": "\ud800",
        "hosts": ["a", {"port": 1.0}], "nested": {"a/b": {"m~n": 10}, "": "empty"}, "twice": 1, "twice": 2
    }"#;

    fn pick(selector: &Selector) -> Result<String, String> {
        let secret = SecretRef::new("prod/db", None, None).unwrap();
        let content = SecretContent::Text(SecretValue::from(SECRET.to_owned()));
        select(&secret, &content, selector)
            .map(|value| value.expose_str().unwrap().to_owned())
            .map_err(|failure| failure.message)
    }

    fn field(name: &str) -> Result<String, String> {
        pick(&Selector::Field(name.to_owned()))
    }

    fn pointer(pointer: &str) -> Result<String, String> {
        pick(&Selector::Pointer(pointer.to_owned()))
    }

    #[test]
    fn the_names_of_fields_are_those_that_a_source_can_take() {
        let secret = SecretRef::new("prod/db", None, None).unwrap();
        let names = |text: &str| {
            let content = SecretContent::Text(SecretValue::from(text.to_owned()));
            field_names(&secret, &content).map_err(|failure| failure.message)
        };
        let all = names(SECRET).unwrap();
        assert!(all.contains("port") && all.contains("name") && all.contains("tls"), "{all:?}");
        assert!(!all.contains("gone") && !all.contains("hosts") && !all.contains("nested"), "{all:?}");
        for (text, why) in [("hunter2", "is not JSON"), ("\"hunter2\"", "is not a JSON object")] {
            assert_eq!(names(text), Err(format!("secret prod/db {why}")));
        }
        let binary = SecretContent::Binary(SecretValue::new(vec![0]));
        assert!(field_names(&secret, &binary).is_err());
    }

    #[test]
    fn one_secret_under_two_names_is_mixed_where_the_versions_differ() {
        let read = |id: &str, arn: Option<&str>, version: &str| {
            let version = VersionId::parse(&format!("00000000-0000-4000-8000-00000000000{version}")).unwrap();
            let content = SecretContent::Text(SecretValue::from("v".to_owned()));
            let seen = VersionSeen { version, created: None };
            let fetched = FetchedSecret { arn: arn.map(str::to_owned), seen, content };
            (SecretRef::new(id, None, None).unwrap(), fetched)
        };
        for (all, mixed) in [
            ([read("a", Some("arn-a"), "1"), read("b", Some("arn-a"), "2")], Some("b")),
            ([read("a", Some("arn-a"), "1"), read("b", Some("arn-a"), "1")], None),
            ([read("a", Some("arn-a"), "1"), read("b", Some("arn-b"), "2")], None),
            ([read("a", None, "1"), read("b", None, "2")], None),
        ] {
            let values = Values(all.into());
            assert_eq!(values.mixed().map(SecretRef::id), mixed);
        }
    }

    #[test]
    fn a_number_is_written_as_aws_holds_it() {
        for (name, text) in [
            ("digits", "1234567890123456789012345"),
            ("amount", "1.50"),
            ("less", "-0.0"),
            ("tiny", "1E-07"),
            ("huge", "2e+999"),
            ("port", "5432"),
        ] {
            assert_eq!(field(name).as_deref(), Ok(text), "{name}");
        }
        assert_eq!(pointer("/hosts/1/port").as_deref(), Ok("1.0"));
        let parts = ["digits", "amount"].map(|name| TemplatePart::Field(name.to_owned()));
        let template = Selector::Template(parts.into());
        assert_eq!(pick(&template).as_deref(), Ok("12345678901234567890123451.50"));
    }

    #[test]
    fn texts_and_flags_are_taken_as_they_read_and_the_last_of_two_fields_counts() {
        assert_eq!(field("name").as_deref(), Ok("o'neill \u{20ac}"));
        assert_eq!((field("tls").as_deref(), field("twice").as_deref()), (Ok("true"), Ok("2")));
    }

    #[test]
    fn pointers_are_those_of_rfc_6901() {
        for (path, text) in [("/nested/a~1b/m~0n", "10"), ("/nested/", "empty"), ("/hosts/0", "a")] {
            assert_eq!(pointer(path).as_deref(), Ok(text), "{path}");
        }
        for path in ["/hosts/00", "/hosts/+0", "/hosts/2", "/hosts/-", "/name/0", "nested"] {
            assert_eq!(pointer(path), Err(format!("secret prod/db pointer {path:?} is missing")));
        }
    }

    #[test]
    fn what_is_no_text_is_named_and_not_shown() {
        for (name, what) in [
            ("absent", "is missing"),
            ("gone", "is null"),
            ("nested", "is an object, not a text"),
            ("hosts", "is a list, not a text"),
            ("broken", "is not a valid text"),
        ] {
            assert_eq!(field(name), Err(format!("secret prod/db field {name:?} {what}")));
        }
    }

    #[test]
    fn an_object_or_a_list_is_its_own_text_where_json_is_asked_for() {
        let secret = SecretRef::new("prod/db", None, None).unwrap();
        let content = SecretContent::Text(SecretValue::from(SECRET.to_owned()));
        let read = |selector| {
            let value = select_as(any, &secret, &content, &selector);
            value.map(|value| value.expose_str().unwrap().to_owned()).map_err(|failure| failure.message)
        };
        for (pointer, text) in [
            ("/hosts", r#"["a", {"port": 1.0}]"#),
            ("/hosts/1", r#"{"port": 1.0}"#),
            ("/amount", "1.50"),
            ("/hosts/0", "a"),
        ] {
            assert_eq!(read(Selector::Pointer(pointer.to_owned())).as_deref(), Ok(text), "{pointer}");
        }
        let nothing = read(Selector::Field("gone".to_owned()));
        assert_eq!(nothing, Err("secret prod/db field \"gone\" is null".to_owned()));
    }

    #[test]
    fn what_is_not_one_json_document_is_refused() {
        let secret = SecretRef::new("prod/db", None, None).unwrap();
        for text in ["", "plain", "{\"a\": 1} x", "{\"a\": 01}", "{\"a\": \"\n\"}"] {
            let content = SecretContent::Text(SecretValue::from(text.to_owned()));
            let refusal = select(&secret, &content, &Selector::Field("a".to_owned())).err();
            assert_eq!(
                refusal.map(|failure| failure.message).as_deref(),
                Some("secret prod/db is not JSON"),
                "{text}"
            );
        }
    }
}
