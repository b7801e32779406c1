//! `ClusterVersion` (config.openshift.io): which release the cluster should run. Read only, where weir did not create it.

use crate::{
    cluster_operator::OperatorCondition,
    keys::gates::{CLUSTER_API_MACHINE_MANAGEMENT, CLUSTER_UPDATE_ACCEPT_RISKS, SIGNATURE_STORES},
    kind::CONFIG_GROUP,
    schema::{Rule, date_time, named, nullable_date_time, rule},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// The release the cluster runs or moves to. There is one object, named `version`.
    ///
    /// Source: `config/v1/types_cluster_version.go` of github.com/openshift/api.
    #[derive(JsonSchema)]
    #[schemars(extend(
        "required" = ["spec"],
        "x-kubernetes-validations" = [MARKETPLACE],
        "x-with" = { CLUSTER_API_MACHINE_MANAGEMENT: { "x-kubernetes-validations": [MARKETPLACE, CLUSTER_API] } },
    ))]
    ClusterVersion, CONFIG_GROUP, "clusterversions", spec: ClusterVersionSpec, status: ClusterVersionStatus
}

/// What the administrator asked for; weir only reads the status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["clusterID"]))]
pub struct ClusterVersionSpec {
    /// Id of the cluster, a UUID.
    #[serde(default, rename = "clusterID", skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// The release to move to; absent means the one that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "update")]
    pub desired_update: Option<Value>,
    /// Server that is asked for updates; absent means the release's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Channel whose updates are offered, e.g. `stable-5.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Parts of the release that are installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "capabilities")]
    pub capabilities: Option<Value>,
    /// Where signatures of releases are looked for instead of at the release's places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "signature_stores", extend("x-gate" = SIGNATURE_STORES))]
    pub signature_stores: Option<Value>,
    /// Objects of the release that are not kept as it has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "overrides")]
    pub overrides: Option<Value>,
    /// The rest of the spec.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// What the cluster version operator reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["availableUpdates", "desired", "observedGeneration", "versionHash"]))]
pub struct ClusterVersionStatus {
    /// The release to reach.
    #[serde(default)]
    pub desired: Release,
    /// Releases applied so far, newest first.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub history: Vec<UpdateHistory>,
    /// Generation this status speaks of.
    #[serde(default)]
    pub observed_generation: i64,
    /// Fingerprint of what is applied; empty where nobody computes one.
    #[serde(default)]
    pub version_hash: String,
    /// Parts of the release that there are and that are installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "capabilities_found")]
    pub capabilities: Option<Value>,
    /// `Available`, `Progressing`, `Failing`, `Upgradeable` and others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<OperatorCondition>>,
    /// Releases that can be moved to; null while nobody knows.
    #[serde(default)]
    #[schemars(extend("nullable" = true, "x-kubernetes-list-type" = "atomic"))]
    pub available_updates: Option<Vec<Release>>,
    /// Releases that can be moved to, with what speaks against them. Any content is kept: no field is described here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "open_list")]
    pub conditional_updates: Option<Value>,
    /// What speaks against releases, once for all of them. Any content is kept: no field is described here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "open_list", extend("x-gate" = CLUSTER_UPDATE_ACCEPT_RISKS))]
    pub conditional_update_risks: Option<Value>,
    /// The rest of the status.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A release by version and pull spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["image", "version"]))]
pub struct Release {
    /// Version, e.g. `5.0.1`.
    #[serde(default)]
    pub version: String,
    /// Pull spec of the release image.
    #[serde(default)]
    pub image: String,
    /// `Multi`, or empty for a release of one architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ARCHITECTURES))]
    pub architecture: Option<String>,
    /// Channels that the release is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub channels: Option<Vec<String>>,
    /// Where more is said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The rest.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// One entry of the update history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["completionTime", "image", "startedTime", "state", "verified"]))]
pub struct UpdateHistory {
    /// `Completed` or `Partial`.
    #[serde(default)]
    pub state: String,
    /// Version of the release.
    #[serde(default)]
    pub version: String,
    /// Pull spec of the release image.
    #[serde(default)]
    pub image: String,
    /// When the update to it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub started_time: Option<Time>,
    /// When it was complete, or another one took its place; null until then.
    #[serde(default)]
    #[schemars(schema_with = "nullable_date_time")]
    pub completion_time: Option<Time>,
    /// Whether somebody trusted has signed it.
    #[serde(default)]
    pub verified: bool,
    /// Risks that were accepted for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_risks: Option<String>,
    /// The rest.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

const ARCHITECTURES: [&str; 2] = ["Multi", ""];
/// Optional parts of a release.
const CAPABILITIES: [&str; 17] = [
    "openshift-samples",
    "baremetal",
    "marketplace",
    "Console",
    "Insights",
    "Storage",
    "CSISnapshot",
    "NodeTuning",
    "MachineAPI",
    "Build",
    "DeploymentConfig",
    "ImageRegistry",
    "OperatorLifecycleManager",
    "CloudCredential",
    "Ingress",
    "CloudControllerManager",
    "OperatorLifecycleManagerV1",
];
/// Those that are in technical preview.
const CAPABILITIES_IN_PREVIEW: [&str; 2] = ["CompatibilityRequirements", "ClusterAPI"];
/// Sets of parts: those of a release, none, or those of the release that runs.
const BASELINES: [&str; 10] =
    ["None", "v4.11", "v4.12", "v4.13", "v4.14", "v4.15", "v4.16", "v4.17", "v4.18", "vCurrent"];

const MARKETPLACE: Rule = rule(
    "has(self.spec.capabilities) && has(self.spec.capabilities.additionalEnabledCapabilities) && self.spec.capabilities.baselineCapabilitySet == 'None' && 'marketplace' in self.spec.capabilities.additionalEnabledCapabilities ? 'OperatorLifecycleManager' in self.spec.capabilities.additionalEnabledCapabilities || (has(self.status) && has(self.status.capabilities) && has(self.status.capabilities.enabledCapabilities) && 'OperatorLifecycleManager' in self.status.capabilities.enabledCapabilities) : true",
    "the `marketplace` capability requires the `OperatorLifecycleManager` capability, which is neither explicitly or \
     implicitly enabled in this cluster, please enable the `OperatorLifecycleManager` capability",
);
const CLUSTER_API: Rule = rule(
    "has(self.spec.capabilities) && has(self.spec.capabilities.additionalEnabledCapabilities) && 'ClusterAPI' in self.spec.capabilities.additionalEnabledCapabilities ? 'CompatibilityRequirements' in self.spec.capabilities.additionalEnabledCapabilities || (has(self.status) && has(self.status.capabilities) && has(self.status.capabilities.enabledCapabilities) && 'CompatibilityRequirements' in self.status.capabilities.enabledCapabilities) : true",
    "the `ClusterAPI` capability requires the `CompatibilityRequirements` capability, which is neither explicitly or \
     implicitly enabled in this cluster, please enable the `CompatibilityRequirements` capability",
);
const UPDATE_RULES: [Rule; 2] = [
    rule(
        r#"has(self.architecture) && has(self.image) ? (self.architecture == "" || self.image == "") : true"#,
        "cannot set both Architecture and Image",
    ),
    rule(
        r#"has(self.architecture) && self.architecture != "" ? self.version != "" : true"#,
        "Version must be set if Architecture is set",
    ),
];
const STORE_URL: Rule = rule("isURL(self)", "url must be a valid absolute URL");

fn update(_: &mut SchemaGenerator) -> Schema {
    let risk = json!({ "type": "string", "minLength": 1, "maxLength": 256, "description": "Name of the risk." });
    json_schema!({
        "type": "object",
        "x-kubernetes-validations": UPDATE_RULES,
        "properties": {
            "version": { "type": "string", "description": "Version of the release." },
            "image": { "type": "string", "description": "Pull spec of the release image, for one that is not offered." },
            "architecture": {
                "type": "string", "enum": ARCHITECTURES, "description": "`Multi` to move to nodes of any architecture."
            },
            "force": { "type": "boolean", "description": "Whether to go on without a signature, and against all checks." },
            "acceptRisks": {
                "type": "array", "minItems": 1, "maxItems": 1000, "x-gate": CLUSTER_UPDATE_ACCEPT_RISKS,
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "description": "What may speak against the release.",
                "items": { "type": "object", "required": ["name"], "properties": { "name": risk } }
            }
        }
    })
}

fn parts(description: &str) -> Value {
    let of_preview = [&CAPABILITIES[..], &CAPABILITIES_IN_PREVIEW].concat();
    json!({
        "type": "array",
        "x-kubernetes-list-type": "atomic",
        "description": description,
        "items": {
            "type": "string", "enum": CAPABILITIES,
            "x-with": { CLUSTER_API_MACHINE_MANAGEMENT: { "enum": of_preview } }
        },
    })
}

fn capabilities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "baselineCapabilitySet": {
                "type": "string", "enum": BASELINES, "description": "Parts to begin with; absent means `vCurrent`."
            },
            "additionalEnabledCapabilities": parts("Parts beyond those.")
        }
    })
}

fn capabilities_found(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "enabledCapabilities": parts("Those that are installed."), "knownCapabilities": parts("All of the release.")
        }
    })
}

fn signature_stores(generator: &mut SchemaGenerator) -> Schema {
    let mut ca = named(generator);
    let description = "ConfigMap in `openshift-config` with the authority of the store's certificate.";
    ca.insert("description".to_owned(), description.into());
    json_schema!({
        "type": "array", "maxItems": 32, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["url"],
        "items": {
            "type": "object",
            "required": ["url"],
            "properties": {
                "url": { "type": "string", "description": "The store.", "x-kubernetes-validations": [STORE_URL] },
                "ca": ca
            }
        }
    })
}

fn overrides(_: &mut SchemaGenerator) -> Schema {
    let keys = ["kind", "group", "namespace", "name"];
    json_schema!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys,
        "items": {
            "type": "object",
            "required": [keys[0], keys[1], keys[2], keys[3], "unmanaged"],
            "properties": {
                "group": { "type": "string", "description": "API group of the object, empty for core." },
                "kind": { "type": "string", "description": "Its kind." },
                "name": { "type": "string", "description": "Its name." },
                "namespace": { "type": "string", "description": "Its namespace, empty for cluster scope." },
                "unmanaged": { "type": "boolean", "description": "Whether it is left as it is." }
            }
        }
    })
}

/// Objects of any content.
fn open_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 500,
        "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true }
    })
}
