//! From bytes to documents, and from documents to values.

use crate::{
    limits::FILE,
    only::Only,
    words::{self, Words},
};
use memchr::{memchr_iter, memmem};
use serde::de::{DeserializeOwned, DeserializeSeed as _};
use serde_json::Value;
use serde_saphyr::{Options, SnippetMode};
use std::ops::Range;

/// Limit of a document: ten times a list of all nodes of a large cluster. Aliases have separate limits,
/// so that nothing small becomes large.
const NODES: usize = 4_000_000;
/// A mapping or sequence takes two events.
const EVENTS: usize = 3 * NODES;

/// Why a text is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadText {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong there.
    pub why: String,
}

/// A document of a file.
pub(crate) struct Document<'a> {
    /// Number of its first line in the file, from 1.
    pub(crate) line: usize,
    /// Its position in the file.
    pub(crate) range: Range<usize>,
    /// Its text, without the separator line.
    pub(crate) text: &'a [u8],
}

impl Document<'_> {
    /// The number of lines of the document before a part of it.
    pub(crate) fn lines_before(&self, part: &str) -> usize {
        let at = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        memchr_iter(b'\n', self.text.get(..at).unwrap_or_default()).count()
    }
}

/// Splits a file at the document separators, and leaves out empty documents.
pub(crate) fn documents(bytes: &[u8]) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let (mut line, mut counted) = (1, 0);
    let mut add = |range: Range<usize>| {
        let text = bytes.get(range.clone()).unwrap_or_default();
        line += memchr_iter(b'\n', bytes.get(counted..range.start).unwrap_or_default()).count();
        counted = range.start;
        if says_something(text) {
            documents.push(Document { line, range, text });
        }
    };
    let first = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let mut start = first;
    for at in memmem::find_iter(bytes, SEPARATOR) {
        let is_first = at == first || bytes.get(at.wrapping_sub(1)) == Some(&b'\n');
        if is_first && matches!(bytes.get(at + SEPARATOR.len()), None | Some(b' ' | b'\t' | b'\r' | b'\n')) {
            add(start..at);
            // What follows on the line of the separator belongs to the document.
            start = at + SEPARATOR.len();
        }
    }
    add(start..bytes.len());
    documents
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const SEPARATOR: &[u8] = b"---";

fn says_something(text: &[u8]) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_start);
    lines.any(|line| !matches!(line.first(), None | Some(b'#')))
}

/// The values of a document: one, or any number of JSON values one after the other.
///
/// # Errors
/// The error, with its line in the file.
pub(crate) fn values(document: &Document<'_>) -> Result<Vec<Value>, BadText> {
    let before = document.line - 1;
    let text = std::str::from_utf8(document.text).map_err(|error| {
        let good = &document.text[..error.valid_up_to()];
        let line = before + 1 + good.iter().filter(|byte| **byte == b'\n').count();
        BadText { line, why: format!("not UTF-8: {error}") }
    })?;
    // Flow style YAML begins like JSON; if it is both, reading it as JSON is exact and fast.
    let is_json = text.trim_start().starts_with(['{', '[']);
    if is_json && has_too_many(text) {
        return Err(too_many(before + 1));
    }
    let json = is_json.then(|| serde_json::Deserializer::from_str(text).into_iter().collect::<Result<Vec<Value>, _>>());
    let json_error = match json {
        Some(Ok(values)) => return Ok(values),
        Some(Err(error)) => Some(error),
        None => None,
    };
    let yaml_error = match yaml(text, before) {
        Ok(value) => return Ok(vec![value]),
        Err(error) => error,
    };
    Err(json_error.map_or(yaml_error, |error| of_json(&error, before)))
}

fn too_many(line: usize) -> BadText {
    BadText { line, why: format!("more than {NODES} values") }
}

fn of_json(error: &serde_json::Error, before: usize) -> BadText {
    BadText { line: before + error.line(), why: words::of_json(error) }
}

/// A text as one YAML document.
///
/// # Errors
/// The error with its line, given the number of lines before the text.
pub(crate) fn yaml<T: DeserializeOwned>(text: &str, before: usize) -> Result<T, BadText> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let line = error.location().and_then(|location| usize::try_from(location.line()).ok());
        let told = serde_saphyr::render_options! {
            formatter: &Words, snippets: SnippetMode::Off, line_offset: u64::try_from(before).unwrap_or_default()
        };
        BadText { line: before + line.unwrap_or(1), why: error.render_with_options(told) }
    })
}

/// A text as one JSON value, with all fields or only some.
///
/// # Errors
/// The error with its line, given the number of lines before the text.
pub(crate) fn json(text: &str, only: Option<&[&str]>, before: impl FnOnce() -> usize) -> Result<Value, BadText> {
    if has_too_many(text) {
        return Err(too_many(before() + 1));
    }
    let read = match only {
        None => serde_json::from_str(text),
        Some(fields) => {
            let mut decoder = serde_json::Deserializer::from_str(text);
            Only(fields.to_vec()).deserialize(&mut decoder).and_then(|value| decoder.end().map(|()| value))
        }
    };
    read.map_err(|error| of_json(&error, before()))
}

/// Whether a JSON text may have more than [`NODES`] values.
fn has_too_many(text: &str) -> bool {
    // A value takes more than a byte.
    text.len() > NODES && separated(text) > NODES
}

/// An estimate of the number of JSON values: at most the number of commas and brackets outside of strings.
fn separated(text: &str) -> usize {
    let (mut count, mut inside, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b',' | b'[' | b'{' if !inside => count += 1,
            _ => {}
        }
    }
    count
}

/// Octal numbers and `yes` as in YAML 1.1, which is what kubectl reads. A file that is not too large is no too large document.
pub(crate) fn options() -> Options {
    let most = usize::try_from(FILE).unwrap_or(usize::MAX);
    let budget = serde_saphyr::budget! {
        max_nodes: NODES, max_events: EVENTS, max_total_scalar_bytes: most, max_reader_input_bytes: Some(most)
    };
    serde_saphyr::options! { legacy_octal_numbers: true, budget: budget }
}
