//! `weir update`: takes a cluster of `weir up` to another release, and shows the consequences first.

use super::{Cluster, ImageSource, harmless, manifest_source::runtime, plan::images, print};
use crate::{exit::Outcome, reach::known, rollout_objects};
use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;
use weir_api::{
    ClusterVersion,
    keys::{config::SEEDED, names::VERSION},
};
use weir_kubeio::wait::until;
use weir_rules::{
    operator::made_for::made_for,
    plan::{self, Change, Facts, Payload, Plan},
    status::update_request::said,
    view::Annotations,
    world::World,
};

/// Update a cluster of `weir up` to another release: a rehearsal, with payload, plan and rollout
///
/// Shows first which nodes reboot, in which order, and what is in the way, as `weir plan --release` does. If something is in the
/// way, nothing is changed, and the exit code is 3. The same starts with `oc adm upgrade --to-image`.
#[derive(Debug, clap::Args)]
pub struct Update {
    /// The release: a pull spec, or oci:DIR for an OCI layout
    #[arg(long, value_name = "REF", value_parser = super::pull_spec::release)]
    to: String,
    /// Only show what would happen
    #[arg(long)]
    dry_run: bool,
    /// Go on in spite of what is in the way
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    source: ImageSource,
}

/// Field manager of the fields written here: a user's decision, not the controllers'.
const FIELD_MANAGER: &str = "weir-update";
/// How long the answer to a request is waited for: the release is read again, by whoever answers.
const ANSWERED: Duration = Duration::from_mins(2);
/// What names a layout of images.
const LAYOUT: &str = "oci:";

impl Update {
    pub(super) fn run(&self) -> Result<Outcome> {
        runtime()?.block_on(self.update())
    }

    async fn update(&self) -> Result<Outcome> {
        let client = self.cluster.connect("update").await?;
        let (world, unknown) = rollout_objects::everything_of_cluster(&client).await?;
        let profile = made_for(world.version.as_deref(), world.feature_gate.as_deref());
        let world = World { profile, ..world };
        let version = self.may_be_updated(&world)?;
        let reference = absolute(&self.to)?;
        let (plan, payload) = self.plan(&world, &reference, unknown).await?;
        print(harmless(plan::text(&plan)).as_bytes())?;
        if plan.is_inhibited() && !self.force {
            return Ok(Outcome::Blocked);
        }
        if self.dry_run {
            return Ok(Outcome::Done);
        }
        self.ask(&client, version, &reference, &payload).await?;
        tell!("the cluster goes to release {}: weir status --watch, weir wait POOL", payload.version);
        Ok(Outcome::Done)
    }

    /// The ClusterVersion of a cluster that somebody updates when it is asked to.
    fn may_be_updated<'w>(&self, world: &'w World) -> Result<&'w ClusterVersion> {
        let Some(version) = world.version.as_deref() else {
            bail!("this API server has no ClusterVersion: weir updates clusters of `weir up` only");
        };
        let to = &self.to;
        if !Annotations::of(&version.metadata).has(SEEDED) {
            bail!(
                "the cluster-version operator updates this cluster: `oc adm upgrade --to-image {to}`. What that will do, weir \
                 plan --release {to} says"
            );
        }
        if said(version).is_none() {
            bail!("no `weir up` runs this cluster. With `weir run`, end it and start it with --release {to} --update");
        }
        Ok(version)
    }

    async fn plan(&self, world: &World, reference: &str, unknown: Option<String>) -> Result<(Plan, Payload)> {
        let images = images::of_cluster(world, &self.source, Some(reference))?;
        let images::Read { payload, unknown: of_release, .. } = images::payload(world, &images, reference).await?;
        let change = [Change::Release(Box::new(payload.clone()))];
        let facts = Facts { unknown: unknown.into_iter().chain(of_release).collect(), ..Facts::default() };
        Ok((images::planned(&images, world, &change, facts, false, Timestamp::now()).await?, payload))
    }

    /// Asks for the update, and waits until it has begun. A request that is refused is taken back.
    async fn ask(&self, client: &Client, version: &ClusterVersion, reference: &str, payload: &Payload) -> Result<()> {
        let versions: Api<ClusterVersion> = Api::all(client.clone());
        // One that was asked for before may be another by now, under the same name.
        if version.spec.desired_update.as_ref().is_some_and(|before| before["image"] == reference) {
            write(&versions, &Value::Null).await?;
            let is_gone = |found: &ClusterVersion| weir_rules::status::update_request::request(found).is_none();
            timeout(ANSWERED, until(&versions, VERSION, is_gone)).await.context(NOBODY)??;
        }
        let wanted = json!({"image": reference, "version": payload.version, "force": self.force});
        write(&versions, &wanted).await?;
        let asked = format!("{reference} ");
        let is_answered = |found: &ClusterVersion| match said(found) {
            Some((true, _)) => weir_rules::status::update_request::request(found).is_none(),
            Some((false, message)) => message.starts_with(&asked),
            None => false,
        };
        let answered = timeout(ANSWERED, until(&versions, VERSION, is_answered)).await;
        let found = known(versions.get(VERSION).await).context("reading ClusterVersion version")?;
        match (answered, said(&found)) {
            (Ok(Ok(())), Some((true, _))) => Ok(()),
            (Ok(Ok(())), said) => {
                write(&versions, &Value::Null).await?;
                bail!("{}; the request was taken back", said.map_or("it was refused", |(_, message)| message))
            }
            (Ok(Err(error)), _) => Err(error).context("waiting for the answer"),
            (Err(_), _) => {
                write(&versions, &Value::Null).await?;
                bail!("{NOBODY}; the request was taken back")
            }
        }
    }
}

const NOBODY: &str = "nobody answered the request in time: does a `weir up` run this cluster?";

async fn write(versions: &Api<ClusterVersion>, wanted: &Value) -> Result<()> {
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"spec": {"desiredUpdate": wanted}}));
    known(versions.patch(VERSION, &parameters, &patch).await).map(drop).context("changing ClusterVersion version")
}

/// Whoever reads the release may work in another folder.
fn absolute(reference: &str) -> Result<String> {
    let Some(folder) = reference.strip_prefix(LAYOUT) else { return Ok(reference.to_owned()) };
    let folder = std::path::absolute(folder).with_context(|| format!("finding {folder}"))?;
    Ok(format!("{LAYOUT}{}", folder.display()))
}
