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
    operator::operands::{Identity, OperandChange, OperandsView, Rollout, changes, labelled, rollout},
    status::cluster_status::{Failure, Task},
};

/// The controller of the managed objects.
#[derive(Debug)]
pub(super) struct Controller {
    part: Part,
    wanted: Vec<Value>,
    /// Since when pods have been waited for.
    since: Mutex<Option<Timestamp>>,
}

impl Controller {
    /// Manages these objects, and no others with our label.
    pub(super) fn new(part: Part, wanted: Vec<Value>) -> Self {
        Self { part, wanted: wanted.into_iter().map(labelled).collect(), since: Mutex::new(None) }
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
    fn rollout(&self, now: Timestamp) -> Found {
        let mut since = self.since.lock();
        match rollout(&self.wanted, &self.live(), *since, now) {
            Rollout::Done => {
                *since = None;
                Found::default()
            }
            Rollout::Waiting { why } => {
                since.get_or_insert(now);
                Found { waits: Some(why), failed: Vec::new() }
            }
            Rollout::Failed { why } => {
                Found { failed: vec![Failure::Work { task: Task::MachineConfigController, why }], waits: None }
            }
        }
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
        self.part.context.cluster.watches.changes(&[Watcher::Operands])
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        let now = self.part.context.clock.now();
        if let Some(unseen) = self.part.context.cluster.watches.unseen(&[Watcher::Operands]).into_iter().next() {
            let Some(why) = unseen.why else { return Ok(Next::Await) };
            return Ok(self.part.failed([failed(format!("{} cannot be watched: {why}", unseen.what))]));
        }
        let unserved: Vec<_> = self.kinds().iter().filter(|kind| !kind.is_served()).map(|kind| kind.name()).collect();
        let live = self.live();
        let changes = changes(&OperandsView { wanted: &self.wanted, live: &live, unserved: &unserved });
        let found = match self.act(changes).await {
            Ok(()) => self.rollout(now),
            Err(failure) => Found { failed: vec![failure], waits: None },
        };
        Ok(self.part.found(found, None, now))
    }
}

fn failed(why: String) -> Failure {
    let why = format!("failed to apply machine config controller manifests: {why}");
    Failure::Work { task: Task::MachineConfigController, why }
}
