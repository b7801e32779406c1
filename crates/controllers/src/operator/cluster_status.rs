//! Reports the cluster's state in the ClusterOperator, and the release's progress in a ClusterVersion that weir made.

use super::{
    COMPONENT,
    findings::{Findings, JUDGE_AGAIN},
};
use crate::{Context, cluster::Watcher};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::watch;
use weir_api::{
    ClusterOperator,
    keys::{
        gates::BOOT_IMAGE_SKEW_ENFORCEMENT,
        names::{CLUSTER_OPERATOR, VERSION},
    },
};
use weir_kubeio::{Error, Event, Next, Recorder, patch};
use weir_rules::{
    build::built_on,
    status::{
        cluster_status::{
            ClusterReport, ClusterStatusView, Failure, UpgradeView, cluster_status, evaluation, status_patch,
            upgradeable,
        },
        required::{Required, RequiredView, required},
        update_history::{HistoryView, completed},
    },
    stream::StreamsView,
    world::World,
};

/// The controller of the ClusterOperator.
#[derive(Debug)]
pub(super) struct Controller {
    context: Context,
    findings: Findings,
    /// The image that the operator runs from; empty if unknown.
    image: String,
    recorder: Recorder,
    /// Since when it has been waiting for required pools.
    since: Mutex<Option<Timestamp>>,
}

/// The cluster as one pass sees it.
struct Observed {
    operator: Option<Arc<ClusterOperator>>,
    world: World,
    /// Version of the release that the cluster should run.
    version: String,
}

impl Observed {
    fn required(&self, since: Option<Timestamp>, now: Timestamp) -> Required {
        let world = &self.world;
        // Whoever made them. While it is unknown whether there are streams, there are none.
        let streams = world.streams_view().map(|streams| StreamsView { build: None, ..streams });
        let none = StreamsView { enabled: false, object: None, build: None, follows_release: false };
        let base_image = world.controller_config.as_ref().map(|config| config.spec.base_os_container_image.as_str());
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

    fn report(&self, failure: Option<&Failure>, required: &Required, image: &str, now: Timestamp) -> ClusterReport {
        let (world, pools) = (&self.world, self.world.pool_views());
        let (kubelets, runtimes) = (world.kubelets.iter().map(AsRef::as_ref), world.runtimes.iter().map(AsRef::as_ref));
        let evaluation = evaluation(kubelets, runtimes);
        let blocked = upgradeable(&UpgradeView {
            pools: &pools,
            streams: world.streams_in_effect(),
            images: &built_on::all(world),
            not_adopted: world.not_adopted(),
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

impl Controller {
    pub(super) fn new(context: Context, findings: Findings, image: &str) -> Self {
        let recorder = context.recorder(COMPONENT);
        Self { context, findings, image: image.to_owned(), recorder, since: Mutex::default() }
    }

    /// The state of the required pools, and since when they have been waited for.
    fn required(&self, observed: &Observed, now: Timestamp) -> Required {
        let mut since = self.since.lock();
        let required = observed.required(*since, now);
        *since = match required {
            Required::Done => None,
            _ => Some(since.unwrap_or(now)),
        };
        required
    }

    /// Writes the ClusterOperator if something changed, and records events for it.
    async fn report(&self, report: &ClusterReport) -> Result<(), Error> {
        let Some(status) = &report.status else { return Ok(()) };
        let (client, operators) = (&self.context.client, &self.context.cluster.operators);
        if operators.get(CLUSTER_OPERATOR).is_none() {
            let object = ClusterOperator::named(CLUSTER_OPERATOR, Default::default());
            patch::create(client, operators, &object).await?;
        }
        // Another operator may have been faster; the next pass sees its status.
        let Some(object) = operators.get(CLUSTER_OPERATOR) else { return Ok(()) };
        patch::merge_status(client, operators, CLUSTER_OPERATOR, &status_patch(&object, status)).await?;
        for told in &report.events {
            let event = Event { warning: told.warning, reason: told.reason.clone(), message: told.message.clone() };
            self.recorder.record(&*object, &event).await;
        }
        Ok(())
    }

    /// Reports in the ClusterVersion, if weir made it, that the release is complete.
    async fn complete(&self, required: &Required, now: Timestamp) -> Result<(), Error> {
        let (context, cluster) = (&self.context, &self.context.cluster);
        let Some(version) = context.cluster_version() else { return Ok(()) };
        let (operator, streams) = (cluster.operators.get(CLUSTER_OPERATOR), context.configuration().due().ok());
        let view =
            HistoryView { version: &version, operator: operator.as_deref(), streams: streams.as_ref(), required };
        let Some(change) = completed(&view, now) else { return Ok(()) };
        patch::merge_status(&context.client, &cluster.versions, VERSION, &change).await?;
        tracing::info!(
            release = version.status.as_ref().map(|status| status.desired.version.as_str()),
            "the release is complete"
        );
        Ok(())
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "cluster_status";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.context.cluster.configuration_changes();
        all.extend(self.context.cluster.watches.changes(&[Watcher::Operator]));
        all.push(self.findings.changes());
        all
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        let cluster = &self.context.cluster;
        let is_synced = cluster.is_synced() && cluster.operators.is_synced();
        let Some(found) = self.findings.all().filter(|_| is_synced) else { return Ok(Next::Await) };
        let now = self.context.clock.now();
        let observed = Observed {
            operator: cluster.operators.get(CLUSTER_OPERATOR),
            world: self.context.configuration(),
            version: self.context.version(),
        };
        let waits = found.iter().find_map(|found| found.waits.clone());
        let required = self.required(&observed, now).behind(waits);
        let failure = observed.world.failure(found.into_iter().flat_map(|found| found.failed));
        self.report(&observed.report(failure.as_ref(), &required, &self.image, now)).await?;
        self.complete(&required, now).await?;
        // Their timeout expires without any change.
        let waits = failure.is_some() || required != Required::Done;
        Ok(if waits { Next::After(JUDGE_AGAIN) } else { Next::Await })
    }
}
