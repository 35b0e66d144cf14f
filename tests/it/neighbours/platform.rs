//! What sets the platforms apart when a write is judged, in the words of their documentation.

use anypoint_sandbox::anypoint::{Anypoint, App};
use proptest::prelude::*;

use super::draw::{ALWAYS, Maps, Subject, is_mask};

/// A name that applications on CloudHub 1.0 seldom hide.
const OPEN: &str = "a";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Platform {
    CloudHub2,
    Rtf,
    /// One map; which of its names are hidden is the application's own matter.
    CloudHub,
    /// One map, and nothing is hidden.
    Hybrid,
}

impl Platform {
    /// Few of those whose look costs the most of their rate.
    pub(super) fn draw() -> impl Strategy<Value = Self> {
        prop_oneof![
            5 => Just(Self::CloudHub2), 2 => Just(Self::Rtf), 1 => Just(Self::CloudHub), 1 => Just(Self::Hybrid)
        ]
    }

    /// Its lines in the configuration.
    pub(super) fn lines(self) -> &'static str {
        match self {
            Self::CloudHub2 => "platform: cloudhub2",
            Self::Rtf => "platform: rtf",
            Self::CloudHub => "platform: cloudhub\n    settle: 100ms",
            Self::Hybrid => "platform: hybrid\n    settle: 100ms",
        }
    }

    pub(super) fn settled(self) -> &'static str {
        if self.limits() { "in_sync" } else { "accepted" }
    }

    /// Whether values may have so many characters and no more.
    pub(super) fn limits(self) -> bool {
        matches!(self, Self::CloudHub2 | Self::Rtf)
    }

    pub(super) fn deploy(self, anypoint: &Anypoint, name: &str, maps: Maps) -> App {
        let Maps { clear, secure } = maps;
        match self {
            Self::CloudHub2 | Self::Rtf => anypoint.deploy(name, clear, secure),
            Self::CloudHub => anypoint.deploy_cloudhub(name, clear, secure),
            Self::Hybrid => anypoint.deploy_hybrid(name, "group", clear),
        }
    }

    /// The same subject as this platform can have it.
    pub(super) fn fit(self, mut subject: Subject) -> Subject {
        subject.platform = self;
        let Subject { stored, wish, pipeline, .. } = &mut subject;
        match self {
            Self::CloudHub2 | Self::Rtf => {}
            Self::CloudHub => {
                // What is to be secure is hidden, but for one name: the write that sets that is refused.
                let secure =
                    wish.secure.keys().map(String::as_str).filter(|name| *name != OPEN).chain([ALWAYS]);
                for name in secure {
                    stored.secure.entry(name.to_owned()).or_insert_with(|| "old".to_owned());
                }
                stored.clear.retain(|name, _| !stored.secure.contains_key(name));
                // So is what looks like it.
                stored.secure.extend(stored.clear.extract_if(.., |_, value| is_mask(value)));
                if let Some(Maps { clear, secure }) = pipeline {
                    let (hidden, open) = std::mem::take(clear)
                        .into_iter()
                        .chain(std::mem::take(secure))
                        .partition(|(name, _)| stored.secure.contains_key(name));
                    (*clear, *secure) = (open, hidden);
                }
            }
            Self::Hybrid => {
                for Maps { clear, secure } in [stored].into_iter().chain(pipeline) {
                    clear.append(secure);
                }
                wish.clear.append(&mut wish.secure);
            }
        }
        subject
    }
}
