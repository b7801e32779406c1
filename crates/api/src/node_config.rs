//! `Node` (config.openshift.io): settings of all nodes, not to be confused with the core kind. Read only.

use crate::kind::CONFIG_GROUP;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Settings of all nodes. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_node.go` of github.com/openshift/api.
    Node, CONFIG_GROUP, "nodes", spec: NodeSpec, status: serde_json::Value
}

/// The settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSpec {
    /// Version of the control groups: `v2`, or empty for the default, which is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_mode: Option<String>,
    /// How long the control plane waits for news of a node: `Default`, `MediumUpdateAverageReaction`,
    /// `LowUpdateSlowReaction`, or empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_latency_profile: Option<String>,
    /// Version below which a kubelet may not join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_kubelet_version: Option<String>,
    /// The rest of the spec.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
