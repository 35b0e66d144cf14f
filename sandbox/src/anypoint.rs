//! A fake Anypoint Platform: tokens, Secrets Manager, Application Manager.
//!
//! It answers on a port of its own with the wire formats of the real APIs, and keeps a history that
//! is the verdict of a test: what each replica ran with, from when to when ([`App::history`]), and
//! every value that a shared secret was ever given. The desired specification is not the verdict.
//!
//! What it holds to, and where that is known from ("not confirmed" rules are switches in [`Rules`]).
//! The numbers are the sections of the project's notes on Anypoint; the sources are theirs: DX =
//! MuleSoft's OpenAPI files, TF = its Terraform provider, CLI = its command line, GEN = the specs of its
//! client generator, MMP = the Mule Maven plugin, KB = knowledge base, docs = docs.mulesoft.com.
//!
//! | rule | section | source | switch |
//! |---|---|---|---|
//! | a token is opaque and comes from a JSON body or a form | 2.1 | CLI, TF, MMP; docs | |
//! | `expires_in` in seconds, 3600; may be missing | 2.1 | GEN; docs | `expires_in_absent` |
//! | `me` tells the app's organization, and a list its environments by id and name | 2.4 | CLI, DX; that `view:environment` is needed, and all but the named members, not confirmed | |
//! | over the login limit (fixed minutes) 503 "Back-end server is at capacity" | 2.5 | KB; DX says 429 | `login_limit_answers_429` |
//! | no token: 401; other organization or environment: 404; no scope: 403 | 1.3, 2.5, 7 | order and bodies not confirmed | `not_found_before_unauthorized` |
//! | a value is changed by PUT with the full typed body; PATCH renames or re-dates only | 1.4 | DX, CLI, TF | |
//! | PUT without `expirationDate`: one year from the write | 1.4 | DX | |
//! | a PUT may have an `expirationDate` that has passed, or gets 409 OE-1001 | 1.4 | not confirmed | `expired_is_refused` |
//! | the type of a secret cannot change; a VDPContext cannot be PUT | 1.3, 1.4 | DX, TF | |
//! | lengths 64, 136, 2,048, 1,024,000, 5,120; names 3 to 35, letter first | 1.3 | DX | |
//! | `content` of a Blob: any text, or base64 only | 1.3, 7 | not confirmed | `blob_must_be_base64` |
//! | a store is replaced by PUT of a form with all of its parts; its type cannot change | 1.2, 1.8 | DX, CLI, TF | |
//! | sizes 4,096 (certificate), 6,144 (key), 28,672 (chain), 40,960 (store file), 64 (pass phrases, alias); 15 certificates per truststore | 1.7, 1.8 | DX | |
//! | parts `keyStore`, `trustStore`, or `keystore`, `truststore` | 1.8 | CLI, TF; DX | `store_parts_as_specified` |
//! | the chain is `capath`, or `caPathCertificate`; what is not known is passed over | 1.8 | DX, CLI; TF; the second part not confirmed | `ca_path_certificate` |
//! | `keyPassphrase` of a PEM keystore may be left out, or not | 1.8 | CLI, TF; DX | `pem_key_needs_passphrase` |
//! | a store without `expirationDate` lives as long as its certificate, a truststore as its earliest | 1.8 | DX | |
//! | an expired certificate: 400 with `RB-1007`, unless `?allowExpiredCert=true` | 1.2, 1.6 | DX | |
//! | a deployment is found in its own organization and environment only | 2.4, 3c | DX (both in the path) | |
//! | values never come back; `username` and `accessKeyId` do, on GET and not in the list | 1.5 | DX | |
//! | `modifiedAt` is `YYYY-MM-DD HH:MM:SS`, no zone | 1.5 | DX | `modified_at_is_iso` |
//! | `currentState` of a group in `meta`, or at the top | 1.5 | DX; TF | `group_state_at_top_level` |
//! | a group that is not `Clear` refuses changes with 409 | 1.2, 1.5 | DX | |
//! | errors are `{message, errors?: [{code, message, field?}]}` with `RB-*` and `OE-*` codes | 1.6 | DX; GEN's are older | `old_error_bodies` |
//! | an error may repeat what it refuses | 1.6 | not confirmed | `errors_echo_values` |
//! | 25 groups, 350 secrets per group, 402 beyond | 1.7 | DX; that all kinds count not confirmed | |
//! | a POST creates what has a name of its own in the group and answers with its id; a name in use: 400 with `RB-1002` | 1.3, 1.4, 1.6 | DX; for stores the same is assumed | |
//! | a secret is created with the scope that writes it, a group with one of its own | 1.10 | docs, TF; not confirmed call by call | |
//! | any number of requests to the Secrets Manager, or a limit like the Application Manager's | 1.7 | not confirmed | [`Anypoint::set_secrets_manager_limit`] |
//! | DELETE of a secret: 405; of the environment: 204 and all is gone | 1.2 | TF; DX | |
//! | a create answers 201, an update 200 | 1.3 | DX; TF takes others too | `post_answers_200`, `put_answers_204` |
//! | when either map is sent, both are replaced | 3c | docs, for the Maven plugin | `maps_replaced_together` |
//! | secure values are `"******"` on GET, names are visible; null, `{}` or absent when none | 3c | MMP | `secure_when_empty` |
//! | asterisks sent back are stored as such | 3c, 7 | not confirmed | `mask_is_kept` |
//! | requests may say `secureproperties` | 3c | DX, samples | `lowercase_secureproperties` for answers |
//! | 300 properties, 1,024 characters per key and value | 3c | docs | |
//! | a PATCH makes a version and rolls, even when nothing differs | 3c, 7 | docs; the second part not confirmed | `same_maps_start_a_roll` |
//! | 200 with the deployment | 3c | DX; GEN says 202 | `patch_answers_202` |
//! | APPLYING, then APPLIED and RUNNING with `lastSuccessfulVersion` = `desiredVersion` | 3c | DX, MMP | `versions_absent`, `replicas_absent`, `settled_is_called_started`, `status_lags` |
//! | a failed roll goes back: the specification is new, the replicas are old | 3c | docs; not confirmed in detail | `failed_roll_reverts_spec`, `fallback_fails`, `failure_is_called_deployment_failed` |
//! | STARTED on a started application: 304 | 3c, 7 | CLI; others say a roll | `started_again_rolls` |
//! | the list has `status` and `application.status` | 3c | DX | `list_has_no_status` |
//! | a stopped application is APPLIED and NOT_RUNNING | 3c | DX; the top word not confirmed | `stopped_is_shown_at_top` |
//! | dates are ISO text, or epoch milliseconds | 3c | DX; MMP | `dates_as_epoch_millis` |
//! | CloudHub 1.0: GET, and PUT as a form (`appInfoJson`, `autoStart`) or JSON | 3b | DX, CLI, MMP | |
//! | the `properties` sent replace the stored ones | 3b, 3d | CLI, MMP; the server's rule inferred | `sent_properties_merge` |
//! | hidden properties are named in `propertiesOptions`; their values never come back; they stay hidden | 3b | docs; what is shown not confirmed | `hidden_view` |
//! | the old version goes on until the new one has started; `deploymentUpdateStatus` tells of it | 3b, 3c | docs, CLI; not in DX | `update_status_absent` |
//! | `status: restart` restarts | 3b | CLI; DX lists start and stop | `restart_is_unknown`, `restart_answers_304` |
//! | 25 requests/s per address (75 in the US), 503 | 3b | docs | |
//! | hybrid: a form without a file deploys the same artifact again; JSON starts and stops | 3d | DX, MMP, CLI | |
//! | hybrid: a GET shows the properties, in `data` | 3d | not confirmed; MMP, CLI; DX | `hybrid_properties_hidden`, `hybrid_answers_without_data` |
//! | hybrid: `STARTING`, then `STARTED`; 202 with the application | 3d | DX; MMP | `hybrid_progress_is_desired`, `hybrid_patch_answers_200` |
//! | 15 requests/s per address, 429; perhaps 503; perhaps with headers | 2.5, 3c, 4 | docs | `limit_answers_503`, `limit_headers` |
//! | another PATCH during a roll supersedes it | | not confirmed | `patch_during_roll_conflicts` |
//! | `PATCH .../secrets/{id}` with `{"value"}` does not exist | 5 | no source has it | `secret_value_endpoint` |
//!
//! Not played: locks (a no-op), grants, clones, renaming and deleting groups, patching stores, looking
//! inside of binary ones, pinsets.

mod accounts;
mod answer;
mod app;
mod application_view;
mod applications;
mod cloudhub;
mod deployment;
mod environment;
mod gate;
mod groups;
mod history;
mod hybrid;
mod limits;
mod lost;
mod multipart;
mod receiver;
mod requests;
mod rules;
mod secret_handles;
mod secret_types;
mod secret_value;
mod shared_secrets;
mod store_types;
mod stores;
mod token;
mod visit;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, patch, post};
use jiff::SignedDuration;
use rustls::ServerConfig;

pub use self::app::{App, Redeploy};
pub use self::deployment::{DesiredState, UpdateStrategy};
pub use self::environment::Environment;
pub use self::groups::GroupState;
pub use self::history::{
    AppHistory, DeploymentWrite, Map, Ran, ReplicaView, RollResult, SecretWrite, StoreWrite, ValueWrite,
};
pub use self::lost::{Lands, LostWrite, Seen};
pub use self::receiver::Receiver;
pub use self::requests::{Endpoint, Requests};
pub use self::rules::{EmptySecure, HiddenView, Rules};
pub use self::secret_handles::{SecretGroup, SharedSecret, Store};
pub use self::store_types::{Parts, Stores};

use self::deployment::{Deployment, Home};
use self::groups::Group;
use self::world::{Place, Shared};
use crate::faults::Faults;
use crate::server::{self, RequestLog, Server};

/// No properties, for [`Anypoint::deploy`].
pub const NONE: [(&str, &str); 0] = [];

/// One connected app and one organization with one environment; more of these can be added.
/// It stops when it is dropped.
#[derive(Debug)]
pub struct Anypoint {
    shared: Arc<Shared>,
    server: Server,
}

impl Anypoint {
    /// Starts one on a free port of 127.0.0.1, with nothing in it.
    pub async fn start() -> Self {
        Self::start_on(|builder| builder).await
    }

    /// As [`Anypoint::start`], and speaks TLS.
    pub async fn start_tls(config: ServerConfig) -> Self {
        Self::start_on(|builder| builder.tls(config)).await
    }

    async fn start_on(listen: impl FnOnce(server::Builder) -> server::Builder) -> Self {
        let shared = Arc::new(Shared::new());
        let tag = |parts: &http::request::Parts, _: &bytes::Bytes| {
            Endpoint::of(&parts.method, parts.uri.path()).tag().to_owned()
        };
        let server = listen(Server::builder(router(&shared)).tag(tag)).start().await;
        Self { shared, server }
    }

    /// What takes the place of `https://anypoint.mulesoft.com`; no slash at the end.
    pub fn base_url(&self) -> String {
        self.server.url()
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The organization's id.
    pub fn organization(&self) -> String {
        self.shared.lock().organization.clone()
    }

    /// The environment's id.
    pub fn environment(&self) -> String {
        self.shared.lock().environment.clone()
    }

    /// One more environment, for applications only: in a business group of its own, or in the first.
    pub fn add_environment(&self, own_group: bool) -> Environment {
        let mut world = self.shared.lock();
        let id = || uuid::Uuid::new_v4().to_string();
        let organization = if own_group { id() } else { world.organization.clone() };
        let place = Place { organization, environment: id() };
        world.further.push(place.clone());
        Environment { shared: Arc::clone(&self.shared), place }
    }

    /// The connected app's id.
    pub fn client_id(&self) -> String {
        self.shared.lock().accounts.client_id.clone()
    }

    /// The connected app's secret.
    pub fn client_secret(&self) -> String {
        self.shared.lock().accounts.client_secret.clone()
    }

    /// Gives the connected app a new secret; the old one is refused from now on, tokens live on.
    pub fn set_client_secret(&self, secret: &str) {
        secret.clone_into(&mut self.shared.lock().accounts.client_secret);
    }

    /// Makes every token useless, as if it had expired.
    pub fn expire_tokens(&self) {
        self.shared.lock().accounts.revoke_all();
    }

    /// How long later tokens live; whole seconds are shown in `expires_in`.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
        self.shared.lock().accounts.lifetime = lifetime;
    }

    /// How many tokens were handed out.
    pub fn tokens_minted(&self) -> u64 {
        self.shared.lock().accounts.minted
    }

    /// How many of them are good now.
    pub fn tokens_live(&self) -> usize {
        let world = self.shared.lock();
        world.accounts.live(world.now())
    }

    /// Takes a scope from the connected app, or gives it back. Scopes: `read:applications`,
    /// `manage:application_settings`, `read:secrets_metadata`, `manage:secrets`, `manage:secret_groups`,
    /// `view:environment`.
    pub fn grant(&self, scope: &str, granted: bool) {
        let denied = &mut self.shared.lock().denied;
        if granted {
            denied.remove(scope);
        } else {
            denied.insert(scope.to_owned());
        }
    }

    /// Allows so many token requests per minute; `None` allows any number.
    pub fn set_login_limit(&self, per_minute: Option<u32>) {
        self.shared.lock().logins.limit = per_minute;
    }

    /// Allows so many Application Manager requests per second and address (15 at first).
    pub fn set_application_manager_limit(&self, per_second: Option<u32>) {
        self.shared.lock().application_manager.limit = per_second;
    }

    /// Allows so many Secrets Manager requests per second and address; any number at first, as no limit
    /// is published.
    pub fn set_secrets_manager_limit(&self, per_second: Option<u32>) {
        self.shared.lock().secrets_manager.limit = per_second;
    }

    /// Allows so many CloudHub requests per second and address (25 at first).
    pub fn set_cloudhub_limit(&self, per_second: Option<u32>) {
        self.shared.lock().cloudhub.limit = per_second;
    }

    /// How many CloudHub requests were over its limit.
    pub fn over_cloudhub_limit(&self) -> u64 {
        self.shared.lock().cloudhub.refused()
    }

    /// How many Application Manager requests were over its limit. A relay that paces itself causes none.
    pub fn over_application_manager_limit(&self) -> u64 {
        self.shared.lock().application_manager.refused()
    }

    /// How many token requests were over the login limit.
    pub fn over_login_limit(&self) -> u64 {
        self.shared.lock().logins.refused()
    }

    /// Changes what is not known about Anypoint.
    pub fn rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.shared.lock().rules);
    }

    /// The faults of its server; [`Endpoint::tag`] names a call for them.
    pub fn faults(&self) -> &Faults {
        self.server.faults()
    }

    /// Every request that came, with headers and bodies.
    pub fn log(&self) -> &RequestLog {
        self.server.log()
    }

    /// How often each call was made.
    pub fn requests(&self) -> Requests {
        Requests::count(self.server.log())
    }

    /// How often somebody deleted the environment or the organization. A relay must never.
    pub fn wiped(&self) -> u64 {
        self.shared.lock().wiped
    }

    /// Stops its clock: time passes only by [`Anypoint::advance`] from now on.
    pub fn stop_clock(&self) {
        let mut world = self.shared.lock();
        world.stopped = Some(crate::time::now());
    }

    /// Sets its clock forward: rolls go on, tokens expire.
    pub fn advance(&self, by: Duration) {
        self.shared.lock().ahead += SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    }

    /// Shifts the clock that stamps `modifiedAt` against the machine's.
    pub fn shift_modified_at(&self, by: SignedDuration) {
        self.shared.lock().modified_at_shift = by;
    }

    /// The next write (deployment PATCH, shared secret POST or PUT, value PATCH) that is let in gets lost in
    /// this way; further calls queue up for the writes after it.
    pub fn lose_next_write(&self, lost: LostWrite) {
        self.shared.lock().lost.push_back((None, lost));
    }

    /// The same for the next write by this call; others pass.
    pub fn lose_next_write_of(&self, call: Endpoint, lost: LostWrite) {
        self.shared.lock().lost.push_back((Some(call), lost));
    }

    /// No further write gets lost.
    pub fn lose_no_more(&self) {
        self.shared.lock().lost.clear();
    }

    /// How many writes wait to land.
    pub fn held_writes(&self) -> usize {
        self.shared.lock().held.len()
    }

    /// Lets the waiting writes land, in the order they came; gives the status of each.
    pub fn release_held_writes(&self) -> Vec<u16> {
        let mut world = self.shared.lock();
        let held = std::mem::take(&mut world.held);
        held.iter().map(|write| write.perform(&mut world).status.as_u16()).collect()
    }

    /// An application that runs with these properties in one replica. Rolls are quick.
    pub fn deploy<N: Into<String>, V: Into<String>>(
        &self,
        name: &str,
        properties: impl IntoIterator<Item = (N, V)>,
        secure: impl IntoIterator<Item = (N, V)>,
    ) -> App {
        App::deploy(&self.shared, None, name, properties, secure)
    }

    /// An application of CloudHub 1.0 that hides the second of its two groups of properties.
    pub fn deploy_cloudhub<N: Into<String>, V: Into<String>>(
        &self,
        domain: &str,
        properties: impl IntoIterator<Item = (N, V)>,
        hidden: impl IntoIterator<Item = (N, V)>,
    ) -> App {
        self.deploy_on(domain, properties, hidden, |deployment| {
            domain.clone_into(&mut deployment.id);
            let hidden = deployment.spec().secure.keys().cloned().collect();
            deployment.home = Home::CloudHub { hidden };
        })
    }

    /// An application on a server or server group. It stops while it is deployed anew.
    pub fn deploy_hybrid<N: Into<String>, V: Into<String>>(
        &self,
        name: &str,
        server: &str,
        properties: impl IntoIterator<Item = (N, V)>,
    ) -> App {
        let number = self.shared.lock().deployments.len() as u64;
        self.deploy_on(name, properties, [], |deployment| {
            deployment.id = (4200 + number).to_string();
            deployment.strategy = UpdateStrategy::Recreate;
            deployment.home = Home::Hybrid { server: server.to_owned(), server_id: 70 + number };
        })
    }

    fn deploy_on<N: Into<String>, V: Into<String>>(
        &self,
        name: &str,
        properties: impl IntoIterator<Item = (N, V)>,
        secure: impl IntoIterator<Item = (N, V)>,
        home: impl FnOnce(&mut Deployment),
    ) -> App {
        App::deploy_as(&self.shared, None, name, properties, secure, home)
    }

    /// The application of this name, or of this id.
    ///
    /// # Panics
    /// If there is none.
    pub fn app(&self, name: &str) -> App {
        let world = self.shared.lock();
        let found =
            world.deployments.iter().find(|deployment| deployment.name == name || deployment.id == name);
        let found = found.unwrap_or_else(|| panic!("the sandbox has no application {name}"));
        App::new(&self.shared, found.id.clone())
    }

    /// What each replica of an application runs with; see [`App::running`].
    ///
    /// # Panics
    /// If there is no application of this name.
    pub fn running(&self, name: &str) -> Vec<ReplicaView> {
        self.app(name).running()
    }

    /// All that happened to an application; see [`App::history`].
    ///
    /// # Panics
    /// If there is no application of this name.
    pub fn history(&self, name: &str) -> AppHistory {
        self.app(name).history()
    }

    /// A secret group.
    pub fn add_group(&self, name: &str) -> SecretGroup {
        let mut world = self.shared.lock();
        let group = Group::new(name, false, "setup", world.stamp());
        let held = SecretGroup::new(&self.shared, group.id.clone());
        world.groups.push(group);
        held
    }

    /// A secret for the seed document's call, which exists only under [`Rules::secret_value_endpoint`].
    pub fn add_secret_value(&self, id: &str) {
        self.shared.lock().values.entry(id.to_owned()).or_default();
    }

    /// Every value that call was given for it, oldest first.
    pub fn secret_values(&self, id: &str) -> Vec<ValueWrite> {
        self.shared.lock().values.get(id).cloned().unwrap_or_default()
    }
}

fn router(shared: &Arc<Shared>) -> Router {
    const SECRETS: &str = "/secrets-manager/api/v1/organizations/{org}/environments/{env}";
    const APPLICATIONS: &str = "/amc/application-manager/api/v2/organizations/{org}/environments/{env}";
    const VALUES: &str = "/secrets/api/v1/organizations/{org}/environments/{env}/secrets/{id}";

    let group = "/secretGroups/{group}";
    let secrets = Router::new()
        .route("/secretGroups", get(groups::list).post(groups::post))
        .route(group, get(groups::get))
        .route(&format!("{group}/sharedSecrets"), get(shared_secrets::list).post(shared_secrets::post_one))
        .route(
            &format!("{group}/sharedSecrets/{{id}}"),
            get(shared_secrets::get).put(shared_secrets::put_one).patch(shared_secrets::patch_one),
        )
        .route(&format!("{group}/{{list}}"), get(stores::list).post(stores::post_one))
        .route(&format!("{group}/{{list}}/{{id}}"), get(stores::get).put(stores::put_one))
        .layer(from_fn_with_state(Arc::clone(shared), gate::secrets));
    let applications = Router::new()
        .route("/deployments", get(applications::list))
        .route("/deployments/{id}", get(applications::get).patch(applications::patch_one))
        .layer(from_fn_with_state(Arc::clone(shared), gate::applications));
    let cloudhub = Router::new()
        .route("/v2/applications/{domain}", get(cloudhub::get).put(cloudhub::put_one))
        .route("/applications/{domain}/status", post(cloudhub::status_one))
        .layer(from_fn_with_state(Arc::clone(shared), gate::cloudhub));
    Router::new()
        .route("/hybrid/api/v1/applications", get(hybrid::list))
        .route("/hybrid/api/v1/applications/{id}", get(hybrid::get).patch(hybrid::patch_one))
        .nest("/cloudhub/api", cloudhub)
        .route("/accounts/api/v2/oauth2/token", post(token::mint))
        .route("/accounts/api/me", get(accounts::me))
        .route("/accounts/api/organizations/{org}/environments", get(accounts::environments))
        .nest(SECRETS, secrets)
        .route(SECRETS, delete(groups::wipe))
        .route("/secrets-manager/api/v1/organizations/{org}", delete(groups::wipe))
        .nest(APPLICATIONS, applications)
        .route(VALUES, patch(secret_value::patch_one))
        .with_state(Arc::clone(shared))
}
