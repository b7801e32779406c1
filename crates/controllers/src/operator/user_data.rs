//! Manages the user data with which new machines of every pool of an OpenShift find their configuration.

use super::findings::{Part, not_kept};
use crate::cluster::Watcher;
use k8s_openapi::api::core::v1::Secret;
use tokio::sync::watch;
use weir_api::keys::namespaces::MACHINE_API;
use weir_kubeio::{Error, Next, patch};
use weir_rules::{
    operator::user_data::{change, user_data},
    status::cluster_status::Task,
};

/// The controller of user data.
#[derive(Debug)]
pub(super) struct Controller(pub(super) Part);

impl Controller {
    async fn act(&self, wanted: &[Secret]) -> Result<(), Error> {
        let (client, cache) = (&self.0.context.client, &self.0.context.cluster.sources.user_data);
        for wanted in wanted {
            let name = wanted.metadata.name.as_deref().unwrap_or_default();
            let live = cache.get_in(MACHINE_API, name);
            let Some(change) = change(live.as_deref(), wanted) else { continue };
            // A secret without the label exists but is not seen.
            if live.is_none() && patch::create(client, cache, wanted).await? {
                tracing::info!(name, "user-data made");
                continue;
            }
            patch::merge(client, cache, name, &change).await?;
            tracing::info!(name, "user-data brought in line");
        }
        Ok(())
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "user_data";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        self.0.wakes(Watcher::TELL_CLUSTER)
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        let cluster = &self.0.context.cluster;
        let keeps = self.0.keeps_openshift() && cluster.sources.has_machine_api();
        if let Some(next) = self.0.idle(self.0.has_seen_cluster(), keeps) {
            return Ok(next);
        }
        // The part that manages the ControllerConfig reports if it cannot be rendered.
        let Ok(Some(rendered)) = self.0.rendered() else { return Ok(self.0.failed(None)) };
        let (pools, root_ca) = (cluster.pools.all(), &rendered.spec.root_ca_data);
        let stay = pools.iter().filter(|pool| pool.metadata.deletion_timestamp.is_none());
        let wanted: Vec<_> = stay.map(|pool| user_data(pool, &rendered.server, root_ca)).collect();
        let kept = self.act(&wanted).await;
        Ok(self.0.failed(kept.err().map(|error| not_kept(Task::MachineConfigPools, &error))))
    }
}
