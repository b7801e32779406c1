//! The pools that every cluster has.
//!
//! R-BUILT-IN-1 `master` and `worker`; `arbiter` as well where the control plane has an arbiter.
//! R-BUILT-IN-2 A missing one is created. An existing one only gets labels it lacks: its spec is the user's.
//!
//! Source: `manifests/{master,worker,arbiter}.machineconfigpool.yaml` and `syncMachineConfigPools` in `pkg/operator/sync.go`
//! of github.com/openshift/machine-config-operator.

use crate::{objects::selector::Labels, view::PoolView};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::collections::BTreeMap;
use weir_api::{
    MachineConfigPool,
    keys::{
        config::{BUILT_IN, REQUIRED_FOR_UPGRADE, ROLE},
        names::{ARBITER, MASTER, WORKER},
        node::ROLE_PREFIX,
    },
    pool::MachineConfigPoolSpec,
};

/// Prefix of the label that names a built-in pool.
const NAME_PREFIX: &str = "pools.operator.machineconfiguration.openshift.io/";

/// What to do with a built-in pool.
#[derive(Clone, Debug, PartialEq)]
pub enum PoolChange {
    /// Create it.
    Create(Box<MachineConfigPool>),
    /// Add these labels to it.
    Label {
        /// Its name.
        pool: String,
        /// The labels it lacks.
        labels: Labels,
    },
}

/// What to do with the built-in pools.
#[must_use]
pub fn built_in(pools: &[PoolView<'_>], arbiter_topology: bool) -> Vec<PoolChange> {
    let wanted = [(MASTER, true), (WORKER, true), (ARBITER, arbiter_topology)];
    wanted.into_iter().filter(|(_, wanted)| *wanted).filter_map(|(name, _)| change(pools, name)).collect()
}

fn change(pools: &[PoolView<'_>], name: &str) -> Option<PoolChange> {
    let mut labels: Labels =
        [BUILT_IN.to_owned(), format!("{NAME_PREFIX}{name}")].map(|key| (key, String::new())).into();
    if name != WORKER {
        labels.insert(REQUIRED_FOR_UPGRADE.to_owned(), String::new());
    }
    let Some(pool) = pools.iter().find(|pool| pool.name == name) else {
        let selects = |key: String, value: &str| {
            Some(LabelSelector {
                match_labels: Some(BTreeMap::from([(key, value.to_owned())])),
                match_expressions: None,
            })
        };
        let spec = MachineConfigPoolSpec {
            machine_config_selector: selects(ROLE.to_owned(), name),
            node_selector: selects(format!("{ROLE_PREFIX}{name}"), ""),
            ..MachineConfigPoolSpec::default()
        };
        let mut pool = MachineConfigPool::named(name, spec);
        pool.metadata.labels = Some(labels);
        return Some(PoolChange::Create(Box::new(pool)));
    };
    let has = pool.object.metadata.labels.as_ref();
    labels.retain(|key, _| has.is_none_or(|has| !has.contains_key(key)));
    (!labels.is_empty()).then(|| PoolChange::Label { pool: name.to_owned(), labels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn created_once_and_only_labelled_after() {
        let changes = built_in(&[], true);
        let mut pools: Vec<MachineConfigPool> = changes
            .into_iter()
            .map(|change| match change {
                PoolChange::Create(pool) => *pool,
                other => panic!("{other:?}"),
            })
            .collect();
        let names: Vec<_> = pools.iter().filter_map(|pool| pool.metadata.name.as_deref()).collect();
        assert_eq!(names, ["master", "worker", "arbiter"]);
        pools[1].spec.paused = Some(true);
        fn views(pools: &[MachineConfigPool]) -> Vec<PoolView<'_>> {
            pools.iter().map(PoolView::new).collect()
        }
        assert_eq!(built_in(&views(&pools), true), []);
        assert_eq!(built_in(&views(&pools[..2]), false), []);
        pools[0].metadata.labels = None;
        let [PoolChange::Label { pool, labels }] = &built_in(&views(&pools), true)[..] else { panic!() };
        assert_eq!((pool.as_str(), labels.len()), ("master", 3));
        assert!(labels.contains_key(REQUIRED_FOR_UPGRADE));
    }
}
