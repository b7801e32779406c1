//! `APIServer` (config.openshift.io): how the cluster's API is served. Read only.

use crate::{
    keys::gates::{KMS_ENCRYPTION, TLS_ADHERENCE},
    kind::{CONFIG_GROUP, Nothing},
    references::ConfigMapReference,
    schema::{Rule, atomic_strings, named, rule},
    tls::TlsSecurityProfile,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Settings of the API servers. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_apiserver.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    APIServer, CONFIG_GROUP, "apiservers", spec: APIServerSpec, status: Nothing
}

/// The settings weir reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-with" = { TLS_ADHERENCE: { "x-kubernetes-validations": [ADHERENCE_STAYS] } }))]
pub struct APIServerSpec {
    /// TLS of the API servers and of all components without a profile of their own; absent means `Intermediate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_security_profile: Option<TlsSecurityProfile>,
    /// Whether all components keep to the profile, or only those that always did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["LegacyAdheringComponentsOnly", "StrictAllComponents"], "x-gate" = TLS_ADHERENCE))]
    pub tls_adherence: Option<String>,
    /// Certificates that the API server shows for host names of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "serving_certs")]
    pub serving_certs: Option<Value>,
    /// ConfigMap in `openshift-config` with authorities of client certificates, key `ca-bundle.crt`.
    #[serde(default, rename = "clientCA", skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<ConfigMapReference>,
    /// Expressions for origins that browsers may send requests from.
    #[serde(default, rename = "additionalCORSAllowedOrigins", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "atomic_strings")]
    pub additional_cors_allowed_origins: Option<Vec<String>>,
    /// How resources are encrypted where they are stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "encryption")]
    pub encryption: Option<Value>,
    /// Which requests are logged, and how much of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "audit")]
    pub audit: Option<Value>,
    /// The rest of the spec.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

const ADHERENCE_STAYS: Rule =
    rule("has(oldSelf.tlsAdherence) ? has(self.tlsAdherence) : true", "tlsAdherence may not be removed once set");
const KMS_WITH_KMS: Rule = rule(
    "has(self.type) && self.type == 'KMS' ?  has(self.kms) : !has(self.kms)",
    "kms config is required when encryption type is KMS, and forbidden otherwise",
);
/// What of a request is logged.
const AUDIT_PROFILES: [&str; 4] = ["Default", "WriteRequestBodies", "AllRequestBodies", "None"];

fn serving_certs(generator: &mut SchemaGenerator) -> Schema {
    let mut secret = named(generator);
    secret.insert("description".to_owned(), "Secret in `openshift-config` with certificate and key.".into());
    json_schema!({
        "type": "object",
        "properties": { "namedCertificates": {
            "type": "array", "maxItems": 32, "x-kubernetes-list-type": "atomic",
            "description": "Certificates by name; the first that fits is shown.",
            "items": { "type": "object", "properties": {
                "names": {
                    "type": "array", "maxItems": 64, "x-kubernetes-list-type": "atomic", "items": { "type": "string" },
                    "description": "Host names, with or without `*.`; absent means those in the certificate."
                },
                "servingCertificate": secret
            } }
        } }
    })
}

fn encryption(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-with": { KMS_ENCRYPTION: { "x-kubernetes-validations": [KMS_WITH_KMS] } },
        "properties": {
            "type": {
                "type": "string", "enum": ["", "identity", "aescbc", "aesgcm"],
                "x-with": { KMS_ENCRYPTION: { "enum": ["", "identity", "aescbc", "aesgcm", "KMS"] } },
                "description": "The cipher; empty or `identity` means none."
            },
            "kms": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true, "x-gate": KMS_ENCRYPTION,
                "description": "The key management service. Any content is kept: no field is described here."
            }
        }
    })
}

fn audit(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-default": { "profile": "Default" },
        "properties": {
            "profile": {
                "type": "string", "enum": AUDIT_PROFILES, "x-default": "Default",
                "description": "What is logged of requests that no rule is for."
            },
            "customRules": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["group"],
                "description": "What is logged of requests of a group's members; the first rule that fits counts.",
                "items": {
                    "type": "object",
                    "required": ["group", "profile"],
                    "properties": {
                        "group": { "type": "string", "minLength": 1, "description": "The group." },
                        "profile": { "type": "string", "enum": AUDIT_PROFILES, "description": "What is logged." }
                    }
                }
            }
        }
    })
}
