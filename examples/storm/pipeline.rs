//! A pipeline of somebody else, which redeploys applications as it likes.

use anypoint_sandbox::anypoint::{App, Endpoint, Redeploy};

use crate::collect::tenures;
use crate::history::{Field, RECEIPT};
use crate::mix::Platform;
use crate::schedule;
use crate::world::{Target, World};

/// The secure property that the relay does not know of.
const VISITOR: &str = "pipeline.token";

/// Redeploys a target's application. False if it leaves it alone: it is none, or a pipeline waits.
pub(crate) fn redeploy(world: &World, target: &Target, how: schedule::Redeploy, number: usize) -> bool {
    let (Some(app), Some(platform)) = (target.app(), target.draft.platform()) else { return false };
    let application_manager = matches!(platform, Platform::CloudHub2 | Platform::Rtf);
    let redeploy = match how {
        // Where no version is shown, a copied receipt can't be told from our own: a known limit.
        schedule::Redeploy::OldValues if application_manager => {
            if !is_settled(world, app) {
                return false;
            }
            with_old_values(world, target)
        }
        schedule::Redeploy::Visitor if application_manager => {
            Redeploy::of_stored().secure(VISITOR, "a token of the pipeline")
        }
        schedule::Redeploy::Own => Redeploy::of_stored().property("build", &number.to_string()),
        schedule::Redeploy::OldValues | schedule::Redeploy::Visitor | schedule::Redeploy::Original => {
            Redeploy::of_original()
        }
    };
    app.foreign_redeploy(redeploy);
    true
}

/// Takes back what the relay rightly refuses to write over.
pub(crate) fn visitors_leave(world: &World) {
    let apps = world.targets.iter().filter_map(Target::app);
    for app in apps.filter(|app| app.desired_secure().contains_key(VISITOR)) {
        app.foreign_redeploy(Redeploy::of_original());
    }
}

/// What is stored, receipt included, but with the values of a version from before.
fn with_old_values(world: &World, target: &Target) -> Redeploy {
    let mut redeploy = Redeploy::of_stored();
    for part in target.draft.parts.iter().filter(|part| part.field != Field::Version) {
        let tenures = world.secrets.get(part.secret).map(tenures).unwrap_or_default();
        let before = tenures.iter().rev().nth(1);
        let Some(old) = before.map(|tenure| tenure.field(part.field)) else { continue };
        redeploy = if target.draft.hides(part) {
            redeploy.secure(&part.name, old)
        } else {
            redeploy.property(&part.name, old)
        };
    }
    redeploy
}

/// Whether the relay's last write was answered. If the answers to two tries in a row were lost, what is there
/// cannot be told from a copy and is believed (`docs/decisions/0003`): nobody could do better.
fn is_settled(world: &World, app: &App) -> bool {
    let patch = Endpoint::DeploymentPatch.tag();
    let writes = world.anypoint.log().matching(|seen| seen.tag == patch && seen.path.ends_with(app.id()));
    let answered = writes
        .last()
        .is_some_and(|last| last.fault.is_none() && last.status.is_some_and(|status| status.is_success()));
    answered && !app.is_rolling() && app.desired_properties().contains_key(RECEIPT)
}
