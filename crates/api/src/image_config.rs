//! `Image` (config.openshift.io): registries that nodes may or must not pull from, or that are insecure. Read only.

use crate::{kind::CONFIG_GROUP, references::ConfigMapReference};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Policy for image registries. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_image.go` of github.com/openshift/api.
    Image, CONFIG_GROUP, "images", spec: ImageSpec, status: ImageStatus
}

/// What the administrator decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageSpec {
    /// ConfigMap in `openshift-config` with certificates, by registry: host, or `host..port`.
    #[serde(default, rename = "additionalTrustedCA", skip_serializing_if = "Option::is_none")]
    pub additional_trusted_ca: Option<ConfigMapReference>,
    /// Which registries, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_sources: Option<RegistrySources>,
    /// The rest of the spec.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Lists of registries: a host, a repository, or `*.` and a domain. A list that is absent and one that is empty differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrySources {
    /// Registries with bad certificates or without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure_registries: Option<Vec<String>>,
    /// Registries never to pull from; all others are fine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_registries: Option<Vec<String>>,
    /// The only registries to pull from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_registries: Option<Vec<String>>,
    /// Registries to search for images without a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_runtime_search_registries: Option<Vec<String>>,
    /// The rest.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// What the image registry operator reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageStatus {
    /// Host and port of the registry inside the cluster; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_registry_hostname: Option<String>,
    /// The rest of the status.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
