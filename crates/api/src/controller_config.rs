//! `ControllerConfig`: what the operator hands to the controllers.

use crate::kind::MACHINE_CONFIG_GROUP;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Cluster facts that rendering needs. There is one object, named `machine-config-controller`.
    ///
    /// Source: `machineconfiguration/v1/types.go` of github.com/openshift/api.
    ControllerConfig, MACHINE_CONFIG_GROUP, "controllerconfigs", spec: ControllerConfigSpec, status: ControllerConfigStatus
}

/// Facts the operator collected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControllerConfigSpec {
    /// Pull spec of the release image.
    #[serde(default)]
    pub release_image: String,
    /// OS image of pools for which no stream is resolved.
    #[serde(default, rename = "baseOSContainerImage")]
    pub base_os_container_image: String,
    /// Extensions image of pools for which no stream is resolved.
    #[serde(default, rename = "baseOSExtensionsContainerImage")]
    pub base_os_extensions_container_image: String,
    /// Legacy OS image field; printed, never used for rendering.
    #[serde(default, rename = "osImageURL")]
    pub os_image_url: String,
    /// The rest of the object, untouched.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Progress of the template controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControllerConfigStatus {
    /// Generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `TemplateControllerRunning`, `-Completed`, `-Failing`.
    #[serde(default)]
    pub conditions: Vec<crate::Condition>,
    /// Certificates the cluster's bundles hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controller_certificates: Vec<Value>,
}
