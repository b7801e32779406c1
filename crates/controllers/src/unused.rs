//! Deletes rendered MachineConfigs that nobody needs any more.

use crate::Context;
use jiff::{SignedDuration, Timestamp};
use kube::Api;
use parking_lot::Mutex;
use std::{collections::BTreeMap, time::Duration};
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

    /// One pass.
    ///
    /// # Errors
    /// When one could not be deleted.
    pub async fn reconcile(&self) -> Result<Next, Error> {
        if self.context.kept_by_us().is_err() {
            return Ok(Next::Await);
        }
        let (world, now) = (self.context.world(), self.context.clock.now());
        let since = self.since.lock().clone();
        let view = UnusedView {
            configs: &world.configs,
            pools: &world.pools,
            nodes: &world.nodes,
            reports: &world.reports,
            os_configs: &world.os_configs,
            unreadable: &world.unreadable,
            since: &since,
            after: SignedDuration::try_from(self.after).unwrap_or(SignedDuration::MAX),
        };
        let found = unused(&view, now);
        *self.since.lock() = found.since;
        let api: Api<MachineConfig> = Api::all(self.context.client.clone());
        for name in &found.delete {
            patch::delete(&api, name).await?;
            tracing::info!(name, after = ?self.after, "deleted a rendered MachineConfig that nobody uses");
        }
        let wait = |next: Timestamp| Duration::try_from(next.duration_since(now)).unwrap_or_default();
        Ok(found.next.map_or(Next::Await, |next| Next::After(wait(next))))
    }
}
