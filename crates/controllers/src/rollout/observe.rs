//! What a pass need not look at again.

use crate::Context;
use k8s_openapi::api::core::v1::Node;
use std::{collections::BTreeMap, sync::Arc};
use weir_api::{MachineConfigNode, keys::gates::IMAGE_MODE_STATUS_REPORTING};
use weir_kubeio::seen::{changed, same, same_one};
use weir_rules::{
    rollout::{RolloutPlan, is_alike as is_node_alike, is_on_its_way, is_report_alike},
    status::pool_status::status_changed,
    view::{NodeReport, NodeView},
    world::{NewStatus, World},
};

/// Whether a look at the one comes to what the look at `before` came to: most of what nodes say on their way changes nothing.
pub(super) fn is_alike(before: &World, now: &World) -> bool {
    let objects = same(&before.pools, &now.pools)
        && same(&before.configs, &now.configs)
        && same(&before.pods, &now.pods)
        && same(&before.os_configs, &now.os_configs)
        && same_one(before.version.as_ref(), now.version.as_ref())
        && same_one(before.feature_gate.as_ref(), now.feature_gate.as_ref())
        && same_one(before.controller_config.as_ref(), now.controller_config.as_ref())
        && same_one(before.streams.as_ref(), now.streams.as_ref());
    if !objects || (&before.process, &before.unreadable) != (&now.process, &now.unreadable) {
        return false;
    }
    let counted = now.is_on(IMAGE_MODE_STATUS_REPORTING);
    let report = |report: &MachineConfigNode, now: &MachineConfigNode| {
        is_report_alike(&NodeReport::new(report), &NodeReport::new(now), counted)
    };
    let reports = changed(&before.reports, &now.reports);
    if !reports.iter().all(|c| c.before.zip(c.now).is_some_and(|(before, now)| report(before, now))) {
        return false;
    }
    let nodes = changed(&before.nodes, &now.nodes);
    let pools: Vec<_> = if nodes.is_empty() { Vec::new() } else { now.pool_views() };
    let node = |before: &Node, now: &Node| is_node_alike(&NodeView::new(before), &NodeView::new(now), &pools);
    nodes.iter().all(|c| c.before.zip(c.now).is_some_and(|(before, now)| node(before, now)))
}

/// Takes in what the plan and the statuses made of this look wrote, so far as nobody else wrote into the same objects.
pub(super) fn take_in(world: &mut World, context: &Context, plan: &RolloutPlan, written: &[NewStatus]) {
    let told: BTreeMap<&str, &str> = plan.start.iter().map(|s| (s.node.as_str(), s.config.as_str())).collect();
    for node in world.nodes.iter_mut().filter(|_| !told.is_empty()) {
        let Some(name) = node.metadata.name.as_deref() else { continue };
        let Some((config, now)) = told.get(name).zip(context.cluster.nodes.get(name)) else { continue };
        let labels = now.metadata.labels == node.metadata.labels;
        let (view, before) = (NodeView::new(&now), NodeView::new(node));
        if labels && view.taints == before.taints && is_on_its_way(&view, config) {
            *node = now;
        }
    }
    for wanted in written {
        let Some(pool) = world.pools.iter_mut().find(|pool| Arc::ptr_eq(pool, &wanted.pool)) else { continue };
        let now = pool.metadata.name.as_deref().and_then(|name| context.cluster.pools.get(name));
        let Some(now) = now else { continue };
        let (new, old) = (&now.metadata, &pool.metadata);
        let same = (&new.labels, &new.annotations, &new.deletion_timestamp, new.generation)
            == (&old.labels, &old.annotations, &old.deletion_timestamp, old.generation);
        if same && now.spec == pool.spec && !status_changed(now.status.as_ref(), &wanted.status) {
            *pool = now;
        }
    }
}
