//! What a document holds, found out without parsing it: of a must-gather most is not wanted.
//!
//! 1. JSON is split into objects, and lists into their items; of each only kind and version are read.
//! 2. YAML in block style says kind and version in lines without indentation, and the items of a list in it begin with
//!    `- ` in the first column, as clients of API servers write them.
//! 3. What looks different, such as a list with anchors, is parsed as a whole, and so is what is broken: only a parser
//!    can tell what is wrong with it.

use crate::{
    Kind,
    seen::Counts,
    text::{Document, yaml},
    want::{Want, fields, may_be_wanted},
};
use memchr::{memchr_iter, memmem};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use std::borrow::Cow;

/// Limit of items and objects in a document: above that they are nothing that an API server would list.
const PIECES: usize = 1_000_000;

/// What has to be parsed of a document.
pub(crate) enum Skim<'a> {
    /// These pieces; the counts are of what has not to be.
    Pieces(Vec<Piece<'a>>, Counts),
    /// Everything.
    Whole,
}

/// An object, or an item of a list.
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    pub(crate) form: Form,
    /// Index in its list, from 0, and what the list says of its items.
    pub(crate) item: Option<(usize, Type)>,
    /// Fields that are wanted of it, if that is not all.
    pub(crate) only: Option<&'static [&'static str]>,
}

/// How a piece is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    /// An item in block style, with its hyphen, this many lines below the first of the document.
    Item {
        lines: usize,
    },
}

/// Version and kind, as far as they are said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Type {
    pub(crate) version: String,
    pub(crate) kind: String,
}

impl Type {
    fn kind(&self) -> Kind<'_> {
        (group(&self.version), &self.kind)
    }

    /// What a list of this type says of its items.
    fn items(&self) -> Option<Self> {
        let kind = self.kind.strip_suffix("List")?;
        let version = if kind.is_empty() { String::new() } else { self.version.clone() };
        Some(Self { version, kind: kind.to_owned() })
    }

    /// The type of an item that says this of itself.
    fn or(self, list: &Self) -> Self {
        if self.kind.is_empty() { list.clone() } else { self }
    }
}

/// The group of a version; empty for the core group.
pub(crate) fn group(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}

/// Looks through a document.
pub(crate) fn skim<'a>(document: &Document<'a>, wants: &[Want<'_>]) -> Skim<'a> {
    let Ok(text) = std::str::from_utf8(document.text) else { return Skim::Whole };
    let found = if text.trim_start().starts_with(['{', '[']) { json(text, wants) } else { block(text, wants) };
    found.map_or(Skim::Whole, |found| Skim::Pieces(found.pieces, found.counts))
}

struct Found<'a, 'w> {
    wants: &'w [Want<'w>],
    pieces: Vec<Piece<'a>>,
    counts: Counts,
}

impl<'a, 'w> Found<'a, 'w> {
    fn new(wants: &'w [Want<'w>]) -> Self {
        Self { wants, pieces: Vec::new(), counts: Counts::new() }
    }

    fn add(&mut self, of: &Type, piece: Piece<'a>) {
        // Without a kind it is an error, which is told with the object.
        if of.kind.is_empty() || may_be_wanted(self.wants, of.kind(), piece.text) {
            self.pieces.push(Piece { only: fields(self.wants, of.kind()), ..piece });
        } else {
            self.count(of, 1);
        }
    }

    fn count(&mut self, of: &Type, count: usize) {
        if count > 0 {
            *self.counts.entry((of.kind.clone(), group(&of.version).to_owned())).or_default() += count;
        }
    }
}

/// What an item in JSON says of itself.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    #[serde(borrow, default)]
    api_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
}

/// Goes through JSON value by value.
struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Whether this mark comes next; if so, what is after it is next.
    fn mark(&mut self, mark: char) -> bool {
        let rest = self.rest().trim_start_matches([' ', '\t', '\r', '\n']);
        self.at = self.text.len() - rest.len();
        let is_next = rest.starts_with(mark);
        self.at += usize::from(is_next);
        is_next
    }

    /// The next value, and its text.
    fn value<T: Deserialize<'a>>(&mut self) -> Option<(T, &'a str)> {
        let rest = self.rest();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<T>();
        let value = values.next()?.ok()?;
        let end = values.byte_offset();
        self.at += end;
        Some((value, rest.get(..end)?.trim_start()))
    }

    /// The elements of an array, of which the first mark has been read.
    fn items(&mut self) -> Option<Vec<(Type, &'a str)>> {
        let mut items = Vec::new();
        if self.mark(']') {
            return Some(items);
        }
        loop {
            // Whatever is no object says nothing of itself.
            let (head, text) = match self.mark('{') {
                true => {
                    self.at -= 1;
                    self.value::<Head<'_>>()?
                }
                false => self.value::<IgnoredAny>().map(|(_, text)| (Head::default(), text))?,
            };
            let of = Type {
                version: head.api_version.unwrap_or_default().into_owned(),
                kind: head.kind.unwrap_or_default().into_owned(),
            };
            items.push((of, text));
            if self.mark(']') {
                return Some(items);
            }
            if items.len() == PIECES || !self.mark(',') {
                return None;
            }
        }
    }
}

/// `None` when it is broken, or no object.
fn json<'a, 'w>(text: &'a str, wants: &'w [Want<'w>]) -> Option<Found<'a, 'w>> {
    let mut found = Found::new(wants);
    let mut walk = Walk { text, at: 0 };
    while !walk.rest().trim_ascii().is_empty() {
        object(&mut walk, &mut found)?;
        if found.pieces.len() > PIECES {
            return None;
        }
    }
    Some(found)
}

fn object<'a>(walk: &mut Walk<'a>, found: &mut Found<'a, '_>) -> Option<()> {
    if !walk.mark('{') {
        return None;
    }
    let start = walk.at - 1;
    let (mut version, mut kind, mut items) = (None, None, None);
    let mut more = !walk.mark('}');
    while more {
        let (key, _) = walk.value::<Cow<'_, str>>()?;
        if !walk.mark(':') {
            return None;
        }
        let is_new = match &*key {
            "apiVersion" => version.replace(walk.value::<String>()?.0).is_none(),
            "kind" => kind.replace(walk.value::<String>()?.0).is_none(),
            "items" if walk.mark('[') => items.replace(walk.items()?).is_none(),
            _ => walk.value::<IgnoredAny>().is_some(),
        };
        more = walk.mark(',');
        if !is_new || !more && !walk.mark('}') {
            return None;
        }
    }
    let of = Type { version: version.unwrap_or_default(), kind: kind.unwrap_or_default() };
    match (of.items(), items) {
        (Some(list), Some(items)) => {
            for (index, (own, text)) in items.into_iter().enumerate() {
                found.add(
                    &own.or(&list),
                    Piece { text, form: Form::Json, item: Some((index, list.clone())), only: None },
                );
            }
        }
        _ => found.add(&of, Piece { text: walk.text.get(start..walk.at)?, form: Form::Json, item: None, only: None }),
    }
    Some(())
}

/// `None` when it is written in another way, or has to be parsed anyway.
fn block<'a, 'w>(text: &'a str, wants: &'w [Want<'w>]) -> Option<Found<'a, 'w>> {
    let mut found = Found::new(wants);
    let of = Type { version: top(text, "apiVersion")?, kind: top(text, "kind")? };
    let Some(list) = of.items() else {
        return (!may_be_wanted(wants, of.kind(), text)).then(|| {
            found.count(&of, 1);
            found
        });
    };
    if !list.kind.is_empty() && !may_be_wanted(wants, list.kind(), text) {
        found.count(&list, memmem::find_iter(text.as_bytes(), "\n- ").count());
        return Some(found);
    }
    // With kinds of all sorts nothing is saved.
    if wants.is_empty() || has_anchor(text) {
        return None;
    }
    let Split { items, rest } = split(text)?;
    yaml::<Value>(&rest, 0).ok()?;
    for (index, (lines, item)) in items.into_iter().enumerate() {
        let own = Type { version: inner(item, "apiVersion"), kind: inner(item, "kind") }.or(&list);
        found
            .add(&own, Piece { text: item, form: Form::Item { lines }, item: Some((index, list.clone())), only: None });
    }
    Some(found)
}

/// A scalar of a line without indentation; `None` unless there is exactly one such line, with a plain word.
fn top(text: &str, key: &str) -> Option<String> {
    let mut lines = memmem::find_iter(text.as_bytes(), key).filter(|at| {
        let before = text.as_bytes().get(..*at).and_then(<[u8]>::last);
        matches!(before, None | Some(b'\n')) && text.get(at + key.len()..).is_some_and(|rest| rest.starts_with(':'))
    });
    match (lines.next(), lines.next()) {
        (Some(at), None) => word(text.get(at + key.len() + 1..)?),
        _ => None,
    }
}

/// A scalar of an item; empty unless it is plainly there.
fn inner(item: &str, key: &str) -> String {
    let is_key = |at: &usize| {
        let before = item.get(..*at).unwrap_or_default();
        (before == "- " || before.ends_with("\n  "))
            && item.get(at + key.len()..).is_some_and(|rest| rest.starts_with(':'))
    };
    let at = memmem::find_iter(item.as_bytes(), key).find(is_key);
    at.and_then(|at| word(item.get(at + key.len() + 1..)?)).unwrap_or_default()
}

/// The word at the beginning of a line, as versions and kinds are.
fn word(rest: &str) -> Option<String> {
    let line = rest.lines().next()?.trim();
    let quoted = |mark| line.strip_prefix(mark).and_then(|line| line.strip_suffix(mark));
    let word = quoted('"').or(quoted('\'')).unwrap_or(line);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-');
    let starts = word.starts_with(|c: char| c.is_ascii_alphabetic());
    (starts && word.chars().all(is_plain)).then(|| word.to_owned())
}

/// Whether there may be an anchor, which an alias in another item may mean.
fn has_anchor(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr_iter(b'&', bytes).any(|at| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at + 1);
        matches!(before, Some(b' ')) && !matches!(after, None | Some(b' ' | b'&' | b'\n'))
    })
}

struct Split<'a> {
    /// The items, with the number of lines before each.
    items: Vec<(usize, &'a str)>,
    /// The document without them.
    rest: String,
}

/// The items of a list, if they are where clients of API servers write them.
fn split(text: &str) -> Option<Split<'_>> {
    const ITEMS: &str = "items:\n";
    let is_key = |at: &usize| *at == 0 || text.as_bytes().get(at - 1) == Some(&b'\n');
    let key = memmem::find_iter(text.as_bytes(), ITEMS).find(is_key)?;
    let (first, mut line) = (key + ITEMS.len(), memchr_iter(b'\n', text.get(..key)?.as_bytes()).count() + 1);
    let (mut items, mut at, mut start) = (Vec::new(), first, None);
    let end = loop {
        let rest = text.get(at..)?;
        let ends = match rest.as_bytes() {
            [] => true,
            [b'-', b' ' | b'\n', ..] => {
                items.extend(start.take().and_then(|(lines, start)| Some((lines, text.get(start..at)?))));
                start = Some((line, at));
                items.len() > PIECES
            }
            [b' ' | b'\n' | b'\r' | b'#', ..] => false,
            _ => true,
        };
        if ends {
            break at;
        }
        at += memchr::memchr(b'\n', rest.as_bytes()).map_or(rest.len(), |end| end + 1);
        line += 1;
    };
    let last = start.and_then(|(lines, start)| Some((lines, text.get(start..end)?)));
    items.extend(last);
    if items.len() > PIECES {
        return None;
    }
    Some(Split { items, rest: format!("{}{}", text.get(..first)?, text.get(end..)?) })
}

/// The item as a document of its own.
pub(crate) fn unhyphened(item: &str) -> String {
    format!(" {}", item.strip_prefix('-').unwrap_or(item))
}
