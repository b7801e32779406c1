//! What an expression sees of a JSON value. With a schema: its types, its field names escaped, and nothing it does not
//! declare. Without one: plain JSON.

use super::{
    containers::{List, Meter, Object, Order},
    escape::escape,
};
use crate::schema::{ListType, Node, duration_nanos};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cel::{
    common::{
        types::{
            CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelMap, CelMapKey, CelNull, CelOptional, CelString,
            CelTimestamp, CelUInt,
        },
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use serde_json::{Map, Number, Value};
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

/// The only fields of `metadata` that rules may read.
const METADATA_FIELDS: [&str; 2] = ["name", "generateName"];

/// A value as expressions see it. It borrows the JSON it was made of.
#[derive(Debug, Clone)]
pub(crate) struct Bound<'v>(pub(super) Box<dyn Val + 'v>);

impl<'v> Bound<'v> {
    /// Plain JSON. Steps through it are counted by `meter`, here as below.
    pub(crate) fn plain(value: &'v Value, meter: &Meter) -> Self {
        Self(Binder { meter }.plain(value))
    }

    /// JSON as its schema types it. `resource`: the value is a whole resource, with type and metadata.
    pub(crate) fn typed(value: &'v Value, node: &'v Node, resource: bool, meter: &Meter) -> Self {
        Self(Binder { meter }.typed(value, node, resource))
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

/// A variable. What it is made of is taken apart when an expression first asks for it: most ask for few.
#[derive(Debug)]
struct Variable<'v> {
    name: &'static str,
    json: Option<&'v Value>,
    value: OnceLock<Bound<'v>>,
}

impl<'v> Variable<'v> {
    fn value(&self, meter: &Meter) -> &Bound<'v> {
        self.value.get_or_init(|| self.json.map_or_else(Bound::null, |json| Bound::plain(json, meter)))
    }
}

/// The variables of an expression.
#[derive(Debug, Default)]
pub(crate) struct Bindings<'v> {
    variables: Vec<Variable<'v>>,
    pub(super) meter: Meter,
}

impl<'v> Bindings<'v> {
    /// No variables yet. Evaluations take their steps off the meter, which should be the one values are bound with.
    pub(crate) fn metered(meter: &Meter) -> Self {
        Self { variables: Vec::new(), meter: meter.clone() }
    }

    /// Binds plain JSON, or null.
    pub(crate) fn with_plain(mut self, name: &'static str, json: Option<&'v Value>) -> Self {
        self.variables.push(Variable { name, json, value: OnceLock::new() });
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: Bound<'v>) -> Self {
        self.set(name, value);
        self
    }

    /// Binds `name`, also if it was bound before.
    pub(crate) fn set(&mut self, name: &'static str, value: Bound<'v>) {
        self.variables.retain(|variable| variable.name != name);
        self.variables.push(Variable { name, json: None, value: OnceLock::from(value) });
    }

    /// The variables of these names.
    pub(super) fn of<'b>(
        &'b self,
        is_named: impl Fn(&str) -> bool + 'b,
    ) -> impl Iterator<Item = (&'static str, &'b Bound<'v>)> {
        let named = self.variables.iter().filter(move |variable| is_named(variable.name));
        named.map(|variable| (variable.name, variable.value(&self.meter)))
    }
}

impl VariableResolver for Bindings<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let found = self.variables.iter().find(|known| known.name == variable)?;
        Some(CowVal::Borrowed(found.value(&self.meter).0.as_ref()))
    }
}

fn number<'v>(number: &Number) -> Box<dyn Val + 'v> {
    match (number.as_i64(), number.as_u64()) {
        (Some(int), _) => Box::new(CelInt::from(int)),
        (None, Some(uint)) => Box::new(CelUInt::from(uint)),
        (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or_default())),
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

/// Makes values that count steps.
#[derive(Clone, Copy)]
struct Binder<'m> {
    meter: &'m Meter,
}

impl Binder<'_> {
    fn plain<'v>(self, value: &'v Value) -> Box<dyn Val + 'v> {
        match value {
            Value::Null => Box::new(CelNull),
            Value::Bool(b) => Box::new(CelBool::from(*b)),
            Value::Number(n) => number(n),
            Value::String(text) => Box::new(CelString::from(text.as_str())),
            Value::Array(items) => {
                let elements = items.iter().map(|item| self.plain(item)).collect();
                Box::new(List::new(elements, Order::Counts, self.meter))
            }
            Value::Object(fields) => {
                self.map(fields.iter().map(|(name, value)| (CelMapKey::from(name.as_str()), self.plain(value))))
            }
        }
    }

    fn map<'v>(self, entries: impl Iterator<Item = (CelMapKey<'v>, Box<dyn Val + 'v>)>) -> Box<dyn Val + 'v> {
        Box::new(Object::new(entries.collect(), self.meter))
    }

    fn typed<'v>(self, value: &'v Value, node: &'v Node, resource: bool) -> Box<dyn Val + 'v> {
        match value {
            Value::String(text) if !node.int_or_string => string(text, &node.format),
            Value::Number(n) if node.kind == "number" => Box::new(CelDouble::from(n.as_f64().unwrap_or_default())),
            Value::Number(n) if node.kind == "integer" => Box::new(CelInt::from(whole(n))),
            Value::Array(items) => self.list(items, node),
            Value::Object(fields) => self.object(fields, node, resource || node.embedded_resource),
            other => self.plain(other),
        }
    }

    fn list<'v>(self, items: &'v [Value], node: &'v Node) -> Box<dyn Val + 'v> {
        let element =
            |item: &'v Value| node.items().map_or_else(|| self.plain(item), |child| self.typed(item, child, false));
        let order = match node.list_type() {
            ListType::Atomic => Order::Counts,
            ListType::Set => Order::Ignored(Arc::default()),
            ListType::Map => Order::Ignored(node.list_map_keys.iter().filter_map(|key| escape(key)).collect()),
        };
        Box::new(List::new(items.iter().map(element).collect(), order, self.meter))
    }

    fn object<'v>(self, fields: &'v Map<String, Value>, node: &'v Node, resource: bool) -> Box<dyn Val + 'v> {
        self.map(fields.iter().filter_map(|(name, value)| {
            let key = || CelMapKey::from(name.as_str());
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
                return Some((key(), self.typed(value, child, false)));
            }
            let child = node.properties.get(name).filter(|child| exposed(child))?;
            let escaped = escape(name)?;
            let key = if escaped == *name { key() } else { CelMapKey::from(escaped) };
            Some((key, self.typed(value, child, false)))
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
