//! `PinnedImageSet`: images that nodes pull ahead of time and keep.

use crate::{kind::MACHINE_CONFIG_GROUP, schema::digested_image};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Images for the nodes of the pools that name the set in `spec.pinnedImageSets`.
    ///
    /// Source: `machineconfiguration/v1/types_pinnedimageset.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    PinnedImageSet, MACHINE_CONFIG_GROUP, "pinnedimagesets", spec: PinnedImageSetSpec, status: serde_json::Value
}

/// The images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["pinnedImages"]))]
pub struct PinnedImageSetSpec {
    /// The images, by digest.
    #[serde(default)]
    #[schemars(
        length(min = 1, max = 500),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub pinned_images: Vec<PinnedImage>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// One image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["name"]))]
pub struct PinnedImage {
    /// Pull spec by digest.
    #[serde(default)]
    #[schemars(schema_with = "digested_image")]
    pub name: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}
