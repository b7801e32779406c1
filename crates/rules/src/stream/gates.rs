//! Which feature gates are on.
//!
//! R-GATES-1 The FeatureGate's status has a list of gates for every release version in use; ours counts. Controllers that
//! do not know their release version use that of the version the cluster should run.
//! R-GATES-2 A gate in both lists is on; one in neither is off.
//! R-GATES-3 Without a list for our version nothing is known yet, and nothing is assumed.
//! R-GATES-4 Two lists are equal when they enable the same gates, in any order.
//!
//! Source: `pkg/controller/common/featuregates.go` of github.com/openshift/machine-config-operator.

use std::collections::BTreeSet;
use weir_api::{
    ClusterVersion, FeatureGate,
    feature_gate::{FeatureGateDetails, Gate},
};

/// The gates that are on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    on: BTreeSet<String>,
}

/// Why the gates are unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatesError {
    /// There is no FeatureGate.
    #[error("featuregates.config.openshift.io \"cluster\" not found; it comes with the cluster")]
    NoObject,
    /// Neither the build nor the cluster gives the version.
    #[error("unable to determine features: neither this build nor ClusterVersion says which release is to run")]
    NoVersion,
    /// R-GATES-3.
    #[error(
        "unable to determine features: missing desired version {version:?} in featuregates.config.openshift.io/cluster"
    )]
    NoEntry {
        /// The version that was looked for.
        version: String,
    },
}

impl Gates {
    /// Those that are on in a list.
    #[must_use]
    pub fn of(list: &FeatureGateDetails) -> Self {
        Self { on: list.enabled.iter().map(|gate| gate.name.clone()).collect() }
    }

    /// Whether the gate is on.
    #[must_use]
    pub fn is_on(&self, gate: Gate) -> bool {
        self.on.contains(gate.name())
    }
}

/// Reads the gates for a release version; `None` when the build does not know its own.
///
/// # Errors
/// When they are unknown (R-GATES-3).
pub fn gates(
    object: Option<&FeatureGate>,
    version: Option<&str>,
    cluster: Option<&ClusterVersion>,
) -> Result<Gates, GatesError> {
    gate_list(object, version, cluster).map(Gates::of)
}

/// The list of gates for a release version; `None` when the build does not know its own.
///
/// # Errors
/// When there is none (R-GATES-3).
pub fn gate_list<'a>(
    object: Option<&'a FeatureGate>,
    version: Option<&str>,
    cluster: Option<&ClusterVersion>,
) -> Result<&'a FeatureGateDetails, GatesError> {
    let object = object.ok_or(GatesError::NoObject)?;
    let version = version.or_else(|| running(cluster?)).ok_or(GatesError::NoVersion)?;
    let lists = object.status.iter().flat_map(|s| &s.feature_gates).find(|list| list.version == version);
    lists.ok_or_else(|| GatesError::NoEntry { version: version.to_owned() })
}

/// Version that the cluster should run.
#[must_use]
pub fn running(cluster: &ClusterVersion) -> Option<&str> {
    let status = cluster.status.as_ref()?;
    let newest = status.history.first().map(|update| update.version.as_str());
    Some(status.desired.version.as_str()).filter(|v| !v.is_empty()).or(newest).filter(|v| !v.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn feature_gate() -> FeatureGate {
        serde_json::from_value(json!({"metadata": {"name": "cluster"}, "status": {"featureGates": [
            {"version": "5.0.1", "enabled": [{"name": "B"}, {"name": "A"}], "disabled": [{"name": "A"}, {"name": "C"}]},
            {"version": "5.0.0", "disabled": [{"name": "A"}]},
        ]}}))
        .unwrap()
    }

    #[test]
    fn the_list_of_our_version_counts() {
        let object = feature_gate();
        let on = |version| gates(Some(&object), Some(version), None).unwrap();
        let now = on("5.0.1");
        assert_eq!(["A", "B", "C", "D"].map(|gate| now.is_on(Gate::new(gate))), [true, true, false, false]);
        assert!(!on("5.0.0").is_on(Gate::new("A")));
        assert!(matches!(gates(Some(&object), Some("5.1.0"), None), Err(GatesError::NoEntry { .. })));
        assert_eq!(gates(None, Some("5.0.1"), None), Err(GatesError::NoObject));
    }

    #[test]
    fn a_build_without_version_asks_the_cluster() {
        let object = feature_gate();
        let cluster = |status| -> ClusterVersion { serde_json::from_value(json!({"status": status})).unwrap() };
        let desired = cluster(json!({"desired": {"version": "5.0.1", "image": "x"}}));
        assert!(gates(Some(&object), None, Some(&desired)).unwrap().is_on(Gate::new("B")));
        let history = cluster(json!({"history": [{"version": "5.0.0", "state": "Partial"}]}));
        assert!(!gates(Some(&object), None, Some(&history)).unwrap().is_on(Gate::new("B")));
        assert_eq!(gates(Some(&object), None, None), Err(GatesError::NoVersion));
    }
}
