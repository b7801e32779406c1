//! Merging one configuration over another.
//!
//! Scalars: the later one's, if it has one. Objects: field by field. Keyed lists: the earlier order, entries of
//! the same key merged, new ones at the end; a key that the later configuration uses in a sibling list of the same space
//! is removed from this one. Other lists are concatenated.
//!
//! Source: `config/merge/merge.go` of github.com/coreos/ignition, <https://coreos.github.io/ignition/operator-notes/>.

use crate::schema::{CONFIG, Field, HEADER, Object, Shape};
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// Merges a configuration in normal form over another.
pub(crate) fn merge(parent: Map<String, Value>, child: Map<String, Value>) -> Map<String, Value> {
    merge_objects(parent, child, &CONFIG)
}

fn merge_objects(
    mut parent: Map<String, Value>,
    mut child: Map<String, Value>,
    object: &'static Object,
) -> Map<String, Value> {
    let spaces = keys_by_space(&child, object);
    for field in object.fields {
        let earlier = parent.remove(field.name);
        let merged = match (earlier, child.remove(field.name), field.space) {
            (None, later, _) => later,
            (earlier, None, None) => earlier,
            (Some(earlier), later, _) => Some(merge_values(earlier, later, field, &spaces)),
        };
        if let Some(merged) = merged {
            parent.insert(field.name.to_owned(), merged);
        }
    }
    parent
}

/// The keys of lists with shared keys, by field.
type Spaces = BTreeMap<&'static str, BTreeSet<String>>;

fn keys_by_space(child: &Map<String, Value>, object: &'static Object) -> Spaces {
    let shared = object.fields.iter().filter(|field| field.space.is_some());
    let lists = shared.filter_map(|field| Some((field, child.get(field.name)?.as_array()?)));
    lists.map(|(field, items)| (field.name, items.iter().map(|i| key(i, field).into_owned()).collect())).collect()
}

fn key<'v>(item: &'v Value, field: &'static Field) -> Cow<'v, str> {
    match field.shape {
        Shape::Objects(object) => object.key_of(item),
        _ => Cow::Borrowed(item.as_str().unwrap_or_default()),
    }
}

fn merge_values(earlier: Value, later: Option<Value>, field: &'static Field, spaces: &Spaces) -> Value {
    match (field.shape, earlier, later) {
        (Shape::Object(object), Value::Object(earlier), Some(Value::Object(later))) => {
            Value::Object(merge_objects(earlier, later, object))
        }
        (Shape::Texts | Shape::Objects(_), Value::Array(earlier), later) => {
            let later = match later {
                Some(Value::Array(later)) => later,
                _ => Vec::new(),
            };
            let merged =
                if field.concat { [earlier, later].concat() } else { merge_lists(earlier, later, field, spaces) };
            Value::Array(merged)
        }
        (_, earlier, later) => later.unwrap_or(earlier),
    }
}

fn merge_lists(earlier: Vec<Value>, later: Vec<Value>, field: &'static Field, spaces: &Spaces) -> Vec<Value> {
    let siblings = spaces.iter().filter(|(name, _)| field.space.is_some() && **name != field.name);
    let taken: Vec<&BTreeSet<String>> = siblings.map(|(_, keys)| keys).collect();
    let mut later: Vec<Option<Value>> = later.into_iter().map(Some).collect();
    let mut position = BTreeMap::new();
    for (index, item) in later.iter().flatten().enumerate() {
        position.insert(key(item, field).into_owned(), index);
    }
    let mut merged = Vec::with_capacity(earlier.len() + later.len());
    for item in earlier {
        let same = position.get(key(&item, field).as_ref()).and_then(|&index| later[index].take());
        match same {
            Some(_) if is_removed(same.as_ref(), field) => {}
            Some(same) => merged.push(merge_items(item, same, field)),
            None if taken.iter().any(|keys| keys.contains(key(&item, field).as_ref())) => {}
            None => merged.push(item),
        }
    }
    merged.extend(later.into_iter().flatten());
    merged
}

/// A header without a value removes the earlier one of its name.
fn is_removed(later: Option<&Value>, field: &'static Field) -> bool {
    matches!(field.shape, Shape::Objects(object) if std::ptr::eq(object, &HEADER))
        && later.is_some_and(|header| header.get("value").is_none())
}

fn merge_items(earlier: Value, later: Value, field: &'static Field) -> Value {
    match (field.shape, earlier, later) {
        (Shape::Objects(object), Value::Object(earlier), Value::Object(later)) => {
            Value::Object(merge_objects(earlier, later, object))
        }
        (_, _, later) => later,
    }
}
