//! `Node` (config.openshift.io): settings of all nodes, not to be confused with the core kind. Read only.

use crate::{
    condition::MetaCondition,
    keys::gates::MINIMUM_KUBELET_VERSION,
    kind::CONFIG_GROUP,
    schema::{Rule, rule},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Settings of all nodes. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_node.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    Node, CONFIG_GROUP, "nodes", spec: NodeSpec, status: NodeStatus
}

/// The settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeSpec {
    /// Version of the control groups: `v2`, or empty for the default, which is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["v2", ""]))]
    pub cgroup_mode: Option<String>,
    /// How long the control plane waits for news of a node: `Default`, `MediumUpdateAverageReaction`,
    /// `LowUpdateSlowReaction`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Default", "MediumUpdateAverageReaction", "LowUpdateSlowReaction"]))]
    pub worker_latency_profile: Option<String>,
    /// Version below which a kubelet may not join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 8),
        extend("x-kubernetes-validations" = [VERSION_OF_THREE], "x-gate" = MINIMUM_KUBELET_VERSION)
    )]
    pub minimum_kubelet_version: Option<String>,
    /// The rest of the spec.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// What came of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Present when a profile cannot be applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<MetaCondition>>,
    /// The rest of the status.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

const VERSION_OF_THREE: Rule = rule(
    r#"self == "" || self.matches('^[0-9]*.[0-9]*.[0-9]*$')"#,
    "minmumKubeletVersion must be in a semver compatible format of x.y.z, or empty",
);
