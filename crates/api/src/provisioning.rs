//! `Provisioning` (metal3.io): how bare metal machines get their first operating system. Read only.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

crate::root_kind! {
    /// How bare metal is provisioned. There is one object, named `provisioning-configuration`.
    ///
    /// Source: `api/v1alpha1/provisioning_types.go` of github.com/openshift/cluster-baremetal-operator.
    Provisioning, crate::kind::METAL_GROUP, crate::kind::V1ALPHA1, "provisionings", kube_core::ClusterResourceScope,
    spec: ProvisioningSpec, status: Value
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisioningSpec {
    /// URL of an image that machines boot from; empty where they boot from those of the release.
    #[serde(default, rename = "provisioningOSDownloadURL")]
    pub os_download_url: String,
    /// The rest of the spec.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
