//! Holds the fake Anypoint to the notes on the real one, with a plain HTTP client and nothing of the
//! relay. Rules that are not confirmed are tested in both positions of their switch. The sections in
//! the names of the modules are those of the table in `anypoint_sandbox::anypoint`.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing fails the test")]

use std::time::Duration;

use anypoint_sandbox::anypoint::{Anypoint, App, SecretGroup};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[path = "anypoint_contract/accounts.rs"]
mod accounts;
#[path = "anypoint_contract/applications.rs"]
mod applications;
#[path = "anypoint_contract/cloudhub.rs"]
mod cloudhub;
#[path = "anypoint_contract/created.rs"]
mod created;
#[path = "anypoint_contract/hybrid.rs"]
mod hybrid;
#[path = "anypoint_contract/late_writes.rs"]
mod late_writes;
#[path = "anypoint_contract/receiver.rs"]
mod receiver;
#[path = "anypoint_contract/rolls.rs"]
mod rolls;
#[path = "anypoint_contract/secrets.rs"]
mod secrets;
#[path = "anypoint_contract/stores.rs"]
mod stores;
#[path = "anypoint_contract/table.rs"]
mod table;

/// Longest wait for anything that must happen.
const LIMIT: Duration = Duration::from_secs(10);
const SERVICE: &str = "mule.agent.application.properties.service";

/// A client of the fake, with a token.
struct Client {
    http: reqwest::Client,
    base: String,
    secrets: String,
    applications: String,
    token: String,
    /// Organization and environment, for the APIs that want them in headers.
    place: [String; 2],
}

struct Answer {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Client {
    async fn of(anypoint: &Anypoint) -> Self {
        let http = http();
        let token = mint(&http, anypoint).await.body["access_token"].as_str().unwrap().to_owned();
        let place =
            format!("organizations/{}/environments/{}", anypoint.organization(), anypoint.environment());
        let base = anypoint.base_url();
        Self {
            http,
            secrets: format!("{base}/secrets-manager/api/v1/{place}/secretGroups"),
            applications: format!("{base}/amc/application-manager/api/v2/{place}/deployments"),
            base,
            token,
            place: [anypoint.organization(), anypoint.environment()],
        }
    }

    async fn send(&self, method: Method, url: &str, body: Option<&Value>) -> Answer {
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(request).await
    }

    async fn get(&self, url: &str) -> Answer {
        self.send(Method::GET, url, None).await
    }

    async fn put(&self, url: &str, body: &Value) -> Answer {
        self.send(Method::PUT, url, Some(body)).await
    }

    async fn patch(&self, url: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, url, Some(body)).await
    }

    /// Sends a request to an API that wants the place in headers.
    async fn sent_there(&self, request: reqwest::RequestBuilder) -> Answer {
        let [organization, environment] = &self.place;
        let request = request.header("x-anypnt-org-id", organization).header("x-anypnt-env-id", environment);
        answer(request.bearer_auth(&self.token)).await
    }

    fn secret_url(&self, group: &SecretGroup, id: &str) -> String {
        format!("{}/{}/sharedSecrets/{id}", self.secrets, group.id())
    }

    fn app_url(&self, app: &App) -> String {
        format!("{}/{}", self.applications, app.id())
    }

    /// GETs an application.
    async fn look(&self, app: &App) -> Value {
        let seen = self.get(&self.app_url(app)).await;
        assert_eq!(seen.status, StatusCode::OK);
        seen.body
    }

    /// PATCHes the properties service of an application.
    async fn write(&self, app: &App, service: Value) -> Answer {
        self.patch(&self.app_url(app), &json!({ "application": { "configuration": { SERVICE: service } } }))
            .await
    }
}

/// The content type of [`form`].
const FORM: &str = "multipart/form-data; boundary=part";

fn form(parts: &[(&str, &str)]) -> String {
    let part = |(name, text): &(&str, &str)| {
        format!("--part\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    let parts: Vec<String> = parts.iter().map(part).collect();
    format!("{}--part--\r\n", parts.concat())
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(LIMIT).build().unwrap()
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, headers, body }
}

fn credentials(anypoint: &Anypoint) -> Value {
    json!({
        "client_id": anypoint.client_id(),
        "client_secret": anypoint.client_secret(),
        "grant_type": "client_credentials",
    })
}

async fn mint(http: &reqwest::Client, anypoint: &Anypoint) -> Answer {
    mint_with(http, anypoint, &credentials(anypoint)).await
}

async fn mint_with(http: &reqwest::Client, anypoint: &Anypoint, body: &Value) -> Answer {
    answer(http.post(format!("{}/accounts/api/v2/oauth2/token", anypoint.base_url())).json(body)).await
}

/// The code of the first error in a Secrets Manager body.
fn code(answer: &Answer) -> &str {
    answer.body["errors"][0]["code"].as_str().unwrap_or_default()
}
