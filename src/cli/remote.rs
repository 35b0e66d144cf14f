//! The admin listener of a relay that runs, as the commands reach it: where it is, which token is shown, and what
//! to do when it does not answer as asked.
//!
//! A token is read, used and wiped; it is never an argument, where other users of the machine would see it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use serde::Serialize;

use super::health::{reachable, this_machine};
use super::trigger::plain;
use crate::config;
use crate::credential::{CredentialReader, CredentialRef, Credentials};
use crate::http::ProblemBody;
use crate::outbound;
use crate::secret::SecretValue;

/// Where it is asked unless told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:9090";
/// Where it is asked unless there is an option.
const URL_VARIABLE: &str = "ANYPOINT_RELAY_ADMIN_URL";
/// What is shown unless there is an option.
const TOKEN_VARIABLE: &str = "ANYPOINT_RELAY_TOKEN";
/// A relay on this machine answers at once; one behind a tunnel a little later.
const LIMIT: Duration = Duration::from_secs(20);
/// A thousand targets with their histories take about five.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Which relay is asked, and as whom.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct RemoteArgs {
    /// Address of the relay's admin listener [default: $ANYPOINT_RELAY_ADMIN_URL, else http://127.0.0.1:9090]
    #[arg(long)]
    url: Option<String>,
    /// The configuration of a relay on this machine: where it listens, and where its tokens stand
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    config: Option<PathBuf>,
    /// Environment variable that holds the token [default: ANYPOINT_RELAY_TOKEN, if it is set]
    #[arg(long, value_name = "NAME", conflicts_with = "token_file")]
    token_env: Option<String>,
    /// File that holds the token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// PEM file with a further root certificate to trust
    #[arg(long, value_name = "FILE")]
    extra_root: Option<PathBuf>,
}

/// A relay that runs.
pub(super) struct Remote {
    client: reqwest::Client,
    base: String,
    authorization: Option<HeaderValue>,
    /// Where the token stands that is shown.
    token_at: Option<String>,
}

impl Remote {
    /// Reads token and root; asks nobody yet. `acts` chooses the token where a configuration has several.
    pub(super) async fn open(args: &RemoteArgs, acts: bool, limit: Option<Duration>) -> anyhow::Result<Self> {
        let admin = args.config.as_deref().map(configured).transpose()?;
        let base = match (&admin, &args.url) {
            (Some(admin), _) => {
                let scheme = if admin.tls.is_some() { "https" } else { "http" };
                format!("{scheme}://{}", reachable(admin.listen))
            }
            (None, Some(url)) => url.clone(),
            (None, None) => variable(URL_VARIABLE).unwrap_or_else(|| DEFAULT_URL.to_owned()),
        };
        let base = base.trim_end_matches('/').to_owned();
        // On this machine alone, where plain HTTP is spoken else: the certificate is for a name, and the file has an
        // address.
        let any_certificate = admin.as_ref().is_some_and(|admin| reachable(admin.listen).ip().is_loopback());
        let places = admin.map_or_else(Vec::new, |admin| {
            let readers = if acts { Vec::new() } else { admin.tokens };
            readers.into_iter().chain(admin.operators).collect()
        });
        let token = token(args, &places).await?;
        let (token_at, authorization) = match token {
            Some((place, token)) => (Some(place.to_string()), Some(bearer(&place, &token)?)),
            None => (None, None),
        };
        let extra_root = match &args.extra_root {
            Some(path) => {
                Some(tokio::fs::read(path).await.with_context(|| format!("cannot read {}", path.display()))?)
            }
            None => None,
        };
        let limits = outbound::Options::within(LIMIT, limit.unwrap_or(LIMIT));
        let connect = this_machine(&base);
        let client = outbound::client(&outbound::Options { extra_root, connect, any_certificate, ..limits })?;
        Ok(Self { client, base, authorization, token_at })
    }

    /// The body of a page.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Bytes> {
        self.body(self.client.get(format!("{}{path}", self.base))).await
    }

    /// The body of the answer to an action.
    pub(super) async fn post(&self, path: &str, wish: &impl Serialize) -> anyhow::Result<Bytes> {
        self.body(self.client.post(format!("{}{path}", self.base)).json(wish)).await
    }

    /// A page that does not end.
    pub(super) async fn stream(&self, path: &str) -> anyhow::Result<reqwest::Response> {
        self.ask(self.client.get(format!("{}{path}", self.base))).await
    }

    async fn body(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Bytes> {
        let response = self.ask(request).await?;
        let body = outbound::read_bounded(response, MAX_ANSWER).await;
        body.with_context(|| format!("{} broke off its answer", self.base))
    }

    async fn ask(&self, mut request: reqwest::RequestBuilder) -> anyhow::Result<reqwest::Response> {
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let response = request.send().await.map_err(|error| {
            let reason = outbound::reason(error);
            anyhow::anyhow!(
                "no relay answers at {}: {reason}\nnext: see whether it runs, and name its admin listener with --url \
                 or --config (the hooks' is another one)",
                self.base
            )
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = outbound::read_bounded(response, MAX_ANSWER).await.unwrap_or_default();
        match serde_json::from_slice::<ProblemBody>(&body) {
            Ok(problem) => bail!("{}", self.told(&problem)),
            Err(_) => bail!(
                "{} answered HTTP {status}, but not as the relay does\nnext: check that the address leads to its admin \
                 listener",
                self.base
            ),
        }
    }

    /// A refusal, and what to do about it.
    fn told(&self, problem: &ProblemBody) -> String {
        let ProblemBody { title, status, detail, code, request_id, .. } = problem;
        let [title, detail, id] = [title, detail, request_id].map(|text| plain(text));
        let next = match (code.as_str(), &self.token_at) {
            ("unauthorized", None) => {
                "give a token: --token-env NAME, --token-file FILE or --config FILE".to_owned()
            }
            ("unauthorized", Some(place)) => format!(
                "compare what stands in {place} with `admin.token` and `admin.operator_token` of the relay"
            ),
            ("forbidden", _) => "give an operator's token: --token-env NAME or --token-file FILE".to_owned(),
            ("not_configured", _) => "anypoint-relay status lists the targets".to_owned(),
            ("not_found" | "method_not_allowed", _) => {
                "check that the address leads to the admin listener of a relay of this version".to_owned()
            }
            ("too_many_failures", _) => "mend the token; then wait two minutes and try again".to_owned(),
            ("starting" | "draining" | "overloaded" | "timeout", _) => "try again in a moment".to_owned(),
            ("internal", _) => "look for the request id in the relay's log".to_owned(),
            _ => return format!("{title}: {detail} (HTTP {status}, {}, request {id})", plain(code)),
        };
        format!("{title}: {detail} (HTTP {status}, {}, request {id})\nnext: {next}", plain(code))
    }
}

/// The admin listener that `file` configures.
fn configured(file: &Path) -> anyhow::Result<config::Admin> {
    let Some(admin) = config::load_admin(file)? else {
        bail!("{}: `admin: off`, so this relay cannot be asked", file.display());
    };
    if admin.listen.port() == 0 {
        bail!(
            "{}: the system chooses the port of `admin.listen`; give the address with --url",
            file.display()
        );
    }
    if admin.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()) {
        bail!(
            "{}: `admin` asks for a client's certificate, and this command has none; ask with curl and one of yours",
            file.display()
        );
    }
    Ok(admin)
}

/// The token that is shown, with its place: what an option names, else what the configuration names first that can
/// be read here, else the usual variable.
async fn token(
    args: &RemoteArgs,
    places: &[CredentialRef],
) -> anyhow::Result<Option<(CredentialRef, SecretValue)>> {
    let reader = CredentialReader::new(None);
    let named = args.token_env.clone().map(CredentialRef::Env);
    let named = named.or_else(|| args.token_file.clone().map(CredentialRef::File));
    if let Some(place) = named {
        let token = reader.read(&place).await.context("cannot read the token")?;
        return Ok(Some((place, token)));
    }
    let usual = CredentialRef::Env(TOKEN_VARIABLE.to_owned());
    let mut why = None;
    for place in places.iter().chain([&usual]) {
        match reader.read(place).await {
            Ok(token) => return Ok(Some((place.clone(), token))),
            Err(error) => why = why.or(Some(error)),
        }
    }
    match why {
        Some(error) if !places.is_empty() => Err(anyhow::Error::new(error).context(
            "cannot read a token where the configuration says; give it with --token-env or --token-file",
        )),
        _ => Ok(None),
    }
}

fn bearer(place: &CredentialRef, token: &SecretValue) -> anyhow::Result<HeaderValue> {
    let text = SecretValue::new([b"Bearer ", token.expose_bytes()].concat());
    let Ok(mut value) = HeaderValue::from_bytes(text.expose_bytes()) else {
        bail!("{place} holds no token: it has characters that no header may have");
    };
    value.set_sensitive(true);
    Ok(value)
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok().filter(|text| !text.is_empty())
}
