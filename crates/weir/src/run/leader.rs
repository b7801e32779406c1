//! Leader election.
//!
//! The lease names are the reference's, so that weir waits for a running reference operator or controller, and vice
//! versa. A process that runs operator and controller takes the operator's lease first: all take them in the same order. One that runs
//! everything stands for the builder's lease once it has both: another builder keeps it from building, and from nothing else.

use super::Role;
use crate::{cli::run::Election, exit::Outcome};
use anyhow::{Result, bail};
use kube::{Api, Client, Config};
use std::path::Path;
use tokio::sync::watch;
use uuid::Uuid;
use weir_api::{
    Infrastructure,
    keys::names::{CLUSTER, CLUSTER_OPERATOR, CONTROLLER_CONFIG, OPERATOR_NAMESPACE},
};
use weir_kubeio::{
    Clock, Fence, client,
    error::{optional, said},
    lease::{Candidate, Led, Timing, lead_both},
};

/// Lease of the operator.
const OPERATOR: &str = CLUSTER_OPERATOR;
/// Lease of the controller.
const CONTROLLER: &str = CONTROLLER_CONFIG;
/// Lease of the builder.
pub(super) const BUILDER: &str = "machine-os-builder";

/// Control plane topology of a single-node cluster (`config/v1/types_infrastructure.go` of
/// github.com/openshift/api).
const SINGLE_REPLICA: &str = "SingleReplica";

/// The periods that suit the cluster unless the user sets others.
pub(super) async fn usual(client: &Client) -> Timing {
    let infrastructures: Api<Infrastructure> = Api::all(client.clone());
    let found = optional(infrastructures.get(CLUSTER).await).unwrap_or_else(|error| {
        tracing::warn!(
            error = said(&error),
            "Infrastructure cluster cannot be read: the election is that of several machines"
        );
        None
    });
    let topology = found.and_then(|infrastructure| infrastructure.status?.control_plane_topology);
    match topology.as_deref() {
        Some(SINGLE_REPLICA) => Timing::single_replica(),
        _ => Timing::default(),
    }
}

/// The leases a process needs.
pub(super) struct Leases {
    operator: Option<Candidate>,
    controller: Option<Candidate>,
    builder: Option<Candidate>,
}

impl Leases {
    /// The leases of a role; none when there is no election.
    pub(super) fn new(role: Role, election: &Election, timing: Timing, client: &Client, clock: &Clock) -> Self {
        let identity = format!("{}_{}", host(), Uuid::new_v4());
        let candidate =
            |name| Candidate::new(client.clone(), OPERATOR_NAMESPACE, name, &identity, timing, clock.clone());
        Self {
            operator: (election.leader_elect && role.operates()).then(|| candidate(OPERATOR)),
            controller: (election.leader_elect && role.controls()).then(|| candidate(CONTROLLER)),
            builder: (election.leader_elect && role.builds()).then(|| candidate(BUILDER)),
        }
    }

    /// The fences of the leases, with the lease names.
    pub(super) fn fences(&self) -> Vec<(&'static str, Fence)> {
        let all = [(OPERATOR, &self.operator), (CONTROLLER, &self.controller), (BUILDER, &self.builder)];
        all.into_iter().filter_map(|(name, candidate)| Some((name, candidate.as_ref()?.fence()))).collect()
    }

    /// A client whose writes pass only while the leases of operator and controller are held.
    pub(super) fn client(&self, config: Config, component: &str) -> Result<Client> {
        let builder = client::builder(config, component)?;
        Ok(match (self.operator.as_ref().map(Candidate::fence), self.controller.as_ref().map(Candidate::fence)) {
            (Some(one), Some(other)) => builder.with_layer(&one).with_layer(&other).build(),
            (Some(one), None) | (None, Some(one)) => builder.with_layer(&one).build(),
            (None, None) => builder.build(),
        })
    }

    /// A client whose writes pass only while the lease of the builder is held. Whoever needs the others as well loses this one with them.
    pub(super) fn client_of_builder(&self, config: Config, component: &str) -> Result<Client> {
        let builder = client::builder(config, component)?;
        Ok(match self.builder.as_ref().map(Candidate::fence) {
            Some(fence) => builder.with_layer(&fence).build(),
            None => builder.build(),
        })
    }

    /// Works while the lease of the builder is held.
    pub(super) async fn build(
        &self,
        stop: &watch::Receiver<bool>,
        work: impl Future<Output = Result<Outcome>>,
    ) -> Result<Outcome> {
        match &self.builder {
            Some(builder) => ended(BUILDER, builder.lead(asked(stop), work).await),
            None => work.await,
        }
    }

    /// Works while the leases of operator and controller are held, as far as it needs them.
    pub(super) async fn lead(
        &self,
        stop: &watch::Receiver<bool>,
        work: impl Future<Output = Result<Outcome>>,
    ) -> Result<Outcome> {
        match (&self.operator, &self.controller) {
            (Some(operator), Some(controller)) => {
                match Box::pin(lead_both(operator, controller, || asked(stop), work)).await {
                    Led::Ended(led) => ended(CONTROLLER, led),
                    Led::Never => ended(OPERATOR, Led::Never),
                    Led::Lost => ended(OPERATOR, Led::Lost),
                }
            }
            (Some(operator), None) => ended(OPERATOR, operator.lead(asked(stop), work).await),
            (None, Some(controller)) => ended(CONTROLLER, controller.lead(asked(stop), work).await),
            (None, None) => work.await,
        }
    }
}

/// Resolves when the process was asked to stop.
pub(super) async fn asked(stop: &watch::Receiver<bool>) {
    // Once the sender is gone, nothing can ask any more.
    if stop.clone().wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn ended(lease: &str, led: Led<Result<Outcome>>) -> Result<Outcome> {
    match led {
        Led::Never => Ok(Outcome::Done),
        Led::Lost => bail!(
            "lost lease {OPERATOR_NAMESPACE}/{lease}: another process has it, or had it; nothing was written since"
        ),
        Led::Ended(outcome) => outcome,
    }
}

/// Name of this machine or pod.
fn host() -> String {
    let file = std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname")).ok();
    let name = std::env::var("HOSTNAME").ok().or(file).unwrap_or_default();
    name.trim().to_owned()
}
