//! Strategic merge patches: merge patches that know which lists merge by key.
//!
//! Directives: `$patch: delete | replace | merge`, `$retainKeys`, `$deleteFromPrimitiveList/<field>`,
//! `$setElementOrder/<field>` (`k8s.io/apimachinery/pkg/util/strategicpatch`).

use crate::{merge_keys::ListKind, status::Failure, types::Shape};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap, HashSet};

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
        let keys: BTreeSet<&str> = keys.iter().filter_map(Value::as_str).collect();
        object.retain(|name, _| keys.contains(name.as_str()));
    }
    for (name, value) in patch {
        if let Some(field) = name.strip_prefix(DELETE_FROM) {
            if let (Some(Value::Array(list)), Value::Array(gone)) = (object.get_mut(field), value) {
                let gone: HashSet<&Value> = gone.iter().collect();
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
            let original = std::mem::take(list);
            *list = arrange(original.iter().cloned(), &original, &[], Some(order), shape.list_kind());
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

/// What identifies an element: its value in a set, otherwise its first key.
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
    // Positions of the elements by identity; an element that the patch deletes leaves a hole.
    let mut places: HashMap<&Value, Vec<usize>> = HashMap::new();
    for (place, item) in old.iter().enumerate() {
        if let Some(id) = identity(item, kind) {
            places.entry(id).or_default().push(place);
        }
    }
    let mut merged: Vec<Option<Value>> = old.iter().cloned().map(Some).collect();
    let mut mentioned = Vec::new();
    for item in patch {
        let Some(id) = identity(item, kind) else {
            let message = "map: does not contain declared merge key: ";
            let key = if let ListKind::Map(keys) = kind { keys.first().map(|k| k.to_string()) } else { None };
            return Err(Failure::bad_request(format!("{message}{}", key.unwrap_or_default())));
        };
        if directive(item).as_deref() == Some("delete") {
            places.remove(id).into_iter().flatten().for_each(|place| merged[place] = None);
            continue;
        }
        mentioned.push(id);
        let same = places.entry(id).or_default();
        match (same.first().and_then(|place| merged[*place].as_mut()), item) {
            (Some(Value::Object(old)), Value::Object(new)) => merge_map(old, new, shape.items())?,
            (Some(_), _) => {}
            (None, Value::Object(new)) => {
                let mut fresh = Map::new();
                merge_map(&mut fresh, new, shape.items())?;
                same.push(merged.len());
                merged.push(Some(fresh.into()));
            }
            (None, item) => {
                same.push(merged.len());
                merged.push(Some(item.clone()));
            }
        }
    }
    Ok(arrange(merged.into_iter().flatten(), old, &mentioned, order, kind))
}

/// The order of a merged list: elements that the patch mentions come in the patch's order, the others in their old
/// order; if the old order does not decide between the two, the patch's come first.
fn arrange(
    merged: impl IntoIterator<Item = Value>,
    old: &[Value],
    mentioned: &[&Value],
    order: Option<&[Value]>,
    kind: &ListKind,
) -> Vec<Value> {
    let wanted: Vec<Option<&Value>> = match order {
        Some(order) => order.iter().map(|o| Some(identity(o, kind).unwrap_or(o))).collect(),
        None => mentioned.iter().copied().map(Some).collect(),
    };
    let wanted = first_places(wanted);
    let before = first_places(old.iter().map(|item| identity(item, kind)));
    let mut first: Vec<(usize, Option<usize>, Value)> = Vec::new();
    let mut rest: Vec<(Option<usize>, Value)> = Vec::new();
    for item in merged {
        let id = identity(&item, kind);
        let had = before.get(&id).copied();
        match id.and_then(|id| wanted.get(&Some(id))).copied() {
            Some(place) => first.push((place, had, item)),
            None => rest.push((had, item)),
        }
    }
    first.sort_by_key(|(place, ..)| *place);
    let mut arranged = Vec::with_capacity(first.len() + rest.len());
    let mut first = first.into_iter().peekable();
    for (own, item) in rest {
        while let Some((_, other, _)) = first.peek() {
            let stays_behind = matches!((own, *other), (Some(own), Some(other)) if own < other);
            if stays_behind {
                break;
            }
            arranged.extend(first.next().map(|(.., item)| item));
        }
        arranged.push(item);
    }
    arranged.extend(first.map(|(.., item)| item));
    arranged
}

/// The first position of each identity.
fn first_places<'a>(identities: impl IntoIterator<Item = Option<&'a Value>>) -> HashMap<Option<&'a Value>, usize> {
    let mut places = HashMap::new();
    for (place, id) in identities.into_iter().enumerate() {
        places.entry(id).or_insert(place);
    }
    places
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

    /// So many that a cost per pair would take minutes.
    const MANY: usize = 40_000;
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

    #[test]
    fn merging_takes_linear_time() {
        let started = std::time::Instant::now();
        let names = |from: usize| (from..from + MANY).map(|n| format!("n{n}"));
        let containers =
            |from: usize, image: &str| -> Value { names(from).map(|n| json!({"name": n, "image": image})).collect() };
        let order: Value = names(MANY / 2).map(|n| json!({"name": n})).collect();
        let pod = json!({"spec": {"containers": containers(0, "old")}});
        let patch = json!({"spec": {"containers": containers(MANY / 2, "new"), "$setElementOrder/containers": order}});
        let merged = patched("Pod", pod.clone(), patch);
        assert_eq!(merged["spec"]["containers"].as_array().unwrap().len(), MANY * 3 / 2);
        let gone: Value = names(0).map(|n| json!({"name": n, "$patch": "delete"})).collect();
        assert_eq!(patched("Pod", pod.clone(), json!({"spec": {"containers": gone}}))["spec"]["containers"], json!([]));
        let order: Value = names(0).rev().map(|n| json!({"name": n})).collect();
        let turned = patched("Pod", pod, json!({"spec": {"$setElementOrder/containers": order}}));
        assert_eq!(turned["spec"]["containers"][0]["name"], names(0).next_back().unwrap());
        let list = |from: usize| -> Value { names(from).map(Value::from).collect() };
        let object = json!({"metadata": {"finalizers": list(0)}});
        let patch = json!({"metadata": {"finalizers": list(MANY / 2), "$deleteFromPrimitiveList/finalizers": list(0), "$retainKeys": list(0)}});
        assert_eq!(patched("Pod", object, patch)["metadata"]["finalizers"], list(MANY / 2));
        assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    }
}
