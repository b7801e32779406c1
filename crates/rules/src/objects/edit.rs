//! Changes to some fields of an object, and whether there are any.
//!
//! R-EDIT-1 An edit replaces each of its fields as a whole, also with null, which a merge patch cannot do.
//! R-EDIT-2 It applies to the object as it was read: the API server refuses it for a version that is no longer the latest.
//! R-EDIT-3 Absent, null, empty text, empty list and empty object are the same: writers with types of their
//! own replace one with another.
//! R-EDIT-4 An object matches if it has everything that is wanted, whatever others or the API server added. Lists that Kubernetes
//! merges by a key are compared by it, all others as a whole.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

/// Lists that merge by a key: field, key. Ports are identified by number, and have one name each.
const KEYED: [(&str, &str); 5] = [
    ("containers", "name"),
    ("ports", "name"),
    ("topologySpreadConstraints", "topologyKey"),
    ("volumeMounts", "mountPath"),
    ("volumes", "name"),
];

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

/// Whether two values are the same under R-EDIT-3.
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

/// Whether `found` has everything that is `wanted`: R-EDIT-4.
#[must_use]
pub fn covers(found: &Value, wanted: &Value) -> bool {
    field_covers("", found, wanted)
}

fn field_covers(field: &str, found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            let empty = wanted.is_null() || wanted.as_object().is_some_and(serde_json::Map::is_empty);
            found.get(key).map_or(empty, |found| field_covers(key, found, wanted))
        }),
        (Value::Array(found), Value::Array(wanted)) => match KEYED.iter().find(|(keyed, _)| *keyed == field) {
            Some((_, key)) => wanted.iter().all(|wanted| {
                let mut same = found.iter().filter(|found| found[*key] == wanted[*key]);
                same.any(|found| field_covers("", found, wanted))
            }),
            None => found.len() == wanted.len() && found.iter().zip(wanted).all(|(f, w)| field_covers("", f, w)),
        },
        (found, wanted) => found == wanted,
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
    fn what_others_add_is_no_difference_and_a_list_without_keys_is_compared_as_a_whole() {
        let wanted =
            json!({"a": {"b": 1}, "list": [{"x": 1}], "ports": [{"name": "p", "port": 1}], "none": {}, "no": null});
        let table = [
            (
                json!({"a": {"b": 1, "c": 2}, "list": [{"x": 1, "y": 2}], "ports": [{"name": "p", "port": 1}], "d": 3}),
                true,
            ),
            (
                json!({"a": {"b": 1}, "list": [{"x": 1}], "ports": [{"name": "o"}, {"name": "p", "port": 1, "d": 2}]}),
                true,
            ),
            (json!({"a": {"b": 2}, "list": [{"x": 1}], "ports": [{"name": "p", "port": 1}]}), false),
            (json!({"list": [{"x": 1}], "ports": [{"name": "p", "port": 1}]}), false),
            (json!({"a": {"b": 1}, "list": [{"x": 1}, {"x": 2}], "ports": [{"name": "p", "port": 1}]}), false),
            (json!({"a": {"b": 1}, "list": [{"x": 1}], "ports": [{"name": "p", "port": 2}]}), false),
            (json!({"a": {"b": 1}, "list": [{"x": 1}], "ports": [{"name": "o", "port": 1}]}), false),
        ];
        for (found, has) in table {
            assert_eq!(covers(&found, &wanted), has, "{found}");
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
