//! The hands of an operator on a relay that runs, over real sockets.

mod actions;
mod audit;
mod roles;
mod watch;

use serde_json::{Value, json};

use crate::support::{Answer, Bench, Relay, answer, client};

/// What an operator asks for, and what a reader may: as `{ env: NAME }` in the configuration.
const READER: &str = "reader-token-0123456789abcdef";
const OPERATOR: &str = "operator-token-0123456789abcdef";

/// Asks for an action at this address; `token` empty means that none is shown.
async fn act_at(admin: &str, token: &str, target: &str, action: &str, body: &Value) -> Answer {
    let path = format!("/targets/{target}/{action}");
    let mut request = client().post(format!("{admin}{path}")).json(body);
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    answer("POST", &path, request).await
}

impl Bench {
    /// Asks for an action on `orders-api` of a relay without tokens.
    async fn act(&self, action: &str) -> Answer {
        act_at(self.admin(), "", "orders-api", action, &json!({"reason": "a test"})).await
    }

    /// How `orders-api` stands.
    async fn shown(&self) -> Value {
        self.ask("/targets/orders-api").await.body["target"].clone()
    }

    /// With tokens of both roles.
    fn with_tokens(mut self) -> Self {
        self.environment_with("READER", READER);
        self.environment_with("OPERATOR", OPERATOR);
        self
    }
}

/// The configuration with tokens of both roles.
fn guarded(file: &str) -> String {
    let with = "admin: { listen: 127.0.0.1:0, token: { env: READER }, operator_token: { env: OPERATOR } }";
    file.replace("admin: { listen: 127.0.0.1:0 }", with)
}

/// A page of the admin listener, read with this token.
async fn read(relay: &Relay, token: &str, path: &str) -> Answer {
    answer("GET", path, client().get(format!("{}{path}", relay.admin)).bearer_auth(token)).await
}
