//! What sets one kind of target apart from another.

use super::TARGET;

/// A kind, called as its tests are.
#[expect(non_camel_case_types, reason = "one name for a kind, its column and its test")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    cloudhub2,
    rtf,
    cloudhub,
    /// CloudHub 1.0, by a restart call.
    restart,
    hybrid,
    shared_secret,
    keystore,
    truststore,
    certificate,
    secret_value,
    http,
}

impl Kind {
    /// What the sandbox calls the write.
    pub(super) fn write(self) -> &'static str {
        match self {
            Kind::cloudhub2 | Kind::rtf => "deployments.patch",
            Kind::cloudhub => "cloudhub.put",
            Kind::restart => "cloudhub.status",
            Kind::hybrid => "hybrid.patch",
            Kind::shared_secret => "secrets.put",
            Kind::keystore | Kind::truststore | Kind::certificate => "stores.put",
            Kind::secret_value => "value.patch",
            Kind::http => "",
        }
    }

    /// What the sandbox calls the look.
    pub(super) fn read(self) -> String {
        let (api, _) = self.write().split_once('.').expect("a kind that is looked at");
        format!("{api}.get")
    }

    fn thing(self) -> &'static str {
        match self {
            Kind::cloudhub2 | Kind::rtf => r#"deployment "orders-api""#,
            Kind::cloudhub | Kind::restart | Kind::hybrid => r#"application "orders-api""#,
            Kind::shared_secret => r#"shared secret "orders-db""#,
            Kind::keystore => r#"keystore "orders-tls""#,
            Kind::truststore => r#"truststore "orders-tls""#,
            Kind::certificate => r#"certificate "orders-tls""#,
            Kind::secret_value => r#"secret "orders-db""#,
            Kind::http => "127.0.0.1 for target orders",
        }
    }

    /// How a message about a failed write begins.
    pub(super) fn writing(self) -> String {
        let thing = self.thing();
        match self {
            Kind::restart => format!("restarting {thing} through connection prod: "),
            Kind::http => format!("calling {thing}: "),
            _ => format!("writing {thing} through connection prod: "),
        }
    }

    /// How a message about an answer begins that was read and made no sense.
    pub(super) fn reading(self) -> String {
        format!("reading {}: ", self.thing())
    }

    pub(super) fn settled(self) -> &'static str {
        match self {
            Kind::cloudhub2
            | Kind::rtf
            | Kind::shared_secret
            | Kind::keystore
            | Kind::truststore
            | Kind::certificate => "in_sync",
            Kind::cloudhub | Kind::restart | Kind::hybrid | Kind::secret_value | Kind::http => "accepted",
        }
    }

    pub(super) fn api(self) -> &'static str {
        match self {
            Kind::cloudhub2 | Kind::rtf => "Application Manager",
            Kind::cloudhub | Kind::restart => "CloudHub",
            Kind::hybrid => "hybrid Runtime Manager",
            Kind::shared_secret | Kind::keystore | Kind::truststore | Kind::certificate => "Secrets Manager",
            Kind::secret_value => "Secrets",
            Kind::http => "",
        }
    }

    /// The settings that lead to the thing.
    pub(super) fn settings(self) -> &'static str {
        match self {
            Kind::shared_secret | Kind::keystore | Kind::truststore | Kind::certificate => "`name`",
            Kind::secret_value => "`path` and `secret_id`",
            _ => "`deployment`",
        }
    }

    /// The scope that the write takes in the sandbox, and what people are told to give.
    pub(super) fn scope(self) -> Option<(&'static str, &'static str)> {
        match self {
            Kind::cloudhub2 | Kind::rtf | Kind::cloudhub | Kind::restart | Kind::hybrid => Some((
                "manage:application_settings",
                "Manage Settings (manage:application_settings) and Read Applications",
            )),
            Kind::shared_secret | Kind::keystore | Kind::truststore | Kind::certificate => {
                Some(("manage:secrets", "Write secrets (manage:secrets)"))
            }
            Kind::secret_value => Some(("manage:secrets", "that this API asks for (none is documented)")),
            Kind::http => None,
        }
    }

    /// Its target with further settings; a receiver is at `url`.
    pub(super) fn target(self, url: &str, further: &str) -> String {
        const PASSWORD: &str = "{ db.password: { secret: prod/orders, field: password } }";
        let application = |platform: &str, settings: &str| {
            format!(
                "kind: application, connection: prod, deployment: orders-api, platform: {platform}, {settings}"
            )
        };
        let store = |settings: &str| {
            format!("kind: {self:?}, connection: prod, group: orders, name: orders-tls, {settings}")
        };
        let settings = match self {
            Kind::cloudhub2 => application("cloudhub2", &format!("secure_properties: {PASSWORD}")),
            Kind::rtf => application("rtf", &format!("secure_properties: {PASSWORD}")),
            Kind::cloudhub => {
                application("cloudhub", &format!("settle: 100ms, secure_properties: {PASSWORD}"))
            }
            Kind::restart => application("cloudhub", "settle: 100ms, restart_by: call, watch: [prod/orders]"),
            Kind::hybrid => application("hybrid", &format!("settle: 100ms, properties: {PASSWORD}")),
            Kind::shared_secret => "kind: shared_secret, connection: prod, group: orders, name: orders-db, \
                 type: UsernamePassword, username: { secret: prod/orders, field: username }, \
                 password: { secret: prod/orders, field: password }"
                .to_owned(),
            Kind::keystore => store(
                "type: PEM, certificate: { secret: prod/orders, field: certificate }, \
                 key: { secret: prod/orders, field: key }",
            ),
            Kind::truststore => store("type: PEM, truststore: { secret: prod/orders, field: certificate }"),
            Kind::certificate => store("certificate: { secret: prod/orders, field: certificate }"),
            Kind::secret_value => "kind: secret_value, connection: prod, secret_id: orders-db, \
                 value: { secret: prod/orders, field: password }"
                .to_owned(),
            Kind::http => format!(
                "kind: http, url: \"{url}/refresh\", allow: [127.0.0.1], key: {{ env: TRIGGER_KEY }}, \
                 values: {{ password: {{ secret: prod/orders, field: password }} }}"
            ),
        };
        format!("  {TARGET}: {{ coalesce: 10ms, {settings}{further} }}\n")
    }
}
