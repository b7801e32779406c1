//! Mirrors of image repositories: `ImageDigestMirrorSet`, `ImageTagMirrorSet` and their forerunner. Read only.
//!
//! | module | kind |
//! |---|---|
//! | [`digest`] | `ImageDigestMirrorSet` (config.openshift.io): for pulls by digest |
//! | [`tag`] | `ImageTagMirrorSet` (config.openshift.io): for pulls by tag |
//! | [`content_source`] | `ImageContentSourcePolicy` (operator.openshift.io): for pulls by digest |

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where else the images of a repository are.
///
/// Source: `config/v1/types_image_digest_mirror_set.go` of github.com/openshift/api.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mirrors {
    /// What pull specs name: a registry, a repository, or `*.` and a domain.
    #[serde(default)]
    pub source: String,
    /// Repositories to try, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirrors: Option<Vec<String>>,
    /// `NeverContactSource` or `AllowContactingSource`; absent means the latter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror_source_policy: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// `ImageDigestMirrorSet`.
pub mod digest {
    use super::{BTreeMap, Deserialize, Mirrors, Serialize, Value};
    use crate::kind::CONFIG_GROUP;

    crate::cluster_kind! {
        /// Mirrors for pulls by digest.
        ///
        /// Source: `config/v1/types_image_digest_mirror_set.go` of github.com/openshift/api.
        ImageDigestMirrorSet, CONFIG_GROUP, "imagedigestmirrorsets",
        spec: ImageDigestMirrorSetSpec, status: serde_json::Value
    }

    /// The mirrors.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct ImageDigestMirrorSetSpec {
        /// One entry per source.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub image_digest_mirrors: Option<Vec<Mirrors>>,
        /// The rest of the spec.
        #[serde(flatten)]
        pub other: BTreeMap<String, Value>,
    }
}

/// `ImageTagMirrorSet`.
pub mod tag {
    use super::{BTreeMap, Deserialize, Mirrors, Serialize, Value};
    use crate::kind::CONFIG_GROUP;

    crate::cluster_kind! {
        /// Mirrors for pulls by tag.
        ///
        /// Source: `config/v1/types_image_tag_mirror_set.go` of github.com/openshift/api.
        ImageTagMirrorSet, CONFIG_GROUP, "imagetagmirrorsets",
        spec: ImageTagMirrorSetSpec, status: serde_json::Value
    }

    /// The mirrors.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct ImageTagMirrorSetSpec {
        /// One entry per source.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub image_tag_mirrors: Option<Vec<Mirrors>>,
        /// The rest of the spec.
        #[serde(flatten)]
        pub other: BTreeMap<String, Value>,
    }
}

/// `ImageContentSourcePolicy`.
pub mod content_source {
    use super::{BTreeMap, Deserialize, Mirrors, Serialize, Value};
    use crate::kind::{OPERATOR_GROUP, V1ALPHA1};

    crate::root_kind! {
        /// Mirrors for pulls by digest, as they were written before [`super::digest::ImageDigestMirrorSet`].
        ///
        /// Source: `operator/v1alpha1/types_image_content_source_policy.go` of github.com/openshift/api.
        ImageContentSourcePolicy, OPERATOR_GROUP, V1ALPHA1, "imagecontentsourcepolicies",
        kube_core::ClusterResourceScope, spec: ImageContentSourcePolicySpec, status: serde_json::Value
    }

    /// The mirrors.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct ImageContentSourcePolicySpec {
        /// One entry per source; a policy for contacting the source is not known here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub repository_digest_mirrors: Option<Vec<Mirrors>>,
        /// The rest of the spec.
        #[serde(flatten)]
        pub other: BTreeMap<String, Value>,
    }
}
