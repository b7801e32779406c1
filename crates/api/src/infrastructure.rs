//! `Infrastructure` (config.openshift.io): what the cluster runs on. Read only.

use crate::kind::CONFIG_GROUP;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Platform, topology and API endpoints of the cluster. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_infrastructure.go` of github.com/openshift/api.
    Infrastructure, CONFIG_GROUP, "infrastructures", spec: InfrastructureSpec, status: InfrastructureStatus
}

/// What was asked for at installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InfrastructureSpec {
    /// ConfigMap with the configuration of the cloud provider; an empty name when the platform has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_config: Option<ConfigMapKey>,
    /// The rest of the spec.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A key of a ConfigMap in `openshift-config`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigMapKey {
    /// Name of the ConfigMap.
    #[serde(default)]
    pub name: String,
    /// The key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The rest of the reference.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InfrastructureStatus {
    /// Name of the cluster, a prefix of the names of its machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infrastructure_name: Option<String>,
    /// Platform of old installations. Superseded by `platformStatus.type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Platform and what is particular to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_status: Option<PlatformStatus>,
    /// `HighlyAvailable`, `HighlyAvailableArbiter`, `DualReplica`, `SingleReplica` or `External`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_plane_topology: Option<String>,
    /// `HighlyAvailable` or `SingleReplica`: how infrastructure services on workers are to be run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infrastructure_topology: Option<String>,
    /// URL of the API server as nodes reach it.
    #[serde(default, rename = "apiServerInternalURI", skip_serializing_if = "Option::is_none")]
    pub api_server_internal_uri: Option<String>,
    /// URL of the API server as users reach it.
    #[serde(default, rename = "apiServerURL", skip_serializing_if = "Option::is_none")]
    pub api_server_url: Option<String>,
    /// Domain for etcd discovery; empty on current installations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd_discovery_domain: Option<String>,
    /// The rest of the status.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// The platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformStatus {
    /// `AWS`, `Azure`, `BareMetal`, `External`, `GCP`, `IBMCloud`, `KubeVirt`, `Nutanix`, `None`, `OpenStack`,
    /// `PowerVS`, `VSphere` and others.
    #[serde(rename = "type", default)]
    pub type_: String,
    /// One more entry, named like the platform in lower camel case, with what is particular to it.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Infrastructure {
    /// The platform's name. `None` (the word) when the object names none.
    #[must_use]
    pub fn platform(&self) -> &str {
        let status = self.status.as_ref();
        let named = status.and_then(|status| status.platform_status.as_ref()).map(|platform| platform.type_.as_str());
        let legacy = status.and_then(|status| status.platform.as_deref());
        named.filter(|name| !name.is_empty()).or(legacy.filter(|name| !name.is_empty())).unwrap_or("None")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_platform_is_the_new_field_or_the_old_one_or_none() {
        let table = [
            (json!({ "platformStatus": { "type": "AWS", "aws": {} }, "platform": "GCP" }), "AWS"),
            (json!({ "platformStatus": { "type": "" }, "platform": "GCP" }), "GCP"),
            (json!({ "platform": "" }), "None"),
            (json!({}), "None"),
        ];
        for (status, platform) in table {
            let object: Infrastructure = serde_json::from_value(json!({ "status": status })).unwrap();
            assert_eq!(object.platform(), platform);
        }
        assert_eq!(Infrastructure::default().platform(), "None");
    }
}
