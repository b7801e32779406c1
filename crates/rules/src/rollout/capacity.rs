//! How many nodes of a pool may start, and which ones are candidates (R-ROLLOUT-4).

use super::{WaitReason, listed};
use crate::view::{NodeView, Target};

/// Room for updates in one pool.
#[derive(Clone, Debug)]
pub struct Capacity<'a> {
    /// Nodes that are down or being updated, whatever took them down.
    pub unavailable: Vec<&'a NodeView<'a>>,
    /// Nodes that failed on the pool's target.
    pub failing: Vec<&'a NodeView<'a>>,
    /// Nodes that failed on another configuration and are up. Their daemons try again, so that they may go down at any moment.
    pub astray: Vec<&'a NodeView<'a>>,
    /// Nodes that could start, in the given order; empty without room.
    pub candidates: Vec<&'a NodeView<'a>>,
    /// How many of them may start, those that failed included.
    pub left: usize,
    /// Nodes that failed on another configuration and are down because of it. They may start even without room: nothing goes down
    /// for it.
    pub stranded: Vec<&'a NodeView<'a>>,
}

/// Counts a pool's nodes against `allowed`, its `maxUnavailable` in nodes.
#[must_use]
pub fn capacity<'a>(nodes: &[&'a NodeView<'a>], target: Target<'_>, allowed: i64) -> Capacity<'a> {
    let unavailable: Vec<_> = nodes.iter().copied().filter(|n| n.is_unavailable()).collect();
    let (told, outdated): (Vec<_>, Vec<_>) = nodes.iter().copied().partition(|n| n.is_told(target));
    let stranded = outdated.iter().copied().filter(|n| n.is_stranded()).collect();
    let astray = outdated.iter().copied().filter(|n| n.is_failing() && n.is_ready()).collect();
    let failing: Vec<_> = told.into_iter().filter(|n| n.is_failing()).collect();
    let used = unavailable.len() + failing.len();
    let left = usize::try_from(allowed).unwrap_or_default().saturating_sub(used);
    let candidates =
        if left == 0 { Vec::new() } else { outdated.into_iter().filter(|n| n.is_ready()).collect::<Vec<_>>() };
    Capacity { unavailable, failing, astray, candidates, left, stranded }
}

impl Capacity<'_> {
    /// Nodes that are down, may go down at any moment, or could start.
    pub(super) fn moving(&self) -> usize {
        // Without room there are no candidates, and nodes astray are candidates else.
        self.unavailable.len() + self.failing.len() + self.candidates.len().max(self.astray.len())
    }

    /// Why no node may start, if none may.
    pub(super) fn reason(&self, allowed: i64) -> Option<WaitReason> {
        if self.left > 0 {
            return None;
        }
        let full = i64::try_from(self.unavailable.len()).is_ok_and(|n| n >= allowed);
        let names = |nodes: &[&NodeView<'_>]| listed(nodes.iter().map(|node| node.name)).into();
        Some(if full || self.failing.is_empty() {
            WaitReason::NoCapacity { unavailable: self.unavailable.len(), allowed, who: names(&self.unavailable) }
        } else {
            WaitReason::ConfigFailing { failing: self.failing.len(), who: names(&self.failing) }
        })
    }
}
