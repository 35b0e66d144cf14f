//! References: to the relay's own credentials, and to the parts of secrets that targets take.
//!
//! Guarantees: where a credential belongs only a reference is taken, and what stands there instead is
//! never quoted, neither as a value nor as an unknown key.

use std::path::PathBuf;

use super::Form;
use super::decode::{Fields, Value};
use super::interpolate::is_variable_name;
use super::scalar::{self, choice};
use crate::credential::CredentialRef;
use crate::model::{SecretRef, Selector, TemplatePart, ValueSource};

/// `{ env: NAME }`, `{ file: PATH }` or `{ aws_secret: { secret: ..., field: ... } }`.
pub(super) fn credential(value: &Value<'_>) -> Option<CredentialRef> {
    const FORMS: &str = "{ env: NAME }, { file: /path } or { aws_secret: { secret: name, field: name } }";
    if let Some(written) = value.written() {
        let variable = written.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        return match variable.filter(|name| is_variable_name(name)) {
            Some(name) => {
                value.refuse(format!("a credential is given by reference; write {{ env: {name} }}"))
            }
            None => value.refuse(format!(
                "a credential is given by reference, never in this file; write {FORMS} (what stands here is not shown)"
            )),
        };
    }
    if !value.is_mapping() {
        return value.expected(&format!("a reference to a credential: {FORMS}"));
    }
    let mut fields = value.fields("a credential reference")?;
    let env = fields.get("env");
    let file = fields.get("file");
    let aws_secret = fields.get("aws_secret");
    let strangers = fields.finish_unquoted();
    match (env, file, aws_secret) {
        (Some(env), None, None) => {
            let what = "the name of an environment variable";
            match env.text(what)? {
                name if is_variable_name(name) => Some(CredentialRef::Env(name.to_owned())),
                _ => env.refuse(format!(
                    "expected {what}: letters, digits and `_` (what stands here is not shown)"
                )),
            }
        }
        (None, Some(file), None) => match file.text("the path of a file")? {
            path if !path.is_empty() && !path.contains(char::is_control) => {
                Some(CredentialRef::File(PathBuf::from(path)))
            }
            _ => file.refuse("expected the path of a file (what stands here is not shown)"),
        },
        (None, None, Some(secret)) => {
            let (secret, selector) = part(&secret)?;
            Some(CredentialRef::AwsSecret(secret, selector))
        }
        (None, None, None) if strangers => None,
        (None, None, None) => value.refuse(format!("expected a reference to a credential: {FORMS}")),
        _ => value.refuse("give only one of `env`, `file` and `aws_secret`"),
    }
}

/// What a target takes: a text, or a part of a secret.
pub(super) fn value_source(value: &Value<'_>) -> Option<ValueSource> {
    const WHAT: &str = "a source such as { secret: prod/db, field: password }, or a text";
    if value.is_mapping() {
        return part(value).map(|(secret, selector)| ValueSource::Secret(secret, selector));
    }
    value.text(WHAT).map(|text| ValueSource::Literal(text.to_owned()))
}

/// A secret by itself: its name, or a mapping with region and role.
pub(super) fn watched(value: &Value<'_>) -> Option<SecretRef> {
    if value.written().is_some() {
        let id = value.text("the name or ARN of a secret")?;
        return SecretRef::new(id, None, None).map_or_else(|error| value.refuse(error.to_string()), Some);
    }
    let mut fields = value.fields("a watched secret")?;
    let secret = secret(&mut fields);
    fields.finish();
    secret
}

/// The keys that name a secret.
fn secret(fields: &mut Fields<'_>) -> Option<SecretRef> {
    let id = fields.required("secret", "the name or ARN of a secret", |value| {
        Some((value.clone(), value.text("the name or ARN of a secret")?.to_owned()))
    });
    let region = fields.known_or("region", None, |value| scalar::region(value).map(Some));
    let role = fields.known_or("role", None, |value| scalar::role(value).map(Some));
    let (place, id) = id?;
    let secret = SecretRef::new(
        &id,
        region.as_ref().and_then(Option::as_deref),
        role.as_ref().and_then(Option::as_deref),
    )
    .map_or_else(|error| place.refuse(error.to_string()), Some);
    // Without its region it would be taken for another secret.
    region.and(role).and(secret)
}

/// A part of a secret, and what becomes of it in a JSON body.
pub(super) fn typed_part(value: &Value<'_>) -> Option<(ValueSource, Form)> {
    let forms = [Form::Text, Form::Number, Form::Boolean, Form::Json].map(|form| (form.as_str(), form));
    let mut fields = value.fields("a source; a member of that name is written `\\secret`")?;
    let part = selected(&mut fields);
    let form = fields.known_or("as", Form::Text, choice("a type", &forms));
    fields.finish();
    let (secret, selector) = part?;
    Some((ValueSource::Secret(secret, selector), form?))
}

/// A secret and the part of it that is meant.
fn part(value: &Value<'_>) -> Option<(SecretRef, Selector)> {
    let mut fields = value.fields("a source")?;
    let part = selected(&mut fields);
    fields.finish();
    part
}

/// The keys that name a secret and one part of it; the whole string if nothing is said.
fn selected(fields: &mut Fields<'_>) -> Option<(SecretRef, Selector)> {
    let secret = secret(fields);
    let given =
        ["field", "pointer", "binary", "template"].map(|key| fields.get(key).map(|value| (key, value)));
    let given: Vec<_> = given.into_iter().flatten().collect();
    let selector = match &given[..] {
        [] => Some(Selector::Whole),
        [("field", value)] => {
            scalar::line("the name of a field of the secret's JSON")(value).map(Selector::Field)
        }
        [("pointer", value)] => pointer(value),
        [("template", value)] => template(value),
        [(_, value)] => scalar::flag(value).map(|yes| if yes { Selector::Binary } else { Selector::Whole }),
        [_, (_, second), ..] => second.refuse("give only one of `field`, `pointer`, `binary` and `template`"),
    };
    Some((secret?, selector?))
}

fn pointer(value: &Value<'_>) -> Option<Selector> {
    const WHAT: &str = "a JSON pointer such as /database/password";
    let text = value.text(WHAT)?;
    if is_pointer(text) { Some(Selector::Pointer(text.to_owned())) } else { value.expected(WHAT) }
}

/// RFC 6901: `/` before each step; `~` only as `~0` or `~1`.
pub(super) fn is_pointer(text: &str) -> bool {
    text.starts_with('/') && text.split('~').skip(1).all(|after| after.starts_with(['0', '1']))
}

fn template(value: &Value<'_>) -> Option<Selector> {
    let text = value.text("a template such as jdbc:postgresql://{host}:{port}/orders")?;
    match parse_template(text) {
        Ok(parts) => Some(Selector::Template(parts)),
        Err(wrong) => value.refuse(wrong),
    }
}

/// Text with `{field}` places; `{{` and `}}` stand for the braces themselves.
fn parse_template(text: &str) -> Result<Vec<TemplatePart>, &'static str> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        plain.push_str(&rest[..brace]);
        let (sign, after) = rest[brace..].split_at(1);
        if let Some(after) = after.strip_prefix(sign) {
            plain.push_str(sign);
            rest = after;
            continue;
        }
        if sign == "}" {
            return Err("a `}` without its `{`; write `}}` for a literal brace");
        }
        let (name, after) =
            after.split_once('}').ok_or("a `{` without its `}`; write `{{` for a literal brace")?;
        if name.trim().is_empty() || name.contains('{') {
            return Err("expected the name of a field between `{` and `}`; write `{{` for a literal brace");
        }
        if !plain.is_empty() {
            parts.push(TemplatePart::Text(std::mem::take(&mut plain)));
        }
        parts.push(TemplatePart::Field(name.to_owned()));
        rest = after;
    }
    plain.push_str(rest);
    if parts.is_empty() {
        return Err(
            "a template names at least one field, as in {username}; write a fixed text as a plain value",
        );
    }
    if !plain.is_empty() {
        parts.push(TemplatePart::Text(plain));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_text_and_fields_in_turn() {
        let text = |text: &str| TemplatePart::Text(text.to_owned());
        let field = |name: &str| TemplatePart::Field(name.to_owned());
        assert_eq!(
            parse_template("jdbc:{host}:{port}/x"),
            Ok(vec![text("jdbc:"), field("host"), text(":"), field("port"), text("/x")])
        );
        assert_eq!(parse_template("{{{a}}}"), Ok(vec![text("{"), field("a"), text("}")]));
        assert_eq!(parse_template("ü{ö}"), Ok(vec![text("ü"), field("ö")]));
    }

    #[test]
    fn braces_must_pair_and_name_a_field() {
        for text in ["", "plain", "{{a}}", "{", "}", "{a", "a}", "{}", "{ }", "{a{b}"] {
            assert!(parse_template(text).is_err(), "{text}");
        }
    }
}
