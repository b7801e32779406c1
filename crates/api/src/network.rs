//! `Network` (config.openshift.io): the cluster's networks. Read only.

use crate::{
    condition::MetaCondition,
    controller_config::MtuMigration,
    keys::gates::NETWORK_OBSERVABILITY_INSTALL,
    kind::CONFIG_GROUP,
    schema::{Rule, atomic_strings, rule},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// The cluster's networks. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_network.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    Network, CONFIG_GROUP, "networks", spec: NetworkSpec, status: NetworkStatus
}

/// The networks as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [NO_PLACES_WHEN_DISABLED]))]
pub struct NetworkSpec {
    /// CIDRs of services; the first one's family is the primary one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "atomic_strings")]
    pub service_network: Option<Vec<String>>,
    /// Name of the network plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_type: Option<String>,
    /// Networks of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub cluster_network: Option<Vec<ClusterNetwork>>,
    /// Ports of services of type NodePort: the first and the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = PORT_RANGE))]
    pub service_node_port_range: Option<String>,
    /// Which addresses from outside services may have.
    #[serde(default, rename = "externalIP", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "external_ip")]
    pub external_ip: Option<Value>,
    /// Whether the network checks itself, and from where to where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "diagnostics")]
    pub network_diagnostics: Option<Value>,
    /// Whether network observability is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "observability", extend("x-gate" = NETWORK_OBSERVABILITY_INSTALL))]
    pub network_observability: Option<Value>,
    /// The rest of the spec.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// The networks in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkStatus {
    /// CIDRs of services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "atomic_strings")]
    pub service_network: Option<Vec<String>>,
    /// Name of the network plugin; empty until it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_type: Option<String>,
    /// A change that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<NetworkMigration>,
    /// Networks of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub cluster_network: Option<Vec<ClusterNetwork>>,
    /// MTU of the networks of pods, in bytes.
    #[serde(default, rename = "clusterNetworkMTU", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "integer")]
    pub cluster_network_mtu: Option<i64>,
    /// Present when something is to be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<MetaCondition>>,
    /// The rest of the status.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A change of plugin or MTU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkMigration {
    /// Name of the plugin to go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_type: Option<String>,
    /// The MTUs to go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<MtuMigration>,
    /// The rest.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A network of pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterNetwork {
    /// Its CIDR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    /// Length of the prefix of each node's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub host_prefix: Option<i32>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

const NO_PLACES_WHEN_DISABLED: Rule = rule(
    "!has(self.networkDiagnostics) || !has(self.networkDiagnostics.mode) || self.networkDiagnostics.mode!='Disabled' || !has(self.networkDiagnostics.sourcePlacement) && !has(self.networkDiagnostics.targetPlacement)",
    "cannot set networkDiagnostics.sourcePlacement and networkDiagnostics.targetPlacement when networkDiagnostics.mode is \
     Disabled",
);
const PORT_RANGE: &str = "^([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])-([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$";

/// An integer of no given size.
fn integer(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer" })
}

fn described(mut schema: Schema, description: &str) -> Schema {
    schema.insert("description".to_owned(), description.into());
    schema
}

fn external_ip(generator: &mut SchemaGenerator) -> Schema {
    let mut cidrs = |description: &str| described(atomic_strings(generator), description);
    json_schema!({
        "type": "object",
        "properties": {
            "autoAssignCIDRs": cidrs("Networks that load balancers get addresses from, without a cloud."),
            "policy": {
                "type": "object",
                "description": "Addresses that may be set by hand; absent means none.",
                "properties": {
                    "allowedCIDRs": cidrs("Networks that they may be of."),
                    "rejectedCIDRs": cidrs("Networks that they may not be of, whatever is allowed.")
                }
            }
        }
    })
}

fn diagnostics(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "mode": {
                "type": "string", "enum": ["", "All", "Disabled"],
                "description": "Whether anything is checked; empty leaves it to the release."
            },
            "sourcePlacement": placement("Where what checks runs."),
            "targetPlacement": placement("Where what is checked runs.")
        }
    })
}

fn placement(description: &str) -> Schema {
    let toleration = json_schema!({
        "type": "object",
        "properties": {
            "key": { "type": "string", "description": "Key of the taint; empty for all." },
            "operator": { "type": "string", "description": "Exists, or Equal, which is meant where it is absent." },
            "value": { "type": "string", "description": "Value of the taint, for Equal." },
            "effect": { "type": "string", "description": "Effect of the taint; empty for all." },
            "tolerationSeconds": {
                "type": "integer", "format": "int64", "description": "How long NoExecute is tolerated, in seconds."
            }
        }
    });
    json_schema!({
        "type": "object",
        "description": description,
        "properties": {
            "nodeSelector": {
                "type": "object", "additionalProperties": { "type": "string" }, "description": "Labels of the nodes."
            },
            "tolerations": {
                "type": "array", "x-kubernetes-list-type": "atomic", "items": toleration,
                "description": "Taints of the nodes that do not matter."
            }
        }
    })
}

fn observability(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["installationPolicy"],
        "properties": { "installationPolicy": {
            "type": "string", "enum": ["InstallAndEnable", "NoAction"], "description": "Whether it is installed."
        } }
    })
}
