//! Anypoint: one [`Connection`] per control plane and connected app, and the target kinds that write
//! through it.
//!
//! Reading order: [`connection`] is what the targets of one share; `caller` makes a call; `token`,
//! [`pacing`] and `error` are what a call needs; [`kinds`] has one file per kind, all of one shape: look
//! (`observe`), say what is seen, write on top of that (`apply`). A target is built once per configuration
//! by [`kinds::build`].

mod body;
mod browse;
pub mod call;
mod caller;
mod client;
pub mod connection;
pub mod error;
mod fingerprint;
mod flight;
pub mod hints;
pub mod kinds;
mod lookup;
mod multipart;
pub mod pacing;
mod token;
mod transport;
mod writers;

pub use browse::{List, Listed};
pub use caller::Reply;
pub use client::ClientError;
pub use connection::{Connection, Connections, OpenError};
pub use kinds::application::Shelf;
pub use kinds::{BuildError, HttpClients, build};
pub use pacing::Pacers;
pub use writers::Writers;
