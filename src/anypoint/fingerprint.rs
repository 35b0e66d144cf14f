//! The value-free fingerprint of a target's mapping: a changed mapping is work due, like a rotation.
//!
//! It covers where the target lies, every name that is written and where its value comes from.
//! Literals enter by their digest.

use sha2::{Digest, Sha256};

use crate::config;
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

    fn source(self, source: &ValueSource) -> Self {
        match source {
            ValueSource::Literal(text) => {
                let digest = Sha256::digest(text.as_bytes());
                self.text("literal").text(&hex(&digest))
            }
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
}
