//! Fills in defaults (k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting).

use super::node::Node;
use serde_json::Value;

/// Drops nulls that mean nothing, then sets defaults where the surrounding object exists.
pub(super) fn apply(value: &mut Value, root: &Node) {
    drop_nulls(value, root);
    fill(value, root);
}

/// A null where the schema allows none and has no default counts as absent.
fn drop_nulls(value: &mut Value, node: &Node) {
    match value {
        Value::Object(fields) => fields.retain(|name, value| {
            let Some(child) = node.child(name) else { return true };
            if value.is_null() {
                return child.nullable || child.default.is_some();
            }
            drop_nulls(value, child);
            true
        }),
        Value::Array(items) => {
            if let Some(child) = node.items() {
                items.iter_mut().for_each(|item| drop_nulls(item, child));
            }
        }
        _ => {}
    }
}

fn fill(value: &mut Value, node: &Node) {
    match value {
        Value::Object(fields) => {
            for (name, child) in &node.properties {
                let Some(default) = &child.default else { continue };
                let current = fields.entry(name.as_str()).or_insert_with(|| default.clone());
                if current.is_null() && !child.nullable {
                    *current = default.clone();
                }
            }
            for (name, value) in fields.iter_mut() {
                if let Some(child) = node.child(name) {
                    fill_one(value, child);
                }
            }
        }
        Value::Array(items) => {
            if let Some(child) = node.items() {
                items.iter_mut().for_each(|item| fill_one(item, child));
            }
        }
        _ => {}
    }
}

fn fill_one(value: &mut Value, node: &Node) {
    if let (Value::Null, false, Some(default)) = (&value, node.nullable, &node.default) {
        *value = default.clone();
    }
    fill(value, node);
}

#[cfg(test)]
mod tests {
    use crate::schema::Schema;
    use serde_json::{Value, json};

    fn defaulted(openapi: Value, mut object: Value) -> Value {
        Schema::compile(&openapi).unwrap().default(&mut object);
        object
    }

    #[test]
    fn defaults_fill_existing_objects_only() {
        let openapi = json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "a": {"type": "string", "default": "x"},
                "deep": {"type": "object", "properties": {"b": {"type": "integer", "default": 1}}},
                "made": {"type": "object", "default": {}, "properties": {"c": {"type": "boolean", "default": true}}}}}}});
        assert_eq!(defaulted(openapi.clone(), json!({})), json!({}));
        assert_eq!(defaulted(openapi.clone(), json!({"spec": {}})), json!({"spec": {"a": "x", "made": {"c": true}}}));
        assert_eq!(
            defaulted(openapi, json!({"spec": {"a": "", "deep": {}}})),
            json!({"spec": {"a": "", "deep": {"b": 1}, "made": {"c": true}}})
        );
    }

    #[test]
    fn nulls_are_replaced_kept_or_dropped() {
        let openapi = json!({"type": "object", "properties": {
            "with": {"type": "string", "default": "d"},
            "nullable": {"type": "string", "nullable": true, "default": "d"},
            "without": {"type": "string"},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
            "list": {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string", "default": "v"}}}}}});
        assert_eq!(
            defaulted(
                openapi,
                json!({"with": null, "nullable": null, "without": null, "map": {"a": null, "b": "c"}, "list": [{}, {"k": null}]})
            ),
            json!({"with": "d", "nullable": null, "map": {"b": "c"}, "list": [{"k": "v"}, {"k": "v"}]})
        );
    }
}
