//! `FeatureGate` (config.openshift.io): which features a release has enabled. Read only.

use crate::kind::CONFIG_GROUP;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// The cluster's feature set and, per release version, which gates it means. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_feature.go` of github.com/openshift/api.
    FeatureGate, CONFIG_GROUP, "featuregates", spec: FeatureGateSpec, status: FeatureGateStatus
}

/// The chosen feature set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureGateSpec {
    /// Empty for the default set, or a name such as `TechPreviewNoUpgrade`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub feature_set: String,
    /// The rest of the spec.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// What the set means for each version that is or was in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureGateStatus {
    /// One entry per release version.
    #[serde(default)]
    pub feature_gates: Vec<FeatureGateDetails>,
    /// The rest of the status.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// The gates of one release version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureGateDetails {
    /// Release version these gates belong to.
    #[serde(default)]
    pub version: String,
    /// Gates that are on.
    #[serde(default)]
    pub enabled: Vec<GateName>,
    /// Gates that are off.
    #[serde(default)]
    pub disabled: Vec<GateName>,
    /// The rest.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A gate by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateName {
    /// Name, e.g. `OSStreams`.
    #[serde(default)]
    pub name: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
