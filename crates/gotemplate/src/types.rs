//! Values of Go's struct types from JSON.
//!
//! T-1 A field has a Go name and is read from its JSON name; an embedded one without a JSON name is read from the object of the
//! enclosing struct.
//! T-2 What is missing in JSON is the zero value of its type: nil for pointers, lists and maps.
//! T-3 A value of the wrong type is an error that names the field.
//!
//! Source: `encoding/json` and `reflect` of Go's standard library.

use crate::value::{Field, List, Map, Struct, Value};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value as Json;
use std::{collections::BTreeMap, sync::Arc};

/// Maximum nesting of structs; real ones have about ten levels.
const MAX_DEPTH: usize = 64;

/// Struct types by name.
#[derive(Clone, Debug, Default)]
pub struct Types {
    structs: BTreeMap<String, Vec<Entry>>,
}

#[derive(Clone, Debug)]
struct Entry {
    go: Arc<str>,
    json: String,
    of: Type,
    is_embedded: bool,
}

#[derive(Clone, Debug)]
enum Type {
    Bool,
    Int(Arc<str>),
    Uint(Arc<str>),
    Float,
    Text(Option<Arc<str>>),
    Bytes,
    List(Box<Type>),
    Map(Box<Type>, Arc<str>),
    Pointer(Box<Type>),
    Struct(Arc<str>),
}

/// An invalid table, or a value that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypeError {
    /// The table itself is wrong.
    #[error("type table: {at}: {why}")]
    Table {
        /// Struct and field.
        at: String,
        /// What is wrong.
        why: String,
    },
    /// The value has another type than the field.
    #[error("{path}: {expected} expected")]
    Value {
        /// JSON names from the top, with dots.
        path: String,
        /// The Go type.
        expected: String,
    },
}

impl Types {
    /// Parses a table: an object of struct names, each with its fields in order as objects of `go`, `json`, `type` and possibly
    /// `embedded`.
    ///
    /// # Errors
    /// If it is not such a table.
    pub fn read(table: &Json) -> Result<Self, TypeError> {
        let wrong = |at: &str, why: &str| TypeError::Table { at: at.to_owned(), why: why.to_owned() };
        let mut structs = BTreeMap::new();
        for (name, fields) in table.as_object().ok_or_else(|| wrong("top", "an object of structs expected"))? {
            let fields = fields.as_array().ok_or_else(|| wrong(name, "a list of fields expected"))?;
            let entries = fields.iter().map(|field| {
                let text = |key: &str| field.get(key).and_then(Json::as_str);
                let go = text("go").ok_or_else(|| wrong(name, "a field without `go`"))?;
                let of = text("type").ok_or_else(|| wrong(&format!("{name}.{go}"), "no `type`"))?;
                let is_embedded = field.get("embedded").is_some();
                // Without a JSON name, a field has its Go name in JSON, and an embedded one none at all.
                let json = text("json").filter(|json| !json.is_empty() || is_embedded).unwrap_or(go);
                Ok(Entry { go: go.into(), json: json.to_owned(), of: Type::read(of), is_embedded })
            });
            structs.insert(name.clone(), entries.collect::<Result<_, TypeError>>()?);
        }
        Ok(Self { structs })
    }

    /// A struct from JSON.
    ///
    /// # Errors
    /// If the type is not in the table, or JSON does not fit.
    pub fn value(&self, type_name: &str, json: &Json) -> Result<Value, TypeError> {
        self.build(&Type::Struct(type_name.into()), json, &mut Vec::new())
    }

    fn build(&self, of: &Type, json: &Json, path: &mut Vec<String>) -> Result<Value, TypeError> {
        let unfit = |path: &[String]| TypeError::Value { path: path.join("."), expected: of.name() };
        if path.len() > MAX_DEPTH {
            return Err(too_deep(&of.name()));
        }
        if json.is_null() {
            return self.zero(of, path);
        }
        match of {
            Type::Bool => json.as_bool().map(Value::Bool),
            Type::Int(name) => json.as_i64().map(|int| Value::Int(int, Some(name.clone()))),
            Type::Uint(name) => json.as_u64().map(|uint| Value::Uint(uint, Some(name.clone()))),
            Type::Float => json.as_f64().map(Value::Float),
            Type::Text(name) => json.as_str().map(|text| Value::Text(text.into(), name.clone())),
            Type::Bytes => {
                let bytes = json.as_str().and_then(|text| STANDARD.decode(text).ok());
                bytes.map(|bytes| Value::Bytes(bytes.into()))
            }
            Type::Pointer(to) => Some(Value::Pointer(Arc::new(self.build(to, json, path)?))),
            Type::List(element) => {
                let items = json.as_array().ok_or_else(|| unfit(path))?;
                let built = items.iter().enumerate().map(|(at, item)| self.inside(element, item, at.to_string(), path));
                let items = Some(built.collect::<Result<_, _>>()?);
                Some(Value::List(List { element: element.name().into(), items }))
            }
            Type::Map(element, name) => {
                let fields = json.as_object().ok_or_else(|| unfit(path))?;
                let built = fields
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), self.inside(element, value, key.clone(), path)?)));
                let entries = Some(Arc::new(built.collect::<Result<_, TypeError>>()?));
                let zero = Arc::new(self.zero(element, path)?);
                Some(Value::Map(Map { type_name: name.clone(), zero, entries }))
            }
            Type::Struct(name) => Some(self.fields(name, json, path)?),
        }
        .ok_or_else(|| unfit(path))
    }

    fn inside(&self, of: &Type, json: &Json, key: String, path: &mut Vec<String>) -> Result<Value, TypeError> {
        path.push(key);
        let built = self.build(of, json, path);
        path.pop();
        built
    }

    fn fields(&self, name: &Arc<str>, json: &Json, path: &mut Vec<String>) -> Result<Value, TypeError> {
        let Some(entries) = self.structs.get(&**name) else {
            return Err(TypeError::Table { at: name.to_string(), why: "no such struct".to_owned() });
        };
        // Times and quantities are text in JSON, and have no fields that a template could read.
        let is_opaque = json.is_string() || json.is_number();
        if !(json.is_object() || is_opaque) {
            return Err(TypeError::Value { path: path.join("."), expected: name.to_string() });
        }
        let mut fields = Vec::with_capacity(entries.len());
        for entry in entries {
            let value = if is_opaque {
                self.zero(&entry.of, path)?
            } else if entry.json.is_empty() && entry.is_embedded {
                self.build(&entry.of, json, path)?
            } else {
                let said = json.get(&entry.json).unwrap_or(&Json::Null);
                self.inside(&entry.of, said, entry.json.clone(), path)?
            };
            fields.push(Field { name: entry.go.clone(), value, is_embedded: entry.is_embedded });
        }
        Ok(Value::Struct(Arc::new(Struct { type_name: name.clone(), fields })))
    }

    fn zero(&self, of: &Type, path: &mut Vec<String>) -> Result<Value, TypeError> {
        Ok(match of {
            Type::Bool => Value::Bool(false),
            Type::Int(name) => Value::Int(0, Some(name.clone())),
            Type::Uint(name) => Value::Uint(0, Some(name.clone())),
            Type::Float => Value::Float(0.0),
            Type::Text(name) => Value::Text("".into(), name.clone()),
            Type::Bytes => Value::Bytes([].into()),
            Type::List(element) => Value::List(List { element: element.name().into(), items: None }),
            Type::Map(element, name) => {
                Value::Map(Map { type_name: name.clone(), zero: Arc::new(self.zero(element, path)?), entries: None })
            }
            Type::Pointer(to) => Value::NilPointer(to.name().into()),
            Type::Struct(name) => {
                // The depth counts nesting, whatever the names.
                path.push(String::new());
                let built = if path.len() > MAX_DEPTH {
                    Err(too_deep(name))
                } else {
                    self.fields(name, &Json::Object(serde_json::Map::new()), path)
                };
                path.pop();
                built?
            }
        })
    }
}

fn too_deep(name: &str) -> TypeError {
    TypeError::Table { at: name.to_owned(), why: format!("more than {MAX_DEPTH} values within each other") }
}

impl Type {
    /// A type as Go writes it; a named type that is not a struct is followed by its underlying type in parentheses.
    fn read(text: &str) -> Self {
        if let Some(to) = text.strip_prefix('*') {
            return Self::Pointer(Box::new(Self::read(to)));
        }
        if matches!(text, "[]uint8" | "[]byte") {
            return Self::Bytes;
        }
        if let Some(element) = text.strip_prefix("[]") {
            return Self::List(Box::new(Self::read(element)));
        }
        if let Some((key, element)) = text.strip_prefix("map[").and_then(|rest| rest.split_once(']')) {
            let key = key.split('(').next().unwrap_or(key);
            let element = Self::read(element);
            let name = format!("map[{key}]{}", element.name()).into();
            return Self::Map(Box::new(element), name);
        }
        let (name, kind) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, kind)) => (Some(Arc::from(name)), kind),
            None => (None, text),
        };
        match kind {
            "bool" => Self::Bool,
            "string" => Self::Text(name),
            "int" | "int8" | "int16" | "int32" | "int64" => Self::Int(name.unwrap_or_else(|| kind.into())),
            "uint" | "uint8" | "uint16" | "uint32" | "uint64" => Self::Uint(name.unwrap_or_else(|| kind.into())),
            "float32" | "float64" => Self::Float,
            other => Self::Struct(other.into()),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Bool => "bool".to_owned(),
            Self::Int(name) | Self::Uint(name) | Self::Struct(name) => name.to_string(),
            Self::Float => "float64".to_owned(),
            Self::Text(name) => name.as_deref().unwrap_or("string").to_owned(),
            Self::Bytes => "[]uint8".to_owned(),
            Self::List(element) => format!("[]{}", element.name()),
            Self::Map(_, name) => name.to_string(),
            Self::Pointer(to) => format!("*{}", to.name()),
        }
    }
}
