//! `OSImageStream`: the singleton that lists the operating systems a release carries.

use crate::{
    kind::MACHINE_CONFIG_GROUP,
    schema::{digested_image, rule, stream_name},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// The operating systems of the release and which one is the default. There is one object, named `cluster`.
    ///
    /// Source: `machineconfiguration/v1/types_osimagestream.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"], "x-kubernetes-validations" = [
        rule("self.metadata.name == 'cluster'", "osimagestream is a singleton, .metadata.name must be 'cluster'"),
        rule(
            "self.spec == oldSelf.spec || !has(self.status) || self.spec.defaultStream in \
             self.status.availableStreams.map(s, s.name)",
            "spec.defaultStream must reference an existing stream name from status.availableStreams",
        ),
    ]))]
    OSImageStream, MACHINE_CONFIG_GROUP, "osimagestreams", spec: OSImageStreamSpec, status: OSImageStreamStatus
}

/// What the user wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["defaultStream"]))]
pub struct OSImageStreamSpec {
    /// Stream of the pools that name none.
    #[serde(default)]
    #[schemars(schema_with = "stream_name")]
    pub default_stream: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

impl OSImageStreamSpec {
    /// A spec that asks for this default.
    #[must_use]
    pub fn asking_for(default: &str) -> Self {
        Self { default_stream: default.to_owned(), ..Self::default() }
    }
}

/// What the release carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["availableStreams", "defaultStream"], "x-kubernetes-validations" = [rule(
    "self.defaultStream in self.availableStreams.map(s, s.name)",
    "defaultStream must reference a stream name from availableStreams",
)]))]
pub struct OSImageStreamStatus {
    /// The streams, sorted by name.
    #[serde(default)]
    #[schemars(
        length(min = 1, max = 100),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub available_streams: Vec<OSImageStreamSet>,
    /// Stream of the pools that name none; one of `availableStreams`.
    #[serde(default)]
    #[schemars(schema_with = "stream_name")]
    pub default_stream: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// One stream: a name and the two images that make it up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["name", "osImage", "osExtensionsImage"]))]
pub struct OSImageStreamSet {
    /// Name, an RFC 1123 subdomain.
    #[serde(default)]
    #[schemars(schema_with = "stream_name")]
    pub name: String,
    /// Pull spec of the OS image, by digest.
    #[serde(default)]
    #[schemars(schema_with = "digested_image")]
    pub os_image: String,
    /// Pull spec of the extensions image, by digest.
    #[serde(default)]
    #[schemars(schema_with = "digested_image")]
    pub os_extensions_image: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}
