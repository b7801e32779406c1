//! What to create, change and delete.

use crate::Context;
use k8s_openapi::{api::core::v1::Node, apimachinery::pkg::apis::meta::v1::LabelSelector};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use weir_api::{MachineConfigNode, MachineConfigPool, keys::gates::IMAGE_MODE_STATUS_REPORTING};
use weir_kubeio::seen::{Changed, changed};
use weir_rules::{
    rollout::membership::pools_of,
    status::node_status::{Change, NodeObjectView, object_change, orphans},
    view::{NodeView, PoolView},
};

/// A write of one MachineConfigNode.
pub(super) enum Write {
    /// Create or change it.
    Make(String, Change),
    /// Delete it: its node is gone.
    Delete(String),
}

/// The cluster as one pass sees it.
#[derive(Debug)]
pub(super) struct Observed {
    pools: Vec<Arc<MachineConfigPool>>,
    /// The parts of the pools that decide which pool a node is in.
    selects: Vec<Pool>,
    nodes: Vec<Arc<Node>>,
    reports: Vec<Arc<MachineConfigNode>>,
    images: bool,
}

/// The parts of a pool that concern its nodes: name, selector, target, and what it has reached.
type Pool = (Option<String>, Option<LabelSelector>, Option<String>, Option<String>);

impl Observed {
    pub(super) fn new(context: &Context) -> Self {
        let cluster = &context.cluster;
        let pool = |pool: &MachineConfigPool| -> Pool {
            let target = pool.spec.configuration.as_ref().map(|c| c.name().to_owned());
            let reached = pool.status.as_ref().and_then(|s| s.configuration.as_ref()).map(|c| c.name().to_owned());
            (pool.metadata.name.clone(), pool.spec.node_selector.clone(), target, reached)
        };
        let pools = cluster.pools.all();
        Self {
            selects: pools.iter().map(|object| pool(object)).collect(),
            pools,
            nodes: cluster.nodes.all(),
            reports: cluster.reports.all(),
            images: context.gates().is_ok_and(|gates| gates.is_on(IMAGE_MODE_STATUS_REPORTING)),
        }
    }

    /// The writes. If everything was up to date at `before`, only what changed since then is looked at.
    pub(super) fn writes(&self, before: Option<&Self>) -> Vec<Write> {
        let before = before.filter(|before| before.selects == self.selects && before.images == self.images);
        let touched = before.map(|before| self.touched(before));
        if touched.as_ref().is_some_and(BTreeSet::is_empty) {
            return Vec::new();
        }
        let is_due = |name: &str| touched.as_ref().is_none_or(|touched| touched.contains(name));
        let pools: Vec<_> = self.pools.iter().map(|pool| PoolView::new(pool)).collect();
        let name = |report: &MachineConfigNode| report.metadata.name.clone().unwrap_or_default();
        let due: Vec<_> = self.reports.iter().filter(|report| is_due(&name(report))).collect();
        let by_name: BTreeMap<_, _> = due.iter().map(|report| (name(report), report.as_ref())).collect();
        let mut writes = Vec::new();
        let nodes = self.nodes.iter().filter(|node| node.metadata.name.as_deref().is_some_and(&is_due));
        let mut there = BTreeSet::new();
        for node in nodes.map(|node| NodeView::new(node)) {
            there.insert(node.name);
            let object = by_name.get(node.name).copied();
            let view = NodeObjectView { node: &node, pool: &pools_of(&pools, &node), object, images: self.images };
            writes.extend(object_change(&view).map(|change| Write::Make(node.name.to_owned(), change)));
        }
        let gone = orphans(by_name.values().copied(), &there);
        writes.extend(gone.into_iter().map(|name| Write::Delete(name.to_owned())));
        writes
    }

    /// Names of nodes and of their objects that changed.
    fn touched(&self, before: &Self) -> BTreeSet<String> {
        let nodes = changed(&before.nodes, &self.nodes).iter().map(Changed::name).collect::<Vec<_>>();
        let reports = changed(&before.reports, &self.reports);
        nodes.into_iter().chain(reports.iter().map(Changed::name)).collect()
    }
}
