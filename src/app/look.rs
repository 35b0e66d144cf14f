//! Looks at what the relay would work with, for `check --online`: nothing is written, nothing remembered.

use std::sync::Arc;

use super::{App, pause};
use crate::model::{ConnectionName, Failure, Retry, TargetName};
use crate::sync::ports::Observation;

impl App {
    /// Has a connection sign in; nothing if there is none of this name.
    pub async fn sign_in(&self, connection: &ConnectionName) -> Option<Result<(), Failure>> {
        let connection = Arc::clone(self.connections.get(connection)?);
        Some(connection.sign_in().await.map_err(|error| error.failure))
    }

    /// Looks at a target in its turn, and asks AWS nothing; nothing if there is none of this name.
    pub async fn look(&self, target: &TargetName) -> Option<Result<Observation, Failure>> {
        let target = Arc::clone(&self.workshop.stations.get(target)?.target);
        loop {
            let seen = match target.ready() {
                Ok(()) => target.observe().await.map(|observed| observed.observation().clone()),
                Err(failure) => Err(failure),
            };
            match seen {
                Err(Failure { retry: Retry::Turn(turn) | Retry::Line(turn), .. }) => pause(turn).await,
                seen => return Some(seen),
            }
        }
    }
}
