//! Whether trying again can help.

/// What becomes of a failure when nobody changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The same can succeed later; try again after a while.
    Transient,
    /// It cannot succeed until something else changes: an object, credentials, permissions, what a registry holds.
    Permanent,
    /// Nothing can help: what was asked for is wrong itself, and its digest proves that nothing else is meant.
    Final,
}
