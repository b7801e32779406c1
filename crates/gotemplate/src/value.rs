//! Values as a template sees them, with Go's types.

use serde_json::Value as Json;
use std::{collections::BTreeMap, sync::Arc};

/// Name of a named type; absent for built-in types.
pub type Named = Option<Arc<str>>;

/// A value. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Value {
    /// No value at all: a missing key of a map, or data that was not given.
    Missing,
    /// Nil of an interface.
    Nil,
    /// A boolean.
    Bool(bool),
    /// A signed integer, and its type unless that is `int`.
    Int(i64, Named),
    /// An unsigned integer, and its type unless that is `uint`.
    Uint(u64, Named),
    /// A floating point number.
    Float(f64),
    /// Text, and its type unless that is `string`.
    Text(Arc<str>, Named),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A list.
    List(List),
    /// A map with text keys.
    Map(Map),
    /// A struct.
    Struct(Arc<Struct>),
    /// A pointer to a value.
    Pointer(Arc<Value>),
    /// A nil pointer, with the type that it would point to.
    NilPointer(Arc<str>),
}

/// A list whose elements are of one type.
#[derive(Clone, Debug)]
pub struct List {
    /// Type of the elements, as Go writes it.
    pub element: Arc<str>,
    /// The elements; absent for a nil list, which counts as empty.
    pub items: Option<Arc<[Value]>>,
}

/// A map from text to values of one type.
#[derive(Clone, Debug)]
pub struct Map {
    /// Type of the map, as Go writes it.
    pub type_name: Arc<str>,
    /// The result of `index` for a missing key.
    pub zero: Arc<Value>,
    /// The entries; absent for a nil map, which counts as empty.
    pub entries: Option<Arc<BTreeMap<String, Value>>>,
}

/// A struct with its fields in their order.
#[derive(Clone, Debug)]
pub struct Struct {
    /// Type of the struct, as Go writes it.
    pub type_name: Arc<str>,
    /// The fields by their Go names.
    pub fields: Vec<Field>,
}

/// A field of a struct.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its Go name.
    pub name: Arc<str>,
    /// Its value.
    pub value: Value,
    /// Whether the fields of its value can be accessed through the outer struct.
    pub is_embedded: bool,
}

impl Value {
    /// Text of type `string`.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.into(), None)
    }

    /// An integer of type `int`.
    #[must_use]
    pub fn int(int: i64) -> Self {
        Self::Int(int, None)
    }

    /// A list of type `[]string`.
    #[must_use]
    pub fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::List(List { element: "string".into(), items: Some(texts.into_iter().map(Self::text).collect()) })
    }

    /// JSON as Go decodes it into an interface; numbers that are written without a point are `int` if they fit.
    #[must_use]
    pub fn generic(json: &Json) -> Self {
        match json {
            Json::Null => Self::Nil,
            Json::Bool(bool) => Self::Bool(*bool),
            Json::Number(number) => match number.as_i64() {
                Some(int) => Self::int(int),
                None => Self::Float(number.as_f64().unwrap_or(f64::INFINITY)),
            },
            Json::String(text) => Self::text(text),
            Json::Array(items) => {
                Self::List(List { element: ANY.into(), items: Some(items.iter().map(Self::generic).collect()) })
            }
            Json::Object(fields) => Self::Map(Map {
                type_name: format!("map[string]{ANY}").into(),
                zero: Arc::new(Self::Nil),
                entries: Some(Arc::new(
                    fields.iter().map(|(key, value)| (key.clone(), Self::generic(value))).collect(),
                )),
            }),
        }
    }

    /// Its type, as Go writes it.
    #[must_use]
    pub fn type_name(&self) -> String {
        let named = |name: &Named, own: &str| name.as_deref().unwrap_or(own).to_owned();
        match self {
            Self::Missing | Self::Nil => ANY.to_owned(),
            Self::Bool(_) => "bool".to_owned(),
            Self::Int(_, name) => named(name, "int"),
            Self::Uint(_, name) => named(name, "uint"),
            Self::Float(_) => "float64".to_owned(),
            Self::Text(_, name) => named(name, "string"),
            Self::Bytes(_) => "[]uint8".to_owned(),
            Self::List(list) => format!("[]{}", list.element),
            Self::Map(map) => map.type_name.to_string(),
            Self::Struct(of) => of.type_name.to_string(),
            Self::Pointer(to) => format!("*{}", to.type_name()),
            Self::NilPointer(to) => format!("*{to}"),
        }
    }

    /// Whether a condition takes it as true: not zero, not empty and not nil; structs are always true.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Missing | Self::Nil | Self::NilPointer(_) => false,
            Self::Bool(bool) => *bool,
            Self::Int(int, _) => *int != 0,
            Self::Uint(uint, _) => *uint != 0,
            Self::Float(float) => *float != 0.0,
            Self::Text(text, _) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => map.entries.as_ref().is_some_and(|entries| !entries.is_empty()),
            Self::Struct(_) | Self::Pointer(_) => true,
        }
    }

    /// Whether it is a nil of any type.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        match self {
            Self::Missing | Self::Nil | Self::NilPointer(_) => true,
            Self::List(list) => list.items.is_none(),
            Self::Map(map) => map.entries.is_none(),
            _ => false,
        }
    }

    /// Its text, as `%v` of Go's `fmt` writes it.
    ///
    /// # Errors
    /// If that would print a memory address.
    pub fn plain(&self) -> Result<String, String> {
        crate::format::plain(self)
    }

    /// What it points to in the end.
    #[must_use]
    pub fn pointed(&self) -> &Self {
        match self {
            Self::Pointer(to) => to.pointed(),
            other => other,
        }
    }
}

/// The interface type.
pub(crate) const ANY: &str = "interface {}";

impl List {
    /// The elements.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        self.items.as_deref().unwrap_or_default()
    }
}

impl Struct {
    /// A field by its Go name, either its own or one of an embedded struct; the shallowest counts.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        if let Some(own) = self.fields.iter().find(|field| &*field.name == name) {
            return Some(&own.value);
        }
        let embedded = self.fields.iter().filter(|field| field.is_embedded);
        embedded
            .filter_map(|field| match field.value.pointed() {
                Value::Struct(inner) => inner.field(name),
                _ => None,
            })
            .next()
    }
}
