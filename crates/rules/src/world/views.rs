//! What a world means for pools and nodes.

use super::World;
use crate::{
    objects::selector::{Selector, SelectorError},
    rollout::{
        RolloutPlan, RolloutView, WaitReason,
        lost::{Lost, lost},
        membership::{Membership, assign, assign_by, pools_of_selected, selected},
        plan_rollout,
    },
    status::pool_status::{PoolStatusView, certificate_expiry, completed, pool_status, status_changed},
    view::{KeptNode, KeptReport, NodeReport, NodeView, PodView, PoolView, renew},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use std::{collections::BTreeMap, sync::Arc};
use weir_api::{
    MachineConfig, MachineConfigPool,
    keys::{
        gates::IMAGE_MODE_STATUS_REPORTING,
        names::{MASTER, OPERATOR_APP, OPERATOR_NAMESPACE, WORKER},
        pod::APP,
    },
    pool::{CertExpiry, MachineConfigPoolStatus},
};

/// The views of all objects, made once for all decisions of one pass.
#[derive(Debug)]
pub struct Views<'a> {
    pub(super) world: &'a World,
    /// All pools.
    pub pools: Vec<PoolView<'a>>,
    /// All nodes.
    pub nodes: Vec<NodeView<'a>>,
    /// Which node is in which pool.
    pub membership: Membership<'a>,
    /// What the nodes' MachineConfigNodes report, by node.
    pub reports: BTreeMap<&'a str, NodeReport<'a>>,
    /// MachineConfigs by name.
    pub configs: BTreeMap<&'a str, &'a MachineConfig>,
}

/// What is kept of a world's nodes and MachineConfigNodes for the views of the next one (R-KEPT-VIEW-1).
#[derive(Debug, Default)]
pub struct Kept {
    nodes: Vec<KeptNode>,
    reports: Vec<KeptReport>,
    /// The selectors of the pools that the nodes were matched against.
    selectors: Vec<Result<Selector, SelectorError>>,
}

impl Kept {
    fn renew(&mut self, world: &World, pools: &[PoolView<'_>]) {
        renew(&mut self.nodes, &world.nodes);
        renew(&mut self.reports, &world.reports);
        if !pools.iter().map(|pool| &pool.selector).eq(&self.selectors) {
            self.selectors = pools.iter().map(|pool| pool.selector.clone()).collect();
            self.nodes.iter_mut().for_each(KeptNode::forget_selected);
        }
        for node in &mut self.nodes {
            node.select(|labels| selected(&self.selectors, labels));
        }
    }
}

/// A status that a pool should have and does not have yet.
#[derive(Clone, Debug)]
pub struct NewStatus {
    /// The pool it was made from.
    pub pool: Arc<MachineConfigPool>,
    /// The status.
    pub status: MachineConfigPoolStatus,
    /// What only a user can change, if that keeps the pool from moving.
    pub stalled: Option<WaitReason>,
    /// What to record once it is written and the pool's nodes have all reached its target.
    pub completed: Option<String>,
}

impl World {
    /// The views of this world.
    #[must_use]
    pub fn views(&self) -> Views<'_> {
        let (pools, nodes): (_, Vec<_>) =
            (self.pool_views(), self.nodes.iter().map(|node| NodeView::new(node)).collect());
        let membership = assign(&pools, &nodes);
        self.views_of(pools, nodes, membership, self.reports.iter().map(|report| NodeReport::new(report)))
    }

    /// The same, made from what was kept of an earlier world as far as its objects are the very same.
    #[must_use]
    pub fn views_from<'a>(&'a self, kept: &'a mut Kept) -> Views<'a> {
        let pools = self.pool_views();
        kept.renew(self, &pools);
        let kept = &*kept;
        let nodes: Vec<_> = kept.nodes.iter().map(KeptNode::view).collect();
        let selected = |at: usize| kept.nodes.get(at).map(KeptNode::selected).unwrap_or_default();
        let membership = assign_by(&pools, &nodes, |at, node| pools_of_selected(&pools, node, selected(at)));
        self.views_of(pools, nodes, membership, kept.reports.iter().map(KeptReport::view))
    }

    fn views_of<'a>(
        &'a self,
        pools: Vec<PoolView<'a>>,
        nodes: Vec<NodeView<'a>>,
        membership: Membership<'a>,
        reports: impl Iterator<Item = NodeReport<'a>>,
    ) -> Views<'a> {
        let reports = reports.map(|report| (report.node, report)).collect();
        Views { world: self, pools, nodes, membership, reports, configs: self.config_map() }
    }

    /// MachineConfigs by name.
    #[must_use]
    pub fn config_map(&self) -> BTreeMap<&str, &MachineConfig> {
        self.configs.iter().filter_map(|config| Some((config.metadata.name.as_deref()?, config.as_ref()))).collect()
    }

    pub(super) fn certificates(&self) -> Vec<CertExpiry> {
        let status = self.controller_config.as_ref().and_then(|config| config.status.as_ref());
        let known = status.map(|status| status.controller_certificates.as_slice()).unwrap_or_default();
        let values: Vec<_> = known.iter().filter_map(|known| serde_json::to_value(known).ok()).collect();
        certificate_expiry(&values)
    }
}

impl<'a> Views<'a> {
    /// The world that these are the views of.
    #[must_use]
    pub fn world(&self) -> &'a World {
        self.world
    }

    /// Which nodes start, and what the others wait for. The previous plan is used for times.
    pub fn plan(&self, previous: Option<&RolloutPlan>, now: Timestamp) -> RolloutPlan {
        self.with_rollout(previous, |view| plan_rollout(view, now))
    }

    /// Everything that a rollout depends on.
    pub fn with_rollout<R>(&self, previous: Option<&RolloutPlan>, decide: impl FnOnce(&RolloutView<'_>) -> R) -> R {
        let world = self.world;
        let owner = |config: &'a MachineConfig| Some(config.metadata.owner_references.as_ref()?.first()?.name.as_str());
        // A manifest need not have a namespace.
        let here = ["", OPERATOR_NAMESPACE].into_iter().flat_map(|namespace| world.pods_in(namespace));
        let ours = here.map(|pod| PodView::new(pod));
        let ours = ours.filter(|pod| pod.labels.get(APP).is_some_and(|app| app == OPERATOR_APP));
        let operator_nodes: Vec<_> = ours.map(|pod| pod.node).collect();
        decide(&RolloutView {
            pools: &self.pools,
            nodes: &self.nodes,
            membership: &self.membership,
            reports: &self.reports,
            topology: world.topology(),
            settle: world.process.as_ref().map(|process| process.settle),
            operator_nodes: &operator_nodes,
            config_owners: &self.configs.iter().filter_map(|(&name, &config)| Some((name, owner(config)?))).collect(),
            configs: world.whole.then(|| self.configs.keys().copied().collect()).as_ref(),
            halted: world.halt(&self.pools).as_ref(),
            previous,
        })
    }

    /// Replaces nodes by what they are now, after they were written.
    pub fn renew(&mut self, written: &'a [Arc<Node>]) {
        let mut moved = false;
        for now in written.iter().map(|node| NodeView::new(node)) {
            let at = self.nodes.binary_search_by(|held| held.name.cmp(now.name));
            let Some(held) = at.ok().and_then(|at| self.nodes.get_mut(at)) else { continue };
            moved |= held.labels != now.labels;
            *held = now;
        }
        if moved {
            self.membership = assign(&self.pools, &self.nodes);
        }
    }

    /// Nodes that should have a pool but have none.
    #[must_use]
    pub fn lost(&self) -> Vec<Lost> {
        lost(&self.pools, &self.nodes, &self.membership)
    }

    /// Pools that every cluster has, and that files leave out.
    #[must_use]
    pub fn left_out(&self) -> Vec<&'static str> {
        let is_there = |name: &str| self.pools.iter().any(|pool| pool.name == name);
        [MASTER, WORKER].into_iter().filter(|name| !self.world.whole && !is_there(name)).collect()
    }

    /// The nodes of a pool, by name.
    #[must_use]
    pub fn nodes_of(&self, pool: &str) -> Vec<&NodeView<'a>> {
        let members = self.membership.nodes.get(pool).map(Vec::as_slice).unwrap_or_default();
        members.iter().filter_map(|&at| self.nodes.get(at)).collect()
    }

    /// The statuses to write: those that differ from the present ones.
    #[must_use]
    pub fn statuses(&self, plan: &RolloutPlan, lost: &[Lost], now: Timestamp) -> Vec<NewStatus> {
        let status_of = self.status_of(plan, lost, now);
        let status = |(pool, object): (&PoolView<'a>, &Arc<MachineConfigPool>)| {
            // A pool that has not been rendered yet, or selects every node, has no rollout status.
            if pool.target.is_none() || pool.selects_all() || !self.membership.nodes.contains_key(pool.name) {
                return None;
            }
            let status = status_of(pool, &self.nodes_of(pool.name));
            let stalled = plan.stalled(pool.name).cloned();
            let changed = status_changed(object.status.as_ref(), &status);
            changed.then(|| NewStatus { pool: object.clone(), completed: completed(pool, &status), status, stalled })
        };
        self.pools.iter().zip(&self.world.pools).filter_map(status).collect()
    }

    /// The status of a pool with these nodes.
    pub(super) fn status_of(
        &self,
        plan: &RolloutPlan,
        lost: &[Lost],
        now: Timestamp,
    ) -> impl Fn(&PoolView<'a>, &[&NodeView<'a>]) -> MachineConfigPoolStatus {
        let (certificates, streams) = (self.world.certificates(), self.world.streams_in_effect());
        let counts_from_reports = self.world.is_on(IMAGE_MODE_STATUS_REPORTING);
        move |pool, nodes| {
            let view = PoolStatusView {
                pool,
                nodes,
                reports: &self.reports,
                configs: &self.configs,
                streams,
                counts_from_reports,
                certificates: &certificates,
                standing: plan.standing(pool.name),
                lost,
            };
            pool_status(&view, now)
        }
    }
}
