//! Tells nodes what to run, as many at once as may be down, and keeps the status of every pool.
//!
//! | module | part |
//! |---|---|
//! | `act` | writes nodes, and the status of pools |

mod act;

use crate::{Context, news::News};
use act::Writer;
use jiff::Timestamp;
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use weir_kubeio::{Error, Next, Recorder};
use weir_rules::{rollout::RolloutPlan, world::World};

/// Events are recorded under this name, the reference's.
const COMPONENT: &str = "machineconfigcontroller-nodecontroller";

/// There is more to write than was written in one pass.
const AT_ONCE: Next = Next::After(Duration::ZERO);

/// The rollout controller.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    recorder: Recorder,
    news: News,
    /// What was said of nodes without a pool.
    lost: News,
    /// The plan made last; tells since when a node waits.
    plan: Mutex<Option<Arc<RolloutPlan>>>,
    /// What was looked at last, once everything that came of it is done.
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
            news: News::default(),
            lost: News::default(),
            plan: Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// The plan made last.
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

    /// The first write that failed is the error; the others are made all the same.
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
        let writer = Writer { context: &self.context, recorder: &self.recorder, news: &self.news, lost: &self.lost };
        let told = writer.tell(&plan).await;
        // The status speaks of the nodes as they are now that they were told.
        let after = (!plan.start.is_empty() || !plan.adopt.is_empty()).then(|| self.context.world());
        let (statuses, lost) = {
            let views = after.as_ref().unwrap_or(&world).views();
            let lost = views.lost();
            (views.statuses(&plan, &lost, now), lost)
        };
        let said = writer.report(&statuses).await;
        writer.lost(&lost).await;
        told.and(said)?;
        // What another build keeps is left to it, notes on nodes included.
        if self.context.kept_by_us().is_ok() && writer.mark(&plan).await? {
            return Ok(AT_ONCE);
        }
        world.take_in(&plan, &statuses, |name| cluster.nodes.get(name), |name| cluster.pools.get(name));
        *self.last.lock() = Some(world);
        Ok(until(plan.next, now))
    }
}

/// When to look again, if time alone changes the plan.
fn until(next: Option<Timestamp>, now: Timestamp) -> Next {
    next.map_or(Next::Await, |at| Next::After(Duration::try_from(at.duration_since(now)).unwrap_or_default()))
}
