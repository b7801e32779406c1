//! Boot images of machine sets: which ones follow the release, and how old they may get.
//!
//! Source: `operator/v1/types_machineconfiguration.go` of github.com/openshift/api.

use crate::schema::{Rule, label_selector, rule};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Machine managers whose boot images follow the release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedBootImages {
    /// One entry per kind; an empty list in the spec opts out of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 5),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["resource", "apiGroup"])
    )]
    pub machine_managers: Option<Vec<MachineManager>>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A kind of object that makes machines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["resource", "apiGroup", "selection"], "x-kubernetes-validations" = [rule(
    "self.resource != 'controlplanemachinesets' || self.selection.mode == 'All' || self.selection.mode == 'None'",
    "Only All or None selection mode is permitted for ControlPlaneMachineSets",
)]))]
pub struct MachineManager {
    /// `machinesets` or `controlplanemachinesets`.
    #[serde(default)]
    #[schemars(extend("enum" = ["machinesets", "controlplanemachinesets"]))]
    pub resource: String,
    /// `machine.openshift.io` is the only one there is.
    #[serde(default)]
    #[schemars(extend("enum" = ["machine.openshift.io"]))]
    pub api_group: String,
    /// Which objects of the kind.
    #[serde(default)]
    pub selection: MachineManagerSelector,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Which objects of a kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["mode"], "x-kubernetes-validations" = [rule(
    "has(self.mode) && self.mode == 'Partial' ?  has(self.partial) : !has(self.partial)",
    "Partial is required when type is partial, and forbidden otherwise",
)]))]
pub struct MachineManagerSelector {
    /// `All`, `Partial` or `None`.
    #[serde(default)]
    #[schemars(extend("enum" = ["All", "Partial", "None"]))]
    pub mode: String,
    /// Which ones, with mode `Partial`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<PartialSelector>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Some objects of a kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["machineResourceSelector"]))]
pub struct PartialSelector {
    /// Their labels.
    #[serde(default)]
    #[schemars(schema_with = "label_selector")]
    pub machine_resource_selector: LabelSelector,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// How the age of boot images is judged, as a user wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["mode"], "x-kubernetes-validations" = [rule(
    "has(self.mode) && (self.mode =='Manual') ?  has(self.manual) : !has(self.manual)",
    "manual is required when mode is Manual, and forbidden otherwise",
)]))]
pub struct BootImageSkewEnforcement {
    /// `Manual`: by the version given here; `None`: not at all.
    #[serde(default)]
    #[schemars(extend("enum" = ["Manual", "None"]))]
    pub mode: String,
    /// The version of the boot images, with mode `Manual`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<ManualSkew>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// How the age of boot images is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["mode"], "x-kubernetes-validations" = STATUS_UNION))]
pub struct BootImageSkewEnforcementStatus {
    /// `Automatic`: by what the boot image controller did; `Manual`: by the version given; `None`: not at all.
    #[serde(default)]
    #[schemars(extend("enum" = ["Automatic", "Manual", "None"]))]
    pub mode: String,
    /// The version of the boot images, with mode `Automatic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<AutomaticSkew>,
    /// The version of the boot images, with mode `Manual`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<ManualSkew>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Version of the boot images as the boot image controller keeps it; at least one is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1, "x-kubernetes-validations" = [
    rule("has(self.ocpVersion) || has(self.rhcosVersion)", "at least one of ocpVersion or rhcosVersion is required"),
]))]
pub struct AutomaticSkew {
    /// Version of the release they came with, x.y.z.
    #[serde(default, rename = "ocpVersion", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "release_version")]
    pub release_version: Option<String>,
    /// Version of the OS in them.
    #[serde(default, rename = "rhcosVersion", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "os_version")]
    pub os_version: Option<String>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Version of the boot images as a user states it; exactly the one that `mode` names is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["mode"], "x-kubernetes-validations" = MANUAL_UNION))]
pub struct ManualSkew {
    /// `OCPVersion` or `RHCOSVersion`.
    #[serde(default)]
    #[schemars(extend("enum" = ["OCPVersion", "RHCOSVersion"]))]
    pub mode: String,
    /// Version of the release they came with, x.y.z.
    #[serde(default, rename = "ocpVersion", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "release_version")]
    pub release_version: Option<String>,
    /// Version of the OS in them.
    #[serde(default, rename = "rhcosVersion", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "os_version")]
    pub os_version: Option<String>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

fn release_version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 5, "maxLength": 10, "x-kubernetes-validations": [rule(
        r"self.matches('^[0-9]+\\.[0-9]+\\.[0-9]+$')",
        "ocpVersion must match the OCP semver compatible format of x.y.z",
    )] })
}

fn os_version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 14, "maxLength": 21, "x-kubernetes-validations": [rule(
        r"self.matches('^[0-9]+\\.[0-9]+\\.([0-9]{8}|[0-9]{12})-[0-9]+$')",
        "rhcosVersion must match format [major].[minor].[datestamp(YYYYMMDD)]-[buildnumber] or must match legacy format \
         [major].[minor].[timestamp(YYYYMMDDHHmm)]-[buildnumber]",
    )] })
}

const STATUS_UNION: [Rule; 2] = [
    rule(
        "has(self.mode) && (self.mode == 'Automatic') ?  has(self.automatic) : !has(self.automatic)",
        "automatic is required when mode is Automatic, and forbidden otherwise",
    ),
    rule(
        "has(self.mode) && (self.mode == 'Manual') ?  has(self.manual) : !has(self.manual)",
        "manual is required when mode is Manual, and forbidden otherwise",
    ),
];

const MANUAL_UNION: [Rule; 2] = [
    rule(
        "has(self.mode) && (self.mode =='OCPVersion') ?  has(self.ocpVersion) : !has(self.ocpVersion)",
        "ocpVersion is required when mode is OCPVersion, and forbidden otherwise",
    ),
    rule(
        "has(self.mode) && (self.mode =='RHCOSVersion') ?  has(self.rhcosVersion) : !has(self.rhcosVersion)",
        "rhcosVersion is required when mode is RHCOSVersion, and forbidden otherwise",
    ),
];
