//! Random deployments, random targets for them, and what a right write leaves behind.
//!
//! [`Subject::right`] is the promise in the words of a deployment's maps. It shares nothing with the relay.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anypoint_sandbox::anypoint::{EmptySecure, HiddenView, Map, Rules};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::platform::Platform;

pub(super) const RECEIPT: &str = "anypoint-relay.receipt";
pub(super) const SECRET: &str = "prod/shared";
/// The property that every target owns, a secure one where there are any, and the field that it takes.
pub(super) const ALWAYS: &str = "always";
/// Few names, so that owners meet.
const NAMES: [&str; 8] =
    ["a", "b", "db.password", "secure::key", "ключ", "with space", "say \"so\": #1", RECEIPT];
/// Fields of the secret that targets choose from.
const FIELDS: usize = 8;
/// Characters in a value at most.
const LENGTH: usize = 1024;

/// One sandbox: its switches, the secret before and after a rotation, its applications.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) switches: Switches,
    pub(super) secret: [Fields; 2],
    pub(super) subjects: Vec<Subject>,
}

#[derive(Clone, Debug)]
pub(super) struct Switches {
    secure_when_empty: EmptySecure,
    lowercase: bool,
    together: bool,
    mask_is_kept: bool,
    hidden_view: HiddenView,
}

impl Switches {
    pub(super) fn turn(&self, rules: &mut Rules) {
        rules.secure_when_empty = self.secure_when_empty;
        rules.lowercase_secureproperties = self.lowercase;
        rules.maps_replaced_together = self.together;
        rules.mask_is_kept = self.mask_is_kept;
        rules.hidden_view = self.hidden_view;
    }
}

/// What the secret's fields hold.
#[derive(Clone, Debug)]
pub(super) struct Fields(Vec<Value>);

impl Fields {
    /// The secret as AWS holds it.
    pub(super) fn json(&self) -> Value {
        let mut whole: serde_json::Map<String, Value> =
            self.0.iter().enumerate().map(|(number, value)| (field(number), value.clone())).collect();
        whole.insert(ALWAYS.to_owned(), "our own".into());
        whole.into()
    }

    /// The text that a field stands for, if it stands for one.
    fn text(&self, number: usize) -> Option<String> {
        match &self.0[number] {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(self.0[number].to_string()),
            _ => None,
        }
    }
}

fn field(number: usize) -> String {
    format!("f{number}")
}

/// One application: what is stored, what its target wants, and what a pipeline does between two runs.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) platform: Platform,
    pub(super) stored: Maps,
    pub(super) wish: Wish,
    pub(super) pipeline: Option<Maps>,
}

/// Both maps of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Maps {
    pub(super) clear: Map,
    pub(super) secure: Map,
}

#[derive(Clone, Debug)]
pub(super) enum Source {
    Field(usize),
    Literal(String),
}

impl Source {
    fn yaml(&self) -> Value {
        match self {
            Self::Field(number) => json!({ "secret": SECRET, "field": field(*number) }),
            Self::Literal(text) => json!(text),
        }
    }

    fn text(&self, fields: &Fields) -> Option<String> {
        match self {
            Self::Field(number) => fields.text(*number),
            Self::Literal(text) => Some(text.clone()),
        }
    }
}

/// What a target is configured to do.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    pub(super) clear: BTreeMap<String, Source>,
    pub(super) secure: BTreeMap<String, Source>,
    forget: BTreeSet<String>,
}

impl Subject {
    /// The lines of its target.
    pub(super) fn lines(&self) -> String {
        let Wish { clear, secure, forget } = &self.wish;
        let map = |map: &BTreeMap<String, Source>| -> serde_json::Map<String, Value> {
            map.iter().map(|(name, source)| (name.clone(), source.yaml())).collect()
        };
        let (mut clear, mut secure) = (map(clear), map(secure));
        self.owning(&mut clear, &mut secure)
            .insert(ALWAYS.to_owned(), json!({ "secret": SECRET, "field": ALWAYS }));
        let mut lines = format!("    {}\n", self.platform.lines());
        for (setting, map) in [("properties", clear), ("secure_properties", secure)] {
            if !map.is_empty() {
                writeln!(lines, "    {setting}: {}", Value::Object(map)).unwrap();
            }
        }
        if !forget.is_empty() {
            writeln!(lines, "    forget: {}", json!(forget)).unwrap();
        }
        lines
    }

    /// The map that has [`ALWAYS`].
    fn owning<'a, T>(&self, clear: &'a mut T, secure: &'a mut T) -> &'a mut T {
        if self.platform == Platform::Hybrid { clear } else { secure }
    }

    /// The maps after a right write over `before`, without the receipt; none where every write would be
    /// wrong.
    pub(super) fn right(&self, before: &Maps, fields: &Fields) -> Option<Maps> {
        let fits = |text: &String| !self.platform.limits() || text.chars().count() <= LENGTH;
        let resolve = |map: &BTreeMap<String, Source>| -> Option<Map> {
            let texts = map.iter().map(|(name, source)| {
                let text = source.text(fields).filter(|text| !is_mask(text) && fits(text))?;
                Some((name.clone(), text))
            });
            texts.collect()
        };
        let Wish { clear, secure, forget } = &self.wish;
        let (mut ours, mut secure) = (resolve(clear)?, resolve(secure)?);
        self.owning(&mut ours, &mut secure).insert(ALWAYS.to_owned(), "our own".to_owned());
        if self.platform == Platform::CloudHub {
            // It would show what it does not hide, and hide the receipt.
            let hidden = |name: &str| before.secure.contains_key(name);
            if hidden(RECEIPT) || !secure.keys().all(|name| hidden(name)) {
                return None;
            }
            // What it hides stays hidden.
            let (ours_hidden, open) = ours.into_iter().partition(|(name, _)| hidden(name));
            ours = open;
            secure.extend::<Map>(ours_hidden);
        }
        // A value that can't be read back is lost with the write.
        let lost = |name: &String| !secure.contains_key(name) && !forget.contains(name);
        if before.secure.keys().any(lost) {
            return None;
        }
        let mut clear = Map::new();
        for (name, value) in &before.clear {
            let replaced = ours.contains_key(name) || secure.contains_key(name) || name == RECEIPT;
            match (replaced, is_mask(value), forget.contains(name)) {
                (true, ..) | (false, true, true) => {}
                // It may be a value that Anypoint hides.
                (false, true, false) => return None,
                (false, false, _) => {
                    clear.insert(name.clone(), value.clone());
                }
            }
        }
        clear.extend(ours);
        Some(Maps { clear, secure })
    }
}

pub(super) fn is_mask(text: &str) -> bool {
    text.len() > 2 && text.bytes().all(|byte| byte == b'*')
}

fn text() -> impl Strategy<Value = String> {
    let odd = ["", " ", "8081", "true", "null", "line\nbreak", "\"quoted\\\"", "ünï 🦀", "{{x}}"];
    prop_oneof![
        8 => "[a-z0-9]{1,8}",
        6 => select(odd.to_vec()).prop_map(str::to_owned),
        1 => Just("é".repeat(LENGTH)),
    ]
}

/// A value as Anypoint may hold it, some of which look like masks.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![20 => text(), 1 => select(vec!["*", "**", "***", "******", "*****a"]).prop_map(str::to_owned)]
}

/// What a field of the secret holds: mostly what can be written.
fn content() -> impl Strategy<Value = Value> {
    prop_oneof![
        24 => value().prop_map(Value::from),
        4 => select(vec![json!(5432), json!(true), json!(-0.5), json!(u64::MAX)]),
        1 => select(vec![json!(null), json!({ "deep": 1 }), json!(["x"]), json!("x".repeat(LENGTH + 1))]),
    ]
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![3 => (0..FIELDS).prop_map(Source::Field), 1 => text().prop_map(Source::Literal)]
}

/// What one name is in the deployment, and what the target wants of it.
#[derive(Clone, Debug, Default)]
struct Cell {
    clear: Option<String>,
    secure: Option<String>,
    wish: Want,
}

#[derive(Clone, Debug, Default)]
enum Want {
    #[default]
    Nothing,
    Clear(Source),
    Secure(Source),
    Forget,
}

fn cell() -> impl Strategy<Value = Cell> {
    let stored = || {
        prop_oneof![
            3 => Just((None, None)),
            3 => value().prop_map(|clear| (Some(clear), None)),
            3 => value().prop_map(|secure| (None, Some(secure))),
            1 => (value(), value()).prop_map(|(clear, secure)| (Some(clear), Some(secure))),
        ]
    };
    let open = || prop_oneof![1 => Just((None, None)), 3 => value().prop_map(|clear| (Some(clear), None))];
    let cell = |((clear, secure), wish)| Cell { clear, secure, wish };
    prop_oneof![
        10 => (open(), Just(Want::Nothing)).prop_map(cell),
        1 => (stored(), Just(Want::Nothing)).prop_map(cell),
        4 => (open(), source().prop_map(Want::Clear)).prop_map(cell),
        1 => (stored(), source().prop_map(Want::Clear)).prop_map(cell),
        6 => (stored(), source().prop_map(Want::Secure)).prop_map(cell),
        4 => (stored(), Just(Want::Forget)).prop_map(cell),
    ]
}

/// Which maps a deployment has at all.
#[derive(Clone, Copy, Debug)]
enum Has {
    Both,
    Clear,
    Secure,
    Neither,
}

fn subject() -> impl Strategy<Value = Subject> {
    let has = prop_oneof![
        6 => Just(Has::Both), 2 => Just(Has::Clear), 1 => Just(Has::Secure), 1 => Just(Has::Neither)
    ];
    let added = (select(NAMES.to_vec()), value(), prop::bool::weighted(0.2));
    let pipeline = prop::option::weighted(0.4, vec(added, 0..3));
    (Platform::draw(), vec(cell(), NAMES.len()), has, pipeline).prop_map(
        |(platform, cells, has, pipeline)| {
            let mut subject =
                Subject { platform, stored: Maps::default(), wish: Wish::default(), pipeline: None };
            for (name, Cell { clear, secure, wish }) in NAMES.map(str::to_owned).into_iter().zip(cells) {
                let clear = clear.filter(|_| matches!(has, Has::Both | Has::Clear));
                let secure = secure.filter(|_| matches!(has, Has::Both | Has::Secure));
                subject.stored.clear.extend(clear.map(|value| (name.clone(), value)));
                subject.stored.secure.extend(secure.map(|value| (name.clone(), value)));
                match wish {
                    Want::Forget => drop(subject.wish.forget.insert(name)),
                    // The configuration is refused where a target sets the receipt's property.
                    Want::Clear(source) if name != RECEIPT => drop(subject.wish.clear.insert(name, source)),
                    Want::Secure(source) if name != RECEIPT => drop(subject.wish.secure.insert(name, source)),
                    _ => {}
                }
            }
            subject.pipeline = pipeline.map(|added| {
                let mut maps = Maps::default();
                for (name, value, secure) in added {
                    let map = if secure { &mut maps.secure } else { &mut maps.clear };
                    map.insert(name.to_owned(), value);
                }
                maps
            });
            platform.fit(subject)
        },
    )
}

/// A sandbox with so many applications.
pub(super) fn case(applications: usize) -> impl Strategy<Value = Case> {
    let empty = select(vec![EmptySecure::Object, EmptySecure::Null, EmptySecure::Absent]);
    let view = select(vec![HiddenView::Mask, HiddenView::Empty, HiddenView::Absent]);
    let switches = (empty, view, any::<[bool; 3]>()).prop_map(
        |(secure_when_empty, hidden_view, [lowercase, together, mask_is_kept])| Switches {
            secure_when_empty,
            lowercase,
            together,
            mask_is_kept,
            hidden_view,
        },
    );
    let fields = || vec(content(), FIELDS).prop_map(Fields);
    (switches, [fields(), fields()], vec(subject(), 1..=applications))
        .prop_map(|(switches, secret, subjects)| Case { switches, secret, subjects })
}
