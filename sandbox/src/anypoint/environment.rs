//! A further environment beside the first: it has applications, found there and nowhere else.

use std::sync::Arc;

use super::app::App;
use super::world::{Place, Shared};

/// An environment that was added.
#[derive(Clone, Debug)]
pub struct Environment {
    pub(super) shared: Arc<Shared>,
    pub(super) place: Place,
}

impl Environment {
    /// The id of its organization (business group).
    pub fn organization(&self) -> &str {
        &self.place.organization
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.place.environment
    }

    /// An application of it; see [`super::Anypoint::deploy`].
    pub fn deploy<N: Into<String>, V: Into<String>>(
        &self,
        name: &str,
        properties: impl IntoIterator<Item = (N, V)>,
        secure: impl IntoIterator<Item = (N, V)>,
    ) -> App {
        App::deploy(&self.shared, Some(self.place.clone()), name, properties, secure)
    }
}
