//! Updates of a running cluster: the release that ClusterVersion's spec asks for is read, planned, and rolled out (R-REQUEST).
//!
//! Until everything about it is known, nothing is changed but the condition that says so.

use super::source::{OsNames, PATIENCE};
use crate::{
    cli::{ImageSource, plan::images},
    rollout_objects,
};
use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use kube::Api;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;
use weir_api::{
    ClusterVersion, FeatureGate,
    keys::names::{CLUSTER, VERSION},
};
use weir_controllers::Context;
use weir_images::{Added, Images, Layout};
use weir_kubeio::{Error, Next, patch};
use weir_rules::{
    objects::{
        seed::{Facts, Owner, Seed, Shape, objects},
        surroundings::surroundings,
    },
    plan::{self, Change, Payload, Plan},
    status::update_request::{Answer, Reason, Request, answered, request},
    world::World,
};
use weir_sim::{systems::os_names, write::apply};

/// A release that could not be taken is looked at again after this long.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// The controller of updates.
pub(super) struct Updates {
    pub(super) context: Context,
    /// How releases are read.
    pub(super) images: ImageSource,
    /// Where layouts of releases are added for those who read images.
    pub(super) added: Added,
    /// Names that operating systems give themselves.
    pub(super) names: OsNames,
    pub(super) shape: Shape,
    /// The request that was refused last, and when it is looked at again.
    pub(super) refused: Mutex<Option<(Request, Timestamp)>>,
}

/// A release that is not taken.
type Refusal = (Reason, String);

impl Updates {
    /// What is to be answered; absent while a request that was refused is not looked at again.
    async fn answer(&self, request: &Request) -> Option<Answer> {
        let (image, force) = match request {
            Request::Nothing => return Some(Answer::Nothing),
            Request::Version(asked) => {
                let why =
                    "a version alone names no release, and none is offered: name its image (--to-image)".to_owned();
                return Some(Answer::Refused { asked: asked.clone(), reason: Reason::VersionNotFound, why });
            }
            Request::Release { image, force } => (image, *force),
        };
        let is_tried = |(before, again): &(Request, Timestamp)| before == request && *again > self.context.clock.now();
        if self.refused.lock().as_ref().is_some_and(is_tried) {
            return None;
        }
        tell!("update: reading release {image}");
        match self.take(image, force).await {
            Ok(version) => {
                tell!("update: the cluster goes to release {version}");
                Some(Answer::Accepted { image: image.clone(), version })
            }
            Err((reason, why)) => {
                tell!("update: release {image} is not taken, and nothing is changed: {why}");
                let again = self.context.clock.now().saturating_add(AGAIN).unwrap_or(Timestamp::MAX);
                *self.refused.lock() = Some((request.clone(), again));
                Some(Answer::Refused { asked: image.clone(), reason, why })
            }
        }
    }

    /// Takes the cluster to a release; returns its version.
    async fn take(&self, reference: &str, force: bool) -> Result<String, Refusal> {
        let unread = |error: anyhow::Error| (Reason::RetrievePayload, format!("{error:#}"));
        let (world, unknown) = rollout_objects::everything_of_cluster(&self.context.client).await.map_err(unread)?;
        let world = World { profile: Some(self.context.profile), ..world };
        let images = images::of_cluster(&world, &self.images, Some(reference)).map_err(unread)?;
        let mut source = images.source().clone();
        source.patience = PATIENCE;
        let images = Images::new(source);
        let payload = images::payload(&world, &images, reference).await.map_err(unread)?.payload;
        let change = [Change::Release(Box::new(payload.clone()))];
        let facts = plan::Facts { unknown: unknown.into_iter().collect(), ..plan::Facts::default() };
        let checked = plan::plan(&world, &change, &facts, self.context.clock.now());
        let checked = checked.map_err(|refused| (Reason::PreconditionChecks, refused.to_string()))?;
        if checked.is_inhibited() && !force {
            return Err((Reason::PreconditionChecks, in_the_way(&checked)));
        }
        self.write(&payload, images.source().layouts.clone()).await.map_err(unread)?;
        Ok(payload.version)
    }

    /// Writes what a cluster of this release has. What users own is left alone.
    async fn write(&self, payload: &Payload, layouts: Vec<Layout>) -> Result<()> {
        let client = &self.context.client;
        layouts.into_iter().for_each(|layout| self.added.add(layout));
        self.names.write().extend(os_names(&payload.source));
        let (versions, gates): (Api<ClusterVersion>, Api<FeatureGate>) =
            (Api::all(client.clone()), Api::all(client.clone()));
        let before = versions.get_opt(VERSION).await.context("reading ClusterVersion")?;
        let gates = gates.get_opt(CLUSTER).await.context("reading FeatureGate")?;
        let tags = payload.tags.iter();
        let images: BTreeMap<&str, &str> =
            tags.filter_map(|(tag, image)| Some((tag.as_str(), image.as_deref()?))).collect();
        let facts = Facts {
            version: &payload.version,
            image: &payload.image,
            images: &images,
            profile: self.context.profile,
            build: &self.context.build,
            shape: &self.shape,
            before: before.as_ref(),
            gates: gates.as_ref(),
            now: self.context.clock.now(),
        };
        let mut seeds = objects(&facts);
        seeds.extend(surroundings(&facts));
        // Which features the release has is known before the cluster is to run it.
        seeds.sort_by_key(|seed| seed.object["kind"] != "FeatureGate");
        for seed in seeds.iter().filter(|seed: &&Seed| seed.owner == Owner::Cluster) {
            apply(client, seed).await?;
        }
        Ok(())
    }

    /// Writes the answer: the condition first, what says that it is answered last.
    async fn say(&self, answer: &Answer) -> Result<(), Error> {
        let (client, cache) = (&self.context.client, &self.context.cluster.versions);
        patch::look_again(client, cache, VERSION).await?;
        let Some(version) = self.context.cluster_version() else { return Ok(()) };
        let [object, status] = answered(&version, answer, self.context.clock.now());
        if let Some(mut status) = status {
            status["metadata"]["resourceVersion"] = version.metadata.resource_version.clone().into();
            patch::merge_status(client, cache, VERSION, &status).await?;
        }
        if let Some(object) = object {
            patch::merge(client, cache, VERSION, &object).await?;
        }
        Ok(())
    }
}

/// What is in the way of a release.
fn in_the_way(plan: &Plan) -> String {
    let found = plan.findings.iter().filter(|finding| finding.inhibits());
    found.map(|finding| format!("{} [{}]", finding.found, finding.code)).collect::<Vec<_>>().join("; ")
}

impl weir_kubeio::Controller for Updates {
    type Error = Error;
    const NAME: &'static str = "update";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        vec![self.context.cluster.versions.changes()]
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        let version: Option<Arc<ClusterVersion>> = self.context.cluster_version();
        let asked = version.and_then(|version| request(&version));
        let Some(asked) = asked.filter(|_| self.context.cluster.versions.is_synced()) else { return Ok(Next::Await) };
        if let Some(answer) = self.answer(&asked).await {
            self.say(&answer).await?;
        }
        let again = self.refused.lock().as_ref().filter(|(refused, _)| *refused == asked).map(|(_, again)| *again);
        Ok(Next::until(again, self.context.clock.now()))
    }
}
