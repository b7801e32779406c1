//! TLS profiles, as KubeletConfig and the API server's configuration name them.

use crate::schema::{atomic_strings, nullable_object, tls_groups};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A profile by name, or one's own.
///
/// Source: `config/v1/types_tlssecurityprofile.go` of github.com/openshift/api.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsSecurityProfile {
    /// `Old`, `Intermediate`, `Modern` or `Custom`; absent means `Intermediate`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Old", "Intermediate", "Modern", "Custom"]))]
    pub type_: Option<String>,
    /// Marks the profile for very old clients; has no fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "nullable_object")]
    pub old: Option<BTreeMap<String, Value>>,
    /// Marks the profile for most clients; has no fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "nullable_object")]
    pub intermediate: Option<BTreeMap<String, Value>>,
    /// Marks the profile for clients with TLS 1.3; has no fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "nullable_object")]
    pub modern: Option<BTreeMap<String, Value>>,
    /// The profile when the type is `Custom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("nullable" = true))]
    pub custom: Option<CustomTlsProfile>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A profile of one's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CustomTlsProfile {
    /// Cipher suites by their OpenSSL or IANA names; unsupported ones are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "atomic_strings")]
    pub ciphers: Option<Vec<String>>,
    /// Key exchange groups; absent means the implementation's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "tls_groups", extend("x-gate" = crate::keys::gates::TLS_GROUP_PREFERENCES))]
    pub groups: Option<Vec<String>>,
    /// Lowest version of the protocol.
    #[serde(rename = "minTLSVersion", default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"]))]
    pub min_tls_version: Option<String>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}
