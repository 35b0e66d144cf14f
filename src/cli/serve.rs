//! `anypoint-relay serve`: from the file to a running relay.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::mpsc;

use super::hardening::Hardening;
use super::quiet;
use super::watch_file::WatchedFile;
use crate::app::{App, Edges};
use crate::aws::Access;
use crate::config::{self, Config};
use crate::lifecycle::Lifecycle;
use crate::telemetry::logging;

/// Running syncs may take this long once the drain has started. Kubernetes gives 30 s.
const DRAIN: Duration = Duration::from_secs(25);

/// Runs the relay until a signal ends it.
pub(super) async fn serve(file: &Path, quiet: bool, hardening: &Hardening) -> anyhow::Result<()> {
    let text = config::read(file)?;
    let config = config::parse_here(&text, file)?;
    logging::init(&quiet::log(&config.log, quiet))?;
    announce(&config, hardening);

    let access = Access::new(config.aws.clone());
    let app = App::build(config, access, Edges::default()).await.context("the relay cannot start")?;
    let bound = app.bind().await?;
    let lifecycle = Lifecycle::default();
    // Before it says that it listens: whoever has read that may end it in good order.
    let signals = lifecycle.clone().watch_signals().context("signals cannot be watched")?;
    tracing::info!(hooks = %bound.hooks_addr()?, "listening");
    if let Some(admin) = bound.admin_addr() {
        tracing::info!(admin = %admin?, "listening");
    }

    let (wanted, reloads) = mpsc::channel(1);
    let mut watched = WatchedFile::new(file, &text).context("signals cannot be watched")?;
    drop(text);
    let watching = async {
        // The relay ends before its end of the channel does.
        while wanted.send(watched.next().await).await.is_ok() {}
        std::future::pending().await
    };

    let audit = bound.audit();
    let ended = tokio::select! {
        ended = bound.run_reloading(lifecycle, DRAIN, reloads) => ended,
        never = watching => never,
        // It returns only after it has aborted everything.
        () = signals => {
            audit.end("second_signal").await;
            bail!("ended by a second signal")
        }
    };
    match ended {
        Ok(()) => {
            tracing::info!("ended");
            Ok(())
        }
        Err(reason) => bail!("the relay ended: {reason}"),
    }
}

/// What a person looking at the first lines of the log has to know.
fn announce(config: &Config, hardening: &Hardening) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        targets = config.targets.len(),
        connections = config.connections.len(),
        "anypoint-relay starts"
    );
    match &hardening.private {
        Ok(true) => {}
        Ok(false) => {
            tracing::warn!(
                "as asked, others may read this process's memory, and core dumps of it are written"
            );
        }
        Err(error) => {
            tracing::warn!(%error, "others may read this process's memory: that could not be forbidden");
        }
    }
    match &hardening.locked {
        Ok(true) => {}
        Ok(false) => {
            tracing::info!("memory is not locked: without a limit on locked memory (ulimit -l) it would be");
        }
        Err(error) => tracing::warn!(%error, "memory could not be locked: values may be written to swap"),
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    if config.receipts.is_none() {
        tracing::info!(
            "no receipts file: kinds that carry no receipt are delivered once more after a restart"
        );
    }
}
