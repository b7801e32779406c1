//! `97-` and `98-POOL-generated-kubelet`, which depend only on nodes.config and the feature gates.
//!
//! R-NODE-CONFIG-1 Every pool gets the base (R-KUBELET-BASE) as `98-` once feature gates are known, and as `97-` if there is a
//! nodes.config.
//! R-NODE-CONFIG-2 The `97-` of `master`, `worker` and `arbiter` has the kernel arguments for version 2 of control groups instead
//! of those for version 1; others in it stay. Custom pools have those of `worker`.
//! R-NODE-CONFIG-3 With an invalid nodes.config no `97-` is written; `98-` and `99-` ignore its latency profile.
//! R-NODE-CONFIG-4 A pool whose base fails keeps what it has; the other pools are processed, and nothing is deleted.
//!
//! Source: `syncFeatureHandler` and `syncNodeConfigHandler` in `pkg/controller/kubelet-config` of
//! github.com/openshift/machine-config-operator, which at bootstrap gives custom pools kernel arguments of their own.
//! R-NODE-CONFIG-4 is ours.

use super::{
    KubeletError, KubeletView,
    base::{KUBELET_CONF, base, report_every},
};
use crate::{
    generated::{
        config::{File, machine_config, update},
        stale::{Family, stale},
    },
    render::name_of,
};
use std::collections::BTreeSet;
use weir_api::{
    MachineConfig,
    keys::names::{ARBITER, MASTER, WORKER},
};

/// Kernel arguments for version 1 of control groups.
const VERSION_1: [&str; 2] = ["systemd.unified_cgroup_hierarchy=0", "systemd.legacy_systemd_cgroup_controller=1"];
/// Kernel arguments for version 2 of control groups.
const VERSION_2: [&str; 2] = ["systemd.unified_cgroup_hierarchy=1", "cgroup_no_v1=\"all\""];

/// What is written for all pools.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeConfigOutcome {
    /// MachineConfigs to create or to update.
    pub writes: Vec<MachineConfig>,
    /// MachineConfigs to delete after that, by name.
    pub deletes: Vec<String>,
    /// Pools that keep what they have, with the reason.
    pub failed: Vec<(String, KubeletError)>,
}

/// `98-` of all pools.
#[must_use]
pub fn feature_gates(view: &KubeletView<'_>) -> NodeConfigOutcome {
    outcome(view, "98", |_, _| None)
}

/// `97-` of all pools; none without a nodes.config.
///
/// # Errors
/// If nodes.config is invalid.
pub fn node_config(view: &KubeletView<'_>) -> Result<NodeConfigOutcome, KubeletError> {
    let Some(node) = view.node_config else { return Ok(NodeConfigOutcome::default()) };
    report_every(view)?;
    let mode = node.spec.cgroup_mode.as_deref().unwrap_or_default();
    if !["", "v2"].contains(&mode) {
        return Err(KubeletError::CgroupMode(mode.to_owned()));
    }
    Ok(outcome(view, "97", |pool, found| {
        let there = found.and_then(|found| found.spec.kernel_arguments.as_deref()).unwrap_or_default();
        [MASTER, WORKER, ARBITER].contains(&pool).then(|| kernel_arguments(there))
    }))
}

fn kernel_arguments(there: &[String]) -> Vec<String> {
    let mut next: Vec<String> = there.iter().filter(|found| !VERSION_1.contains(&found.as_str())).cloned().collect();
    for wanted in VERSION_2 {
        if !next.iter().any(|found| found == wanted) {
            next.push(wanted.to_owned());
        }
    }
    next
}

fn outcome(
    view: &KubeletView<'_>,
    number: &str,
    arguments: impl Fn(&str, Option<&MachineConfig>) -> Option<Vec<String>>,
) -> NodeConfigOutcome {
    let mut outcome = NodeConfigOutcome::default();
    let mut wanted = BTreeSet::new();
    let there = |name: &str| view.machine_configs.iter().find(|found| name_of(&found.metadata) == name).copied();
    for pool in view.pools {
        let pool_name = name_of(&pool.metadata);
        let name = format!("{number}-{pool_name}-generated-kubelet");
        let text = base(view, pool_name).and_then(|base| base.write(view.release).map_err(KubeletError::Written));
        match text {
            Ok(text) => {
                let mut fresh = machine_config(&name, pool_name, view.build, &[File::new(KUBELET_CONF, text)]);
                fresh.spec.kernel_arguments = arguments(pool_name, there(&name));
                outcome.writes.extend(update(there(&name), fresh));
                let old = format!("{number}-{pool_name}-{}-kubelet", pool.metadata.uid.as_deref().unwrap_or_default());
                outcome.deletes.extend(there(&old).map(|_| old));
            }
            Err(error) => outcome.failed.push((pool_name.to_owned(), error)),
        }
        wanted.insert(name);
    }
    if outcome.failed.is_empty() {
        let wanted = wanted.iter().map(String::as_str).collect();
        let family = Family { prefix: number, word: "generated-kubelet", owner: None };
        outcome.deletes.extend(stale(family, view.machine_configs, view.build, &BTreeSet::new(), &wanted));
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_version_1_go_and_others_stay() {
        let of = |there: &[&str]| kernel_arguments(&there.iter().map(|&text| text.to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&[]), VERSION_2);
        assert_eq!(of(&["a", VERSION_1[0], VERSION_2[1], VERSION_1[1], "b"]), ["a", VERSION_2[1], "b", VERSION_2[0]]);
        assert_eq!(of(&VERSION_2), VERSION_2);
    }
}
