//! Tells nodes what to run, as many at once as may be down, and keeps the status of every pool.
//!
//! | module | part |
//! |---|---|
//! | `observe` | what a pass need not look at again |
//! | `act` | writes nodes, and the status of pools |

mod act;
mod observe;

use crate::{Context, news::News};
use act::Writer;
use jiff::Timestamp;
use observe::{is_alike, take_in};
use parking_lot::{Mutex, MutexGuard};
use std::{sync::Arc, time::Duration};
use weir_kubeio::{Next, Recorder, drive};
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

    /// Reconciles on every change until the future is dropped.
    pub async fn run(&self) {
        drive("rollout", self.context.cluster.changes(), || self.reconcile()).await;
    }

    /// The plan made last.
    #[must_use]
    pub fn plan(&self) -> Option<Arc<RolloutPlan>> {
        lock(&self.plan).clone()
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
        let world = self.context.world();
        let last = lock(&self.last).take();
        if let (Some(last), Some(plan)) = (&last, self.plan())
            && plan.next.is_none_or(|next| now < next)
            && is_alike(last, &world)
        {
            *lock(&self.last) = Some(world);
            return Ok(until(plan.next, now));
        }
        self.act(world, now).await
    }

    /// Plans, and does what is planned.
    async fn act(&self, mut world: World, now: Timestamp) -> Result<Next, weir_kubeio::Error> {
        let writer = Writer { context: &self.context, recorder: &self.recorder, news: &self.news, lost: &self.lost };
        let plan = Arc::new(world.views().plan(self.plan().as_deref(), now));
        *lock(&self.plan) = Some(plan.clone());
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
        take_in(&mut world, &self.context, &plan, &statuses);
        *lock(&self.last) = Some(world);
        Ok(until(plan.next, now))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

/// When to look again, if time alone changes the plan.
fn until(next: Option<Timestamp>, now: Timestamp) -> Next {
    next.map_or(Next::Await, |at| Next::After(Duration::try_from(at.duration_since(now)).unwrap_or_default()))
}
