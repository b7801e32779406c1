//! `ClusterVersion` (config.openshift.io): which release the cluster should run. Read only.

use crate::kind::CONFIG_GROUP;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// The release the cluster runs or moves to. There is one object, named `version`.
    ///
    /// Source: `config/v1/types_cluster_version.go` of github.com/openshift/api.
    ClusterVersion, CONFIG_GROUP, "clusterversions", spec: ClusterVersionSpec, status: ClusterVersionStatus
}

/// What the administrator asked for; weir only reads the status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterVersionSpec {
    /// The object as it is.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// What the cluster version operator reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterVersionStatus {
    /// The release to reach.
    #[serde(default)]
    pub desired: Release,
    /// Releases applied so far, newest first.
    #[serde(default)]
    pub history: Vec<UpdateHistory>,
    /// The rest of the status.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A release by version and pull spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Version, e.g. `5.0.1`.
    #[serde(default)]
    pub version: String,
    /// Pull spec of the release image.
    #[serde(default)]
    pub image: String,
    /// The rest.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// One entry of the update history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateHistory {
    /// `Completed` or `Partial`.
    #[serde(default)]
    pub state: String,
    /// Version of the release.
    #[serde(default)]
    pub version: String,
    /// When it was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// The rest.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
