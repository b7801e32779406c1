//! What prevents every node, of whatever pool, from being given a new configuration.
//!
//! R-HALT-1 Another build manages the cluster (R-TAKE-OVER-4).
//! R-HALT-2 Something contradicts the distribution (R-MISMATCH-4).
//! R-HALT-3 Objects that determine a node's pool, or how many nodes are down, are unreadable (R-UNREADABLE-2).
//! R-HALT-4 The OSImageStream still has to be made from the desired release, and nothing is known to prevent that: whether a
//! release is for this cluster is unknown until it has been read.
//! R-HALT-5 A pool still has to be rendered after a contradiction of the distribution is gone: its target is outdated, and its
//! nodes should reboot only once.
//! R-HALT-6 If there are several reasons, the first in this order is reported ([`crate::world::World::halt`]).
//!
//! All of this is ours.

/// Why no node may be given a new configuration; each reads as a clause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// R-HALT-1, with what to do.
    #[error("{0}")]
    OtherBuild(String),
    /// R-HALT-2.
    #[error("{0}")]
    Mismatch(String),
    /// R-HALT-3, with the objects and what to do.
    #[error("{0}")]
    Unreadable(String),
    /// R-HALT-4.
    #[error("the streams of the desired release are being read")]
    BeingRead,
    /// R-HALT-5.
    #[error("a pool still has to be rendered after a contradiction of the distribution was removed")]
    Stale,
}
