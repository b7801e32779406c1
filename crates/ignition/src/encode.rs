//! The configuration as the reference serializes it, and its length.

use crate::schema::{Object, Presence, Shape};
use serde_json::{Map, Value};

/// Drops what is not serialized: empty lists and objects. Entries of lists stay, even empty ones.
pub(crate) fn prune(mut fields: Map<String, Value>, object: &'static Object) -> Map<String, Value> {
    for field in object.fields {
        let Some(value) = fields.get_mut(field.name) else { continue };
        match (field.shape, value) {
            (Shape::Object(inner), Value::Object(map)) => {
                *map = prune(std::mem::take(map), inner);
                if map.is_empty() && field.presence != Presence::Pointer {
                    fields.remove(field.name);
                }
            }
            (Shape::Texts | Shape::Objects(_), Value::Array(items)) if items.is_empty() => {
                fields.remove(field.name);
            }
            (Shape::Objects(inner), Value::Array(items)) => {
                for map in items.iter_mut().filter_map(Value::as_object_mut) {
                    *map = prune(std::mem::take(map), inner);
                }
            }
            _ => {}
        }
    }
    fields
}

/// The size of a JSON value as the reference serializes it: compact, with `<`, `>`, `&` and the line separators
/// U+2028 and U+2029 escaped in addition to what must be.
///
/// Source: the documentation of `encoding/json`, <https://pkg.go.dev/encoding/json#Marshal>.
#[must_use]
pub fn json_len(value: &Value) -> usize {
    match value {
        Value::Null => "null".len(),
        Value::Bool(flag) => flag.to_string().len(),
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => text_len(text),
        Value::Array(items) => items.iter().map(json_len).sum::<usize>() + separators(items.len()),
        Value::Object(map) => {
            map.iter().map(|(key, value)| text_len(key) + ":".len() + json_len(value)).sum::<usize>()
                + separators(map.len())
        }
    }
}

/// The two brackets, and the commas between entries.
fn separators(entries: usize) -> usize {
    2 + entries.saturating_sub(1)
}

fn text_len(text: &str) -> usize {
    const UNICODE_ESCAPE: usize = "\\u0000".len();
    let added = text.bytes().enumerate().map(|(at, byte)| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        b'<' | b'>' | b'&' | ..b' ' => UNICODE_ESCAPE - 1,
        // The first of the three bytes of U+2028 or U+2029.
        0xe2 if matches!(text.as_bytes().get(at + 1..at + 3), Some([0x80, 0xa8 | 0xa9])) => UNICODE_ESCAPE - 3,
        _ => 0,
    });
    text.len() + added.sum::<usize>() + "\"\"".len()
}

#[cfg(test)]
mod tests {
    use super::json_len;
    use serde_json::json;

    #[test]
    fn lengths() {
        for (value, text) in [
            (json!({}), "{}"),
            (json!([]), "[]"),
            (
                json!({"a": [1, true, null], "b": {"c": "é\"\\\n<&"}}),
                r#"{"a":[1,true,null],"b":{"c":"é\"\\\n\u003c\u0026"}}"#,
            ),
            (json!("\u{0}\u{1f}\u{7f}\u{2028}"), "\"\\u0000\\u001f\u{7f}\\u2028\""),
        ] {
            assert_eq!(json_len(&value), text.len(), "{text}");
        }
    }
}
