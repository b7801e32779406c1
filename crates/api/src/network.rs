//! `Network` (config.openshift.io): the cluster's networks. Read only.

use crate::{controller_config::MtuMigration, kind::CONFIG_GROUP};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// The cluster's networks. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_network.go` of github.com/openshift/api.
    Network, CONFIG_GROUP, "networks", spec: NetworkSpec, status: NetworkStatus
}

/// The networks as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkSpec {
    /// CIDRs of services; the first one's family is the primary one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_network: Option<Vec<String>>,
    /// Name of the network plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_type: Option<String>,
    /// The rest of the spec.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// The networks in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkStatus {
    /// CIDRs of services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_network: Option<Vec<String>>,
    /// Name of the network plugin; empty until it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_type: Option<String>,
    /// A change that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<NetworkMigration>,
    /// The rest of the status.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A change of plugin or MTU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    pub other: BTreeMap<String, Value>,
}
