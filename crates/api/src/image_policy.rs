//! Which signatures images need: `ClusterImagePolicy` and `ImagePolicy` (config.openshift.io).
//!
//! | module | kind |
//! |---|---|
//! | [`cluster`] | `ClusterImagePolicy`: on all nodes |
//! | [`namespaced`] | `ImagePolicy`: for the pods of a namespace |

use crate::condition::MetaCondition;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Which images need which signature.
///
/// Source: `config/v1/types_image_policy.go` of github.com/openshift/api.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagePolicySpec {
    /// Registries and repositories: a host, a repository, an image, or `*.` and a domain.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The signature.
    #[serde(default)]
    pub policy: SignaturePolicy,
    /// The rest of the spec.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Who has to have signed an image, and under which name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignaturePolicy {
    /// Whose signature counts.
    #[serde(default)]
    pub root_of_trust: RootOfTrust,
    /// Which name the signature must be for; absent means that of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_identity: Option<SignedIdentity>,
    /// The rest.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Whose signature counts: what belongs to [`RootOfTrust::policy_type`]. Keys and certificates are base64 of PEM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RootOfTrust {
    /// `PublicKey`, `FulcioCAWithRekor` or `PKI`.
    #[serde(default)]
    pub policy_type: String,
    /// A key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
    /// Short-lived certificates of Fulcio, logged by Rekor.
    #[serde(default, rename = "fulcioCAWithRekor", skip_serializing_if = "Option::is_none")]
    pub fulcio_ca_with_rekor: Option<FulcioCaWithRekor>,
    /// Certificates of one's own authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pki: Option<Pki>,
    /// The rest.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicKey {
    /// The key.
    #[serde(default)]
    pub key_data: String,
    /// Key of a Rekor that must have logged the signature; absent when none must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rekor_key_data: Option<String>,
}

/// Fulcio and Rekor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FulcioCaWithRekor {
    /// Certificates of Fulcio.
    #[serde(default, rename = "fulcioCAData")]
    pub fulcio_ca_data: String,
    /// Key of Rekor.
    #[serde(default)]
    pub rekor_key_data: String,
    /// Whom Fulcio must have known.
    #[serde(default)]
    pub fulcio_subject: FulcioSubject,
}

/// Whom Fulcio must have known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FulcioSubject {
    /// URL of who vouched.
    #[serde(default, rename = "oidcIssuer")]
    pub oidc_issuer: String,
    /// Whom he vouched for.
    #[serde(default)]
    pub signed_email: String,
}

/// An authority of one's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pki {
    /// Root certificates.
    #[serde(default, rename = "caRootsData")]
    pub ca_roots_data: String,
    /// Certificates in between.
    #[serde(default, rename = "caIntermediatesData", skip_serializing_if = "Option::is_none")]
    pub ca_intermediates_data: Option<String>,
    /// Whom the certificate must be for.
    #[serde(default)]
    pub pki_certificate_subject: PkiSubject,
}

/// Whom a certificate must be for; at least one of both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PkiSubject {
    /// Mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

/// Which name a signature must be for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedIdentity {
    /// `MatchRepoDigestOrExact`, `MatchRepository`, `ExactRepository` or `RemapIdentity`.
    #[serde(default)]
    pub match_policy: String,
    /// With `ExactRepository`: that repository.
    #[serde(default, rename = "exactRepository", skip_serializing_if = "Option::is_none")]
    pub exact_repository: Option<ExactRepository>,
    /// With `RemapIdentity`: what stands for what.
    #[serde(default, rename = "remapIdentity", skip_serializing_if = "Option::is_none")]
    pub remap_identity: Option<RemapIdentity>,
}

/// A repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExactRepository {
    /// With its host.
    #[serde(default)]
    pub repository: String,
}

/// What stands for what in names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemapIdentity {
    /// What names begin with.
    #[serde(default)]
    pub prefix: String,
    /// What they began with when they were signed.
    #[serde(default)]
    pub signed_prefix: String,
}

/// What came of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagePolicyStatus {
    /// Present when something is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<MetaCondition>>,
    /// The rest of the status.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// `ClusterImagePolicy`.
pub mod cluster {
    use super::{ImagePolicySpec, ImagePolicyStatus};
    use crate::kind::CONFIG_GROUP;

    crate::cluster_kind! {
        /// Signatures that images need on all nodes.
        ///
        /// Source: `config/v1/types_cluster_image_policy.go` of github.com/openshift/api.
        ClusterImagePolicy, CONFIG_GROUP, "clusterimagepolicies", spec: ImagePolicySpec, status: ImagePolicyStatus
    }
}

/// `ImagePolicy`.
pub mod namespaced {
    use super::{ImagePolicySpec, ImagePolicyStatus};
    use crate::kind::{CONFIG_GROUP, V1};

    crate::root_kind! {
        /// Signatures that the images of a namespace's pods need.
        ///
        /// Source: `config/v1/types_image_policy.go` of github.com/openshift/api.
        ImagePolicy, CONFIG_GROUP, V1, "imagepolicies", kube_core::NamespaceResourceScope,
        spec: ImagePolicySpec, status: ImagePolicyStatus
    }
}
