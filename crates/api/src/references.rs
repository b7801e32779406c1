//! References to other objects, as the kinds of image mode and `MachineConfigNode` make them.

use crate::schema::{namespace, nonempty_subdomain, resource, subdomain};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// An object by its name; what kind it is of is said by the field.
///
/// Source: `MCOObjectReference` in `machineconfiguration/v1/types_machineconfignode.go` of github.com/openshift/api.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["name"]))]
pub struct NameReference {
    /// Name of the object, an RFC 1123 subdomain.
    #[serde(default)]
    #[schemars(schema_with = "subdomain")]
    pub name: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

impl NameReference {
    /// A reference to the object of this name.
    #[must_use]
    pub fn to(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// An object of any kind.
///
/// Source: `ObjectReference` in `machineconfiguration/v1/types_machineosbuild.go` of github.com/openshift/api.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["group", "resource", "name"]))]
pub struct ResourceReference {
    /// API group of the object, an RFC 1123 subdomain.
    #[serde(default)]
    #[schemars(schema_with = "subdomain")]
    pub group: String,
    /// Plural name of its kind, in lower case.
    #[serde(default)]
    #[schemars(schema_with = "resource")]
    pub resource: String,
    /// Namespace of the object; absent for cluster scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "namespace")]
    pub namespace: Option<String>,
    /// Name of the object, an RFC 1123 subdomain.
    #[serde(default)]
    #[schemars(schema_with = "nonempty_subdomain")]
    pub name: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// A ConfigMap by its name, in a namespace that is said by the field.
///
/// Source: `ConfigMapNameReference` in `config/v1/types.go` of github.com/openshift/api.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["name"]))]
pub struct ConfigMapReference {
    /// Name of the ConfigMap; empty when there is none.
    #[serde(default)]
    pub name: String,
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}
