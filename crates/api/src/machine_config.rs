//! `MachineConfig`: a piece of, or (rendered) the whole configuration of a machine.

use crate::kind::MACHINE_CONFIG_GROUP;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// A configuration for machines: an Ignition config plus what Ignition cannot say.
    ///
    /// Source: `machineconfiguration/v1/types.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    MachineConfig, MACHINE_CONFIG_GROUP, "machineconfigs", spec: MachineConfigSpec, status: serde_json::Value
}

/// Contents of a [`MachineConfig`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineConfigSpec {
    /// Pull spec of the OS image; empty means "the pool's base image".
    #[serde(default, rename = "osImageURL", skip_serializing_if = "Option::is_none")]
    pub os_image_url: Option<String>,
    /// Pull spec of the extensions image; empty means "the one that belongs to the base image".
    #[serde(default, rename = "baseOSExtensionsContainerImage", skip_serializing_if = "Option::is_none")]
    pub base_os_extensions_container_image: Option<String>,
    /// The Ignition config, any accepted version; absent when the MachineConfig carries none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::opaque_object")]
    pub config: Option<Value>,
    /// Kernel arguments to add, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::atomic_strings", extend("nullable" = true))]
    pub kernel_arguments: Option<Vec<String>>,
    /// Names of OS extensions to install.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::atomic_strings")]
    pub extensions: Option<Vec<String>>,
    /// Whether FIPS mode is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fips: Option<bool>,
    /// `default`, `realtime` or `64k-pages`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_type: Option<String>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}
