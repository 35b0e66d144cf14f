//! Where an application is that is not on the platform which its target names.
//!
//! Asked only when it was not found, once for each other interface, by the look that a run would make there.
//! CloudHub 2.0 and Runtime Fabric share one interface, which is the same for the relay.

use std::sync::Arc;
use std::time::Duration;

use super::Examination;
use super::finding::Finding;
use super::targets::access;
use crate::app::App;
use crate::config::{self, CloudHubSettings, Config, HybridSettings, Platform, Target, TargetKind};
use crate::model::{Failure, FailureCode};

/// A failure of a target; with the line to change, where another platform has its application.
pub(super) async fn failed(
    exam: &Examination,
    target: &Target,
    subject: String,
    failure: &Failure,
) -> Finding {
    let finding = Finding::failed(subject, failure);
    let TargetKind::Application(application) = &target.kind else { return finding };
    if failure.code != FailureCode::NotFound {
        return finding;
    }
    for (platform, setting) in others(&application.platform) {
        let mut moved = target.clone();
        if let TargetKind::Application(application) = &mut moved.kind {
            Arc::make_mut(application).platform = platform;
        }
        if is_there(exam, moved).await {
            let (found, configured) = (&finding.found, application.platform.as_str());
            let found = format!("{found}; but {setting} has one");
            let mend =
                format!("set `platform` of target {} to {setting} in place of {configured}", target.name);
            return Finding { found, mend: Some(mend), ..finding };
        }
    }
    finding
}

/// The platforms behind other interfaces, and what `platform:` is for them.
fn others(configured: &Platform) -> Vec<(Platform, &'static str)> {
    // Nothing is written, so nothing has to settle.
    let settle = Duration::ZERO;
    let mut all = vec![
        (Platform::CloudHub2, "cloudhub2 (or rtf)"),
        (Platform::CloudHub(CloudHubSettings { settle, restarts: false }), "cloudhub"),
        (Platform::Hybrid(HybridSettings { settle, server: None, owns_all_properties: false }), "hybrid"),
    ];
    let shared = if matches!(configured, Platform::Rtf) { &Platform::CloudHub2 } else { configured };
    all.retain(|(platform, _)| platform.as_str() != shared.as_str());
    all
}

async fn is_there(exam: &Examination, target: Target) -> bool {
    let name = target.name.clone();
    let mut config = Config { audit: None, admin: None, receipts: None, ..exam.config.clone() };
    config.ingress = config::Ingress::default();
    config.connections.retain(|connection, _| target.kind.connection() == Some(connection));
    config.targets = [(name.clone(), target)].into();
    match App::build(config, access(exam), exam.edges.clone()).await {
        Ok(app) => matches!(app.look(&name).await, Some(Ok(_))),
        Err(_) => false,
    }
}
