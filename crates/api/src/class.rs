//! Whether a retry can help.

/// The outlook of a failure if nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A retry can succeed later.
    Transient,
    /// It cannot succeed until something else changes: an object, credentials, permissions, a registry's content.
    Permanent,
    /// Nothing can help: the request itself is wrong, and its digest proves that nothing else is meant.
    Final,
}
