//! `Infrastructure` (config.openshift.io): what the cluster runs on. Read only.

use crate::kind::CONFIG_GROUP;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Platform, topology and API endpoints of the cluster. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_infrastructure.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    Infrastructure, CONFIG_GROUP, "infrastructures", spec: InfrastructureSpec, status: InfrastructureStatus
}

/// What was asked for at installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfrastructureSpec {
    /// ConfigMap with the configuration of the cloud provider; an empty name when the platform has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_config: Option<ConfigMapKey>,
    /// The platform, and what was asked of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "platform")]
    pub platform_spec: Option<Value>,
    /// The rest of the spec.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A key of a ConfigMap in `openshift-config`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigMapKey {
    /// Name of the ConfigMap.
    #[serde(default)]
    pub name: String,
    /// The key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The rest of the reference.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfrastructureStatus {
    /// Name of the cluster, a prefix of the names of its machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infrastructure_name: Option<String>,
    /// Platform of old installations. Superseded by `platformStatus.type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = PLATFORMS))]
    pub platform: Option<String>,
    /// Platform and what is particular to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "platform")]
    pub platform_status: Option<PlatformStatus>,
    /// `HighlyAvailable`, `HighlyAvailableArbiter`, `DualReplica`, `SingleReplica` or `External`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "enum" = ["HighlyAvailable", "HighlyAvailableArbiter", "SingleReplica", "DualReplica", "External"],
        "x-default" = "HighlyAvailable",
    ))]
    pub control_plane_topology: Option<String>,
    /// `HighlyAvailable` or `SingleReplica`: how infrastructure services on workers are to be run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["HighlyAvailable", "SingleReplica"], "x-default" = "HighlyAvailable"))]
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
    /// `AllNodes` where the CPUs of nodes are divided between the platform and its users, else `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["None", "AllNodes"], "x-default" = "None"))]
    pub cpu_partitioning: Option<String>,
    /// The rest of the status.
    #[serde(flatten)]
    #[schemars(skip)]
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

/// Platforms by their names; empty where none is named.
pub(crate) const PLATFORMS: [&str; 17] = [
    "",
    "AWS",
    "Azure",
    "BareMetal",
    "GCP",
    "Libvirt",
    "OpenStack",
    "None",
    "VSphere",
    "oVirt",
    "IBMCloud",
    "KubeVirt",
    "EquinixMetal",
    "PowerVS",
    "AlibabaCloud",
    "Nutanix",
    "External",
];

/// Names of the fields with what is particular to a platform.
const PARTICULARS: [&str; 14] = [
    "alibabaCloud",
    "aws",
    "azure",
    "baremetal",
    "equinixMetal",
    "external",
    "gcp",
    "ibmcloud",
    "kubevirt",
    "nutanix",
    "openstack",
    "ovirt",
    "powervs",
    "vsphere",
];

/// A platform, with its particulars in any content.
fn platform(_: &mut SchemaGenerator) -> Schema {
    let type_ = json!({ "type": "string", "enum": PLATFORMS, "description": "The platform." });
    let particulars = json!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "description": "What is particular to the platform. Any content is kept: no field is described here.",
    });
    let mut properties = Map::from_iter([("type".to_owned(), type_)]);
    properties.extend(PARTICULARS.map(|name| (name.to_owned(), particulars.clone())));
    json_schema!({ "type": "object", "properties": properties })
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
