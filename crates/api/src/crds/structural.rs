//! Converts what `schemars` derives to a structural schema for the API server.
//!
//! - `T | null` of an optional field becomes `T`; a field is nullable only if it says so itself.
//! - Defaults of the Rust types are dropped: they define how we read, not what the API server writes. A default that the
//!   API server does write is marked `x-default`.
//! - `x-gate` names the feature gate a field depends on; the field is removed when the gate is off, the mark always is.
//! - `x-with` holds, by gate, what a schema has instead when the gate is on.
//! - Descriptions lose line breaks, links and "Source:" paragraphs.

use super::FeatureSet;
use serde_json::{Map, Value};

/// Rewrites a derived schema in place.
pub(super) fn normalize(schema: &mut Value, set: FeatureSet) {
    let Value::Object(map) = schema else {
        // A value of any type.
        if schema.as_bool() == Some(true) {
            *schema = serde_json::json!({ "x-kubernetes-preserve-unknown-fields": true });
        }
        return;
    };
    if let Some(Value::Object(gated)) = map.remove("x-with") {
        let changes = gated.into_iter().filter(|(gate, _)| set.enables(gate));
        map.extend(changes.filter_map(|(_, change)| change.as_object().cloned()).flatten());
    }
    unwrap_optional(map);
    for key in ["title", "$schema", "default"] {
        map.remove(key);
    }
    if let Some(default) = map.remove("x-default") {
        map.insert("default".to_owned(), default);
    }
    if let Some(Value::String(text)) = map.get_mut("description") {
        *text = plain(text);
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        normalize_properties(properties, set);
        // From a flattened remainder, which does not concern the API server.
        map.remove("additionalProperties");
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(key) {
            normalize(inner, set);
        }
    }
    if let Some(Value::Array(required)) = map.get_mut("required") {
        required.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
}

fn normalize_properties(properties: &mut Map<String, Value>, set: FeatureSet) {
    properties.retain(|_, property| gate(property).is_none_or(|gate| set.enables(gate)));
    for property in properties.values_mut() {
        if let Some(property) = property.as_object_mut() {
            property.remove("x-gate");
        }
        normalize(property, set);
    }
}

fn gate(property: &Value) -> Option<&str> {
    property.get("x-gate")?.as_str()
}

/// `schemars` writes an `Option<T>` as a type list with `null`, or as a choice between `T` and `null`.
fn unwrap_optional(map: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|kind| kind != "null");
        if types.len() == 1 {
            let only = types.remove(0);
            map.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = map.get_mut("enum") {
        choices.retain(|choice| !choice.is_null());
    }
    let null = |choice: &Value| choice.get("type").is_some_and(|kind| kind == "null");
    if let Some(Value::Array(choices)) = map.get_mut("anyOf")
        && choices.iter().any(null)
    {
        choices.retain(|choice| !null(choice));
        let only = choices.first().and_then(Value::as_object).cloned().unwrap_or_default();
        map.remove("anyOf");
        for (key, value) in only {
            // The field's own description overrides its type's.
            map.entry(key).or_insert(value);
        }
    }
}

/// Text without Rust doc markup: one line per paragraph, links by their text.
fn plain(text: &str) -> String {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.starts_with("Source:"));
    let lines: Vec<String> = paragraphs.map(|paragraph| paragraph.replace('\n', " ")).collect();
    lines.join("\n\n").replace("[`", "`").replace("`]", "`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn optional_fields_and_marks() {
        let derived = json!({
            "type": "object",
            "title": "T",
            "description": "One\nline, see [`X`].\n\nSource: a.",
            "required": ["b", "a"],
            "additionalProperties": true,
            "properties": {
                "a": { "type": ["string", "null"], "default": null, "enum": ["x", null] },
                "b": { "anyOf": [{ "type": "object", "description": "of the type" }, { "type": "null" }], "description": "of the field" },
                "c": { "type": "string", "default": "", "x-default": "y" },
                "d": { "type": "string", "x-gate": "ImageModeStatusReporting" },
                "e": true,
                "f": { "type": "string", "enum": ["x"], "x-with": { "ImageModeStatusReporting": { "enum": ["x", "y"] } } },
            }
        });
        let mut schema = derived.clone();
        normalize(&mut schema, FeatureSet::Default);
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "description": "One line, see `X`.",
                "required": ["a", "b"],
                "properties": {
                    "a": { "type": "string", "enum": ["x"] },
                    "b": { "type": "object", "description": "of the field" },
                    "c": { "type": "string", "default": "y" },
                    "e": { "x-kubernetes-preserve-unknown-fields": true },
                    "f": { "type": "string", "enum": ["x"] },
                }
            })
        );
        let mut schema = derived;
        normalize(&mut schema, FeatureSet::TechPreviewNoUpgrade);
        assert_eq!(schema["properties"]["d"], json!({ "type": "string" }));
        assert_eq!(schema["properties"]["f"], json!({ "type": "string", "enum": ["x", "y"] }));
    }
}
