//! `ImageStream` (image.openshift.io): names for images; a release payload lists its images in one. Read only.

use crate::kind::{IMAGE_GROUP, V1};
use k8s_openapi::api::core::v1::ObjectReference;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::root_kind! {
    /// Tags that stand for images. Not always an object of a cluster: `release-manifests/image-references` of a release
    /// image is one too.
    ///
    /// Source: `image/v1/types.go` of github.com/openshift/api.
    ImageStream, IMAGE_GROUP, V1, "imagestreams", kube_core::NamespaceResourceScope,
    spec: ImageStreamSpec, status: ImageStreamStatus
}

/// The tags as they were set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageStreamSpec {
    /// One entry per tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<TagReference>>,
    /// The rest of the spec.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// What a tag stands for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TagReference {
    /// Name of the tag.
    #[serde(default)]
    pub name: String,
    /// Facts about the image, e.g. where its source is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// The image: with kind `DockerImage` the name is a pull spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ObjectReference>,
    /// The rest.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// What the tags were found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageStreamStatus {
    /// Repository of the stream in the registry inside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_image_repository: Option<String>,
    /// The rest of the status.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
