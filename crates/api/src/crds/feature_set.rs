//! Which features a cluster has enabled, as far as the schemas depend on it.

use crate::{feature_gate::Gate, keys::gates};
use std::{fmt, str::FromStr};

/// A named set of feature gates, as in `FeatureGate.spec.featureSet`.
///
/// Source: `config/v1/types_feature.go` and `payload-manifests/featuregates` of github.com/openshift/api.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeatureSet {
    /// What is generally available; the empty name in a `FeatureGate`.
    #[default]
    Default,
    /// What the community distribution switches on.
    Community,
    /// The above and what is in technical preview. A cluster that chose it cannot be updated to a new minor version.
    TechPreviewNoUpgrade,
}

/// Gates that are off in the default sets and on in technical preview, of those that the definitions depend on.
const TECH_PREVIEW: [Gate; 11] = [
    gates::AWS_EUROPEAN_SOVEREIGN_CLOUD_INSTALL,
    gates::CLUSTER_API_MACHINE_MANAGEMENT,
    gates::CLUSTER_UPDATE_ACCEPT_RISKS,
    gates::GOMAXPROCS_INJECTION,
    gates::IMAGE_MODE_STATUS_REPORTING,
    gates::KMS_ENCRYPTION,
    gates::MINIMUM_KUBELET_VERSION,
    gates::NETWORK_OBSERVABILITY_INSTALL,
    gates::SIGNATURE_STORES,
    gates::TLS_ADHERENCE,
    gates::TLS_GROUP_PREFERENCES,
];

impl FeatureSet {
    /// All sets, in the order a help text lists them.
    pub const ALL: [Self; 3] = [Self::Default, Self::Community, Self::TechPreviewNoUpgrade];

    /// Name as in `FeatureGate.spec.featureSet` and in the annotation `release.openshift.io/feature-set`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "Default",
            Self::Community => "OKD",
            Self::TechPreviewNoUpgrade => "TechPreviewNoUpgrade",
        }
    }

    /// Whether a gate that a part of a definition depends on is on in this set.
    pub(crate) fn enables(self, gate: &str) -> bool {
        self == Self::TechPreviewNoUpgrade || !TECH_PREVIEW.iter().any(|one| one.name() == gate)
    }
}

impl fmt::Display for FeatureSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no feature set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown feature set {0:?}: use Default, OKD or TechPreviewNoUpgrade")]
pub struct UnknownFeatureSet(pub String);

impl FromStr for FeatureSet {
    type Err = UnknownFeatureSet;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let name = if name.is_empty() { Self::Default.name() } else { name };
        Self::ALL.into_iter().find(|set| set.name() == name).ok_or_else(|| UnknownFeatureSet(name.to_owned()))
    }
}
