//! `anypoint-relay check FILE`: is this configuration right? Reads the file and the environment, and
//! nothing else: no network, no credential. With `--online` there is more (`check_online`).

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::config::{self, Config, ConfigErrors, Problem};
use crate::doctor::Finding;

/// Checks the file at `path` and writes the verdict to `out`: lines, or one JSON object. Gives whether
/// the file is right; fails only when `out` cannot be written.
pub fn check(path: &Path, json: bool, out: &mut dyn Write) -> anyhow::Result<bool> {
    let result = config::load(path);
    if json {
        serde_json::to_writer_pretty(&mut *out, &Verdict::of(path, &result))?;
        writeln!(out)?;
    } else {
        match &result {
            Ok(config) => print_summary(config, out)?,
            Err(errors) => {
                writeln!(out, "{errors}")?;
                writeln!(out, "not usable: {}", counted(errors.count(), "problem"))?;
            }
        }
    }
    Ok(result.is_ok())
}

/// The JSON form.
#[derive(Serialize)]
pub(super) struct Verdict<'a> {
    file: String,
    ok: bool,
    targets: Option<usize>,
    connections: Option<usize>,
    ingress: Vec<&'static str>,
    warnings: &'a [String],
    problems: &'a [Problem],
    /// What `--online` found.
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<&'a [Finding]>,
}

impl<'a> Verdict<'a> {
    pub(super) fn of(path: &Path, result: &'a Result<Config, ConfigErrors>) -> Self {
        let config = result.as_ref().ok();
        Self {
            file: path.display().to_string(),
            ok: config.is_some(),
            targets: config.map(|config| config.targets.len()),
            connections: config.map(|config| config.connections.len()),
            ingress: config.map(ingress).unwrap_or_default(),
            warnings: config.map_or(&[], |config| &config.warnings),
            problems: result.as_ref().err().map_or(&[], |errors| errors.problems()),
            findings: None,
        }
    }

    /// With what `--online` found, which makes it a verdict on both.
    pub(super) fn with(self, findings: &'a [Finding]) -> Self {
        let ok = self.ok && !findings.iter().any(Finding::is_failed);
        Self { ok, findings: Some(findings), ..self }
    }
}

pub(super) fn print_summary(config: &Config, out: &mut dyn Write) -> std::io::Result<()> {
    let targets = counted(config.targets.len(), "target");
    let connections = counted(config.connections.len(), "connection");
    let ingress = match &ingress(config)[..] {
        [] => "no ingress: works by reconcile alone".to_owned(),
        names => format!("ingress: {}", names.join(", ")),
    };
    writeln!(out, "ok: {targets}, {connections}, {ingress}")?;
    config.warnings.iter().try_for_each(|warning| writeln!(out, "warning: {warning}"))
}

fn ingress(config: &Config) -> Vec<&'static str> {
    let ingress = &config.ingress;
    let ways = [
        ("sns", ingress.sns.is_some()),
        ("eventbridge", ingress.eventbridge.is_some()),
        ("trigger", ingress.trigger.is_some()),
    ];
    ways.into_iter().filter_map(|(name, present)| present.then_some(name)).collect()
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
