//! Changes of some fields of an object, and whether there is one.
//!
//! R-EDIT-1 An edit replaces each of its fields as a whole, also by null, which a merge patch cannot.
//! R-EDIT-2 It holds for the object as it was read: a version that is no longer the latest is refused by the API server.
//! R-EDIT-3 Absent, null, empty text, empty list and empty object mean the same: who writes an object through types of his
//! own leaves one for the other.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

/// The JSON patch (RFC 6902) that sets fields, by JSON pointer; `None` when there are none.
#[must_use]
pub fn edit(metadata: &ObjectMeta, fields: Vec<(String, Value)>) -> Option<Value> {
    if fields.is_empty() {
        return None;
    }
    let set = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let mut patch = vec![set("/metadata/resourceVersion", json!(metadata.resource_version))];
    patch.extend(fields.into_iter().map(|(path, value)| set(&path, value)));
    Some(Value::Array(patch))
}

/// Whether two values say the same.
#[must_use]
pub fn means_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(first), Value::Object(second)) => {
            let null = Value::Null;
            let keys = first.keys().chain(second.keys());
            keys.into_iter().all(|key| means_same(first.get(key).unwrap_or(&null), second.get(key).unwrap_or(&null)))
        }
        (Value::Array(first), Value::Array(second)) => {
            first.len() == second.len() && first.iter().zip(second).all(|(a, b)| means_same(a, b))
        }
        _ => a == b || (says_nothing(a) && says_nothing(b)),
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(says_nothing),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_is_as_good_as_absent_and_nothing_else_is() {
        let table = [
            (json!({"a": 1, "b": {"c": ""}}), json!({"a": 1}), true),
            (json!({"a": []}), json!({"a": null}), true),
            (json!({"mtuMigration": null}), json!(null), true),
            (json!({"a": [{}]}), json!({"a": []}), false),
            (json!({"a": [1, 2]}), json!({"a": [2, 1]}), false),
            (json!({"a": false}), json!({}), false),
            (json!({"a": "x"}), json!({"a": {"x": ""}}), false),
        ];
        for (a, b, same) in table {
            assert_eq!(means_same(&a, &b), same, "{a} {b}");
            assert_eq!(means_same(&b, &a), same, "{b} {a}");
        }
    }

    #[test]
    fn an_edit_holds_for_the_version_that_was_read() {
        let metadata = ObjectMeta { resource_version: Some("7".to_owned()), ..ObjectMeta::default() };
        assert_eq!(edit(&metadata, Vec::new()), None);
        let patch = edit(&metadata, vec![("/spec/proxy".to_owned(), Value::Null)]).unwrap();
        assert_eq!(
            patch,
            json!([
                {"op": "add", "path": "/metadata/resourceVersion", "value": "7"},
                {"op": "add", "path": "/spec/proxy", "value": null},
            ])
        );
    }
}
