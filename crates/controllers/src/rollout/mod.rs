//! Gives nodes their targets, as many at once as may be down, and keeps the status of every pool up to date.
//!
//! | module | part |
//! |---|---|
//! | `act` | writes nodes, and the status of pools |

mod act;

use crate::{Context, last_said::LastSaid};
use act::Writer;
use jiff::Timestamp;
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use weir_kubeio::{Error, Next, Recorder};
use weir_rules::{rollout::RolloutPlan, world::World};

/// Component name in events, as in the reference.
const COMPONENT: &str = "machineconfigcontroller-nodecontroller";

/// There is more to write than fits into one pass.
const AT_ONCE: Next = Next::After(Duration::ZERO);

/// The rollout controller.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    recorder: Recorder,
    last_said: LastSaid,
    /// Last messages about nodes without a pool.
    lost: LastSaid,
    /// The last plan; it records since when nodes have been waiting.
    plan: Mutex<Option<Arc<RolloutPlan>>>,
    /// The world of the last pass, once everything that followed from it is done.
    last: Mutex<Option<World>>,
}

impl Controller {
    /// A controller that has not planned anything yet.
    #[must_use]
    pub fn new(context: Context) -> Self {
        let recorder = context.recorder(COMPONENT);
        Self {
            context,
            recorder,
            last_said: LastSaid::default(),
            lost: LastSaid::default(),
            plan: Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// The last plan.
    #[must_use]
    pub fn plan(&self) -> Option<Arc<RolloutPlan>> {
        self.plan.lock().clone()
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "rollout";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        self.context.cluster.changes()
    }

    /// Returns the first failed write as the error, but makes the others too.
    async fn reconcile(&self) -> Result<Next, Error> {
        let cluster = &self.context.cluster;
        if !cluster.is_synced() {
            return Ok(Next::Await);
        }
        let (mut world, now) = (self.context.world(), self.context.clock.now());
        let (last, before) = (self.last.lock().take(), self.plan());
        if let Some(plan) = before.as_ref().filter(|plan| plan.next.is_none_or(|next| now < next))
            && last.is_some_and(|last| world.is_alike(&last))
        {
            *self.last.lock() = Some(world);
            return Ok(until(plan.next, now));
        }
        let plan = Arc::new(world.views().plan(before.as_deref(), now));
        *self.plan.lock() = Some(plan.clone());
        let writer =
            Writer { context: &self.context, recorder: &self.recorder, last_said: &self.last_said, lost: &self.lost };
        let told = writer.tell(&plan).await;
        // The status describes the nodes after they were given their targets.
        let after = (!plan.start.is_empty() || !plan.adopt.is_empty()).then(|| self.context.world());
        let (statuses, lost) = {
            let views = after.as_ref().unwrap_or(&world).views();
            let lost = views.lost();
            (views.statuses(&plan, &lost, now), lost)
        };
        let said = writer.report(&statuses).await;
        writer.lost(&lost).await;
        told.and(said)?;
        // What another build manages is left to it, including marks on nodes.
        if self.context.kept_by_us().is_ok() && writer.mark(&plan).await? {
            return Ok(AT_ONCE);
        }
        world.take_in(&plan, &statuses, |name| cluster.nodes.get(name), |name| cluster.pools.get(name));
        *self.last.lock() = Some(world);
        Ok(until(plan.next, now))
    }
}

/// When to look again, if the plan changes with time alone.
fn until(next: Option<Timestamp>, now: Timestamp) -> Next {
    next.map_or(Next::Await, |at| Next::After(Duration::try_from(at.duration_since(now)).unwrap_or_default()))
}
