//! Fills in defaults (k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting).

use crate::{
    node::Node,
    weight::{LARGEST_DRAFT, Weight},
};
use serde_json::Value;

/// Defaults would make an object larger than the maximum: three bytes of list element can bring in a default of any
/// size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the defaults of the schema make the object larger than {LARGEST_DRAFT} bytes; leave less to them")]
pub struct Oversized;

/// Drops nulls that count as absent, then sets defaults where the surrounding object exists.
///
/// # Errors
/// If they exceed the maximum size of an object; the object is then only partly filled in.
pub(super) fn apply(value: &mut Value, root: &Node) -> Result<(), Oversized> {
    drop_nulls(value, root);
    Defaults { left: LARGEST_DRAFT }.fill(value, root)
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

/// How many bytes may still be filled in.
struct Defaults {
    left: usize,
}

impl Defaults {
    fn of(&mut self, default: &Value) -> Result<Value, Oversized> {
        self.left = self.left.checked_sub(Weight::of(default).bytes).ok_or(Oversized)?;
        Ok(default.clone())
    }

    fn fill(&mut self, value: &mut Value, node: &Node) -> Result<(), Oversized> {
        match value {
            Value::Object(fields) => {
                for (name, child) in &node.properties {
                    let Some(default) = &child.default else { continue };
                    let current = fields.get(name.as_str());
                    if current.is_none_or(|current| current.is_null() && !child.nullable) {
                        fields.insert(name.clone(), self.of(default)?);
                    }
                }
                for (name, value) in fields.iter_mut() {
                    if let Some(child) = node.child(name) {
                        self.fill_one(value, child)?;
                    }
                }
            }
            Value::Array(items) => {
                if let Some(child) = node.items() {
                    items.iter_mut().try_for_each(|item| self.fill_one(item, child))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn fill_one(&mut self, value: &mut Value, node: &Node) -> Result<(), Oversized> {
        if let (Value::Null, false, Some(default)) = (&value, node.nullable, &node.default) {
            *value = self.of(default)?;
        }
        self.fill(value, node)
    }
}

#[cfg(test)]
mod tests {
    use crate::schema::Schema;
    use serde_json::{Value, json};

    fn defaulted(openapi: Value, mut object: Value) -> Value {
        Schema::compile(&openapi).unwrap().default(&mut object).unwrap();
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

    #[test]
    fn defaults_cannot_exceed_the_maximum_size_of_an_object() {
        let item =
            |default: Value| json!({"type": "object", "properties": {"a": {"type": "string", "default": default}}});
        let list = |default: usize| json!({"type": "object", "properties": {"l": {"type": "array", "items": item("y".repeat(default).into())}}});
        let object = |n: usize| json!({"l": vec![json!({}); n]});
        let schema = Schema::compile(&list(100_000)).unwrap();
        assert_eq!(schema.default(&mut object(31)), Ok(()));
        let mut bomb = object(2_000);
        assert_eq!(schema.default(&mut bomb), Err(super::Oversized));
        assert!(bomb.to_string().len() < 2 * super::LARGEST_DRAFT);
        // The default of a list adds elements that have defaults themselves.
        let nested = json!({"type": "object", "properties": {"l": {"type": "array", "default": vec![json!({}); 2_000],
            "items": item("y".repeat(100_000).into())}}});
        let refused = Schema::compile(&nested).unwrap_err();
        assert_eq!(refused[0].field, "properties[l].default");
        assert!(refused[0].message.contains("larger than"), "{}", refused[0]);
    }
}
