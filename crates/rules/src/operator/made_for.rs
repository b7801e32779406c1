//! Which distribution a cluster was created for: it never changes.

use crate::view::Annotations;
use weir_api::{
    ClusterVersion, FeatureGate,
    keys::config::{DISTRIBUTION, SEEDED},
};
use weir_distro::Profile;

/// The distribution that weir created the cluster for; `None` if weir did not create it.
#[must_use]
pub fn made_for(version: Option<&ClusterVersion>, gates: Option<&FeatureGate>) -> Option<&'static Profile> {
    let marks = Annotations::of(&version?.metadata);
    marks.get(SEEDED)?;
    if let Some(name) = marks.get(DISTRIBUTION) {
        return Profile::by_name(name).ok();
    }
    // Earlier builds did not record it; the FeatureSet that they wrote identifies it.
    let set = gates?.spec.feature_set.as_str();
    Profile::all().iter().find(|profile| profile.sample.feature_set == set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_noted_counts_then_the_feature_set_and_only_what_weir_made() {
        let version = |annotations| -> ClusterVersion {
            serde_json::from_value(json!({"metadata": {"name": "version", "annotations": annotations}})).unwrap()
        };
        let gates = |set: &str| -> FeatureGate {
            serde_json::from_value(json!({"metadata": {"name": "cluster"}, "spec": {"featureSet": set}})).unwrap()
        };
        let of = |annotations, set: &str| {
            made_for(Some(&version(annotations)), Some(&gates(set))).map(|profile| profile.name.clone())
        };
        assert_eq!(of(json!({SEEDED: "v1", DISTRIBUTION: "okd"}), "").as_deref(), Some("okd"));
        assert_eq!(of(json!({SEEDED: "v1"}), "OKD").as_deref(), Some("okd"));
        assert_eq!(of(json!({SEEDED: "v1"}), "").as_deref(), Some("ocp"));
        assert_eq!(of(json!({SEEDED: "v1"}), "TechPreviewNoUpgrade"), None);
        assert_eq!(of(json!({}), "OKD"), None, "an OpenShift's own");
        assert!(made_for(None, None).is_none());
    }
}
