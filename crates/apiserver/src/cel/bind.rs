//! What an expression sees of a JSON value. With a schema: its types, its field names escaped, and nothing it does not
//! declare. Without one: plain JSON.

use super::{escape::escape, lists::Unordered};
use crate::schema::{ListType, Node, duration_nanos};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cel::{
    common::{
        types::{
            CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull, CelOptional,
            CelString, CelTimestamp, CelUInt,
        },
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use serde_json::{Map, Number, Value};
use std::{collections::HashMap, sync::Arc};

/// The only fields of `metadata` that rules may read.
const METADATA_FIELDS: [&str; 2] = ["name", "generateName"];

/// A value as expressions see it. It borrows the JSON it was made of.
#[derive(Debug, Clone)]
pub(crate) struct Bound<'v>(pub(super) Box<dyn Val + 'v>);

impl<'v> Bound<'v> {
    /// Plain JSON.
    pub(crate) fn plain(value: &'v Value) -> Self {
        Self(plain(value))
    }

    /// JSON as its schema types it. `resource`: the value is a whole resource, with type and metadata.
    pub(crate) fn typed(value: &'v Value, node: &'v Node, resource: bool) -> Self {
        Self(typed(value, node, resource))
    }

    /// An optional holding the value, or nothing.
    pub(crate) fn optional(value: Option<Self>) -> Self {
        Self(Box::new(value.map_or_else(CelOptional::none, |value| CelOptional::of(value.0))))
    }

    pub(crate) fn null() -> Self {
        Self(Box::new(CelNull))
    }

    /// A map of values.
    pub(crate) fn map(entries: impl IntoIterator<Item = (String, Self)>) -> Self {
        let entries: HashMap<_, _> =
            entries.into_iter().map(|(name, value)| (CelMapKey::from(name), value.0)).collect();
        Self(Box::new(CelMap::from(entries)))
    }
}

/// The variables of an expression.
#[derive(Debug, Default)]
pub(crate) struct Bindings<'v> {
    values: Vec<(&'static str, Bound<'v>)>,
}

impl<'v> Bindings<'v> {
    pub(crate) fn with(mut self, name: &'static str, value: Bound<'v>) -> Self {
        self.set(name, value);
        self
    }

    /// Binds `name`, also if it was bound before.
    pub(crate) fn set(&mut self, name: &'static str, value: Bound<'v>) {
        self.values.retain(|(bound, _)| *bound != name);
        self.values.push((name, value));
    }
}

impl<'v> Bindings<'v> {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Bound<'v>)> {
        self.values.iter().map(|(name, value)| (*name, value))
    }
}

impl VariableResolver for Bindings<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let (_, value) = self.values.iter().find(|(name, _)| *name == variable)?;
        Some(CowVal::Borrowed(value.0.as_ref()))
    }
}

fn number<'v>(number: &Number) -> Box<dyn Val + 'v> {
    match (number.as_i64(), number.as_u64()) {
        (Some(int), _) => Box::new(CelInt::from(int)),
        (None, Some(uint)) => Box::new(CelUInt::from(uint)),
        (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or_default())),
    }
}

fn plain(value: &Value) -> Box<dyn Val + '_> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(b) => Box::new(CelBool::from(*b)),
        Value::Number(n) => number(n),
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(plain).collect::<Vec<_>>())),
        Value::Object(fields) => {
            let entries: HashMap<_, _> = fields.iter().map(|(k, v)| (CelMapKey::from(k.as_str()), plain(v))).collect();
            Box::new(CelMap::from(entries))
        }
    }
}

fn typed<'v>(value: &'v Value, node: &'v Node, resource: bool) -> Box<dyn Val + 'v> {
    match value {
        Value::String(text) if !node.int_or_string => string(text, &node.format),
        Value::Number(n) if node.kind == "number" => Box::new(CelDouble::from(n.as_f64().unwrap_or_default())),
        Value::Number(n) if node.kind == "integer" => Box::new(CelInt::from(whole(n))),
        Value::Array(items) => list(items, node),
        Value::Object(fields) => object(fields, node, resource || node.embedded_resource),
        other => plain(other),
    }
}

/// An integer, also when JSON wrote it as `1.0`.
fn whole(number: &Number) -> i64 {
    #[allow(clippy::cast_possible_truncation, reason = "validation let only whole numbers pass; saturating is right")]
    let from_float = || number.as_f64().unwrap_or_default() as i64;
    number.as_i64().unwrap_or_else(from_float)
}

/// Some formats are types of their own. Text that does not have its format stays text.
fn string<'v>(text: &'v str, format: &str) -> Box<dyn Val + 'v> {
    let parsed: Option<Box<dyn Val + 'v>> = match format {
        "byte" => STANDARD.decode(text).ok().map(|bytes| Box::new(CelBytes::from(bytes)) as _),
        "date-time" => chrono::DateTime::parse_from_rfc3339(text).ok().map(|t| Box::new(CelTimestamp::from(t)) as _),
        "date" => chrono::DateTime::parse_from_rfc3339(&format!("{text}T00:00:00Z"))
            .ok()
            .map(|t| Box::new(CelTimestamp::from(t)) as _),
        "duration" => duration_nanos(text).map(|n| Box::new(CelDuration::from(chrono::Duration::nanoseconds(n))) as _),
        _ => None,
    };
    parsed.unwrap_or_else(|| Box::new(CelString::from(text)))
}

fn list<'v>(items: &'v [Value], node: &'v Node) -> Box<dyn Val + 'v> {
    let Some(child) = node.items() else { return Box::new(CelList::from(items.iter().map(plain).collect::<Vec<_>>())) };
    let elements: Vec<_> = items.iter().map(|item| typed(item, child, false)).collect();
    match node.list_type() {
        ListType::Atomic => Box::new(CelList::from(elements)),
        ListType::Set => Box::new(Unordered::new(elements, Arc::default())),
        ListType::Map => {
            let keys: Vec<_> = node.list_map_keys.iter().filter_map(|key| escape(key)).collect();
            Box::new(Unordered::new(elements, keys.into()))
        }
    }
}

fn object<'v>(fields: &'v Map<String, Value>, node: &'v Node, resource: bool) -> Box<dyn Val + 'v> {
    let mut entries: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = HashMap::with_capacity(fields.len());
    for (name, value) in fields {
        if resource && name == "metadata" {
            let kept = value.as_object().into_iter().flatten().filter(|(k, _)| METADATA_FIELDS.contains(&k.as_str()));
            let kept: HashMap<_, _> = kept.map(|(k, v)| (CelMapKey::from(k.as_str()), plain(v))).collect();
            entries.insert(CelMapKey::from("metadata"), Box::new(CelMap::from(kept)));
        } else if resource && (name == "apiVersion" || name == "kind") {
            entries.insert(CelMapKey::from(name.as_str()), plain(value));
        } else if let Some(child) = node.values() {
            entries.insert(CelMapKey::from(name.as_str()), typed(value, child, false));
        } else if let Some(child) = node.properties.get(name).filter(|child| exposed(child)) {
            let key = escape(name)
                .map(|key| if key == *name { CelMapKey::from(name.as_str()) } else { CelMapKey::from(key) });
            if let Some(key) = key {
                entries.insert(key, typed(value, child, false));
            }
        }
    }
    Box::new(CelMap::from(entries))
}

/// Whether expressions can see values of this schema: those without a type cannot be seen.
pub(super) fn exposed(node: &Node) -> bool {
    match node.kind.as_str() {
        _ if node.int_or_string => true,
        "array" => node.items().is_some_and(exposed),
        "object" => node.values().is_none_or(exposed),
        "" => false,
        _ => true,
    }
}
