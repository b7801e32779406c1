//! `CRIOCredentialProviderConfig` (config.openshift.io): which images pods pull with credentials of their namespace.

use crate::{
    condition::MetaCondition,
    kind::CONFIG_GROUP,
    schema::{Rule, rule},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Images for which CRI-O's credential provider is asked. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_crio_credential_provider_config.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"], "x-kubernetes-validations" = [rule(
        "self.metadata.name == 'cluster'",
        "criocredentialproviderconfig is a singleton, .metadata.name must be 'cluster'",
    )]))]
    CRIOCredentialProviderConfig, CONFIG_GROUP, "criocredentialproviderconfigs",
    spec: CredentialProviderSpec, status: CredentialProviderStatus
}

/// The images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 0))]
pub struct CredentialProviderSpec {
    /// Hosts with or without port and path; `*` stands for a part of a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "images")]
    pub match_images: Option<Vec<String>>,
    /// The rest of the spec.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1))]
pub struct CredentialProviderStatus {
    /// `Validated` and `MachineConfigRendered`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<MetaCondition>>,
    /// The rest of the status.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

const IMAGES: [Rule; 2] = [
    rule("self != '*'", "global wildcard '*' is not allowed"),
    rule(
        r"self.matches('^((\\*|[a-z0-9]([a-z0-9-]*[a-z0-9])?)(\\.(\\*|[a-z0-9]([a-z0-9-]*[a-z0-9])?))*)(:[0-9]+)?(/[-a-z0-9._/]*)?$')",
        "invalid matchImages value, must be a valid fully qualified domain name in lowercase with optional wildcard, port, \
         and path",
    ),
];

fn images(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": 50, "x-kubernetes-list-type": "set",
        "items": { "type": "string", "minLength": 1, "maxLength": 512, "x-kubernetes-validations": IMAGES }
    })
}
