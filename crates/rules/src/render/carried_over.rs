//! Whether what was generated from templates still matches the ControllerConfig, where nothing can generate it again.
//!
//! R-TEMPLATES-1 After a takeover (R-TAKE-OVER-3) the other operator's generated MachineConfigs are available, but not its templates.
//! R-TEMPLATES-2 Templates read all of the ControllerConfig but certificates and logins that daemons take from it directly.
//! R-TEMPLATES-3 While the generated MachineConfigs match it, a hash of what templates read is recorded on it.
//! R-TEMPLATES-4 A ControllerConfig that changed, but in nothing that templates read, is completed: there is nothing to generate.
//! R-TEMPLATES-5 If something that they read changed, it is left incomplete, and pools wait: only the other operator can generate again.
//!
//! Source: `templates/` and `pkg/controller/template/status.go` of github.com/openshift/machine-config-operator. Completing
//! it in place of the template controller is ours.

use crate::render::components::complete;
use crate::view::Annotations;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use std::fmt::Write as _;
use weir_api::{
    ControllerConfig,
    condition::is_true,
    keys::{config::GENERATED_FROM, controller_config::COMPLETED, names::CONTROLLER_CONFIG},
};

/// Fields that daemons write to nodes directly (R-TEMPLATES-2).
const FOR_DAEMONS: [&str; 6] = [
    "kubeAPIServerServingCAData",
    "rootCAData",
    "imageRegistryBundleData",
    "imageRegistryBundleUserData",
    "internalRegistryPullSecret",
    "cloudProviderCAData",
];

/// What to write, as merge patches.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// To the object: the hash of what templates read.
    Note(Value),
    /// To its status: it is completed.
    Complete(Value),
}

/// Why generated MachineConfigs no longer match the ControllerConfig.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "ControllerConfig {CONTROLLER_CONFIG} has changed in what MachineConfigs are generated from, and weir does not generate \
     them yet: pools keep what they have until the operator it was taken over from has done it (scale weir to 0 and that one \
     up; take over again after it)"
)]
pub struct Outdated;

/// What to write to a ControllerConfig, if anything.
///
/// # Errors
/// When only the other operator can help (R-TEMPLATES-5).
pub fn mark(config: &ControllerConfig) -> Result<Option<Mark>, Outdated> {
    let read = hash(config);
    let noted = Annotations::of(&config.metadata).get(GENERATED_FROM);
    if complete(Some(config)).is_ok() {
        let note = json!({"metadata": {"annotations": {GENERATED_FROM: read}}});
        return Ok((noted != Some(read.as_str())).then_some(Mark::Note(note)));
    }
    let conditions = config.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let was_complete = is_true(conditions, COMPLETED);
    match noted {
        Some(noted) if noted == read && was_complete => {
            Ok(Some(Mark::Complete(json!({"status": {"observedGeneration": config.metadata.generation}}))))
        }
        _ => Err(Outdated),
    }
}

/// Hash of what templates read.
fn hash(config: &ControllerConfig) -> String {
    let mut spec = serde_json::to_value(&config.spec).unwrap_or_default();
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|field, value| !FOR_DAEMONS.contains(&field.as_str()) && !value.is_null());
    }
    let mut text = String::new();
    for byte in Md5::digest(spec.to_string()) {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(generation: i64, observed: i64, proxy: &str, ca: &str, noted: Option<&str>) -> ControllerConfig {
        let annotations = noted.map(|noted| json!({GENERATED_FROM: noted}));
        serde_json::from_value(json!({
            "metadata": {"name": CONTROLLER_CONFIG, "generation": generation, "annotations": annotations},
            "spec": {"proxy": {"httpProxy": proxy}, "kubeAPIServerServingCAData": ca, "images": {}},
            "status": {
                "observedGeneration": observed,
                "conditions": [{"type": "TemplateControllerCompleted", "status": "True"}],
            },
        }))
        .unwrap()
    }

    fn noted(config: &ControllerConfig) -> String {
        match mark(config) {
            Ok(Some(Mark::Note(patch))) => {
                patch["metadata"]["annotations"][GENERATED_FROM].as_str().unwrap().to_owned()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_templates_read_is_noted_while_it_is_complete() {
        let hash = noted(&config(1, 1, "p", "YQ==", None));
        assert_eq!(mark(&config(1, 1, "p", "YQ==", Some(&hash))), Ok(None));
        assert_eq!(noted(&config(1, 1, "p", "YQ==", Some("older"))), hash);
        assert_eq!(noted(&config(1, 1, "p", "Yg==", None)), hash);
        assert_ne!(noted(&config(1, 1, "q", "YQ==", None)), hash);
    }

    #[test]
    fn certificates_complete_it_and_what_templates_read_does_not() {
        let hash = noted(&config(1, 1, "p", "YQ==", None));
        let complete = Mark::Complete(json!({"status": {"observedGeneration": 2}}));
        assert_eq!(mark(&config(2, 1, "p", "Yg==", Some(&hash))), Ok(Some(complete)));
        assert_eq!(mark(&config(2, 1, "q", "YQ==", Some(&hash))), Err(Outdated));
        assert_eq!(mark(&config(2, 1, "p", "YQ==", None)), Err(Outdated));
        let mut failing = config(2, 1, "p", "YQ==", Some(&hash));
        failing.status.as_mut().unwrap().conditions.clear();
        assert_eq!(mark(&failing), Err(Outdated));
    }
}
