//! Strategic merge patches: merge patches that know which lists merge by key.
//!
//! Directives: `$patch: delete | replace | merge`, `$retainKeys`, `$deleteFromPrimitiveList/<field>`,
//! `$setElementOrder/<field>` (`k8s.io/apimachinery/pkg/util/strategicpatch`).

use crate::{
    status::Failure,
    types::{ListKind, Shape},
};
use serde_json::{Map, Value};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// Applies the patch to an object.
pub(crate) fn apply(object: &Value, patch: &Value, shape: Shape<'_>) -> Result<Value, Failure> {
    let mut patched = object.clone();
    match (&mut patched, patch) {
        (Value::Object(object), Value::Object(patch)) => merge_map(object, patch, shape)?,
        _ => return Err(Failure::bad_request("error decoding patch: a strategic merge patch is a JSON object")),
    }
    Ok(patched)
}

fn refused(directive: &str) -> Failure {
    Failure::bad_request(format!("invalid strategic merge patch: unknown value of {directive}"))
}

fn merge_map(object: &mut Map<String, Value>, patch: &Map<String, Value>, shape: Shape<'_>) -> Result<(), Failure> {
    match patch.get(PATCH).map(Value::as_str) {
        None | Some(Some("merge")) => {}
        Some(Some("replace")) => {
            object.clear();
            object.extend(patch.iter().filter(|(k, _)| !k.starts_with('$')).map(|(k, v)| (k.clone(), v.clone())));
            return Ok(());
        }
        Some(Some("delete")) => {
            object.clear();
            return Ok(());
        }
        Some(_) => return Err(refused(PATCH)),
    }
    if let Some(keys) = patch.get(RETAIN_KEYS) {
        let keys = keys.as_array().ok_or_else(|| refused(RETAIN_KEYS))?;
        object.retain(|name, _| keys.iter().any(|k| k == name));
    }
    for (name, value) in patch {
        if let Some(field) = name.strip_prefix(DELETE_FROM) {
            if let (Some(Value::Array(list)), Value::Array(gone)) = (object.get_mut(field), value) {
                list.retain(|item| !gone.contains(item));
            }
        } else if !name.starts_with('$') {
            let order = patch.get(&format!("{ORDER}{name}")).and_then(Value::as_array);
            merge_field(object, name, value, order.map(Vec::as_slice), shape.field(name))?;
        }
    }
    for (name, order) in patch.iter().filter_map(|(k, v)| Some((k.strip_prefix(ORDER)?, v.as_array()?))) {
        if !patch.contains_key(name)
            && let Some(Value::Array(list)) = object.get_mut(name)
        {
            let shape = shape.field(name);
            let items = std::mem::take(list);
            let original = items.clone();
            *list = arrange(items, &original, &[], Some(order), shape.list_kind());
        }
    }
    Ok(())
}

fn merge_field(
    object: &mut Map<String, Value>,
    name: &str,
    value: &Value,
    order: Option<&[Value]>,
    shape: Shape<'_>,
) -> Result<(), Failure> {
    match (object.get_mut(name), value) {
        (_, Value::Null) => {
            object.remove(name);
        }
        (Some(Value::Object(old)), Value::Object(new)) => {
            merge_map(old, new, shape)?;
            if new.get(PATCH).and_then(Value::as_str) == Some("delete") {
                object.remove(name);
            }
        }
        (Some(Value::Array(old)), Value::Array(new)) => match shape.list_kind() {
            ListKind::Atomic => *old = new.clone(),
            kind => {
                let merged = merge_list(old, new, order, kind, shape)?;
                *old = merged;
            }
        },
        (_, Value::Object(new)) => {
            let mut fresh = Map::new();
            merge_map(&mut fresh, new, shape)?;
            object.insert(name.to_owned(), fresh.into());
        }
        (_, Value::Array(new)) if *shape.list_kind() != ListKind::Atomic => {
            let merged = merge_list(&[], new, order, shape.list_kind(), shape)?;
            object.insert(name.to_owned(), merged.into());
        }
        (_, new) => {
            object.insert(name.to_owned(), new.clone());
        }
    }
    Ok(())
}

/// What tells an element from the others: its value in a set, its first key otherwise.
fn identity<'a>(item: &'a Value, kind: &ListKind) -> Option<&'a Value> {
    match kind {
        ListKind::Map(keys) => item.get(&**keys.first()?),
        _ => Some(item),
    }
}

fn merge_list(
    old: &[Value],
    patch: &[Value],
    order: Option<&[Value]>,
    kind: &ListKind,
    shape: Shape<'_>,
) -> Result<Vec<Value>, Failure> {
    let directive = |item: &Value| item.get(PATCH).and_then(Value::as_str).map(str::to_owned);
    if patch.iter().any(|item| directive(item).as_deref() == Some("replace")) {
        return Ok(patch.iter().filter(|i| directive(i).as_deref() != Some("replace")).cloned().collect());
    }
    let mut merged = old.to_vec();
    let mut mentioned = Vec::new();
    for item in patch {
        let Some(id) = identity(item, kind) else {
            let message = "map: does not contain declared merge key: ";
            let key = if let ListKind::Map(keys) = kind { keys.first().map(|k| k.to_string()) } else { None };
            return Err(Failure::bad_request(format!("{message}{}", key.unwrap_or_default())));
        };
        let at = merged.iter().position(|old| identity(old, kind) == Some(id));
        if directive(item).as_deref() == Some("delete") {
            merged.retain(|old| identity(old, kind) != Some(id));
            continue;
        }
        mentioned.push(id.clone());
        match (at, item) {
            (Some(at), Value::Object(new)) => {
                if let Value::Object(old) = &mut merged[at] {
                    merge_map(old, new, shape.items())?;
                }
            }
            (Some(_), _) => {}
            (None, Value::Object(new)) => {
                let mut fresh = Map::new();
                merge_map(&mut fresh, new, shape.items())?;
                merged.push(fresh.into());
            }
            (None, item) => merged.push(item.clone()),
        }
    }
    Ok(arrange(merged, old, &mentioned, order, kind))
}

/// The order of a merged list: elements the patch mentions in the patch's order, the others in the order they had;
/// where the old order does not decide between the two, the patch's come first.
fn arrange(
    merged: Vec<Value>,
    old: &[Value],
    mentioned: &[Value],
    order: Option<&[Value]>,
    kind: &ListKind,
) -> Vec<Value> {
    let wanted: Vec<Value> = match order {
        Some(order) => order.iter().map(|o| identity(o, kind).unwrap_or(o).clone()).collect(),
        None => mentioned.to_vec(),
    };
    let place = |item: &Value| identity(item, kind).and_then(|id| wanted.iter().position(|w| w == id));
    let before = |item: &Value| old.iter().position(|o| identity(o, kind) == identity(item, kind));
    let (mut first, rest): (Vec<Value>, Vec<Value>) = merged.into_iter().partition(|item| place(item).is_some());
    first.sort_by_key(|item| place(item));
    let mut arranged = Vec::with_capacity(first.len() + rest.len());
    let mut first = first.into_iter().peekable();
    for item in rest {
        while let Some(next) = first.peek() {
            let stays_behind = matches!((before(&item), before(next)), (Some(own), Some(other)) if own < other);
            if stays_behind {
                break;
            }
            arranged.extend(first.next());
        }
        arranged.push(item);
    }
    arranged.extend(first);
    arranged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use serde_json::json;

    fn patched(kind: &str, object: Value, patch: Value) -> Value {
        let resource = kinds::built_in().find(|r| r.kind == kind).unwrap();
        apply(&object, &patch, resource.types().root()).unwrap()
    }

    #[test]
    fn lists_with_a_key_merge_and_others_are_replaced() {
        let node = json!({"spec": {"taints": [{"key": "a"}]}, "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "x"}]}});
        let patch = json!({"spec": {"taints": [{"key": "b"}]}, "status": {"conditions": [
            {"type": "Ready", "status": "False"}, {"type": "DiskPressure", "status": "False"}]}});
        let expected = json!({"spec": {"taints": [{"key": "b"}]}, "status": {"conditions": [
            {"type": "Ready", "status": "False", "reason": "x"}, {"type": "DiskPressure", "status": "False"}]}});
        assert_eq!(patched("Node", node, patch), expected);
    }

    #[test]
    fn new_elements_come_before_old_ones_unless_an_order_is_given() {
        let pod = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        let names = |pod: Value| -> Vec<String> {
            pod["spec"]["containers"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().into()).collect()
        };
        let patch = json!({"spec": {"containers": [{"name": "c"}]}});
        assert_eq!(names(patched("Pod", pod.clone(), patch)), ["c", "a", "b"]);
        let patch = json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}],
            "containers": [{"name": "c"}]}});
        assert_eq!(names(patched("Pod", pod, patch)), ["b", "c", "a"]);
    }

    #[test]
    fn directives() {
        let cases = [
            (
                json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}),
                json!({"containers": [{"name": "b"}]}),
            ),
            (json!({"spec": {"$retainKeys": ["hostname"], "hostname": "h"}}), json!({"hostname": "h"})),
            (
                json!({"spec": {"containers": [{"name": "z"}, {"$patch": "replace"}]}}),
                json!({"containers": [{"name": "z"}]}),
            ),
        ];
        for (patch, expected) in cases {
            let pod = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
            assert_eq!(patched("Pod", pod, patch)["spec"], expected);
        }
        let object = json!({"metadata": {"finalizers": ["a", "b"]}});
        let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}});
        let finalizers = patched("Pod", object, patch)["metadata"]["finalizers"].clone();
        assert_eq!(finalizers, json!(["c", "b"]));
    }
}
