//! The types of shared secrets: their fields, lengths and patterns (contract 1.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::Value;

use super::answer::Problem;
use super::history::Map;
use super::rules::Rules;

/// A type, as the discriminator of the JSON says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    UsernamePassword,
    SymmetricKey,
    S3Credential,
    Blob,
    VdpContext,
}

/// A value field: name, longest value in characters, whether a GET shows it, whether it is base64.
struct Field {
    name: &'static str,
    limit: usize,
    shown: bool,
    base64: bool,
}

const fn field(name: &'static str, limit: usize) -> Field {
    Field { name, limit, shown: false, base64: false }
}

impl Field {
    const fn shown(mut self) -> Self {
        self.shown = true;
        self
    }

    const fn base64(mut self) -> Self {
        self.base64 = true;
        self
    }
}

impl Kind {
    const ALL: [Self; 5] =
        [Self::UsernamePassword, Self::SymmetricKey, Self::S3Credential, Self::Blob, Self::VdpContext];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::UsernamePassword => "UsernamePassword",
            Self::SymmetricKey => "SymmetricKey",
            Self::S3Credential => "S3Credential",
            Self::Blob => "Blob",
            Self::VdpContext => "VDPContext",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    fn fields(self) -> &'static [Field] {
        const USER: [Field; 2] = [field("username", 64).shown(), field("password", 64)];
        const KEY: [Field; 1] = [field("key", 2_048).base64()];
        const S3: [Field; 2] = [field("accessKeyId", 136).shown(), field("secretAccessKey", 136)];
        const BLOB: [Field; 1] = [field("content", 1_024_000)];
        const VDP: [Field; 1] = [field("content", 5_120).base64()];
        match self {
            Self::UsernamePassword => &USER,
            Self::SymmetricKey => &KEY,
            Self::S3Credential => &S3,
            Self::Blob => &BLOB,
            Self::VdpContext => &VDP,
        }
    }

    /// The one field that a GET shows, where the type has one.
    pub(crate) fn shown(self) -> Option<&'static str> {
        self.fields().iter().find(|field| field.shown).map(|field| field.name)
    }
}

/// A body that was checked.
pub(crate) struct Checked {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) fields: Map,
    pub(crate) expires: Option<Date>,
}

/// Checks the body of a POST or PUT, and says all that is wrong with it.
pub(crate) fn check(body: &Value, rules: &Rules) -> Result<Checked, Vec<Problem>> {
    let mut problems = Vec::new();
    let name = collect(&mut problems, text(body, "name").and_then(|name| valid_name(&name).map(|()| name)));
    let kind = collect(
        &mut problems,
        text(body, "type").and_then(|kind| Kind::parse(&kind).ok_or_else(|| invalid("type", &kind))),
    );
    let expires = collect(&mut problems, expiry(body));
    let mut fields = Map::new();
    for field in kind.map(Kind::fields).unwrap_or_default() {
        let value = text(body, field.name).and_then(|value| fits(field, kind, value, rules));
        if let Some(value) = collect(&mut problems, value) {
            fields.insert(field.name.to_owned(), value);
        }
    }
    match (name, kind, expires) {
        (Some(name), Some(kind), Some(expires)) if problems.is_empty() => {
            Ok(Checked { name, kind, fields, expires })
        }
        _ => Err(problems),
    }
}

fn collect<T>(problems: &mut Vec<Problem>, result: Result<T, Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

fn text(body: &Value, name: &str) -> Result<String, Problem> {
    match &body[name] {
        Value::Null => Err(Problem::new("RB-1004", name, format!("{name} is missing"))),
        Value::String(text) if text.is_empty() => {
            Err(Problem::new("RB-1004", name, format!("{name} is empty")))
        }
        Value::String(text) => Ok(text.clone()),
        other => Err(invalid(name, &other.to_string())),
    }
}

fn invalid(name: &str, content: &str) -> Problem {
    Problem::new("RB-1003", name, format!("{name} has an invalid value")).about(content)
}

fn fits(field: &Field, kind: Option<Kind>, value: String, rules: &Rules) -> Result<String, Problem> {
    if value.chars().count() > field.limit {
        let message = format!("{} is longer than {} characters", field.name, field.limit);
        return Err(Problem::new("RB-1003", field.name, message).about(&value));
    }
    let base64 = field.base64 || (kind == Some(Kind::Blob) && rules.blob_must_be_base64);
    if base64 && STANDARD.decode(&value).is_err() {
        return Err(invalid(field.name, &value));
    }
    Ok(value)
}

/// 3 to 35 characters, `^[a-zA-Z][-a-zA-Z0-9]*$`.
pub(crate) fn valid_name(name: &str) -> Result<(), Problem> {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let rest = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if starts && rest && (3..=35).contains(&name.len()) { Ok(()) } else { Err(invalid("name", name)) }
}

/// `expirationDate`, if the body has one.
pub(crate) fn expiry(body: &Value) -> Result<Option<Date>, Problem> {
    match &body["expirationDate"] {
        Value::Null => Ok(None),
        Value::String(text) => {
            let date = Date::strptime("%Y-%m-%d", text).ok().filter(|_| text.len() == 10);
            date.map(Some).ok_or_else(|| invalid("expirationDate", text))
        }
        other => Err(invalid("expirationDate", &other.to_string())),
    }
}

/// What the server sets when a body names no date: one year from the write.
pub(crate) fn default_expiry(today: Date) -> Date {
    today.checked_add(1.year()).unwrap_or(Date::MAX)
}
