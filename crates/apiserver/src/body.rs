//! Request bodies: JSON, YAML, and the protobuf that kubectl sends.

use crate::{protobuf, status::Failure};
use serde_json::Value;

/// Largest body that is read, as kube-apiserver's `--max-request-bytes` (3 MiB).
pub(crate) const LARGEST: usize = 3 << 20;

/// Parses JSON; the error is worded as a Go program would.
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
    match CONTEXTS.iter().find(|(start, _)| text.starts_with(start)) {
        Some((_, context)) => format!("invalid character {found:?} {context}"),
        None => text,
    }
}

/// Parses YAML, of which JSON is a part.
pub(crate) fn yaml_or_json(bytes: &[u8]) -> Result<Value, Failure> {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    serde_saphyr::from_slice(bytes).map_err(|error| {
        let why = yaml_message(bytes, &error.to_string());
        Failure::bad_request(format!("error decoding YAML: error converting YAML to JSON: yaml: {why}"))
    })
}

/// The commonest mistake, a bracket that is not closed, is worded as libyaml does; others in the reader's own words.
fn yaml_message(bytes: &[u8], text: &str) -> String {
    let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count();
    for (opening, closing) in [('{', '}'), ('[', ']')] {
        if text.contains(&format!("unclosed bracket '{opening}'")) {
            return format!("line {lines}: did not find expected ',' or '{closing}'");
        }
    }
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Media types of bodies that are objects, not patches.
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
        "" | "application/json" => json(bytes).map_err(|why| {
            let shown = String::from_utf8_lossy(bytes);
            Failure::bad_request(format!(
                "the object provided is unrecognized (must be of type {expected}): couldn't get version/kind; json parse error: {why} ({shown})"
            ))
        }),
        _ => Err(Failure::unsupported_media(&OBJECTS)),
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
