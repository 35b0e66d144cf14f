//! YAML text to a tree in which every node knows its place.
//!
//! Guarantees: one document, at most [`MAX_BYTES`] and [`MAX_DEPTH`] levels; a key that is given twice
//! is an error; anchors, aliases and tags are refused, so a small file stays a small tree and nothing
//! is decided by YAML's typing rules: a scalar stays the text that was written until the setting it
//! belongs to says what it should be. (An account id such as `012345678901` is no number, a `no` is no
//! boolean.)

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::decode::{Findings, Path};
use super::problem::Place;

/// Largest file. A thousand targets take about a quarter of a MiB, a hundred thousand less than half of this.
pub(super) const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Deepest nesting; the deepest setting lies at seven.
const MAX_DEPTH: usize = 32;

/// A part of the document.
pub(super) struct Node {
    /// Where it begins.
    pub(super) at: Place,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a node is.
pub(super) enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar.
    Text(Text),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the file's order, each key once.
    Map(Vec<Entry>),
}

/// A scalar.
pub(super) struct Text {
    /// As it stands in the file; this is what messages may show.
    pub(super) written: String,
    /// Whether it is written without quotes and not as a block.
    pub(super) plain: bool,
    /// With the environment filled in.
    pub(super) value: Filled,
}

/// What the environment made of a scalar.
pub(super) enum Filled {
    /// What is written has no place for it.
    AsWritten,
    /// This.
    With(String),
    /// Something was missing, or it was not asked yet.
    Missing,
}

impl Text {
    /// With the environment filled in; none when that failed.
    pub(super) fn value(&self) -> Option<&str> {
        match &self.value {
            Filled::AsWritten => Some(&self.written),
            Filled::With(value) => Some(value),
            Filled::Missing => None,
        }
    }
}

/// One key and what belongs to it.
pub(super) struct Entry {
    /// The key.
    pub(super) key: String,
    /// Where the key stands.
    pub(super) at: Place,
    /// Its value.
    pub(super) value: Node,
}

/// Reads `text`. Without a tree there is at least one problem in `findings`; with one there may be.
pub(super) fn read(text: &str, findings: &Findings) -> Option<Node> {
    let mut builder = Builder { findings, frames: Vec::new(), root: None };
    for event in Parser::new_from_str(text.trim_start_matches('\u{feff}')) {
        let step = match event {
            Ok((event, span)) => builder.step(event, place(span.start)),
            Err(error) => Err((place(*error.marker()), format!("not valid YAML: {}", error.info()))),
        };
        if let Err((at, message)) = step {
            findings.refuse(at, &Path::root(), message);
            return None;
        }
    }
    let root = builder.root;
    if !matches!(root, Some(Node { kind: Kind::Map(_), .. })) {
        let message = match root {
            None | Some(Node { kind: Kind::Null, .. }) => "the file is empty",
            Some(_) => "expected a mapping such as `targets: ...` at the top",
        };
        let next = format!("{message}; config/relay.example.yaml shows every setting");
        findings.refuse(Place { line: 1, column: 1 }, &Path::root(), next);
        return None;
    }
    root
}

/// Why no tree can be built from here on.
type Stop = (Place, String);

/// A collection whose end has not come yet.
enum Frame {
    List { at: Place, items: Vec<Node> },
    Map { at: Place, entries: Vec<Entry>, places: HashMap<String, Place>, key: Option<(String, Place)> },
}

struct Builder<'a> {
    findings: &'a Findings,
    frames: Vec<Frame>,
    root: Option<Node>,
}

impl Builder<'_> {
    fn step(&mut self, event: Event<'_>, at: Place) -> Result<(), Stop> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_none() => Ok(()),
            Event::DocumentStart(_) => Err((at, "a second document begins; a configuration is one".into())),
            Event::Alias(_) => Err((at, "aliases (*name) are not used here; write the value out".into())),
            Event::Scalar(_, _, 1.., _) | Event::SequenceStart(1.., _) | Event::MappingStart(1.., _) => {
                Err((at, "anchors (&name) are not used here; write the value out where it is needed".into()))
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                Err((at, "tags (!name) are not used here; leave the tag out".into()))
            }
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                let null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let written = text.into_owned();
                self.insert(Node {
                    at,
                    kind: if null {
                        Kind::Null
                    } else {
                        Kind::Text(Text { written, plain, value: Filled::Missing })
                    },
                })
            }
            Event::SequenceStart(..) => self.open(Frame::List { at, items: Vec::new() }),
            Event::MappingStart(..) => {
                self.open(Frame::Map { at, entries: Vec::new(), places: HashMap::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.frames.pop() {
                // Most are small, and there are many of them: the room to grow would be most of the tree.
                Some(Frame::List { at, mut items }) => {
                    items.shrink_to_fit();
                    self.insert(Node { at, kind: Kind::List(items) })
                }
                Some(Frame::Map { at, mut entries, .. }) => {
                    entries.shrink_to_fit();
                    self.insert(Node { at, kind: Kind::Map(entries) })
                }
                None => Ok(()),
            },
        }
    }

    fn open(&mut self, frame: Frame) -> Result<(), Stop> {
        let (Frame::List { at, .. } | Frame::Map { at, .. }) = frame;
        if self.frames.len() == MAX_DEPTH {
            return Err((at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        if let Some(Frame::Map { key: None, .. }) = self.frames.last() {
            return Err((at, "a key is a text, not a list or a mapping".into()));
        }
        self.frames.push(frame);
        Ok(())
    }

    fn insert(&mut self, node: Node) -> Result<(), Stop> {
        match self.frames.last_mut() {
            None => self.root = Some(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map { key: key @ None, .. }) => match node.kind {
                Kind::Text(text) => *key = Some((text.written, node.at)),
                _ => return Err((node.at, "a key is missing before the ':'".into())),
            },
            Some(Frame::Map { entries, places, key: key @ Some(_), .. }) => {
                let Some((name, at)) = key.take() else { return Ok(()) };
                if let Some(first) = places.get(&name).copied() {
                    let path = self.path().key(&name);
                    let message = format!("given twice, first on line {}; keep one of them", first.line);
                    self.findings.refuse(at, &path, message);
                } else {
                    places.insert(name.clone(), at);
                    entries.push(Entry { key: name, at, value: node });
                }
            }
        }
        Ok(())
    }

    fn path(&self) -> Path {
        self.frames.iter().fold(Path::root(), |path, frame| match frame {
            Frame::List { items, .. } => path.index(items.len()),
            Frame::Map { key: Some((key, _)), .. } => path.key(key),
            Frame::Map { key: None, .. } => path,
        })
    }
}

fn place(marker: Marker) -> Place {
    Place { line: marker.line().max(1), column: marker.col() + 1 }
}
