//! From a file to a [`Config`], or to everything that is wrong with it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::path::Path;

use bumpalo::Bump;

use super::decode::{Fields, Findings, Value};
use super::document::{self, MAX_BYTES};
use super::interpolate::{self, Environment};
use super::{
    Admin, Config, ConfigErrors, alerts, audit, connections, ingress, runtime, scalar, targets, traces,
};

/// Reads the file at `path`, with the environment of this process.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    parse_here(&read(path)?, path)
}

/// What `text`, which was read from `path`, says, with the environment of this process.
pub fn parse_here(text: &str, path: &Path) -> Result<Config, ConfigErrors> {
    parse(text, &path.display().to_string(), &environment)
}

/// Where a relay can be asked whether it is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The address of the listener.
    pub listen: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
}

/// Where the relay of the file at `path` answers probes without asking for a certificate: at `listen`, else
/// at `admin`, else nowhere. Whatever else is wrong with the file.
pub fn load_probe(path: &Path) -> Result<Option<Probe>, ConfigErrors> {
    leniently(path, |fields| match probe(fields, runtime::LISTEN)? {
        Some(hooks) => Some(Some(hooks)),
        None => match fields.get("admin") {
            None => Some(Some(Probe { listen: runtime::default_admin().listen, tls: false })),
            Some(admin) if admin.written().is_some() => Some(None),
            Some(admin) => probe(&mut admin.fields("`admin`")?, runtime::default_admin().listen),
        },
    })
}

/// The probe of a listener with these settings; inside none where it asks for a certificate.
#[expect(clippy::option_option, reason = "outside: could it be read; inside: is there one")]
fn probe(fields: &mut Fields<'_>, default: SocketAddr) -> Option<Option<Probe>> {
    let listen = fields.get("listen").map_or(Some(default), |value| scalar::address(&value))?;
    let Some(tls) = fields.get("tls") else { return Some(Some(Probe { listen, tls: false })) };
    let asks = tls.is_mapping() && tls.fields("`tls`")?.get("client_ca").is_some();
    Some((!asks).then_some(Probe { listen, tls: true }))
}

/// The admin listener of the relay of the file at `path`, in the same way; none if it is switched off.
pub fn load_admin(path: &Path) -> Result<Option<Admin>, ConfigErrors> {
    leniently(path, |fields| {
        fields.get("admin").map_or(Some(Some(runtime::default_admin())), |value| runtime::admin(&value, None))
    })
}

/// What `part` reads, whatever else is wrong with the file at `path`: a relay that runs is not to be called
/// dead for an edit that it has not read.
fn leniently<T>(path: &Path, part: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Result<T, ConfigErrors> {
    let text = read(path)?;
    let findings = Findings::default();
    let pool = Bump::new();
    let found = document::read(&text, &pool, &environment, &findings).and_then(|(root, unfilled)| {
        let mut fields = Value::root(&root, &findings).fields("the configuration")?;
        let found = part(&mut fields);
        if found.is_none() {
            interpolate::report(unfilled, &findings);
        }
        found
    });
    let (problems, unlisted, _) = findings.into_parts();
    found.ok_or_else(|| ConfigErrors::new(&path.display().to_string(), problems, unlisted))
}

#[expect(clippy::disallowed_methods, reason = "`${NAME}` in the configuration is filled in here only")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads `text`. `name` stands for the file in messages; `environment` looks a variable up.
pub fn parse(
    text: &str,
    name: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigErrors> {
    let findings = Findings::default();
    let config = read_document(text, environment, &findings);
    let (problems, unlisted, warnings) = findings.into_parts();
    match config {
        Some(mut config) if problems.is_empty() => {
            config.warnings = warnings.iter().map(|warning| warning.in_file(name).to_string()).collect();
            Ok(config)
        }
        _ => Err(ConfigErrors::new(name, problems, unlisted)),
    }
}

/// `None` only with a problem in `findings`; with a problem there, what is returned means nothing.
pub(super) fn read_document(
    text: &str,
    environment: &Environment<'_>,
    findings: &Findings,
) -> Option<Config> {
    if text.len() > MAX_BYTES {
        findings.refuse_file("larger than 64MiB; a configuration this large is a mistake");
        return None;
    }
    let pool = Bump::new();
    let (root, unfilled) = document::read(text, &pool, environment, findings)?;
    let config = config(&Value::root(&root, findings));
    interpolate::report(unfilled, findings);
    config
}

fn config(root: &Value<'_>) -> Option<Config> {
    let mut fields = root.fields("the configuration")?;
    let listen = fields.known_or("listen", runtime::LISTEN, scalar::address);
    let tls = fields.optional("tls", super::tls::tls);
    let limits = fields.or("limits", runtime::default_limits(), runtime::limits);
    let admin = fields.or("admin", Some(runtime::default_admin()), |value| runtime::admin(value, listen));
    let ingress = fields.or("ingress", super::Ingress::default(), ingress::ingress);
    let aws = fields.or("aws", runtime::default_aws(), runtime::aws);
    let reconcile = fields.or("reconcile", runtime::default_reconcile(), runtime::reconcile);
    let receipts = fields.optional("receipts", scalar::path);
    let queue = fields.or("queue", runtime::default_queue(), runtime::queue);
    let log = fields.or("log", runtime::default_log(), runtime::log);
    let alerts = fields.or("alerts", alerts::default_alerts(), |value| alerts::alerts(value, &ingress));
    let audit = fields.optional("audit", |value| audit::audit(value, receipts.as_deref()));
    let traces = fields.optional("traces", traces::traces);
    let connections =
        fields.get("connections").map(|value| connections::connections(&value)).unwrap_or_default();
    let targets = fields.optional("targets", |value| targets::targets(value, &connections));
    fields.finish();
    if targets.as_ref().is_none_or(BTreeMap::is_empty) {
        root.warn("no targets: the relay has nothing to do");
    }
    Some(Config {
        listen: listen?,
        tls,
        limits,
        admin,
        ingress,
        aws,
        reconcile,
        receipts,
        queue,
        log,
        alerts,
        audit,
        traces,
        connections: connections.checked,
        targets: targets.unwrap_or_default(),
        warnings: Vec::new(),
    })
}

/// The text of the file at `path`, of at most 64 MiB, or why there is none and what to do.
pub fn read(path: &Path) -> Result<String, ConfigErrors> {
    text(path).map_err(|message| ConfigErrors::unreadable(&path.display().to_string(), message))
}

fn text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}; {}", next_step(&error)))?;
    String::from_utf8(bytes).map_err(|error| {
        format!("is not UTF-8 text: byte {}; save it as UTF-8", error.utf8_error().valid_up_to())
    })
}

fn next_step(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "check the path, or start from config/relay.example.yaml",
        ErrorKind::PermissionDenied => "make it readable for the user that the relay runs as",
        ErrorKind::IsADirectory => "name the file, not its directory",
        _ => "check the path and the file system",
    }
}
