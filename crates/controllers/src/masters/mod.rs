//! Keeps labels and taints of the control plane's nodes: whether they take pods of everybody.
//!
//! | module | part |
//! |---|---|
//! | `act` | writes nodes |
//!
//! It watches those nodes alone: what happens to the others, thousands of them, is nothing to it.

mod act;

use crate::Context;
use k8s_openapi::api::core::v1::Node;
use weir_api::{
    Scheduler,
    keys::{names::CLUSTER, node::MASTER},
};
use weir_kubeio::{Cache, Next, drive};
use weir_rules::operator::masters::change;

/// The controller of the control plane's nodes.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    schedulers: Cache<Scheduler>,
    nodes: Cache<Node>,
}

impl Controller {
    /// A controller that has not seen anything yet.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context, schedulers: Cache::new(), nodes: Cache::new() }
    }

    /// Reconciles on every change of the control plane's nodes and of the Scheduler until the future is dropped.
    pub async fn run(&self) {
        let client = &self.context.client;
        let changes =
            vec![self.schedulers.changes(), self.nodes.changes(), self.context.cluster.controller_configs.changes()];
        tokio::join!(
            self.schedulers.clone().fill_optional(client.clone()),
            self.nodes.clone().fill_labelled(client.clone(), MASTER),
            drive("masters", changes, || self.reconcile()),
        );
    }

    /// One pass.
    ///
    /// # Errors
    /// The first write that failed; the others are made all the same.
    pub async fn reconcile(&self) -> Result<Next, weir_kubeio::Error> {
        let cluster = &self.context.cluster;
        let seen = self.schedulers.is_synced() && self.nodes.is_synced() && cluster.controller_configs.is_synced();
        // Another build keeps the nodes of its cluster.
        if !seen || self.context.kept_by_us().is_err() {
            return Ok(Next::Await);
        }
        let schedulable = self.schedulers.get(CLUSTER).map(|scheduler| scheduler.spec.masters_schedulable);
        let mut outcome = Ok(Next::Await);
        for node in self.nodes.all() {
            let Some(patch) = change(&node, schedulable) else { continue };
            let name = node.metadata.name.as_deref().unwrap_or_default();
            if let Err(error) = self.write(name, &patch, schedulable).await {
                outcome = outcome.and(Err(error));
            }
        }
        outcome
    }
}
