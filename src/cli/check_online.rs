//! `anypoint-relay check FILE --online`: what [`crate::doctor`] found, as a table or as JSON.

use std::io::Write;
use std::path::Path;

use super::check::{Verdict as Whole, check, print_summary};
use super::quiet;
use super::status::colours;
use crate::app::Edges;
use crate::aws::Access;
use crate::config;
use crate::doctor::{self, Finding, Verdict};
use crate::telemetry::logging;

/// The column of the verdicts: the longest word and a gap.
const VERDICT: usize = "not tried".len() + 2;
/// A longer subject does not push the others' findings away.
const SUBJECT: usize = 40;

/// Checks the file as `check` does and, if it is right, tries what it depends on. Gives whether nothing failed.
pub(super) async fn check_online(
    path: &Path,
    json: bool,
    quiet: bool,
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    let loaded = config::load(path);
    let Ok(config) = &loaded else { return check(path, json, out) };
    logging::init(&quiet::log(&config.log, quiet))?;
    let access = Access::new(config.aws.clone());
    let findings = Box::pin(doctor::examine(config.clone(), access, Edges::default())).await;
    let right = !findings.iter().any(Finding::is_failed);
    if json {
        serde_json::to_writer_pretty(&mut *out, &Whole::of(path, &loaded).with(&findings))?;
        writeln!(out)?;
    } else {
        print_summary(config, out)?;
        print(&findings, colours(), out)?;
    }
    Ok(right)
}

fn print(findings: &[Finding], colours: bool, out: &mut dyn Write) -> std::io::Result<()> {
    let lengths = findings.iter().map(|finding| finding.subject.chars().count());
    let width = lengths.filter(|length| *length <= SUBJECT).max().unwrap_or(0);
    let indent = VERDICT;
    for Finding { subject, verdict, found, mend, statements } in findings {
        let word = format!("{:<VERDICT$}", verdict.as_str());
        writeln!(out, "{}{subject:<width$}  {found}", painted(&word, *verdict, colours))?;
        if let Some(mend) = mend {
            writeln!(out, "{:indent$}do: {mend}", "")?;
        }
        for missing in statements {
            writeln!(out, "{:indent$}missing in the policy of {}:", "", missing.policy_of)?;
            writeln!(out, "{:indent$}{}", "", missing.statement)?;
        }
    }
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (failed, warnings) = (count(Verdict::Failed), count(Verdict::Warning));
    writeln!(out, "{} checks: {failed} failed, {warnings} with a warning", findings.len())
}

fn painted(text: &str, verdict: Verdict, colours: bool) -> String {
    let colour = match verdict {
        Verdict::Ok => 32,
        Verdict::Warning => 33,
        Verdict::Failed => 31,
        Verdict::NotTried => 2,
    };
    if colours { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::Statement;

    fn shown(colours: bool) -> String {
        let statement = Statement { policy_of: "arn:role".to_owned(), statement: json!({"Effect": "Allow"}) };
        let findings = [
            Finding::ok("clock", "agrees with AWS's"),
            Finding::new(Verdict::Failed, "secret db", "access denied")
                .mend("grant it")
                .missing(vec![statement]),
        ];
        let mut out = Vec::new();
        print(&findings, colours, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_a_check_and_what_mends_it_below() {
        let expected = "\
ok         clock      agrees with AWS's
failed     secret db  access denied
           do: grant it
           missing in the policy of arn:role:
           {\"Effect\":\"Allow\"}
2 checks: 1 failed, 0 with a warning
";
        assert_eq!(shown(false), expected);
    }

    #[test]
    fn colours_are_around_the_verdict_alone() {
        let colourless = shown(true)
            .replace("\u{1b}[32mok         \u{1b}[0m", "ok         ")
            .replace("\u{1b}[31mfailed     \u{1b}[0m", "failed     ");
        assert_eq!(colourless, shown(false));
    }
}
