//! From the secret that an event mentions to the configured secrets and their targets.
//!
//! An event may name a secret by full ARN, partial ARN or name, and so may the configuration; each
//! finds the other. Guarantees: the cost of a look-up depends on the number of configured secrets that
//! share one name, not on the number of targets or secrets; nothing but configured secrets comes out.
//!
//! A name that itself ends in a hyphen and six characters looks like a full ARN's end, so now and then
//! a secret is found that was not meant. That costs one look at it: what is written never depends on
//! what an event says.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::config::Config;
use crate::model::{SecretArn, SecretMention, SecretRef, TargetName};

/// What a mention leads to.
pub struct Matches<'i>(Vec<&'i Entry>);

impl<'i> Matches<'i> {
    /// Whether nothing is configured for the secret.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The configured secrets that are meant, in order, each once.
    pub fn secrets(&self) -> impl Iterator<Item = &'i SecretRef> {
        self.0.iter().map(|entry| &entry.secret)
    }

    /// The targets that use any of them, in order, each once.
    pub fn targets(&self) -> Vec<TargetName> {
        let mut targets: Vec<TargetName> = self.0.iter().flat_map(|entry| &entry.targets).cloned().collect();
        // Of one secret they are in order, each once.
        if self.0.len() > 1 {
            targets.sort_unstable();
            targets.dedup();
        }
        targets
    }
}

/// The configured secrets by name.
#[derive(Debug, Default)]
pub struct SecretIndex {
    entries: Vec<Entry>,
    /// By each name that a secret may have. A table of places, because the names stand in the entries.
    by_name: HashTable<Place>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Entry {
    secret: SecretRef,
    arn: Option<Box<SecretArn>>,
    /// In order, each once.
    targets: Box<[TargetName]>,
}

/// A name of an entry.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Of the name: no entry is looked at for another name that stands near.
    hash: u64,
    entry: usize,
    /// Which of [`Entry::names`].
    name: usize,
}

impl SecretIndex {
    /// An index of what a configuration names.
    pub fn of(config: &Config) -> Self {
        Self::new(config.targets.iter().flat_map(|(name, target)| {
            target.kind.secrets().into_iter().map(move |secret| (secret, name.clone()))
        }))
    }

    /// An index of every use of a secret by a target.
    pub fn new(uses: impl IntoIterator<Item = (SecretRef, TargetName)>) -> Self {
        let mut targets: BTreeMap<SecretRef, BTreeSet<TargetName>> = BTreeMap::new();
        for (secret, target) in uses {
            targets.entry(secret).or_default().insert(target);
        }
        let mut index = Self::default();
        index.entries.reserve_exact(targets.len());
        for (secret, targets) in targets {
            let arn = SecretArn::parse(secret.id()).ok().map(Box::new);
            index.insert(Entry { secret, arn, targets: targets.into_iter().collect() });
        }
        index
    }

    fn insert(&mut self, entry: Entry) {
        let Self { entries, by_name, hasher } = self;
        let place = entries.len();
        entries.push(entry);
        for (name, found) in entries[place].names().into_iter().enumerate() {
            if let Some(found) = found {
                let hash = hasher.hash_one(found);
                by_name.insert_unique(hash, Place { hash, entry: place, name }, |place| place.hash);
            }
        }
    }

    /// The configured secrets that a mention means, and their targets.
    pub fn find(&self, mention: &SecretMention) -> Matches<'_> {
        let arn = SecretArn::parse(&mention.text).ok();
        let mut places: Vec<usize> = names(&mention.text, arn.as_ref())
            .into_iter()
            .flatten()
            .flat_map(|name| self.named(name))
            .filter(|&place| self.entries[place].is_meant(mention, arn.as_ref()))
            .collect();
        places.sort_unstable();
        places.dedup();
        // Entries are in the order of their secrets.
        Matches(places.into_iter().map(|place| &self.entries[place]).collect())
    }

    /// The entries that may have this name.
    fn named(&self, name: &str) -> impl Iterator<Item = usize> {
        let hash = self.hasher.hash_one(name);
        let same = move |place: &&Place| {
            place.hash == hash && self.entries[place.entry].names()[place.name] == Some(name)
        };
        self.by_name.iter_hash(hash).filter(same).map(|place| place.entry)
    }
}

impl Entry {
    fn names(&self) -> [Option<&str>; 2] {
        names(self.secret.id(), self.arn.as_deref())
    }

    /// Decides once a name agrees. What only one side knows cannot contradict.
    fn is_meant(&self, mention: &SecretMention, arn: Option<&SecretArn>) -> bool {
        match (self.arn.as_deref(), arn) {
            (Some(own), Some(other)) => {
                own == other || is_partial_of(own, other) || is_partial_of(other, own)
            }
            (Some(own), None) => {
                agree(Some(own.region()), mention.region.as_deref())
                    && agree(Some(own.account()), mention.account.as_deref())
            }
            (None, Some(other)) => agree(self.secret.region(), Some(other.region())),
            (None, None) => {
                self.secret.id() == mention.text && agree(self.secret.region(), mention.region.as_deref())
            }
        }
    }
}

fn is_partial_of(partial: &SecretArn, full: &SecretArn) -> bool {
    full.without_suffix().is_some_and(|(without, _)| without == partial.as_str())
}

fn agree(one: Option<&str>, other: Option<&str>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one == other)
}

/// The names that a secret may have: as written, and for an ARN also without what may be the random
/// suffix.
fn names<'s>(text: &'s str, arn: Option<&'s SecretArn>) -> [Option<&'s str>; 2] {
    match arn {
        Some(arn) => [Some(arn.name()), arn.without_suffix().map(|(_, name)| name)],
        None => [Some(text), None],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const FULL: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-a1B2c3";
    const PARTIAL: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db";
    const NAME: &str = "prod/db";

    fn secret(id: &str, region: Option<&str>) -> SecretRef {
        SecretRef::new(id, region, None).unwrap()
    }

    fn mention(text: &str, region: Option<&str>, account: Option<&str>) -> SecretMention {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        SecretMention { text: text.to_owned(), region: owned(region), account: owned(account) }
    }

    fn finds(configured: &SecretRef, event: &SecretMention) -> bool {
        let target = TargetName::parse("orders").unwrap();
        let index = SecretIndex::new([(configured.clone(), target.clone())]);
        let found = index.find(event);
        assert_eq!(found.is_empty(), found.targets().is_empty());
        if !found.is_empty() {
            assert!(found.secrets().eq([configured]));
            assert_eq!(found.targets(), [target]);
        }
        !found.is_empty()
    }

    #[test]
    fn full_arn_partial_arn_and_name_find_each_other() {
        for configured in [FULL, PARTIAL, NAME] {
            for event in [FULL, PARTIAL, NAME] {
                let event = mention(event, Some("eu-west-1"), Some("123456789012"));
                assert!(finds(&secret(configured, None), &event), "{configured} {event:?}");
            }
        }
    }

    #[test]
    fn a_secret_that_was_created_again_under_its_name_is_another_one() {
        let again = mention(&FULL.replace("a1B2c3", "zzzzzz"), None, None);
        assert!(!finds(&secret(FULL, None), &again));
        assert!(finds(&secret(PARTIAL, None), &again) && finds(&secret(NAME, None), &again));
    }

    #[test]
    fn region_and_account_must_agree_where_both_sides_know_them() {
        let elsewhere = FULL.replace("eu-west-1", "eu-west-2");
        let foreign = FULL.replace("123456789012", "999999999999");
        for (configured, event, fits) in [
            (secret(NAME, Some("eu-west-2")), mention(FULL, None, None), false),
            (secret(NAME, Some("eu-west-1")), mention(FULL, None, None), true),
            (secret(NAME, Some("eu-west-2")), mention(NAME, Some("eu-west-1"), None), false),
            (secret(NAME, Some("eu-west-2")), mention(NAME, None, None), true),
            (secret(NAME, None), mention(NAME, Some("eu-west-1"), None), true),
            (secret(&elsewhere, None), mention(NAME, Some("eu-west-1"), None), false),
            (secret(&foreign, None), mention(NAME, Some("eu-west-1"), Some("123456789012")), false),
            (secret(&foreign, None), mention(NAME, Some("eu-west-1"), None), true),
            (secret(FULL, None), mention(&elsewhere, None, None), false),
            (secret(FULL, None), mention(&foreign, None, None), false),
            // The ARN says where the secret is; the event's own place does not count then.
            (secret(FULL, None), mention(FULL, Some("eu-west-2"), Some("999999999999")), true),
        ] {
            assert_eq!(finds(&configured, &event), fits, "{configured:?} {event:?}");
        }
    }

    #[test]
    fn names_that_only_begin_alike_are_different_secrets() {
        for event in ["prod/d", "prod/db2", "prod/DB", "prod/db-a1B2c", "", "prod/db-a1B2c34"] {
            assert!(!finds(&secret(NAME, None), &mention(event, None, None)), "{event}");
        }
        let longer = FULL.replace("prod/db-", "prod/db-2-");
        assert!(!finds(&secret(NAME, None), &mention(&longer, None, None)));
        assert!(!finds(&secret(PARTIAL, None), &mention(&longer, None, None)));
    }

    #[test]
    fn a_name_that_ends_like_a_suffix_is_found_by_its_full_arn() {
        let full = FULL.replace("prod/db", "my-secret");
        assert!(finds(&secret("my-secret", None), &mention(&full, None, None)));
        assert!(finds(&secret(&PARTIAL.replace("prod/db", "my-secret"), None), &mention(&full, None, None)));
    }

    #[test]
    fn all_secrets_and_targets_come_out_once_and_in_order() {
        let target = |name: &str| TargetName::parse(name).unwrap();
        let index = SecretIndex::new([
            (secret(NAME, None), target("b")),
            (secret(FULL, None), target("a")),
            (secret(NAME, None), target("b")),
            (secret(FULL, None), target("b")),
            (secret("other", None), target("c")),
        ]);
        let found = index.find(&mention(FULL, None, None));
        assert!(found.secrets().eq([&secret(FULL, None), &secret(NAME, None)]));
        assert_eq!(found.targets(), [target("a"), target("b")]);
    }

    /// The rule once more, by text alone and for one pair.
    fn naive(configured: &SecretRef, event: &SecretMention) -> bool {
        fn split(id: &str) -> Option<Vec<&str>> {
            id.starts_with("arn:").then(|| id.splitn(7, ':').collect())
        }
        fn cut(name: &str) -> Option<&str> {
            let (head, tail) = name.rsplit_once('-')?;
            (tail.len() == 6 && !head.is_empty()).then_some(head)
        }
        let same = |one: Option<&str>, other: Option<&str>| match (one, other) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        match (split(configured.id()), split(&event.text)) {
            (Some(own), Some(other)) => {
                own[..6] == other[..6]
                    && (own[6] == other[6] || cut(own[6]) == Some(other[6]) || cut(other[6]) == Some(own[6]))
            }
            (Some(own), None) => {
                (own[6] == event.text || cut(own[6]) == Some(&event.text))
                    && same(Some(own[3]), event.region.as_deref())
                    && same(Some(own[4]), event.account.as_deref())
            }
            (None, Some(other)) => {
                (other[6] == configured.id() || cut(other[6]) == Some(configured.id()))
                    && same(configured.region(), Some(other[3]))
            }
            (None, None) => {
                configured.id() == event.text && same(configured.region(), event.region.as_deref())
            }
        }
    }

    fn id() -> impl Strategy<Value = String> {
        let name = "(a|b|a/b|a-b)(-abcdef|-ABCDEF|-abcde)?(-abcdef)?";
        let place = ("eu-west-[12]", "[12]{1}").prop_map(|(region, account)| {
            format!("arn:aws:secretsmanager:{region}:{}:secret:", account.repeat(12))
        });
        (proptest::option::of(place), name)
            .prop_map(|(place, name)| format!("{}{name}", place.unwrap_or_default()))
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_scan_of_all_pairs_finds(
            uses in proptest::collection::vec((id(), proptest::option::of("eu-west-[12]"), "[a-e]"), 0..20),
            text in id(),
            region in proptest::option::of("eu-west-[12]"),
            account in proptest::option::of(Just("111111111111")),
        ) {
            let uses: Vec<(SecretRef, TargetName)> = uses
                .iter()
                .filter_map(|(id, region, target)| {
                    let region = region.as_deref().filter(|_| !id.starts_with("arn:"));
                    Some((SecretRef::new(id, region, None).ok()?, TargetName::parse(target).ok()?))
                })
                .collect();
            let event = mention(&text, region.as_deref(), account);
            let index = SecretIndex::new(uses.clone());
            let found = index.find(&event);
            let meant = uses.iter().filter(|(secret, _)| naive(secret, &event));
            let (secrets, targets): (BTreeSet<_>, BTreeSet<_>) = meant.cloned().unzip();
            prop_assert!(found.secrets().eq(&secrets));
            prop_assert_eq!(found.targets(), targets.into_iter().collect::<Vec<_>>());
        }
    }
}
