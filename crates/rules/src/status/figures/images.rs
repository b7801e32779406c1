//! Builds of OS images in numbers, as far as objects tell them (R-FIGURES-5).

use super::Figure;
use crate::build::{conditions::State, identity::belongs_to, pool::active, told::state_label};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;
use weir_api::{MachineConfigPool, MachineOSBuild, MachineOSConfig};

type Values = BTreeMap<Vec<(&'static str, String)>, i64>;

/// The figures of pools in image mode.
pub(super) fn figures(
    pools: &[&MachineConfigPool],
    configs: &[&MachineOSConfig],
    builds: &[&MachineOSBuild],
) -> Vec<Figure> {
    let [mut state, mut start, mut end, mut under_way, mut updated, mut total] =
        std::array::from_fn::<Values, 6, _>(|_| Values::new());
    for config in configs {
        let pool = &config.spec.machine_config_pool.name;
        let own: Vec<&MachineOSBuild> = builds.iter().copied().filter(|build| belongs_to(build, config)).collect();
        let of_pool = || vec![("pool", pool.clone())];
        let running = own.iter().filter(|build| State::of(build).is_transient()).count();
        under_way.insert(of_pool(), i64::try_from(running).unwrap_or(i64::MAX));
        if let Some(status) =
            pools.iter().find(|object| object.metadata.name.as_ref() == Some(pool)).and_then(|p| p.status.as_ref())
        {
            updated.insert(of_pool(), status.updated_machine_count.into());
            total.insert(of_pool(), status.machine_count.into());
        }
        let Some(build) = active(config, &own) else { continue };
        let label = state_label(State::of(build)).to_owned();
        let of_state = || vec![("pool", pool.clone()), ("state", label.clone())];
        state.insert(of_state(), 1);
        let second = |time: Option<&Time>| time.map(|time| time.0.as_second());
        let times = build.status.as_ref();
        if let Some(at) = second(times.and_then(|status| status.build_start.as_ref())) {
            start.insert(of_pool(), at);
        }
        if let Some(at) = second(times.and_then(|status| status.build_end.as_ref())) {
            end.insert(of_state(), at);
        }
    }
    let count = i64::try_from(configs.len()).unwrap_or(i64::MAX);
    [
        ("ocl_build_state", "1 for the state of the pool's image build", state),
        ("ocl_build_start_timestamp_seconds", "When the pool's image build began", start),
        ("ocl_build_end_timestamp_seconds", "When the pool's image build ended", end),
        ("ocl_active_builds", "Image builds of the pool that are under way", under_way),
        ("ocl_rollout_updated_nodes", "Nodes of the pool in image mode that run its target", updated),
        ("ocl_rollout_total_nodes", "Nodes of the pool in image mode", total),
        ("mco_mosc_count", "MachineOSConfigs", Values::from([(Vec::new(), count)])),
    ]
    .map(|(name, help, values)| Figure { name, help, values })
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::told::FIGURES;
    use serde_json::json;

    #[test]
    fn a_build_is_told_by_its_pool_and_its_state() {
        let pool: MachineConfigPool = serde_json::from_value(json!({
            "metadata": {"name": "worker"}, "status": {"machineCount": 3, "updatedMachineCount": 1},
        }))
        .unwrap();
        let config: MachineOSConfig = serde_json::from_value(
            json!({"metadata": {"name": "worker"}, "spec": {"machineConfigPool": {"name": "worker"}}}),
        )
        .unwrap();
        let build = |name: &str, state: &str| -> MachineOSBuild {
            let times = json!({"buildStart": "1970-01-01T00:00:05Z", "buildEnd": "1970-01-01T00:00:09Z"});
            let mut status = json!({"conditions": [{"type": state, "status": "True"}]});
            if state == "Failed" {
                status["buildStart"] = times["buildStart"].clone();
                status["buildEnd"] = times["buildEnd"].clone();
            }
            let spec = json!({"machineOSConfig": {"name": "worker"}});
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec, "status": status})).unwrap()
        };
        let all = |builds: &[&MachineOSBuild]| figures(&[&pool], &[&config], builds);
        let value = |all: &[Figure], name: &str, labels: &[(&'static str, &str)]| {
            let labels: Vec<_> = labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
            all.iter().find(|figure| figure.name == name).unwrap().values.get(&labels).copied()
        };
        let worker = ("pool", "worker");
        let (failed, building) = (build("a", "Failed"), build("b", "Building"));
        let ended = all(&[&failed]);
        assert_eq!(value(&ended, "ocl_build_state", &[worker, ("state", "failed")]), Some(1));
        assert_eq!(value(&ended, "ocl_build_start_timestamp_seconds", &[worker]), Some(5));
        assert_eq!(value(&ended, "ocl_build_end_timestamp_seconds", &[worker, ("state", "failed")]), Some(9));
        assert_eq!(value(&ended, "ocl_active_builds", &[worker]), Some(0));
        assert_eq!(value(&ended, "ocl_rollout_updated_nodes", &[worker]), Some(1));
        assert_eq!(value(&ended, "ocl_rollout_total_nodes", &[worker]), Some(3));
        assert_eq!(value(&ended, "mco_mosc_count", &[]), Some(1));
        let going_on = all(&[&failed, &building]);
        assert_eq!(value(&going_on, "ocl_build_state", &[worker, ("state", "building")]), Some(1));
        assert_eq!(value(&going_on, "ocl_build_state", &[worker, ("state", "failed")]), None);
        assert_eq!(value(&going_on, "ocl_active_builds", &[worker]), Some(1));
        assert!(going_on.iter().all(|figure| FIGURES.iter().any(|known| known.name == figure.name)));
    }
}
