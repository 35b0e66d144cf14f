//! `kind: secret_value`: `PATCH {"value": ...}` on a path of one's own choice.

use super::super::SecretValueTarget;
use super::super::connections::Connections;
use super::super::decode::{Fields, Value};
use super::super::scalar::line;
use super::super::source::value_source;
use super::{connection, takes_a_secret};

const PATH: &str = "/secrets/api/v1/organizations/{organization}/environments/{environment}/secrets/{secret}";

pub(super) fn secret_value(mut fields: Fields<'_>, connections: &Connections) -> Option<SecretValueTarget> {
    let connection = connection(&mut fields, connections);
    let secret_id = fields.required("secret_id", "the id of the secret, put into the path", secret_id);
    let path = fields.or("path", PATH.to_owned(), path);
    let value = fields.required("value", "a source such as { secret: name, field: name }", value_source);
    let whole = fields.whole().clone();
    whole.warn(
        "no MuleSoft source describes this call; for an application use `kind: application`, for a shared secret \
         `kind: shared_secret`",
    );
    fields.finish();
    let value = value?;
    takes_a_secret(&whole, [&value])?;
    Some(SecretValueTarget { connection: connection?, secret_id: secret_id?, path, value })
}

/// What can stand between two slashes as it is.
fn secret_id(value: &Value<'_>) -> Option<String> {
    let what = "an id of letters, digits, `.`, `_` and `-`";
    let text = value.text(what)?;
    let fits = (1..=256).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && text.bytes().any(|b| b != b'.');
    if fits { Some(text.to_owned()) } else { value.expected(what) }
}

fn path(value: &Value<'_>) -> Option<String> {
    let path = line("a path such as /secrets/{secret}")(value)?;
    if !path.starts_with('/') || path.contains(['?', '#']) {
        return value.expected("a path that begins with `/`, without `?` and `#`");
    }
    if !path.contains("{secret}") {
        return value.refuse("the path does not name {secret}, so every target would write to one place");
    }
    let rest = ["{organization}", "{environment}", "{secret}"]
        .iter()
        .fold(path.clone(), |rest, name| rest.replace(name, ""));
    if rest.contains(['{', '}']) {
        return value.refuse("a path knows {organization}, {environment} and {secret} only");
    }
    Some(path)
}
