//! Keeps a MachineConfigNode for every node: its pool, and the configuration it was given.
//!
//! | module | part |
//! |---|---|
//! | `observe` | what to create, change and delete |
//! | `act` | does it |

mod act;
mod observe;

use crate::Context;
use act::act;
use observe::{Observed, Seen};
use parking_lot::Mutex;
use tokio::sync::watch;
use weir_kubeio::{Error, Next, batch};

/// The controller of MachineConfigNodes.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    /// What was seen in the last pass after which everything was up to date.
    last: Mutex<Option<Seen>>,
}

impl Controller {
    /// A controller.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context, last: Mutex::default() }
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "nodes";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.context.cluster.node_changes();
        all.push(self.context.cluster.pools.changes());
        all
    }

    /// Returns the first failed write as the error, but makes the others too.
    async fn reconcile(&self) -> Result<Next, Error> {
        // Another build also reports about the nodes that it manages.
        if !self.context.cluster.is_synced() || self.context.kept_by_us().is_err() {
            return Ok(Next::Await);
        }
        let last = self.last.lock().take();
        let observed = Observed::new(&self.context, last);
        let writes = observed.writes(&self.context.cluster).into_iter().map(|write| ((), act(&self.context, write)));
        let outcomes = batch(writes.collect()).await;
        outcomes.into_iter().try_for_each(|(_, outcome)| outcome)?;
        *self.last.lock() = Some(observed.seen());
        Ok(Next::Await)
    }
}
