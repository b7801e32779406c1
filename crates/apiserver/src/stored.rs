//! A version of an object, and a change of one.

use crate::object;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;

/// Namespace (empty for cluster-wide kinds) and name; the order of lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
}

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// The labels, which selectors can use without parsing the object.
type Labels = Box<[(Box<str>, Box<str>)]>;
/// Uids in `ownerReferences`.
type Owners = Box<[Box<str>]>;

/// One version of an object.
#[derive(Debug)]
pub(crate) struct Object {
    /// The JSON that is served.
    pub(crate) raw: Bytes,
    /// `metadata.resourceVersion`.
    pub(crate) version: u64,
    labels: Labels,
    pub(crate) owners: Owners,
}

impl Object {
    pub(crate) fn new(value: &Value, version: u64) -> Self {
        let raw = serialise(value);
        let labels = object::at(value, &["metadata", "labels"]).and_then(Value::as_object);
        let text = |v: &Value| v.as_str().unwrap_or_default().into();
        let labels = labels.into_iter().flatten().map(|(k, v)| (k.as_str().into(), text(v))).collect();
        let owners = object::list(value, &["metadata", "ownerReferences"]).iter();
        let owners = owners.filter_map(|owner| owner.get("uid")?.as_str().map(Into::into)).collect();
        Self { raw: raw.into_boxed_slice().into(), version, labels, owners }
    }

    /// The object, parsed.
    pub(crate) fn value(&self) -> Value {
        // It was serialised here, so parsing does not fail.
        serde_json::from_slice(&self.raw).unwrap_or_default()
    }

    /// The same state under a later version.
    pub(crate) fn at_version(&self, version: u64) -> Self {
        let mut value = self.value();
        object::edit_meta(&mut value, |m| m.insert("resourceVersion".into(), version.to_string().into()));
        Self::new(&value, version)
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(k, _)| **k == *key).map(|(_, v)| &**v)
    }
}

/// The beginning of every serialised object of a kind.
pub(crate) fn type_head(api_version: &str, kind: &str) -> String {
    format!("{{\"apiVersion\":{},\"kind\":{},", Value::from(api_version), Value::from(kind))
}

/// JSON with the type in front, so that it can be cut off.
pub(crate) fn serialise(value: &Value) -> Vec<u8> {
    let text = |field| object::text(value, &[field]);
    let mut out = type_head(text("apiVersion"), text("kind")).into_bytes();
    let fields = value.as_object().into_iter().flatten().filter(|(k, _)| *k != "apiVersion" && *k != "kind");
    for (index, (name, field)) in fields.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        // Writing JSON values to memory does not fail.
        let _ = serde_json::to_writer(&mut out, name);
        out.push(b':');
        let _ = serde_json::to_writer(&mut out, field);
    }
    out.push(b'}');
    out
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    Added,
    Modified,
    Deleted,
}

/// One change, as watchers see it.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) key: Key,
    /// The object after the change; for a deletion its last state, with the version of the deletion.
    pub(crate) object: Arc<Object>,
    pub(crate) previous: Option<Arc<Object>>,
}
