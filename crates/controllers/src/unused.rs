//! Deletes rendered MachineConfigs that nobody needs any more.

use crate::Context;
use jiff::{SignedDuration, Timestamp};
use kube::Api;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use weir_api::MachineConfig;
use weir_kubeio::{Error, Next, drive, patch};
use weir_rules::operator::unused::{UnusedView, unused};

/// The controller of unused MachineConfigs.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    after: Duration,
    since: Mutex<BTreeMap<String, Timestamp>>,
}

impl Controller {
    /// One that deletes what was unused for `after`.
    #[must_use]
    pub fn new(context: Context, after: Duration) -> Self {
        Self { context, after, since: Mutex::default() }
    }

    /// Reconciles on every change until the future is dropped.
    pub async fn run(&self) {
        self.context.cluster.synced().await;
        drive("unused", self.context.cluster.changes(), || self.reconcile()).await;
    }

    /// Whether something that may name a rendered MachineConfig cannot be read.
    fn is_blind(&self) -> bool {
        let cluster = &self.context.cluster;
        let broken =
            [cluster.pools.broken(), cluster.nodes.broken(), cluster.reports.broken(), cluster.os_configs.broken()];
        broken.iter().any(|broken| !broken.is_empty())
    }

    /// One pass.
    ///
    /// # Errors
    /// When one could not be deleted.
    pub async fn reconcile(&self) -> Result<Next, Error> {
        let cluster = &self.context.cluster;
        if self.context.kept_by_us().is_err() {
            return Ok(Next::Await);
        }
        let now = self.context.clock.now();
        let (configs, pools, nodes) = (cluster.configs.all(), cluster.pools.all(), cluster.nodes.all());
        let (reports, image_mode) = (cluster.reports.all(), cluster.os_configs.all());
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let found = unused(
            &UnusedView {
                configs: &configs.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
                pools: &pools.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
                nodes: &nodes.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
                reports: &reports.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
                image_mode_pools: &image_mode
                    .iter()
                    .map(|config| config.spec.machine_config_pool.name.as_str())
                    .collect::<BTreeSet<_>>(),
                blind: self.is_blind(),
                since: &since,
                after: SignedDuration::try_from(self.after).unwrap_or(SignedDuration::MAX),
            },
            now,
        );
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = found.since;
        let api: Api<MachineConfig> = Api::all(self.context.client.clone());
        for name in &found.delete {
            patch::delete(&api, name).await?;
            tracing::info!(name, after = ?self.after, "deleted a rendered MachineConfig that nobody uses");
        }
        let wait = |next: Timestamp| Duration::try_from(next.duration_since(now)).unwrap_or_default();
        Ok(found.next.map_or(Next::Await, |next| Next::After(wait(next))))
    }
}
