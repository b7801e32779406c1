//! From bytes to documents, and from documents to values.

use serde_json::Value;
use serde_saphyr::{Options, SnippetMode, UserMessageFormatter};
use std::ops::Range;

/// Limit of a document: ten times a list of all nodes of a large cluster. Aliases have separate limits,
/// so that nothing small becomes large.
const NODES: usize = 4_000_000;
/// A mapping or sequence takes two events.
const EVENTS: usize = 3 * NODES;

/// A document of a file.
pub(crate) struct Document<'a> {
    /// Number of its first line in the file, from 1.
    pub(crate) line: usize,
    /// Its position in the file.
    pub(crate) range: Range<usize>,
    /// Its text, without the separator line.
    text: &'a [u8],
}

/// Splits a file at the document separators, and leaves out empty documents.
pub(crate) fn documents(bytes: &[u8]) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let mut add = |line, range: Range<usize>| {
        let text = &bytes[range.clone()];
        if says_something(text) {
            documents.push(Document { line, range, text });
        }
    };
    let mut at = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let (mut start, mut start_line) = (at, 1);
    for (number, text) in bytes[at..].split_inclusive(|byte| *byte == b'\n').enumerate() {
        if is_separator(text) {
            add(start_line, start..at);
            // What follows on the line of the separator belongs to the document.
            (start, start_line) = (at + SEPARATOR.len(), number + 1);
        }
        at += text.len();
    }
    add(start_line, start..bytes.len());
    documents
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const SEPARATOR: &[u8] = b"---";

fn is_separator(line: &[u8]) -> bool {
    line.strip_prefix(SEPARATOR).is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n')))
}

fn says_something(text: &[u8]) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_start);
    lines.any(|line| !matches!(line.first(), None | Some(b'#')))
}

/// The values of a document: one, or any number of JSON values one after the other.
///
/// # Errors
/// The error, with its line in the file.
pub(crate) fn values(document: &Document<'_>) -> Result<Vec<Value>, String> {
    let before = document.line - 1;
    let text = std::str::from_utf8(document.text).map_err(|error| {
        let good = &document.text[..error.valid_up_to()];
        format!("line {}: not UTF-8: {error}", before + 1 + good.iter().filter(|byte| **byte == b'\n').count())
    })?;
    // Flow style YAML begins like JSON; if it is both, reading it as JSON is exact and fast.
    let is_json = text.trim_start().starts_with(['{', '[']);
    if is_json && separated(text) > NODES {
        return Err(format!("line {}: more than {NODES} values", before + 1));
    }
    let json = is_json.then(|| serde_json::Deserializer::from_str(text).into_iter().collect::<Result<Vec<Value>, _>>());
    let json_error = match json {
        Some(Ok(values)) => return Ok(values),
        Some(Err(error)) => Some(error),
        None => None,
    };
    let yaml_error = match serde_saphyr::from_str_with_options(text, options()) {
        Ok(value) => return Ok(vec![value]),
        Err(error) => error,
    };
    Err(match json_error {
        Some(error) => format!("line {}: {}", before + error.line(), without_place(&error)),
        None => {
            let line = yaml_error.location().map_or(1, |location| location.line());
            let before = u64::try_from(before).unwrap_or_default();
            // Not in the words for whoever calls the library.
            let words = UserMessageFormatter;
            let told =
                serde_saphyr::render_options! { formatter: &words, snippets: SnippetMode::Off, line_offset: before };
            format!("line {}: {}", before + line, yaml_error.render_with_options(told))
        }
    })
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

/// serde_json counts lines from the start of the document.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    format!("{} (column {})", text.strip_suffix(&place).unwrap_or(&text), error.column())
}

/// Octal numbers and `yes` as in YAML 1.1, which is what kubectl reads.
pub(crate) fn options() -> Options {
    let budget = serde_saphyr::budget! { max_nodes: NODES, max_events: EVENTS };
    serde_saphyr::options! { legacy_octal_numbers: true, budget: budget }
}
