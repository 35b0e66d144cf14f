//! Which target writes which thing.
//!
//! The configuration refuses two targets that name one thing in the same words. That a name and an id
//! mean the same shows only when the name is looked up: the target that finds a thing taken is parked,
//! or the two would overwrite each other for ever. Bounded: one thing for each setting that names one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::lookup::Named;
use crate::config;
use crate::model::{Failure, FailureCode, Retry};

/// One thing in one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Thing {
    place: [String; 3],
    what: &'static str,
    id: String,
}

/// The things that are written, by the setting that leads there. Cheap to clone; every connection of a
/// process shares one.
#[derive(Clone, Debug, Default)]
pub struct Writers(Arc<Mutex<BTreeMap<String, Thing>>>);

impl Writers {
    /// Takes the thing that `named` has turned out to be for the target that has this setting, and gives
    /// up what the setting led to before.
    pub(super) fn claim(
        &self,
        connection: &config::Connection,
        named: &Named,
        id: &str,
    ) -> Result<(), Failure> {
        let place = [&connection.base_url, &connection.organization, &connection.environment];
        let thing = Thing {
            place: place.map(|part| part.to_ascii_lowercase()),
            what: named.what(),
            id: id.to_ascii_lowercase(),
        };
        let own = named.setting();
        let mut writers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writers.remove(own);
        if let Some((other, _)) = writers.iter().find(|(_, taken)| **taken == thing) {
            return Err(Failure::new(
                FailureCode::Conflict,
                Retry::Never,
                format!("{} {} has two writers: {other} and {own}", thing.what, thing.id),
                "a thing has one writer: put all of it into one target, or correct the one that means \
                 another thing",
            ));
        }
        writers.insert(own.to_owned(), thing);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::credential::CredentialRef;
    use crate::model::ConnectionName;

    fn connection(environment: &str) -> config::Connection {
        let credential = || CredentialRef::Env("X".to_owned());
        config::Connection {
            name: ConnectionName::parse("prod").unwrap(),
            base_url: "https://anypoint.mulesoft.com".to_owned(),
            client_id: credential(),
            client_secret: credential(),
            organization: "org".to_owned(),
            environment: environment.to_owned(),
            rates: config::Rates::default(),
            max_requests: 1,
            max_rolling: 1,
            roll_window: None,
            timeout: Duration::from_secs(1),
            channel: config::Channel::default(),
        }
    }

    fn named(what: &'static str, target: &str) -> Named {
        Named::new(what, "orders", format!("`name` of target {target}"))
    }

    #[test]
    fn a_thing_is_taken_until_its_writer_leads_elsewhere() {
        let writers = Writers::default();
        let (one, two) = (named("deployment", "one"), named("deployment", "two"));
        let claim = |named: &Named, id: &str| writers.claim(&connection("a"), named, id);
        assert_eq!((claim(&one, "1a"), claim(&one, "1a")), (Ok(()), Ok(())));
        assert_eq!(
            claim(&two, "1A").unwrap_err().message,
            "deployment 1a has two writers: `name` of target one and `name` of target two"
        );
        assert_eq!((claim(&one, "2b"), claim(&two, "1a")), (Ok(()), Ok(())));
        assert!(claim(&one, "1a").is_err());
        assert_eq!(claim(&two, "2b"), Ok(()), "one has given it up");
        assert_eq!(writers.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn other_kinds_and_other_environments_are_other_things() {
        let writers = Writers::default();
        let claim = |what, target, environment| {
            writers.claim(&connection(environment), &named(what, target), "1a").is_ok()
        };
        assert!(claim("deployment", "one", "a"));
        assert!(claim("shared secret", "two", "a"));
        assert!(claim("deployment", "three", "b"));
        assert!(!claim("deployment", "four", "A"));
    }
}
