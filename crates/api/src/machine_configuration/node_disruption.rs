//! Actions that replace a node's reboot for a change.
//!
//! Source: `operator/v1/types_machineconfiguration.go` of github.com/openshift/api.

use crate::schema::{Rule, rule};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Policies by what changed. In the status lists are longer and actions may be `Special`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeDisruptionPolicy {
    /// Policies for files, by path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["path"]))]
    pub files: Option<Vec<FilePolicy>>,
    /// Policies for systemd units, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub units: Option<Vec<UnitPolicy>>,
    /// Policy for the SSH keys of user `core`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sshkey: Option<SshKeyPolicy>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Policy for a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["path", "actions"]))]
pub struct FilePolicy {
    /// Absolute path of a file or of a directory, which stands for all that is below it.
    #[serde(default)]
    pub path: String,
    /// What is done, in order.
    #[serde(default)]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "atomic", "x-kubernetes-validations" = ALONE))]
    pub actions: Vec<PolicyAction>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Policy for a systemd unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["name", "actions"]))]
pub struct UnitPolicy {
    /// Name of the unit with its suffix.
    #[serde(default)]
    #[schemars(length(max = 255), extend("x-kubernetes-validations" = UNIT_NAME))]
    pub name: String,
    /// What is done, in order.
    #[serde(default)]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "atomic", "x-kubernetes-validations" = ALONE))]
    pub actions: Vec<PolicyAction>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Policy for SSH keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["actions"]))]
pub struct SshKeyPolicy {
    /// What is done, in order.
    #[serde(default)]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "atomic", "x-kubernetes-validations" = ALONE))]
    pub actions: Vec<PolicyAction>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// One thing to do to the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["type"], "x-kubernetes-validations" = UNION))]
pub struct PolicyAction {
    /// `Reboot`, `Drain`, `Reload`, `Restart`, `DaemonReload` or `None`; in the status also `Special`, which is how the
    /// operator marks what it decides by the content of the change.
    #[serde(rename = "type", default)]
    #[schemars(extend("enum" = ACTIONS))]
    pub type_: String,
    /// The unit to reload, with type `Reload`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<ServiceAction>,
    /// The unit to restart, with type `Restart`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<ServiceAction>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A systemd unit to act on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["serviceName"]))]
pub struct ServiceAction {
    /// Name of the unit with its suffix.
    #[serde(default)]
    #[schemars(length(max = 255), extend("x-kubernetes-validations" = UNIT_NAME))]
    pub service_name: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

const ACTIONS: [&str; 6] = ["Reboot", "Drain", "Reload", "Restart", "DaemonReload", "None"];
/// Only in the status.
const SPECIAL: &str = "Special";
/// Policies of a list in the status: the user's and the operator's.
const IN_FORCE_MAX: u32 = 100;

/// From the schema of what a user writes to that of what is in force.
pub(super) fn in_force(policy: &mut Schema) {
    for list in ["files", "units"] {
        if let Some(list) = policy.pointer_mut(&format!("/properties/{list}")).and_then(Value::as_object_mut) {
            list.insert("maxItems".to_owned(), IN_FORCE_MAX.into());
        }
    }
    for holder in ["files/items", "units/items", "sshkey"] {
        let actions = format!("/properties/{holder}/properties/actions/items/properties/type/enum");
        if let Some(Value::Array(actions)) = policy.pointer_mut(&actions) {
            actions.push(SPECIAL.into());
        }
    }
}

const ALONE: [Rule; 2] = [
    rule(
        "self.exists(x, x.type=='Reboot') ? size(self) == 1 : true",
        "Reboot action can only be specified standalone, as it will override any other actions",
    ),
    rule(
        "self.exists(x, x.type=='None') ? size(self) == 1 : true",
        "None action can only be specified standalone, as it will override any other actions",
    ),
];

const UNION: [Rule; 2] = [
    rule(
        "has(self.type) && self.type == 'Reload' ? has(self.reload) : !has(self.reload)",
        "reload is required when type is Reload, and forbidden otherwise",
    ),
    rule(
        "has(self.type) && self.type == 'Restart' ? has(self.restart) : !has(self.restart)",
        "restart is required when type is Restart, and forbidden otherwise",
    ),
];

const UNIT_NAME: [Rule; 2] = [
    rule(
        r"self.matches('\\.(service|socket|device|mount|automount|swap|target|path|timer|snapshot|slice|scope)$')",
        r#"Invalid ${SERVICETYPE} in service name. Expected format is ${NAME}${SERVICETYPE}, where ${SERVICETYPE} must be one of ".service", ".socket", ".device", ".mount", ".automount", ".swap", ".target", ".path", ".timer",".snapshot", ".slice" or ".scope"."#,
    ),
    rule(
        r"self.matches('^[a-zA-Z0-9:._\\\\-]+\\..')",
        r#"Invalid ${NAME} in service name. Expected format is ${NAME}${SERVICETYPE}, where {NAME} must be atleast 1 character long and can only consist of alphabets, digits, ":", "-", "_", ".", and "\""#,
    ),
];
