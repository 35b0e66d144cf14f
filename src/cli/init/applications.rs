//! Organization, environment and application: listed by Anypoint where there are credentials.
//!
//! Client id and secret are read where the file will say that they are. They go to no host that looks like a slip
//! of the pen.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::choice::{Chosen, Item, choose};
use super::questions::Questions;
use super::{InitArgs, read_as_configuration, text};
use crate::anypoint::{Connection, Listed, Pacers, Shelf, Writers};
use crate::app::Edges;
use crate::config;
use crate::credential::{CredentialReader, Credentials};

/// Longest time for one call: somebody waits.
const TIMEOUT: &str = "10s";
const WHAT: &str = "environments and applications";

/// A connected app that signed in.
pub(super) struct Anypoint {
    settings: config::Connection,
    credentials: Arc<dyn Credentials>,
    edges: Edges,
    pacers: Pacers,
}

/// An application that was chosen.
pub(super) struct Application {
    pub(super) deployment: String,
    /// Where it was listed, if it was.
    pub(super) shelf: Option<Shelf>,
    /// Names of its secure properties, where they could be read.
    pub(super) secure: Option<BTreeSet<String>>,
}

impl Anypoint {
    /// Signs in, unless options make it needless; says why not.
    pub(super) async fn open(
        args: &InitArgs,
        connection: &(&'static str, String),
        questions: &mut Questions<'_>,
    ) -> anyhow::Result<Option<Self>> {
        let named = args.organization.is_some() && args.environment.is_some() && args.application.is_some();
        if args.offline || named {
            return Ok(None);
        }
        let nil = uuid::Uuid::nil().to_string();
        let draft = format!(
            "targets: {{}}\nconnections:\n{}    timeout: {TIMEOUT}\n",
            text::connection(connection, &nil, &nil)
        );
        let draft = read_as_configuration(&draft, "--host, --base-url")?;
        let Some(settings) = draft.connections.into_values().next() else { return Ok(None) };
        let settings =
            config::Connection { organization: String::new(), environment: String::new(), ..settings };
        if let Some(doubt) = draft.warnings.iter().find(|warning| warning.contains("control plane")) {
            questions.tell(&format!("{WHAT} are not listed: {doubt}"))?;
            return Ok(None);
        }
        let credentials: Arc<dyn Credentials> = Arc::new(CredentialReader::new(None));
        for place in [&settings.client_id, &settings.client_secret] {
            if let Err(missing) = credentials.read(place).await {
                questions.tell(&format!("{WHAT} are not listed: {missing}"))?;
                return Ok(None);
            }
        }
        let this = Self { settings, credentials, edges: Edges::default(), pacers: Pacers::default() };
        if let Err(error) = this.connect()?.sign_in().await {
            questions.tell_not_listed(WHAT, &error.failure)?;
            return Ok(None);
        }
        Ok(Some(this))
    }

    fn connect(&self) -> anyhow::Result<Connection> {
        let Edges { clock, lookup, .. } = &self.edges;
        let (clock, lookup) = (Arc::clone(clock), Arc::clone(lookup));
        let credentials = Arc::clone(&self.credentials);
        Ok(Connection::open(&self.settings, credentials, &self.pacers, &Writers::default(), clock, lookup)?)
    }

    /// The app's own organization, to propose it.
    pub(super) async fn own_organization(
        &self,
        questions: &mut Questions<'_>,
    ) -> anyhow::Result<Option<String>> {
        match self.connect()?.own_organization().await {
            Ok(id) => Ok(Some(id)),
            Err(failure) => {
                questions.tell_not_listed("organizations", &failure)?;
                Ok(None)
            }
        }
    }

    /// An environment of `organization`, if they can be listed.
    pub(super) async fn environment(
        &mut self,
        organization: &str,
        questions: &mut Questions<'_>,
    ) -> anyhow::Result<Option<String>> {
        organization.clone_into(&mut self.settings.organization);
        let mut list = match self.connect()?.environments(organization).await {
            Ok(list) if !list.items.is_empty() => list,
            Ok(_) => {
                questions.tell("Anypoint lists no environment of it")?;
                return Ok(None);
            }
            Err(failure) => {
                questions.tell_not_listed("environments", &failure)?;
                return Ok(None);
            }
        };
        let item =
            |Listed { name, id, .. }: &Listed| Item { name: name.clone(), id: id.clone(), note: id.clone() };
        let items: Vec<Item> = list.items.iter().map(item).collect();
        Ok(Some(match choose(questions, "Environments", "Environment", "--environment", &items)? {
            Chosen::Listed(place) => list.items.swap_remove(place).id,
            Chosen::Other(id) => id,
        }))
    }

    /// An application of the environment on the platforms that can be listed: `platform`, if it is given.
    pub(super) async fn application(
        &mut self,
        organization: &str,
        environment: &str,
        platform: Option<&str>,
        questions: &mut Questions<'_>,
    ) -> anyhow::Result<Option<Application>> {
        organization.clone_into(&mut self.settings.organization);
        environment.clone_into(&mut self.settings.environment);
        let connection = self.connect()?;
        let Some(Shown { found, partial }) = shown(&connection, platform, questions).await? else {
            return Ok(None);
        };
        let items: Vec<Item> = found.iter().map(|(shelf, one)| item(*shelf, one)).collect();
        let mut title = "Applications of the environment".to_owned();
        if partial {
            title.push_str("; there are more than Anypoint shows");
        }
        if platform.is_none() {
            title.push_str(" (those of CloudHub 1.0 are not listed)");
        }
        let place = match choose(questions, &title, "Application", "--application", &items)? {
            Chosen::Listed(place) => place,
            Chosen::Other(deployment) => {
                return Ok(Some(Application { deployment, shelf: None, secure: None }));
            }
        };
        let (home, Listed { name, id, .. }) = &found[place];
        let alike = found.iter().filter(|(other, one)| other == home && one.name == *name).count();
        let deployment = if alike > 1 || partial { id } else { name }.clone();
        let secure = match home.secure_names(&connection, id).await {
            Ok(names) => Some(names),
            Err(failure) => {
                questions.tell_not_listed("secure properties", &failure)?;
                None
            }
        };
        Ok(Some(Application { deployment, shelf: Some(*home), secure }))
    }
}

/// Applications of one or more platforms, by name.
struct Shown {
    found: Vec<(Shelf, Listed)>,
    partial: bool,
}

/// What can be listed of `platform`, or of all; none where there is nothing to choose from, which is said.
async fn shown(
    connection: &Connection,
    platform: Option<&str>,
    questions: &mut Questions<'_>,
) -> anyhow::Result<Option<Shown>> {
    let shelves: &[Shelf] = match platform {
        None => &[Shelf::ApplicationManager, Shelf::Hybrid],
        Some("cloudhub2" | "rtf") => &[Shelf::ApplicationManager],
        Some("hybrid") => &[Shelf::Hybrid],
        Some(_) => {
            questions.tell("applications are not listed: the relay knows of no list for this platform")?;
            return Ok(None);
        }
    };
    let (mut found, mut partial, mut refused) = (Vec::new(), false, false);
    for shelf in shelves {
        match shelf.applications(connection).await {
            Ok(list) => {
                partial |= list.partial;
                found.extend(list.items.into_iter().map(|one| (*shelf, one)));
            }
            Err(failure) => {
                refused = true;
                questions.tell_not_listed(&format!("applications of {}", kind(*shelf)), &failure)?;
            }
        }
    }
    if found.is_empty() {
        if !refused {
            questions.tell("Anypoint lists no application there")?;
        }
        return Ok(None);
    }
    found.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
    Ok(Some(Shown { found, partial }))
}

fn kind(shelf: Shelf) -> &'static str {
    match shelf {
        Shelf::ApplicationManager => "CloudHub 2.0 and Runtime Fabric",
        Shelf::Hybrid => "hybrid servers",
    }
}

fn item(shelf: Shelf, Listed { name, id, server }: &Listed) -> Item {
    let note = match (shelf, server) {
        (Shelf::ApplicationManager, _) => "CloudHub 2.0 or Runtime Fabric".to_owned(),
        (Shelf::Hybrid, Some(server)) => format!("hybrid, on {server}"),
        (Shelf::Hybrid, None) => "hybrid".to_owned(),
    };
    Item { name: name.clone(), id: id.clone(), note }
}
