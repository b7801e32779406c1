//! Writes pools and the ClusterOperator.

use super::Controller;
use kube::Api;
use serde_json::json;
use weir_api::{
    ClusterOperator, MachineConfigPool,
    keys::names::{ARBITER_TOPOLOGY, CLUSTER_OPERATOR, CONTROLLER_CONFIG},
};
use weir_kubeio::{Error, Event, drive::chain, patch};
use weir_rules::{
    built_in::{PoolChange, built_in},
    cluster_status::{ClusterReport, Failure, Task, status_patch},
    view::PoolView,
};

impl Controller {
    /// Makes the built-in pools.
    pub(super) async fn pools(&self) -> Result<(), Error> {
        let cluster = &self.context.cluster;
        let (pools, config) = (cluster.pools.all(), cluster.controller_configs.get(CONTROLLER_CONFIG));
        let views: Vec<_> = pools.iter().map(|pool| PoolView::new(pool)).collect();
        let topology = config.as_ref().and_then(|config| config.spec.control_plane_topology());
        let api: Api<MachineConfigPool> = Api::all(self.context.client.clone());
        for change in built_in(&views, topology == Some(ARBITER_TOPOLOGY)) {
            match change {
                PoolChange::Create(pool) => _ = patch::create(&api, &cluster.pools, &*pool).await?,
                PoolChange::Label { pool, labels } => {
                    let change = json!({"metadata": {"labels": labels}});
                    patch::merge(&api, &cluster.pools, &pool, &change).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes the ClusterOperator where it says something else than before, and tells what is new.
    pub(super) async fn report(&self, report: &ClusterReport) -> Result<(), Error> {
        let Some(status) = &report.status else { return Ok(()) };
        let api: Api<ClusterOperator> = Api::all(self.context.client.clone());
        if self.operators.get(CLUSTER_OPERATOR).is_none() {
            let object = ClusterOperator::named(CLUSTER_OPERATOR, Default::default());
            patch::create(&api, &self.operators, &object).await?;
        }
        // Another one may have been faster; its status is then seen in the next pass.
        let Some(object) = self.operators.get(CLUSTER_OPERATOR) else { return Ok(()) };
        let change = status_patch(&object, status);
        patch::merge_status(&api, &self.operators, CLUSTER_OPERATOR, &change).await?;
        for told in &report.events {
            let event = Event { warning: told.warning, reason: told.reason.clone(), message: told.message.clone() };
            self.recorder.record(&*object, &event).await;
        }
        Ok(())
    }
}

pub(super) fn pools_failed(error: Error) -> Failure {
    let why = format!("failed to make MachineConfigPool {}: {}", error.name, chain(&error));
    Failure::Work { task: Task::MachineConfigPools, why }
}
