//! What a changed file changes, by name: for the log, and for what can't be changed while the relay runs.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::{Admin, Config};
use crate::model::TargetName;

/// The difference between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Targets that there were not before.
    pub added: Vec<TargetName>,
    /// Targets that there are no longer.
    pub removed: Vec<TargetName>,
    /// Targets that are set up in another way.
    pub changed: Vec<TargetName>,
    /// Other parts that are in force at once.
    pub parts: Vec<&'static str>,
    /// Parts that are in force after the next start only: they hold a socket, a file, the form of the log or what traces wait in.
    pub at_next_start: Vec<&'static str>,
}

impl Changes {
    /// From `old` to `new`. What is compared is what was read from the files, so neither order nor comments count.
    pub fn between(old: &Config, new: &Config) -> Self {
        let admin = |config: &Config| config.admin.as_ref().map(|admin| (admin.listen, admin.tls.clone()));
        let tokens = |config: &Config| {
            config.admin.as_ref().map(|admin| (admin.tokens.clone(), admin.operators.clone()))
        };
        let mut changes = Self {
            parts: differing(&[
                ("limits", differ(&old.limits, &new.limits)),
                ("admin tokens", differ(&tokens(old), &tokens(new))),
                ("ingress", differ(&old.ingress, &new.ingress)),
                ("aws", differ(&old.aws, &new.aws)),
                ("reconcile", differ(&old.reconcile, &new.reconcile)),
                ("queue", differ(&old.queue, &new.queue)),
                ("alerts", differ(&old.alerts, &new.alerts)),
                ("connections", differ(&old.connections, &new.connections)),
            ]),
            at_next_start: differing(&[
                ("listen", old.listen != new.listen),
                ("tls", old.tls != new.tls),
                ("admin", admin(old) != admin(new)),
                ("receipts", old.receipts != new.receipts),
                ("log", differ(&old.log, &new.log)),
                ("audit", differ(&old.audit, &new.audit)),
                ("traces", differ(&old.traces, &new.traces)),
            ]),
            ..Self::default()
        };
        for (name, target) in &new.targets {
            match old.targets.get(name) {
                None => changes.added.push(name.clone()),
                Some(before) if differ(before, target) => changes.changed.push(name.clone()),
                Some(_) => {}
            }
        }
        changes.removed = missing(&old.targets, &new.targets);
        changes
    }

    /// Whether nothing of it is in force before the next start.
    pub fn is_empty_now(&self) -> bool {
        *self == Self { at_next_start: self.at_next_start.clone(), ..Self::default() }
    }
}

impl Config {
    /// This configuration with the parts of a running one that are in force until its end.
    pub fn while_running(mut self, running: &Self) -> Self {
        self.listen = running.listen;
        self.tls.clone_from(&running.tls);
        self.admin = match (self.admin, &running.admin) {
            (Some(new), Some(admin)) => Some(Admin { listen: admin.listen, tls: admin.tls.clone(), ..new }),
            (_, running) => running.clone(),
        };
        self.receipts.clone_from(&running.receipts);
        self.log = running.log.clone();
        self.audit.clone_from(&running.audit);
        self.traces.clone_from(&running.traces);
        self
    }
}

/// Compared by their `Debug`, which shows all that was read: equality would have to be derived for every type
/// of the configuration, for this alone.
fn differ(old: &impl Debug, new: &impl Debug) -> bool {
    format!("{old:?}") != format!("{new:?}")
}

fn differing(parts: &[(&'static str, bool)]) -> Vec<&'static str> {
    parts.iter().filter_map(|(name, differs)| differs.then_some(*name)).collect()
}

fn missing<T>(old: &BTreeMap<TargetName, T>, new: &BTreeMap<TargetName, T>) -> Vec<TargetName> {
    old.keys().filter(|name| !new.contains_key(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    const FILE: &str = "
targets:
  one: { kind: http, url: https://one.example.com/, key: { env: KEY }, watch: [db] }
  two: { kind: http, url: https://two.example.com/, key: { env: KEY }, watch: [db] }
";

    fn config(text: &str) -> Config {
        parse(text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn names(names: &[TargetName]) -> Vec<&str> {
        names.iter().map(TargetName::as_str).collect()
    }

    #[test]
    fn neither_order_nor_comments_nor_a_default_written_out_is_a_change() {
        let other = "
reconcile: { interval: 5m } # the default
targets:
  two: { watch: [db], key: { env: KEY }, kind: http, url: 'https://two.example.com/' }
  one: { kind: http, method: POST, url: https://one.example.com/, key: { env: KEY }, watch: [db] }
";
        assert_eq!(Changes::between(&config(FILE), &config(other)), Changes::default());
    }

    #[test]
    fn targets_are_told_by_name_and_the_rest_by_part() {
        let other = "
queue: { workers: 3 }
reconcile: { interval: 1m }
targets:
  one: { kind: http, url: https://elsewhere.example.com/, key: { env: KEY }, watch: [db] }
  three: { kind: http, url: https://three.example.com/, key: { env: KEY }, watch: [db] }
";
        let changes = Changes::between(&config(FILE), &config(other));
        assert_eq!(names(&changes.added), ["three"]);
        assert_eq!(names(&changes.changed), ["one"]);
        assert_eq!(names(&changes.removed), ["two"]);
        assert_eq!(changes.parts, ["reconcile", "queue"]);
        assert!(changes.at_next_start.is_empty());
    }

    #[test]
    fn what_holds_a_socket_a_file_or_the_log_waits_for_the_next_start() {
        let other = format!(
            "listen: 127.0.0.1:1\nreceipts: /var/lib/relay/receipts\nlog: {{ format: pretty }}\n\
             traces: {{ endpoint: 'http://127.0.0.1:4318' }}\n\
             admin: {{ listen: '127.0.0.1:2', token: {{ env: TOKEN }} }}\n{FILE}"
        );
        let (running, new) = (config(FILE), config(&other));
        let changes = Changes::between(&running, &new);
        assert_eq!(changes.at_next_start, ["listen", "admin", "receipts", "log", "traces"]);
        assert_eq!(changes.parts, ["admin tokens"]);
        assert!(!changes.is_empty_now());
        // Without them what remains is what is in force at once.
        let kept = Changes::between(&running, &new.while_running(&running));
        assert_eq!((kept.parts, kept.at_next_start), (vec!["admin tokens"], Vec::new()));
    }
}
