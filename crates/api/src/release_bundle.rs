//! Release bundles on the disks of control plane nodes, as `MachineConfigNode` and `InternalReleaseImage` report them.

use crate::{
    condition::MetaCondition,
    schema::{digested_image, digested_image_or_localhost, release_bundle},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A bundle on one node's disk.
///
/// Source: `machineconfiguration/v1/types_machineconfignode.go` of github.com/openshift/api.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["name"]))]
pub struct NodeReleaseBundle {
    /// Name, `ocp-release-bundle-<version>-<architecture or stream>`.
    #[serde(default)]
    #[schemars(schema_with = "release_bundle")]
    pub name: String,
    /// Pull spec of the release image by digest, on the node's own registry; absent until the bundle is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "digested_image_or_localhost")]
    pub image: Option<String>,
    /// State of the bundle: `Mounted`, `Installing`, `Available`, `Removing`, `Degraded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 5), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<MetaCondition>>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A bundle as the cluster sees it.
///
/// Source: `machineconfiguration/v1/types_internalreleaseimage.go` of github.com/openshift/api.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["name"]))]
pub struct ReleaseBundle {
    /// Name, `ocp-release-bundle-<version>-<architecture or stream>`.
    #[serde(default)]
    #[schemars(schema_with = "release_bundle")]
    pub name: String,
    /// Pull spec of the release image by digest; absent until the bundle is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "digested_image")]
    pub image: Option<String>,
    /// State of the bundle: `Mounted`, `Installing`, `Available`, `Removing`, `Degraded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 5), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<MetaCondition>>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}
