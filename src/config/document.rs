//! YAML text to a tree in which every node knows its place, with the environment filled in.
//!
//! Guarantees: one document, at most [`MAX_BYTES`] and [`MAX_DEPTH`] levels; a key that is given twice
//! is an error; anchors, aliases and tags are refused, so a small file stays a small tree and nothing
//! is decided by YAML's typing rules: a scalar stays the text that was written until the setting it
//! belongs to says what it should be. (An account id such as `012345678901` is no number, a `no` is no
//! boolean.)
//!
//! The tree lies in memory of its own, which goes back to the system as a whole. Node by node it would leave
//! a large configuration between holes, because what is read from it is made while it is there.

use std::collections::HashMap;

use bumpalo::Bump;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::decode::{Findings, Path};
use super::interpolate::{Environment, Filler, Unfilled};
use super::problem::Place;

/// Largest file. A thousand targets take about a quarter of a MiB, a hundred thousand less than half of this.
pub(super) const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Deepest nesting; the deepest setting lies at seven.
const MAX_DEPTH: usize = 32;

/// A part of the document.
#[derive(Clone, Copy)]
pub(super) struct Node<'d> {
    /// Where it begins.
    pub(super) at: Place,
    /// What it is.
    pub(super) kind: Kind<'d>,
}

/// What a node is.
#[derive(Clone, Copy)]
pub(super) enum Kind<'d> {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar.
    Text(Text<'d>),
    /// A sequence.
    List(&'d [Node<'d>]),
    /// A mapping, in the file's order, each key once.
    Map(&'d [Entry<'d>]),
}

/// A scalar.
#[derive(Clone, Copy)]
pub(super) struct Text<'d> {
    /// As it stands in the file; this is what messages may show.
    pub(super) written: &'d str,
    /// Whether it is written without quotes and not as a block.
    pub(super) plain: bool,
    /// With the environment filled in; none where something was missing.
    pub(super) value: Option<&'d str>,
}

/// One key and what belongs to it.
#[derive(Clone, Copy)]
pub(super) struct Entry<'d> {
    /// The key.
    pub(super) key: &'d str,
    /// Where the key stands.
    pub(super) at: Place,
    /// Its value.
    pub(super) value: Node<'d>,
}

/// Reads `text` into a tree in `pool`, with what could not be filled in. Without a tree there is at least one problem
/// in `findings`; with one there may be.
pub(super) fn read<'d>(
    text: &str,
    pool: &'d Bump,
    environment: &Environment<'_>,
    findings: &Findings,
) -> Option<(Node<'d>, Vec<Unfilled>)> {
    let filler = Filler::new(environment);
    let mut builder =
        Builder { pool, findings, filler, frames: Vec::new(), root: None, unfilled: Vec::new() };
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
    let Some(root @ Node { kind: Kind::Map(_), .. }) = builder.root else {
        let message = match builder.root {
            None | Some(Node { kind: Kind::Null, .. }) => "the file is empty",
            Some(_) => "expected a mapping such as `targets: ...` at the top",
        };
        let next = format!("{message}; config/relay.example.yaml shows every setting");
        findings.refuse(Place { line: 1, column: 1 }, &Path::root(), next);
        return None;
    };
    Some((root, builder.unfilled))
}

/// Why no tree can be built from here on.
type Stop = (Place, String);

/// A collection whose end has not come yet.
enum Frame<'d> {
    List { at: Place, items: Vec<Node<'d>> },
    Map { at: Place, entries: Vec<Entry<'d>>, places: HashMap<&'d str, Place>, key: Option<(&'d str, Place)> },
}

struct Builder<'a, 'd> {
    pool: &'d Bump,
    findings: &'a Findings,
    filler: Filler<'a>,
    frames: Vec<Frame<'d>>,
    root: Option<Node<'d>>,
    unfilled: Vec<Unfilled>,
}

impl<'d> Builder<'_, 'd> {
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
                let kind = if null { Kind::Null } else { Kind::Text(self.text(&text, plain, at)) };
                self.insert(Node { at, kind })
            }
            Event::SequenceStart(..) => self.open(Frame::List { at, items: Vec::new() }),
            Event::MappingStart(..) => {
                self.open(Frame::Map { at, entries: Vec::new(), places: HashMap::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.frames.pop() {
                Some(Frame::List { at, items }) => {
                    self.insert(Node { at, kind: Kind::List(self.pool.alloc_slice_copy(&items)) })
                }
                Some(Frame::Map { at, entries, .. }) => {
                    self.insert(Node { at, kind: Kind::Map(self.pool.alloc_slice_copy(&entries)) })
                }
                None => Ok(()),
            },
        }
    }

    fn text(&mut self, text: &str, plain: bool, at: Place) -> Text<'d> {
        let written = &*self.pool.alloc_str(text);
        let is_key = matches!(self.frames.last(), Some(Frame::Map { key: None, .. }));
        if is_key || !written.contains('$') {
            return Text { written, plain, value: Some(written) };
        }
        let value = match self.filler.expand(written) {
            Ok(filled) => Some(&*self.pool.alloc_str(&filled)),
            Err(messages) => {
                let path = self.path();
                let unfilled = |message| Unfilled { at, path: path.clone(), message };
                self.unfilled.extend(messages.into_iter().map(unfilled));
                None
            }
        };
        Text { written, plain, value }
    }

    fn open(&mut self, frame: Frame<'d>) -> Result<(), Stop> {
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

    fn insert(&mut self, node: Node<'d>) -> Result<(), Stop> {
        match self.frames.last_mut() {
            None => self.root = Some(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map { key: key @ None, .. }) => match node.kind {
                Kind::Text(text) => *key = Some((text.written, node.at)),
                _ => return Err((node.at, "a key is missing before the ':'".into())),
            },
            Some(Frame::Map { entries, places, key: key @ Some(_), .. }) => {
                let Some((name, at)) = key.take() else { return Ok(()) };
                if let Some(first) = places.get(name).copied() {
                    let path = self.path().key(name);
                    let message = format!("given twice, first on line {}; keep one of them", first.line);
                    self.findings.refuse(at, &path, message);
                } else {
                    places.insert(name, at);
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
