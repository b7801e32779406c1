//! Which changes of the world do not require a new plan: most progress reports of nodes change nothing.
//!
//! R-ALIKE-4 A world is like the previous one if every object that decides about rollouts is the same, no node and no
//! MachineConfigNode was added or removed, and each one that changed is alike (R-ALIKE-1 to 3).
//! R-ALIKE-5 What a pass wrote itself counts as seen, unless somebody else wrote to the same object too.

use super::{NewStatus, World};
use crate::{
    rollout::{RolloutPlan, is_alike, is_on_its_way, is_report_alike},
    status::pool_status::status_changed,
    view::{NodeReport, NodeView, Target},
};
use k8s_openapi::{api::core::v1::Node, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use std::{collections::BTreeMap, sync::Arc};
use weir_api::{MachineConfigPool, keys::gates::IMAGE_MODE_STATUS_REPORTING};

impl World {
    /// Whether a rollout planned from this world would equal the one planned from `before` (R-ALIKE-4).
    #[must_use]
    pub fn is_alike(&self, before: &Self) -> bool {
        let objects = same(&before.pools, &self.pools)
            && same(&before.configs, &self.configs)
            && same(&before.pods, &self.pods)
            && same(&before.os_configs, &self.os_configs)
            && same(&before.os_builds, &self.os_builds)
            && same(before.version.as_slice(), self.version.as_slice())
            && same(before.feature_gate.as_slice(), self.feature_gate.as_slice())
            && same(before.controller_config.as_slice(), self.controller_config.as_slice())
            && same(before.streams.as_slice(), self.streams.as_slice());
        if !objects || (&before.process, &before.unreadable) != (&self.process, &self.unreadable) {
            return false;
        }
        let reports = changed(&before.reports, &self.reports, |report| &report.metadata);
        let nodes = changed(&before.nodes, &self.nodes, |node| &node.metadata);
        let Some((reports, nodes)) = reports.zip(nodes) else { return false };
        let counted = self.is_on(IMAGE_MODE_STATUS_REPORTING);
        let pools = if nodes.is_empty() { Vec::new() } else { self.pool_views() };
        let report = |(before, now)| is_report_alike(&NodeReport::new(before), &NodeReport::new(now), counted);
        let node = |(before, now)| is_alike(&NodeView::new(before), &NodeView::new(now), &pools);
        reports.into_iter().all(report) && nodes.into_iter().all(node)
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
        let told: BTreeMap<&str, Target<'_>> = plan.start.iter().map(|s| (s.node.as_str(), s.target())).collect();
        for held in self.nodes.iter_mut().filter(|_| !told.is_empty()) {
            let Some(name) = held.metadata.name.as_deref() else { continue };
            let Some((target, now)) = told.get(name).zip(node(name)) else { continue };
            let labels = now.metadata.labels == held.metadata.labels;
            let (view, before) = (NodeView::new(&now), NodeView::new(held));
            if labels && view.taints == before.taints && is_on_its_way(&view, *target) {
                *held = now;
            }
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
}

/// Whether both hold the identical objects.
fn same<K>(before: &[Arc<K>], now: &[Arc<K>]) -> bool {
    before.len() == now.len() && before.iter().zip(now).all(|(before, now)| Arc::ptr_eq(before, now))
}

/// Pairs of objects that are not identical, before and now. Both lists are sorted by name; `None` if one was added or removed.
fn changed<'a, K>(before: &'a [Arc<K>], now: &'a [Arc<K>], meta: fn(&K) -> &ObjectMeta) -> Option<Vec<(&'a K, &'a K)>> {
    if before.len() != now.len() {
        return None;
    }
    let changed = before.iter().zip(now).filter(|(before, now)| !Arc::ptr_eq(before, now));
    changed.map(|(before, now)| (meta(before).name == meta(now).name).then_some((&**before, &**now))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str, state: &str) -> Arc<Node> {
        let annotations = json!({"machineconfiguration.openshift.io/state": state});
        Arc::new(serde_json::from_value(json!({"metadata": {"name": name, "annotations": annotations}})).unwrap())
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
            assert_eq!(now.is_alike(&before), alike, "{now:?}");
        }
    }
}
