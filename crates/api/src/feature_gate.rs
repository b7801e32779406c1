//! `FeatureGate` (config.openshift.io): which features a release has enabled. Read only.

use crate::{
    condition::MetaCondition,
    kind::CONFIG_GROUP,
    schema::{Rule, rule},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// The cluster's feature set and, per release version, which gates it means. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_feature.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    FeatureGate, CONFIG_GROUP, "featuregates", spec: FeatureGateSpec, status: FeatureGateStatus
}

/// The chosen feature set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [STAYS]))]
pub struct FeatureGateSpec {
    /// Empty for the default set, or a name such as `TechPreviewNoUpgrade`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(extend("enum" = SETS, "x-kubernetes-validations" = SET_RULES))]
    pub feature_set: String,
    /// With `CustomNoUpgrade`: the gates that differ from the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "custom")]
    pub custom_no_upgrade: Option<Value>,
    /// The rest of the spec.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// What the set means for each version that is or was in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureGateStatus {
    /// One entry per release version.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["version"]))]
    pub feature_gates: Vec<FeatureGateDetails>,
    /// Present when the gates cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<MetaCondition>>,
    /// The rest of the status.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// The gates of one release version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["version"]))]
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
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

impl FeatureGateDetails {
    /// Whether the gate is on. A gate in both lists is on; one in neither is off.
    #[must_use]
    pub fn is_on(&self, gate: Gate) -> bool {
        self.enabled.iter().any(|on| on.name == gate.name())
    }
}

/// A feature gate that weir knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Gate(&'static str);

impl Gate {
    /// The gate of this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Its name, e.g. `OSStreams`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl From<Gate> for String {
    fn from(gate: Gate) -> Self {
        gate.0.to_owned()
    }
}

/// A gate in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["name"]))]
pub struct GateName {
    /// Name, e.g. `OSStreams`.
    #[serde(default)]
    #[schemars(extend("pattern" = GATE))]
    pub name: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// The sets there are; empty for the default one.
const SETS: [&str; 5] = ["CustomNoUpgrade", "DevPreviewNoUpgrade", "TechPreviewNoUpgrade", "OKD", ""];
/// Name of a gate: a domain name.
const GATE: &str = r"^([A-Za-z0-9-]+\.)*[A-Za-z0-9-]+\.?$";
const STAYS: Rule = rule("has(oldSelf.featureSet) ? has(self.featureSet) : true", ".spec.featureSet cannot be removed");
const SET_RULES: [Rule; 4] = [
    rule("oldSelf == 'CustomNoUpgrade' ? self == 'CustomNoUpgrade' : true", "CustomNoUpgrade may not be changed"),
    rule(
        "oldSelf == 'TechPreviewNoUpgrade' ? self == 'TechPreviewNoUpgrade' : true",
        "TechPreviewNoUpgrade may not be changed",
    ),
    rule(
        "oldSelf == 'DevPreviewNoUpgrade' ? self == 'DevPreviewNoUpgrade' : true",
        "DevPreviewNoUpgrade may not be changed",
    ),
    rule("oldSelf == 'OKD' ? self != '' : true", "OKD cannot transition to Default"),
];

fn custom(_: &mut SchemaGenerator) -> Schema {
    let gates = |description: &str| {
        let name = serde_json::json!({ "type": "string", "pattern": GATE });
        serde_json::json!({ "type": "array", "items": name, "description": description })
    };
    json_schema!({
        "type": "object",
        "nullable": true,
        "properties": { "enabled": gates("Gates to switch on."), "disabled": gates("Gates to switch off.") }
    })
}
