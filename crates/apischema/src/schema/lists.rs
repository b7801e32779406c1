//! Lists that are sets or maps: which elements correspond to each other, and that none is repeated
//! (k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype).

use super::{
    field::{FieldError, MOST_ERRORS},
    path::Path,
};
use crate::node::{ListType, Node};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The entries of `x-kubernetes-list-map-keys` that an element has.
pub(crate) fn key(element: &Value, list: &Node) -> Value {
    let entry = |name: &String| element.get(name).map(|value| (name.clone(), value.clone()));
    Value::Object(list.list_map_keys.iter().filter_map(entry).collect::<Map<_, _>>())
}

/// Up to this many elements, scanning a list is faster than sorting it.
const FEW: usize = 32;

/// Whether two elements have the same [`key`].
fn same_key(one: &Value, other: &Value, list: &Node) -> bool {
    list.list_map_keys.iter().all(|name| one.get(name) == other.get(name))
}

/// The elements of an old list by their identity, which only the elements of list maps have.
pub(crate) struct Correlation<'a> {
    list: &'a Node,
    old: Elements<'a>,
}

enum Elements<'a> {
    Few(&'a [Value]),
    Many(BTreeMap<String, &'a Value>),
}

impl<'a> Correlation<'a> {
    pub(crate) fn new(old: Option<&'a Value>, list: &'a Node) -> Self {
        let elements = old.and_then(Value::as_array).filter(|_| list.list_type() == ListType::Map);
        let elements = elements.map(Vec::as_slice).unwrap_or_default();
        let by_key = || elements.iter().rev().map(|element| (key(element, list).to_string(), element)).collect();
        let old = if elements.len() <= FEW { Elements::Few(elements) } else { Elements::Many(by_key()) };
        Self { list, old }
    }

    /// The old element that a new element replaces.
    pub(crate) fn of(&self, element: &Value) -> Option<&'a Value> {
        match &self.old {
            Elements::Few(old) => old.iter().find(|old| same_key(old, element, self.list)),
            Elements::Many(old) => old.get(&key(element, self.list).to_string()).copied(),
        }
    }
}

/// Whether a value is unchanged, as the API server compares them: the order of list maps is ignored, and an object with
/// fields that its schema does not describe always counts as changed (k8s.io/apiserver/pkg/cel/common).
pub(crate) fn unchanged(new: &Value, old: &Value, node: &Node) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            let same = |(name, value): (&String, &Value)| {
                let (old, child) = (old.get(name), node.child(name));
                old.zip(child).is_some_and(|(old, child)| unchanged(value, old, child))
            };
            new.len() == old.len() && new.iter().all(same)
        }
        (Value::Array(items), Value::Array(others)) if node.list_type() == ListType::Map => {
            let Some(child) = node.items() else { return new == old };
            let correlation = Correlation::new(Some(old), node);
            let same = |item: &Value| correlation.of(item).is_some_and(|old| unchanged(item, old, child));
            items.len() == others.len() && items.iter().all(same)
        }
        _ => new == old,
    }
}

/// Reports the second of every repeated element of sets and maps, anywhere below `value`.
pub(super) fn check(value: &Value, node: &Node, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if errors.len() >= MOST_ERRORS {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let Some(child) = node.properties.get(name) {
                    check(value, child, &path.field(name), errors);
                } else if let Some(child) = node.values() {
                    check(value, child, &path.key(name), errors);
                }
            }
        }
        Value::Array(items) => {
            check_list(items, node, path, errors);
            if let Some(child) = node.items() {
                items.iter().enumerate().for_each(|(i, item)| check(item, child, &path.index(i), errors));
            }
        }
        _ => {}
    }
}

/// Whether a list is certainly valid, decided without allocating: most lists are short and valid.
fn is_fine(items: &[Value], node: &Node) -> bool {
    let is_new = |at: usize, item: &Value| match node.list_type() {
        ListType::Atomic => true,
        ListType::Set => !items[..at].contains(item),
        ListType::Map => item.is_object() && !items[..at].iter().any(|other| same_key(item, other, node)),
    };
    items.len() <= FEW && items.iter().enumerate().all(|(at, item)| is_new(at, item))
}

fn check_list(items: &[Value], node: &Node, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if is_fine(items, node) {
        return;
    }
    let keys: Vec<Value> = match node.list_type() {
        ListType::Atomic => return,
        ListType::Set => items.to_vec(),
        ListType::Map => {
            if let Some(odd) = items.iter().position(|item| !item.is_object() && !item.is_null()) {
                let detail = "must be an object for an array of list-type map";
                errors.push(FieldError::invalid(path.index(odd).bracketed(), &items[odd], detail));
                return;
            }
            items.iter().map(|item| key(item, node)).collect()
        }
    };
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for (index, key) in keys.iter().enumerate() {
        let times = seen.entry(key.to_string()).or_default();
        *times += 1;
        // Only the first repetition is worth a message.
        if *times == 2 && errors.len() < MOST_ERRORS {
            errors.push(FieldError::duplicate(path.index(index).bracketed(), Some(key)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(value: Value) -> Node {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn repeated_elements_are_reported_once() {
        let schema = node(json!({"type": "object", "properties": {
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"], "items": {"type": "object"}}}}));
        let mut errors = Vec::new();
        let value = json!({"set": ["x", "y", "x", "x"], "map": [{"a": 1}, {"a": 1, "b": 2}, {"b": 2, "a": 1, "c": 3}]});
        check(&value, &schema, &Path::ROOT, &mut errors);
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, [r#"map[2]: Duplicate value: {"a":1,"b":2}"#, r#"set[2]: Duplicate value: "x""#]);
    }

    #[test]
    fn order_of_list_maps_does_not_count() {
        let schema = node(
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object", "properties": {"k": {"type": "integer"}, "v": {"type": "integer"}}}}),
        );
        let (a, b) = (json!([{"k": 1, "v": 1}, {"k": 2}]), json!([{"k": 2}, {"k": 1, "v": 1}]));
        assert!(unchanged(&a, &b, &schema));
        assert!(!unchanged(&a, &json!([{"k": 2}, {"k": 1, "v": 2}]), &schema));
    }
}
