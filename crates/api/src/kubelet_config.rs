//! `KubeletConfig`: kubelet settings for the nodes of the pools it selects.

use crate::{
    condition::Condition,
    kind::MACHINE_CONFIG_GROUP,
    schema::{label_selector, opaque_object},
    tls::TlsSecurityProfile,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Kubelet settings that the kubelet configuration controller turns into a MachineConfig per pool.
    ///
    /// Source: `machineconfiguration/v1/types.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    KubeletConfig, MACHINE_CONFIG_GROUP, "kubeletconfigs", spec: KubeletConfigSpec, status: KubeletConfigStatus
}

/// The settings and whom they are for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeletConfigSpec {
    /// Whether the node computes what it reserves for the system from its size; absent means no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_sizing_reserved: Option<bool>,
    /// Whether GOMAXPROCS of kubelet and container runtime follows the CPU reserved for the system: `Autosize` or
    /// `Disabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = crate::schema::GOMAXPROCS, "x-gate" = crate::keys::gates::GOMAXPROCS_INJECTION))]
    pub system_gomaxprocs_behavior: Option<String>,
    /// Log level of the kubelet, 0 to 10; absent means the template's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub log_level: Option<i32>,
    /// Labels of the pools the settings are for; absent or empty selects none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "label_selector")]
    pub machine_config_pool_selector: Option<LabelSelector>,
    /// Fields of a `KubeletConfiguration` of `kubelet.config.k8s.io/v1beta1` that replace the template's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "opaque_object")]
    pub kubelet_config: Option<Value>,
    /// TLS of the kubelet's server; absent means the API server's profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_security_profile: Option<TlsSecurityProfile>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// What came of the settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeletConfigStatus {
    /// Generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// A short history, oldest first; the last one counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub conditions: Option<Vec<Condition>>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}
