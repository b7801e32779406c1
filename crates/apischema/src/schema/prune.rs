//! Removes fields that a schema does not know (k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning).

use super::{field::MOST_ERRORS, path::Path};
use crate::node::{Additional, Node};
use serde_json::Value;

/// Fields every resource has, whatever its schema says.
const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Removes unknown fields of a resource and returns the paths of the first, sorted.
pub(super) fn prune(value: &mut Value, root: &Node) -> Vec<String> {
    let mut removed = Vec::new();
    walk(value, Some(root), Keep { meta: true, unknown: false }, &Path::ROOT, &mut removed);
    removed.sort();
    removed
}

/// Removes unknown fields of a value that is not a resource, unless its schema says that it is.
pub(super) fn prune_value(value: &mut Value, node: &Node) {
    walk(value, Some(node), Keep::default(), &Path::ROOT, &mut Vec::new());
}

/// What is kept of a value although its schema does not name it.
#[derive(Clone, Copy, Default)]
struct Keep {
    /// The value is a whole resource: its type and metadata are not subject to the schema.
    meta: bool,
    /// The value is an element of a list that preserves unknown fields.
    unknown: bool,
}

fn walk(value: &mut Value, node: Option<&Node>, keep: Keep, path: &Path<'_>, removed: &mut Vec<String>) {
    let preserves = keep.unknown || node.is_some_and(Node::preserves_unknown);
    let resource = keep.meta || node.is_some_and(|node| node.embedded_resource);
    match value {
        Value::Object(fields) => fields.retain(|name, value| {
            if resource && META_FIELDS.contains(&name.as_str()) {
                return true;
            }
            let path = path.field(name);
            let known = node.and_then(|node| node.properties.get(name));
            match (known, node.and_then(|node| node.additional_properties.as_ref())) {
                (Some(child), _) => walk(value, Some(child), Keep::default(), &path, removed),
                (None, Some(Additional::Schema(child))) => walk(value, Some(child), Keep::default(), &path, removed),
                // A map of anything keeps its keys, and only those values that need no schema: scalars.
                (None, Some(Additional::Allowed(_))) => {
                    if !preserves {
                        walk(value, None, Keep::default(), &path, removed);
                    }
                }
                (None, None) if preserves => {}
                (None, None) => {
                    if removed.len() < MOST_ERRORS {
                        removed.push(path.dotted());
                    }
                    return false;
                }
            }
            true
        }),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                let keep = Keep { meta: false, unknown: preserves };
                walk(item, node.and_then(Node::items), keep, &path.index(index), removed);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::schema::Schema;
    use serde_json::{Value, json};

    fn prune(openapi: Value, mut object: Value) -> (Value, Vec<String>) {
        let removed = Schema::compile(&openapi).unwrap().prune(&mut object);
        (object, removed)
    }

    #[test]
    fn unknown_fields_go_and_are_named() {
        let openapi = json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}}}}}});
        let object = json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "n", "odd": 1}, "top": 1,
            "spec": {"list": [{"a": "x", "b": 2}], "more": {"x": 1}}});
        let (pruned, removed) = prune(openapi, object);
        assert_eq!(removed, ["spec.list[0].b", "spec.more", "top"]);
        assert_eq!(
            pruned,
            json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "n", "odd": 1}, "spec": {"list": [{"a": "x"}]}})
        );
    }

    #[test]
    fn preserved_parts_keep_unknown_fields_but_prune_specified_ones() {
        let openapi = json!({"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"known": {"type": "object", "properties": {"a": {"type": "string"}}}}}}});
        let (pruned, removed) =
            prune(openapi, json!({"spec": {"any": {"x": [{"y": 1}]}, "known": {"a": "1", "b": "2"}}}));
        assert_eq!(removed, ["spec.known.b"]);
        assert_eq!(pruned, json!({"spec": {"any": {"x": [{"y": 1}]}, "known": {"a": "1"}}}));
    }

    #[test]
    fn embedded_resources_keep_their_meta_fields() {
        let openapi = json!({"type": "object", "properties": {"raw": {"type": "object", "x-kubernetes-embedded-resource": true,
            "properties": {"spec": {"type": "object"}}}}});
        let object =
            json!({"raw": {"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}, "spec": {"x": 1}, "data": 1}});
        let (pruned, removed) = prune(openapi, object);
        assert_eq!(removed, ["raw.data", "raw.spec.x"]);
        assert_eq!(pruned, json!({"raw": {"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}, "spec": {}}}));
    }

    #[test]
    fn maps_prune_their_values() {
        let openapi = json!({"type": "object", "properties": {
            "typed": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}}},
            "free": {"type": "object", "additionalProperties": true}}});
        let (pruned, removed) =
            prune(openapi, json!({"typed": {"k": {"a": "1", "b": 2}}, "free": {"s": "x", "o": {"y": 1}}}));
        assert_eq!(removed, ["free.o.y", "typed.k.b"]);
        assert_eq!(pruned, json!({"typed": {"k": {"a": "1"}}, "free": {"s": "x", "o": {}}}));
    }
}
