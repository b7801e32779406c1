//! The condition shape shared by our kinds.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One condition of an object's status. `reason` and `message` are always written, empty strings included.
///
/// Source: `machineconfiguration/v1/types.go` of github.com/openshift/api.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect this speaks of, e.g. `Updated`.
    #[serde(rename = "type", default)]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    #[serde(default)]
    pub status: String,
    /// When `status` last changed its value.
    #[serde(default)]
    #[schemars(schema_with = "crate::schema::nullable_date_time")]
    pub last_transition_time: Option<Time>,
    /// A word for machines.
    #[serde(default)]
    pub reason: String,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A condition of meta/v1, as the newer kinds have it: nothing is optional but the generation.
///
/// Source: `Condition` in `pkg/apis/meta/v1/types.go` of github.com/kubernetes/apimachinery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["lastTransitionTime", "message", "reason", "status", "type"]))]
pub struct MetaCondition {
    /// Which aspect this speaks of, in CamelCase.
    #[serde(rename = "type", default)]
    #[schemars(length(max = 316), extend("pattern" = TYPE_PATTERN))]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    #[serde(default)]
    #[schemars(extend("enum" = [TRUE, FALSE, UNKNOWN]))]
    pub status: String,
    /// Generation of the object this speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// When `status` last changed its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::date_time")]
    pub last_transition_time: Option<Time>,
    /// A word for machines; never empty.
    #[serde(default)]
    #[schemars(length(min = 1, max = 1024), extend("pattern" = REASON_PATTERN))]
    pub reason: String,
    /// A sentence for people.
    #[serde(default)]
    #[schemars(length(max = 32768))]
    pub message: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A CamelCase word, with or without a domain before it.
const TYPE_PATTERN: &str =
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";
const REASON_PATTERN: &str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";

/// `status` of a condition that holds.
pub const TRUE: &str = "True";
/// `status` of a condition that does not hold.
pub const FALSE: &str = "False";
/// `status` of a condition that cannot be told.
pub const UNKNOWN: &str = "Unknown";

/// What both condition shapes have in common.
pub trait Typed {
    /// Type of the condition.
    fn type_(&self) -> &str;
    /// `True`, `False` or `Unknown`.
    fn status(&self) -> &str;
}

impl Typed for Condition {
    fn type_(&self) -> &str {
        &self.type_
    }
    fn status(&self) -> &str {
        &self.status
    }
}

impl Typed for MetaCondition {
    fn type_(&self) -> &str {
        &self.type_
    }
    fn status(&self) -> &str {
        &self.status
    }
}

/// The first condition of this type.
#[must_use]
pub fn find<'a, C: Typed>(conditions: &'a [C], type_: &str) -> Option<&'a C> {
    conditions.iter().find(|condition| condition.type_() == type_)
}

/// Whether the first condition of this type is `True`.
#[must_use]
pub fn is_true<C: Typed>(conditions: &[C], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status() == TRUE)
}
