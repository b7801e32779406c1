//! What every controller is given.

use crate::Cluster;
use jiff::SignedDuration;
use kube::Client;
use std::{fmt, sync::Arc, time::Duration};
use weir_api::{
    ClusterVersion,
    keys::names::{CLUSTER, CONTROLLER_CONFIG, VERSION},
};
use weir_distro::Profile;
use weir_kubeio::{Clock, Recorder, Unreadable};
use weir_rules::{
    operator::controller_config::{RenderConfigError, kept_by_us},
    render::Build,
    stream::gates::{Gates, GatesError},
    view::unreadable::UnreadableObject,
    world::{Process, World},
};

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
    /// Everything that is seen of the cluster.
    #[must_use]
    pub fn world(&self) -> World {
        let cluster = &self.cluster;
        World {
            nodes: cluster.nodes.all(),
            reports: cluster.reports.all(),
            pods: cluster.operator_pods.all(),
            ..self.configuration()
        }
    }

    /// What is seen of what configures the cluster: no nodes, of which there are thousands.
    #[must_use]
    pub fn configuration(&self) -> World {
        let cluster = &self.cluster;
        let unreadable = |object: Unreadable| UnreadableObject {
            said: object.to_string(),
            kind: object.kind,
            name: object.name,
            labels: object.labels,
        };
        World {
            controller_config: cluster.controller_configs.get(CONTROLLER_CONFIG),
            streams: cluster.streams.get(CLUSTER),
            configuration: cluster.configurations.get(CLUSTER),
            pools: cluster.pools.all(),
            configs: cluster.configs.all(),
            os_configs: cluster.os_configs.all(),
            kubelets: cluster.kubelets.all(),
            runtimes: cluster.runtimes.all(),
            pinned: cluster.pinned.all(),
            unreadable: cluster.unreadable().into_iter().map(unreadable).collect(),
            process: Some(Process {
                build: self.build.clone(),
                settle: SignedDuration::try_from(self.settle).unwrap_or(SignedDuration::MAX),
                trouble: cluster.troubles.get(),
            }),
            ..self.release()
        }
    }

    /// What says which features are on.
    fn release(&self) -> World {
        World {
            version: self.cluster_version(),
            feature_gate: self.cluster.gates.get(CLUSTER),
            whole: true,
            release: self.build.release.clone(),
            profile: Some(self.profile),
            ..World::default()
        }
    }

    /// The gates that are on for our release.
    ///
    /// # Errors
    /// When they are not known yet.
    pub fn gates(&self) -> Result<Gates, GatesError> {
        self.release().gates()
    }

    /// Whether there are OS image streams.
    ///
    /// # Errors
    /// When it is not known yet.
    pub fn has_streams(&self) -> Result<bool, GatesError> {
        self.release().has_streams()
    }

    /// Version of the release the cluster is to run; while no release is known, that of this build.
    #[must_use]
    pub fn version(&self) -> String {
        let desired = || Some(self.cluster_version()?.status.as_ref()?.desired.version.clone());
        let release = self.build.release.clone().or_else(|| desired().filter(|version| !version.is_empty()));
        release.unwrap_or_else(|| self.build.raw.clone())
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

    /// Events of a component.
    #[must_use]
    pub fn recorder(&self, component: &'static str) -> Recorder {
        Recorder::new(self.client.clone(), component, self.clock.clone())
    }
}
