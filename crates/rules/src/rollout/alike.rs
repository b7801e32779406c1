//! Which changes do not require a new plan.
//!
//! R-ALIKE-1 A node that is being updated to its pool's target counts as just that, at any step and whether it is ready or not.
//! R-ALIKE-2 Any other node counts as unchanged if nothing changed that a plan or a pool's status reports or depends on.
//! R-ALIKE-3 Of a MachineConfigNode, only what a pool's status counts matters.

use crate::{
    rollout::{Mark, mark::is_ours, membership::pools_of},
    view::{NodeReport, NodeView, PoolView, Target},
};

/// Whether the node still means the same to the plan and to the pools' statuses.
#[must_use]
pub(crate) fn is_alike(before: &NodeView<'_>, now: &NodeView<'_>, pools: &[PoolView<'_>]) -> bool {
    let assignment = pools_of(pools, now);
    if pools_of(pools, before) != assignment || (before.taints, before.topology) != (now.taints, now.topology) {
        return false;
    }
    let pool = assignment.primary().and_then(|name| pools.iter().find(|pool| pool.name == name));
    let target = pool.filter(|pool| pool.target.is_some()).map(PoolView::aim);
    let on_its_way = |node: &NodeView<'_>| target.is_some_and(|target| is_on_its_way(node, target));
    (on_its_way(before) && on_its_way(now)) || decided_by(before) == decided_by(now)
}

/// Whether the node was given the target, has not reached it yet, and has not failed.
#[must_use]
pub(crate) fn is_on_its_way(node: &NodeView<'_>, target: Target<'_>) -> bool {
    node.is_told(target) && !node.is_done() && !node.is_degraded()
}

/// Whether nothing but this mark was written to a node.
#[must_use]
pub(crate) fn is_marked(mark: &Mark, before: &NodeView<'_>, now: &NodeView<'_>) -> bool {
    let is_tainted = mark.taint.unwrap_or_else(|| before.taints.iter().any(is_ours));
    let others = |node: &NodeView<'_>| node.taints.iter().filter(|taint| !is_ours(taint)).cloned().collect::<Vec<_>>();
    decided_by(before) == decided_by(now)
        && now.taints.iter().any(is_ours) == is_tainted
        && others(before) == others(now)
        && now.topology == mark.topology.as_deref().or(before.topology)
}

/// Everything else about a node that matters for the plan.
fn decided_by<'a>(node: &NodeView<'a>) -> impl PartialEq + use<'a> {
    let runs = (node.current_config, node.desired_config, node.current_image, node.desired_image);
    let says = (node.state, node.reason, node.unready.map(|unready| unready.what), node.provisioning);
    let drain = (node.unschedulable, node.applied_drain, node.cordoned_by);
    let place = (node.uid, node.zone, node.created, node.first_pivot_config, node.pool_labels_applied);
    (runs, says, drain, place)
}

/// Whether the MachineConfigNode still means the same to the pools' statuses; `counted` if the counts come from MachineConfigNodes.
#[must_use]
pub(crate) fn is_report_alike(before: &NodeReport<'_>, now: &NodeReport<'_>, counted: bool) -> bool {
    let said = |report: &NodeReport<'_>| {
        let failed = report.degraded.as_ref().map(|degraded| degraded.message.to_owned());
        (failed, report.has_conditions, report.pinned_image_sets_done)
    };
    fn counts<'a>(report: &NodeReport<'a>) -> (bool, Option<&'a str>, Option<&'a str>) {
        (report.updated, report.desired_config, report.desired_image)
    }
    said(before) == said(now) && (!counted || counts(before) == counts(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Node;
    use serde_json::{Value, json};
    use weir_api::MachineConfigPool;

    /// A node of the pool with the target `r2`, with these annotations and this readiness.
    fn node(annotations: &[(&str, &str)], ready: &str, role: &str) -> Node {
        let key = |name: &str| format!("machineconfiguration.openshift.io/{name}");
        let annotations: Value = annotations.iter().map(|(name, value)| (key(name), json!(value))).collect();
        serde_json::from_value(json!({
            "metadata": {"name": "a", "labels": {format!("node-role.kubernetes.io/{role}"): ""}, "annotations": annotations},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap()
    }

    #[test]
    fn of_a_mark_nothing_else_was_written() {
        let with = |taints: Value, topology: &str, reason: &str| -> Node {
            let key = |name: &str| format!("machineconfiguration.openshift.io/{name}");
            let annotations = json!({key("controlPlaneTopology"): topology, key("reason"): reason});
            let meta = json!({"name": "a", "annotations": annotations});
            serde_json::from_value(json!({"metadata": meta, "spec": {"taints": taints}})).unwrap()
        };
        let (ours, other) = (
            json!({"key": "UpdateInProgress", "effect": "PreferNoSchedule"}),
            json!({"key": "x", "effect": "NoSchedule"}),
        );
        let mark =
            |taint, topology: Option<&str>| Mark { node: "a".to_owned(), taint, topology: topology.map(str::to_owned) };
        let before = with(json!([other]), "HighlyAvailable", "");
        for (mark, now, alike) in [
            (mark(Some(true), None), with(json!([other, ours]), "HighlyAvailable", ""), true),
            (mark(Some(true), None), with(json!([other]), "HighlyAvailable", ""), false),
            (mark(Some(true), None), with(json!([ours]), "HighlyAvailable", ""), false),
            (mark(Some(true), None), with(json!([other, ours]), "SingleReplica", ""), false),
            (mark(Some(true), None), with(json!([other, ours]), "HighlyAvailable", "fails"), false),
            (mark(None, Some("SingleReplica")), with(json!([other]), "SingleReplica", ""), true),
            (mark(None, Some("SingleReplica")), with(json!([other, ours]), "SingleReplica", ""), false),
        ] {
            assert_eq!(is_marked(&mark, &NodeView::new(&before), &NodeView::new(&now)), alike, "{mark:?} {now:?}");
        }
    }

    #[test]
    fn steps_on_the_way_change_nothing_and_its_ends_do() {
        let pool = |name: &str| -> MachineConfigPool {
            let selector = json!({"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}});
            let spec = json!({"nodeSelector": selector, "configuration": {"name": "r2"}});
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
        };
        let pools = [pool("worker"), pool("infra")];
        let pools: Vec<_> = pools.iter().map(PoolView::new).collect();
        let idle = node(&[("currentConfig", "r1"), ("desiredConfig", "r1"), ("state", "Done")], "True", "worker");
        let told = node(&[("currentConfig", "r1"), ("desiredConfig", "r2"), ("state", "Done")], "True", "worker");
        let works = node(&[("currentConfig", "r1"), ("desiredConfig", "r2"), ("state", "Working")], "True", "worker");
        let boots =
            node(&[("currentConfig", "r1"), ("desiredConfig", "r2"), ("state", "Working")], "Unknown", "worker");
        let moved = node(&[("currentConfig", "r1"), ("desiredConfig", "r2"), ("state", "Working")], "True", "infra");
        let fails = node(&[("currentConfig", "r1"), ("desiredConfig", "r2"), ("state", "Degraded")], "True", "worker");
        let done = node(&[("currentConfig", "r2"), ("desiredConfig", "r2"), ("state", "Done")], "True", "worker");
        let lost = node(&[("currentConfig", "r2"), ("desiredConfig", "r2"), ("state", "Done")], "Unknown", "worker");
        for (before, now, alike) in [
            (&told, &works, true),
            (&works, &boots, true),
            (&idle, &told, false),
            (&works, &moved, false),
            (&works, &fails, false),
            (&boots, &done, false),
            (&done, &lost, false),
            (&done, &done, true),
        ] {
            let (before, now) = (NodeView::new(before), NodeView::new(now));
            assert_eq!(is_alike(&before, &now, &pools), alike, "{before:?} {now:?}");
        }
    }
}
