//! `DNS` (config.openshift.io): the cluster's domain. Read only.

use crate::kind::CONFIG_GROUP;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// The cluster's domain and zones. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_dns.go` of github.com/openshift/api.
    DNS, CONFIG_GROUP, "dnses", spec: DNSSpec, status: serde_json::Value
}

/// The domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DNSSpec {
    /// Domain that the names of the cluster's endpoints end in.
    #[serde(default)]
    pub base_domain: String,
    /// The rest of the spec.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
