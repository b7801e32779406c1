//! What an expression sees of a JSON value that has a schema: values typed by the schema, field names escaped, and nothing that the
//! schema does not declare.

use crate::{
    cel::{
        Bound, Meter,
        bind::Binder,
        containers::{List, Order},
        escape::escape,
    },
    node::{ListType, Node},
    text::duration_nanos,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cel::common::{
    types::{CelBytes, CelDouble, CelDuration, CelInt, CelMapKey, CelString, CelTimestamp},
    value::Val,
};
use serde_json::{Map, Number, Value};
use std::{collections::BTreeSet, sync::Arc};

/// The only fields of `metadata` that rules may read.
const METADATA_FIELDS: [&str; 2] = ["name", "generateName"];

impl<'v> Bound<'v> {
    /// JSON as its schema types it, for the rules of the schema. An object has only the fields that they read. `resource`: the
    /// value is a whole resource, with type and metadata.
    pub(crate) fn typed(value: &'v Value, node: &'v Node, resource: bool, meter: &Meter) -> Self {
        let binder = Binder { meter };
        Self(match value {
            Value::Object(fields) => {
                binder.object(fields, node, resource || node.embedded_resource, node.rules_read.as_ref())
            }
            _ => binder.typed(value, node),
        })
    }
}

/// An integer, also when JSON wrote it as `1.0`.
fn whole(number: &Number) -> i64 {
    #[allow(clippy::cast_possible_truncation, reason = "validation let only whole numbers pass; saturating is right")]
    let from_float = || number.as_f64().unwrap_or_default() as i64;
    number.as_i64().unwrap_or_else(from_float)
}

/// Some formats are types of their own. A text that does not match its format stays a string.
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

impl Binder<'_> {
    fn typed<'v>(self, value: &'v Value, node: &'v Node) -> Box<dyn Val + 'v> {
        match value {
            Value::String(text) if !node.int_or_string => string(text, &node.format),
            Value::Number(n) if node.kind == "number" => Box::new(CelDouble::from(n.as_f64().unwrap_or_default())),
            Value::Number(n) if node.kind == "integer" => Box::new(CelInt::from(whole(n))),
            Value::Array(items) => self.list(items, node),
            Value::Object(fields) => self.object(fields, node, node.embedded_resource, None),
            other => self.plain(other),
        }
    }

    fn list<'v>(self, items: &'v [Value], node: &'v Node) -> Box<dyn Val + 'v> {
        let element = |item: &'v Value| node.items().map_or_else(|| self.plain(item), |child| self.typed(item, child));
        let order = match node.list_type() {
            ListType::Atomic => Order::Counts,
            ListType::Set => Order::Ignored(Arc::default()),
            ListType::Map => {
                Order::Ignored(node.list_map_keys.iter().filter_map(|key| Some(escape(key)?.into())).collect())
            }
        };
        Box::new(List::new(items.iter().map(element).collect(), order, self.meter))
    }

    /// `only`: the (escaped) names of the fields that are read.
    fn object<'v>(
        self,
        fields: &'v Map<String, Value>,
        node: &'v Node,
        resource: bool,
        only: Option<&BTreeSet<String>>,
    ) -> Box<dyn Val + 'v> {
        let is_read = |name: &str| only.is_none_or(|only| only.contains(name));
        self.map(fields.iter().filter_map(|(name, value)| {
            let key = || CelMapKey::from(name.as_str());
            let is_of_resource = resource && ["apiVersion", "kind", "metadata"].contains(&name.as_str());
            if (is_of_resource || node.values().is_some()) && !is_read(name) {
                return None;
            }
            if resource && name == "metadata" {
                let kept = value.as_object().into_iter().flatten();
                let kept = kept.filter(|(name, _)| METADATA_FIELDS.contains(&name.as_str()));
                return Some((
                    key(),
                    self.map(kept.map(|(name, value)| (CelMapKey::from(name.as_str()), self.plain(value)))),
                ));
            }
            if resource && (name == "apiVersion" || name == "kind") {
                return Some((key(), self.plain(value)));
            }
            if let Some(child) = node.values() {
                return Some((key(), self.typed(value, child)));
            }
            let escaped = escape(name).filter(|name| is_read(name))?;
            let child = node.properties.get(name).filter(|child| exposed(child))?;
            let key = if *escaped == **name { key() } else { CelMapKey::from(escaped.into_owned()) };
            Some((key, self.typed(value, child)))
        }))
    }
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
