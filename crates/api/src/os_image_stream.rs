//! `OSImageStream`: the singleton that lists the operating systems a release carries.

use crate::kind::MACHINE_CONFIG_GROUP;
use serde::{Deserialize, Serialize};

crate::cluster_kind! {
    /// The operating systems of the release and which one is the default. There is one object, named `cluster`.
    ///
    /// Source: `machineconfiguration/v1/types_osimagestream.go` of github.com/openshift/api.
    OSImageStream, MACHINE_CONFIG_GROUP, "osimagestreams", spec: OSImageStreamSpec, status: OSImageStreamStatus
}

/// What the user wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OSImageStreamSpec {
    /// Stream of the pools that name none.
    #[serde(default)]
    pub default_stream: String,
}

/// What the release carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OSImageStreamStatus {
    /// The streams, sorted by name.
    #[serde(default)]
    pub available_streams: Vec<OSImageStreamSet>,
    /// Stream of the pools that name none; one of `availableStreams`.
    #[serde(default)]
    pub default_stream: String,
}

/// One stream: a name and the two images that make it up.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OSImageStreamSet {
    /// Name, an RFC 1123 subdomain.
    #[serde(default)]
    pub name: String,
    /// Pull spec of the OS image, by digest.
    #[serde(default)]
    pub os_image: String,
    /// Pull spec of the extensions image, by digest.
    #[serde(default)]
    pub os_extensions_image: String,
}
