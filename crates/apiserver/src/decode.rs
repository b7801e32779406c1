//! Decodes a built-in object as a Go program would: unknown fields are dropped, empty ones left out, and fields that
//! are always written are added.

use crate::{
    built_in::BuiltIn,
    registry::Resource,
    status::Failure,
    types::{Scalar, Shape},
};
use serde_json::{Map, Value};
use weir_apischema::schema::{MOST_ERRORS, Path};

/// Drops what the kind does not have and returns the paths of the first hundred.
///
/// # Errors
/// If the type of a value differs from that of its field.
pub(crate) fn typed(value: &mut Value, resource: &Resource) -> Result<Vec<String>, Failure> {
    let mut dropped = Vec::new();
    let root = resource.types().root();
    let refused = |path: &str, found: &Value, wanted: &str| {
        let found = match found {
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            _ => "object",
        };
        let (version, kind) = (resource.api_version(), &resource.kind);
        Failure::bad_request(format!(
            "{kind} in version {:?} cannot be handled as a {kind}: json: cannot unmarshal {found} into Go struct field {kind}.{path} of type {wanted}",
            version.rsplit('/').next().unwrap_or_default()
        ))
    };
    let mut walk = Walk { dropped: &mut dropped, mismatch: None };
    if resource.is_custom() {
        if let Some(metadata) = value.get_mut("metadata") {
            walk.value(metadata, root.field("metadata"), &Path::ROOT.field("metadata"));
        }
    } else {
        walk.value(value, root, &Path::ROOT);
    }
    match walk.mismatch {
        Some((path, found, wanted)) => Err(refused(&path, &found, wanted)),
        None => Ok(dropped),
    }
}

struct Walk<'a> {
    dropped: &'a mut Vec<String>,
    mismatch: Option<(String, Value, &'static str)>,
}

impl Walk<'_> {
    fn mismatch(&mut self, path: &Path<'_>, found: &Value, wanted: &'static str) {
        if self.mismatch.is_none() {
            self.mismatch = Some((path.dotted(), found.clone(), wanted));
        }
    }

    fn value(&mut self, value: &mut Value, shape: Shape<'_>, path: &Path<'_>) {
        if let Some(scalar) = shape.scalar() {
            if let Some(wanted) = type_mismatch(value, scalar) {
                self.mismatch(path, value, wanted);
            }
            return;
        }
        if shape.is_unknown() {
            return;
        }
        match value {
            Value::Object(map) if !shape.is_list() => self.map(map, shape, path),
            Value::Array(list) if shape.is_list() => {
                for (index, item) in list.iter_mut().enumerate() {
                    self.value(item, shape.items(), &path.index(index));
                }
            }
            other => self.mismatch(path, other, if shape.is_list() { "[]" } else { "struct" }),
        }
    }

    fn map(&mut self, map: &mut Map<String, Value>, shape: Shape<'_>, path: &Path<'_>) {
        map.retain(|name, value| {
            if !shape.knows(name) {
                if self.dropped.len() < MOST_ERRORS {
                    self.dropped.push(path.field(name).dotted());
                }
                return false;
            }
            let field = shape.field(name);
            if !value.is_null() {
                self.value(value, field, &path.field(name));
            }
            !is_omitted(value, field)
        });
    }
}

/// Go leaves out null, empty lists and empty maps; a struct stays.
fn is_omitted(value: &Value, shape: Shape<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty() && shape.is_list(),
        Value::Object(map) => map.is_empty() && shape.is_open_map(),
        _ => false,
    }
}

fn type_mismatch(value: &Value, scalar: Scalar) -> Option<&'static str> {
    let (fits, wanted) = match scalar {
        Scalar::String => (value.is_string(), "string"),
        Scalar::Integer => (value.is_i64() || value.is_u64(), "int64"),
        Scalar::Number => (value.is_number(), "float64"),
        Scalar::Boolean => (value.is_boolean(), "bool"),
        Scalar::IntOrString => (value.is_string() || value.is_number(), "intstr.IntOrString"),
    };
    (!fits).then_some(wanted)
}

/// Adds the fields that are always written.
pub(crate) fn add_zero(value: &mut Value, zero: &Value) {
    for (name, default) in zero.as_object().into_iter().flatten() {
        let Value::Object(map) = value else { return };
        match map.get_mut(name) {
            Some(own) => add_zero(own, default),
            None => {
                map.insert(name.clone(), default.clone());
            }
        }
    }
}

/// The kind's empty object; for custom kinds, no field is always present.
pub(crate) fn zero(resource: &Resource) -> &'static Value {
    resource.built_in().map_or(&Value::Null, BuiltIn::zero_object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use serde_json::json;

    fn decode(kind: &str, mut value: Value) -> Result<(Value, Vec<String>), Failure> {
        let resource = kinds::built_in().find(|r| r.kind == kind).unwrap();
        let dropped = typed(&mut value, &resource)?;
        Ok((value, dropped))
    }

    #[test]
    fn unknown_and_empty_fields_are_dropped() {
        let node = json!({"metadata": {"name": "a", "labels": {}, "bogus": 1}, "spec": {"taints": [], "x": {}},
            "status": {"nodeInfo": {}, "conditions": [{"type": "Ready", "y": null}]}});
        let (decoded, mut dropped) = decode("Node", node).unwrap();
        dropped.sort();
        assert_eq!(dropped, ["metadata.bogus", "spec.x", "status.conditions[0].y"]);
        let expected = json!({"metadata": {"name": "a"}, "spec": {}, "status": {"nodeInfo": {}, "conditions": [{"type": "Ready"}]}});
        assert_eq!(decoded, expected);
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        let failure = decode("ConfigMap", json!({"data": {"a": 1}})).unwrap_err();
        let expected = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data.a of type string";
        assert_eq!(failure.message, expected);
    }

    #[test]
    fn every_zero_object_parses_and_fits_its_kind() {
        for resource in kinds::built_in() {
            let kind = resource.built_in().unwrap();
            let mut value = kind.zero_object().clone();
            assert!(value.is_object(), "{}", resource.kind);
            assert_eq!(typed(&mut value, &resource).unwrap(), Vec::<String>::new(), "{}", resource.kind);
        }
    }
}
