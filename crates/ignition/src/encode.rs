//! The configuration as the reference writes it, and how long that is.

use crate::schema::{Object, Presence, Shape};
use serde_json::{Map, Value};

/// Drops what is not written: lists and objects with nothing in them. Entries of lists stay, even empty ones.
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

/// How many bytes a JSON value takes as the reference writes it: compact, with `<`, `>`, `&` and the line separators
/// U+2028 and U+2029 escaped besides what must be.
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
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\x08' | '\x0c' => "\\n".len(),
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => UNICODE_ESCAPE,
        c if c < ' ' => UNICODE_ESCAPE,
        c => c.len_utf8(),
    });
    escaped.sum::<usize>() + "\"\"".len()
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
