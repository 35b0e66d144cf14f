//! What each sender is told: one test per cell of the table in `openapi.yaml`, each answer also held
//! to that document.

mod bounds;
mod eventbridge;
mod failures;
mod oauth;
mod sns;
mod trigger;

use super::testing::*;
