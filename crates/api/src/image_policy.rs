//! Which signatures images need: `ClusterImagePolicy` and `ImagePolicy` (config.openshift.io).
//!
//! | module | kind |
//! |---|---|
//! | [`cluster`] | `ClusterImagePolicy`: on all nodes |
//! | [`namespaced`] | `ImagePolicy`: for the pods of a namespace |

use crate::{
    condition::MetaCondition,
    schema::{Rule, repository, rule},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Which images need which signature.
///
/// Source: `config/v1/types_image_policy.go` of github.com/openshift/api.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["policy", "scopes"]))]
pub struct ImagePolicySpec {
    /// Registries and repositories: a host, a repository, an image, or `*.` and a domain.
    #[serde(default)]
    #[schemars(schema_with = "repository::scopes")]
    pub scopes: Vec<String>,
    /// The signature.
    #[serde(default)]
    pub policy: SignaturePolicy,
    /// The rest of the spec.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Who has to have signed an image, and under which name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["rootOfTrust"]))]
pub struct SignaturePolicy {
    /// Whose signature counts.
    #[serde(default)]
    pub root_of_trust: RootOfTrust,
    /// Which name the signature must be for; absent means that of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_identity: Option<SignedIdentity>,
    /// The rest.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Whose signature counts: what belongs to [`RootOfTrust::policy_type`]. Keys and certificates are base64 of PEM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["policyType"], "x-kubernetes-validations" = TRUST_RULES))]
pub struct RootOfTrust {
    /// `PublicKey`, `FulcioCAWithRekor` or `PKI`.
    #[serde(default)]
    #[schemars(extend("enum" = ["PublicKey", "FulcioCAWithRekor", "PKI"]))]
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
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["keyData"]))]
pub struct PublicKey {
    /// The key.
    #[serde(default)]
    #[schemars(schema_with = "key_data")]
    pub key_data: String,
    /// Key of a Rekor that must have logged the signature; absent when none must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rekor_key_data")]
    pub rekor_key_data: Option<String>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Fulcio and Rekor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["fulcioCAData", "fulcioSubject", "rekorKeyData"]))]
pub struct FulcioCaWithRekor {
    /// Certificates of Fulcio.
    #[serde(default, rename = "fulcioCAData")]
    #[schemars(schema_with = "fulcio_ca_data")]
    pub fulcio_ca_data: String,
    /// Key of Rekor.
    #[serde(default)]
    #[schemars(schema_with = "rekor_key_data")]
    pub rekor_key_data: String,
    /// Whom Fulcio must have known.
    #[serde(default)]
    pub fulcio_subject: FulcioSubject,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Whom Fulcio must have known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["oidcIssuer", "signedEmail"]))]
pub struct FulcioSubject {
    /// URL of who vouched.
    #[serde(default, rename = "oidcIssuer")]
    #[schemars(length(max = 2048), extend("x-kubernetes-validations" = [IS_URL]))]
    pub oidc_issuer: String,
    /// Whom he vouched for.
    #[serde(default)]
    #[schemars(length(max = 320), extend("x-kubernetes-validations" = [IS_EMAIL]))]
    pub signed_email: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// An authority of one's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["caRootsData", "pkiCertificateSubject"]))]
pub struct Pki {
    /// Root certificates.
    #[serde(default, rename = "caRootsData")]
    #[schemars(schema_with = "ca_roots_data")]
    pub ca_roots_data: String,
    /// Certificates in between.
    #[serde(default, rename = "caIntermediatesData", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "ca_intermediates_data")]
    pub ca_intermediates_data: Option<String>,
    /// Whom the certificate must be for.
    #[serde(default)]
    pub pki_certificate_subject: PkiSubject,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Whom a certificate must be for; at least one of both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [ONE_OF_BOTH]))]
pub struct PkiSubject {
    /// Mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 320), extend("x-kubernetes-validations" = [IS_EMAIL]))]
    pub email: Option<String>,
    /// Host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), extend("x-kubernetes-validations" = [IS_HOST]))]
    pub hostname: Option<String>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// Which name a signature must be for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["matchPolicy"], "x-kubernetes-validations" = IDENTITY_RULES))]
pub struct SignedIdentity {
    /// `MatchRepoDigestOrExact`, `MatchRepository`, `ExactRepository` or `RemapIdentity`.
    #[serde(default)]
    #[schemars(extend("enum" = ["MatchRepoDigestOrExact", "MatchRepository", "ExactRepository", "RemapIdentity"]))]
    pub match_policy: String,
    /// With `ExactRepository`: that repository.
    #[serde(default, rename = "exactRepository", skip_serializing_if = "Option::is_none")]
    pub exact_repository: Option<ExactRepository>,
    /// With `RemapIdentity`: what stands for what.
    #[serde(default, rename = "remapIdentity", skip_serializing_if = "Option::is_none")]
    pub remap_identity: Option<RemapIdentity>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["repository"]))]
pub struct ExactRepository {
    /// With its host.
    #[serde(default)]
    #[schemars(schema_with = "repository::identity")]
    pub repository: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// What stands for what in names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["prefix", "signedPrefix"]))]
pub struct RemapIdentity {
    /// What names begin with.
    #[serde(default)]
    #[schemars(schema_with = "repository::identity")]
    pub prefix: String,
    /// What they began with when they were signed.
    #[serde(default)]
    #[schemars(schema_with = "repository::identity")]
    pub signed_prefix: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// What came of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePolicyStatus {
    /// Present when something is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<MetaCondition>>,
    /// The rest of the status.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

const TRUST_RULES: [Rule; 3] = [
    rule(
        "has(self.policyType) && self.policyType == 'PKI' ? has(self.pki) : !has(self.pki)",
        "pki is required when policyType is PKI, and forbidden otherwise",
    ),
    rule(
        "has(self.policyType) && self.policyType == 'PublicKey' ? has(self.publicKey) : !has(self.publicKey)",
        "publicKey is required when policyType is PublicKey, and forbidden otherwise",
    ),
    rule(
        "has(self.policyType) && self.policyType == 'FulcioCAWithRekor' ? has(self.fulcioCAWithRekor) : !has(self.fulcioCAWithRekor)",
        "fulcioCAWithRekor is required when policyType is FulcioCAWithRekor, and forbidden otherwise",
    ),
];
const IDENTITY_RULES: [Rule; 2] = [
    rule(
        "(has(self.matchPolicy) && self.matchPolicy == 'ExactRepository') ? has(self.exactRepository) : !has(self.exactRepository)",
        "exactRepository is required when matchPolicy is ExactRepository, and forbidden otherwise",
    ),
    rule(
        "(has(self.matchPolicy) && self.matchPolicy == 'RemapIdentity') ? has(self.remapIdentity) : !has(self.remapIdentity)",
        "remapIdentity is required when matchPolicy is RemapIdentity, and forbidden otherwise",
    ),
];
const ONE_OF_BOTH: Rule = rule(
    "has(self.email) || has(self.hostname)",
    "at least one of email or hostname must be set in pkiCertificateSubject",
);
const IS_URL: Rule = rule("isURL(self)", "oidcIssuer must be a valid URL");
const IS_EMAIL: Rule = rule(r"self.matches('^\\S+@\\S+$')", "invalid email address");
const IS_HOST: Rule = rule(
    "self.startsWith('*.') ? !format.dns1123Subdomain().validate(self.replace('*.', '', 1)).hasValue() : !format.dns1123Subdomain().validate(self).hasValue()",
    "hostname must be a valid dns 1123 subdomain name, optionally prefixed by '*.'. It must consist only of lowercase \
     alphanumeric characters, hyphens, periods and the optional preceding asterisk.",
);

/// The rules of a field with PEM blocks of one type, in base64.
macro_rules! pem {
    ($field:literal, $block:literal) => {
        [
            rule(
                concat!("string(self).startsWith('-----BEGIN ", $block, "-----')"),
                concat!("the ", $field, " must start with base64 encoding of '-----BEGIN ", $block, "-----'."),
            ),
            rule(
                concat!(
                    "string(self).endsWith('-----END ",
                    $block,
                    r"-----\n') || string(self).endsWith('-----END ",
                    $block,
                    "-----')"
                ),
                concat!("the ", $field, " must end with base64 encoding of '-----END ", $block, "-----'."),
            ),
        ]
    };
}

/// The rule of a field with a chain of certificates.
macro_rules! chain {
    ($field:literal) => {
        rule(
            "string(self).findAll('-----BEGIN CERTIFICATE-----').size() == string(self).findAll('-----END CERTIFICATE-----').size()",
            concat!(
                $field,
                " must be base64 encoding of valid PEM format data contain the same number of '-----BEGIN \
                 CERTIFICATE-----' and '-----END CERTIFICATE-----' markers."
            ),
        )
    };
}

/// Longest key, certificate or chain in base64, and the shortest that the markers alone leave room for.
const PEM_MAX: u32 = 8192;
const KEY_MIN: u32 = 68;
const CHAIN_MIN: u32 = 72;

fn key_data(_: &mut SchemaGenerator) -> Schema {
    let rules = pem!("keyData", "PUBLIC KEY");
    json_schema!({
        "type": "string", "format": "byte", "minLength": KEY_MIN, "maxLength": PEM_MAX, "x-kubernetes-validations": rules
    })
}

fn rekor_key_data(_: &mut SchemaGenerator) -> Schema {
    let rules = pem!("rekorKeyData", "PUBLIC KEY");
    json_schema!({ "type": "string", "format": "byte", "maxLength": PEM_MAX, "x-kubernetes-validations": rules })
}

fn fulcio_ca_data(_: &mut SchemaGenerator) -> Schema {
    let rules = pem!("fulcioCAData", "CERTIFICATE");
    json_schema!({ "type": "string", "format": "byte", "maxLength": PEM_MAX, "x-kubernetes-validations": rules })
}

fn ca_roots_data(_: &mut SchemaGenerator) -> Schema {
    certificates(pem!("caRootsData", "CERTIFICATE"), chain!("caRootsData"))
}

fn ca_intermediates_data(_: &mut SchemaGenerator) -> Schema {
    certificates(pem!("caIntermediatesData", "CERTIFICATE"), chain!("caIntermediatesData"))
}

fn certificates([start, end]: [Rule; 2], chain: Rule) -> Schema {
    json_schema!({
        "type": "string", "format": "byte", "minLength": CHAIN_MIN, "maxLength": PEM_MAX,
        "x-kubernetes-validations": [start, end, chain]
    })
}

/// `ClusterImagePolicy`.
pub mod cluster {
    use super::{ImagePolicySpec, ImagePolicyStatus};
    use crate::kind::CONFIG_GROUP;
    use schemars::JsonSchema;

    crate::cluster_kind! {
        /// Signatures that images need on all nodes.
        ///
        /// Source: `config/v1/types_cluster_image_policy.go` of github.com/openshift/api.
        #[derive(JsonSchema)]
        #[schemars(extend("required" = ["spec"]))]
        ClusterImagePolicy, CONFIG_GROUP, "clusterimagepolicies", spec: ImagePolicySpec, status: ImagePolicyStatus
    }
}

/// `ImagePolicy`.
pub mod namespaced {
    use super::{ImagePolicySpec, ImagePolicyStatus};
    use crate::kind::{CONFIG_GROUP, V1};
    use schemars::JsonSchema;

    crate::root_kind! {
        /// Signatures that the images of a namespace's pods need.
        ///
        /// Source: `config/v1/types_image_policy.go` of github.com/openshift/api.
        #[derive(JsonSchema)]
        #[schemars(extend("required" = ["spec"]))]
        ImagePolicy, CONFIG_GROUP, V1, "imagepolicies", kube_core::NamespaceResourceScope,
        spec: ImagePolicySpec, status: ImagePolicyStatus
    }
}
