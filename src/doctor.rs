//! The doctor, `check --online`: tries each thing that the relay will depend on, and writes nothing anywhere.
//!
//! It asks what a run would ask, by the same code, so its answers are the relay's own. Guarantees: values are
//! dropped as soon as they were read; of AWS and Anypoint only what reads is called, and tokens are asked for;
//! every check ends within a time; what failed does not hide a later check that does not depend on it.
//!
//! It does not foresee what a look does not show: a scope that only the write needs, a firewall on the way of
//! the senders, what has changed between its look and the start. It publishes no alert.

mod eventbridge;
mod files;
mod finding;
mod identity;
mod issuer;
mod platforms;
mod policy;
mod secrets;
mod targets;
mod topics;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};

pub use finding::{Finding, Statement, Verdict};
use policy::Known;

use crate::app::Edges;
use crate::aws::{Access, SecretsManager};
use crate::config::Config;
use crate::credential::{CredentialReader, Credentials};

/// Checks of one sort that run at once.
const AT_ONCE: usize = 8;
/// Longest time for one check. A call has its own, shorter limit; a check that waits for its turn among many
/// targets takes longest.
const LIMIT: Duration = Duration::from_mins(3);

/// What the checks share.
struct Examination {
    config: Config,
    access: Arc<Access>,
    aws: Arc<SecretsManager>,
    credentials: Arc<dyn Credentials>,
    edges: Edges,
    known: Known,
}

/// Tries everything, and says what was found in a fixed order.
pub async fn examine(config: Config, access: Access, edges: Edges) -> Vec<Finding> {
    let access = Arc::new(access);
    let aws = Arc::new(SecretsManager::new(Arc::clone(&access)));
    let credentials: Arc<dyn Credentials> =
        Arc::new(CredentialReader::new(Some(Arc::clone(&aws) as Arc<dyn Credentials>)));
    let mut this = Examination { config, access, aws, credentials, edges, known: Known::default() };

    let (mut findings, usable) = identity::check(&mut this).await;
    let secrets = secrets::check(&this, usable).await;
    findings.extend(secrets.findings);
    findings.extend(topics::check(&this, usable).await);
    findings.extend(eventbridge::check(&this, usable, &secrets.arns).await);
    findings.extend(issuer::check(&this).await);
    findings.extend(targets::check(&this, &secrets.unread).await);
    findings.extend(files::check(&this).await);
    findings
}

/// Runs checks side by side, each within its time, and keeps their order.
fn side_by_side<T, F>(checks: impl Iterator<Item = (String, F)>) -> impl Stream<Item = Result<T, Finding>>
where
    F: Future<Output = T>,
{
    let bounded = checks.map(|(subject, check)| async move {
        tokio::time::timeout(LIMIT, check).await.map_err(|_| {
            let found = format!("no end within {} s", LIMIT.as_secs());
            Finding::new(Verdict::Failed, subject, found)
                .mend("look at the way to AWS and Anypoint, and at who else uses their rate limits")
        })
    });
    futures_util::stream::iter(bounded).buffered(AT_ONCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_ends_as_a_failure_and_holds_up_no_other() {
        let check = |hangs| async move {
            if hangs {
                std::future::pending::<()>().await;
            }
        };
        let checks = [("slow", true), ("fast", false)];
        let checks = checks.map(|(name, hangs)| (name.to_owned(), check(hangs))).into_iter();
        let found: Vec<Result<(), Finding>> = side_by_side(checks).collect().await;
        let [Err(late), Ok(())] = &found[..] else { panic!("{found:?}") };
        assert_eq!((late.subject.as_str(), late.verdict), ("slow", Verdict::Failed));
        assert_eq!(late.found, "no end within 180 s");
        let mend = "look at the way to AWS and Anypoint, and at who else uses their rate limits";
        assert_eq!(late.mend.as_deref(), Some(mend));
    }
}
