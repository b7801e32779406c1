//! `ClusterOperator` (config.openshift.io): an operator's report to the cluster version operator and to users.

use crate::{
    kind::CONFIG_GROUP,
    schema::{date_time, opaque_nullable_object},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// State of one operator of the release. Ours is named `machine-config`.
    ///
    /// Source: `config/v1/types_cluster_operator.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    ClusterOperator, CONFIG_GROUP, "clusteroperators", spec: ClusterOperatorSpec, status: ClusterOperatorStatus
}

/// Nothing is ever asked of an operator here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterOperatorSpec {
    /// The spec as it is.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// What the operator says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterOperatorStatus {
    /// `Available`, `Progressing`, `Degraded`, `Upgradeable`, `EvaluationConditionsDetected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<OperatorCondition>>,
    /// Versions of the operator and its operands, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Vec<OperandVersion>>,
    /// Objects that support tools collect when something is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related_objects: Option<Vec<RelatedObject>>,
    /// Whatever else the operator wants to say; ours lists its pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "opaque_nullable_object")]
    pub extension: Option<Value>,
    /// The rest of the status.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// One condition of an operator. Unlike [`crate::Condition`] it leaves empty texts out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["lastTransitionTime", "status", "type"]))]
pub struct OperatorCondition {
    /// Which aspect this speaks of, e.g. `Degraded`.
    #[serde(rename = "type", default)]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    #[serde(default)]
    pub status: String,
    /// When `status` last changed its value.
    #[serde(default)]
    #[schemars(schema_with = "date_time")]
    pub last_transition_time: Option<Time>,
    /// A word for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

impl crate::condition::Typed for OperatorCondition {
    fn type_(&self) -> &str {
        &self.type_
    }
    fn status(&self) -> &str {
        &self.status
    }
}

/// Version of one operand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["name", "version"]))]
pub struct OperandVersion {
    /// `operator` for the operator itself, or the name of an operand.
    #[serde(default)]
    pub name: String,
    /// The version, e.g. a release version or a pull spec.
    #[serde(default)]
    pub version: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// An object that belongs to the operator; an empty name stands for all of its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["group", "name", "resource"]))]
pub struct RelatedObject {
    /// API group, empty for core.
    #[serde(default)]
    pub group: String,
    /// Plural name of the kind.
    #[serde(default)]
    pub resource: String,
    /// Namespace, absent for cluster scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of the object.
    #[serde(default)]
    pub name: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}
