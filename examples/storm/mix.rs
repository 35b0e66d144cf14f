//! The targets of a storm: drawn, and described as the relay's configuration has them.

use fastrand::Rng;

use crate::history::{Field, Part};

/// Applications on CloudHub 1.0, and as many on hybrid servers: the relay sends these platforms 20 requests a
/// second, and no setting changes that.
const SLOW_PLATFORM: usize = 12;
/// Shared secrets of one group; Anypoint takes 350.
const GROUP: usize = 100;

/// Where an application runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Platform {
    CloudHub2,
    Rtf,
    CloudHub,
    Hybrid,
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Application(Platform),
    /// An application that reads its secret itself when it starts.
    Watching,
    /// A shared secret of the group with this number.
    SharedSecret(usize),
    /// An endpoint that is sent the values.
    Values,
    /// An endpoint that is told of new versions alone.
    Notice,
}

/// A target, and what the fakes have in its place.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// The relay's name for it, and its name in Anypoint.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) secrets: Vec<usize>,
    pub(crate) parts: Vec<Part>,
}

/// The name of a secret in AWS.
pub(crate) fn secret_name(number: usize) -> String {
    format!("storm/db-{number:04}")
}

/// Draws so many targets over so many secrets.
pub(crate) fn draw(targets: usize, secrets: usize, rng: &mut Rng) -> Vec<Draft> {
    let (mut cloudhub, mut hybrid, mut shared) = (0, 0, 0);
    let next = |count: &mut usize| {
        *count += 1;
        *count - 1
    };
    (0..targets)
        .map(|number| {
            let kind = match rng.u32(..100) {
                0..24 => Kind::Application(Platform::Rtf),
                24..30 if next(&mut cloudhub) < SLOW_PLATFORM => Kind::Application(Platform::CloudHub),
                30..36 if next(&mut hybrid) < SLOW_PLATFORM => Kind::Application(Platform::Hybrid),
                24..76 => Kind::Application(Platform::CloudHub2),
                76..82 => Kind::Watching,
                82..90 => Kind::SharedSecret(next(&mut shared) / GROUP),
                90..95 => Kind::Values,
                _ => Kind::Notice,
            };
            let count = match kind {
                Kind::Application(_) => [1, 1, 1, 2, 2, 3][rng.usize(..6)],
                _ => 1,
            };
            let mut all: Vec<usize> = (0..secrets).collect();
            rng.shuffle(&mut all);
            let mut secrets: Vec<usize> = all.into_iter().take(count).collect();
            secrets.sort_unstable();
            let parts = parts(kind, &secrets, rng);
            Draft { name: format!("storm-{number:04}"), kind, secrets, parts }
        })
        .collect()
}

fn parts(kind: Kind, secrets: &[usize], rng: &mut Rng) -> Vec<Part> {
    let part = |name: String, secret: usize, field: Field| Part { name, secret, field };
    let both = |user: &str, password: &str, secret: usize| {
        vec![
            part(user.to_owned(), secret, Field::Username),
            part(password.to_owned(), secret, Field::Password),
        ]
    };
    let url = rng.bool();
    let of = |secret: usize| match kind {
        Kind::Application(_) => {
            let mut parts = both(&format!("db{secret}.user"), &format!("db{secret}.password"), secret);
            parts.extend(url.then(|| part(format!("db{secret}.url"), secret, Field::Url)));
            parts
        }
        // The receipt of a single secret ends with its version.
        Kind::Watching => vec![part("version".to_owned(), secret, Field::Version)],
        Kind::SharedSecret(_) => both("username", "password", secret),
        Kind::Values => both("user", "password", secret),
        Kind::Notice => vec![part(secret_name(secret), secret, Field::Version)],
    };
    secrets.iter().flat_map(|secret| of(*secret)).collect()
}

impl Draft {
    /// Whether it is an application, and where.
    pub(crate) fn platform(&self) -> Option<Platform> {
        match self.kind {
            Kind::Application(platform) => Some(platform),
            Kind::Watching => Some(Platform::CloudHub2),
            Kind::SharedSecret(_) | Kind::Values | Kind::Notice => None,
        }
    }

    /// Whether this part of it is hidden where it is kept.
    pub(crate) fn hides(&self, part: &Part) -> bool {
        part.field != Field::Url && self.platform() != Some(Platform::Hybrid)
    }

    /// Its lines below `targets:`. `address` is where an endpoint is.
    pub(crate) fn yaml(&self, address: &str) -> String {
        let name = &self.name;
        let mut text = format!("  {name}:\n    coalesce: 50ms\n");
        let mut line = |words: &str| text.extend(["    ", words, "\n"]);
        match self.kind {
            Kind::Application(_) | Kind::Watching => {
                line("kind: application");
                line("connection: storm");
                line(&format!("deployment: {name}"));
                line("roll_limit: 30s");
            }
            Kind::SharedSecret(group) => {
                line("kind: shared_secret");
                line("connection: storm");
                line(&format!("group: storm-{group}"));
                line(&format!("name: {name}"));
                line("type: UsernamePassword");
            }
            Kind::Values | Kind::Notice => {
                line("kind: http");
                line(&format!("url: \"{address}\""));
                line("allow: [127.0.0.1]");
                line("key: { env: ENDPOINT_KEY }");
                line("timeout: 2s");
            }
        }
        match self.platform() {
            Some(Platform::CloudHub2) => line("platform: cloudhub2"),
            Some(Platform::Rtf) => line("platform: rtf"),
            Some(Platform::CloudHub) => line("platform: cloudhub\n    settle: 500ms"),
            Some(Platform::Hybrid) => line("platform: hybrid\n    settle: 500ms"),
            None => {}
        }
        let sources = |hidden: bool| {
            let parts = self.parts.iter().filter(move |part| self.hides(part) == hidden);
            parts.map(|part| format!("{}: {}", part.name, source(part)))
        };
        let indented = |lines: Vec<String>| format!("\n      {}", lines.join("\n      "));
        match self.kind {
            Kind::Application(_) => {
                for (key, hidden) in [("secure_properties", true), ("properties", false)] {
                    let lines: Vec<String> = sources(hidden).collect();
                    if !lines.is_empty() {
                        line(&format!("{key}:{}", indented(lines)));
                    }
                }
            }
            Kind::SharedSecret(_) => sources(true).for_each(|entry| line(&entry)),
            Kind::Values => line(&format!("values:{}", indented(sources(true).collect()))),
            Kind::Watching | Kind::Notice => {
                let names: Vec<String> = self.secrets.iter().map(|secret| secret_name(*secret)).collect();
                line(&format!("watch: [{}]", names.join(", ")));
            }
        }
        text
    }
}

fn source(part: &Part) -> String {
    let secret = secret_name(part.secret);
    let selector = match part.field {
        Field::Username => "field: username",
        Field::Password => "field: password",
        Field::Url | Field::Version => r#"template: "jdbc:postgresql://{host}:{port}/app?user={username}""#,
    };
    format!("{{ secret: {secret}, {selector} }}")
}
