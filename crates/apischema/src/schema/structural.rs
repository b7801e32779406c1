//! Whether a schema is structural: whether it gives the type of every field, separately from the values that are allowed
//! (<https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>;
//! messages of k8s.io/apiextensions-apiserver/pkg/apiserver/schema).

use super::field::FieldError;
use crate::node::{Additional, Items, Node};
use serde_json::Value;

/// The level of a node; each level has its own message for a missing type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// All violations, sorted by their text. Paths are relative to the schema.
pub(super) fn check(root: &Node) -> Vec<FieldError> {
    let mut errors = Vec::new();
    invariants(root, Level::Root, "", &mut errors);
    completeness(root, "", root, "", &mut errors);
    errors.sort_by_cached_key(ToString::to_string);
    errors
}

/// `path.name`, or `name` at the root.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn invariants(node: &Node, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    if node.kind == "array" && node.items.is_none() {
        errors.push(FieldError::required(join(path, "items"), "must be specified"));
    }
    for (name, child) in node.children() {
        let level = if name == "items" { Level::Item } else { Level::Field };
        invariants(child, level, &join(path, &name), errors);
    }
    if level == Level::Root && node.additional_properties.is_some() {
        errors.push(FieldError::forbidden(join(path, "additionalProperties"), "must not be used at the root"));
    }
    extensions(node, path, errors);
    value_validation(node, is_int_or_string(&node.any_of), path, errors);
    types(node, level, path, errors);
    meta_fields(node, level, path, errors);
}

fn extensions(node: &Node, path: &str, errors: &mut Vec<FieldError>) {
    let conflict = "must be false if x-kubernetes-int-or-string is true";
    if node.int_or_string && node.preserves_unknown() {
        errors.push(FieldError::invalid(
            join(path, "x-kubernetes-preserve-unknown-fields"),
            &Value::from(true),
            conflict,
        ));
    }
    if node.int_or_string && node.embedded_resource {
        errors.push(FieldError::invalid(join(path, "x-kubernetes-embedded-resource"), &Value::from(true), conflict));
    }
    if node.embedded_resource && node.additional_properties.is_some() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.push(FieldError::forbidden(join(path, "additionalProperties"), detail));
    }
    if node.embedded_resource && !node.preserves_unknown() && node.properties.is_empty() {
        let detail =
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.push(FieldError::required(join(path, "properties"), detail));
    }
}

fn types(node: &Node, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    let field = join(path, "type");
    let kind = Value::from(node.kind.as_str());
    if node.embedded_resource && node.kind != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(if node.kind.is_empty() {
            FieldError::required(field.clone(), detail)
        } else {
            FieldError::invalid(field.clone(), &kind, detail)
        });
    } else if node.kind.is_empty() && !node.int_or_string && !node.preserves_unknown() {
        errors.push(FieldError::required(
            field.clone(),
            match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            },
        ));
    }
    if level == Level::Root && !node.kind.is_empty() && node.kind != "object" {
        errors.push(FieldError::invalid(field, &kind, "must be object at the root"));
    }
}

/// A schema may not define the type and metadata of a resource.
fn meta_fields(node: &Node, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    let resource = level == Level::Root || node.embedded_resource;
    let mut must_be = |name: &str, wanted: &str| {
        if let Some(child) = node.properties.get(name).filter(|child| resource && child.kind != wanted) {
            let field = join(path, &format!("properties[{name}].type"));
            errors.push(FieldError::invalid(field, &Value::from(child.kind.as_str()), &format!("must be {wanted}")));
        }
    };
    must_be("kind", "string");
    must_be("apiVersion", "string");
    must_be("metadata", "object");
    let Some(metadata) = node.properties.get("metadata").filter(|_| level == Level::Root) else { return };
    let names_only = metadata.properties.keys().all(|name| name == "name" || name == "generateName");
    let bare = metadata.items.is_none()
        && metadata.additional_properties.is_none()
        && !metadata.nullable
        && metadata.title.is_empty()
        && metadata.description.is_empty()
        && metadata.preserve_unknown.is_none()
        && !metadata.embedded_resource
        && !metadata.int_or_string
        && metadata.map_type.is_none()
        && metadata.rules.is_empty();
    if !names_only || !bare {
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.push(FieldError::forbidden(join(path, "properties[metadata]"), detail));
    }
}

/// `anyOf: [{type: integer}, {type: string}]`, which is used with `x-kubernetes-int-or-string`.
fn is_int_or_string(any_of: &[Node]) -> bool {
    matches!(any_of, [a, b] if a.kind == "integer" && b.kind == "string")
}

fn value_validation(node: &Node, skip_any_of: bool, path: &str, errors: &mut Vec<FieldError>) {
    for (index, (name, branch)) in node.branches().enumerate() {
        if skip_any_of && name.starts_with("anyOf") {
            continue;
        }
        // The first entry of allOf may hold the same combination.
        let skip = index == 0 && name.starts_with("allOf") && is_int_or_string(&branch.any_of);
        nested(branch, skip, &join(path, &name), errors);
    }
    if let Some(Err(error)) = node.pattern.as_ref().map(|pattern| pattern.compiled.as_ref()) {
        let source = node.pattern.as_ref().map_or("", |pattern| pattern.source.as_str());
        let detail = format!("must be a valid regular expression, but isn't: {error}");
        errors.push(FieldError::invalid(join(path, "pattern"), &Value::from(source), &detail));
    }
}

/// A combined schema may restrict values, but not define what a field is.
fn nested(node: &Node, skip_any_of: bool, path: &str, errors: &mut Vec<FieldError>) {
    value_validation(node, skip_any_of, path, errors);
    if let Some(Items::One(items)) = &node.items {
        nested(items, false, &join(path, "items"), errors);
    }
    for (name, child) in &node.properties {
        nested(child, false, &join(path, &format!("properties[{name}]")), errors);
    }
    let forbidden = [
        (!node.kind.is_empty(), "type", "must be empty to be structural"),
        (node.additional_properties.is_some(), "additionalProperties", "must be undefined to be structural"),
        (node.default.is_some(), "default", "must be undefined to be structural"),
        (!node.title.is_empty(), "title", "must be empty to be structural"),
        (!node.description.is_empty(), "description", "must be empty to be structural"),
        (node.nullable, "nullable", "must be false to be structural"),
        (node.external_docs.is_some(), "externalDocs", "must be undefined to be structural"),
        (node.preserves_unknown(), "x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
        (node.embedded_resource, "x-kubernetes-embedded-resource", "must be false to be structural"),
        (node.int_or_string, "x-kubernetes-int-or-string", "must be false to be structural"),
        (!node.list_map_keys.is_empty(), "x-kubernetes-list-map-keys", "must be empty to be structural"),
        (node.list_type.is_some(), "x-kubernetes-list-type", "must be undefined to be structural"),
        (node.map_type.is_some(), "x-kubernetes-map-type", "must be undefined to be structural"),
        (!node.rules.is_empty(), "x-kubernetes-validations", "must be empty to be structural"),
        (node.properties.contains_key("metadata"), "properties[metadata]", "must not be specified in a nested context"),
    ];
    for (_, field, detail) in forbidden.into_iter().filter(|(present, ..)| *present) {
        errors.push(FieldError::forbidden(join(path, field), detail));
    }
}

/// Every field a combined schema restricts must be defined on the spine. `spine` is `None` where nothing is.
fn completeness(node: &Node, path: &str, spine: &Node, spine_path: &str, errors: &mut Vec<FieldError>) {
    for (name, branch) in node.branches() {
        branch_completeness(branch, &join(path, &name), Some(spine), spine_path, errors);
    }
    if std::ptr::eq(node, spine) {
        for (name, child) in node.children() {
            let path = join(path, &name);
            completeness(child, &path, child, &path, errors);
        }
    }
}

fn branch_completeness(
    branch: &Node,
    path: &str,
    spine: Option<&Node>,
    spine_path: &str,
    errors: &mut Vec<FieldError>,
) {
    let Some(spine) = spine else {
        errors.push(FieldError::required(spine_path, &format!("because it is defined in {path}")));
        return;
    };
    for (name, inner) in branch.branches() {
        branch_completeness(inner, &join(path, &name), Some(spine), spine_path, errors);
    }
    if let Some(items) = branch.items() {
        branch_completeness(items, &join(path, "items"), spine.items(), &join(spine_path, "items"), errors);
    }
    for (name, child) in &branch.properties {
        let step = format!("properties[{name}]");
        branch_completeness(child, &join(path, &step), spine.properties.get(name), &join(spine_path, &step), errors);
    }
}

/// `additionalProperties` with a schema, or `false`: it excludes `properties` at the same node.
pub(super) fn restricts_additional(node: &Node) -> bool {
    matches!(node.additional_properties, Some(Additional::Schema(_) | Additional::Allowed(false)))
}
