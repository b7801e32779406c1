//! `MachineConfigNode`: the progress of one node towards its configuration, step by step.

use crate::{
    condition::MetaCondition,
    keys::gates::IMAGE_MODE_STATUS_REPORTING,
    kind::MACHINE_CONFIG_GROUP,
    references::NameReference,
    release_bundle::NodeReleaseBundle,
    schema::{Rule, digested_image, rule, subdomain},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// The update of one node; it has the node's name.
    ///
    /// Source: `machineconfiguration/v1/types_machineconfignode.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"], "x-kubernetes-validations" = [
        rule("self.metadata.name == self.spec.node.name", "spec.node.name should match metadata.name"),
    ]))]
    MachineConfigNode, MACHINE_CONFIG_GROUP, "machineconfignodes",
    spec: MachineConfigNodeSpec, status: MachineConfigNodeStatus
}

/// Where the node belongs and where it is to go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["node", "pool", "configVersion"]))]
pub struct MachineConfigNodeSpec {
    /// The node.
    #[serde(default)]
    pub node: NameReference,
    /// The node's pool, [`NOT_YET_SET`] when it has none; written by the operator.
    #[serde(default)]
    pub pool: NameReference,
    /// The configuration to reach; written by the rollout controller.
    #[serde(default)]
    pub config_version: DesiredConfigVersion,
    /// The image to reach in image mode; absent outside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-gate" = IMAGE_MODE_STATUS_REPORTING))]
    pub config_image: Option<DesiredConfigImage>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// The rendered MachineConfig to reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["desired"]))]
pub struct DesiredConfigVersion {
    /// Name of the rendered MachineConfig, [`NOT_YET_SET`] while unknown.
    #[serde(default)]
    #[schemars(schema_with = "subdomain")]
    pub desired: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// The image-mode image to reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["desiredImage"]))]
pub struct DesiredConfigImage {
    /// Pull spec by digest.
    #[serde(default)]
    #[schemars(schema_with = "digested_image")]
    pub desired_image: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// How far the node is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineConfigNodeStatus {
    /// One condition per step of an update, see `keys::machine_config_node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<MetaCondition>>,
    /// Generation this status speaks of; the daemon writes one more than it saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("x-kubernetes-validations" = [
        rule("self >= oldSelf", "observedGeneration must not decrease"),
    ]))]
    pub observed_generation: Option<i64>,
    /// The configuration the node runs and the one it was cleared for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_version: Option<ConfigVersion>,
    /// The image the node runs and the one it is to run, in image mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-gate" = IMAGE_MODE_STATUS_REPORTING))]
    pub config_image: Option<ConfigImage>,
    /// Progress of the pinned image sets of the node's pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub pinned_image_sets: Option<Vec<NodePinnedImageSet>>,
    /// Differences that a running machine cannot take over and that an override let pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["fieldPath"])
    )]
    pub irreconcilable_changes: Option<Vec<IrreconcilableChange>>,
    /// Release bundles on the disk of a control plane node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_release_image: Option<NodeInternalReleaseImage>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Rendered MachineConfigs of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["desired"]))]
pub struct ConfigVersion {
    /// The one the node runs; absent before its first report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "subdomain")]
    pub current: Option<String>,
    /// The one the node was found able to go to, [`NOT_YET_SET`] before that.
    #[serde(default)]
    #[schemars(schema_with = "subdomain")]
    pub desired: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Image-mode images of a node. At least one is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1))]
pub struct ConfigImage {
    /// Pull spec of the one the node runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "digested_image")]
    pub current_image: Option<String>,
    /// Pull spec of the one to reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "digested_image")]
    pub desired_image: Option<String>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Progress of one pinned image set on a node. Generations are those of the PinnedImageSet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["name"], "x-kubernetes-validations" = PINNED_RULES))]
pub struct NodePinnedImageSet {
    /// Name of the PinnedImageSet.
    #[serde(default)]
    #[schemars(schema_with = "subdomain")]
    pub name: String,
    /// The generation whose images are all there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("x-kubernetes-validations" = [
        rule("self >= oldSelf", "currentGeneration must not decrease"),
    ]))]
    pub current_generation: Option<i32>,
    /// The generation whose images are to be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("x-kubernetes-validations" = [
        rule("self >= oldSelf", "desiredGeneration must not decrease"),
    ]))]
    pub desired_generation: Option<i32>,
    /// The last generation whose images could not be pulled and pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("x-kubernetes-validations" = [
        rule("self >= oldSelf", "lastFailedGeneration must not decrease"),
    ]))]
    pub last_failed_generation: Option<i32>,
    /// Why they could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32768))]
    pub last_failed_generation_error: Option<String>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// One difference between the configuration of a node and what the machine was installed with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["fieldPath", "diff"]))]
pub struct IrreconcilableChange {
    /// Path inside the MachineConfig, e.g. `spec.config.storage.disks[0]`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 70), extend("x-kubernetes-validations" = [
        rule("self.startsWith('spec.')", "The fieldPath must start with `spec.`"),
        rule(
            r"self.matches('^[\\da-zA-Z\\.\\[\\]]+$')",
            "The fieldPath must consist only of alphanumeric characters, brackets [] and dots ('.').",
        ),
    ]))]
    pub field_path: String,
    /// What stood there and what stands there now, for people.
    #[serde(default)]
    #[schemars(length(min = 1, max = 4096))]
    pub diff: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Release bundles on the disk of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["releases"]))]
pub struct NodeInternalReleaseImage {
    /// The bundles.
    #[serde(default)]
    #[schemars(
        length(min = 1, max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub releases: Vec<NodeReleaseBundle>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Stands for a pool or configuration that is not known yet.
pub const NOT_YET_SET: &str = "not-yet-set";

const PINNED_RULES: [Rule; 3] = [
    rule(
        "has(self.desiredGeneration) && has(self.currentGeneration) ? self.desiredGeneration >= self.currentGeneration \
         : true",
        "desired generation must be greater than or equal to the current generation",
    ),
    rule(
        "has(self.lastFailedGeneration) && has(self.desiredGeneration) ? self.desiredGeneration >= \
         self.lastFailedGeneration : true",
        "desired generation must be greater than or equal to the last failed generation",
    ),
    rule(
        "has(self.lastFailedGeneration) ? has(self.lastFailedGenerationError) : true",
        "last failed generation error must be defined on image pull and pin failure",
    ),
];
