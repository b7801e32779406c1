//! What to create, change and delete.

use crate::{Cluster, Context};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use weir_api::{MachineConfigPool, keys::gates::IMAGE_MODE_STATUS_REPORTING};
use weir_kubeio::Mark;
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
    /// Whose objects are looked at, as far as there are any.
    due: BTreeSet<String>,
    seen: Seen,
}

/// What a look has seen: what decides about every node, and up to where the nodes and their objects.
#[derive(Debug)]
pub(super) struct Seen {
    selects: Vec<Pool>,
    images: bool,
    nodes: Mark,
    reports: Mark,
}

/// The parts of a pool that concern its nodes: name, selector, target, and what it has reached.
type Pool = (Option<String>, Option<LabelSelector>, Option<String>, Option<String>);

impl Observed {
    /// When all was right after `before`, only what changed since is looked at.
    pub(super) fn new(context: &Context, before: Option<Seen>) -> Self {
        let cluster = &context.cluster;
        let pool = |pool: &MachineConfigPool| -> Pool {
            let target = pool.spec.configuration.as_ref().map(|c| c.name().to_owned());
            let reached = pool.status.as_ref().and_then(|s| s.configuration.as_ref()).map(|c| c.name().to_owned());
            (pool.metadata.name.clone(), pool.spec.node_selector.clone(), target, reached)
        };
        let pools = cluster.pools.all();
        let selects: Vec<_> = pools.iter().map(|object| pool(object)).collect();
        let images = context.is_on(IMAGE_MODE_STATUS_REPORTING);
        let before = before.filter(|before| before.selects == selects && before.images == images);
        let (mut nodes, mut reports) = before.map(|before| (before.nodes, before.reports)).unwrap_or_default();
        let of_nodes = cluster.nodes.since(&mut nodes).into_iter().map(|(name, _)| name);
        let of_reports = cluster.reports.since(&mut reports).into_iter().map(|(name, _)| name);
        Self { due: of_nodes.chain(of_reports).collect(), pools, seen: Seen { selects, images, nodes, reports } }
    }

    /// What is to be written.
    pub(super) fn writes(&self, cluster: &Cluster) -> Vec<Write> {
        let pools: Vec<_> = self.pools.iter().map(|pool| PoolView::new(pool)).collect();
        let nodes: Vec<_> = self.due.iter().filter_map(|name| cluster.nodes.get(name)).collect();
        let objects: BTreeMap<_, _> =
            self.due.iter().filter_map(|name| Some((name.as_str(), cluster.reports.get(name)?))).collect();
        let (mut writes, mut there) = (Vec::new(), BTreeSet::new());
        for node in nodes.iter().map(|node| NodeView::new(node)) {
            there.insert(node.name);
            let (pool, object) = (&pools_of(&pools, &node), objects.get(node.name).map(AsRef::as_ref));
            let change = object_change(&NodeObjectView { node: &node, pool, object, images: self.seen.images });
            writes.extend(change.map(|change| Write::Make(node.name.to_owned(), change)));
        }
        let gone = orphans(objects.values().map(AsRef::as_ref), &there);
        writes.extend(gone.into_iter().map(|name| Write::Delete(name.to_owned())));
        writes
    }

    pub(super) fn seen(self) -> Seen {
        self.seen
    }
}
