//! `Scheduler` (config.openshift.io): whether the control plane accepts user pods. Read only.

use crate::{
    kind::{CONFIG_GROUP, Nothing},
    references::ConfigMapReference,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// How pods find nodes. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_scheduling.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    Scheduler, CONFIG_GROUP, "schedulers", spec: SchedulerSpec, status: Nothing
}

/// How pods find nodes, as far as it is read here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchedulerSpec {
    /// Whether nodes of the control plane are workers, too.
    #[serde(default)]
    pub masters_schedulable: bool,
    /// Labels of the nodes for pods of namespaces that do not say: `key=value`, separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_node_selector: Option<String>,
    /// `LowNodeUtilization`, `HighNodeUtilization` or `NoScoring`; absent means the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["", "LowNodeUtilization", "HighNodeUtilization", "NoScoring"]))]
    pub profile: Option<String>,
    /// Policy of old schedulers. Nothing reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<ConfigMapReference>,
    /// The rest of the spec.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}
