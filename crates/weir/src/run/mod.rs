//! The controllers against the API server of a cluster, whatever serves it.
//!
//! | module | part |
//! |---|---|
//! | `connect` | an API server on which we may read what we need |
//! | `leader` | leader election |
//! | `plain` | an API server that is not OpenShift: missing objects are created, differing ones refused |
//! | `connections` | limits of the connections for health and metrics |
//! | `exposition` | the format of metrics |
//! | `serve` | health and metrics over HTTP |
//! | `notify` | notifications over HTTP |
//! | `release` | what the cluster should run, and its distribution |
//! | `take_over` | continuing another build's work |

mod connect;
mod connections;
mod exposition;
mod leader;
mod notify;
mod plain;
mod release;
mod serve;
mod take_over;

use crate::{
    cli::run::Options,
    exit::Outcome,
    generate::of_folder,
    reach::{self, known},
    signals::asked_to_stop,
};
use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use kube::{Api, Client};
use leader::{Leases, asked};
use notify::Sender;
use release::Wanted;
use serve::Health;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::sleep};
use weir_api::{
    ClusterVersion, FeatureGate,
    keys::{
        config::SEEDED,
        names::{CLUSTER, VERSION},
    },
};
use weir_controllers::{
    Access, Build, Cluster, Context, Generating,
    build::{Settings, Worker, registry::Registry},
    cluster::Watcher,
    operator::Operator,
};
use weir_distro::Profile;
use weir_images::{Images, Release, manifest::Platform};
use weir_kubeio::{Clock, error::optional, lease::Timing, webhook::Webhook};
use weir_rules::{
    objects::{counted::Count, seed::Facts},
    operator::install::Operands,
    view::Annotations,
};

/// Which components a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// All of them.
    All,
    /// Streams, rendering, rollout, drains.
    Controller,
    /// Built-in pools, ControllerConfig, MachineConfiguration and the ClusterOperator.
    Operator,
    /// OS images of pools in image mode.
    Builder,
}

impl Role {
    /// Its user agent towards an API server.
    fn component(self) -> &'static str {
        match self {
            Self::All => "run all",
            Self::Controller => "run controller",
            Self::Operator => "run operator",
            Self::Builder => "run builder",
        }
    }

    fn controls(self) -> bool {
        matches!(self, Self::All | Self::Controller)
    }

    fn operates(self) -> bool {
        matches!(self, Self::All | Self::Operator)
    }

    fn builds(self) -> bool {
        matches!(self, Self::All | Self::Builder)
    }
}

/// What one component alone is given.
#[derive(Debug, Default)]
pub struct Given {
    /// Objects that the operator manages.
    kept: Operands,
    /// Image that has buildah; absent for that of the release.
    builder_image: Option<String>,
}

impl Given {
    /// For an operator that manages these.
    #[must_use]
    pub fn keeping(kept: Operands) -> Self {
        Self { kept, ..Self::default() }
    }

    /// For a builder whose pods run this image.
    #[must_use]
    pub fn building(builder_image: Option<String>) -> Self {
        Self { builder_image, ..Self::default() }
    }
}

/// Kinds not listed for this long are reported, and again at this interval.
const UNSEEN: Duration = Duration::from_secs(10);

/// Runs until asked to stop; the operator manages the given objects.
///
/// # Errors
/// Anything that kept it from starting or from continuing.
pub async fn run(role: Role, options: Options, given: Given) -> Result<Outcome> {
    let stop = asked_to_stop();
    tokio::pin!(stop);
    let started = tokio::select! {
        started = start(role, &options) => started?,
        stopped = &mut stop => return stopped.map(|()| Outcome::Done),
    };
    let (tell, told) = watch::channel(false);
    let work = Box::pin(work(role, &started, &options, given, &told));
    let mut leading = Box::pin(async {
        match role {
            Role::Builder => started.leases.build(&told, work).await,
            _ => started.leases.lead(&told, work).await,
        }
    });
    tokio::select! {
        ended = &mut leading => return ended,
        stopped = &mut stop => stopped?,
    }
    tell.send_replace(true);
    let outcome = leading.await?;
    tell!("stopped");
    Ok(outcome)
}

/// Works until it is asked to stop. Watches begin with the work, not before, so that the list includes what the last leader wrote.
async fn work(
    role: Role,
    started: &Started,
    options: &Options,
    given: Given,
    told: &watch::Receiver<bool>,
) -> Result<Outcome> {
    let context = &started.context;
    tokio::select! {
        () = Box::pin(weir_controllers::watch(context)) => {}
        () = told_while_unseen(&context.cluster) => {}
        ended = Box::pin(async {
            let context = match options.take_over {
                true => &tokio::select! {
                    taken_over = take_over::taken_over(context) => taken_over?,
                    () = asked(told) => return Ok(Outcome::Done),
                },
                false => context,
            };
            let controlling = until_asked(told, control(role, context, started, options, given.kept));
            let settings = build_settings(options, given.builder_image);
            let building = build(role, context, started, settings, told);
            tokio::try_join!(controlling, building).map(|(outcome, _)| outcome)
        }) => return ended,
    }
    bail!("the controllers ended")
}

async fn until_asked(told: &watch::Receiver<bool>, work: impl Future<Output = ()>) -> Result<Outcome> {
    tokio::select! {
        () = work => bail!("the controllers ended"),
        () = asked(told) => Ok(Outcome::Done),
    }
}

/// Jobs that the cluster runs. Its nodes are taken to have the architecture of this process.
fn build_settings(options: &Options, builder: Option<String>) -> Settings {
    let worker = Worker::Cluster { architecture: Platform::host().architecture };
    Settings { worker, program: options.operator_image.clone().unwrap_or_default(), builder }
}

/// Builds OS images, if that is what the process is for. One that does everything waits for the lease meanwhile.
async fn build(
    role: Role,
    context: &Context,
    started: &Started,
    settings: Settings,
    told: &watch::Receiver<bool>,
) -> Result<Outcome> {
    if !role.builds() {
        return Ok(Outcome::Done);
    }
    let context = Context { client: started.client_of_builder.clone(), ..context.clone() };
    let access = Access::new(&context.cluster, started.images.clone());
    let building = until_asked(told, async {
        let watching = async {
            // Who controls watches them already.
            if !role.controls() {
                context.cluster.watches.fill(&context.client, &[Watcher::Images]).await;
            }
        };
        let registry = Arc::new(Registry::new(access.clone()));
        tokio::join!(
            watching,
            Box::pin(weir_controllers::builder(&context, registry, settings)),
            Box::pin(weir_controllers::after_builds(&context, Arc::new(access))),
        );
    });
    if role == Role::Builder { building.await } else { started.leases.build(told, building).await }
}

/// Nothing is decided before everything has been listed; if that takes too long, what is missing is reported.
async fn told_while_unseen(cluster: &Cluster) {
    loop {
        sleep(UNSEEN).await;
        let unseen = cluster.unseen();
        if unseen.is_empty() {
            return std::future::pending().await;
        }
        let why = unseen.iter().find_map(|unseen| unseen.why.clone());
        let unseen: Vec<_> = unseen.iter().map(|unseen| unseen.what.as_str()).collect();
        tracing::warn!(unseen = unseen.join(", "), why, "waiting to see everything there is");
    }
}

async fn control(role: Role, context: &Context, started: &Started, options: &Options, kept: Operands) {
    if role == Role::Builder {
        return std::future::pending().await;
    }
    tokio::join!(
        async {
            if role.controls() {
                let images = started.images.clone();
                Box::pin(weir_controllers::controller(context, images, options.prune_rendered)).await;
            }
        },
        async {
            if let (true, Some(sender)) = (role.controls(), &started.sender) {
                Box::pin(weir_controllers::notifier(context, sender.clone())).await;
            }
        },
        async {
            if role.operates() {
                let operator =
                    Operator::new(context.clone()).of_image(options.operator_image.as_deref().unwrap_or_default());
                Box::pin(operator.keeping(kept.always).for_builds(kept.for_builds).run()).await;
            }
        },
    );
}

/// Everything needed before requesting the first lease.
struct Started {
    leases: Leases,
    context: Context,
    client_of_builder: Client,
    images: Images,
    /// Who is notified of rollouts.
    sender: Option<Arc<Sender>>,
}

/// An API server that has what the controllers need.
async fn start(role: Role, options: &Options) -> Result<Started> {
    let config = options.cluster.config().await?;
    let sender = options.notify_url.as_deref().filter(|_| role.controls());
    let sender = sender.map(|url| Webhook::new(url).context("--notify-url")).transpose()?;
    let sender = sender.map(|webhook| Arc::new(Sender::new(webhook, config.cluster_url.to_string())));
    let health = Health::default();
    if let Some(address) = options.metrics_bind {
        serve::serve(address, health.clone()).await?;
    }
    let (at, clock) = (config.cluster_url.to_string(), Clock::system());
    let client = reach::connect(config.clone(), role.component(), options.wait).await?;
    let there = There::read(&client).await?;
    let Wanted { images, release, profile } = release::wanted(&client, options, &there).await?;
    // The build follows the cluster: it belongs to no release.
    let build = Arc::new(Build::ours());
    if let Some(release) = release.as_ref().filter(|_| options.release.is_some()) {
        seed(options, &client, &there, &Seeded { release, profile, build: &build, now: clock.now() }).await?;
    }
    connect::readable(&client, role).await?;
    let election = &options.election;
    let usual = if election.follows_the_cluster() { leader::usual(&client).await } else { Timing::default() };
    let leases = Leases::new(role, election, election.timing(usual), &client, &clock);
    let client_of_builder = leases.client_of_builder(config.clone(), role.component())?;
    // Who only builds writes under that lease alone.
    let client =
        if role == Role::Builder { client_of_builder.clone() } else { leases.client(config, role.component())? };
    let generating = generating(options)?;
    let settle = options.settle;
    let context = Context { client, cluster: Cluster::default(), clock, profile, build, settle, generating };
    health.know(context.clone(), leases.fences());
    let version = release.map(|release| release.version).or_else(|| there.desired_version().map(str::to_owned));
    tell!("running against {at}: {} {}", profile.title, version.unwrap_or_default());
    if let Some(sender) = &sender {
        tell!("notifying {} of rollouts", sender.host());
    }
    Ok(Started { leases, context, client_of_builder, images, sender })
}

/// How MachineConfigs are generated.
fn generating(options: &Options) -> Result<Generating> {
    let templates = options.templates.as_deref().map(of_folder).transpose()?;
    let templates = templates.map(|templates| Arc::new(templates.tree));
    Ok(Generating { continues: options.take_over, asked: options.adopt_generated.is_some(), templates })
}

/// What distinguishes OpenShift from any other API server.
struct There {
    version: Option<ClusterVersion>,
    gates: Option<FeatureGate>,
}

impl There {
    async fn read(client: &Client) -> Result<Self> {
        let (versions, gates): (Api<ClusterVersion>, Api<FeatureGate>) =
            (Api::all(client.clone()), Api::all(client.clone()));
        Ok(Self {
            version: known(optional(versions.get(VERSION).await)).context("reading ClusterVersion version")?,
            gates: known(optional(gates.get(CLUSTER).await)).context("reading FeatureGate cluster")?,
        })
    }

    /// Another operator manages the objects of the cluster.
    fn is_openshift(&self) -> bool {
        self.version.as_ref().is_some_and(|version| !Annotations::of(&version.metadata).has(SEEDED))
    }

    /// Version of the release the cluster should run.
    fn desired_version(&self) -> Option<&str> {
        Some(self.version.as_ref()?.status.as_ref()?.desired.version.as_str())
    }

    /// Pull spec of the release the cluster should run.
    fn desired(&self) -> Option<&str> {
        let image = &self.version.as_ref()?.status.as_ref()?.desired.image;
        Some(image.as_str()).filter(|image| !image.is_empty())
    }
}

/// What an API server is prepared with.
struct Seeded<'a> {
    release: &'a Release,
    profile: &'static Profile,
    build: &'a Build,
    now: Timestamp,
}

/// Creates what is missing; on OpenShift nothing is.
async fn seed(options: &Options, client: &Client, there: &There, seeded: &Seeded<'_>) -> Result<()> {
    let Seeded { release, profile, build, now } = *seeded;
    let shape = &plain::shape(client).await?;
    let (before, gates) = (there.version.as_ref(), there.gates.as_ref());
    let (version, image, images) = (&release.version, &release.image, &release.by_tag());
    let facts = Facts { version, image, images, profile, build, shape, before, gates, now };
    let done = plain::prepare(client, &facts, options.update).await.context("preparing the API server")?;
    if done != plain::Done::default() {
        let (definitions, objects) = (Count(done.definitions, "definition"), Count(done.objects, "object"));
        tell!("made what was missing: {definitions}, {objects}");
    }
    Ok(())
}
