//! OpenShift's kinds that weir only reads, for a cluster that lacks them.
//!
//! On OpenShift they exist already and must not be replaced. The definitions here have the validation of the public API for
//! every field that our types know or that a user edits. Fields that are not described yet accept any content, and say so.
//! `ImageStream` accepts any content: on OpenShift it has no definition, an API server of its own serves it.
//!
//! Source of names and columns: `config/v1`, `operator/v1alpha1` and `image/v1` of github.com/openshift/api.

use super::{
    FeatureSet,
    definition::{Column, Definition, column},
};
use crate::{
    APIServer, CRIOCredentialProviderConfig, ClusterImagePolicy, ClusterOperator, ClusterVersion, DNS, FeatureGate,
    Image, ImageContentSourcePolicy, ImageDigestMirrorSet, ImagePolicy, ImageStream, ImageTagMirrorSet, Infrastructure,
    Network, NodeConfig, Proxy, Scheduler,
};
use serde_json::Value;

const CLUSTER_VERSION_COLUMNS: &[Column] = &[
    column("Version", "string", ".status.history[?(@.state==\"Completed\")].version"),
    column("Available", "string", ".status.conditions[?(@.type==\"Available\")].status"),
    column("Progressing", "string", ".status.conditions[?(@.type==\"Progressing\")].status"),
    column("Since", "date", ".status.conditions[?(@.type==\"Progressing\")].lastTransitionTime"),
    column("Status", "string", ".status.conditions[?(@.type==\"Progressing\")].message"),
];

const CLUSTER_OPERATOR_COLUMNS: &[Column] = &[
    column("Version", "string", ".status.versions[?(@.name==\"operator\")].version"),
    column("Available", "string", ".status.conditions[?(@.type==\"Available\")].status"),
    column("Progressing", "string", ".status.conditions[?(@.type==\"Progressing\")].status"),
    column("Degraded", "string", ".status.conditions[?(@.type==\"Degraded\")].status"),
    column("Since", "date", ".status.conditions[?(@.type==\"Available\")].lastTransitionTime"),
];

fn definitions() -> Vec<Definition> {
    vec![
        Definition::of::<APIServer>(),
        Definition::of::<CRIOCredentialProviderConfig>(),
        Definition::of::<ClusterImagePolicy>(),
        Definition::of::<ClusterOperator>().short(&["co"]).columns(CLUSTER_OPERATOR_COLUMNS),
        Definition::of::<ClusterVersion>().columns(CLUSTER_VERSION_COLUMNS),
        Definition::of::<DNS>(),
        Definition::of::<FeatureGate>(),
        Definition::of::<Image>(),
        Definition::of::<ImageContentSourcePolicy>().without_status(),
        Definition::of::<ImageDigestMirrorSet>().short(&["idms"]),
        Definition::of::<ImagePolicy>(),
        Definition::open::<ImageStream>().short(&["is"]),
        Definition::of::<ImageTagMirrorSet>().short(&["itms"]),
        Definition::of::<Infrastructure>(),
        Definition::of::<Network>().without_subresource(),
        Definition::of::<NodeConfig>(),
        Definition::of::<Proxy>(),
        Definition::of::<Scheduler>(),
    ]
}

/// Definitions of the OpenShift kinds that weir reads, for a feature set.
#[must_use]
pub fn foreign(set: FeatureSet) -> Vec<Value> {
    definitions().into_iter().map(|definition| definition.into_crd(set)).collect()
}
