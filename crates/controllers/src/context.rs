//! What every controller is given.

use crate::{Cluster, Generating};
use jiff::SignedDuration;
use kube::Client;
use std::{fmt, sync::Arc, time::Duration};
use weir_api::{
    ClusterVersion,
    feature_gate::Gate,
    keys::names::{CLUSTER, CLUSTER_OPERATOR, CONTROLLER_CONFIG, VERSION},
};
use weir_distro::Profile;
use weir_kubeio::{Clock, Mark, Recorder, Unreadable};
use weir_rules::{
    operator::controller_config::{RenderConfigError, kept_by_us},
    render::Build,
    stream::gates::{Gates, GatesError},
    view::unreadable::UnreadableObject,
    world::{Changes, Process, World},
};

/// What every controller is given. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The view of it.
    pub cluster: Cluster,
    /// The time.
    pub clock: Clock,
    /// The distribution's particulars.
    pub profile: &'static Profile,
    /// This build.
    pub build: Arc<Build>,
    /// How long a pool's new target must stay the same before the first node is given it; see [`weir_rules::rollout::settle`].
    pub settle: Duration,
    /// How MachineConfigs are generated.
    pub generating: Generating,
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
    /// The whole cluster as it is known now.
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

    /// The whole cluster with what is only told: the histories of pools, and what the operator reports.
    #[must_use]
    pub fn told(&self) -> World {
        let cluster = &self.cluster;
        World {
            histories: cluster.histories.all(),
            cluster_operator: cluster.operators.get(CLUSTER_OPERATOR),
            ..self.world()
        }
    }

    /// What changed since a look that ended at these marks, which it moves.
    pub fn changes(&self, nodes: &mut Mark, reports: &mut Mark) -> Changes {
        let cluster = &self.cluster;
        Changes {
            nodes: cluster.nodes.since(nodes),
            reports: cluster.reports.since(reports),
            others: World { pods: cluster.operator_pods.all(), ..self.configuration() },
        }
    }

    /// What configures the cluster, without nodes, of which there may be thousands.
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
            os_builds: cluster.os_builds.all(),
            kubelets: cluster.kubelets.all(),
            runtimes: cluster.runtimes.all(),
            pinned: cluster.pinned.all(),
            unreadable: cluster.unreadable().into_iter().map(unreadable).collect(),
            process: Some(Process {
                build: self.build.clone(),
                settle: SignedDuration::try_from(self.settle).unwrap_or(SignedDuration::MAX),
                generates: self.generates(),
                problems: cluster.stream_problems.get(),
                generated_with: cluster.generated_with.get(),
            }),
            ..self.release()
        }
    }

    /// The objects that decide which features are on.
    fn release(&self) -> World {
        World {
            version: self.cluster_version(),
            feature_gate: self.cluster.gates.get(CLUSTER),
            whole: true,
            release: self.told_release(),
            profile: Some(self.profile),
            ..World::default()
        }
    }

    /// The gates that are on for our release.
    ///
    /// # Errors
    /// While they are unknown.
    pub fn gates(&self) -> Result<Gates, GatesError> {
        self.release().gates()
    }

    /// Whether the gate is known to be on for our release.
    #[must_use]
    pub fn is_on(&self, gate: Gate) -> bool {
        self.release().is_on(gate)
    }

    /// Whether there are OS image streams.
    ///
    /// # Errors
    /// While that is unknown.
    pub fn has_streams(&self) -> Result<bool, GatesError> {
        self.release().has_streams()
    }

    /// Version of the release that the cluster should run, or of this build while no release is known.
    #[must_use]
    pub fn version(&self) -> String {
        let desired = || Some(self.cluster_version()?.status.as_ref()?.desired.version.clone());
        let release = self.told_release().or_else(|| desired().filter(|version| !version.is_empty()));
        release.unwrap_or_else(|| self.build.raw.clone())
    }

    /// The release that this build is for; absent if it follows the cluster. A build that continues another's work follows the cluster as
    /// soon as it generates.
    fn told_release(&self) -> Option<String> {
        self.build.release.clone().filter(|_| !self.generating.continues || !self.generates())
    }

    /// Whether weir generates, where it continues another operator's work.
    #[must_use]
    pub fn generates(&self) -> bool {
        let controller_config = self.cluster.controller_configs.get(CONTROLLER_CONFIG);
        World { controller_config, ..World::default() }.generates(&self.build, self.generating.continues)
    }

    /// Checks that this build manages the cluster.
    ///
    /// # Errors
    /// If another build manages it, with what to do.
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
