//! Which MachineConfigs a pool is rendered from, and whether it may be rendered now.
//!
//! R-COMPONENTS-1 A pool whose empty selector selects every MachineConfig is not rendered, and its user is told.
//! R-COMPONENTS-2 The ControllerConfig must exist and be complete: its present generation observed, templates
//! completed, neither running nor failing. Until then pools wait without failing.
//! R-COMPONENTS-3 Each ContainerRuntimeConfig and then each KubeletConfig that selects the pool must have its present generation
//! observed, and have been accepted. Others have no say in the pool.
//! R-COMPONENTS-4 The MachineConfigs that the selector matches, by name. An absent selector matches nothing, which is an error.
//! R-COMPONENTS-5 Where weir generates, pools wait until what is generated was decided with the present FeatureGate: gates change the OS
//! image and what is generated, and that is one change.
//!
//! Source: `pkg/controller/render/render_controller.go` and `pkg/apihelpers/apihelpers.go` of
//! github.com/openshift/machine-config-operator.

use crate::objects::selector::{Labels, Selector, SelectorError, selects};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::borrow::Borrow;
use weir_api::{
    Condition, ContainerRuntimeConfig, ControllerConfig, KubeletConfig, MachineConfig, MachineConfigPool,
    condition::{TRUE, is_true},
    keys::{
        controller_config::{COMPLETED, FAILING, RUNNING},
        generated::{ACCEPTED, SUCCESS},
        names,
    },
};

/// Why a pool is not rendered now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRendered {
    /// R-COMPONENTS-1.
    #[error("This machineconfigpool is selecting all machineconfigs. A non-empty selector is required.")]
    SelectingAll,
    /// R-COMPONENTS-2; the ControllerConfig is written before it is complete, so waiting helps.
    #[error("{0}")]
    NotComplete(String),
    /// The selector is invalid.
    #[error("spec.machineConfigSelector is invalid: {0}")]
    Selector(#[from] SelectorError),
    /// R-COMPONENTS-3; what is written to the object, or is wrong with it, its status says.
    #[error("{why}")]
    SettingsNotComplete {
        /// Why.
        why: String,
        /// Kind and name of the settings; absent where it is not about single ones.
        object: Option<(&'static str, String)>,
    },
    /// R-COMPONENTS-4.
    #[error("no MachineConfigs found matching selector {0}")]
    Nothing(String),
}

impl NotRendered {
    pub(crate) fn no_controller_config() -> Self {
        Self::NotComplete(format!("ControllerConfig {} does not exist yet", names::CONTROLLER_CONFIG))
    }

    /// Whether the pool is degraded because of it.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Selector(_) | Self::Nothing(_))
    }

    /// The reason, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::SelectingAll => "SelectingAll",
            Self::NotComplete(_) => "ControllerConfigNotComplete",
            Self::SettingsNotComplete { .. } => "SettingsNotComplete",
            Self::Selector(_) => "InvalidMachineConfigSelector",
            Self::Nothing(_) => "NoMachineConfigs",
        }
    }
}

/// The MachineConfigs a pool is rendered from, in the order given, which should be by name. `ready` is [`complete`] of
/// the ControllerConfig, or `Ok` when not waiting for it.
///
/// # Errors
/// When the pool cannot be rendered now.
pub fn components<'a, C: Borrow<MachineConfig>>(
    pool: &MachineConfigPool,
    ready: Result<(), NotRendered>,
    configs: impl IntoIterator<Item = &'a C>,
) -> Result<Vec<&'a C>, NotRendered> {
    let selector = Selector::parse(pool.spec.machine_config_selector.as_ref())?;
    if selector.is_everything() {
        return Err(NotRendered::SelectingAll);
    }
    ready?;
    static NO_LABELS: Labels = Labels::new();
    let labels = |config: &'a C| config.borrow().metadata.labels.as_ref().unwrap_or(&NO_LABELS);
    let found: Vec<_> = configs.into_iter().filter(|config| selector.matches(labels(config))).collect();
    if found.is_empty() { Err(NotRendered::Nothing(selector.to_string())) } else { Ok(found) }
}

/// Whether the settings that select the pool are generated (R-COMPONENTS-3).
///
/// # Errors
/// The first that is not.
pub fn settled<'a>(
    pool: &MachineConfigPool,
    runtimes: impl IntoIterator<Item = &'a ContainerRuntimeConfig>,
    kubelets: impl IntoIterator<Item = &'a KubeletConfig>,
) -> Result<(), NotRendered> {
    let one =
        |kind: &'static str, metadata: &ObjectMeta, selector, (observed, last): (Option<i64>, Option<&Condition>)| {
            if !selects(selector, &pool.metadata)? {
                return Ok(());
            }
            let (name, generation) =
                (metadata.name.as_deref().unwrap_or_default(), metadata.generation.unwrap_or_default());
            let observed = observed.unwrap_or_default();
            if observed != generation {
                let why =
                    format!("status for {kind} {name} is being reported for {observed}, expecting it for {generation}");
                return Err(NotRendered::SettingsNotComplete { why, object: Some((kind, name.to_owned())) });
            }
            let is_accepted =
                last.is_some_and(|last| last.type_ == SUCCESS || (last.type_ == ACCEPTED && last.status == TRUE));
            let why = last.map_or_else(String::new, |last| format!(": {}", last.message));
            let not = || {
                let why = format!("{kind} {name} has not completed{why}");
                NotRendered::SettingsNotComplete { why, object: Some((kind, name.to_owned())) }
            };
            if is_accepted { Ok(()) } else { Err(not()) }
        };
    for config in runtimes {
        let status = config.status.as_ref();
        let last = status.and_then(|status| status.conditions.as_deref()?.last());
        let observed = status.and_then(|status| status.observed_generation);
        let selector = config.spec.machine_config_pool_selector.as_ref();
        one("ContainerRuntimeConfig", &config.metadata, selector, (observed, last))?;
    }
    for config in kubelets {
        let status = config.status.as_ref();
        let last = status.and_then(|status| status.conditions.as_deref()?.last());
        let observed = status.and_then(|status| status.observed_generation);
        let selector = config.spec.machine_config_pool_selector.as_ref();
        one("KubeletConfig", &config.metadata, selector, (observed, last))?;
    }
    Ok(())
}

/// Whether what is generated was decided with the present FeatureGate (R-COMPONENTS-5): its version, and that of the one it was decided
/// with.
///
/// # Errors
/// When it was not.
pub fn of_present_gates(present: Option<&str>, decided_with: Option<&str>) -> Result<(), NotRendered> {
    if present == decided_with {
        return Ok(());
    }
    let why = "MachineConfigs are being generated for the present FeatureGate".to_owned();
    Err(NotRendered::SettingsNotComplete { why, object: None })
}

/// Whether what is generated matches the current ControllerConfig.
///
/// # Errors
/// When it does not yet (R-COMPONENTS-2).
pub fn complete(controller_config: Option<&ControllerConfig>) -> Result<(), NotRendered> {
    let name = names::CONTROLLER_CONFIG;
    let object = controller_config.ok_or_else(NotRendered::no_controller_config)?;
    let generation = object.metadata.generation.unwrap_or_default();
    let observed = object.status.as_ref().and_then(|s| s.observed_generation).unwrap_or_default();
    if generation != observed {
        let text = format!(
            "status for ControllerConfig {name} is being reported for {observed}, expecting it for {generation}"
        );
        return Err(NotRendered::NotComplete(text));
    }
    let conditions = object.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let [completed, running, failing] = [COMPLETED, RUNNING, FAILING].map(|type_| is_true(conditions, type_));
    if completed && !running && !failing {
        return Ok(());
    }
    let text =
        format!("ControllerConfig has not completed: completed({completed}) running({running}) failing({failing})");
    Err(NotRendered::NotComplete(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn pools_wait_until_everything_is_generated_for_the_present_gates() {
        for (present, decided_with, waits) in
            [(Some("7"), Some("7"), false), (Some("8"), Some("7"), true), (Some("7"), None, true), (None, None, false)]
        {
            assert_eq!(of_present_gates(present, decided_with).is_err(), waits, "{present:?} {decided_with:?}");
        }
        let waiting = of_present_gates(Some("8"), None).unwrap_err();
        assert_eq!((waiting.code(), waiting.is_failure()), ("SettingsNotComplete", false));
    }

    fn found(selector: Value, controller_config: Option<Value>) -> Result<Vec<String>, NotRendered> {
        let pool = serde_json::from_value(json!({"spec": {"machineConfigSelector": selector}})).unwrap();
        let config = |name: &str, role: &str| -> MachineConfig {
            serde_json::from_value(json!({"metadata": {"name": name, "labels": {"role": role}}})).unwrap()
        };
        let bare = MachineConfig::named("bare", Default::default());
        let configs = [config("00-worker", "worker"), bare, config("50-infra", "infra")];
        let controller_config = controller_config.map(|c| serde_json::from_value(c).unwrap());
        let found = components(&pool, complete(controller_config.as_ref()), &configs)?;
        Ok(found.into_iter().map(|c| c.metadata.name.clone().unwrap()).collect())
    }

    fn controller_config(generation: i64, conditions: &[(&str, &str)]) -> Option<Value> {
        let conditions: Vec<_> = conditions.iter().map(|(t, s)| json!({"type": t, "status": s})).collect();
        Some(json!({
            "metadata": {"generation": generation}, "status": {"observedGeneration": 2, "conditions": conditions},
        }))
    }

    const COMPLETED: (&str, &str) = ("TemplateControllerCompleted", "True");

    #[test]
    fn settings_that_select_the_pool_are_waited_for_and_others_are_not() {
        let pool =
            serde_json::from_value(json!({"metadata": {"name": "p", "labels": {"pool": "p"}}, "spec": {}})).unwrap();
        let kubelet = |selects: &str, generation: i64, observed: i64, last: Value| -> KubeletConfig {
            serde_json::from_value(json!({
                "metadata": {"name": "k", "generation": generation},
                "spec": {"machineConfigPoolSelector": {"matchLabels": {"pool": selects}}},
                "status": {"observedGeneration": observed, "conditions": [last]},
            }))
            .unwrap()
        };
        let accepted = || json!({"type": "Success", "status": "True", "message": "Success"});
        let refused = || json!({"type": "Failure", "status": "True", "message": "Error: no"});
        let of = |kubelet: KubeletConfig| settled(&pool, [], [&kubelet]).map_err(|error| error.to_string());
        assert_eq!(of(kubelet("p", 1, 1, accepted())), Ok(()));
        assert_eq!(of(kubelet("other", 2, 1, refused())), Ok(()), "it has no say in the pool");
        let text = "status for KubeletConfig k is being reported for 1, expecting it for 2";
        assert_eq!(of(kubelet("p", 2, 1, accepted())).unwrap_err(), text);
        assert_eq!(of(kubelet("p", 1, 1, refused())).unwrap_err(), "KubeletConfig k has not completed: Error: no");
        let runtime: ContainerRuntimeConfig = serde_json::from_value(json!({
            "metadata": {"name": "c", "generation": 1}, "spec": {"machineConfigPoolSelector": {"matchLabels": {"pool": "p"}}},
        }))
        .unwrap();
        let error = settled(&pool, [&runtime], []).unwrap_err();
        assert_eq!((error.code(), error.is_failure()), ("SettingsNotComplete", false));
        assert!(
            error.to_string().starts_with("status for ContainerRuntimeConfig c is being reported for 0"),
            "{error}"
        );
    }

    #[test]
    fn what_the_selector_matches() {
        let complete = || controller_config(2, &[COMPLETED]);
        let both = json!({"matchExpressions": [{"key": "role", "operator": "In", "values": ["worker", "infra"]}]});
        assert_eq!(found(both, complete()).unwrap(), ["00-worker", "50-infra"]);
        let code = |selector| found(selector, complete()).unwrap_err();
        assert_eq!(code(json!({})).code(), "SelectingAll");
        assert!(!code(json!({})).is_failure());
        assert_eq!(
            code(json!({"matchLabels": {"role": "x"}})).to_string(),
            "no MachineConfigs found matching selector role=x"
        );
        assert_eq!(code(Value::Null).code(), "NoMachineConfigs");
        let bad = code(json!({"matchExpressions": [{"key": "role", "operator": "Is"}]}));
        assert_eq!((bad.code(), bad.is_failure()), ("InvalidMachineConfigSelector", true));
    }

    #[test]
    fn an_incomplete_controller_config_is_waited_for() {
        let running = ("TemplateControllerRunning", "True");
        for (object, said) in [
            (None, "does not exist yet"),
            (controller_config(3, &[COMPLETED]), "is being reported for 2, expecting it for 3"),
            (controller_config(2, &[]), "completed(false) running(false) failing(false)"),
            (controller_config(2, &[COMPLETED, running]), "completed(true) running(true) failing(false)"),
        ] {
            let error = found(json!({"matchLabels": {"role": "worker"}}), object).unwrap_err();
            assert!(!error.is_failure() && error.to_string().contains(said), "{error}");
        }
    }
}
