//! Manages the objects that the operator was given.
//!
//! | module | part |
//! |---|---|
//! | `kinds` | the kinds of managed objects, where each is watched, and how it is written |

pub(crate) mod kinds;

use super::findings::{Found, Part};
use crate::cluster::Watcher;
use jiff::Timestamp;
use kinds::Kind;
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::watch;
use weir_kubeio::{Error, Next, drive::chain};
use weir_rules::{
    operator::{
        builder::is_needed,
        operands::{Identity, OperandChange, OperandsView, Rollout, changes, labelled, rollout},
    },
    status::cluster_status::{Failure, Task},
};

/// The controller of the managed objects.
#[derive(Debug)]
pub(super) struct Controller {
    part: Part,
    wanted: Vec<Value>,
    /// Wanted while OS images are built.
    for_builds: Vec<Value>,
    /// Since when pods have been waited for: those of the first, and those of the others.
    since: Mutex<[Option<Timestamp>; 2]>,
}

impl Controller {
    /// Manages these objects, `for_builds` while OS images are built, and no others with our label.
    pub(super) fn new(part: Part, wanted: Vec<Value>, for_builds: Vec<Value>) -> Self {
        let [wanted, for_builds] = [wanted, for_builds].map(|objects| objects.into_iter().map(labelled).collect());
        Self { part, wanted, for_builds, since: Mutex::default() }
    }

    /// What is wanted now, in two parts.
    fn wanted(&self) -> [&[Value]; 2] {
        let builds = is_needed(&self.part.context.configuration());
        [&self.wanted, if builds { &self.for_builds } else { &[] }]
    }

    /// Applies and deletes. The first failed write ends the pass: later objects may need the one that failed.
    async fn act(&self, changes: Vec<OperandChange<'_>>) -> Result<(), Failure> {
        for change in changes {
            let (verb, object) = match change {
                OperandChange::Apply(object) => ("applied", object),
                OperandChange::Delete(object) => ("deleted", object),
            };
            let (identity, client) = (Identity::of(object), &self.part.context.client);
            let kind = self.kinds().iter().find(|kind| kind.name() == identity.kind);
            let task = if self.for_builds.contains(object) { TASKS[1] } else { TASKS[0] };
            let failed = |why| failed(task, why);
            let kind = kind.ok_or_else(|| failed(format!("{identity} is of a kind that is not managed")))?;
            let written = match change {
                OperandChange::Apply(object) => kind.apply(client, object).await,
                OperandChange::Delete(object) => kind.delete(client, object).await,
            };
            written.map_err(|error| failed(format!("{identity}: {}", chain(&error))))?;
            tracing::info!(object = %identity, "operand {verb}");
        }
        Ok(())
    }

    /// The current state of its pods.
    fn rollout(&self, wanted: [&[Value]; 2], now: Timestamp) -> Found {
        let (mut all, live) = (Found::default(), self.live());
        for ((wanted, since), task) in wanted.into_iter().zip(self.since.lock().iter_mut()).zip(TASKS) {
            match rollout(wanted, &live, *since, now) {
                Rollout::Done => *since = None,
                Rollout::Waiting { why } => {
                    since.get_or_insert(now);
                    all.waits.get_or_insert(why);
                }
                Rollout::Failed { why } => all.failed.push(Failure::Work { task, why }),
            }
        }
        all
    }

    fn kinds(&self) -> &[Arc<dyn Kind>] {
        &self.part.context.cluster.operands
    }

    fn live(&self) -> Vec<Value> {
        self.kinds().iter().flat_map(|kind| kind.live()).collect()
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "operands";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        let cluster = &self.part.context.cluster;
        let mut all = cluster.watches.changes(&[Watcher::Operands]);
        if !self.for_builds.is_empty() {
            all.extend(cluster.intent_changes());
        }
        all
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        let now = self.part.context.clock.now();
        if let Some(unseen) = self.part.context.cluster.watches.unseen(&[Watcher::Operands]).into_iter().next() {
            let Some(why) = unseen.why else { return Ok(Next::Await) };
            return Ok(self.part.failed([failed(TASKS[0], format!("{} cannot be watched: {why}", unseen.what))]));
        }
        let unserved: Vec<_> = self.kinds().iter().filter(|kind| !kind.is_served()).map(|kind| kind.name()).collect();
        let (live, wanted) = (self.live(), self.wanted());
        let all = wanted.concat();
        let changes = changes(&OperandsView { wanted: &all, live: &live, unserved: &unserved });
        let found = match self.act(changes).await {
            Ok(()) => self.rollout(wanted, now),
            Err(failure) => Found { failed: vec![failure], waits: None },
        };
        Ok(self.part.found(found, None, now))
    }
}

/// Whose failure it is: that of the controller's objects, and that of the builder's.
const TASKS: [Task; 2] = [Task::MachineConfigController, Task::MachineOsBuilder];

fn failed(task: Task, why: String) -> Failure {
    let what = if task == Task::MachineOsBuilder { "machine os builder" } else { "machine config controller" };
    Failure::Work { task, why: format!("failed to apply {what} manifests: {why}") }
}
