//! What the relay reads and keeps on its own machine, and the credentials of those who call it.
//!
//! Nothing is created or locked to find out: whether a file may be written is asked of the system (access(2)),
//! which knows of users and modes, and not of a full disk.

use std::path::Path;

use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{Access, access};

use super::finding::{Finding, Verdict};
use super::{Examination, side_by_side};
use crate::app::App;
use crate::config::{self, AuditTo, Config, EventBridgeAuth, TriggerKeyKind};
use crate::credential::CredentialRef;
use crate::http::tls::{self, Tls, TlsError};
use crate::sync::memory::Memory;
use crate::telemetry::audit::Key;

/// A certificate that ends sooner deserves a look.
const SOON: SignedDuration = SignedDuration::from_hours(21 * 24);
const RENEW: &str =
    "put a renewed certificate and its key in the place of these: the relay reads them again by itself";
const RENEW_AND_RESTART: &str = "put a renewed certificate and its key in the place of these, and restart the relay, which reads them then alone";

pub(super) async fn check(exam: &Examination) -> Vec<Finding> {
    let config = &exam.config;
    let now = exam.edges.clock.timestamp();
    let mut findings = Vec::new();
    let admin_tls = config.admin.as_ref().and_then(|admin| admin.tls.as_ref());
    for (setting, files) in [("tls", config.tls.as_ref()), ("admin.tls", admin_tls)] {
        if let Some(files) = files {
            findings.push(match Tls::load(files).await {
                Ok(tls) => certificate(setting, tls.expires(), now, RENEW),
                Err(error) => unusable(setting, files, &error),
            });
        }
    }
    for (name, connection) in &config.connections {
        let Some(shown) = &connection.channel.client_certificate else { continue };
        // One that cannot be read is told with its connection.
        if let Ok(end) = tls::end_of(&shown.certificate).await {
            let setting = format!("client_certificate of connection {name}");
            findings.push(certificate(&setting, end, now, RENEW_AND_RESTART));
        }
    }
    findings.extend(config.receipts.as_deref().map(receipts));
    if let Some(AuditTo::File(file)) = config.audit.as_ref().map(|audit| &audit.to) {
        findings.push(audit(file));
    }
    let checks = credentials(config).into_iter().map(|(setting, place, is_key)| {
        (setting.clone(), async move { credential(exam, setting, place, is_key).await })
    });
    let read: Vec<Finding> =
        side_by_side(checks).map(|found| found.unwrap_or_else(|late| late)).collect().await;
    findings.extend(read);
    findings.push(start(exam, &findings).await);
    if let Some(topic) = &config.alerts.topic {
        let found = "nothing is published, so sns:Publish shows at the first alert";
        findings.push(Finding::new(Verdict::NotTried, format!("alerts topic {topic}"), found));
    }
    findings
}

fn certificate(setting: &str, expires: Timestamp, now: Timestamp, mend: &str) -> Finding {
    let left = expires.duration_since(now);
    let days = left.as_hours() / 24;
    let (verdict, found) = if left <= SignedDuration::ZERO {
        (Verdict::Failed, format!("the certificate ended at {expires}"))
    } else if left < SOON {
        (Verdict::Warning, format!("the certificate ends in {days} days, at {expires}"))
    } else {
        return Finding::ok(setting, format!("certificate and key go together, until {expires}"));
    };
    Finding::new(verdict, setting, found).mend(mend)
}

fn unusable(setting: &str, files: &config::Tls, error: &TlsError) -> Finding {
    let (certificate, key) = (files.certificate.display(), files.key.display());
    let mend = match error {
        TlsError::Unreadable(file, _) => {
            format!("put {file} there and let the relay's user read it, or correct `{setting}`")
        }
        TlsError::NoCertificate(file) => {
            format!("put the certificate into {file} as PEM, followed by those up to the root")
        }
        TlsError::NoKey(file) => format!("put the key into {file} as PEM, not encrypted"),
        TlsError::Mismatch { .. } => {
            format!("put the key of {certificate} into {key}, or its certificate there")
        }
        TlsError::ClientCa(file, _) => format!("put the CA of the clients into {file} as PEM"),
    };
    Finding::new(Verdict::Failed, setting, error.to_string()).mend(mend)
}

/// It is replaced as a whole, so its folder has to let the relay write.
fn receipts(file: &Path) -> Finding {
    let subject = format!("receipts {}", file.display());
    if let Err(error) = Memory::open(file) {
        return Finding::new(Verdict::Failed, subject, format!("cannot be read: {error}"))
            .mend("let the relay's user read it; a file of something else belongs somewhere else");
    }
    match access(folder(file), Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if file.exists() => Finding::ok(subject, "can be read and replaced"),
        Ok(()) => Finding::ok(subject, "is not there yet, and can be created"),
        Err(error) => folder_refuses(subject, file, error),
    }
}

fn audit(file: &Path) -> Finding {
    let subject = format!("audit {}", file.display());
    match std::fs::metadata(file) {
        Ok(found) if !found.is_file() => Finding::new(Verdict::Failed, subject, "it is not a regular file")
            .mend("name a file under `audit.to`"),
        Ok(_) => match access(file, Access::READ_OK | Access::WRITE_OK) {
            Ok(()) => Finding::ok(subject, "can be read and written"),
            Err(error) => {
                Finding::new(Verdict::Failed, subject, format!("cannot be read and written: {error}"))
                    .mend("let the relay's user read and write it")
            }
        },
        Err(_) => match access(folder(file), Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => Finding::ok(subject, "is not there yet, and can be created"),
            Err(error) => folder_refuses(subject, file, error),
        },
    }
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn folder_refuses(subject: String, file: &Path, error: rustix::io::Errno) -> Finding {
    let folder = folder(file).display();
    Finding::new(Verdict::Failed, subject, format!("nothing can be created in {folder}: {error}"))
        .mend(format!("create {folder}, or mount it, and let the relay's user write there"))
}

/// Each with its setting, and whether it is the key of the audit.
fn credentials(config: &Config) -> Vec<(String, &CredentialRef, bool)> {
    let mut all = Vec::new();
    match config.ingress.eventbridge.as_ref().map(|eventbridge| &eventbridge.auth) {
        Some(EventBridgeAuth::ApiKey { values, .. }) => {
            all.extend(values.iter().map(|place| ("ingress.eventbridge api_key".to_owned(), place, false)));
        }
        Some(EventBridgeAuth::Basic { passwords, .. }) => {
            all.extend(passwords.iter().map(|place| ("ingress.eventbridge basic".to_owned(), place, false)));
        }
        Some(EventBridgeAuth::OAuth(_)) | None => {}
    }
    for key in config.ingress.trigger.iter().flat_map(|trigger| &trigger.keys) {
        if let TriggerKeyKind::Shared(place) = &key.key {
            all.push((format!("ingress.trigger key {}", key.id), place, false));
        }
    }
    if let Some(admin) = &config.admin {
        all.extend(admin.tokens.iter().map(|place| ("admin.token".to_owned(), place, false)));
        all.extend(admin.operators.iter().map(|place| ("admin.operator_token".to_owned(), place, false)));
    }
    all.extend(config.audit.as_ref().map(|audit| ("audit.key".to_owned(), &audit.key, true)));
    all
}

async fn credential(exam: &Examination, setting: String, place: &CredentialRef, is_key: bool) -> Finding {
    match exam.credentials.read(place).await {
        Ok(value) => match Key::new(&value) {
            Err(error) if is_key => Finding::new(Verdict::Failed, setting, error.to_string())
                .mend(format!("put a longer key into {place}")),
            _ => Finding::ok(setting, format!("{place} can be read")),
        },
        Err(error) => Finding::new(Verdict::Failed, setting, error.to_string())
            .mend(format!("make {place} readable where the relay runs, or correct the setting")),
    }
}

/// Whether all of it goes together, by the code of a start, up to the listeners: it finds what is wrong with
/// credentials that can be read, such as a key that is too short.
async fn start(exam: &Examination, before: &[Finding]) -> Finding {
    // It would be locked, and its chain gone on with.
    let config = Config { audit: None, ..exam.config.clone() };
    let access = exam.access.with_settings(config.aws.clone());
    match App::build(config, access, exam.edges.clone()).await {
        Ok(_) => Finding::ok("start", "a relay can be put together from this file"),
        Err(error) if before.iter().any(Finding::is_failed) => {
            Finding::new(Verdict::Failed, "start", error.whole()).mend("mend what is above first")
        }
        Err(error) => Finding::new(Verdict::Failed, "start", error.whole()).mend("correct what it names"),
    }
}
