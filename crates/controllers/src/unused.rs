//! Deletes rendered MachineConfigs that are no longer needed.

use crate::Context;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::watch;
use weir_kubeio::{Error, Next, patch};
use weir_rules::operator::unused::{UnusedView, unused};

/// The controller of unused MachineConfigs.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    after: Duration,
    since: Mutex<BTreeMap<String, Timestamp>>,
}

impl Controller {
    /// One that deletes what has been unused for `after`.
    #[must_use]
    pub fn new(context: Context, after: Duration) -> Self {
        Self { context, after, since: Mutex::default() }
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "unused";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        self.context.cluster.changes()
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        if !self.context.cluster.is_synced() || self.context.kept_by_us().is_err() {
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
        let configs = &self.context.cluster.configs;
        for name in &found.delete {
            patch::delete(&self.context.client, configs, None, name).await?;
            tracing::info!(name, after = ?self.after, "deleted a rendered MachineConfig that nobody uses");
        }
        let wait = |next: Timestamp| Duration::try_from(next.duration_since(now)).unwrap_or_default();
        Ok(found.next.map_or(Next::Await, |next| Next::After(wait(next))))
    }
}
