//! Sets of fields of an object, and how they are written in `metadata.managedFields`.
//!
//! A field is a path of elements: `f:<name>` for a field, `k:<json>` for the element of a keyed list, `v:<json>` for
//! the element of a set (`FieldsV1` of `k8s.io/apimachinery/pkg/apis/meta/v1`).

use crate::{merge_keys::ListKind, types::Shape};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

/// A set of fields, as a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    pub(super) member: bool,
    pub(super) children: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    /// Reads `fieldsV1`.
    pub(crate) fn from_fields_v1(fields: &Value) -> Self {
        let mut set = Self::default();
        for (element, below) in fields.as_object().into_iter().flatten() {
            if element == "." {
                set.member = true;
            } else {
                let mut child = Self::from_fields_v1(below);
                child.member |= child.children.is_empty();
                set.children.insert(element.clone(), child);
            }
        }
        set
    }

    /// Writes `fieldsV1`.
    pub(crate) fn to_fields_v1(&self) -> Value {
        let mut fields = Map::new();
        if self.member && !self.children.is_empty() {
            fields.insert(".".into(), json!({}));
        }
        fields.extend(self.children.iter().map(|(element, child)| (element.clone(), child.to_fields_v1())));
        fields.into()
    }

    /// The fields of an applied object: leaves, entries of open maps, elements of keyed lists and sets.
    pub(crate) fn of(object: &Value, shape: Shape<'_>) -> Self {
        let mut set = Self::default();
        set.add_value(object, shape);
        set.member = false;
        set
    }

    fn add_value(&mut self, value: &Value, shape: Shape<'_>) {
        match (value, shape.list_kind()) {
            (Value::Object(map), _) if !shape.is_atomic_map() => {
                for (name, below) in map {
                    let child = self.children.entry(field(name)).or_default();
                    child.add_value(below, shape.field(name));
                    let empty = below.is_null() || below.as_object().is_some_and(Map::is_empty);
                    child.member |= empty || (!shape.declares(name) && !shape.is_unknown());
                }
            }
            (Value::Array(list), kind @ (ListKind::Set | ListKind::Map(_))) => {
                for item in list {
                    let child = self.children.entry(element(item, kind, shape)).or_default();
                    if matches!(kind, ListKind::Map(_)) {
                        child.add_value(item, shape.items());
                    }
                    child.member = true;
                }
            }
            _ => self.member = true,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Visits every member, parents before children, until the visitor has seen enough.
    pub(crate) fn visit<'s>(&'s self, visitor: &mut impl FnMut(&[&'s str]) -> ControlFlow<()>) -> ControlFlow<()> {
        self.visit_below(&mut Vec::new(), visitor)
    }

    fn visit_below<'s>(
        &'s self,
        at: &mut Vec<&'s str>,
        visitor: &mut impl FnMut(&[&'s str]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.member && !at.is_empty() {
            visitor(at)?;
        }
        for (element, child) in &self.children {
            at.push(element);
            child.visit_below(at, visitor)?;
            at.pop();
        }
        ControlFlow::Continue(())
    }

    pub(crate) fn union(&mut self, other: &Self) {
        self.member |= other.member;
        for (element, child) in &other.children {
            self.children.entry(element.clone()).or_default().union(child);
        }
    }

    /// Removes the members of `other`. The cost is proportional to the smaller of the two: an object may have thousands of owners,
    /// and a write thousands of fields.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        if self.children.len() <= other.children.len() {
            self.children.retain(|element, own| {
                let Some(child) = other.children.get(element) else { return true };
                own.subtract(child);
                !own.is_empty()
            });
            return;
        }
        for (element, child) in &other.children {
            if let Some(own) = self.children.get_mut(element) {
                own.subtract(child);
                if own.is_empty() {
                    self.children.remove(element);
                }
            }
        }
    }

    /// The members that are in both. The cost is proportional to the smaller of the two.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        if self.children.len() > other.children.len() {
            return other.intersection(self);
        }
        let mut both = Self { member: self.member && other.member, children: BTreeMap::new() };
        for (element, child) in &self.children {
            let Some(theirs) = other.children.get(element) else { continue };
            let below = child.intersection(theirs);
            if !below.is_empty() {
                both.children.insert(element.clone(), below);
            }
        }
        both
    }

    /// Removes a field with everything below it.
    pub(crate) fn cut(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else { return };
        if rest.is_empty() {
            self.children.remove(*first);
        } else if let Some(child) = self.children.get_mut(*first) {
            child.cut(rest);
            if child.is_empty() {
                self.children.remove(*first);
            }
        }
    }
}

fn field(name: &str) -> String {
    format!("f:{name}")
}

/// The path element of a list's item.
pub(crate) fn element(item: &Value, kind: &ListKind, list: Shape<'_>) -> String {
    match kind {
        ListKind::Map(keys) => {
            let value = |key: &str| identity(item, key, list).cloned();
            let keys = keys.iter().filter_map(|key| Some((key.to_string(), value(key)?)));
            format!("k:{}", Value::Object(keys.collect()))
        }
        _ => format!("v:{item}"),
    }
}

/// The difference between two versions of an object.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// Fields that are new or have another value.
    pub(crate) changed: FieldSet,
    /// Fields that are gone.
    pub(crate) removed: FieldSet,
}

impl Difference {
    pub(crate) fn between(old: &Value, new: &Value, shape: Shape<'_>) -> Self {
        let mut difference = Self::default();
        compare(Some(old), Some(new), shape, &mut difference.changed, &mut difference.removed);
        difference
    }
}

fn compare<'v>(
    old: Option<&'v Value>,
    new: Option<&'v Value>,
    shape: Shape<'_>,
    changed: &mut FieldSet,
    removed: &mut FieldSet,
) {
    changed.member |= old.is_none() && new.is_some();
    removed.member |= old.is_some() && new.is_none();
    let is_map = |v: Option<&Value>| v.is_none_or(Value::is_object);
    let is_list = |v: Option<&Value>| v.is_none_or(Value::is_array);
    let kind = shape.list_kind();
    if is_map(old) && is_map(new) && !shape.is_atomic_map() {
        let none = Map::new();
        let fields = |v: Option<&'v Value>| v.and_then(Value::as_object);
        let (before, after) = (fields(old).unwrap_or(&none), fields(new).unwrap_or(&none));
        let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
        // Both are sorted by name.
        while let Some(name) = [before.peek(), after.peek()].into_iter().flatten().map(|(name, _)| *name).min() {
            let old = before.next_if(|(own, _)| *own == name).map(|(_, value)| value);
            let new = after.next_if(|(own, _)| *own == name).map(|(_, value)| value);
            if old != new {
                descend(&field(name), old, new, shape.field(name), changed, removed);
            }
        }
    } else if is_list(old) && is_list(new) && *kind != ListKind::Atomic {
        if let Some((old, new)) = old.and_then(Value::as_array).zip(new.and_then(Value::as_array))
            && are_aligned(old, new, kind, shape)
        {
            for (old, new) in old.iter().zip(new).filter(|(old, new)| old != new) {
                descend(&element(new, kind, shape), Some(old), Some(new), shape.items(), changed, removed);
            }
            return;
        }
        let items = |v: Option<&'v Value>| -> BTreeMap<String, &'v Value> {
            let list = v.and_then(Value::as_array).into_iter().flatten();
            list.map(|item| (element(item, kind, shape), item)).collect()
        };
        let (before, after) = (items(old), items(new));
        for name in before.keys().chain(after.keys().filter(|k| !before.contains_key(*k))) {
            let (old, new) = (before.get(name).copied(), after.get(name).copied());
            if old != new {
                descend(name, old, new, shape.items(), changed, removed);
            }
        }
    } else if new.is_some() && old != new {
        changed.member = true;
    }
}

/// Up to this many elements, a list is scanned rather than sorted.
const FEW: usize = 32;

/// Whether two lists have elements with the same keys, each once and in the same order. This is so when a condition changes.
fn are_aligned(old: &[Value], new: &[Value], kind: &ListKind, list: Shape<'_>) -> bool {
    let ListKind::Map(keys) = kind else { return false };
    let is_same =
        |one: &Value, other: &Value| keys.iter().all(|key| identity(one, key, list) == identity(other, key, list));
    old.len() == new.len()
        && new.len() <= FEW
        && old.iter().zip(new).all(|(old, new)| is_same(old, new))
        && new.iter().enumerate().all(|(at, item)| !new[..at].iter().any(|other| is_same(item, other)))
}

/// The value of a key of an element, or its default if it is left out.
fn identity<'v>(item: &'v Value, key: &str, list: Shape<'v>) -> Option<&'v Value> {
    item.get(key).or_else(|| list.items().key_default(key))
}

fn descend(
    element: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    shape: Shape<'_>,
    changed: &mut FieldSet,
    removed: &mut FieldSet,
) {
    let (mut more, mut less) = (FieldSet::default(), FieldSet::default());
    compare(old, new, shape, &mut more, &mut less);
    for (set, below) in [(changed, more), (removed, less)] {
        if !below.is_empty() {
            set.children.insert(element.to_owned(), below);
        }
    }
}

/// A path as messages show it, e.g. `.spec.containers[name="a"].image`.
pub(crate) fn display(path: &[&str]) -> String {
    let element = |element: &&str| match element.split_at_checked(2) {
        Some(("f:", name)) => format!(".{name}"),
        Some(("k:", keys)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        Some((_, value)) => format!("[={value}]"),
        None => (*element).to_owned(),
    };
    path.iter().map(element).collect()
}

/// Removes from a value the fields and list elements that lead to a member of `gone` and to none of `kept`.
pub(crate) fn remove(value: &mut Value, gone: &FieldSet, kept: &FieldSet, shape: Shape<'_>) {
    match value {
        Value::Object(map) => {
            for (element, below) in &gone.children {
                let Some(name) = element.strip_prefix("f:") else { continue };
                match (kept.children.get(element), map.get_mut(name)) {
                    (None, _) => _ = map.remove(name),
                    (Some(kept), Some(value)) => remove(value, below, kept, shape.field(name)),
                    (Some(_), None) => {}
                }
            }
        }
        Value::Array(list) if gone.children.keys().any(|element| !element.starts_with("f:")) => {
            let kind = shape.list_kind();
            // Among repeated elements, only the first counts.
            let mut seen = BTreeSet::new();
            list.retain_mut(|item| {
                let element = element(item, kind, shape);
                let Some(below) = gone.children.get(&element) else { return true };
                if !seen.insert(element.clone()) {
                    return true;
                }
                let Some(kept) = kept.children.get(&element) else { return false };
                remove(item, below, kept, shape.items());
                true
            });
        }
        _ => {}
    }
}
