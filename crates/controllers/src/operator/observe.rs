//! What failed, what the required pools have come to, what stands against an update.

use super::Controller;
use jiff::Timestamp;
use std::sync::Arc;
use weir_api::{
    ClusterOperator, ControllerConfig,
    keys::{gates::BOOT_IMAGE_SKEW_ENFORCEMENT, names::CLUSTER_OPERATOR},
};
use weir_rules::{
    status::{
        cluster_status::{
            ClusterReport, ClusterStatusView, Failure, Task, UpgradeView, cluster_status, evaluation, upgradeable,
        },
        required::{Required, RequiredView, required},
    },
    stream::StreamsView,
    view::unreadable::all,
    world::World,
};

/// The cluster as one pass sees it.
pub(super) struct Observed {
    operator: Option<Arc<ClusterOperator>>,
    world: World,
    version: String,
}

impl Observed {
    pub(super) fn new(operator: &Controller) -> Self {
        let context = &operator.context;
        let desired = context.cluster_version().and_then(|v| Some(v.status.as_ref()?.desired.version.clone()));
        let version = context.build.release.clone().or(desired.filter(|version| !version.is_empty()));
        Self {
            operator: operator.operators.get(CLUSTER_OPERATOR),
            world: context.configuration(),
            version: version.unwrap_or_else(|| context.build.raw.clone()),
        }
    }

    /// Version of the release the cluster is to run.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// The ControllerConfig.
    pub(super) fn config(&self) -> Option<&ControllerConfig> {
        self.world.controller_config.as_deref()
    }

    /// Whether there are OS image streams; absent while it is not known.
    pub(super) fn streams_on(&self) -> Option<bool> {
        self.world.has_streams().ok()
    }

    /// The first thing that is wrong with the cluster as a whole.
    pub(super) fn failure(&self) -> Option<Failure> {
        let pools = self.world.pool_views();
        // What it finds itself it says before the controllers, which may be another process, have said it on the pools.
        let own =
            || self.world.mismatch(&pools).map(|said| Failure::DistributionMismatch { contradictions: vec![said] });
        let unreadable = || all(&self.world.unreadable).map(|said| Failure::Unreadable { said });
        let unknown = || self.world.gate_list().err();
        (Failure::of_pools(&pools).or_else(own).or_else(unreadable))
            .or_else(|| unknown().map(|why| Failure::Work { task: Task::RenderConfig, why: why.to_string() }))
    }

    pub(super) fn required(&self, since: Option<Timestamp>, now: Timestamp) -> Required {
        let world = &self.world;
        // Whoever made them; and while it is not known whether there are any, there are none.
        let streams = world.streams_view().map(|streams| StreamsView { build: None, ..streams });
        let none = StreamsView { enabled: false, object: None, build: None, follows_release: false };
        let base_image = self.config().map(|config| config.spec.base_os_container_image.as_str());
        let view = RequiredView {
            pools: &world.pool_views(),
            configs: &world.config_map(),
            streams: &streams.unwrap_or(none),
            base_image: base_image.unwrap_or_default(),
            build: world.process.as_ref().map_or("", |process| &process.build.hash),
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
        let (world, pools) = (&self.world, self.world.pool_views());
        let (kubelets, runtimes) = (world.kubelets.iter().map(AsRef::as_ref), world.runtimes.iter().map(AsRef::as_ref));
        let evaluation = evaluation(kubelets, runtimes);
        let blocked = upgradeable(&UpgradeView {
            pools: &pools,
            streams: world.streams_in_effect(),
            boot_images: world.configuration.as_deref().filter(|_| world.is_on(BOOT_IMAGE_SKEW_ENFORCEMENT)),
            version: &self.version,
        });
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
}
