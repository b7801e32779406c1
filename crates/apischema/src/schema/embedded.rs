//! Checks that embedded resources are resources (k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta).

use super::{
    field::{FieldError, MOST_ERRORS},
    path::Path,
};
use crate::node::Node;
use serde_json::{Map, Value};

/// Reports embedded resources without a type, anywhere below `value`. The caller checks the value itself.
pub(super) fn check(value: &Value, node: &Node, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if errors.len() >= MOST_ERRORS {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let Some(child) = node.properties.get(name) {
                    check_below(value, child, &path.field(name), errors);
                } else if let Some(child) = node.values() {
                    check_below(value, child, &path.key(name), errors);
                }
            }
        }
        Value::Array(items) => {
            if let Some(child) = node.items() {
                items.iter().enumerate().for_each(|(i, item)| check_below(item, child, &path.index(i), errors));
            }
        }
        _ => {}
    }
}

fn check_below(value: &Value, node: &Node, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if let (true, Value::Object(fields)) = (node.embedded_resource, value) {
        check_resource(fields, path, errors);
    }
    check(value, node, path, errors);
}

fn check_resource(fields: &Map<String, Value>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for name in ["apiVersion", "kind"] {
        let field = path.field(name).bracketed();
        match fields.get(name) {
            None => errors.push(FieldError::required(field, "")),
            Some(Value::String(text)) if text.is_empty() => {
                errors.push(FieldError::invalid(field, &Value::from(""), "must not be empty"));
            }
            Some(Value::String(text)) if name == "apiVersion" && text.matches('/').count() > 1 => {
                let detail = format!("unexpected GroupVersion string: {text}");
                errors.push(FieldError::invalid(field, &Value::from(text.as_str()), &detail));
            }
            Some(Value::String(_)) => {}
            Some(other) => errors.push(FieldError::invalid(field, other, "must be a string")),
        }
    }
    let name = fields.get("metadata").and_then(|metadata| metadata.get("name"));
    if let Some(name) = name.and_then(Value::as_str).filter(|name| name.contains(['/', '%'])) {
        let path = path.field("metadata");
        let detail = if name.contains('/') { "may not contain '/'" } else { "may not contain '%'" };
        errors.push(FieldError::invalid(path.field("name").bracketed(), &Value::from(name), detail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn embedded_resources_have_a_type() {
        let node: Node = serde_json::from_value(json!({"type": "object", "properties": {"list": {"type": "array",
            "items": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}}}))
        .unwrap();
        let mut errors = Vec::new();
        let value = json!({"list": [{"apiVersion": "v1", "kind": "K"}, {"apiVersion": ""}, {"apiVersion": "a/b/c", "kind": 1, "metadata": {"name": "a/b"}}]});
        check(&value, &node, &Path::ROOT, &mut errors);
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "list[1].apiVersion: Invalid value: \"\": must not be empty",
                "list[1].kind: Required value",
                "list[2].apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c",
                "list[2].kind: Invalid value: 1: must be a string",
                "list[2].metadata.name: Invalid value: \"a/b\": may not contain '/'",
            ]
        );
    }
}
