//! Keeps the MachineConfiguration of an OpenShift.

use super::findings::Part;
use crate::cluster::Watcher;
use jiff::Timestamp;
use tokio::sync::watch;
use weir_api::{
    Infrastructure, MachineConfiguration,
    keys::{
        gates::{BOOT_IMAGE_SKEW_ENFORCEMENT, MANAGED_BOOT_IMAGES_CPMS},
        names::CLUSTER,
    },
};
use weir_kubeio::{Cache, Error, Next, Unreadable, drive::chain, patch};
use weir_rules::{
    operator::machine_configuration::{ConfigurationView, failure, initial, note, status},
    status::cluster_status::{Failure, Task},
    stream::gates::Gates,
};

/// The controller of the MachineConfiguration.
#[derive(Debug)]
pub(super) struct Controller(pub(super) Part);

impl Controller {
    fn cache(&self) -> &Cache<MachineConfiguration> {
        &self.0.context.cluster.configurations
    }

    /// Creates the object, or updates its status. Events come first.
    async fn act(&self, infrastructure: &Infrastructure, gates: &Gates, now: Timestamp) -> Result<(), Error> {
        let (context, cache) = (&self.0.context, self.cache());
        let client = &context.client;
        let Some(object) = cache.get(CLUSTER) else {
            return patch::create(client, cache, &initial()).await.map(drop);
        };
        let cluster = context.cluster_version();
        let view = |object| ConfigurationView {
            object,
            infrastructure,
            cluster: cluster.as_deref(),
            control_plane_gate: gates.is_on(MANAGED_BOOT_IMAGES_CPMS),
            skew_gate: gates.is_on(BOOT_IMAGE_SKEW_ENFORCEMENT),
            legacy_provisioning: context.cluster.sources.is_legacy_provisioning(),
        };
        if let Some(note) = note(&view(&object), now) {
            patch::merge(client, cache, CLUSTER, &note).await?;
        }
        let Some(object) = cache.get(CLUSTER) else { return Ok(()) };
        if let Some(edit) = status(&view(&object)) {
            patch::edit_status(client, cache, CLUSTER, &edit).await?;
            tracing::info!("status of the MachineConfiguration brought in line");
        }
        Ok(())
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "machine_configuration";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        self.0.wakes(Watcher::TELL_CLUSTER)
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        if !self.0.has_seen_cluster() {
            return Ok(Next::Await);
        }
        let context = &self.0.context;
        let known = context.gates().ok().zip(context.cluster.sources.infrastructure());
        let Some((gates, infrastructure)) = known.filter(|_| self.0.keeps_openshift()) else {
            return Ok(self.0.failed(None));
        };
        let failed = |why| self.0.failed([Failure::Work { task: Task::MachineConfiguration, why }]);
        if let Some(Unreadable { name, why, .. }) = self.cache().broken().into_iter().next() {
            return Ok(failed(format!("grabbing MachineConfiguration/{name} CR failed: {why}")));
        }
        match self.act(&infrastructure, &gates, context.clock.now()).await {
            Err(error) if !error.is_conflict() => {
                return Ok(failed(format!("updating MachineConfiguration status: {}", chain(&error))));
            }
            // Another writer was faster; the next pass sees its change.
            _ => {}
        }
        let refused = self.cache().get(CLUSTER).and_then(|object| failure(&object));
        Ok(refused.map_or_else(|| self.0.failed(None), failed))
    }
}
