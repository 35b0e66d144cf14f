//! What stands on both sides of the relay: a fake AWS with one secret, and a fake Anypoint with one application.

use std::time::Duration;

use anypoint_sandbox::Sandbox;
use anypoint_sandbox::anypoint::{Anypoint, App, Map, Redeploy};
use anypoint_sandbox::aws::{Aws, Secret};
use serde_json::json;

/// The secret in the fake AWS.
pub(crate) const SECRET: &str = "prod/orders/db";
/// The application in the fake Anypoint, and the relay's name for it.
pub(crate) const APPLICATION: &str = "orders-api";
/// How many replicas it has.
pub(crate) const REPLICAS: usize = 2;
/// How long each of them takes to restart. A Mule application takes a minute or more.
const ROLL_TIME: Duration = Duration::from_millis(300);

/// The sandbox with its secret and its application.
pub(crate) struct Backend {
    pub(crate) aws: Aws,
    pub(crate) anypoint: Anypoint,
    pub(crate) secret: Secret,
    pub(crate) app: App,
}

impl Backend {
    /// Starts it. The application runs with the secret's first password, as a pipeline would have deployed it.
    pub(crate) async fn start(password: String) -> Self {
        let Sandbox { aws, anypoint } = Sandbox::start().await;
        let user = "orders_app";
        let value = json!({
            "engine": "postgres", "host": "db.internal", "port": 5432, "username": user, "password": password,
        });
        let secret = aws.create_secret(SECRET, value);
        secret.set_alternating(true);
        let app = anypoint.deploy(
            APPLICATION,
            [("http.port", "8081")],
            [("db.user", user), ("db.password", password.as_str())],
        );
        app.scale(REPLICAS).roll_time(ROLL_TIME);
        Self { aws, anypoint, secret, app }
    }

    /// Rotates the secret: another password, and the other of its two users.
    pub(crate) fn rotate(&self) {
        self.secret.rotate_password(&fresh_password());
    }

    /// A pipeline redeploys the application as it stands, but with the user and the password of before.
    pub(crate) fn redeploy_with_the_old_password(&self) {
        let history = self.secret.history();
        let Some(before) = history.len().checked_sub(2).and_then(|place| history.get(place)) else { return };
        let field = |name: &str| before.value.field(name).unwrap_or_default();
        let redeploy = Redeploy::of_stored();
        let redeploy =
            redeploy.secure("db.user", &field("username")).secure("db.password", &field("password"));
        self.app.foreign_redeploy(redeploy);
    }

    /// Whether these secure properties are what AWS serves as current.
    pub(crate) fn is_current(&self, secure: &Map) -> bool {
        let value = self.secret.current_value();
        let held = |property: &str, field: &str| {
            secure.get(property).is_some_and(|held| value.field(field).as_ref() == Some(held))
        };
        held("db.user", "username") && held("db.password", "password")
    }
}

/// A password or a key that nobody had before.
pub(crate) fn fresh_password() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
