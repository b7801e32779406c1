//! What is written to nodes beside their target.
//!
//! R-MARK-1 Nodes that wait while others of their pool are being updated get the taint `UpdateInProgress` (`PreferNoSchedule`):
//! evicted pods had better not move to nodes that are next. It is set after the nodes that start were given their target, so that
//! it does not delay them.
//! R-MARK-2 It stays until the node's update ends, and is removed by the write that ends it: after a drain, that is the uncordon.
//! R-MARK-3 It is removed wherever no update is running, whoever set it. A reason to wait that passes within moments leaves it as
//! it is.
//! R-MARK-4 The control plane's topology is written to every node of a pool: its daemon decides from it about drains.
//!
//! Source: `pkg/controller/node/node_controller.go` of github.com/openshift/machine-config-operator, which taints all nodes before
//! the first is given its target.

use crate::view::NodeView;
use k8s_openapi::api::core::v1::Taint;
use serde_json::{Value, json};
use weir_api::keys::{rollout::CONTROL_PLANE_TOPOLOGY, taints::UPDATE_IN_PROGRESS};

const EFFECT: &str = "PreferNoSchedule";

/// What is to be written to one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The node.
    pub node: String,
    /// Whether the taint should be there; `None` leaves it as it is.
    pub taint: Option<bool>,
    /// The control plane's topology, if it is to be written to the node.
    pub topology: Option<String>,
}

/// Whether a node has the taint.
#[must_use]
pub fn is_tainted(node: &NodeView<'_>) -> bool {
    node.taints.iter().any(is_ours)
}

/// The part of a node's mark that is not there yet; `None` if everything is.
pub(super) fn mark(node: &NodeView<'_>, taint: Option<bool>, topology: Option<&str>) -> Option<Mark> {
    let taint = taint.filter(|wanted| *wanted != is_tainted(node));
    let topology = topology.filter(|topology| node.topology != Some(topology)).map(str::to_owned);
    (taint.is_some() || topology.is_some()).then(|| Mark { node: node.name.to_owned(), taint, topology })
}

impl Mark {
    /// The merge patch that sets the mark; `None` if it is set already. Taints are written as a whole list, so the patch applies
    /// only to the version of the node that was read.
    #[must_use]
    pub fn patch(&self, node: &NodeView<'_>) -> Option<Value> {
        let missing = mark(node, self.taint, self.topology.as_deref())?;
        let mut patch = json!({});
        if let Some(topology) = &missing.topology {
            patch["metadata"]["annotations"] = json!({CONTROL_PLANE_TOPOLOGY: topology});
        }
        match missing.taint {
            Some(true) => add(node, &mut patch),
            Some(false) => untaint(node, &mut patch),
            None => {}
        }
        Some(patch)
    }
}

/// Adds the removal of the taint to a merge patch, if the node has it.
pub fn untaint(node: &NodeView<'_>, patch: &mut Value) {
    if is_tainted(node) {
        set(node, node.taints.iter().filter(|taint| !is_ours(taint)).cloned().collect(), patch);
    }
}

fn add(node: &NodeView<'_>, patch: &mut Value) {
    let ours = Taint { key: UPDATE_IN_PROGRESS.to_owned(), effect: EFFECT.to_owned(), ..Taint::default() };
    set(node, node.taints.iter().cloned().chain([ours]).collect(), patch);
}

fn set(node: &NodeView<'_>, taints: Vec<Taint>, patch: &mut Value) {
    patch["metadata"]["resourceVersion"] = json!(node.version);
    patch["spec"]["taints"] = if taints.is_empty() { Value::Null } else { json!(taints) };
}

/// One with another effect belongs to somebody else.
pub(super) fn is_ours(taint: &Taint) -> bool {
    taint.key == UPDATE_IN_PROGRESS && taint.effect == EFFECT
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Node;

    fn node(taints: &Value) -> Node {
        let metadata =
            json!({"name": "a", "resourceVersion": "7", "annotations": {CONTROL_PLANE_TOPOLOGY: "SingleReplica"}});
        serde_json::from_value(json!({"metadata": metadata, "spec": {"taints": taints}})).unwrap()
    }

    fn patch(node: &Node, taint: Option<bool>, topology: Option<&str>) -> Option<Value> {
        let view = NodeView::new(node);
        mark(&view, taint, topology)?.patch(&view)
    }

    #[test]
    fn taints_of_others_stay_and_nothing_is_written_twice() {
        let ours = json!({"key": "UpdateInProgress", "effect": "PreferNoSchedule"});
        let others =
            json!([{"key": "UpdateInProgress", "effect": "NoSchedule"}, {"key": "gpu", "effect": "NoExecute"}]);
        let both = json!([others[0], others[1], ours]);
        let (bare, foreign, tainted) = (node(&json!([])), node(&others), node(&both));
        let version = json!({"resourceVersion": "7"});
        for (node, taint, expected) in [
            (&bare, true, Some(json!([ours]))),
            (&foreign, true, Some(both.clone())),
            (&tainted, true, None),
            (&tainted, false, Some(others.clone())),
            (&foreign, false, None),
        ] {
            let expected = expected.map(|taints| json!({"metadata": version, "spec": {"taints": taints}}));
            assert_eq!(patch(node, Some(taint), None), expected, "{taint} {:?}", node.spec);
        }
        let last = patch(&node(&json!([ours])), Some(false), None);
        assert_eq!(last, Some(json!({"metadata": version, "spec": {"taints": null}})));
    }

    #[test]
    fn a_topology_is_told_when_it_is_another() {
        assert_eq!(patch(&node(&json!([])), None, Some("SingleReplica")), None);
        let told = json!({"metadata": {"annotations": {CONTROL_PLANE_TOPOLOGY: "HighlyAvailable"}}});
        assert_eq!(patch(&node(&json!([])), None, Some("HighlyAvailable")), Some(told));
        assert_eq!(patch(&node(&json!([])), None, None), None);
    }
}
