//! Writers, and how they write.

/// Entries of plain writers beyond this number are merged into the oldest
/// (`k8s.io/apimachinery/pkg/util/managedfields`).
pub(super) const UPDATE_ENTRIES: usize = 10;

/// The writer of a change.
#[derive(Clone, Debug)]
pub(crate) struct Writer<'a> {
    /// `fieldManager`.
    pub(crate) manager: &'a str,
    /// Empty, or `status`.
    pub(crate) subresource: &'a str,
    pub(crate) api_version: &'a str,
    /// RFC 3339.
    pub(crate) time: &'a str,
    /// Top-level fields this endpoint does not write, as path elements.
    pub(crate) ignored: &'a [&'a str],
}

/// The operation by which a writer came to own its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}
