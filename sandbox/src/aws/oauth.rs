//! The token of an EventBridge connection that uses OAuth.
//!
//! Sources: the EventBridge guide, "Authorization methods for connections": a token is renewed after a 401
//! or 407, and when it expires within 60 seconds. How the client's secret goes to the token endpoint is not
//! documented; here it is HTTP Basic, which RFC 6749, section 2.3.1, has every server support.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Client;
use serde_json::Value as Json;
use tokio::time::Instant;

/// Renewed when it has less than this to live.
const RENEWED_BEFORE: Duration = Duration::from_mins(1);
/// Longest wait for a token.
const LIMIT: Duration = Duration::from_secs(5);

/// Where a connection gets its tokens, and as whom.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The issuer's token endpoint.
    pub endpoint: String,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

/// A token, and until when it is used.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) bearer: String,
    until: Instant,
}

impl Token {
    pub(super) fn is_fresh(&self) -> bool {
        Instant::now() < self.until
    }

    /// Asks for one.
    pub(super) async fn fetch(client: &Client, grant: &Grant) -> Result<Self, String> {
        let asked = Instant::now();
        let basic = BASE64.encode(format!("{}:{}", grant.client_id, grant.client_secret));
        let request = client
            .post(&grant.endpoint)
            .timeout(LIMIT)
            .header("authorization", format!("Basic {basic}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let response = request.send().await.map_err(|error| format!("no token: {error}"))?;
        if !response.status().is_success() {
            return Err(format!("no token: HTTP {}", response.status().as_u16()));
        }
        let granted: Json = response.json().await.map_err(|error| format!("no token: {error}"))?;
        let lives = Duration::from_secs(granted["expires_in"].as_u64().unwrap_or(0));
        let bearer = granted["access_token"].as_str().ok_or("no token: none in the answer")?.to_owned();
        Ok(Self { bearer, until: asked + lives.saturating_sub(RENEWED_BEFORE) })
    }
}
