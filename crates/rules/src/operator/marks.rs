//! Which build the ControllerConfig belongs to.
//!
//! R-MARKS-1 One that weir created on an API server that is not OpenShift carries the build of the running operator, and the
//! release the cluster should run: otherwise the controllers of a newer build would wait for it forever.
//! R-MARKS-2 One that another creator made is never changed: its annotation says which operator manages it.
//!
//! Source: `syncControllerConfig` in `pkg/operator/sync.go` of github.com/openshift/machine-config-operator. R-MARKS-1 is ours.

use crate::view::Annotations;
use serde_json::{Value, json};
use weir_api::{
    ControllerConfig,
    keys::config::{GENERATED_BY_VERSION, RELEASE_IMAGE_VERSION, SEEDED},
};

/// The change to the annotations, as a merge patch; `None` when there is none.
#[must_use]
pub fn marks(config: &ControllerConfig, build: &str, release: &str) -> Option<Value> {
    let held = Annotations::of(&config.metadata);
    if !held.has(SEEDED) {
        return None;
    }
    let is = |key: &str, wanted: &str| held.get(key) == Some(wanted);
    let right = is(GENERATED_BY_VERSION, build) && is(RELEASE_IMAGE_VERSION, release);
    let marks = json!({GENERATED_BY_VERSION: build, RELEASE_IMAGE_VERSION: release});
    (!right).then(|| json!({"metadata": {"annotations": marks}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_weir_made_is_marked_anew() {
        let config = |annotations: Value| -> ControllerConfig {
            serde_json::from_value(json!({"metadata": {"annotations": annotations}, "spec": {}})).unwrap()
        };
        let of = |build: &str, release: &str| {
            config(json!({SEEDED: "v1", GENERATED_BY_VERSION: build, RELEASE_IMAGE_VERSION: release}))
        };
        assert_eq!(marks(&of("v2", "5.0.0"), "v2", "5.0.0"), None);
        for old in [of("v1", "5.0.0"), of("v2", "4.22.0"), config(json!({SEEDED: "v1"}))] {
            let patch = marks(&old, "v2", "5.0.0").unwrap();
            assert_eq!(patch["metadata"]["annotations"][GENERATED_BY_VERSION], "v2");
            assert_eq!(patch["metadata"]["annotations"][RELEASE_IMAGE_VERSION], "5.0.0");
        }
        assert_eq!(marks(&config(json!({GENERATED_BY_VERSION: "v1"})), "v2", "5.0.0"), None);
        assert_eq!(marks(&ControllerConfig::named("machine-config-controller", Default::default()), "v2", "5"), None);
    }
}
