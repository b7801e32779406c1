//! Keeps the MachineConfiguration of a real cluster.

use super::Controller;
use jiff::Timestamp;
use kube::Api;
use weir_api::{
    Infrastructure, MachineConfiguration,
    keys::{
        gates::{BOOT_IMAGE_SKEW_ENFORCEMENT, MANAGED_BOOT_IMAGES_CPMS},
        names::CLUSTER,
    },
};
use weir_kubeio::{Error, Unreadable, drive::chain, patch};
use weir_rules::{
    operator::machine_configuration::{ConfigurationView, failure, initial, note, status},
    status::cluster_status::{Failure, Task},
    stream::gates::Gates,
};

impl Controller {
    /// Creates the MachineConfiguration, or brings its status in line.
    pub(super) async fn configuration(&self, gates: &Gates, now: Timestamp) -> Result<(), Failure> {
        let failed = |why| Failure::Work { task: Task::MachineConfiguration, why };
        if let Some(Unreadable { name, why, .. }) = self.context.cluster.configurations.broken().into_iter().next() {
            return Err(failed(format!("grabbing MachineConfiguration/{name} CR failed: {why}")));
        }
        let Some(infrastructure) =
            self.sources.infrastructure().filter(|_| self.context.cluster.configurations.is_synced())
        else {
            return Ok(());
        };
        match self.write_configuration(&infrastructure, gates, now).await {
            Err(error) if !error.is_conflict() => {
                return Err(failed(format!("updating MachineConfiguration status: {}", chain(&error))));
            }
            // Another one was faster: what he wrote is looked at when it is seen.
            _ => {}
        }
        self.context
            .cluster
            .configurations
            .get(CLUSTER)
            .and_then(|object| failure(&object))
            .map_or(Ok(()), |why| Err(failed(why)))
    }

    async fn write_configuration(
        &self,
        infrastructure: &Infrastructure,
        gates: &Gates,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (api, cache): (Api<MachineConfiguration>, _) =
            (Api::all(self.context.client.clone()), &self.context.cluster.configurations);
        let Some(object) = cache.get(CLUSTER) else {
            return patch::create(&api, cache, &initial()).await.map(drop);
        };
        let cluster = self.context.cluster_version();
        let view = |object| ConfigurationView {
            object,
            infrastructure,
            cluster: cluster.as_deref(),
            control_plane_gate: gates.is_on(MANAGED_BOOT_IMAGES_CPMS),
            skew_gate: gates.is_on(BOOT_IMAGE_SKEW_ENFORCEMENT),
            legacy_provisioning: self.sources.is_legacy_provisioning(),
        };
        if let Some(note) = note(&view(&object), now) {
            patch::merge(&api, cache, CLUSTER, &note).await?;
        }
        let Some(object) = cache.get(CLUSTER) else { return Ok(()) };
        if let Some(edit) = status(&view(&object)) {
            patch::edit_status(&api, cache, CLUSTER, &edit).await?;
            tracing::info!("status of the MachineConfiguration brought in line");
        }
        Ok(())
    }
}
