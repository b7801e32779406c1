//! How far a rollout is, for people and for scripts: which nodes a pool has, which may start, and what the others wait for.
//!
//! R-EXPLAIN-1 It is computed from the objects, as the controllers would compute it; no memory is involved.
//! R-EXPLAIN-2 Nodes, unavailable nodes, limit, capacity and candidates are those of the pool alone: whether it is paused, being
//! deleted or an arbiter pool only affects which nodes start.
//! R-EXPLAIN-3 Lists of nodes are sorted by name, except the nodes that start, which are in their order.
//! R-EXPLAIN-4 Files without any node say nothing about nodes: that is reported, without counts and without a status.
//! R-EXPLAIN-5 For a pool in image mode it says how far its image is, and what the image that nodes are told is built on; for one
//! whose image an installer pinned, that.

#[cfg(test)]
mod tests;
mod text;

pub use text::{explained, summary};

use super::{Views, World};
use crate::{
    build::{
        built_on::{BuiltOn, built_on},
        pinned::{Pinned, pinned},
    },
    rollout::{
        RolloutPlan, WaitReason, capacity, lost::Lost, max_unavailable::max_unavailable, membership::Assignment,
    },
    view::{NodeView, PoolView},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_api::pool::MachineConfigPoolStatus;

/// A pool that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no MachineConfigPool {asked:?}; there are: {}", known.join(", "))]
pub struct NoSuchPool {
    /// The requested name.
    pub asked: String,
    /// The existing names.
    pub known: Vec<String>,
}

/// How far one pool is. Names are those of objects.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The pool.
    pub pool: String,
    /// The configuration its nodes are to reach; empty until there is one.
    pub target: String,
    /// Whether it is paused.
    pub paused: bool,
    /// How far its image is, in image mode.
    pub image_mode: Option<String>,
    /// What the image that its nodes are told is built on, in image mode.
    pub built_on: Option<BuiltOn>,
    /// What pins its image.
    pub pinned: Option<Pinned>,
    /// Whether its nodes are unknown; then everything below is meaningless (R-EXPLAIN-4).
    pub unseen: bool,
    /// Its nodes.
    pub nodes: Vec<String>,
    /// The unavailable ones.
    pub unavailable: Vec<String>,
    /// How many may be unavailable, or why that is unknown.
    pub max_unavailable: Result<i64, String>,
    /// How many more may be taken down.
    pub capacity: usize,
    /// Those that could start if it were their turn; none without capacity.
    pub candidates: Vec<String>,
    /// Those that may start now.
    pub start: Vec<String>,
    /// Those that wait.
    pub hold: Vec<Waits>,
    /// The status that the pool should have.
    pub status: MachineConfigPoolStatus,
}

/// A node that waits.
#[derive(Clone, Debug)]
pub struct Waits {
    /// The node.
    pub node: String,
    /// What it waits for.
    pub reason: WaitReason,
    /// Since when, as far as the objects say.
    pub since: Option<Timestamp>,
}

/// The pools of every node, as JSON: `{"nodes": {NODE: {"pools": […], "primary": …}}}`, or `"error"` instead of the two.
#[must_use]
pub fn membership(world: &World) -> Value {
    let views = world.views();
    let assigned = views.nodes.iter().zip(&views.membership.assignments);
    let entry = |(node, assignment): (&NodeView<'_>, &Assignment<'_>)| {
        let value = match refused(assignment) {
            Some(reason) => json!({"error": reason.to_string()}),
            None => json!({"pools": assignment.pools(), "primary": assignment.primary()}),
        };
        (node.name.to_owned(), value)
    };
    json!({"nodes": assigned.map(entry).collect::<BTreeMap<_, _>>()})
}

/// Why a node that should have a pool has none.
fn refused(assignment: &Assignment<'_>) -> Option<WaitReason> {
    match assignment {
        Assignment::Conflict(pools) => {
            Some(WaitReason::SeveralPools { pools: pools.iter().map(|&pool| pool.to_owned()).collect() })
        }
        Assignment::Unreadable(pool) => Some(WaitReason::PoolUnreadable { pool: (*pool).to_owned() }),
        Assignment::NotManaged | Assignment::NoPool | Assignment::Pools { .. } => None,
    }
}

/// Explains one pool.
///
/// # Errors
/// When it does not exist.
pub fn explain(world: &World, pool: &str, now: Timestamp) -> Result<Explained, NoSuchPool> {
    let views = world.views();
    let Some(view) = views.pools.iter().find(|view| view.name == pool) else {
        let mut known: Vec<_> = views.pools.iter().map(|view| view.name.to_owned()).collect();
        known.sort_unstable();
        return Err(NoSuchPool { asked: pool.to_owned(), known });
    };
    Ok(views.explain(view, &views.plan(None, now), &views.lost(), now))
}

/// Explains every pool, by name.
#[must_use]
pub fn explain_all(world: &World, now: Timestamp) -> Vec<Explained> {
    let views = world.views();
    let (plan, lost) = (views.plan(None, now), views.lost());
    let mut all: Vec<_> = views.pools.iter().map(|view| views.explain(view, &plan, &lost, now)).collect();
    all.sort_by(|a, b| a.pool.cmp(&b.pool));
    all
}

/// Nodes that should have a pool but have none, with the reason, by name.
#[must_use]
pub fn without_pool(world: &World) -> Vec<(String, WaitReason)> {
    let views = world.views();
    views.lost().into_iter().map(|lost| (lost.node, lost.reason)).collect()
}

impl Explained {
    /// The explanation as JSON for scripts.
    #[must_use]
    pub fn json(&self) -> Value {
        if self.unseen {
            return json!({
                "nodes": null, "unavailable": null, "maxUnavailable": null, "capacity": null, "candidates": null,
                "start": null, "hold": null, "status": null, "notKnown": text::UNSEEN,
            });
        }
        let hold = self.hold.iter().map(|held| {
            let reason = format!("{}: {}", held.reason.code(), held.reason);
            json!({"node": held.node, "reason": reason, "since": held.since.map(|since| since.to_string())})
        });
        json!({
            "nodes": self.nodes, "unavailable": self.unavailable, "maxUnavailable": self.max_unavailable.as_ref().ok(),
            "capacity": self.capacity, "candidates": self.candidates, "start": self.start,
            "hold": hold.collect::<Vec<_>>(), "status": self.status,
        })
    }
}

impl<'a> Views<'a> {
    fn explain(&self, pool: &PoolView<'a>, plan: &RolloutPlan, lost: &[Lost], now: Timestamp) -> Explained {
        let nodes = self.nodes_of(pool.name);
        let names = |nodes: &[&NodeView<'_>]| nodes.iter().map(|node| node.name.to_owned()).collect();
        let max = max_unavailable(pool, nodes.len());
        let room = capacity(&nodes, pool.aim(), *max.as_ref().unwrap_or(&0));
        let status = self.status_of(plan, lost, now)(pool, &nodes);
        let held = plan.hold.iter().filter(|held| held.pool.as_deref() == Some(pool.name));
        Explained {
            pool: pool.name.to_owned(),
            target: pool.target.unwrap_or_default().to_owned(),
            paused: pool.paused,
            image_mode: pool.image_mode.map(|mode| mode.to_string()),
            built_on: built_on(self.world, pool),
            pinned: pinned(self.world, pool.object),
            unseen: !self.world.whole && self.nodes.is_empty(),
            nodes: names(&nodes),
            unavailable: names(&room.unavailable),
            max_unavailable: max.map_err(|error| error.to_string()),
            capacity: room.left,
            candidates: names(&room.candidates),
            start: plan.start.iter().filter(|start| start.pool == pool.name).map(|start| start.node.clone()).collect(),
            hold: held
                .map(|held| Waits { node: held.node.clone(), reason: held.reason.clone(), since: held.since })
                .collect(),
            status,
        }
    }
}
