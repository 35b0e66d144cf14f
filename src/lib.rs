//! anypoint-relay: AWS rotated a secret, so the Mule applications that need it run with the new value.
//!
//! Reading order: [`sync`] is the one path that every change takes; [`model`] has its words; [`queue`]
//! decides when it runs; [`ingress`] and [`reconcile`] decide that it should; [`aws`] and [`anypoint`]
//! are the two outsides behind the traits of [`sync::ports`]; [`app`] wires everything.
//! `docs/ARCHITECTURE.md` tells the life of a rotation.

pub mod admin;
pub mod alerts;
pub mod anypoint;
pub mod app;
pub mod aws;
pub mod cli;
pub mod clock;
pub mod config;
pub mod credential;
pub mod doctor;
pub mod events;
pub mod http;
pub mod index;
pub mod ingress;
pub mod inspect;
pub mod intake;
pub mod jwks;
pub mod lifecycle;
pub mod model;
pub mod outbound;
pub mod queue;
pub mod reconcile;
pub mod secret;
pub mod status;
pub mod sync;
pub mod telemetry;
pub mod verify;
pub mod webhook_signature;
pub mod worker;
