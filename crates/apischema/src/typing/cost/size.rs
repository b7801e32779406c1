//! How large values may become, as far as schemas bound them (k8s.io/apiserver/pkg/cel/common, `SchemaDeclType`).

use crate::{cel::escape::escape, node::Node, typing::value::exposed};
use serde_json::Value;

/// The largest request, in bytes, that the estimate assumes: a value without another bound cannot be larger
/// (`MaxRequestSizeBytes` of k8s.io/apiserver/pkg/apis/cel).
pub(crate) const LARGEST_REQUEST: u64 = 3 << 20;
/// Bytes of a date, of a time and of a duration in JSON, at most, quotes included.
const LONGEST_DATE: u64 = 12;
const LONGEST_TIME: u64 = 32;
/// Bytes of a time and of a duration in JSON, at least.
const SHORTEST_TIME: u64 = 21;
const SHORTEST_DURATION: u64 = 3;
/// Bytes that the quotes or brackets around a value take.
const DELIMITERS: u64 = 2;
/// Bytes of `"":` and a comma around a field of an object, without its name.
const AROUND_FIELD: u64 = 4;
/// The same for an entry of a map, whose key is taken to be two bytes.
const AROUND_ENTRY: u64 = 6;
/// Bytes of a character, at most.
const WIDEST_CHARACTER: u64 = 4;

/// How many elements, entries, characters or bytes a value has, at least and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) min: u64,
    pub(super) max: u64,
}

impl Size {
    pub(super) const UNKNOWN: Self = Self { min: 0, max: u64::MAX };

    pub(super) fn fixed(size: u64) -> Self {
        Self { min: size, max: size }
    }

    pub(super) fn at_most(max: u64) -> Self {
        Self { min: 0, max }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }

    pub(super) fn times(self, other: Self) -> Self {
        Self { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }

    /// The smallest range that contains both.
    pub(super) fn union(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    /// The maximum cost of doing something with each element, rounded up.
    pub(super) fn cost(self, factor: f64) -> u64 {
        scaled(self.max, factor)
    }
}

/// A cost, multiplied and rounded up.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate; the factor is positive, and the conversion saturates"
)]
pub(super) fn scaled(cost: u64, factor: f64) -> u64 {
    (cost as f64 * factor).ceil() as u64
}

/// What a schema declares: a part of a resource that an expression can reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Declared<'a> {
    /// A value of a schema; if `true`, a resource, which also has the fields of every resource.
    Node(&'a Node, bool),
    /// The metadata of a resource.
    Metadata,
    /// A string of a resource that no schema bounds.
    Text,
    /// A key of a map, whose length the estimate takes as zero.
    Key,
}

impl<'a> Declared<'a> {
    /// `None` for values that expressions cannot see.
    fn of(node: &'a Node) -> Option<Self> {
        exposed(node).then_some(Self::Node(node, node.embedded_resource))
    }

    /// The values of a list or map.
    pub(super) fn element(self) -> Option<Self> {
        let Self::Node(node, resource) = self else { return None };
        node.items().or_else(|| node.values().filter(|_| !resource)).and_then(Self::of)
    }

    /// The keys of a map.
    pub(super) fn key(self) -> Option<Self> {
        match self {
            Self::Node(node, false) if node.values().is_some() => Some(Self::Key),
            _ => None,
        }
    }

    /// A field, by the name expressions call it.
    pub(super) fn field(self, name: &str) -> Option<Self> {
        match self {
            Self::Node(_, true) if name == "metadata" => Some(Self::Metadata),
            Self::Node(_, true) if name == "kind" || name == "apiVersion" => Some(Self::Text),
            Self::Node(node, _) => {
                let mut fields = node.properties.iter();
                fields.find(|(field, _)| escape(field).as_deref() == Some(name)).and_then(|(_, child)| Self::of(child))
            }
            Self::Metadata if name == "name" || name == "generateName" => Some(Self::Text),
            _ => None,
        }
    }

    /// The size of the largest value.
    pub(super) fn largest(self) -> u64 {
        match self {
            Self::Metadata | Self::Key => 0,
            Self::Text => LARGEST_REQUEST - DELIMITERS,
            Self::Node(node, resource) => largest(node, resource),
        }
    }

    /// Bytes of the smallest value in JSON.
    pub(crate) fn smallest(self) -> u64 {
        let Self::Node(node, resource) = self else { return DELIMITERS };
        if node.int_or_string {
            return 1;
        }
        match (node.kind.as_str(), node.format.as_str()) {
            ("boolean", _) => "true".len() as u64,
            ("integer" | "number", _) => 1,
            ("string", "date") => LONGEST_DATE,
            ("string", "date-time") => SHORTEST_TIME,
            ("string", "duration") => SHORTEST_DURATION,
            ("object", _) if resource || node.values().is_none() => DELIMITERS + self.required(node),
            _ => DELIMITERS,
        }
    }

    /// Bytes of the required fields. Those with a default need not be sent.
    fn required(self, node: &Node) -> u64 {
        let size = |name: &String| {
            let child = node.properties.get(name).filter(|child| child.default.is_none())?;
            Some(name.len() as u64 + Declared::of(child)?.smallest() + AROUND_FIELD)
        };
        node.required.iter().filter_map(size).sum()
    }
}

fn largest(node: &Node, resource: bool) -> u64 {
    let bound = |limit: Option<i64>| limit.map(|limit| u64::try_from(limit).unwrap_or_default());
    let text = || bound(node.max_length).map(|most| most.saturating_mul(WIDEST_CHARACTER));
    let unbounded = LARGEST_REQUEST - DELIMITERS;
    let fitting = |element: Option<Declared<'_>>, around: u64| {
        unbounded / (element.map_or(DELIMITERS, Declared::smallest) + around)
    };
    if node.int_or_string {
        return text().unwrap_or(unbounded);
    }
    match (node.kind.as_str(), node.format.as_str()) {
        ("array", _) => bound(node.max_items).unwrap_or_else(|| fitting(node.items().and_then(Declared::of), 1)),
        ("object", _) if !resource && node.values().is_some() => {
            bound(node.max_properties).unwrap_or_else(|| fitting(node.values().and_then(Declared::of), AROUND_ENTRY))
        }
        ("string", "byte") => bound(node.max_length).unwrap_or(unbounded),
        ("string", "date") => LONGEST_DATE,
        ("string", "date-time" | "duration") => LONGEST_TIME,
        ("string", _) => text().unwrap_or_else(|| {
            let allowed = node.allowed.iter().filter_map(Value::as_str).map(|text| text.len() as u64);
            if node.allowed.is_empty() { unbounded } else { allowed.max().unwrap_or_default() }
        }),
        _ => 0,
    }
}
