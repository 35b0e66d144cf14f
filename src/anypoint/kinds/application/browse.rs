//! The applications that can be chosen from, and the names of what one hides: by the calls that a run makes.
//!
//! CloudHub 1.0 is not here: no run lists its applications.

use std::collections::BTreeSet;

use super::platform::Api;
use super::{READ_SCOPE, cloudhub2, hybrid};
use crate::anypoint::browse::List;
use crate::anypoint::call::{Call, Purpose, Verb};
use crate::anypoint::connection::Connection;
use crate::anypoint::error::bad_answer;
use crate::model::Failure;

/// A list of applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Of the Application Manager: CloudHub 2.0 and Runtime Fabric, which it does not tell apart.
    ApplicationManager,
    /// Of hybrid servers.
    Hybrid,
}

impl Shelf {
    fn api(self) -> &'static dyn Api {
        match self {
            Shelf::ApplicationManager => &cloudhub2::ApplicationManager,
            Shelf::Hybrid => &hybrid::Hybrid,
        }
    }

    /// The applications of the connection's environment.
    pub async fn applications(self, connection: &Connection) -> Result<List, Failure> {
        connection.list(self.get(connection, None, "listing the applications".to_owned())).await
    }

    /// The names of the secure properties of the application with this id. Values of others are in the answer
    /// too (clear properties); they end here.
    pub async fn secure_names(self, connection: &Connection, id: &str) -> Result<BTreeSet<String>, Failure> {
        let doing = format!("reading {} {id:?}", self.api().noun());
        let reply = connection.send(self.get(connection, Some(id), doing.clone())).await?;
        let stored = self.api().parse(reply.body.expose_bytes());
        stored.map(|stored| stored.secure).map_err(|what| bad_answer(&doing, what))
    }

    fn get(self, connection: &Connection, id: Option<&str>, doing: String) -> Call {
        let api = self.api();
        let settings = "the ids of organization and environment".to_owned();
        let purpose = Purpose { doing, scope: READ_SCOPE, settings };
        let path = api.path(connection.config(), id);
        Call { verb: Verb::Get, path, family: api.family(), body: None, purpose }
    }
}
