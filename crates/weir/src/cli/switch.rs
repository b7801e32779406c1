//! `weir switch`: switches a pool to another OS image stream, and shows the consequences first.

use super::{Output, cluster::Cluster, print};
use crate::{exit::Outcome, inputs, rollout_objects};
use anyhow::{Context as _, Result};
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::util::intstr::IntOrString};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use std::sync::Arc;
use weir_api::{
    MachineConfigPool, MachineOSConfig,
    pool::{OsImageStreamReference, PoolConfiguration},
};
use weir_distro::Profile;
use weir_rules::{
    build::{conditions::State, identity::build_of, limits::of_pool},
    objects::counted::Count,
    render::guard::RuncGuard,
    stream::switch::{Move, switch},
    world::{
        World,
        explain::{Explained, explain},
    },
};

/// Switch a pool to another OS image stream
///
/// Shows first which pools move, in which order their nodes go, and what is in the way. If something is in the way, nothing
/// is changed, and the exit code is 3.
#[derive(Debug, clap::Args)]
pub struct Switch {
    /// The pool
    pool: String,
    /// The stream
    stream: String,
    /// Only show what would happen
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    cluster: Cluster,
    /// Distribution of the cluster [default: from the FeatureGate]
    #[arg(long, value_name = "NAME", value_parser = Profile::by_name)]
    distribution: Option<&'static Profile>,
    /// Print JSON or YAML instead of text
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// Field manager of the fields written here: a user's decision, not the controllers'.
const FIELD_MANAGER: &str = "weir-switch";

impl Switch {
    pub(super) fn run(&self) -> Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.switch())
    }

    async fn switch(&self) -> Result<Outcome> {
        let client = self.cluster.connect("switch").await?;
        let world = World { profile: self.distribution, ..rollout_objects::of_cluster(&client).await? };
        let plan = self.plan(&world)?;
        let blocked = plan.pools.iter().any(|pool| !pool.blocked.is_empty());
        let text = match self.output {
            Some(output) => output.write(&plan.json(self, blocked))?,
            None => plan.text(self),
        };
        print(text.as_bytes())?;
        if blocked {
            return Ok(Outcome::Blocked);
        }
        let pool = inputs::pool(&world, &self.pool)?;
        if !self.dry_run && named(pool) != Some(self.stream.as_str()) {
            self.patch(&client, pool).await?;
            eprintln!("pool {} names stream {} now", self.pool, self.stream);
        }
        Ok(Outcome::Done)
    }

    /// The consequences, by the rules the controllers follow.
    fn plan(&self, world: &World) -> Result<Plan> {
        let moves = switch(&world.pool_views(), &world.streams_view()?, &self.pool, &self.stream)?;
        // Custom pools take the stream of the worker pool: all are rendered as they will be.
        let mut after = world.clone();
        if let Some(pool) = pool_mut(&mut after, &self.pool) {
            let name = self.stream.clone();
            pool.spec.os_image_stream = Some(OsImageStreamReference { name, ..OsImageStreamReference::default() });
        }
        let mut pools = Vec::new();
        for moved in &moves {
            pools.push(Moving::of(moved, &mut after)?);
        }
        let now = Timestamp::now();
        for moving in &mut pools {
            moving.explained = moving.target.as_ref().map(|_| explain(&after, &moving.pool, now)).transpose()?;
            moving.order = in_order(&after, &moving.pool, now)?;
        }
        Ok(Plan { pools })
    }

    /// Based on the version that was judged: if somebody else has changed the pool meanwhile, nothing is written.
    async fn patch(&self, client: &Client, pool: &MachineConfigPool) -> Result<()> {
        let pools: Api<MachineConfigPool> = Api::all(client.clone());
        let patch = json!({
            "metadata": {"resourceVersion": pool.metadata.resource_version},
            "spec": {"osImageStream": {"name": self.stream}},
        });
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patched = pools.patch(&self.pool, &parameters, &Patch::Merge(patch)).await;
        patched.map(drop).with_context(|| format!("changing MachineConfigPool {}", self.pool))
    }
}

fn named(pool: &MachineConfigPool) -> Option<&str> {
    pool.spec.os_image_stream.as_ref().map(|stream| stream.name.as_str())
}

/// The consequences of the switch.
struct Plan {
    pools: Vec<Moving>,
}

/// A pool that gets another stream.
struct Moving {
    pool: String,
    from: Option<String>,
    because: String,
    image: String,
    paused: bool,
    /// The rendered MachineConfig it will move to; `None` when there is none.
    target: Option<String>,
    /// Why it cannot be rendered or rolled out.
    blocked: Vec<String>,
    explained: Option<Explained>,
    /// In image mode, where its image comes from.
    layered: Option<String>,
    /// Its nodes in order, as if all could go at once.
    order: Vec<String>,
}

impl Moving {
    /// Renders the pool as it will be, and makes that its target.
    fn of(moved: &Move<'_>, after: &mut World) -> Result<Self> {
        let pool = inputs::pool(after, moved.pool)?;
        let mut moving = Self {
            pool: moved.pool.to_owned(),
            from: moved.from.clone(),
            because: moved.because.to_string(),
            image: moved.to.os_image.clone(),
            paused: pool.spec.paused.unwrap_or_default(),
            target: None,
            blocked: Vec::new(),
            explained: None,
            layered: None,
            order: Vec::new(),
        };
        let rendered = match inputs::guarded(after, pool) {
            Ok((rendered, RuncGuard::Inhibited(inhibitor))) => {
                let seen: Vec<String> = inhibitor.evidence.iter().map(ToString::to_string).collect();
                moving.blocked.push(format!("{}: {} ({})", inhibitor.id, inhibitor.message, seen.join("; ")));
                rendered
            }
            Ok((rendered, _)) => rendered,
            Err(error) => {
                moving.blocked.push(format!("{error:#}"));
                return Ok(moving);
            }
        };
        let target = rendered.name().to_owned();
        if let Some(pool) = pool_mut(after, moved.pool) {
            let reference = ObjectReference { name: Some(target.clone()), ..ObjectReference::default() };
            pool.spec.configuration = Some(PoolConfiguration { reference, ..PoolConfiguration::default() });
        }
        after.put(rendered.config.into());
        moving.layered = image(after, moved.pool);
        moving.target = Some(target);
        Ok(moving)
    }
}

/// Where the image of a pool in image mode comes from once it is rendered as it will be.
fn image(after: &World, pool: &str) -> Option<String> {
    let pools = after.pool_views();
    let view = pools.iter().find(|view| view.name == pool)?;
    let configs: Vec<&MachineOSConfig> = after.os_configs.iter().map(AsRef::as_ref).collect();
    let config = of_pool(pool, &configs)?;
    let wanted = after.config(view.target?).and_then(|rendered| build_of(view.object, config, rendered).ok());
    let made = wanted.and_then(|wanted| {
        let found = after.os_builds.iter().find(|build| build.metadata.name == wanted.metadata.name)?;
        (State::of(found) == State::Succeeded).then(|| found.metadata.name.clone())?
    });
    Some(match made {
        Some(build) => format!("the image of MachineOSBuild {build} is used, unless its registry has lost it"),
        None => "an image is built on it first, and no node goes before it is there".to_owned(),
    })
}

/// The nodes of a pool in the order in which they would start with room for all of them.
fn in_order(world: &World, pool: &str, now: Timestamp) -> Result<Vec<String>> {
    let mut all = world.clone();
    // As if its image were there already.
    all.os_configs.retain(|config| config.spec.machine_config_pool.name != pool);
    if let Some(pool) = pool_mut(&mut all, pool) {
        pool.spec.max_unavailable = Some(IntOrString::String("100%".to_owned()));
        pool.spec.paused = None;
    }
    Ok(explain(&all, pool, now)?.start)
}

fn pool_mut<'w>(world: &'w mut World, name: &str) -> Option<&'w mut MachineConfigPool> {
    let pool = world.pools.iter_mut().find(|pool| pool.metadata.name.as_deref() == Some(name))?;
    Some(Arc::make_mut(pool))
}

impl Plan {
    fn json(&self, switch: &Switch, blocked: bool) -> Value {
        let pools = self.pools.iter().map(|moving| {
            json!({
                "pool": moving.pool, "from": moving.from, "because": moving.because, "osImage": moving.image,
                "paused": moving.paused,
                "imageMode": moving.layered.is_some(), "image": moving.layered, "target": moving.target, "blocked": moving.blocked,
                "nodes": moving.explained.as_ref().map(|e| &e.nodes), "order": moving.order,
                "start": moving.explained.as_ref().map(|e| &e.start),
                "maxUnavailable": moving.explained.as_ref().and_then(|e| e.max_unavailable.as_ref().ok()),
            })
        });
        json!({
            "pool": switch.pool, "stream": switch.stream, "dryRun": switch.dry_run, "blocked": blocked,
            "moves": pools.collect::<Vec<_>>(),
        })
    }

    fn text(&self, switch: &Switch) -> String {
        if self.pools.is_empty() {
            return format!("pool {} gets stream {} already: no node reboots\n", switch.pool, switch.stream);
        }
        self.pools.iter().map(|moving| moving.text(&switch.stream)).collect()
    }
}

impl Moving {
    fn text(&self, stream: &str) -> String {
        let from = self.from.as_deref().unwrap_or("none");
        let mut text = format!("pool {} goes from stream {from} to {stream}: {}\n", self.pool, self.because);
        for reason in &self.blocked {
            text.push_str(&format!("  blocked: {reason}\n"));
        }
        let Some(explained) = self.explained.as_ref().filter(|_| self.blocked.is_empty()) else { return text };
        text.push_str(&format!("  {} with OS image {}\n", explained.target, self.image));
        if let Some(image) = &self.layered {
            text.push_str(&format!("  the pool is in image mode: {image}\n"));
        }
        if self.paused {
            text.push_str("  the pool is paused: no node goes before it is not\n");
        }
        let going = self.order.len();
        match &explained.max_unavailable {
            Ok(limit) => text.push_str(&format!(
                "  {going} of {} {} once each, at most {limit} at a time: {}\n",
                Count(explained.nodes.len(), "node"),
                if going == 1 { "reboots" } else { "reboot" },
                self.order.join(", ")
            )),
            Err(error) => {
                let wait = if going == 1 { "waits" } else { "wait" };
                text.push_str(&format!("  {} {wait}: {error}\n", Count(going, "node")));
            }
        }
        let waits = explained.hold.iter().filter(|held| !self.order.contains(&held.node));
        for held in waits {
            text.push_str(&format!("  {} waits: {}\n", held.node, held.reason));
        }
        text
    }
}
