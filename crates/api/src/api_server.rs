//! `APIServer` (config.openshift.io): how the cluster's API is served. Read only.

use crate::{kind::CONFIG_GROUP, tls::TlsSecurityProfile};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Settings of the API servers. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_apiserver.go` of github.com/openshift/api.
    APIServer, CONFIG_GROUP, "apiservers", spec: APIServerSpec, status: serde_json::Value
}

/// The settings weir reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct APIServerSpec {
    /// TLS of the API servers and of all components without a profile of their own; absent means `Intermediate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_security_profile: Option<TlsSecurityProfile>,
    /// The rest of the spec.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
