//! `MachineOSConfig`: enables image mode on a pool, and says how to build its OS image.

use crate::{
    condition::MetaCondition,
    kind::MACHINE_CONFIG_GROUP,
    references::{NameReference, ResourceReference},
    schema::{digested_image, rule, rule_from_birth, tagged_image},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Image mode for one pool; it has the pool's name.
    ///
    /// Objects older than that rule may have another name: look for `spec.machineConfigPool.name`.
    ///
    /// Source: `machineconfiguration/v1/types_machineosconfig.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"], "x-kubernetes-validations" = [rule_from_birth(
        "self.metadata.name == self.spec.machineConfigPool.name || oldSelf.hasValue() && \
         oldSelf.spec.machineConfigPool.name.value() == self.spec.machineConfigPool.name",
        "MachineOSConfig name must match the referenced MachineConfigPool name; can only have one MachineOSConfig per \
         MachineConfigPool",
    )]))]
    MachineOSConfig, MACHINE_CONFIG_GROUP, "machineosconfigs",
    spec: MachineOSConfigSpec, status: MachineOSConfigStatus
}

/// How the pool's image is built and where it goes. Secrets are in the operator's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = [
    "machineConfigPool", "imageBuilder", "renderedImagePushSecret", "renderedImagePushSpec",
]))]
pub struct MachineOSConfigSpec {
    /// The pool.
    #[serde(default)]
    pub machine_config_pool: NameReference,
    /// What runs the build.
    #[serde(default)]
    pub image_builder: ImageBuilder,
    /// Secret to pull the base image with; absent means the cluster's pull secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_image_pull_secret: Option<NameReference>,
    /// Secret to push the built image with.
    #[serde(default)]
    pub rendered_image_push_secret: NameReference,
    /// Where the built image is pushed, with a tag; the tag of each image is the name of its build.
    #[serde(default)]
    #[schemars(schema_with = "tagged_image")]
    pub rendered_image_push_spec: String,
    /// What to do on top of the base image, one entry per architecture. An empty list and none are told apart when
    /// the build is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 0, max = 4),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["containerfileArch"])
    )]
    pub container_file: Option<Vec<ContainerFile>>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// What runs a build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["imageBuilderType"]))]
pub struct ImageBuilder {
    /// `Job` is the only one there is.
    #[serde(default)]
    #[schemars(extend("enum" = ["Job"]))]
    pub image_builder_type: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Instructions on top of the base image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["content"]))]
pub struct ContainerFile {
    /// `ARM64`, `AMD64`, `PPC64LE`, `S390X`, or `NoArch` for all of them.
    #[serde(default = "no_arch")]
    #[schemars(extend("enum" = ["ARM64", "AMD64", "PPC64LE", "S390X", "NoArch"], "x-default" = "NoArch"))]
    pub containerfile_arch: String,
    /// Text of a Containerfile; its stage starts `FROM configs AS final`.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub content: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

fn no_arch() -> String {
    "NoArch".to_owned()
}

/// What was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineOSConfigStatus {
    /// `Seeded`: the first image was not built here but brought along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<MetaCondition>>,
    /// Generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("x-kubernetes-validations" = [
        rule("self >= oldSelf", "observedGeneration must not move backwards"),
    ]))]
    pub observed_generation: Option<i64>,
    /// Pull spec of the image that the pool's nodes are to run, by digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "digested_image")]
    pub current_image_pull_spec: Option<String>,
    /// The build in effect.
    #[serde(default, rename = "machineOSBuild", skip_serializing_if = "Option::is_none")]
    pub machine_os_build: Option<ResourceReference>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}
