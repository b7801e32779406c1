//! Keeps the built-in pools, the admission policies and the ControllerConfig, and says in the ClusterOperator how it all is.
//!
//! | module | part |
//! |---|---|
//! | `observe` | what failed, what the required pools have come to, what stands against an update |
//! | `sources` | what the configuration of a real cluster is made of |
//! | `config` | writes the ControllerConfig of a real cluster, and what goes with it |
//! | `configuration` | writes the MachineConfiguration of a real cluster |
//! | `operands` | keeps the objects that it was given, such as those that run the controller |
//! | `act` | writes pools, policies and the ClusterOperator |

mod act;
mod config;
mod configuration;
mod observe;
mod operands;
mod sources;

use crate::{Context, news::News};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use observe::Observed;
use operands::Operands;
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use sources::Sources;
use std::time::Duration;
use weir_api::ClusterOperator;
use weir_kubeio::{Cache, Next, Recorder, drive};
use weir_rules::status::{cluster_status::Failure, required::Required};

/// Events are recorded under this name, the reference's.
const COMPONENT: &str = "machineconfigoperator";
/// Required pools that are waited for are judged again this often, and what failed is tried again: their time runs out, and
/// what stood in the way goes, without a change.
const JUDGE_AGAIN: Duration = Duration::from_secs(30);

/// The operator.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    /// What it runs from; empty when that is not known.
    image: String,
    /// Whether another operator's work is continued, of which the templates are not there.
    continues: bool,
    recorder: Recorder,
    operators: Cache<ClusterOperator>,
    policies: Cache<ValidatingAdmissionPolicy>,
    bindings: Cache<ValidatingAdmissionPolicyBinding>,
    sources: Sources,
    news: News,
    operands: Operands,
    memory: Mutex<Memory>,
}

/// What a pass remembers for the next.
#[derive(Debug, Default)]
struct Memory {
    /// Since when required pools are waited for.
    since: Option<Timestamp>,
    /// When the mark that the API server's CA changed was last seen to rise or fall.
    marked: Option<Timestamp>,
    /// The last edit of the ControllerConfig, when the API server made nothing of it: its definition does not know what
    /// the objects of the cluster say.
    vain: Option<Value>,
}

impl Controller {
    /// An operator that has not seen anything yet.
    #[must_use]
    pub fn new(context: Context) -> Self {
        let recorder = context.recorder(COMPONENT);
        Self {
            context,
            image: String::new(),
            continues: false,
            recorder,
            operators: Cache::new(),
            policies: Cache::new(),
            bindings: Cache::new(),
            sources: Sources::new(),
            news: News::default(),
            operands: Operands::new(Vec::new()),
            memory: Mutex::new(Memory::default()),
        }
    }

    /// The same, as one that continues the work of another operator.
    #[must_use]
    pub fn continuing(mut self, continues: bool) -> Self {
        self.continues = continues;
        self
    }

    /// The same, with the image that it runs from.
    #[must_use]
    pub fn of_image(mut self, image: &str) -> Self {
        image.clone_into(&mut self.image);
        self
    }

    /// Keeps these objects, too, and deletes what it kept before and is not among them.
    #[must_use]
    pub fn keeping(self, objects: Vec<Value>) -> Self {
        Self { operands: Operands::new(objects), ..self }
    }

    /// Reconciles on every change of what configures the cluster until the future is dropped; needs [`crate::watch`] beside it.
    pub async fn run(&self) {
        self.context.cluster.synced().await;
        let client = &self.context.client;
        let mut changes = self.context.cluster.configuration_changes();
        changes.extend([self.operators.changes(), self.policies.changes(), self.bindings.changes()]);
        changes.extend(self.sources.changes());
        changes.extend(self.operands.changes());
        tokio::join!(
            self.operators.clone().fill(client.clone()),
            self.policies.clone().fill(client.clone()),
            self.bindings.clone().fill(client.clone()),
            Box::pin(self.sources.fill(client.clone())),
            Box::pin(self.operands.fill(client.clone())),
            drive("operator", changes, || self.reconcile()),
        );
    }

    /// One pass.
    ///
    /// # Errors
    /// When the ClusterOperator could not be written. What else fails is said there.
    pub async fn reconcile(&self) -> Result<Next, weir_kubeio::Error> {
        // The other kinds only add to what is said.
        let awaited = matches!(self.sources.unseen(), Some((_, None))) || self.operands.is_awaited();
        if !self.context.cluster.is_synced() || !self.operators.is_synced() || awaited {
            return Ok(Next::Await);
        }
        let now = self.context.clock.now();
        let other = self.other_build();
        let (pools, guards) = match &other {
            Some(_) => (Ok(()), Ok(())),
            None => {
                let pools = self.pools().await.map_err(act::pools_failed);
                (pools, self.guards().await.map_err(act::guards_failed))
            }
        };
        let observed = Observed::new(self);
        let marks = self.marks(observed.version()).await.map_err(act::marks_failed);
        let operands = self.operands.keep(&self.context.client, now).await;
        let rollout = operands.as_ref().ok().cloned().flatten();
        let (mut failed, again) = match other {
            Some(failure) => (vec![failure], None),
            None => self.keep(&observed, now).await,
        };
        failed.extend([pools, guards, marks, operands.map(drop)].into_iter().filter_map(Result::err));
        let failure = observed.failure().or_else(|| failed.into_iter().min_by_key(Failure::order));
        let required = self.required(&observed, now).behind(rollout);
        self.report(&observed.report(failure.as_ref(), &required, &self.image, now)).await?;
        self.complete(&required, now).await?;
        let waits = failure.is_some() || required != Required::Done;
        let again = again.map(|at| at.duration_since(now).unsigned_abs());
        Ok(again.into_iter().chain(waits.then_some(JUDGE_AGAIN)).min().map_or(Next::Await, Next::After))
    }

    /// Keeps what belongs to a real cluster: what failed of it, and when to look again.
    async fn keep(&self, observed: &Observed, now: Timestamp) -> (Vec<Failure>, Option<Timestamp>) {
        if !self.sources.is_kept(observed.config()) {
            // Without its Infrastructure one does not know what it is.
            return (self.unreadable().into_iter().collect(), None);
        }
        let mut failed: Vec<Failure> = self.templates(observed).await.err().into_iter().collect();
        if let Ok(gates) = self.context.gates() {
            failed.extend(self.configuration(&gates, now).await.err());
        }
        let rendered = match self.rendered(observed) {
            Ok(Some(rendered)) => rendered,
            Ok(None) => return (failed, None),
            Err(failure) => {
                failed.push(failure);
                return (failed, None);
            }
        };
        self.missing_ca(&rendered).await;
        failed.extend(self.registry_ca(&rendered).await.err());
        failed.extend(self.user_data(&rendered).await.err());
        match self.controller_config(&rendered, observed, now).await {
            Ok(again) => (failed, again),
            Err(failure) => {
                failed.push(failure);
                (failed, None)
            }
        }
    }

    /// What the required pools have come to, and since when they are waited for.
    fn required(&self, observed: &Observed, now: Timestamp) -> Required {
        let mut memory = self.memory();
        let required = observed.required(memory.since, now);
        memory.since = match required {
            Required::Done => None,
            _ => Some(memory.since.unwrap_or(now)),
        };
        required
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock()
    }
}
