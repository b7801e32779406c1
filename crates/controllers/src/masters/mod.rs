//! Keeps labels and taints of control plane nodes up to date: they decide whether workloads may run there.
//!
//! | module | part |
//! |---|---|
//! | `act` | writes nodes |
//!
//! Only changes of these nodes wake it, not those of thousands of others.

mod act;

use crate::{Context, cluster::Watcher};
use tokio::sync::watch;
use weir_api::keys::names::CLUSTER;
use weir_kubeio::{Error, Next};
use weir_rules::operator::masters::change;

/// The controller of control plane nodes.
#[derive(Debug)]
pub struct Controller {
    context: Context,
}

impl Controller {
    /// A controller that has not seen anything yet.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context }
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "masters";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.context.cluster.watches.changes(&[Watcher::ControlPlane]);
        all.push(self.context.cluster.controller_configs.changes());
        all
    }

    /// Returns the first failed write as the error, but makes the others too.
    async fn reconcile(&self) -> Result<Next, Error> {
        let cluster = &self.context.cluster;
        let is_synced = cluster.watches.is_synced(&[Watcher::ControlPlane]) && cluster.controller_configs.is_synced();
        // Another build manages the nodes of its cluster.
        if !is_synced || self.context.kept_by_us().is_err() {
            return Ok(Next::Await);
        }
        let schedulable = cluster.schedulers.get(CLUSTER).map(|scheduler| scheduler.spec.masters_schedulable);
        let mut outcome = Ok(Next::Await);
        for node in cluster.masters.all() {
            let Some(patch) = change(&node, schedulable) else { continue };
            let name = node.metadata.name.as_deref().unwrap_or_default();
            if let Err(error) = self.write(name, &patch, schedulable).await {
                outcome = outcome.and(Err(error));
            }
        }
        outcome
    }
}
