//! What is generated for kubelets before there is a cluster.
//!
//! R-KUBELET-BOOTSTRAP-1 The rules are those of a cluster, but with plain names: one KubeletConfig per pool, and no annotations,
//! finalizers and statuses.
//! R-KUBELET-BOOTSTRAP-2 The owner reference has neither name nor uid, which exist only in the cluster. A KubeletConfig that
//! selects no pool generates nothing.
//!
//! Source: `RunKubeletBootstrap` in `pkg/controller/kubelet-config/kubelet_config_bootstrap.go` of
//! github.com/openshift/machine-config-operator.

use super::{
    KubeletError, KubeletView,
    base::base,
    files::files,
    sync::pools,
    validate::{static_pod_path, validate},
};
use crate::{
    generated::{
        config::{machine_config, owner},
        name::{KUBELET, plain},
    },
    render::name_of,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeSet;
use weir_api::{KubeletConfig, MachineConfig};

/// The result for each KubeletConfig, by its name, in the given order.
#[must_use]
pub fn bootstrap(view: &KubeletView<'_>) -> Vec<(String, Result<Vec<MachineConfig>, KubeletError>)> {
    let mut taken = BTreeSet::new();
    let of = |config: &&KubeletConfig| (name_of(&config.metadata).to_owned(), one(view, config, &mut taken));
    view.configs.iter().map(of).collect()
}

fn one(
    view: &KubeletView<'_>,
    config: &KubeletConfig,
    taken: &mut BTreeSet<String>,
) -> Result<Vec<MachineConfig>, KubeletError> {
    let read = validate(config, view.release)?;
    let pools = match pools(view, config) {
        Err(KubeletError::NoPool) => Vec::new(),
        found => found?,
    };
    let mut made = Vec::new();
    for pool in pools {
        let pool_name = name_of(&pool.metadata);
        static_pod_path(config, pool, view.release)?;
        let wanted = read.as_ref().map(|read| read.settings.clone());
        let (files, _) = files(config, wanted, base(view, pool_name)?, view.release)?;
        let name = plain(KUBELET, pool_name);
        if !taken.insert(name.clone()) {
            return Err(KubeletError::Several(pool_name.to_owned()));
        }
        let mut machine_config = machine_config(&name, pool_name, view.build, &files);
        let nobody = ObjectMeta::default();
        machine_config.metadata.owner_references = Some(vec![owner(&config.api_version, &config.kind, &nobody, false)]);
        made.push(machine_config);
    }
    Ok(made)
}
