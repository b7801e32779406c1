//! Nodes that should have a pool but have none, and which pools are concerned.
//!
//! R-LOST-1 A node is lost if no pool selects it, several custom pools select it, or its pool is unreadable (R-MEMBER-2,
//! R-MEMBER-4, R-MEMBER-5). It gets no updates, so an event on the node says why.
//! R-LOST-2 The pools concerned are those that select it, the unreadable one, or the one whose configuration it was given; if that one was
//! deleted, the worker pool. They name it in a condition.
//! R-LOST-3 A node that no pool selects and that has never been managed gets no event: it may be about to join, or it is not ours.

use crate::{
    rollout::{
        WaitReason, listed,
        membership::{Assignment, Membership},
    },
    view::{NodeView, PoolView},
};
use std::collections::BTreeMap;
use weir_api::keys::names::WORKER;

/// A node without a pool. Names are those of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The node.
    pub node: String,
    /// Why it has none.
    pub reason: WaitReason,
    /// Pools that are concerned.
    pub pools: Vec<String>,
    /// Whether an event is recorded for it.
    pub told: bool,
}

/// All nodes without a pool, by name.
#[must_use]
pub fn lost(pools: &[PoolView<'_>], nodes: &[NodeView<'_>], membership: &Membership<'_>) -> Vec<Lost> {
    let assigned = nodes.iter().zip(&membership.assignments);
    let mut lost: Vec<_> = assigned.filter_map(|(node, assignment)| of(node, assignment, pools)).collect();
    lost.sort_by(|a, b| a.node.cmp(&b.node));
    lost
}

fn of(node: &NodeView<'_>, assignment: &Assignment<'_>, pools: &[PoolView<'_>]) -> Option<Lost> {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let (reason, pools) = match assignment {
        Assignment::NotManaged | Assignment::Pools { .. } => return None,
        Assignment::Conflict(several) => (WaitReason::SeveralPools { pools: owned(several) }, owned(several)),
        Assignment::Unreadable(pool) => (WaitReason::PoolUnreadable { pool: (*pool).to_owned() }, owned(&[pool])),
        Assignment::NoPool => {
            let told = |pool: &&PoolView<'_>| node.desired_config.is_some_and(|config| pool.owns_config(config));
            let gave: Vec<String> = pools.iter().filter(told).map(|pool| pool.name.to_owned()).collect();
            let worker = || pools.iter().any(|pool| pool.name == WORKER) && node.is_managed();
            (WaitReason::NoPool, if gave.is_empty() && worker() { owned(&[WORKER]) } else { gave })
        }
    };
    let told = reason != WaitReason::NoPool || node.is_managed();
    Some(Lost { node: node.name.to_owned(), reason, pools, told })
}

/// The reason and message of a pool's condition about the lost nodes that concern it; `None` if there are none.
#[must_use]
pub fn said(lost: &[Lost], pool: &str) -> Option<(&'static str, String)> {
    let ours: Vec<_> = lost.iter().filter(|lost| lost.pools.iter().any(|name| name == pool)).collect();
    let mut by_reason: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for lost in &ours {
        by_reason.entry(lost.reason.to_string()).or_default().push(&lost.node);
    }
    let sentences: Vec<_> =
        by_reason.into_iter().map(|(why, nodes)| format!("in no pool: {}: {why}", listed(nodes))).collect();
    Some((ours.first()?.reason.code(), sentences.join(". ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::membership::assign;
    use k8s_openapi::api::core::v1::Node;
    use serde_json::{Value, json};
    use weir_api::MachineConfigPool;

    fn pool(name: &str) -> MachineConfigPool {
        let selector = json!({"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}});
        let spec = json!({"nodeSelector": selector, "configuration": {"name": format!("rendered-{name}-1")}});
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
    }

    fn node(name: &str, roles: &[&str], told: Option<&str>) -> Node {
        let labels: Value = roles.iter().map(|role| (format!("node-role.kubernetes.io/{role}"), json!(""))).collect();
        let keys = ["currentConfig", "desiredConfig"].map(|key| format!("machineconfiguration.openshift.io/{key}"));
        let annotations: Value = keys.into_iter().filter_map(|key| Some((key, json!(told?)))).collect();
        serde_json::from_value(json!({"metadata": {"name": name, "labels": labels, "annotations": annotations}}))
            .unwrap()
    }

    #[test]
    fn each_pool_names_the_nodes_that_it_is_to_blame_for() {
        let pools = ["worker", "infra", "gpu"].map(pool);
        let nodes = [
            node("both", &["worker", "infra", "gpu"], Some("rendered-worker-1")),
            node("fine", &["worker"], Some("rendered-worker-1")),
            node("none", &["db"], Some("rendered-worker-0a")),
            node("new", &[], None),
            node("of a deleted pool", &["db"], Some("rendered-db-1")),
        ];
        let (pools, nodes): (Vec<_>, Vec<_>) =
            (pools.iter().map(PoolView::new).collect(), nodes.iter().map(NodeView::new).collect());
        let lost = lost(&pools, &nodes, &assign(&pools, &nodes));
        let named: Vec<_> = lost.iter().map(|lost| (lost.node.as_str(), lost.reason.code(), lost.told)).collect();
        let of_none = [("new", "NoPool", false), ("none", "NoPool", true), ("of a deleted pool", "NoPool", true)];
        assert_eq!(named, [[("both", "SeveralPools", true)].as_slice(), &of_none].concat());
        let (code, text) = said(&lost, "gpu").unwrap();
        assert_eq!(code, "SeveralPools");
        assert_eq!(text, "in no pool: both: custom pools gpu, infra all match it; change labels so that one does");
        assert_eq!(said(&lost, "infra").unwrap().1, text);
        let (code, text) = said(&lost, "worker").unwrap();
        assert_eq!(code, "NoPool");
        assert!(text.starts_with("in no pool: none, of a deleted pool: "), "{text}");
        assert_eq!(said(&lost, "master"), None);
    }
}
