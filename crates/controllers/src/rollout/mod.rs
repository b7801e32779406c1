//! Gives nodes their targets, as many at once as may be down, and keeps the status of every pool up to date.
//!
//! | module | part |
//! |---|---|
//! | `act` | writes nodes, and the status of pools |

mod act;

use crate::{Context, last_said::LastSaid};
use act::Writer;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use parking_lot::Mutex;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::sync::watch;
use weir_kubeio::{Error, Mark, Next, Recorder, patch};
use weir_rules::{
    rollout::RolloutPlan,
    world::{Kept, World},
};

/// Component name in events, as in the reference.
const COMPONENT: &str = "machineconfigcontroller-nodecontroller";

/// A node that is done gives its place to the next within this: nodes one after another wait for it once each. Changes that people
/// make in a burst need no longer one here, since a new target settles before the first node is told.
const QUIET: Duration = Duration::from_millis(2);

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
    /// What the last pass saw.
    last: Mutex<Option<Seen>>,
    /// Nodes that may have been told something: there was no answer.
    unsure: Mutex<BTreeSet<String>>,
}

/// A world, and up to which changes of nodes and MachineConfigNodes it was looked at.
#[derive(Debug)]
struct Seen {
    world: World,
    kept: Kept,
    nodes: Mark,
    reports: Mark,
    /// When it was planned for.
    planned: Timestamp,
    /// Whether everything that follows from it is done.
    done: bool,
}

impl Seen {
    fn new(context: &Context, now: Timestamp) -> Self {
        // What changes between this and the look at the objects is looked at again.
        let (nodes, reports) = (context.cluster.nodes.mark(), context.cluster.reports.mark());
        Self { world: context.world(), kept: Kept::default(), nodes, reports, planned: now, done: false }
    }

    /// Takes in what changed since.
    fn follow(&mut self, context: &Context) {
        let changes = context.changes(&mut self.nodes, &mut self.reports);
        self.done &= self.world.follow(changes);
    }
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
            unsure: Mutex::default(),
        }
    }

    /// The last plan.
    #[must_use]
    pub fn plan(&self) -> Option<Arc<RolloutPlan>> {
        self.plan.lock().clone()
    }

    /// Asks what became of nodes that may have been told something: those count against what may be down (R-ROLLOUT-4), and another
    /// node may be the first in the next plan.
    async fn look_again(&self) -> Result<(), Error> {
        loop {
            let Some(name) = self.unsure.lock().first().cloned() else { return Ok(()) };
            patch::look_again(&self.context.client, &self.context.cluster.nodes, &name).await?;
            self.unsure.lock().remove(&name);
        }
    }

    /// Plans and does what follows. Returns the first failed write as the error, but makes the others too.
    async fn act(&self, seen: &mut Seen, now: Timestamp) -> Result<Next, Error> {
        (seen.planned, seen.done) = (now, false);
        let cluster = &self.context.cluster;
        let mut views = seen.world.views_from(&mut seen.kept);
        let plan = Arc::new(views.plan(self.plan().as_deref(), now));
        let left = if plan.start.is_empty() { Duration::ZERO } else { cluster.look.left() };
        if !left.is_zero() {
            return Ok(Next::After(left));
        }
        *self.plan.lock() = Some(plan.clone());
        let writer = Writer {
            context: &self.context,
            recorder: &self.recorder,
            last_said: &self.last_said,
            lost: &self.lost,
            unsure: &self.unsure,
        };
        let told = writer.tell(&plan).await;
        // The status describes the nodes after they were given their targets.
        let written: Vec<Arc<Node>> = plan.written().filter_map(|node| cluster.nodes.get(node)).collect();
        views.renew(&written);
        let lost = views.lost();
        let statuses = views.statuses(&plan, &lost, now);
        let said = writer.report(&statuses).await;
        writer.lost(&lost).await;
        told.and(said)?;
        // What another build manages is left to it, including marks on nodes.
        if self.context.kept_by_us().is_ok() && writer.mark(&plan).await? {
            return Ok(AT_ONCE);
        }
        seen.world.take_in(&plan, &statuses, |name| cluster.nodes.get(name), |name| cluster.pools.get(name));
        seen.done = true;
        Ok(Next::until(plan.next, now))
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "rollout";
    const QUIET: Duration = QUIET;

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        let cluster = &self.context.cluster;
        cluster.changes().into_iter().chain([cluster.look.changes()]).collect()
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        if !self.context.cluster.is_synced() {
            return Ok(Next::Await);
        }
        self.look_again().await?;
        let now = self.context.clock.now();
        let last = self.last.lock().take();
        let mut seen = match last {
            Some(mut seen) => {
                seen.follow(&self.context);
                seen
            }
            None => Seen::new(&self.context, now),
        };
        let next = match self.plan().filter(|plan| seen.done && plan.holds(seen.planned, now)) {
            Some(plan) => Ok(Next::until(plan.next, now)),
            None => self.act(&mut seen, now).await,
        };
        *self.last.lock() = Some(seen);
        next
    }
}
