//! Reading and writing fields of an object in JSON.

use serde_json::{Map, Value};

/// A metadata field that is a string, or `""`.
pub(crate) fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get("metadata").and_then(|m| m.get(field)).and_then(Value::as_str).unwrap_or_default()
}

/// The field under `path`.
pub(crate) fn at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, field| value.get(field))
}

/// The string under `path`, or `""`.
pub(crate) fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    at(object, path).and_then(Value::as_str).unwrap_or_default()
}

/// The list under `path`, or an empty one.
pub(crate) fn list<'a>(object: &'a Value, path: &[&str]) -> &'a [Value] {
    at(object, path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Changes the map in `field`; any other value is first replaced by an empty map.
pub(crate) fn edit<T>(object: &mut Value, field: &str, change: impl FnOnce(&mut Map<String, Value>) -> T) -> T {
    if let Some(Value::Object(map)) = object.get_mut(field) {
        return change(map);
    }
    let mut map = Map::new();
    let result = change(&mut map);
    set(object, field, map.into());
    result
}

/// Changes `metadata`.
pub(crate) fn edit_meta<T>(object: &mut Value, change: impl FnOnce(&mut Map<String, Value>) -> T) -> T {
    edit(object, "metadata", change)
}

/// Sets a field of an object; any other value is first replaced by an empty object.
pub(crate) fn set(object: &mut Value, field: &str, value: Value) {
    match object {
        Value::Object(map) => match map.get_mut(field) {
            Some(before) => *before = value,
            None => _ = map.insert(field.to_owned(), value),
        },
        other => *other = Value::Object(Map::from_iter([(field.to_owned(), value)])),
    }
}

/// Sets a field of an object if it is absent.
pub(crate) fn set_default(object: &mut Value, field: &str, value: impl Into<Value>) {
    if object.get(field).is_none_or(Value::is_null) {
        set(object, field, value.into());
    }
}

/// Removes a field of an object and returns it.
pub(crate) fn remove(object: &mut Value, field: &str) -> Option<Value> {
    object.as_object_mut()?.remove(field)
}

/// Sets a field, or removes it for `None`.
pub(crate) fn put(object: &mut Value, field: &str, value: Option<Value>) {
    match value {
        Some(value) => set(object, field, value),
        None => {
            remove(object, field);
        }
    }
}

/// Copies `field` from `from`; if it is absent there, it is removed.
pub(crate) fn copy_field(to: &mut Map<String, Value>, from: Option<&Map<String, Value>>, field: &str) {
    match from.and_then(|m| m.get(field)) {
        Some(value) if to.get(field) == Some(value) => {}
        Some(value) => _ = to.insert(field.to_owned(), value.clone()),
        None => _ = to.remove(field),
    }
}

/// Whether a list under `metadata` is empty or absent.
pub(crate) fn has_finalizers(object: &Value) -> bool {
    !list(object, &["metadata", "finalizers"]).is_empty()
}

/// Whether deletion was requested.
pub(crate) fn is_deleting(object: &Value) -> bool {
    !meta(object, "deletionTimestamp").is_empty()
}

/// Strings of a JSON list.
pub(crate) fn strings(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|v| v.as_str().map(str::to_owned)).collect()
}
