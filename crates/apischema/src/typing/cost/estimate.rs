//! What is known about an expression while its cost is estimated.

use super::size::{Declared, Size};
use crate::typing::types::Type;

/// Where a value is below `self`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// Nowhere: it was computed.
    None,
    /// In a place about which the schema says nothing.
    Unknown,
    At(Declared<'a>),
}

/// Sizes of the keys and values of a list or map literal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entries {
    pub(super) list: bool,
    pub(super) key: Size,
    pub(super) value: Size,
}

impl Entries {
    pub(super) fn union(self, other: Self) -> Self {
        Self { list: self.list, key: self.key.union(other.key), value: self.value.union(other.value) }
    }
}

/// What is known about an expression.
#[derive(Debug, Clone)]
pub(super) struct Estimate<'a> {
    pub(super) cost: u64,
    pub(super) kind: Type<'a>,
    pub(super) place: Place<'a>,
    pub(super) size: Option<Size>,
    pub(super) entries: Option<Entries>,
    /// The value, if it is a number literal.
    pub(super) number: Option<i64>,
}

impl Estimate<'_> {
    pub(super) fn size(&self) -> Size {
        self.size.unwrap_or(Size::UNKNOWN)
    }

    pub(super) fn is_list(&self) -> bool {
        self.entries.map_or(matches!(self.kind, Type::List(_)), |entries| entries.list)
    }
}
