//! `Image` (config.openshift.io): registries that nodes may or must not pull from, or that are insecure. Read only.

use crate::{
    kind::CONFIG_GROUP,
    references::ConfigMapReference,
    schema::{Rule, atomic_strings, repository::registries, rule},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Policy for image registries. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_image.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    Image, CONFIG_GROUP, "images", spec: ImageSpec, status: ImageStatus
}

/// What the administrator decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageSpec {
    /// ConfigMap in `openshift-config` with certificates, by registry: host, or `host..port`.
    #[serde(default, rename = "additionalTrustedCA", skip_serializing_if = "Option::is_none")]
    pub additional_trusted_ca: Option<ConfigMapReference>,
    /// Which registries, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_sources: Option<RegistrySources>,
    /// Registries that image streams may import from; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub allowed_registries_for_import: Option<Vec<RegistryLocation>>,
    /// Host names of the cluster's registry for the outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "atomic_strings")]
    pub external_registry_hostnames: Option<Vec<String>>,
    /// Whether image streams import one image of a list (`Legacy`) or all (`PreserveOriginal`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = IMPORT_MODES))]
    pub image_stream_import_mode: Option<String>,
    /// The rest of the spec.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// How image streams import lists of images; empty leaves it to the release.
const IMPORT_MODES: [&str; 3] = ["", "Legacy", "PreserveOriginal"];

/// A registry to import from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistryLocation {
    /// Its host, with a port where that is not 443, or 80 if insecure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_name: Option<String>,
    /// Whether it has a bad certificate or no TLS; absent means no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure: Option<bool>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

const ONE_LIST: Rule = rule(
    "has(self.blockedRegistries) ? !has(self.allowedRegistries) : true",
    "Only one of blockedRegistries or allowedRegistries may be set",
);

/// Names to search are not checked one by one, and the format of a list says nothing.
fn search_registries(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "format": "hostname", "minItems": 1, "x-kubernetes-list-type": "set",
        "items": { "type": "string" }
    })
}

/// Lists of registries: a host, a repository, or `*.` and a domain. A list that is absent and one that is empty differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [ONE_LIST]))]
pub struct RegistrySources {
    /// Registries with bad certificates or without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "registries")]
    pub insecure_registries: Option<Vec<String>>,
    /// Registries never to pull from; all others are fine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "registries")]
    pub blocked_registries: Option<Vec<String>>,
    /// The only registries to pull from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "registries")]
    pub allowed_registries: Option<Vec<String>>,
    /// Registries to search for images without a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "search_registries")]
    pub container_runtime_search_registries: Option<Vec<String>>,
    /// The rest.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// What the image registry operator reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageStatus {
    /// Host and port of the registry inside the cluster; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_registry_hostname: Option<String>,
    /// Its host names for the outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "atomic_strings")]
    pub external_registry_hostnames: Option<Vec<String>>,
    /// How image streams import lists of images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = IMPORT_MODES))]
    pub image_stream_import_mode: Option<String>,
    /// The rest of the status.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}
