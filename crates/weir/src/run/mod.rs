//! The controllers against the API server of a cluster, whatever serves it.
//!
//! | module | part |
//! |---|---|
//! | `connect` | an API server on which we may read what we need |
//! | `leader` | leader election |
//! | `plain` | an API server that is not OpenShift: missing objects are created, differing ones refused |
//! | `connections` | limits of the connections for health and metrics |
//! | `serve` | health and metrics over HTTP |
//! | `release` | what the cluster should run, and its distribution |
//! | `take_over` | continuing another build's work |

mod connect;
mod connections;
mod leader;
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
use release::Wanted;
use serde_json::Value;
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
use weir_controllers::{Build, Cluster, Context, Generating, operator::Operator};
use weir_distro::Profile;
use weir_images::{Images, Release};
use weir_kubeio::{Clock, error::optional, lease::Timing};
use weir_rules::{
    objects::{counted::Count, seed::Facts},
    view::Annotations,
};

/// Which components a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Both.
    All,
    /// Streams, rendering, rollout, drains.
    Controller,
    /// Built-in pools, ControllerConfig, MachineConfiguration and the ClusterOperator.
    Operator,
}

impl Role {
    /// Its user agent towards an API server.
    fn component(self) -> &'static str {
        match self {
            Self::All => "run all",
            Self::Controller => "run controller",
            Self::Operator => "run operator",
        }
    }

    fn controls(self) -> bool {
        self != Self::Operator
    }

    fn operates(self) -> bool {
        self != Self::Controller
    }
}

/// Kinds not listed for this long are reported, and again at this interval.
const UNSEEN: Duration = Duration::from_secs(10);

/// Runs until asked to stop; the operator manages the given objects.
///
/// # Errors
/// Anything that kept it from starting or from continuing.
pub async fn run(role: Role, options: Options, kept: Vec<Value>) -> Result<Outcome> {
    let stop = asked_to_stop();
    tokio::pin!(stop);
    let Started { leases, context, images } = tokio::select! {
        started = start(role, &options) => started?,
        stopped = &mut stop => return stopped.map(|()| Outcome::Done),
    };
    let (tell, told) = watch::channel(false);
    let leading = leases.lead(&told, async {
        tokio::select! {
            ended = Box::pin(work(role, &context, images, &options, kept)) => ended,
            () = asked(&told) => Ok(Outcome::Done),
        }
    });
    let mut leading = Box::pin(leading);
    tokio::select! {
        ended = &mut leading => return ended,
        stopped = &mut stop => stopped?,
    }
    tell.send_replace(true);
    let outcome = leading.await?;
    eprintln!("stopped");
    Ok(outcome)
}

/// Watches begin with the work, not before, so that the list includes what the last leader wrote.
async fn work(role: Role, context: &Context, images: Images, options: &Options, kept: Vec<Value>) -> Result<Outcome> {
    tokio::select! {
        () = Box::pin(weir_controllers::watch(context)) => {}
        () = told_while_unseen(&context.cluster) => {}
        taken_over = Box::pin(async {
            let context = match options.take_over {
                true => &take_over::taken_over(context).await?,
                false => context,
            };
            control(role, context, images, options, kept).await;
            anyhow::Ok(())
        }) => taken_over?,
    }
    bail!("the controllers ended")
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

async fn control(role: Role, context: &Context, images: Images, options: &Options, kept: Vec<Value>) {
    tokio::join!(
        async {
            if role.controls() {
                Box::pin(weir_controllers::controller(context, images, options.prune_rendered)).await;
            }
        },
        async {
            if role.operates() {
                let operator = Operator::new(context.clone()).of_image(&options.operator_image);
                Box::pin(operator.keeping(kept).run()).await;
            }
        },
    );
}

/// Everything needed before requesting the first lease.
struct Started {
    leases: Leases,
    context: Context,
    images: Images,
}

/// An API server that has what the controllers need.
async fn start(role: Role, options: &Options) -> Result<Started> {
    let config = options.cluster.config().await?;
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
    let client = leases.client(config, role.component())?;
    let generating = generating(options)?;
    let settle = options.settle;
    let context = Context { client, cluster: Cluster::default(), clock, profile, build, settle, generating };
    health.know(context.clone(), leases.fences());
    let version = release.map(|release| release.version).or_else(|| there.desired_version().map(str::to_owned));
    eprintln!("running against {at}: {} {}", profile.title, version.unwrap_or_default());
    Ok(Started { leases, context, images })
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
        eprintln!("made what was missing: {definitions}, {objects}");
    }
    Ok(())
}
