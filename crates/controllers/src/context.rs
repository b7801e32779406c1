//! What every controller is given.

use crate::Cluster;
use kube::Client;
use std::{fmt, sync::Arc, time::Duration};
use weir_api::{
    ClusterVersion, FeatureGate,
    feature_gate::FeatureGateDetails,
    keys::names::{CLUSTER, CONTROLLER_CONFIG, VERSION},
};
use weir_distro::Profile;
use weir_kubeio::{Clock, Recorder};
use weir_rules::{
    operator::controller_config::{RenderConfigError, kept_by_us},
    stream::{
        gates::{Gates, GatesError, gate_list, gates},
        mismatch::{Mismatch, MismatchView, clause, mismatches},
    },
};

/// Identity of a build. The three are compared with different marks on different objects and never with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Version for people; the operator marks the ControllerConfig with it.
    pub raw: String,
    /// What makes the build unique; marks generated MachineConfigs and the OSImageStream.
    pub hash: String,
    /// Release the build belongs to; absent when it belongs to none, and then to the one the cluster is to run.
    pub release: Option<String>,
}

/// What every controller is given. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What is seen of it.
    pub cluster: Cluster,
    /// What time it is.
    pub clock: Clock,
    /// What is particular to the distribution.
    pub profile: &'static Profile,
    /// Who we are.
    pub build: Arc<Build>,
    /// How long a pool's new target is to be still before its first node is told; see [`weir_rules::rollout::settle`].
    pub settle: Duration,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("profile", &self.profile.name)
            .field("build", &self.build)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// The gates that are on for our release.
    ///
    /// # Errors
    /// When they are not known yet.
    pub fn gates(&self) -> Result<Gates, GatesError> {
        let (object, cluster) = (self.feature_gate(), self.cluster_version());
        gates(object.as_deref(), self.build.release.as_deref(), cluster.as_deref())
    }

    /// The list of gates, on and off, for our release; absent while it is not known.
    #[must_use]
    pub fn gate_list(&self) -> Option<FeatureGateDetails> {
        let (object, cluster) = (self.feature_gate(), self.cluster_version());
        gate_list(object.as_deref(), self.build.release.as_deref(), cluster.as_deref()).ok().cloned()
    }

    /// What contradicts the distribution; nothing is rendered or rolled out while there is anything.
    #[must_use]
    pub fn mismatches(&self) -> Vec<Mismatch> {
        let evidence = self.cluster.troubles.get().evidence;
        let gates = self.feature_gate();
        mismatches(&MismatchView {
            profile: self.profile,
            payload_tags: &evidence.tags.iter().map(String::as_str).collect::<Vec<_>>(),
            several_streams: &evidence.several_streams,
            feature_set: gates.as_ref().map(|object| object.spec.feature_set.as_str()),
        })
    }

    /// What contradicts the distribution, as a clause.
    #[must_use]
    pub fn halted(&self) -> Option<String> {
        let found = self.mismatches();
        (!found.is_empty()).then(|| clause(self.profile, &found))
    }

    /// Whether the cluster is ours to keep.
    ///
    /// # Errors
    /// When another build keeps it, with what to do.
    pub fn kept_by_us(&self) -> Result<(), RenderConfigError> {
        let config = self.cluster.controller_configs.get(CONTROLLER_CONFIG);
        kept_by_us(config.as_deref(), &self.build.raw)
    }

    /// The ClusterVersion.
    #[must_use]
    pub fn cluster_version(&self) -> Option<Arc<ClusterVersion>> {
        self.cluster.versions.get(VERSION)
    }

    fn feature_gate(&self) -> Option<Arc<FeatureGate>> {
        self.cluster.gates.get(CLUSTER)
    }

    /// Events of a component.
    #[must_use]
    pub fn recorder(&self, component: &'static str) -> Recorder {
        Recorder::new(self.client.clone(), component, self.clock.clone())
    }
}
