//! What the schema of a definition may and may not contain, apart from its structure
//! (k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation).

use super::{
    field::FieldError,
    structural::{join, restricts_additional},
};
use crate::node::{Items, Node, Rule};
use serde_json::Value;

/// All types.
const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
/// The reasons a rule may give, sorted.
const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
/// Fields every resource has.
const META_FIELDS: [&str; 3] = ["metadata", "kind", "apiVersion"];

/// What matters about the position of a node.
#[derive(Clone, Default)]
struct Place {
    /// Why there may be no default here.
    no_default: Option<String>,
    /// Inside type or metadata of a resource.
    in_meta: bool,
}

/// All violations. Paths are relative to the schema.
pub(super) fn check(root: &Node) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if root.nullable {
        errors.push(FieldError::forbidden("nullable", "nullable cannot be true at the root"));
    }
    node(root, "", true, &Place::default(), &mut errors);
    errors
}

fn node(this: &Node, path: &str, root: bool, place: &Place, errors: &mut Vec<FieldError>) {
    unsupported(this, path, place, errors);
    if !this.properties.is_empty() && restricts_additional(this) {
        let detail = "additionalProperties and properties are mutual exclusive";
        errors.push(FieldError::forbidden(join(path, "additionalProperties"), detail));
    }
    for (step, child) in this.children() {
        let mut place = place.clone();
        let name = step.strip_prefix("properties[").and_then(|rest| rest.strip_suffix(']'));
        if let Some(name) = name.filter(|name| (root || this.embedded_resource) && META_FIELDS.contains(name)) {
            place.in_meta = true;
            if root {
                place.no_default = Some(format!("in top-level {name}"));
            }
        }
        if step == "additionalProperties" && place.in_meta {
            place.no_default = Some("inside additionalProperties applying to object metadata".into());
        }
        node(child, &join(path, &step), false, &place, errors);
    }
    for (step, branch) in this.branches() {
        node(branch, &join(path, &step), false, place, errors);
    }
    if this.preserve_unknown == Some(false) {
        let field = join(path, "x-kubernetes-preserve-unknown-fields");
        errors.push(FieldError::invalid(field, &Value::from(false), "must be true or undefined"));
    }
    map_type(this, path, errors);
    list_type(this, path, errors);
    list_map(this, path, errors);
    for (index, rule) in this.rules.iter().enumerate() {
        check_rule(rule, &join(path, &format!("x-kubernetes-validations[{index}]")), errors);
    }
}

fn unsupported(this: &Node, path: &str, place: &Place, errors: &mut Vec<FieldError>) {
    if this.kind == "null" {
        let detail = "type cannot be set to null, use nullable as an alternative";
        errors.push(FieldError::forbidden(join(path, "type"), detail));
    }
    if !this.kind.is_empty() && !TYPES.contains(&this.kind.as_str()) {
        errors.push(FieldError::not_supported(join(path, "type"), &Value::from(this.kind.as_str()), TYPES));
    }
    if let (Some(_), Some(why)) = (&this.default, &place.no_default) {
        errors.push(FieldError::forbidden(join(path, "default"), &format!("must not be set {why}")));
    }
    let parts = [
        (!this.id.is_empty(), "id", "id is not supported"),
        (this.additional_items.is_some(), "additionalItems", "additionalItems is not supported"),
        (this.pattern_properties.is_some(), "patternProperties", "patternProperties is not supported"),
        (this.definitions.is_some(), "definitions", "definitions is not supported"),
        (this.dependencies.is_some(), "dependencies", "dependencies is not supported"),
        (this.reference.is_some(), "$ref", "$ref is not supported"),
        (matches!(this.items, Some(Items::Many(_))), "items", "items must be a schema object and not an array"),
        (
            this.unique_items,
            "uniqueItems",
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (
            place.in_meta && this.embedded_resource,
            "x-kubernetes-embedded-resource",
            "must not be used inside of resource meta",
        ),
    ];
    for (_, field, detail) in parts.into_iter().filter(|(present, ..)| *present) {
        errors.push(FieldError::forbidden(join(path, field), detail));
    }
}

/// An extension is valid with one type only.
fn wants_type(this: &Node, path: &str, wanted: &str, extension: &str, errors: &mut Vec<FieldError>) -> bool {
    let detail = format!("must be {wanted} if {extension} is specified");
    match this.kind.as_str() {
        kind if kind == wanted => return true,
        "" => errors.push(FieldError::required(join(path, "type"), &detail)),
        kind => errors.push(FieldError::invalid(join(path, "type"), &Value::from(kind), &detail)),
    }
    false
}

fn map_type(this: &Node, path: &str, errors: &mut Vec<FieldError>) {
    let Some(map_type) = this.map_type.as_deref() else { return };
    wants_type(this, path, "object", "x-kubernetes-map-type", errors);
    let known = ["atomic", "granular"];
    if !known.contains(&map_type) {
        errors.push(FieldError::not_supported(join(path, "x-kubernetes-map-type"), &Value::from(map_type), known));
    }
}

fn list_type(this: &Node, path: &str, errors: &mut Vec<FieldError>) {
    let field = join(path, "x-kubernetes-list-type");
    let keyed = !this.list_map_keys.is_empty();
    let must_be_map = "must be map if x-kubernetes-list-map-keys is non-empty";
    let Some(list_type) = this.list_type.as_deref() else {
        if keyed {
            errors.push(FieldError::required(field, must_be_map));
        }
        return;
    };
    let known = ["atomic", "set", "map"];
    if !known.contains(&list_type) {
        errors.push(FieldError::not_supported(field.clone(), &Value::from(list_type), known));
    }
    if keyed && list_type != "map" {
        errors.push(FieldError::invalid(field, &Value::from(list_type), must_be_map));
    }
    let is_array = wants_type(this, path, "array", "x-kubernetes-list-type", errors);
    let Some(items) = this.items().filter(|_| is_array) else { return };
    if list_type == "set" {
        let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
        if items.kind == "array" && items.list_type.as_deref().is_some_and(|inner| inner != "atomic") {
            let field = join(path, "items.x-kubernetes-list-type");
            errors.push(FieldError::invalid(field, &Value::from(items.list_type.as_deref()), detail));
        }
        if items.kind == "object" && items.map_type.as_deref() != Some("atomic") {
            let field = join(path, "items.x-kubernetes-map-type");
            errors.push(FieldError::invalid(field, &Value::from(items.list_type.as_deref()), detail));
        }
    }
    if list_type != "atomic" && items.nullable {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.push(FieldError::forbidden(join(path, "items.nullable"), &detail));
    }
}

fn list_map(this: &Node, path: &str, errors: &mut Vec<FieldError>) {
    if this.list_type.as_deref() != Some("map") {
        return;
    }
    let keys_field = join(path, "x-kubernetes-list-map-keys");
    let keys = Value::from(this.list_map_keys.clone());
    if this.list_map_keys.is_empty() {
        errors.push(FieldError::required(keys_field.clone(), "must not be empty if x-kubernetes-list-type is map"));
    }
    let Some(items) = this.items() else {
        if this.items.is_none() {
            let detail = "must have a schema if x-kubernetes-list-type is map";
            errors.push(FieldError::required(join(path, "items"), detail));
        }
        return;
    };
    if items.kind != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(join(path, "items.type"), &Value::from(items.kind.as_str()), detail));
        return;
    }
    for (index, key) in this.list_map_keys.iter().enumerate() {
        if this.list_map_keys[..index].contains(key) {
            errors.push(FieldError::invalid(keys_field.clone(), &keys, "must not contain duplicate entries"));
        }
        let Some(property) = items.properties.get(key) else {
            errors.push(FieldError::invalid(keys_field.clone(), &keys, "entries must all be names of item properties"));
            continue;
        };
        let field = |name: &str| join(path, &format!("items.properties[{key}].{name}"));
        if property.kind == "array" || property.kind == "object" {
            let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            errors.push(FieldError::invalid(field("type"), &Value::from(items.kind.as_str()), detail));
        }
        if !items.required.contains(key) && property.default.is_none() {
            let detail =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.push(FieldError::required(field("default"), detail));
        }
        if property.nullable {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.push(FieldError::forbidden(field("nullable"), detail));
        }
    }
}

/// Checks everything about a rule except its expressions and its path.
fn check_rule(rule: &Rule, path: &str, errors: &mut Vec<FieldError>) {
    let (source, message) = (rule.rule.trim(), rule.message.trim());
    let field = |name: &str| join(path, name);
    let mut invalid = |name: &str, value: &str, detail: &str| {
        errors.push(FieldError::invalid(field(name), &Value::from(value), detail));
    };
    if !source.is_empty() && !rule.message.is_empty() && message.is_empty() {
        invalid("message", &rule.message, "must be non-empty if specified");
    } else if !source.is_empty() && message.contains('\n') {
        invalid("message", &rule.message, "must not contain line breaks");
    }
    if !rule.field_path.is_empty() && rule.field_path.trim().is_empty() {
        invalid("fieldPath", &rule.field_path, "must be non-empty if specified");
    }
    if rule.field_path.contains('\n') {
        invalid("fieldPath", &rule.field_path, "must not contain line breaks");
    }
    if source.is_empty() {
        errors.push(FieldError::required(field("rule"), "rule is not specified"));
    } else if source.contains('\n') && message.is_empty() && rule.message.is_empty() {
        let detail = "message must be specified if rule contains line breaks";
        errors.push(FieldError::required(field("message"), detail));
    }
    if !rule.message_expression.is_empty() && rule.message_expression.trim().is_empty() {
        let detail = "messageExpression must be non-empty if specified";
        errors.push(FieldError::required(field("messageExpression"), detail));
    }
    if let Some(reason) = rule.reason.as_deref().filter(|reason| !REASONS.contains(reason)) {
        errors.push(FieldError::not_supported(field("reason"), &Value::from(reason), REASONS));
    }
}
