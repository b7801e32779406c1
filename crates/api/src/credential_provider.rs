//! `CRIOCredentialProviderConfig` (config.openshift.io): which images pods pull with credentials of their namespace.

use crate::{condition::MetaCondition, kind::CONFIG_GROUP};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::cluster_kind! {
    /// Images for which CRI-O's credential provider is asked. There is one object, named `cluster`.
    ///
    /// Source: `config/v1/types_crio_credential_provider_config.go` of github.com/openshift/api.
    CRIOCredentialProviderConfig, CONFIG_GROUP, "criocredentialproviderconfigs",
    spec: CredentialProviderSpec, status: CredentialProviderStatus
}

/// The images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialProviderSpec {
    /// Hosts with or without port and path; `*` stands for a part of a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_images: Option<Vec<String>>,
    /// The rest of the spec.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialProviderStatus {
    /// `Validated` and `MachineConfigRendered`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<MetaCondition>>,
    /// The rest of the status.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
