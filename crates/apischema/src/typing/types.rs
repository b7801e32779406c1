//! Types, as far as schemas define them, and the variables that have them.

use super::value::exposed;
use crate::{cel::escape::escape, node::Node};
use std::fmt;

/// The type of an expression. `Dyn` is any type, or an unknown one.
#[derive(Debug, Clone)]
pub(super) enum Type<'a> {
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    /// A type value, such as `int`.
    Meta,
    List(Box<Type<'a>>),
    /// A map with string keys.
    Map(Box<Type<'a>>),
    /// An object with the fields of a schema; if `true`, also with those of every resource.
    Object(&'a Node, bool),
    /// The metadata of a resource.
    Metadata,
    Optional(Box<Type<'a>>),
    /// A type that Kubernetes adds, by name.
    Named(&'static str),
}

impl PartialEq for Type<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) | (Self::Map(a), Self::Map(b)) | (Self::Optional(a), Self::Optional(b)) => {
                a == b
            }
            (Self::Object(a, _), Self::Object(b, _)) => std::ptr::eq(*a, *b),
            (Self::Named(a), Self::Named(b)) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl fmt::Display for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("dyn"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Duration => f.write_str("duration"),
            Self::Meta => f.write_str("type"),
            Self::List(of) => write!(f, "list({of})"),
            Self::Map(of) => write!(f, "map(string, {of})"),
            Self::Object(..) | Self::Metadata => f.write_str("object"),
            Self::Optional(of) => write!(f, "optional_type({of})"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl<'a> Type<'a> {
    /// The type of values of a schema.
    pub(super) fn of(node: &'a Node, resource: bool) -> Self {
        let resource = resource || node.embedded_resource;
        if node.int_or_string || (!exposed(node) && !resource) {
            return Self::Dyn;
        }
        match (node.kind.as_str(), node.format.as_str()) {
            ("boolean", _) => Self::Bool,
            ("integer", _) => Self::Int,
            ("number", _) => Self::Double,
            ("string", "byte") => Self::Bytes,
            ("string", "date" | "date-time") => Self::Timestamp,
            ("string", "duration") => Self::Duration,
            ("string", _) => Self::String,
            ("array", _) => Self::List(Box::new(node.items().map_or(Self::Dyn, |items| Self::of(items, false)))),
            _ => match node.values() {
                Some(values) if !resource => Self::Map(Box::new(Self::of(values, false))),
                _ => Self::Object(node, resource),
            },
        }
    }

    /// The type of a field; `None` if there is no such field, an error if the type has no fields at all.
    pub(super) fn field(&self, name: &str) -> Result<Option<Self>, ()> {
        Ok(match self {
            Self::Dyn => Some(Self::Dyn),
            Self::Map(of) => Some((**of).clone()),
            Self::Metadata => ["name", "generateName"].contains(&name).then_some(Self::String),
            Self::Object(_, true) if name == "metadata" => Some(Self::Metadata),
            Self::Object(_, true) if name == "apiVersion" || name == "kind" => Some(Self::String),
            Self::Object(node, _) => {
                let mut fields = node.properties.iter().filter(|(_, child)| exposed(child));
                fields
                    .find(|(field, _)| escape(field).as_deref() == Some(name))
                    .map(|(_, child)| Self::of(child, false))
            }
            Self::Optional(of) => of.field(name)?.map(|found| match found {
                already @ Self::Optional(_) => already,
                plain => Self::Optional(Box::new(plain)),
            }),
            _ => return Err(()),
        })
    }

    pub(super) fn is_scalar(&self) -> bool {
        use Type::{Bool, Bytes, Double, Duration, Int, String, Timestamp, Uint};
        matches!(self, Bool | Int | Uint | Double | String | Bytes | Timestamp | Duration)
    }

    /// Whether all values of the type have the same size: `false` for strings, lists and maps, and for unknown types.
    pub(super) fn has_one_size(&self) -> bool {
        match self {
            Self::Optional(of) => of.has_one_size(),
            Self::String | Self::Bytes => false,
            other => other.is_scalar(),
        }
    }

    /// Whether values of the type certainly have fields to select.
    pub(super) fn has_fields(&self) -> bool {
        matches!(self, Self::Map(_) | Self::Object(..) | Self::Metadata)
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double)
    }

    /// The type of values that have one of the two types: `Dyn` unless they are equal.
    pub(super) fn join(self, other: Self) -> Self {
        if self == other { self } else { Self::Dyn }
    }
}

/// Which variables an expression may use, and the type of its result.
#[derive(Debug, Default)]
pub(crate) struct Scope<'a> {
    variables: Vec<(&'static str, Type<'a>)>,
    result: Option<(Type<'a>, &'static str)>,
}

impl<'a> Scope<'a> {
    /// A variable of any type.
    pub(crate) fn variable(mut self, name: &'static str) -> Self {
        self.variables.push((name, Type::Dyn));
        self
    }

    /// A variable of the type of a schema. `resource`: the schema is that of a whole resource.
    pub(crate) fn typed(mut self, name: &'static str, node: &'a Node, resource: bool, optional: bool) -> Self {
        let of_node = Type::of(node, resource);
        self.variables.push((name, if optional { Type::Optional(Box::new(of_node)) } else { of_node }));
        self
    }

    /// The expression must be a bool; `complaint` is the error if it certainly is not.
    pub(crate) fn must_be_bool(mut self, complaint: &'static str) -> Self {
        self.result = Some((Type::Bool, complaint));
        self
    }

    /// The expression must be a string; `complaint` is the error if it certainly is not.
    pub(crate) fn must_be_string(mut self, complaint: &'static str) -> Self {
        self.result = Some((Type::String, complaint));
        self
    }

    pub(super) fn find(&self, name: &str) -> Option<&Type<'a>> {
        self.variables.iter().find(|(known, _)| *known == name).map(|(_, found)| found)
    }

    /// The type of its result, and the message if it has another.
    pub(super) fn result(&self) -> Option<&(Type<'a>, &'static str)> {
        self.result.as_ref()
    }
}
