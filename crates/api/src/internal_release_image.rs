//! `InternalReleaseImage`: release bundles that control plane nodes hold on their disks, for clusters without a registry.

use crate::{
    condition::MetaCondition,
    kind::MACHINE_CONFIG_GROUP,
    release_bundle::ReleaseBundle,
    schema::{release_bundle, rule},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// The release bundles to keep and the ones there are. There is one object, named `cluster`.
    ///
    /// Source: `machineconfiguration/v1/types_internalreleaseimage.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["metadata", "spec"], "x-kubernetes-validations" = [
        rule("self.metadata.name == 'cluster'", "internalreleaseimage is a singleton, .metadata.name must be 'cluster'"),
    ]))]
    InternalReleaseImage, MACHINE_CONFIG_GROUP, "internalreleaseimages",
    spec: InternalReleaseImageSpec, status: InternalReleaseImageStatus
}

/// The bundles to keep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["releases"]))]
pub struct InternalReleaseImageSpec {
    /// The bundles, by name.
    #[serde(default)]
    #[schemars(
        length(min = 1, max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub releases: Vec<ReleaseBundleReference>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A bundle by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["name"]))]
pub struct ReleaseBundleReference {
    /// Name, `ocp-release-bundle-<version>-<architecture or stream>`.
    #[serde(default)]
    #[schemars(schema_with = "release_bundle")]
    pub name: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// The bundles there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["releases"]))]
pub struct InternalReleaseImageStatus {
    /// `Degraded` when a bundle cannot be kept on some node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 5), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<MetaCondition>>,
    /// The bundles.
    #[serde(default)]
    #[schemars(
        length(min = 1, max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub releases: Vec<ReleaseBundle>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}
