//! What keeps every node from being told anything, whichever pool it is in.
//!
//! R-HALT-1 Another build keeps the cluster (R-TAKE-OVER-4).
//! R-HALT-2 Something contradicts the distribution (R-MISMATCH-4).
//! R-HALT-3 Objects that say whose a node is, or how many are down, cannot be read (R-UNREADABLE-2).
//! R-HALT-4 The OSImageStream is still to be made from the desired release, and nothing is known to keep it from that: until a
//! release was read nobody knows whether it is for this cluster.
//! R-HALT-5 A pool is still to be rendered after what contradicted the distribution is gone: its target is from before, and its
//! nodes are to reboot once.
//! R-HALT-6 Of several the first is said ([`crate::world::World::halt`]).
//!
//! All of it is ours.

/// Why no node may be told anything; each as a clause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// R-HALT-1, with what to do.
    #[error("{0}")]
    OtherBuild(String),
    /// R-HALT-2.
    #[error("{0}")]
    Mismatch(String),
    /// R-HALT-3, with which and what to do.
    #[error("{0}")]
    Unreadable(String),
    /// R-HALT-4.
    #[error("the streams of the desired release are being read")]
    BeingRead,
    /// R-HALT-5.
    #[error("a pool is still to be rendered after what contradicted the distribution is gone")]
    Stale,
}
