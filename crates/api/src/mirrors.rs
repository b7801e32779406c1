//! Mirrors of image repositories: `ImageDigestMirrorSet`, `ImageTagMirrorSet` and their forerunner. Read only.
//!
//! | module | kind |
//! |---|---|
//! | [`digest`] | `ImageDigestMirrorSet` (config.openshift.io): for pulls by digest |
//! | [`tag`] | `ImageTagMirrorSet` (config.openshift.io): for pulls by tag |
//! | [`content_source`] | `ImageContentSourcePolicy` (operator.openshift.io): for pulls by digest |

use crate::schema::repository;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where else the images of a repository are.
///
/// Source: `config/v1/types_image_digest_mirror_set.go` of github.com/openshift/api.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["source"]))]
pub struct Mirrors {
    /// What pull specs name: a registry, a repository, or `*.` and a domain.
    #[serde(default)]
    #[schemars(extend("pattern" = repository::SOURCE))]
    pub source: String,
    /// Repositories to try, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "repository::mirrors")]
    pub mirrors: Option<Vec<String>>,
    /// `NeverContactSource` or `AllowContactingSource`; absent means the latter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["NeverContactSource", "AllowContactingSource"]))]
    pub mirror_source_policy: Option<String>,
    /// The rest.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// `ImageDigestMirrorSet`.
pub mod digest {
    use super::{BTreeMap, Deserialize, JsonSchema, Mirrors, Serialize, Value};
    use crate::kind::{CONFIG_GROUP, Nothing};

    crate::cluster_kind! {
        /// Mirrors for pulls by digest.
        ///
        /// Source: `config/v1/types_image_digest_mirror_set.go` of github.com/openshift/api.
        #[derive(JsonSchema)]
        #[schemars(extend("required" = ["spec"]))]
        ImageDigestMirrorSet, CONFIG_GROUP, "imagedigestmirrorsets",
        spec: ImageDigestMirrorSetSpec, status: Nothing
    }

    /// The mirrors.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    pub struct ImageDigestMirrorSetSpec {
        /// One entry per source.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
        pub image_digest_mirrors: Option<Vec<Mirrors>>,
        /// The rest of the spec.
        #[serde(flatten)]
        #[schemars(skip)]
        pub other: BTreeMap<String, Value>,
    }
}

/// `ImageTagMirrorSet`.
pub mod tag {
    use super::{BTreeMap, Deserialize, JsonSchema, Mirrors, Serialize, Value};
    use crate::kind::{CONFIG_GROUP, Nothing};

    crate::cluster_kind! {
        /// Mirrors for pulls by tag.
        ///
        /// Source: `config/v1/types_image_tag_mirror_set.go` of github.com/openshift/api.
        #[derive(JsonSchema)]
        #[schemars(extend("required" = ["spec"]))]
        ImageTagMirrorSet, CONFIG_GROUP, "imagetagmirrorsets",
        spec: ImageTagMirrorSetSpec, status: Nothing
    }

    /// The mirrors.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    pub struct ImageTagMirrorSetSpec {
        /// One entry per source.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
        pub image_tag_mirrors: Option<Vec<Mirrors>>,
        /// The rest of the spec.
        #[serde(flatten)]
        #[schemars(skip)]
        pub other: BTreeMap<String, Value>,
    }
}

/// `ImageContentSourcePolicy`.
pub mod content_source {
    use super::{BTreeMap, Deserialize, JsonSchema, Mirrors, Serialize, Value};
    use crate::kind::{Nothing, OPERATOR_GROUP, V1ALPHA1};
    use schemars::{Schema, SchemaGenerator, json_schema};

    crate::root_kind! {
        /// Mirrors for pulls by digest, as they were written before [`super::digest::ImageDigestMirrorSet`].
        ///
        /// Source: `operator/v1alpha1/types_image_content_source_policy.go` of github.com/openshift/api.
        #[derive(JsonSchema)]
        #[schemars(extend("required" = ["spec"]))]
        ImageContentSourcePolicy, OPERATOR_GROUP, V1ALPHA1, "imagecontentsourcepolicies",
        kube_core::ClusterResourceScope, spec: ImageContentSourcePolicySpec, status: Nothing
    }

    /// The mirrors.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    pub struct ImageContentSourcePolicySpec {
        /// One entry per source; a policy for contacting the source is not known here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(schema_with = "any_mirrors")]
        pub repository_digest_mirrors: Option<Vec<Mirrors>>,
        /// The rest of the spec.
        #[serde(flatten)]
        #[schemars(skip)]
        pub other: BTreeMap<String, Value>,
    }
    /// No name is checked in this kind.
    fn any_mirrors(_: &mut SchemaGenerator) -> Schema {
        let mirrors = "Repositories to try, in order.";
        json_schema!({ "type": "array", "items": {
            "type": "object",
            "required": ["source"],
            "properties": {
                "source": { "type": "string", "description": "Repository that pull specs name." },
                "mirrors": { "type": "array", "items": { "type": "string" }, "description": mirrors },
            }
        } })
    }
}
