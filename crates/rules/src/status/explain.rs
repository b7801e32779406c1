//! What a rollout is at, for people and for scripts: which nodes a pool has, who may go, who waits for what.
//!
//! R-EXPLAIN-1 It is computed from the objects, as the controllers would; nothing of it was remembered by anybody.
//! R-EXPLAIN-2 Nodes, unavailable nodes, limit, capacity and candidates are those of the pool alone: whether it is paused,
//! being deleted or an arbiter only decides who starts.
//! R-EXPLAIN-3 Lists of nodes are in name order, but those that start, which are in their order.
//! R-EXPLAIN-4 Files without any node say nothing about nodes: that is said, and no count and no status is made of it.

#[cfg(test)]
mod tests;
mod text;

pub use text::{explained, summary};

use crate::{
    rollout::{
        RolloutPlan, RolloutView, WaitReason, capacity,
        lost::{Lost, lost},
        max_unavailable::max_unavailable,
        membership::{Assignment, Membership, assign},
        plan_rollout,
    },
    status::pool_status::{PoolStatusView, certificate_expiry, pool_status},
    view::{NodeReport, NodeView, PoolView},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{MachineConfig, MachineConfigNode, MachineConfigPool, OSImageStream, pool::MachineConfigPoolStatus};

/// The objects that a rollout depends on.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// All pools.
    pub pools: Vec<MachineConfigPool>,
    /// All nodes.
    pub nodes: Vec<Node>,
    /// Whether nodes were looked for where there need not be any, and none was found (R-EXPLAIN-4).
    pub nodes_unseen: bool,
    /// MachineConfigs.
    pub configs: Vec<MachineConfig>,
    /// Whether these are all that there are, so that one that is not among them does not exist.
    pub all_configs: bool,
    /// MachineConfigNodes.
    pub reports: Vec<MachineConfigNode>,
    /// Nodes that run a pod of the operator, one entry for each pod.
    pub operator_nodes: Vec<String>,
    /// Pools in image mode: those a MachineOSConfig names.
    pub image_mode_pools: BTreeSet<String>,
    /// The streams; absent when there are none or their gate is off.
    pub streams: Option<OSImageStream>,
    /// The control plane's topology.
    pub topology: Option<String>,
    /// `ControllerConfig.status.controllerCertificates`.
    pub certificates: Vec<Value>,
    /// Whether counts come from MachineConfigNodes (gate `ImageModeStatusReporting`).
    pub counts_from_reports: bool,
}

/// A pool that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no MachineConfigPool {asked:?}; there are: {}", known.join(", "))]
pub struct NoSuchPool {
    /// The name that was asked for.
    pub asked: String,
    /// The names there are.
    pub known: Vec<String>,
}

/// What one pool is at. Names are those of objects.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The pool.
    pub pool: String,
    /// The configuration its nodes are to reach; empty until there is one.
    pub target: String,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether nothing is known of its nodes; all that follows then says nothing (R-EXPLAIN-4).
    pub unseen: bool,
    /// Its nodes.
    pub nodes: Vec<String>,
    /// Those of them that count as unavailable.
    pub unavailable: Vec<String>,
    /// How many may be, or why that cannot be told.
    pub max_unavailable: Result<i64, String>,
    /// How many more may be taken down.
    pub capacity: usize,
    /// Those that could be, were it their turn; none without capacity.
    pub candidates: Vec<String>,
    /// Those that may start now.
    pub start: Vec<String>,
    /// Those that wait.
    pub hold: Vec<Waits>,
    /// The status that the pool is to have.
    pub status: MachineConfigPoolStatus,
}

/// A node that waits.
#[derive(Clone, Debug)]
pub struct Waits {
    /// The node.
    pub node: String,
    /// For what.
    pub reason: WaitReason,
    /// Since when, as far as the objects tell.
    pub since: Option<Timestamp>,
}

/// Which pools every node has, as JSON: `{"nodes": {NODE: {"pools": […], "primary": …}}}`, or `"error"` in place of both.
#[must_use]
pub fn membership(objects: &Objects) -> Value {
    let views = Views::new(objects);
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
pub fn explain(objects: &Objects, pool: &str, now: Timestamp) -> Result<Explained, NoSuchPool> {
    let views = Views::new(objects);
    let Some(view) = views.pools.iter().find(|view| view.name == pool) else {
        let mut known: Vec<_> = views.pools.iter().map(|view| view.name.to_owned()).collect();
        known.sort_unstable();
        return Err(NoSuchPool { asked: pool.to_owned(), known });
    };
    Ok(views.explain(view, &views.plan(now), &views.lost(), now))
}

/// Explains every pool, by name.
#[must_use]
pub fn explain_all(objects: &Objects, now: Timestamp) -> Vec<Explained> {
    let views = Views::new(objects);
    let (plan, lost) = (views.plan(now), views.lost());
    let mut all: Vec<_> = views.pools.iter().map(|view| views.explain(view, &plan, &lost, now)).collect();
    all.sort_by(|a, b| a.pool.cmp(&b.pool));
    all
}

/// Nodes without a pool that should have one, with why not, by name.
#[must_use]
pub fn without_pool(objects: &Objects) -> Vec<(String, WaitReason)> {
    let views = Views::new(objects);
    views.lost().into_iter().map(|lost| (lost.node, lost.reason)).collect()
}

impl Explained {
    /// The explanation as scripts read it.
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

/// Views of the objects.
struct Views<'a> {
    objects: &'a Objects,
    pools: Vec<PoolView<'a>>,
    nodes: Vec<NodeView<'a>>,
    membership: Membership<'a>,
    reports: BTreeMap<&'a str, NodeReport<'a>>,
    configs: BTreeMap<&'a str, &'a MachineConfig>,
}

impl<'a> Views<'a> {
    fn new(objects: &'a Objects) -> Self {
        let pools: Vec<_> = objects.pools.iter().map(PoolView::new).collect();
        let nodes: Vec<_> = objects.nodes.iter().map(NodeView::new).collect();
        let membership = assign(&pools, &nodes);
        let reports = objects.reports.iter().map(NodeReport::new).map(|report| (report.node, report)).collect();
        let named = |config: &'a MachineConfig| Some((config.metadata.name.as_deref()?, config));
        Self { objects, pools, nodes, membership, reports, configs: objects.configs.iter().filter_map(named).collect() }
    }

    fn plan(&self, now: Timestamp) -> RolloutPlan {
        let objects = self.objects;
        let owner = |config: &'a MachineConfig| Some(config.metadata.owner_references.as_ref()?.first()?.name.as_str());
        let owners = self.configs.iter().filter_map(|(&name, &config)| Some((name, owner(config)?))).collect();
        let operator_nodes: Vec<_> = objects.operator_nodes.iter().map(String::as_str).collect();
        let configs = self.configs.keys().copied().collect();
        let view = RolloutView {
            pools: &self.pools,
            nodes: &self.nodes,
            membership: &self.membership,
            reports: &self.reports,
            topology: objects.topology.as_deref(),
            settle: None,
            operator_nodes: &operator_nodes,
            image_mode_pools: &objects.image_mode_pools.iter().map(String::as_str).collect(),
            config_owners: &owners,
            configs: Some(&configs).filter(|_| objects.all_configs),
            halted: None,
            previous: None,
        };
        plan_rollout(&view, now)
    }

    fn lost(&self) -> Vec<Lost> {
        lost(&self.pools, &self.nodes, &self.membership)
    }

    fn explain(&self, pool: &PoolView<'a>, plan: &RolloutPlan, lost: &[Lost], now: Timestamp) -> Explained {
        let members = self.membership.nodes.get(pool.name).map(Vec::as_slice).unwrap_or_default();
        let nodes: Vec<&NodeView<'_>> = members.iter().filter_map(|&index| self.nodes.get(index)).collect();
        let names = |nodes: &[&NodeView<'_>]| nodes.iter().map(|node| node.name.to_owned()).collect();
        let max = max_unavailable(pool, nodes.len());
        let room = capacity(&nodes, pool.target.unwrap_or_default(), *max.as_ref().unwrap_or(&0));
        let objects = self.objects;
        let status = pool_status(
            &PoolStatusView {
                pool,
                nodes: &nodes,
                reports: &self.reports,
                configs: &self.configs,
                streams: objects.streams.as_ref(),
                counts_from_reports: objects.counts_from_reports,
                image_mode: objects.image_mode_pools.contains(pool.name),
                certificates: &certificate_expiry(&objects.certificates),
                standing: plan.standing(pool.name),
                lost,
            },
            now,
        );
        let held = plan.hold.iter().filter(|held| held.pool.as_deref() == Some(pool.name));
        Explained {
            pool: pool.name.to_owned(),
            target: pool.target.unwrap_or_default().to_owned(),
            paused: pool.paused,
            unseen: objects.nodes_unseen,
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
