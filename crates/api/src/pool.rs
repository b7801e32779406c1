//! `MachineConfigPool`: the nodes that share one configuration.

use crate::{
    condition::Condition,
    kind::{MACHINE_CONFIG_GROUP, V1},
    schema::{Rule, date_time, int_or_string, label_selector, object_reference, object_references, rule, stream_name},
};
use k8s_openapi::{
    api::core::v1::ObjectReference,
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, Time},
        util::intstr::IntOrString,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// A group of nodes with one configuration and one pace of change.
    ///
    /// Source: `machineconfiguration/v1/types.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    MachineConfigPool, MACHINE_CONFIG_GROUP, "machineconfigpools",
    spec: MachineConfigPoolSpec, status: MachineConfigPoolStatus
}

/// What is wanted of a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineConfigPoolSpec {
    /// Which MachineConfigs make up the pool's configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "label_selector")]
    pub machine_config_selector: Option<LabelSelector>,
    /// Which nodes belong to the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "label_selector")]
    pub node_selector: Option<LabelSelector>,
    /// When true no node of the pool is told a new configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// How many nodes may be unavailable at once, a number or a percentage; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "int_or_string")]
    pub max_unavailable: Option<IntOrString>,
    /// The rendered MachineConfig the pool is to reach; written by the render controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<PoolConfiguration>,
    /// The OS image stream the pool asks for; absent means inherited or default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_image_stream: Option<OsImageStreamReference>,
    /// PinnedImageSets whose images the pool's nodes keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub pinned_image_sets: Option<Vec<PinnedImageSetRef>>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A reference to a rendered MachineConfig and to the MachineConfigs it was made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolConfiguration {
    /// The reference itself; only `name` is used.
    #[serde(flatten)]
    #[schemars(schema_with = "object_reference")]
    pub reference: ObjectReference,
    /// The MachineConfigs that were merged, in merge order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "object_references")]
    pub source: Option<Vec<SourceReference>>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

impl PoolConfiguration {
    /// Name of the rendered MachineConfig, empty when none is set.
    #[must_use]
    pub fn name(&self) -> &str {
        self.reference.name.as_deref().unwrap_or_default()
    }
}

/// A MachineConfig that a rendered one was made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceReference {
    /// The reference itself.
    #[serde(flatten)]
    pub reference: ObjectReference,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl SourceReference {
    /// A reference to the MachineConfig of this name.
    #[must_use]
    pub fn to(name: &str) -> Self {
        let reference = ObjectReference {
            api_version: Some(format!("{MACHINE_CONFIG_GROUP}/{V1}")),
            kind: Some("MachineConfig".to_owned()),
            name: Some(name.to_owned()),
            ..ObjectReference::default()
        };
        Self { reference, ..Self::default() }
    }

    /// Name of the MachineConfig; `None` when the reference has none.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.reference.name.as_deref()
    }
}

/// The name of an OS image stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["name"]))]
pub struct OsImageStreamReference {
    /// Name as in `OSImageStream.status.availableStreams[].name`.
    #[serde(default)]
    #[schemars(schema_with = "stream_name")]
    pub name: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// The name of a PinnedImageSet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["name"]))]
pub struct PinnedImageSetRef {
    /// Name of the object.
    #[serde(default)]
    #[schemars(length(min = 1, max = 253), extend("pattern" = SET_NAME_PATTERN))]
    pub name: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// What was last observed of a pool. Counts are nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineConfigPoolStatus {
    /// Generation of the pool this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The rendered MachineConfig all nodes last agreed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<PoolConfiguration>,
    /// Nodes in the pool.
    #[serde(default)]
    pub machine_count: i32,
    /// Nodes that run the target configuration.
    #[serde(default)]
    pub updated_machine_count: i32,
    /// Updated nodes that are ready.
    #[serde(default)]
    pub ready_machine_count: i32,
    /// Nodes that are not ready or in mid-update.
    #[serde(default)]
    pub unavailable_machine_count: i32,
    /// Nodes whose daemon reports `Degraded` or `Unreconcilable`.
    #[serde(default)]
    pub degraded_machine_count: i32,
    /// Conditions of the pool; several controllers own one type each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub conditions: Option<Vec<Condition>>,
    /// When certificates of the bundle expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub cert_expirys: Option<Vec<CertExpiry>>,
    /// State of the pool's synchronizers, e.g. pinned image sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["poolSynchronizerType"]))]
    pub pool_synchronizers_status: Option<Vec<PoolSynchronizerStatus>>,
    /// The stream whose OS image all nodes run; absent while they do not, or when the image is overridden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_image_stream: Option<OsImageStreamReference>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// When a certificate of a bundle expires.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["bundle", "subject"]))]
pub struct CertExpiry {
    /// Name of the bundle.
    #[serde(default)]
    pub bundle: String,
    /// Subject of the certificate.
    #[serde(default)]
    pub subject: String,
    /// End of its validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub expiry: Option<Time>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// State of one synchronizer of a pool. Counts are nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend(
    "required" = [
        "poolSynchronizerType", "machineCount", "updatedMachineCount", "readyMachineCount", "availableMachineCount",
        "unavailableMachineCount",
    ],
    "x-kubernetes-validations" = COUNT_RULES,
))]
pub struct PoolSynchronizerStatus {
    /// `PinnedImageSets` is the only one there is.
    #[serde(default)]
    #[schemars(length(max = 256), extend("enum" = ["PinnedImageSets"]))]
    pub pool_synchronizer_type: String,
    /// Nodes in the pool.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub machine_count: i64,
    /// Nodes that finished synchronizing.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub updated_machine_count: i64,
    /// Updated and ready nodes.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub ready_machine_count: i64,
    /// Nodes that are available.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub available_machine_count: i64,
    /// Nodes that are not available.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub unavailable_machine_count: i64,
    /// Generation last observed; never set by the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("x-kubernetes-validations" = [rule(
        "self >= oldSelf || (self == 0 && oldSelf > 0)",
        "observedGeneration must not move backwards except to zero",
    )]))]
    pub observed_generation: Option<i64>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// RFC 1123 subdomain, upper case allowed.
const SET_NAME_PATTERN: &str = r"^([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])(\.([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]{0,61}[a-zA-Z0-9]))*$";

const COUNT_RULES: [Rule; 5] = [
    rule(
        "self.machineCount >= self.updatedMachineCount",
        "machineCount must be greater than or equal to updatedMachineCount",
    ),
    rule(
        "self.machineCount >= self.availableMachineCount",
        "machineCount must be greater than or equal to availableMachineCount",
    ),
    rule(
        "self.machineCount >= self.unavailableMachineCount",
        "machineCount must be greater than or equal to unavailableMachineCount",
    ),
    rule(
        "self.machineCount >= self.readyMachineCount",
        "machineCount must be greater than or equal to readyMachineCount",
    ),
    rule(
        "self.availableMachineCount >= self.readyMachineCount",
        "availableMachineCount must be greater than or equal to readyMachineCount",
    ),
];
