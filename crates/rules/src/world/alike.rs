//! Which changes of the world do not require a new plan: most progress reports of nodes change nothing.
//!
//! R-ALIKE-4 A world is like what it was if every object that decides about rollouts is the same, no node and no
//! MachineConfigNode was added or removed, and each one that changed is alike (R-ALIKE-1 to 3).
//! R-ALIKE-5 What a pass wrote itself counts as seen, unless somebody else wrote to the same object too.

use super::{NewStatus, World, object::put};
use crate::{
    rollout::{RolloutPlan, is_alike, is_marked, is_on_its_way, is_report_alike},
    status::pool_status::status_changed,
    view::{NodeReport, NodeView},
};
use k8s_openapi::{api::core::v1::Node, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use std::{mem::take, sync::Arc};
use weir_api::{MachineConfigNode, MachineConfigPool, keys::gates::IMAGE_MODE_STATUS_REPORTING};

/// What changed in a cluster since it was looked at.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Everything but nodes and MachineConfigNodes, as it is now.
    pub others: World,
    /// Names of nodes that came, changed or went, and what is there of them now.
    pub nodes: Vec<(String, Option<Arc<Node>>)>,
    /// The same of MachineConfigNodes.
    pub reports: Vec<(String, Option<Arc<MachineConfigNode>>)>,
}

impl World {
    /// Takes in what changed; returns whether a rollout planned afterwards would equal the one planned before (R-ALIKE-4). It looks only
    /// at what changed, of thousands of nodes.
    pub fn follow(&mut self, changes: Changes) -> bool {
        let alike = self.is_alike(&changes);
        let Changes { others, nodes, reports } = changes;
        *self = Self { nodes: take(&mut self.nodes), reports: take(&mut self.reports), ..others };
        for (name, now) in nodes {
            replace(&mut self.nodes, &name, now, |node| &node.metadata);
        }
        for (name, now) in reports {
            replace(&mut self.reports, &name, now, |report| &report.metadata);
        }
        alike
    }

    fn is_alike(&self, changes: &Changes) -> bool {
        let Changes { others, nodes, reports } = changes;
        let pools = if nodes.is_empty() { Vec::new() } else { self.pool_views() };
        let counted = self.is_on(IMAGE_MODE_STATUS_REPORTING);
        let node = |before: &Node, now: &Node| is_alike(&NodeView::new(before), &NodeView::new(now), &pools);
        let report = |before: &MachineConfigNode, now: &MachineConfigNode| {
            is_report_alike(&NodeReport::new(before), &NodeReport::new(now), counted)
        };
        self.is_decided_by(others)
            && nodes.iter().all(|now| still(&self.nodes, now, |node| &node.metadata, node))
            && reports.iter().all(|now| still(&self.reports, now, |report| &report.metadata, report))
    }

    /// Whether everything but nodes and MachineConfigNodes that decides about rollouts is the very same.
    fn is_decided_by(&self, now: &Self) -> bool {
        same(&self.pools, &now.pools)
            && same(&self.configs, &now.configs)
            && same(&self.pods, &now.pods)
            && same(&self.os_configs, &now.os_configs)
            && same(&self.os_builds, &now.os_builds)
            && same(self.version.as_slice(), now.version.as_slice())
            && same(self.feature_gate.as_slice(), now.feature_gate.as_slice())
            && same(self.controller_config.as_slice(), now.controller_config.as_slice())
            && same(self.streams.as_slice(), now.streams.as_slice())
            && (&self.process, &self.unreadable) == (&now.process, &now.unreadable)
    }

    /// Takes in what was written for the plan and the statuses made from this world (R-ALIKE-5). `node` and `pool` give the current
    /// objects.
    pub fn take_in(
        &mut self,
        plan: &RolloutPlan,
        written: &[NewStatus],
        node: impl Fn(&str) -> Option<Arc<Node>>,
        pool: impl Fn(&str) -> Option<Arc<MachineConfigPool>>,
    ) {
        for start in &plan.start {
            self.take_in_node(&start.node, &node, |view, before| {
                view.taints == before.taints && is_on_its_way(view, start.target())
            });
        }
        for mark in &plan.marks {
            self.take_in_node(&mark.node, &node, |view, before| is_marked(mark, before, view));
        }
        for wanted in written {
            let Some(held) = self.pools.iter_mut().find(|held| Arc::ptr_eq(held, &wanted.pool)) else { continue };
            let Some(now) = held.metadata.name.as_deref().and_then(&pool) else { continue };
            let of = |meta: &ObjectMeta| {
                (meta.labels.clone(), meta.annotations.clone(), meta.deletion_timestamp.clone(), meta.generation)
            };
            let same = of(&now.metadata) == of(&held.metadata) && now.spec == held.spec;
            if same && !status_changed(now.status.as_ref(), &wanted.status) {
                *held = now;
            }
        }
    }

    /// Takes in a node as it is now, if it is what our write made of it.
    fn take_in_node(
        &mut self,
        name: &str,
        node: impl Fn(&str) -> Option<Arc<Node>>,
        is_ours: impl Fn(&NodeView<'_>, &NodeView<'_>) -> bool,
    ) {
        let held = position(&self.nodes, name, |node| &node.metadata).and_then(|at| self.nodes.get_mut(at));
        let Some((held, now)) = held.zip(node(name)) else { return };
        let (view, before) = (NodeView::new(&now), NodeView::new(held));
        if view.labels == before.labels && is_ours(&view, &before) {
            *held = now;
        }
    }
}

/// Whether both hold the identical objects.
fn same<K>(before: &[Arc<K>], now: &[Arc<K>]) -> bool {
    before.len() == now.len() && before.iter().zip(now).all(|(before, now)| Arc::ptr_eq(before, now))
}

/// Where in a list that is sorted by name an object is.
pub(super) fn position<K>(held: &[Arc<K>], name: &str, meta: fn(&K) -> &ObjectMeta) -> Option<usize> {
    held.binary_search_by(|object| meta(object).name.as_deref().unwrap_or_default().cmp(name)).ok()
}

/// Whether an object is there as before, or is missing as before, and is the very same or alike.
fn still<K>(
    held: &[Arc<K>],
    (name, now): &(String, Option<Arc<K>>),
    meta: fn(&K) -> &ObjectMeta,
    is_alike: impl Fn(&K, &K) -> bool,
) -> bool {
    match (position(held, name, meta).and_then(|at| held.get(at)), now) {
        (Some(before), Some(now)) => Arc::ptr_eq(before, now) || is_alike(before, now),
        // It came and went meanwhile.
        (None, None) => true,
        _ => false,
    }
}

fn replace<K>(held: &mut Vec<Arc<K>>, name: &str, now: Option<Arc<K>>, meta: fn(&K) -> &ObjectMeta) {
    match now {
        Some(now) => put(held, now, meta),
        None => _ = position(held, name, meta).map(|at| held.remove(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str, state: &str) -> Arc<Node> {
        let annotations = json!({"machineconfiguration.openshift.io/state": state});
        Arc::new(serde_json::from_value(json!({"metadata": {"name": name, "annotations": annotations}})).unwrap())
    }

    /// What a cache would say that changed: everything that is not the very same.
    fn changes(before: &World, now: &World) -> Changes {
        let name = |node: &Arc<Node>| node.metadata.name.clone().unwrap();
        let gone = before.nodes.iter().filter(|held| now.nodes.iter().all(|node| name(node) != name(held)));
        let gone = gone.map(|held| (name(held), None));
        let others = World { nodes: Vec::new(), ..now.clone() };
        let nodes = gone.chain(now.nodes.iter().map(|node| (name(node), Some(node.clone())))).collect();
        Changes { others, nodes, reports: Vec::new() }
    }

    #[test]
    fn a_world_is_alike_while_what_decides_is_the_very_same() {
        let (a, b, c) = (node("a", "Done"), node("b", "Done"), node("c", "Done"));
        let world = |nodes: &[&Arc<Node>]| World {
            nodes: nodes.iter().map(|node| (*node).clone()).collect(),
            ..World::default()
        };
        let before = world(&[&a, &b]);
        for (now, alike) in [
            (world(&[&a, &b]), true),
            (world(&[&a, &node("b", "Done")]), true),
            (world(&[&a, &node("b", "Degraded")]), false),
            (world(&[&a, &c]), false),
            (world(&[&a]), false),
            (world(&[&a, &b, &c]), false),
            (World { pools: vec![Arc::default()], ..before.clone() }, false),
        ] {
            assert_eq!(before.clone().follow(changes(&before, &now)), alike, "{now:?}");
        }
    }
}
