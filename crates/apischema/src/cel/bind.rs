//! What an expression sees of plain JSON; `typing::value` says what it sees of JSON that has a schema.

use super::containers::{List, Meter, Object, Order};
use cel::{
    common::{
        types::{CelBool, CelDouble, CelInt, CelMap, CelMapKey, CelNull, CelOptional, CelString, CelUInt},
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use serde_json::{Number, Value};
use std::{collections::HashMap, sync::OnceLock};

/// A value as expressions see it. It borrows the JSON it was made of.
#[derive(Debug, Clone)]
pub(crate) struct Bound<'v>(pub(crate) Box<dyn Val + 'v>);

impl<'v> Bound<'v> {
    /// Plain JSON. `meter` counts the steps through it, at every level.
    pub(crate) fn plain(value: &'v Value, meter: &Meter) -> Self {
        Self(Binder { meter }.plain(value))
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

/// A variable. Its value is built when an expression first asks for it: most expressions use only a few.
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
    /// No variables yet. The steps of evaluations are counted by the meter, which should be the one that values are
    /// bound with.
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

    /// Binds `name`, replacing an earlier binding.
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

/// Makes values that count steps.
#[derive(Clone, Copy)]
pub(crate) struct Binder<'m> {
    pub(crate) meter: &'m Meter,
}

impl Binder<'_> {
    pub(crate) fn plain<'v>(self, value: &'v Value) -> Box<dyn Val + 'v> {
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

    pub(crate) fn map<'v>(
        self,
        entries: impl Iterator<Item = (CelMapKey<'v>, Box<dyn Val + 'v>)>,
    ) -> Box<dyn Val + 'v> {
        Box::new(Object::new(entries.collect(), self.meter))
    }
}
