//! Keeps the objects that the operator was given, where it was given any.
//!
//! | module | part |
//! |---|---|
//! | `kinds` | the kinds of objects that are kept, where each is watched, and how it is written |

mod kinds;

use futures::future::join_all;
use jiff::Timestamp;
use kinds::{Kind, kinds};
use kube::Client;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use weir_kubeio::drive::chain;
use weir_rules::{
    operator::operands::{Identity, OperandChange, OperandsView, Rollout, changes, labelled, rollout},
    status::cluster_status::{Failure, Task},
};

/// What is kept, and what is there of it.
#[derive(Debug)]
pub(super) struct Operands {
    wanted: Vec<Value>,
    /// Empty where nothing is kept: then nothing is watched.
    kinds: Vec<Box<dyn Kind>>,
    /// Since when pods are waited for.
    since: Mutex<Option<Timestamp>>,
}

impl Operands {
    /// Keeps these objects and no others with our label; without any, nothing.
    pub(super) fn new(wanted: Vec<Value>) -> Self {
        let kinds = if wanted.is_empty() { Vec::new() } else { kinds() };
        Self { wanted: wanted.into_iter().map(labelled).collect(), kinds, since: Mutex::new(None) }
    }

    /// Watches what is kept until the future is dropped.
    pub(super) async fn fill(&self, client: Client) {
        join_all(self.kinds.iter().map(|kind| kind.fill(client.clone()))).await;
    }

    pub(super) fn changes(&self) -> Vec<watch::Receiver<u64>> {
        self.kinds.iter().map(|kind| kind.changes()).collect()
    }

    /// Whether nothing is known to be wrong, and not everything has been seen yet.
    pub(super) fn is_awaited(&self) -> bool {
        self.forbidden().is_none() && self.kinds.iter().any(|kind| !kind.is_synced())
    }

    /// The first kind that cannot be watched, and why.
    fn forbidden(&self) -> Option<(String, String)> {
        let mut unseen = self.kinds.iter().filter(|kind| !kind.is_synced());
        unseen.find_map(|kind| Some((kind.name(), kind.failing()?)))
    }

    /// Brings all of it in line; what its pods are waited for.
    pub(super) async fn keep(&self, client: &Client, now: Timestamp) -> Result<Option<String>, Failure> {
        if let Some((kind, why)) = self.forbidden() {
            return Err(failed(format!("{kind} cannot be watched: {why}")));
        }
        self.bring(client).await?;
        let mut since = self.since.lock();
        match rollout(&self.wanted, &self.live(), *since, now) {
            Rollout::Done => {
                *since = None;
                Ok(None)
            }
            Rollout::Waiting { why } => {
                since.get_or_insert(now);
                Ok(Some(why))
            }
            Rollout::Failed { why } => Err(Failure::Work { task: Task::MachineConfigController, why }),
        }
    }

    /// Applies and deletes. The first write that fails ends it: what comes after may need what failed.
    async fn bring(&self, client: &Client) -> Result<(), Failure> {
        let (live, unserved) = (self.live(), self.unserved());
        for change in changes(&OperandsView { wanted: &self.wanted, live: &live, unserved: &unserved }) {
            let (verb, object) = match change {
                OperandChange::Apply(object) => ("applied", object),
                OperandChange::Delete(object) => ("deleted", object),
            };
            let identity = Identity::of(object);
            let kind = self.kinds.iter().find(|kind| kind.name() == identity.kind);
            let kind = kind.ok_or_else(|| failed(format!("{identity} is of a kind that is not kept")))?;
            let written = match change {
                OperandChange::Apply(object) => kind.apply(client, object).await,
                OperandChange::Delete(object) => kind.delete(client, object).await,
            };
            written.map_err(|error| failed(format!("{identity}: {}", chain(&error))))?;
            tracing::info!(object = %identity, "operand {verb}");
        }
        Ok(())
    }

    fn live(&self) -> Vec<Value> {
        self.kinds.iter().flat_map(|kind| kind.live()).collect()
    }

    fn unserved(&self) -> Vec<String> {
        self.kinds.iter().filter(|kind| !kind.is_served()).map(|kind| kind.name()).collect()
    }
}

fn failed(why: String) -> Failure {
    let why = format!("failed to apply machine config controller manifests: {why}");
    Failure::Work { task: Task::MachineConfigController, why }
}
