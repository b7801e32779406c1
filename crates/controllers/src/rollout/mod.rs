//! Tells nodes what to run, as many at once as may be down, and keeps the status of every pool.
//!
//! | module | part |
//! |---|---|
//! | `observe` | views of pools and nodes |
//! | `act` | writes nodes, and the status of pools |

mod act;
pub(crate) mod observe;

use crate::{Context, news::News};
use act::Writer;
use observe::Observed;
use std::sync::{Arc, Mutex, PoisonError};
use weir_kubeio::{Next, Recorder, drive};
use weir_rules::rollout::RolloutPlan;

/// Events are recorded under this name, the reference's.
const COMPONENT: &str = "machineconfigcontroller-nodecontroller";

/// The rollout controller.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    recorder: Recorder,
    news: News,
    /// The plan made last; tells since when a node waits.
    plan: Mutex<Option<Arc<RolloutPlan>>>,
}

impl Controller {
    /// A controller that has not planned anything yet.
    #[must_use]
    pub fn new(context: Context) -> Self {
        let recorder = context.recorder(COMPONENT);
        Self { context, recorder, news: News::default(), plan: Mutex::default() }
    }

    /// Reconciles on every change until the future is dropped.
    pub async fn run(&self) {
        drive("rollout", self.context.cluster.changes(), || self.reconcile()).await;
    }

    /// The plan made last.
    #[must_use]
    pub fn plan(&self) -> Option<Arc<RolloutPlan>> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One pass over all pools and nodes.
    ///
    /// # Errors
    /// The first write that failed; the others are made all the same.
    pub async fn reconcile(&self) -> Result<Next, weir_kubeio::Error> {
        if !self.context.cluster.is_synced() {
            return Ok(Next::Await);
        }
        let now = self.context.clock.now();
        let writer = Writer { context: &self.context, recorder: &self.recorder, news: &self.news };
        let plan = Arc::new(Observed::new(&self.context).plan(self.plan().as_deref(), now));
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan.clone());
        let told = writer.tell(&plan).await;
        // The status speaks of the nodes as they are now that they were told.
        let observed = Observed::new(&self.context);
        let said = writer.report(&observed.statuses(&plan, now)).await;
        told.and(said).map(|()| Next::Await)
    }
}
