//! `MachineConfiguration` (operator.openshift.io): settings of the machine config operator itself.

mod boot_images;
mod node_disruption;

pub use boot_images::{
    AutomaticSkew, BootImageSkewEnforcement, BootImageSkewEnforcementStatus, MachineManager, MachineManagerSelector,
    ManagedBootImages, ManualSkew, PartialSelector,
};
pub use node_disruption::{FilePolicy, NodeDisruptionPolicy, PolicyAction, ServiceAction, SshKeyPolicy, UnitPolicy};

use crate::{
    condition::MetaCondition,
    kind::OPERATOR_GROUP,
    schema::{Rule, opaque_nullable_object, rule},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Settings of the machine config operator. There is one object, named `cluster`.
    ///
    /// Source: `operator/v1/types_machineconfiguration.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"], "x-kubernetes-validations" = SKEW_RULES))]
    MachineConfiguration, OPERATOR_GROUP, "machineconfigurations",
    spec: MachineConfigurationSpec, status: MachineConfigurationStatus
}

/// What is asked of the operator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineConfigurationSpec {
    /// `Managed`, `Unmanaged`, `Force` or `Removed`; the machine config operator honours only `Managed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = "^(Managed|Unmanaged|Force|Removed)$"))]
    pub management_state: Option<String>,
    /// How much the operands log: `Normal`, `Debug`, `Trace` or `TraceAll`; empty means `Normal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = LOG_LEVELS, "x-default" = "Normal"))]
    pub log_level: Option<String>,
    /// How much the operator logs, as `logLevel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = LOG_LEVELS, "x-default" = "Normal"))]
    pub operator_log_level: Option<String>,
    /// Settings that nobody supports; they make the cluster not upgradeable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "opaque_nullable_object")]
    pub unsupported_config_overrides: Option<Value>,
    /// Configuration that an operator found out itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "opaque_nullable_object")]
    pub observed_config: Option<Value>,
    /// Any new text rolls out static pods again; of no effect here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_redeployment_reason: Option<String>,
    /// How many failed revisions of static pods to keep; of no effect here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_revision_limit: Option<i32>,
    /// How many revisions of static pods that worked to keep; of no effect here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded_revision_limit: Option<i32>,
    /// Machine sets whose boot images follow the release; absent means the platform's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_boot_images: Option<ManagedBootImages>,
    /// What a change of a file, unit or key does to a node instead of a reboot; entries win over the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_disruption_policy: Option<NodeDisruptionPolicy>,
    /// Changes that no running machine can take over and that are to pass nevertheless, for machines to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irreconcilable_validation_overrides: Option<IrreconcilableOverrides>,
    /// Whether boot images that are too old block an update of the cluster; absent means the operator decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_image_skew_enforcement: Option<BootImageSkewEnforcement>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Changes that pass although no running machine can take them over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1))]
pub struct IrreconcilableOverrides {
    /// Parts of an Ignition config's `storage`: `Disks`, `FileSystems`, `Raid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"), transform = storage_parts)]
    pub storage: Option<Vec<String>>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

fn storage_parts(list: &mut schemars::Schema) {
    if let Some(items) = list.get_mut("items").and_then(Value::as_object_mut) {
        items.insert("enum".to_owned(), ["Disks", "FileSystems", "Raid"].as_slice().into());
    }
}

/// What is in force. Written by the operator; conditions by the boot image controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineConfigurationStatus {
    /// Generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `BootImageUpdateProgressing`, `BootImageUpdateDegraded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<MetaCondition>>,
    /// The policies in force, the operator's own among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_disruption_policy_status: Option<NodeDisruptionPolicyStatus>,
    /// The machine sets whose boot images follow the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_boot_images_status: Option<ManagedBootImages>,
    /// Which boot images the cluster is held to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_image_skew_enforcement_status: Option<BootImageSkewEnforcementStatus>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// The policies in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeDisruptionPolicyStatus {
    /// The operator's own policies and the user's in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = node_disruption::in_force)]
    pub cluster_policies: Option<NodeDisruptionPolicy>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

const LOG_LEVELS: [&str; 5] = ["", "Normal", "Debug", "Trace", "TraceAll"];

const SKEW_RULES: [Rule; 4] = [
    rule(
        "self.?status.bootImageSkewEnforcementStatus.mode.orValue(\"\") == 'Automatic' ? \
         self.?spec.managedBootImages.hasValue() || self.?status.managedBootImagesStatus.hasValue() : true",
        "when skew enforcement is in Automatic mode, a boot image configuration is required",
    ),
    rule(
        "self.?status.bootImageSkewEnforcementStatus.mode.orValue(\"\") == 'Automatic' ? \
         !(self.?spec.managedBootImages.machineManagers.hasValue()) || \
         size(self.spec.managedBootImages.machineManagers) > 0 : true",
        "when skew enforcement is in Automatic mode, managedBootImages.machineManagers must not be an empty list",
    ),
    rule(
        "self.?status.bootImageSkewEnforcementStatus.mode.orValue(\"\") == 'Automatic' ? \
         !(self.?spec.managedBootImages.machineManagers.hasValue()) || \
         !self.spec.managedBootImages.machineManagers.exists(m, m.resource == 'machinesets' && \
         m.apiGroup == 'machine.openshift.io') || self.spec.managedBootImages.machineManagers.exists(m, \
         m.resource == 'machinesets' && m.apiGroup == 'machine.openshift.io' && m.selection.mode == 'All') : true",
        "when skew enforcement is in Automatic mode, any MachineAPI MachineSet MachineManager must use selection mode \
         'All'",
    ),
    rule(
        "self.?status.bootImageSkewEnforcementStatus.mode.orValue(\"\") == 'Automatic' ? \
         !(self.?status.managedBootImagesStatus.machineManagers.hasValue()) || \
         self.status.managedBootImagesStatus.machineManagers.exists(m, m.selection.mode == 'All' && \
         m.resource == 'machinesets' && m.apiGroup == 'machine.openshift.io'): true",
        "when skew enforcement is in Automatic mode, managedBootImagesStatus must contain a MachineManager opting in \
         all MachineAPI MachineSets",
    ),
];
