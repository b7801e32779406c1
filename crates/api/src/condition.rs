//! The condition shape shared by our kinds.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

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

/// The `type` of a condition that weir reads or writes: which aspect of an object it speaks of, e.g. `Updated`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ConditionType(&'static str);

impl ConditionType {
    /// The type of this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Its name, in CamelCase.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// The `status` of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known whether it holds.
    Unknown,
}

/// It holds.
pub const TRUE: ConditionStatus = ConditionStatus::True;
/// It does not hold.
pub const FALSE: ConditionStatus = ConditionStatus::False;
/// It is not known whether it holds.
pub const UNKNOWN: ConditionStatus = ConditionStatus::Unknown;

impl ConditionStatus {
    /// How it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// Values with a name, compared with the text of an object.
macro_rules! named {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.name().to_owned()
            }
        }

        impl PartialEq<$type> for String {
            fn eq(&self, other: &$type) -> bool {
                self == other.name()
            }
        }

        impl PartialEq<$type> for str {
            fn eq(&self, other: &$type) -> bool {
                self == other.name()
            }
        }
    )*};
}

named!(ConditionType, ConditionStatus);

/// What all condition shapes have in common.
pub trait Typed {
    /// Type of the condition.
    fn type_(&self) -> &str;
    /// `True`, `False` or `Unknown`.
    fn status(&self) -> &str;

    /// Whether it is of this type and has this status.
    fn says(&self, type_: ConditionType, status: ConditionStatus) -> bool {
        *self.type_() == type_ && *self.status() == status
    }
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
pub fn find<C: Typed>(conditions: &[C], type_: ConditionType) -> Option<&C> {
    conditions.iter().find(|condition| *condition.type_() == type_)
}

/// The first condition of this type, if it is `True`.
#[must_use]
pub fn find_true<C: Typed>(conditions: &[C], type_: ConditionType) -> Option<&C> {
    find(conditions, type_).filter(|condition| *condition.status() == TRUE)
}

/// Whether the first condition of this type is `True`.
#[must_use]
pub fn is_true<C: Typed>(conditions: &[C], type_: ConditionType) -> bool {
    find_true(conditions, type_).is_some()
}
