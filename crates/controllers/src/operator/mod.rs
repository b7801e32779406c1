//! Keeps the built-in pools and the admission policies, and says in the ClusterOperator how it all is.
//!
//! | module | part |
//! |---|---|
//! | `observe` | what failed, what the required pools have come to, what stands against an update |
//! | `act` | writes pools, policies and the ClusterOperator |

mod act;
mod observe;

use crate::Context;
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use observe::Observed;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use weir_api::{ClusterOperator, ContainerRuntimeConfig, KubeletConfig};
use weir_kubeio::{Cache, Next, Recorder, drive};
use weir_rules::{cluster_status::Failure, required::Required};

/// Events are recorded under this name, the reference's.
const COMPONENT: &str = "machineconfigoperator";
/// Required pools that are waited for are judged again this often: their time runs out without a change.
const JUDGE_AGAIN: Duration = Duration::from_secs(30);

/// The operator.
#[derive(Debug)]
pub struct Controller {
    context: Context,
    recorder: Recorder,
    operators: Cache<ClusterOperator>,
    kubelets: Cache<KubeletConfig>,
    runtimes: Cache<ContainerRuntimeConfig>,
    policies: Cache<ValidatingAdmissionPolicy>,
    bindings: Cache<ValidatingAdmissionPolicyBinding>,
    memory: Mutex<Memory>,
}

/// What a pass remembers for the next.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// Whether there was no pass without failure yet.
    bring_up: bool,
    /// Since when required pools are waited for.
    since: Option<Timestamp>,
}

impl Controller {
    /// An operator that has not seen anything yet.
    #[must_use]
    pub fn new(context: Context) -> Self {
        let recorder = context.recorder(COMPONENT);
        Self {
            context,
            recorder,
            operators: Cache::new(),
            kubelets: Cache::new(),
            runtimes: Cache::new(),
            policies: Cache::new(),
            bindings: Cache::new(),
            memory: Mutex::new(Memory { bring_up: true, since: None }),
        }
    }

    /// Reconciles on every change of what configures the cluster until the future is dropped.
    pub async fn run(&self) {
        let client = &self.context.client;
        let mut changes = self.context.cluster.configuration_changes();
        changes.extend([self.kubelets.changes(), self.runtimes.changes()]);
        changes.extend([self.operators.changes(), self.policies.changes(), self.bindings.changes()]);
        tokio::join!(
            self.operators.clone().fill(client.clone()),
            self.kubelets.clone().fill(client.clone()),
            self.runtimes.clone().fill(client.clone()),
            self.policies.clone().fill(client.clone()),
            self.bindings.clone().fill(client.clone()),
            drive("operator", changes, || self.reconcile()),
        );
    }

    /// One pass.
    ///
    /// # Errors
    /// When the ClusterOperator could not be written. What else fails is said there.
    pub async fn reconcile(&self) -> Result<Next, weir_kubeio::Error> {
        // The other kinds only add to what is said.
        if !self.context.cluster.is_synced() || !self.operators.is_synced() {
            return Ok(Next::Await);
        }
        let now = self.context.clock.now();
        let pools = self.pools().await.map_err(act::pools_failed);
        let written = pools.and(self.guards().await.map_err(act::guards_failed));
        let observed = Observed::new(self);
        let written = written.and(self.marks(observed.version()).await.map_err(act::marks_failed));
        let failure = observed.failure().or_else(|| written.err());
        let before = *self.memory();
        let required = observed.required(before.since, now);
        self.remember(failure.as_ref(), &required, now);
        self.report(&observed.report(failure.as_ref(), &required, before.bring_up, now)).await?;
        Ok(if required == Required::Done { Next::Await } else { Next::After(JUDGE_AGAIN) })
    }

    fn remember(&self, failure: Option<&Failure>, required: &Required, now: Timestamp) {
        let mut memory = self.memory();
        memory.since = match required {
            Required::Done => None,
            _ => Some(memory.since.unwrap_or(now)),
        };
        memory.bring_up &= failure.is_some() || *required != Required::Done;
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
