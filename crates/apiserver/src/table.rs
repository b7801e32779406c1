//! Tables, which `kubectl get` requests, and the metadata-only form of objects.

use crate::{
    built_in::metadata_text,
    jsonpath,
    kinds::{age::age, columns},
    object,
    registry::{Column, Custom, Definition, Resource},
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What accompanies the cells of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowObject {
    None,
    Metadata,
    Object,
}

fn definition(name: &str, kind: &str, format: &str, description: &str, priority: i64) -> Value {
    json!({"name": name, "type": kind, "format": format, "description": description, "priority": priority})
}

/// The columns of a resource.
pub(crate) fn column_definitions(resource: &Resource) -> Value {
    let name = definition("Name", "string", "name", metadata_text("name"), 0);
    let mut all: Vec<Value> = columns::begins_with_name(resource).then_some(name).into_iter().collect();
    match &resource.definition {
        Definition::BuiltIn(_) => {
            let own = columns::of(resource);
            all.extend(own.iter().map(|c| definition(c.name, c.kind, "", &c.description(), c.priority)));
        }
        Definition::Custom(custom) if custom.columns.is_empty() => {
            all.push(definition("Age", "date", "", metadata_text("creationTimestamp"), 0));
        }
        Definition::Custom(custom) => all.extend(custom.columns.iter().map(|c| {
            let text = format!("Custom resource definition column (in JSONPath format): {}", c.path);
            let text = if c.description.is_empty() { &text } else { &c.description };
            definition(&c.name, &c.kind, &c.format, text, c.priority)
        })),
    }
    all.into()
}

/// One row.
pub(crate) fn row(resource: &Resource, object: &Value, shown: RowObject, now: Timestamp) -> Value {
    let name = Value::from(object::meta(object, "name"));
    let mut cells: Vec<Value> = columns::begins_with_name(resource).then_some(name).into_iter().collect();
    match &resource.definition {
        Definition::BuiltIn(_) => cells.extend(columns::of(resource).iter().map(|c| (c.cell)(object, now))),
        Definition::Custom(custom) => cells.extend(custom_cells(custom, object, now)),
    }
    let shown = match shown {
        RowObject::None => Value::Null,
        RowObject::Metadata => partial(object),
        RowObject::Object => object.clone(),
    };
    json!({"cells": cells, "object": shown})
}

fn custom_cells(custom: &Custom, object: &Value, now: Timestamp) -> Vec<Value> {
    if custom.columns.is_empty() {
        return vec![age(object::meta(object, "creationTimestamp"), now)];
    }
    custom.columns.iter().map(|column| custom_cell(column, object, now)).collect()
}

fn custom_cell(column: &Column, object: &Value, now: Timestamp) -> Value {
    let Some(value) = jsonpath::first(object, &column.path).filter(|v| !v.is_null()) else { return Value::Null };
    match (column.kind.as_str(), value) {
        ("string", Value::String(_)) => value.clone(),
        ("string", other) => other.to_string().into(),
        ("integer", _) if value.is_i64() || value.is_u64() => value.clone(),
        ("integer", _) => value.as_f64().map_or(Value::Null, |n| Value::from(n.trunc())),
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(time)) => age(time, now),
        ("date", _) => "<invalid>".into(),
        _ => Value::Null,
    }
}

/// The table of a list or of one object.
pub(crate) fn table(resource: &Resource, metadata: Value, rows: Vec<Value>, with_columns: bool) -> Value {
    let columns = if with_columns { column_definitions(resource) } else { Value::Null };
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": columns, "rows": rows})
}

/// The object with nothing but its metadata.
pub(crate) fn partial(object: &Value) -> Value {
    let metadata = object.get("metadata").cloned().unwrap_or_default();
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
}
