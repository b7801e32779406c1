//! JSON into the normal form of a table: known fields of the right type only, keys as the table spells them.
//!
//! Like the reference's JSON decoder: a key matches a field regardless of case when none matches exactly, `null`
//! means absent, unknown keys are dropped, integers are written without fraction or exponent.
//!
//! Source: the documentation of `encoding/json`, <https://pkg.go.dev/encoding/json#Unmarshal>.

use crate::{
    report::{Report, Step, path},
    schema::{Field, Object, Presence, Shape},
};
use serde_json::{Map, Value};

/// Decodes a value; `minor` is the declared minor version, which decides what fields there are.
pub(crate) fn decode(value: &Value, object: &'static Object, minor: u8) -> Result<Map<String, Value>, Report> {
    let mut decoder = Decoder { minor, steps: Vec::new() };
    decoder.object(value, object, Map::new())
}

/// The value of the key that a field of this name would match.
pub(crate) fn lookup<'v>(map: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    map.iter().filter(|(key, _)| key.as_str() == name || same_fold(key, name)).map(|(_, value)| value).next_back()
}

/// The field that a key means.
pub(crate) fn find(object: &'static Object, key: &str, minor: u8) -> Option<&'static Field> {
    let known = || object.fields.iter().filter(|f| f.since <= minor);
    known().find(|f| f.name == key).or_else(|| known().find(|f| same_fold(f.name, key)))
}

struct Decoder {
    minor: u8,
    steps: Vec<Step>,
}

impl Decoder {
    fn object(
        &mut self,
        value: &Value,
        object: &'static Object,
        mut into: Map<String, Value>,
    ) -> Result<Map<String, Value>, Report> {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    if let Some(field) = find(object, key, self.minor) {
                        self.steps.push(Step::Field(field.name));
                        self.field(value, field, &mut into)?;
                        self.steps.pop();
                    }
                }
            }
            Value::Null => {}
            other => return Err(self.mismatch(other, "an object")),
        }
        for field in object.fields.iter().filter(|f| f.since <= self.minor) {
            let required = match field.presence {
                Presence::Required => true,
                Presence::RequiredBefore(minor) => self.minor < minor,
                _ => false,
            };
            if required && !into.contains_key(field.name) {
                into.insert(field.name.to_owned(), Value::from(""));
            }
        }
        Ok(into)
    }

    fn field(&mut self, value: &Value, field: &'static Field, into: &mut Map<String, Value>) -> Result<(), Report> {
        let decoded = match (field.shape, value) {
            (_, Value::Null) => {
                // A plain field keeps the value of an earlier spelling of the key; a pointer field loses it.
                if matches!(field.presence, Presence::Optional | Presence::Pointer) {
                    into.remove(field.name);
                }
                return Ok(());
            }
            (Shape::Text, Value::String(_)) | (Shape::Flag, Value::Bool(_)) => value.clone(),
            (Shape::Integer, Value::Number(number)) if number.is_i64() => value.clone(),
            (Shape::Text, other) => return Err(self.mismatch(other, "a string")),
            (Shape::Flag, other) => return Err(self.mismatch(other, "a boolean")),
            (Shape::Integer, other) => return Err(self.mismatch(other, "an integer")),
            (Shape::Object(object), _) => {
                let before = match into.remove(field.name) {
                    Some(Value::Object(map)) => map,
                    _ => Map::new(),
                };
                let map = self.object(value, object, before)?;
                if map.is_empty() && field.presence != Presence::Pointer {
                    return Ok(());
                }
                Value::Object(map)
            }
            (Shape::Texts, Value::Array(items)) => Value::Array(self.items(items, |decoder, item| match item {
                Value::String(_) => Ok(item.clone()),
                Value::Null => Ok(Value::from("")),
                other => Err(decoder.mismatch(other, "a string")),
            })?),
            (Shape::Objects(object), Value::Array(items)) => Value::Array(
                self.items(items, |decoder, item| decoder.object(item, object, Map::new()).map(Value::Object))?,
            ),
            (Shape::Texts | Shape::Objects(_), other) => return Err(self.mismatch(other, "a list")),
        };
        if field.presence == Presence::OmitZero && is_zero(&decoded) {
            into.remove(field.name);
        } else {
            into.insert(field.name.to_owned(), decoded);
        }
        Ok(())
    }

    fn items(
        &mut self,
        items: &[Value],
        decode: impl Fn(&mut Self, &Value) -> Result<Value, Report>,
    ) -> Result<Vec<Value>, Report> {
        let mut decoded = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            self.steps.push(Step::Index(index));
            decoded.push(decode(self, item)?);
            self.steps.pop();
        }
        Ok(decoded)
    }

    fn mismatch(&self, found: &Value, wanted: &str) -> Report {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(n) if n.is_i64() => "a number",
            Value::Number(_) => "a number with fraction or exponent, or too large,",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        Report::one(path(&self.steps, ""), format!("{found} where {wanted} belongs"))
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn same_fold(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
        || (!(a.is_ascii() && b.is_ascii())
            && (a.to_lowercase() == b.to_lowercase() || a.to_uppercase() == b.to_uppercase()))
}
