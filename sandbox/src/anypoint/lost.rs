//! Writes whose answer never comes, and writes that land later than they were sent.
//!
//! Anypoint has no conditional writes, so a request that a client has given up may take effect at
//! any later time, over what was written meanwhile. Here a test says when.

use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

use super::answer::Answer;
use super::deployment::Author;
use super::hybrid::Change;
use super::requests::Endpoint;
use super::stores::Upload;
use super::world::{Shared, World};
use super::{applications, cloudhub, hybrid, secret_value, shared_secrets, stores};

/// When the write takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lands {
    /// At once.
    Now,
    /// When the test releases it.
    WhenReleased,
    /// Never.
    Never,
}

/// What the client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing: the connection stays open until the client gives up.
    Silence,
    /// This status, with a load balancer's page.
    Status(u16),
}

/// What is to happen to one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostWrite {
    /// When it takes effect.
    pub lands: Lands,
    /// What its sender sees.
    pub seen: Seen,
}

/// A write that has been let in: token, place and scope were right when it came.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Deployment {
        id: String,
        body: Value,
        by: Author,
    },
    /// With no id it is created.
    SharedSecret {
        group: String,
        id: Option<String>,
        body: Value,
        by: Author,
    },
    SecretValue {
        id: String,
        body: Value,
        by: Author,
    },
    Store {
        upload: Upload,
        by: Author,
    },
    CloudHub {
        domain: String,
        info: Value,
        by: Author,
    },
    CloudHubStatus {
        domain: String,
        status: String,
        by: Author,
    },
    Hybrid {
        id: String,
        change: Change,
        by: Author,
    },
}

impl Write {
    fn call(&self) -> Endpoint {
        match self {
            Self::Deployment { .. } => Endpoint::DeploymentPatch,
            Self::SharedSecret { id: Some(_), .. } => Endpoint::SecretPut,
            Self::SharedSecret { id: None, .. } => Endpoint::SecretPost,
            Self::SecretValue { .. } => Endpoint::ValuePatch,
            Self::Store { upload, .. } if upload.id.is_none() => Endpoint::StorePost,
            Self::Store { .. } => Endpoint::StorePut,
            Self::CloudHub { .. } => Endpoint::CloudHubPut,
            Self::CloudHubStatus { .. } => Endpoint::CloudHubStatus,
            Self::Hybrid { .. } => Endpoint::HybridPatch,
        }
    }

    pub(crate) fn perform(&self, world: &mut World) -> Answer {
        match self {
            Self::Deployment { id, body, by } => applications::patch(world, id, body, by),
            Self::SharedSecret { group, id: Some(id), body, by } => {
                shared_secrets::put(world, group, id, body, by)
            }
            Self::SharedSecret { group, id: None, body, by } => shared_secrets::post(world, group, body, by),
            Self::SecretValue { id, body, by } => secret_value::patch(world, id, body, by),
            Self::Store { upload, by } => stores::write(world, upload, by),
            Self::CloudHub { domain, info, by } => cloudhub::put(world, domain, info, by),
            Self::CloudHubStatus { domain, status, by } => cloudhub::status(world, domain, status, by),
            Self::Hybrid { id, change, by } => hybrid::patch(world, id, change, by),
        }
    }
}

/// Carries out a write, or loses it if a test asked for that.
pub(crate) async fn carry_out(shared: &Arc<Shared>, write: Write) -> Answer {
    let seen = {
        let mut world = shared.lock();
        let meant = world.lost.iter().position(|(call, _)| call.is_none_or(|call| call == write.call()));
        let Some((_, lost)) = meant.and_then(|place| world.lost.remove(place)) else {
            return write.perform(&mut world);
        };
        match lost.lands {
            Lands::Now => drop(write.perform(&mut world)),
            Lands::WhenReleased => world.held.push(write),
            Lands::Never => {}
        }
        lost.seen
    };
    match seen {
        Seen::Silence => std::future::pending().await,
        Seen::Status(status) => Answer::text(
            StatusCode::from_u16(status).unwrap_or(StatusCode::GATEWAY_TIMEOUT),
            "<html><body>upstream request timeout</body></html>",
        ),
    }
}
