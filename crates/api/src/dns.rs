//! `DNS` (config.openshift.io): the cluster's domain. Read only.

use crate::{
    keys::gates::AWS_EUROPEAN_SOVEREIGN_CLOUD_INSTALL,
    kind::{CONFIG_GROUP, Nothing},
    schema::{Rule, rule},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// The cluster's domain and zones. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_dns.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend("required" = ["spec"]))]
    DNS, CONFIG_GROUP, "dnses", spec: DNSSpec, status: Nothing
}

/// The domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DNSSpec {
    /// Domain that the names of the cluster's endpoints end in.
    #[serde(default)]
    pub base_domain: String,
    /// Zone for names that only the cluster resolves; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_zone: Option<DNSZone>,
    /// Zone for names that everybody resolves; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_zone: Option<DNSZone>,
    /// What is particular to a platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "platform")]
    pub platform: Option<Value>,
    /// The rest of the spec.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A zone, by its id or by its tags, as the platform has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DNSZone {
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

const ONLY_AWS: Rule = rule("self in ['','AWS']", "allowed values are '' and 'AWS'");
const AWS_WITH_AWS: Rule = rule(
    "has(self.type) && self.type == 'AWS' ?  has(self.aws) : !has(self.aws)",
    "aws configuration is required when platform is AWS, and forbidden otherwise",
);
const NO_ROLE: &str = "privateZoneIAMRole must be a valid AWS IAM role ARN in the format: \
                       arn:<partition>:iam::<account-id>:role/<role-name>";
const ROLE: Rule = rule("matches(self, '^arn:(aws|aws-cn|aws-us-gov):iam::[0-9]{12}:role/.*$')", NO_ROLE);
const ROLE_OR_EUROPEAN: Rule =
    rule("matches(self, '^arn:(aws|aws-cn|aws-us-gov|aws-eusc):iam::[0-9]{12}:role/.*$')", NO_ROLE);

fn platform(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["type"],
        "x-kubernetes-validations": [AWS_WITH_AWS],
        "properties": {
            "type": {
                "type": "string", "enum": crate::infrastructure::PLATFORMS, "x-kubernetes-validations": [ONLY_AWS],
                "description": "The platform: `AWS`, or empty for all others."
            },
            "aws": {
                "type": "object",
                "description": "With `AWS`: how zones are reached.",
                "properties": { "privateZoneIAMRole": {
                    "type": "string",
                    "description": "ARN of the role that owns the private zone, where another account has it.",
                    "x-kubernetes-validations": [ROLE],
                    "x-with": { AWS_EUROPEAN_SOVEREIGN_CLOUD_INSTALL: { "x-kubernetes-validations": [ROLE_OR_EUROPEAN] } }
                } }
            }
        }
    })
}
