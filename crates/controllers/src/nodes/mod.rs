//! Keeps one MachineConfigNode for every node: its pool, and what it was told to run.
//!
//! | module | part |
//! |---|---|
//! | `observe` | what is to be created, changed and deleted |
//! | `act` | does it |

mod act;
mod observe;

use crate::Context;
use act::act;
use observe::Observed;
use parking_lot::Mutex;
use tokio::sync::watch;
use weir_kubeio::{Error, Next, batch};

/// The controller of MachineConfigNodes.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    /// What was looked at last, when all of it was made right.
    last: Mutex<Option<Observed>>,
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

    /// The first write that failed is the error; the others are made all the same.
    async fn reconcile(&self) -> Result<Next, Error> {
        // What another build keeps it reports about, too.
        if !self.context.cluster.is_synced() || self.context.kept_by_us().is_err() {
            return Ok(Next::Await);
        }
        let observed = Observed::new(&self.context);
        let last = self.last.lock().take();
        let writes = observed.writes(last.as_ref()).into_iter().map(|write| ((), act(&self.context, write)));
        let outcomes = batch(writes.collect()).await;
        outcomes.into_iter().try_for_each(|(_, outcome)| outcome)?;
        *self.last.lock() = Some(observed);
        Ok(Next::Await)
    }
}
