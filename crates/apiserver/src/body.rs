//! Request bodies: JSON, YAML, and the protobuf that kubectl sends.

use crate::{bounds, protobuf, status::Failure};
use serde_json::Value;
use weir_apischema::stack::on_stack;

/// Largest body that is read, as kube-apiserver's `--max-request-bytes` (3 MiB).
pub(crate) const LARGEST: usize = 3 << 20;

/// Parses JSON; the error is worded as in a Go program.
pub(crate) fn json(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| go_message(bytes, &error))
}

fn go_message(bytes: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".into();
    }
    let text = error.to_string();
    let lines = bytes.split_inclusive(|b| *b == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len);
    let at = lines.sum::<usize>() + error.column().saturating_sub(1);
    let found = bytes.get(at).copied().map_or(' ', char::from);
    const CONTEXTS: [(&str, &str); 7] = [
        ("key must be a string", "looking for beginning of object key string"),
        ("trailing characters", "after top-level value"),
        ("expected `,` or `}`", "after object key:value pair"),
        ("expected `,` or `]`", "after array element"),
        ("expected `:`", "after object key"),
        ("trailing comma", "looking for beginning of value"),
        ("expected value", "looking for beginning of value"),
    ];
    if text.starts_with("recursion limit exceeded") {
        return "exceeded max depth".into();
    }
    match CONTEXTS.iter().find(|(start, _)| text.starts_with(start)) {
        Some((_, context)) => format!("invalid character {found:?} {context}"),
        None => text,
    }
}

/// Maximum number of maps, lists and scalars in a YAML document: handwritten manifests are far smaller, and large
/// objects come as JSON.
const MOST_NODES: usize = 50_000;
/// Maximum number of nodes that aliases and merge keys may repeat: anchors are for saving some typing, not for
/// enlarging documents.
const MOST_REPEATED: usize = 5_000;
/// Maximum number of aliases and merge keys in a document. Each may stand for [`MOST_REPEATED`] nodes, which are then processed
/// again.
const MOST_ALIASES: usize = 500;

/// Stack for [`bounds::DEEPEST`] levels of YAML, in bytes: four times what they needed.
const YAML_STACK: usize = 16 << 20;

/// Parses YAML or its subset JSON.
pub(crate) fn yaml_or_json(bytes: &[u8]) -> Result<Value, Failure> {
    if bounds::check_text(bytes).is_ok()
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        return Ok(value);
    }
    let parsed = on_stack(YAML_STACK, || yaml(bytes)).and_then(|parsed| parsed);
    parsed
        .map_err(|why| Failure::bad_request(format!("error decoding YAML: error converting YAML to JSON: yaml: {why}")))
}

fn yaml(bytes: &[u8]) -> Result<Value, String> {
    let budget = serde_saphyr::budget! {
        max_nodes: MOST_NODES,
        max_events: 2 * MOST_NODES,
        max_depth: bounds::DEEPEST,
        max_documents: 1,
        max_aliases: MOST_ALIASES,
        max_anchors: MOST_ALIASES,
        max_merge_keys: MOST_ALIASES,
        max_recorded_anchor_events: 2 * MOST_NODES,
        max_recorded_anchor_bytes: LARGEST,
    };
    let options = serde_saphyr::options! {
        budget: budget,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MOST_REPEATED },
        with_snippet: false,
    };
    serde_saphyr::from_slice_with_options(bytes, options).map_err(|error| yaml_message(bytes, &error.to_string()))
}

/// The message for the most common mistake, a bracket that is not closed, is that of libyaml; other messages are the
/// parser's own.
fn yaml_message(bytes: &[u8], text: &str) -> String {
    let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count();
    if ["Aliases", "Anchors", "MergeKeys", "alias"].iter().any(|what| text.contains(what)) {
        return "document contains excessive aliasing".into();
    }
    if text.contains("budget breached") {
        return format!("document is too large: up to {MOST_NODES} nodes, {} levels deep", bounds::DEEPEST);
    }
    for (opening, closing) in [('{', '}'), ('[', ']')] {
        if text.contains(&format!("unclosed bracket '{opening}'")) {
            return format!("line {lines}: did not find expected ',' or '{closing}'");
        }
    }
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Media types of bodies that are objects rather than patches.
const OBJECTS: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// Parses an object, e.g. of a POST. `expected` is the kind the endpoint takes; messages name it.
pub(crate) fn object(bytes: &[u8], media_type: &str, expected: &str) -> Result<Value, Failure> {
    match media_type {
        "application/vnd.kubernetes.protobuf" => protobuf::decode(bytes).map_err(|why| {
            let mut failure = Failure::unsupported_media(&OBJECTS[..2]);
            failure.message = format!("the protobuf body {why}; send JSON (e.g. kubectl create -f)");
            failure
        }),
        "application/yaml" => yaml_or_json(bytes),
        "" | "application/json" => bounds::check_text(bytes).and_then(|()| json(bytes).map_err(|why| {
            let shown = summary(bytes);
            Failure::bad_request(format!(
                "the object provided is unrecognized (must be of type {expected}): couldn't get version/kind; json parse error: {why} ({shown})"
            ))
        })),
        _ => Err(Failure::unsupported_media(&OBJECTS)),
    }
}

/// Maximum number of bytes of a body that a message shows.
const SHOWN: usize = 30;

/// A body as messages show it: its beginning, in hexadecimal if it is not JSON (`k8s.io/apiserver`, `summarizeData`).
fn summary(bytes: &[u8]) -> String {
    let start = bytes.get(..SHOWN).unwrap_or(bytes);
    let rest = if bytes.len() > SHOWN { " ..." } else { "" };
    match bytes.first() {
        None => "<empty>".into(),
        Some(b'{') => format!("{}{rest}", String::from_utf8_lossy(start)),
        Some(_) => format!("{}{rest}", start.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_those_of_go() {
        let cases = [
            ("{not json", "invalid character 'n' looking for beginning of object key string"),
            ("[]x", "invalid character 'x' after top-level value"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 2}", "invalid character '2' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[x]", "invalid character 'x' looking for beginning of value"),
            ("{", "unexpected end of JSON input"),
        ];
        for (text, expected) in cases {
            assert_eq!(json(text.as_bytes()).unwrap_err(), expected, "{text}");
        }
    }
}
