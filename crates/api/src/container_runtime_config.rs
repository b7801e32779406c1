//! `ContainerRuntimeConfig`: settings of the container runtime for the nodes of the pools it selects.

use crate::{
    condition::Condition,
    keys::gates::GOMAXPROCS_INJECTION,
    kind::MACHINE_CONFIG_GROUP,
    schema::{GOMAXPROCS, Rule, label_selector, quantity, rule},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Container runtime settings that the controller of this kind turns into a MachineConfig per pool.
    ///
    /// Source: `machineconfiguration/v1/types.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    ContainerRuntimeConfig, MACHINE_CONFIG_GROUP, "containerruntimeconfigs",
    spec: ContainerRuntimeConfigSpec, status: ContainerRuntimeConfigStatus
}

/// The settings and whom they are for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["containerRuntimeConfig"]))]
pub struct ContainerRuntimeConfigSpec {
    /// Labels of the pools the settings are for; absent or empty selects none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "label_selector")]
    pub machine_config_pool_selector: Option<LabelSelector>,
    /// The settings.
    #[serde(default)]
    pub container_runtime_config: ContainerRuntimeConfiguration,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Settings of the container runtime; what is absent stays as the template has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerRuntimeConfiguration {
    /// Most processes of one container, at least 20; 0 or absent means the template's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids_limit: Option<i64>,
    /// `fatal`, `panic`, `error`, `warn`, `info`, `debug` or `trace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<String>,
    /// Bytes after which a container's log is cut, more than 8192.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub log_size_max: Option<Quantity>,
    /// Most bytes that one container may write to its own file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub overlay_size: Option<Quantity>,
    /// The OCI runtime of containers that name none: `crun` or `runc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["crun", "runc"]))]
    pub default_runtime: Option<String>,
    /// Whether containers get GOMAXPROCS from their CPU request: `Autosize` or `Disabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = GOMAXPROCS, "x-gate" = GOMAXPROCS_INJECTION))]
    pub container_gomaxprocs_behavior: Option<String>,
    /// Read-only stores of lazily pulled layers, looked at in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 5),
        extend("x-kubernetes-list-type" = "atomic", "x-kubernetes-validations" = [DIFFERENT_LAYER_PATHS])
    )]
    pub additional_layer_stores: Option<Vec<Store>>,
    /// Read-only stores of images, looked at in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 10),
        extend("x-kubernetes-list-type" = "atomic", "x-kubernetes-validations" = [DIFFERENT_IMAGE_PATHS])
    )]
    pub additional_image_stores: Option<Vec<Store>>,
    /// Read-only stores of OCI artifacts, looked at in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 10),
        extend("x-kubernetes-list-type" = "atomic", "x-kubernetes-validations" = [DIFFERENT_ARTIFACT_PATHS])
    )]
    pub additional_artifact_stores: Option<Vec<Store>>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A number of bytes as it was written: a number, or text such as `10Mi`.
///
/// Source: `Quantity` in `pkg/api/resource` of github.com/kubernetes/apimachinery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Quantity {
    /// A plain number.
    Number(Number),
    /// A number with a suffix.
    Text(String),
}

/// A directory of the node with content that the runtime only reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["path"]))]
pub struct Store {
    /// Absolute path.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256), extend("x-kubernetes-validations" = PATH_RULES))]
    pub path: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// What came of the settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerRuntimeConfigStatus {
    /// Generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// A history, oldest first; the last one counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub conditions: Option<Vec<Condition>>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

const PATHS_DIFFER: &str = "self.all(x, self.exists_one(y, x.path == y.path))";
const DIFFERENT_LAYER_PATHS: Rule = rule(PATHS_DIFFER, "additionalLayerStores must not contain duplicate paths");
const DIFFERENT_IMAGE_PATHS: Rule = rule(PATHS_DIFFER, "additionalImageStores must not contain duplicate paths");
const DIFFERENT_ARTIFACT_PATHS: Rule = rule(PATHS_DIFFER, "additionalArtifactStores must not contain duplicate paths");
const PATH_RULES: [Rule; 2] = [
    rule(
        "self.matches('^/[a-zA-Z0-9/._-]+$')",
        "path must be absolute and contain only alphanumeric characters, '/', '.', '_', and '-'",
    ),
    rule("!self.contains('//')", "path must not contain consecutive forward slashes"),
];
