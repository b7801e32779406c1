//! Which KubeletConfigs are refused.
//!
//! R-VALIDATE-1 In this order: a log level outside 0 to 10; settings that cannot be read; a field that is reserved for the
//! operator; both ways of reserving resources; two names for the control group that is reserved for the system. Since 4.21, swap is
//! reserved for the operator.
//! R-VALIDATE-2 A path for static pods is refused in pools of the control plane, whatever its value, and in all others unless it is
//! empty. Before 5.0 it is refused in all pools unless it is empty.
//! R-VALIDATE-3 Pools of the control plane are `master`, `arbiter`, and pools whose node selector requires the label of masters.
//! R-VALIDATE-4 Without a pool, as in a file, what is refused in all pools is refused, from the first release on that does so.
//!
//! Source: `ValidateUserKubeletConfig` in `pkg/controller/kubelet-config/helpers.go` of
//! github.com/openshift/machine-config-operator.

use super::{
    KubeletError,
    fields::{RELEASES, V4_21, V5_0},
    settings::{self, Read, Settings, is_zero},
};
use serde_json::Value;
use weir_api::{
    KubeletConfig, MachineConfigPool,
    keys::names::{ARBITER, MASTER},
};
use weir_distro::ReleaseVersion;

/// Label of masters.
const MASTER_LABEL: &str = "node-role.kubernetes.io/master";
/// The largest log level.
const LOUDEST: i32 = 10;
/// Key of the path for static pods.
const STATIC_POD_PATH: &str = "staticPodPath";
/// Fields that are reserved for the operator.
const FORBIDDEN: [&str; 4] = ["cgroupDriver", "clusterDNS", "clusterDomain", "featureGates"];

/// Reads the settings of a KubeletConfig; absent if it sets nothing of `KubeletConfiguration`.
///
/// # Errors
/// If it is refused: R-VALIDATE-1.
pub fn validate(config: &KubeletConfig, release: ReleaseVersion) -> Result<Option<Read>, KubeletError> {
    if let Some(level) = config.spec.log_level.filter(|level| !(0..=LOUDEST).contains(level)) {
        return Err(KubeletError::LogLevel(level));
    }
    let Some(raw) = &config.spec.kubelet_config else { return Ok(None) };
    let read = settings::read(raw, release).map_err(KubeletError::Settings)?;
    check(&read.settings, config.spec.auto_sizing_reserved == Some(true), release)?;
    Ok(Some(read))
}

fn check(settings: &Settings, is_sized: bool, release: ReleaseVersion) -> Result<(), KubeletError> {
    let refuse = |field: &'static str, value: &Value| KubeletError::Forbidden { field, value: printed(value) };
    for field in FORBIDDEN {
        if let Some(value) = settings.0.get(field).filter(|value| !is_zero(value)) {
            return Err(refuse(field, value));
        }
    }
    if release >= V4_21 {
        if let Some(value) = settings.0.get("failSwapOn") {
            return Err(refuse("failSwapOn", value));
        }
        let swap = settings.0.get("memorySwap").and_then(|swap| swap.get("swapBehavior"));
        if let Some(value) = swap.filter(|value| !is_zero(value)) {
            return Err(refuse("swapBehavior", value));
        }
    }
    if is_sized && settings.0.get("systemReserved").is_some_and(|reserved| !is_zero(reserved)) {
        return Err(KubeletError::Reserved);
    }
    let (reserved, system) = (settings.text("systemReservedCgroup"), settings.text("systemCgroups"));
    if !reserved.is_empty() && !system.is_empty() && reserved != system {
        return Err(KubeletError::Cgroups { reserved: reserved.to_owned(), system: system.to_owned() });
    }
    Ok(())
}

/// A value as Go prints it with `%v`.
fn printed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(printed).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key}:{}", printed(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
        other => other.to_string(),
    }
}

/// Checks the path for static pods in a pool: R-VALIDATE-2.
///
/// # Errors
/// If it is refused.
pub fn static_pod_path(
    config: &KubeletConfig,
    pool: &MachineConfigPool,
    release: ReleaseVersion,
) -> Result<(), KubeletError> {
    let Some(raw) = &config.spec.kubelet_config else { return Ok(()) };
    let name = pool.metadata.name.clone().unwrap_or_default();
    let settings = settings::read(raw, release).map_err(KubeletError::Settings)?.settings;
    if release >= V5_0 && is_control_plane(pool) && raw.get(STATIC_POD_PATH).is_some() {
        return Err(KubeletError::ControlPlanePath(name));
    }
    match settings.text(STATIC_POD_PATH) {
        "" => Ok(()),
        path if release < V5_0 => Err(forbidden_path(path)),
        _ if is_control_plane(pool) => Err(KubeletError::ControlPlanePath(name)),
        path => Err(KubeletError::StaticPodPath { pool: name, value: path.to_owned() }),
    }
}

/// The first release that refuses a KubeletConfig in all pools, and why; absent if none does: R-VALIDATE-4.
#[must_use]
pub fn refused_since(config: &KubeletConfig) -> Option<(ReleaseVersion, KubeletError)> {
    let check =
        |release| match validate(config, release)?.as_ref().map_or("", |read| read.settings.text(STATIC_POD_PATH)) {
            "" => Ok(()),
            path => Err(forbidden_path(path)),
        };
    RELEASES.into_iter().find_map(|release| Some((release, check(release).err()?)))
}

fn forbidden_path(path: &str) -> KubeletError {
    KubeletError::Forbidden { field: STATIC_POD_PATH, value: path.to_owned() }
}

/// R-VALIDATE-3.
fn is_control_plane(pool: &MachineConfigPool) -> bool {
    if matches!(pool.metadata.name.as_deref(), Some(MASTER | ARBITER)) {
        return true;
    }
    let Some(selector) = &pool.spec.node_selector else { return false };
    let labelled = selector.match_labels.as_ref().is_some_and(|labels| labels.contains_key(MASTER_LABEL));
    let wants = |operator: &str| matches!(operator, "Exists" | "In");
    let mut expressions = selector.match_expressions.iter().flatten();
    labelled || expressions.any(|expression| expression.key == MASTER_LABEL && wants(&expression.operator))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubelet::fields::{V4_16, V4_18, V5_0};
    use serde_json::json;

    fn config(settings: Value) -> KubeletConfig {
        serde_json::from_value(json!({"spec": {"kubeletConfig": settings}})).unwrap()
    }

    fn pool(name: &str) -> MachineConfigPool {
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": {}})).unwrap()
    }

    #[test]
    fn a_release_refuses_what_it_sets_itself() {
        for (settings, since) in [
            (json!({"failSwapOn": false}), V4_21),
            (json!({"memorySwap": {"swapBehavior": "LimitedSwap"}}), V4_21),
            (json!({"clusterDNS": ["1.2.3.4"]}), V4_18),
        ] {
            assert!(validate(&config(settings.clone()), since).is_err(), "{settings}");
            if since > V4_18 {
                assert!(validate(&config(settings.clone()), V4_18).is_ok(), "{settings}");
            }
        }
        assert!(validate(&config(json!({"failSwapOn": null, "memorySwap": {}})), V5_0).is_ok());
    }

    #[test]
    fn without_a_pool_the_first_release_counts_that_refuses() {
        for (settings, since) in [
            (json!({"maxPods": 300, "staticPodPath": ""}), None),
            (json!({"clusterDNS": ["1.2.3.4"]}), Some(V4_16)),
            (json!({"maxPods": "many"}), Some(V4_16)),
            (json!({"staticPodPath": "/x"}), Some(V4_16)),
            (json!({"podLogsDir": 1}), Some(V4_18)),
            (json!({"failSwapOn": false}), Some(V4_21)),
        ] {
            assert_eq!(refused_since(&config(settings.clone())).map(|(since, _)| since), since, "{settings}");
        }
    }

    #[test]
    fn a_path_for_static_pods_is_judged_by_the_pool_since_5_0() {
        let judged = |path: &str, name: &str, release| {
            let config = config(json!({"staticPodPath": path}));
            static_pod_path(&config, &pool(name), release).map_err(|error| error.to_string())
        };
        let old = ReleaseVersion { major: 4, minor: 22 };
        assert_eq!(judged("", "master", old), Ok(()));
        assert!(judged("", "master", V5_0).is_err());
        for pool in ["master", "worker"] {
            let error = judged("/x", pool, old).unwrap_err();
            assert_eq!(error, "KubeletConfiguration: staticPodPath is not allowed to be set, but contains: /x");
        }
        assert!(
            judged("/x", "worker", V5_0).unwrap_err().ends_with("must be empty for pool \"worker\", but contains: /x")
        );
    }
}
