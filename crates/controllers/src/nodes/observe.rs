//! What is to be created, changed and deleted.

use crate::Context;
use std::collections::{BTreeMap, BTreeSet};
use weir_api::keys::gates::IMAGE_MODE_STATUS_REPORTING;
use weir_rules::{
    membership::assign,
    node_status::{Change, NodeObjectView, object_change, orphans},
    view::{NodeView, PoolView},
};

/// A write of one MachineConfigNode.
pub(super) enum Write {
    /// Create or change it.
    Make(String, Change),
    /// Delete it: its node is gone.
    Delete(String),
}

pub(super) fn observe(context: &Context) -> Vec<Write> {
    let cluster = &context.cluster;
    let (pools, nodes, reports) = (cluster.pools.all(), cluster.nodes.all(), cluster.reports.all());
    let pools: Vec<_> = pools.iter().map(|pool| PoolView::new(pool)).collect();
    let nodes: Vec<_> = nodes.iter().map(|node| NodeView::new(node)).collect();
    let by_name: BTreeMap<_, _> =
        reports.iter().filter_map(|r| Some((r.metadata.name.as_deref()?, r.as_ref()))).collect();
    let images = context.gates().is_ok_and(|gates| gates.is_on(IMAGE_MODE_STATUS_REPORTING));
    let membership = assign(&pools, &nodes);
    let mut writes = Vec::new();
    for (node, assignment) in nodes.iter().zip(&membership.assignments) {
        let object = by_name.get(node.name).copied();
        let view = NodeObjectView { node, pool: assignment.primary(), object, images };
        writes.extend(object_change(&view).map(|change| Write::Make(node.name.to_owned(), change)));
    }
    let names: BTreeSet<&str> = nodes.iter().map(|node| node.name).collect();
    let gone = orphans(reports.iter().map(AsRef::as_ref), &names);
    writes.extend(gone.into_iter().map(|name| Write::Delete(name.to_owned())));
    writes
}
