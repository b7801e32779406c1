//! `MachineOSBuild`: one build of a pool's OS image.

use crate::{
    condition::MetaCondition,
    kind::MACHINE_CONFIG_GROUP,
    references::{NameReference, ResourceReference},
    schema::{Rule, date_time, digested_image, rendered_name, required_name, rule, tagged_image},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// One build, named after what goes into it, so that equal builds are the same object.
    ///
    /// Source: `machineconfiguration/v1/types_machineosbuild.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    MachineOSBuild, MACHINE_CONFIG_GROUP, "machineosbuilds", spec: MachineOSBuildSpec, status: MachineOSBuildStatus
}

/// What is built. Never changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend(
    "required" = ["machineConfig", "machineOSConfig", "renderedImagePushSpec"],
    "x-kubernetes-validations" = [rule("self == oldSelf", "machineOSBuildSpec is immutable once set")],
))]
pub struct MachineOSBuildSpec {
    /// The rendered MachineConfig that goes into the image.
    #[serde(default)]
    #[schemars(schema_with = "rendered_name")]
    pub machine_config: NameReference,
    /// The MachineOSConfig the build belongs to.
    #[serde(default, rename = "machineOSConfig")]
    #[schemars(schema_with = "required_name")]
    pub machine_os_config: NameReference,
    /// Where the image is pushed; the tag is the name of the build.
    #[serde(default)]
    #[schemars(schema_with = "tagged_image")]
    pub rendered_image_push_spec: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// How the build went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [rule(
    "has(self.buildEnd) ? has(self.buildStart) && timestamp(self.buildStart) < timestamp(self.buildEnd) : true",
    "buildEnd must be after buildStart",
)]))]
pub struct MachineOSBuildStatus {
    /// `Prepared`, `Building`, `Failed`, `Interrupted`, `Succeeded`; at most one is `True`, and the last three are final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"],
        "x-kubernetes-validations" = FINAL,
    ))]
    pub conditions: Option<Vec<MetaCondition>>,
    /// What runs the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<Builder>,
    /// Objects made for the build; never written by the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 10),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name", "resource"])
    )]
    pub related_objects: Option<Vec<ResourceReference>>,
    /// Start of the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time", extend("x-kubernetes-validations" = [
        rule("self == oldSelf", "buildStart is immutable once set"),
    ]))]
    pub build_start: Option<Time>,
    /// End of the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time", extend("x-kubernetes-validations" = [
        rule("self == oldSelf", "buildEnd is immutable once set"),
    ]))]
    pub build_end: Option<Time>,
    /// Pull spec of the pushed image, by digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "digested_image")]
    pub digested_image_push_spec: Option<String>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// What runs the build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["imageBuilderType"], "x-kubernetes-validations" = [rule(
    "has(self.imageBuilderType) && self.imageBuilderType == 'Job' ?  has(self.job) : !has(self.job)",
    "job is required when imageBuilderType is Job, and forbidden otherwise",
)]))]
pub struct Builder {
    /// `Job` is the only one there is.
    #[serde(default)]
    pub image_builder_type: String,
    /// The Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<ResourceReference>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

const FINAL: [Rule; 3] = [
    rule(
        "oldSelf.exists(x, x.type=='Failed' && x.status=='True') ? self==oldSelf : true",
        "once a Failed condition is set, conditions are immutable",
    ),
    rule(
        "oldSelf.exists(x, x.type=='Interrupted' && x.status=='True') ? self==oldSelf : true",
        "once an Interrupted condition is set, conditions are immutable",
    ),
    rule(
        "oldSelf.exists(x, x.type=='Succeeded' && x.status=='True') ? self==oldSelf : true",
        "once an Succeeded condition is set, conditions are immutable",
    ),
];
