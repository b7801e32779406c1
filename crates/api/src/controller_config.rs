//! `ControllerConfig`: what the operator hands to the controllers.

use crate::{
    kind::MACHINE_CONFIG_GROUP,
    schema::{bytes, date_time, nullable_bytes, object_reference, opaque_nullable_object},
};
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Time};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Cluster facts that rendering needs. There is one object, named `machine-config-controller`.
    ///
    /// Source: `machineconfiguration/v1/types.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    ControllerConfig, MACHINE_CONFIG_GROUP, "controllerconfigs", spec: ControllerConfigSpec, status: ControllerConfigStatus
}

/// Facts the operator collected. Certificate bundles are base64 of PEM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = [
    "additionalTrustBundle", "baseOSContainerImage", "cloudProviderCAData", "cloudProviderConfig", "clusterDNSIP",
    "dns", "images", "infra", "ipFamilies", "kubeAPIServerServingCAData", "network", "proxy", "releaseImage",
    "rootCAData",
]))]
pub struct ControllerConfigSpec {
    /// IP address of the cluster's DNS service.
    #[serde(default, rename = "clusterDNSIP")]
    pub cluster_dns_ip: String,
    /// Configuration of the cloud provider, verbatim; empty when the platform has none.
    #[serde(default)]
    pub cloud_provider_config: String,
    /// Platform by name. Deprecated: `infra.status.platformStatus.type` says it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// Domain for etcd discovery. Deprecated: `infra.status.etcdDiscoveryDomain` says it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub etcd_discovery_domain: String,
    /// CA that the kubelets trust for requests of the API server.
    #[serde(default, rename = "kubeAPIServerServingCAData")]
    #[schemars(schema_with = "bytes")]
    pub kube_api_server_serving_ca_data: String,
    /// Root CA of the cluster.
    #[serde(default, rename = "rootCAData")]
    #[schemars(schema_with = "bytes")]
    pub root_ca_data: String,
    /// CA of the cloud provider.
    #[serde(default, rename = "cloudProviderCAData")]
    #[schemars(schema_with = "nullable_bytes")]
    pub cloud_provider_ca_data: Option<String>,
    /// Certificates that the nodes trust in addition, from the proxy configuration.
    #[serde(default)]
    #[schemars(schema_with = "nullable_bytes")]
    pub additional_trust_bundle: Option<String>,
    /// Certificates of image registries that the operator supplies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub image_registry_bundle_data: Option<Vec<ImageRegistryBundle>>,
    /// Certificates of image registries that the administrator supplies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub image_registry_bundle_user_data: Option<Vec<ImageRegistryBundle>>,
    /// Secret with the pull secret of all machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "object_reference")]
    pub pull_secret: Option<ObjectReference>,
    /// Pull secret for the registry inside the cluster: a Docker configuration as base64 of JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "nullable_bytes")]
    pub internal_registry_pull_secret: Option<String>,
    /// Pull specs of the images that templates mention, by template key.
    #[serde(default)]
    pub images: BTreeMap<String, String>,
    /// OS image of pools for which no stream is resolved.
    #[serde(default, rename = "baseOSContainerImage")]
    pub base_os_container_image: String,
    /// Extensions image of pools for which no stream is resolved.
    #[serde(default, rename = "baseOSExtensionsContainerImage", skip_serializing_if = "String::is_empty")]
    pub base_os_extensions_container_image: String,
    /// Legacy OS image field; printed, never used for rendering.
    #[serde(default, rename = "osImageURL", skip_serializing_if = "String::is_empty")]
    pub os_image_url: String,
    /// Pull spec of the release image; set at installation only.
    #[serde(default)]
    pub release_image: String,
    /// Proxy for the nodes, from `Proxy.status`; null without one.
    #[serde(default)]
    pub proxy: Option<ProxyStatus>,
    /// The cluster's `Infrastructure` object as it was read.
    #[serde(default)]
    #[schemars(schema_with = "opaque_nullable_object")]
    pub infra: Option<Value>,
    /// The cluster's `DNS` object as it was read.
    #[serde(default)]
    #[schemars(schema_with = "opaque_nullable_object")]
    pub dns: Option<Value>,
    /// IP families of the cluster network: `IPv4`, `IPv6`, `DualStack` or `DualStackIPv6Primary`.
    #[serde(default)]
    pub ip_families: String,
    /// Name of the network plugin.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub network_type: String,
    /// More about the cluster network.
    #[serde(default)]
    #[schemars(extend("nullable" = true))]
    pub network: Option<NetworkInfo>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

impl ControllerConfigSpec {
    /// `infra.status.controlPlaneTopology`, e.g. `HighlyAvailable`; `None` when the object does not say.
    #[must_use]
    pub fn control_plane_topology(&self) -> Option<&str> {
        self.infra.as_ref()?.pointer("/status/controlPlaneTopology")?.as_str()
    }
}

/// Certificates of one image registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["file", "data"]))]
pub struct ImageRegistryBundle {
    /// Name of the file under the registry certificate directory: host, or `host..port`.
    #[serde(default)]
    pub file: String,
    /// Contents, base64 of PEM.
    #[serde(default)]
    #[schemars(schema_with = "bytes")]
    pub data: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// The proxy in force.
///
/// Source: `ProxyStatus` in `config/v1/types_proxy.go` of github.com/openshift/api.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("nullable" = true))]
pub struct ProxyStatus {
    /// URL of the proxy for HTTP requests.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub http_proxy: String,
    /// URL of the proxy for HTTPS requests.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub https_proxy: String,
    /// Hosts, domains and networks that are reached without proxy, separated by commas.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub no_proxy: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// More about the cluster network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["mtuMigration"]))]
pub struct NetworkInfo {
    /// A change of the MTU that is under way; null when none is.
    #[serde(default)]
    #[schemars(extend("nullable" = true))]
    pub mtu_migration: Option<MtuMigration>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A change of the MTU of network and machines.
///
/// Source: `MTUMigration` in `config/v1/types_network.go` of github.com/openshift/api.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MtuMigration {
    /// Of the cluster's default network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<MtuValues>,
    /// Of the machines' uplink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MtuValues>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Old and new MTU, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MtuValues {
    /// MTU to go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub to: Option<i32>,
    /// MTU to come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub from: Option<i32>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Progress of the template controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControllerConfigStatus {
    /// Generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `TemplateControllerRunning`, `-Completed`, `-Failing`.
    #[serde(default)]
    #[schemars(
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]),
        transform = require_of_conditions
    )]
    pub conditions: Vec<crate::Condition>,
    /// Certificates that the cluster's bundles hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub controller_certificates: Vec<ControllerCertificate>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

fn require_of_conditions(list: &mut Schema) {
    if let Some(items) = list.get_mut("items").and_then(Value::as_object_mut) {
        items.insert("required".to_owned(), ["lastTransitionTime", "status", "type"].as_slice().into());
    }
}

/// One certificate of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["subject", "signer", "bundleFile"]))]
pub struct ControllerCertificate {
    /// Subject of the certificate.
    #[serde(default)]
    pub subject: String,
    /// Issuer of the certificate.
    #[serde(default)]
    pub signer: String,
    /// Start of its validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub not_before: Option<Time>,
    /// End of its validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub not_after: Option<Time>,
    /// Bundle the certificate comes from.
    #[serde(default)]
    pub bundle_file: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}
