//! Ownership after a plain write, updated in place: only the parts of each entry that the write affects are touched.
//!
//! This is the fast path for entries that this server wrote itself, so that the form of their `fieldsV1` is known. `managedFields`
//! that clients have changed take the slow path, as sets in memory.

use super::{
    field_set::{Difference, FieldSet},
    writer::{Operation, UPDATE_ENTRIES, Writer},
};
use crate::object;
use serde_json::{Map, Value, json};

/// Marks a field that is owned itself although fields below it are.
const SELF: &str = ".";

/// The entries after a plain write, as `Owners` would make them; `None` when that would also merge the oldest ones.
pub(super) fn update(mut entries: Vec<Value>, difference: &Difference, writer: &Writer<'_>) -> Option<Vec<Value>> {
    let is_changed = !difference.changed.is_empty() || !difference.removed.is_empty();
    if !is_changed {
        return Some(entries);
    }
    let mut has_own = false;
    entries.retain_mut(|entry| {
        let is_writers = is(entry, writer);
        let is_own = is_writers && !has_own;
        has_own |= is_own;
        let Some(Value::Object(fields)) = entry.get_mut("fieldsV1") else { return false };
        if !is_writers {
            subtract(fields, &difference.changed);
        }
        subtract(fields, &difference.removed);
        if is_own {
            union(fields, &difference.changed);
        }
        let stays = !fields.is_empty();
        if is_own && stays {
            object::set(entry, "time", writer.time.into());
            object::set(entry, "apiVersion", writer.api_version.into());
        }
        stays
    });
    if !has_own && !difference.changed.is_empty() {
        entries.push(made(difference, writer));
    }
    let updates = entries.iter().filter(|e| object::text(e, &["operation"]) == Operation::Update.name()).count();
    if updates > UPDATE_ENTRIES {
        return None;
    }
    entries.sort_by(|a, b| order(a).cmp(&order(b)));
    Some(entries)
}

fn made(difference: &Difference, writer: &Writer<'_>) -> Value {
    let mut entry = json!({"manager": writer.manager, "operation": Operation::Update.name(), "time": writer.time,
        "apiVersion": writer.api_version, "fieldsType": "FieldsV1", "fieldsV1": difference.changed.to_fields_v1()});
    if !writer.subresource.is_empty() {
        object::set(&mut entry, "subresource", writer.subresource.into());
    }
    entry
}

fn is(entry: &Value, writer: &Writer<'_>) -> bool {
    let text = |field| object::text(entry, &[field]);
    text("manager") == writer.manager
        && text("operation") == Operation::Update.name()
        && text("subresource") == writer.subresource
}

fn order(entry: &Value) -> (&str, Option<&str>, &str, &str, &str) {
    let text = |field| object::text(entry, &[field]);
    let time = entry.get("time").and_then(Value::as_str);
    (text("operation"), time, text("manager"), text("apiVersion"), text("subresource"))
}

/// Removes the members of `other`; returns whether nothing is left. The cost is proportional to the smaller of the two.
fn subtract(own: &mut Map<String, Value>, other: &FieldSet) -> bool {
    let stays = (own.is_empty() || own.contains_key(SELF)) && !other.member;
    let without = |below: &mut Value, child| below.as_object_mut().is_some_and(|below| subtract(below, child));
    if own.len() <= other.children.len() {
        own.retain(|element, below| other.children.get(element).is_none_or(|child| !without(below, child)));
    } else {
        for (element, child) in &other.children {
            if own.get_mut(element).is_some_and(|below| without(below, child)) {
                own.remove(element);
            }
        }
    }
    let is_leaf = own.len() == usize::from(own.contains_key(SELF));
    if is_leaf || !stays {
        own.remove(SELF);
    }
    is_leaf && !stays
}

/// Adds the members of `other`.
fn union(own: &mut Map<String, Value>, other: &FieldSet) {
    for (element, child) in &other.children {
        match own.get_mut(element) {
            Some(Value::Object(below)) => {
                let is_member = below.is_empty() || below.contains_key(SELF) || child.member;
                union(below, child);
                if is_member && !below.is_empty() {
                    below.entry(SELF).or_insert_with(|| json!({}));
                }
            }
            _ => _ = own.insert(element.clone(), child.to_fields_v1()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kinds,
        managed_fields::{Owners, difference, kept, set_entries},
    };
    use proptest::prelude::*;

    /// Some labels and annotations, taints, which are an atomic list, and conditions, which have a key.
    fn node() -> impl Strategy<Value = Value> {
        let texts = || proptest::collection::btree_map("[a-c]", "[xy]", 0..3);
        let conditions = proptest::collection::btree_map("[A-C]", "[xy]", 0..3);
        (texts(), texts(), proptest::collection::vec("[a-c]", 0..2), conditions, any::<bool>()).prop_map(
            |(labels, annotations, taints, conditions, bare)| {
                let mut node = json!({"metadata": {"name": "n", "labels": labels, "annotations": annotations}});
                if !bare {
                    let taints: Vec<Value> =
                        taints.iter().map(|key| json!({"key": key, "effect": "NoSchedule"})).collect();
                    let conditions: Vec<Value> =
                        conditions.iter().map(|(type_, reason)| json!({"type": type_, "reason": reason})).collect();
                    node["spec"] = json!({"taints": taints});
                    node["status"] = json!({"conditions": conditions});
                }
                node
            },
        )
    }

    proptest! {
        #[test]
        fn the_fast_path_agrees_with_the_slow_one(
            writes in proptest::collection::vec((node(), 0..4_usize, 0..3_u8), 1..12)
        ) {
            const MANAGERS: [&str; 4] = ["a", "b", "c", "d"];
            let resource = kinds::built_in().find(|r| r.kind == "Node").unwrap();
            let mut old = json!({"metadata": {}});
            for (at, (mut new, manager, how)) in writes.into_iter().enumerate() {
                let ignored: &[&str] = if how == 0 { &["f:spec"] } else { &["f:status"] };
                let (time, subresource) = (format!("2026-01-01T00:00:{at:02}Z"), if how == 0 { "status" } else { "" });
                let writer =
                    Writer { manager: MANAGERS[manager], subresource, api_version: "v1", time: &time, ignored };
                if how == 2 {
                    let entries = old["metadata"].get("managedFields").cloned();
                    new["metadata"]["managedFields"] = entries.unwrap_or_else(|| json!([]));
                }
                let difference = difference(&old, &new, resource.types().root(), &writer);
                let mut long = new.clone();
                let mut owners = Owners::for_write(&old, &long);
                owners.plain(&difference, &writer);
                owners.write(&mut long);
                let short = kept(&old, &mut new).unwrap();
                match update(short, &difference, &writer) {
                    Some(entries) => set_entries(&mut new, entries),
                    None => prop_assert!(at >= UPDATE_ENTRIES),
                }
                prop_assert_eq!(&new, &long);
                old = long;
            }
        }
    }
}
