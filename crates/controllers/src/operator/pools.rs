//! Manages the built-in pools.

use super::findings::Part;
use serde_json::json;
use tokio::sync::watch;
use weir_api::keys::names::{ARBITER_TOPOLOGY, CONTROLLER_CONFIG};
use weir_kubeio::{Error, Next, drive::chain, patch};
use weir_rules::{
    operator::built_in::{PoolChange, built_in},
    status::cluster_status::{Failure, Task},
    view::PoolView,
};

/// The controller of the built-in pools.
#[derive(Debug)]
pub(super) struct Controller(pub(super) Part);

impl Controller {
    async fn act(&self, changes: Vec<PoolChange>) -> Result<(), Error> {
        let context = &self.0.context;
        let (client, cache) = (&context.client, &context.cluster.pools);
        for change in changes {
            match change {
                PoolChange::Create(pool) => _ = patch::create(client, cache, &*pool).await?,
                PoolChange::Label { pool, labels } => {
                    let change = json!({"metadata": {"labels": labels}});
                    patch::merge(client, cache, &pool, &change).await?;
                }
            }
        }
        Ok(())
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "pools";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        self.0.wakes(&[])
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        let context = &self.0.context;
        if let Some(next) = self.0.idle(context.cluster.is_configuration_synced(), context.kept_by_us().is_ok()) {
            return Ok(next);
        }
        let (pools, config) = (context.cluster.pools.all(), context.cluster.controller_configs.get(CONTROLLER_CONFIG));
        let topology = config.as_ref().and_then(|config| config.spec.control_plane_topology());
        let views: Vec<_> = pools.iter().map(|pool| PoolView::new(pool)).collect();
        let changes = built_in(&views, topology == Some(ARBITER_TOPOLOGY));
        let made = self.act(changes).await;
        Ok(self.0.failed(made.err().map(|error| {
            let why = format!("failed to make MachineConfigPool {}: {}", error.name, chain(&error));
            Failure::Work { task: Task::MachineConfigPools, why }
        })))
    }
}
