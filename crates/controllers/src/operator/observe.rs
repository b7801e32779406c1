//! What failed, what the required pools have come to, what stands against an update.

use super::Controller;
use crate::{Context, unreadable::Objects};
use jiff::Timestamp;
use std::sync::Arc;
use weir_api::{
    ClusterOperator, ContainerRuntimeConfig, ControllerConfig, KubeletConfig, MachineConfig, MachineConfigPool,
    MachineConfiguration, OSImageStream,
    keys::{
        gates::{BOOT_IMAGE_SKEW_ENFORCEMENT, OS_STREAMS},
        names::{CLUSTER, CLUSTER_OPERATOR, CONTROLLER_CONFIG},
    },
};
use weir_distro::StreamsRule;
use weir_rules::{
    status::{
        cluster_status::{
            Blocked, ClusterReport, ClusterStatusView, Failure, Task, UpgradeView, cluster_status, evaluation,
            upgradeable,
        },
        required::{Required, RequiredView, required},
    },
    stream::StreamsView,
    view::PoolView,
};

/// The cluster as one pass sees it.
pub(super) struct Observed<'a> {
    context: &'a Context,
    operator: Option<Arc<ClusterOperator>>,
    pools: Vec<Arc<MachineConfigPool>>,
    configs: Vec<Arc<MachineConfig>>,
    controller_config: Option<Arc<ControllerConfig>>,
    /// Absent while the gate is off, or not known to be on.
    streams: Option<Arc<OSImageStream>>,
    /// Absent unless the age of boot images is judged.
    configuration: Option<Arc<MachineConfiguration>>,
    kubelets: Vec<Arc<KubeletConfig>>,
    runtimes: Vec<Arc<ContainerRuntimeConfig>>,
    /// Absent while it is not known.
    streams_on: Option<bool>,
    version: String,
}

impl<'a> Observed<'a> {
    pub(super) fn new(operator: &'a Controller) -> Self {
        let context = &operator.context;
        let (cluster, gates) = (&context.cluster, context.gates());
        let is_on = |gate| gates.as_ref().is_ok_and(|gates| gates.is_on(gate));
        let desired = context.cluster_version().and_then(|v| Some(v.status.as_ref()?.desired.version.clone()));
        let version = context.build.release.clone().or(desired.filter(|version| !version.is_empty()));
        Self {
            context,
            operator: operator.operators.get(CLUSTER_OPERATOR),
            pools: cluster.pools.all(),
            configs: cluster.configs.all(),
            controller_config: cluster.controller_configs.get(CONTROLLER_CONFIG),
            streams: cluster.streams.get(CLUSTER).filter(|_| is_on(OS_STREAMS)),
            configuration: cluster.configurations.get(CLUSTER).filter(|_| is_on(BOOT_IMAGE_SKEW_ENFORCEMENT)),
            kubelets: cluster.kubelets.all(),
            runtimes: cluster.runtimes.all(),
            streams_on: gates.as_ref().ok().map(|gates| gates.is_on(OS_STREAMS)),
            version: version.unwrap_or_else(|| context.build.raw.clone()),
        }
    }

    /// Version of the release the cluster is to run.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// The ControllerConfig.
    pub(super) fn config(&self) -> Option<&ControllerConfig> {
        self.controller_config.as_deref()
    }

    /// Whether there are OS image streams; absent while it is not known.
    pub(super) fn streams_on(&self) -> Option<bool> {
        self.streams_on
    }

    /// The first thing that is wrong with the cluster as a whole.
    pub(super) fn failure(&self) -> Option<Failure> {
        // What it finds itself it says before the controllers, which may be another process, have said it on the pools.
        let own = || self.context.halted().map(|said| Failure::DistributionMismatch { contradictions: vec![said] });
        if let Some(failure) = Failure::of_pools(&self.views()).or_else(own) {
            return Some(failure);
        }
        if let Some(said) = Objects::of(&self.context.cluster).all() {
            return Some(Failure::Unreadable { said });
        }
        let unknown = self.context.gates().err()?;
        Some(Failure::Work { task: Task::RenderConfig, why: unknown.to_string() })
    }

    pub(super) fn required(&self, since: Option<Timestamp>, now: Timestamp) -> Required {
        let streams = StreamsView {
            enabled: self.streams_on == Some(true),
            object: self.streams.as_deref(),
            build: None,
            follows_release: self.context.profile.streams.rule == StreamsRule::OneFollowingRelease,
        };
        let configs = self.configs.iter().filter_map(|c| Some((c.metadata.name.as_deref()?, c.as_ref()))).collect();
        let base_image = self.controller_config.as_ref().map(|c| c.spec.base_os_container_image.as_str());
        let view = RequiredView {
            pools: &self.views(),
            configs: &configs,
            streams: &streams,
            base_image: base_image.unwrap_or_default(),
            build: &self.context.build.hash,
            release: Some(&self.version),
            since,
        };
        required(&view, now)
    }

    pub(super) fn report(
        &self,
        failure: Option<&Failure>,
        required: &Required,
        image: &str,
        now: Timestamp,
    ) -> ClusterReport {
        let (kubelets, runtimes) = (self.kubelets.iter().map(AsRef::as_ref), self.runtimes.iter().map(AsRef::as_ref));
        let (blocked, evaluation, pools) = (self.blocked(), evaluation(kubelets, runtimes), self.views());
        let view = ClusterStatusView {
            object: self.operator.as_deref(),
            version: &self.version,
            image,
            failure,
            required,
            blocked: blocked.as_ref(),
            evaluation: &evaluation,
            pools: &pools,
        };
        cluster_status(&view, now)
    }

    fn blocked(&self) -> Option<Blocked> {
        upgradeable(&UpgradeView {
            pools: &self.views(),
            streams: self.streams.as_deref(),
            boot_images: self.configuration.as_deref(),
            version: &self.version,
        })
    }

    fn views(&self) -> Vec<PoolView<'_>> {
        self.pools.iter().map(|pool| PoolView::new(pool)).collect()
    }
}
