//! Which pool a node belongs to.
//!
//! R-MEMBER-1 A Windows node belongs to no pool.
//! R-MEMBER-2 A pool claims the nodes its node selector matches; an absent or empty selector matches none.
//! R-MEMBER-3 `master` takes precedence over every pool, and a custom pool (here also `arbiter`) over `worker`. The winner is the
//! node's primary pool, the only one that counts and updates the node. If `worker` matches too, it is a secondary pool.
//! R-MEMBER-4 A node that several custom pools match belongs to none, even if `master` matches: which one was meant is unknown.
//! R-MEMBER-5 An invalid selector makes only its own pool unreadable. A node that runs, or was given, a configuration of that pool
//! waits instead of falling to another pool, unless `master` matches it.
//!
//! Source: `pkg/helpers/helpers.go` of github.com/openshift/machine-config-operator (R-MEMBER-5 is ours).

use crate::{
    objects::selector::{Labels, Selector, SelectorError},
    view::{NodeView, PoolView},
};
use std::collections::BTreeMap;
use weir_api::keys::names;

/// Which pool a node belongs to, and why to no other. Names are those of pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assignment<'a> {
    /// The node is not managed at all (R-MEMBER-1).
    NotManaged,
    /// No pool claims the node.
    NoPool,
    /// The node's pools.
    Pools {
        /// The pool that counts and updates the node.
        primary: &'a str,
        /// `worker`, when it matches a node of another pool.
        secondary: Option<&'a str>,
        /// Whether both `master` and a custom pool claim the node, which administrators should know.
        overlap: bool,
    },
    /// Several custom pools claim the node (R-MEMBER-4).
    Conflict(Vec<&'a str>),
    /// The node apparently belongs to a pool whose selector is invalid (R-MEMBER-5).
    Unreadable(&'a str),
}

impl<'a> Assignment<'a> {
    /// The primary pool, if there is one.
    #[must_use]
    pub fn primary(&self) -> Option<&'a str> {
        match self {
            Self::Pools { primary, .. } => Some(primary),
            _ => None,
        }
    }

    /// Whether both `master` and a custom pool claim the node.
    #[must_use]
    pub fn is_overlap(&self) -> bool {
        matches!(self, Self::Pools { overlap: true, .. })
    }

    /// All pools of the node, the primary one first.
    #[must_use]
    pub fn pools(&self) -> Vec<&'a str> {
        match self {
            Self::Pools { primary, secondary, .. } => std::iter::once(*primary).chain(*secondary).collect(),
            _ => Vec::new(),
        }
    }
}

/// Which nodes each pool has.
#[derive(Clone, Debug)]
pub struct Membership<'a> {
    /// One entry per node, in the order of the given nodes.
    pub assignments: Vec<Assignment<'a>>,
    /// For each pool, the positions of its nodes in the given list, sorted by node name.
    pub nodes: BTreeMap<&'a str, Vec<usize>>,
    /// Pools whose selector is invalid.
    pub unreadable: BTreeMap<&'a str, SelectorError>,
}

/// Assigns every node to its pool.
#[must_use]
pub fn assign<'a>(pools: &[PoolView<'a>], nodes: &[NodeView<'a>]) -> Membership<'a> {
    assign_by(pools, nodes, |_, node| pools_of(pools, node))
}

/// The same; `pools_of` decides for a node, given its position.
pub(crate) fn assign_by<'a>(
    pools: &[PoolView<'a>],
    nodes: &[NodeView<'a>],
    pools_of: impl Fn(usize, &NodeView<'a>) -> Assignment<'a>,
) -> Membership<'a> {
    let mut of_pool: BTreeMap<&'a str, Vec<usize>> = pools.iter().map(|p| (p.name, Vec::new())).collect();
    let assignments: Vec<_> = nodes.iter().enumerate().map(|(at, node)| pools_of(at, node)).collect();
    for (index, assignment) in assignments.iter().enumerate() {
        if let Some(list) = assignment.primary().and_then(|pool| of_pool.get_mut(pool)) {
            list.push(index);
        }
    }
    for list in of_pool.values_mut() {
        list.sort_by_key(|&index| nodes[index].name);
    }
    let unreadable = pools.iter().filter_map(|p| Some((p.name, p.selector.as_ref().err()?.clone()))).collect();
    Membership { assignments, nodes: of_pool, unreadable }
}

/// Decides for one node.
#[must_use]
pub fn pools_of<'a>(pools: &[PoolView<'a>], node: &NodeView<'a>) -> Assignment<'a> {
    pools_of_selected(pools, node, &selected(pools.iter().map(|pool| &pool.selector), node.labels))
}

/// Positions of the valid selectors that match these labels (R-MEMBER-2).
pub(crate) fn selected<'s>(
    selectors: impl IntoIterator<Item = &'s Result<Selector, SelectorError>>,
    labels: &Labels,
) -> Vec<usize> {
    let matches = |selector: &Selector| !selector.is_everything() && selector.matches(labels);
    let matching = selectors.into_iter().enumerate().filter(|(_, selector)| selector.as_ref().is_ok_and(matches));
    matching.map(|(at, _)| at).collect()
}

/// Decides for one node whose labels the selectors of these pools match.
pub(crate) fn pools_of_selected<'a>(pools: &[PoolView<'a>], node: &NodeView<'a>, selected: &[usize]) -> Assignment<'a> {
    if node.is_windows() {
        return Assignment::NotManaged;
    }
    let (mut master, mut worker, mut custom) = (None, None, Vec::new());
    for pool in selected.iter().filter_map(|&at| pools.get(at)) {
        match pool.name {
            names::MASTER => master = Some(pool.name),
            names::WORKER => worker = Some(pool.name),
            name => custom.push(name),
        }
    }
    let unreadable = pools.iter().rfind(|pool| pool.selector.is_err() && is_told_by(pool, node)).map(|pool| pool.name);
    custom.sort_unstable();
    match (master, custom.as_slice(), unreadable) {
        (_, [_, _, ..], _) => Assignment::Conflict(custom),
        (Some(primary), [], _) => Assignment::Pools { primary, secondary: None, overlap: false },
        (Some(primary), [_], _) => Assignment::Pools { primary, secondary: worker, overlap: true },
        (None, _, Some(pool)) => Assignment::Unreadable(pool),
        (None, &[primary], None) => Assignment::Pools { primary, secondary: worker, overlap: false },
        (None, [], None) => match worker {
            Some(primary) => Assignment::Pools { primary, secondary: None, overlap: false },
            None => Assignment::NoPool,
        },
    }
}

fn is_told_by(pool: &PoolView<'_>, node: &NodeView<'_>) -> bool {
    [node.current_config, node.desired_config].into_iter().flatten().any(|config| pool.owns_config(config))
}
