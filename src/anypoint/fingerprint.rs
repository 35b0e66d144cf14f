//! The value-free fingerprint of a target's mapping: a changed mapping is work due, like a rotation.
//!
//! It covers where the target lies, every name that is written and where its value comes from.
//! Literals enter by their digest.

use sha2::{Digest, Sha256};

use crate::config::{self, Expect, HeaderSource, HttpBody, Json};
use crate::credential::CredentialRef;
use crate::model::{SecretRef, Selector, TemplatePart, ValueSource, hex};

/// Collects what a mapping consists of. Every part carries its length, so no two mappings run into
/// one text.
pub(super) struct Fingerprint(Sha256);

impl Fingerprint {
    pub(super) fn new(kind: &str) -> Self {
        Self(Sha256::new()).text("anypoint-relay mapping 1").text(kind)
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
        self
    }

    /// The control plane and environment.
    pub(super) fn connection(self, connection: &config::Connection) -> Self {
        self.text(&connection.base_url).text(&connection.organization).text(&connection.environment)
    }

    /// A group of names with their sources, in the order given.
    pub(super) fn sources<'a>(
        mut self,
        group: &str,
        sources: impl IntoIterator<Item = (&'a str, &'a ValueSource)>,
    ) -> Self {
        self = self.text(group);
        for (name, source) in sources {
            self = self.text(name).source(source);
        }
        self
    }

    /// A secret that is watched.
    pub(super) fn secret(self, secret: &SecretRef) -> Self {
        self.text(secret.id()).text(secret.region().unwrap_or("")).text(secret.role().unwrap_or(""))
    }

    /// What an `http` target sends. A credential counts by its place: what stands there may rotate.
    pub(super) fn request(self, target: &config::HttpTarget) -> Self {
        let all = self.text(&target.url).text(target.method.as_str());
        let all = match &target.body {
            HttpBody::None => all.text("none"),
            HttpBody::Notice(values) => {
                all.sources("values", values.iter().map(|(name, source)| (name.as_str(), source)))
            }
            HttpBody::Template(json) => all.text("body").json(json),
        };
        target.headers.iter().fold(all.text("headers"), |all, (name, source)| {
            let all = all.text(name.as_str());
            match source {
                HeaderSource::Value(source) => all.source(source),
                HeaderSource::Credential(place) => all.credential(place),
            }
        })
    }

    /// What an answer has to be: a delivery that proved less proves nothing to a stricter one.
    pub(super) fn expect(self, expect: &Expect) -> Self {
        let all = expect.status.iter().fold(self.text("expect"), |all, status| all.text(&status.to_string()));
        expect
            .json
            .iter()
            .fold(all.text("json"), |all, (pointer, value)| all.text(pointer).literal(&value.to_string()))
    }

    fn json(self, json: &Json) -> Self {
        match json {
            Json::Literal(literal) => self.literal(literal.raw().get()),
            Json::Fact(fact) => self.text("fact").text(fact.as_str()),
            Json::Value { source, form, .. } => self.text("value").text(form.as_str()).source(source),
            Json::List(items) => {
                items.iter().fold(self.text("list").text(&items.len().to_string()), Fingerprint::json)
            }
            Json::Object(members) => {
                let all = self.text("object").text(&members.len().to_string());
                members.iter().fold(all, |all, (name, member)| all.text(name).json(member))
            }
        }
    }

    fn credential(self, place: &CredentialRef) -> Self {
        match place {
            CredentialRef::Env(_) | CredentialRef::File(_) => self.text(&place.to_string()),
            CredentialRef::AwsSecret(secret, selector) => {
                self.text("credential").secret(secret).selector(selector)
            }
        }
    }

    fn literal(self, text: &str) -> Self {
        self.text("literal").text(&hex(&Sha256::digest(text.as_bytes())))
    }

    fn source(self, source: &ValueSource) -> Self {
        match source {
            ValueSource::Literal(text) => self.literal(text),
            ValueSource::Secret(secret, selector) => self.text("secret").secret(secret).selector(selector),
        }
    }

    fn selector(self, selector: &Selector) -> Self {
        match selector {
            Selector::Whole => self.text("whole"),
            Selector::Binary => self.text("binary"),
            Selector::Field(name) => self.text("field").text(name),
            Selector::Pointer(pointer) => self.text("pointer").text(pointer),
            Selector::Template(parts) => parts.iter().fold(
                self.text("template").text(&parts.len().to_string()),
                |all, part| match part {
                    TemplatePart::Text(text) => all.text("text").text(text),
                    TemplatePart::Field(name) => all.text("field").text(name),
                },
            ),
        }
    }

    /// 32 hex digits.
    pub(super) fn finish(self) -> String {
        hex(&self.0.finalize()[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, source: &ValueSource) -> String {
        Fingerprint::new("http").sources("values", [(name, source)]).finish()
    }

    #[test]
    fn each_part_of_a_mapping_counts() {
        let secret = SecretRef::new("prod/db", None, None).unwrap();
        let field = |name: &str| ValueSource::Secret(secret.clone(), Selector::Field(name.to_owned()));
        let all = [
            of("a", &field("x")),
            of("b", &field("x")),
            of("a", &field("y")),
            of("a", &ValueSource::Secret(secret.clone(), Selector::Whole)),
            of("a", &ValueSource::Literal("x".to_owned())),
            of("a", &ValueSource::Literal("y".to_owned())),
        ];
        let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(all[0], of("a", &field("x")));
    }

    /// Of an `http` target with these lines, read from a file.
    fn of_request(lines: &str) -> String {
        let text = format!(
            "targets:
  a:
    kind: http
    url: https://example.com/a
    key: {{ env: KEY }}
    watch: [prod/watched]
{lines}"
        );
        let config =
            config::parse(&text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
        let config::TargetKind::Http(target) = &config.targets.values().next().unwrap().kind else {
            panic!("another kind");
        };
        let request = Fingerprint::new("http").request(target);
        target.expect.as_deref().into_iter().fold(request, Fingerprint::expect).finish()
    }

    #[test]
    fn each_part_of_a_request_counts() {
        let all = [
            "",
            "    method: PUT",
            "    method: GET",
            "    values: { a: x }",
            "    body: {}",
            "    body: []",
            "    body: { a: x }",
            "    body: { a: y }",
            "    body: { b: x }",
            "    body: { a: 1 }",
            "    body: { a: '1' }",
            "    body: { a: [1] }",
            "    body: { a: [1, 1] }",
            "    body: [{ a: 1 }, { b: 2 }]",
            "    body: [{ a: 1, b: 2 }]",
            "    body: { a: { fact: target } }",
            "    body: { a: { fact: time } }",
            "    body: { a: { secret: prod/db } }",
            "    body: { a: { secret: prod/db, as: json } }",
            "    body: { a: { secret: prod/db, field: x } }",
            "    headers: { a: x }",
            "    headers: { a: y }",
            "    headers: { b: x }",
            "    headers: { a: { secret: prod/db } }",
            "    headers: { a: { env: X } }",
            "    headers: { a: { env: Y } }",
            "    headers: { a: { file: X } }",
            "    headers: { a: { aws_secret: { secret: prod/db } } }",
            "    headers: { a: { aws_secret: { secret: prod/db, field: x } } }",
            "    expect: 2xx",
            "    expect: 200",
            "    expect: [200, 204]",
            "    expect: { json: { /a: 1 } }",
            "    expect: { json: { /a: '1' } }",
            "    expect: { json: { /b: 1 } }",
        ]
        .map(of_request);
        let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        let (one, other) = ("    headers: { A: x, b: y }", "    headers: { b: y, a: x }");
        assert_eq!(of_request(one), of_request(other), "nothing else is sent");
        for unsent in ["    timeout: 1s", "    allow: [127.0.0.1]", "    proxy: none", "    coalesce: 1s"] {
            assert_eq!(of_request(unsent), all[0], "{unsent}");
        }
    }
}
