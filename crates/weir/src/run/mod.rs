//! The controllers against the API server of a cluster, whatever serves it.
//!
//! | module | part |
//! |---|---|
//! | `connect` | an API server that answers, and lets us read what we need |
//! | `release` | what the cluster is to run, and which distribution that makes it |

mod connect;
mod release;

use crate::{
    build,
    cli::run::Options,
    exit::Outcome,
    seed::{Facts, plain},
    signals::asked_to_stop,
};
use anyhow::{Context as _, Result, bail};
use kube::{Api, Client};
use release::Wanted;
use std::sync::Arc;
use weir_api::{
    ClusterVersion, FeatureGate,
    keys::{
        config::SEEDED,
        names::{CLUSTER, VERSION},
    },
};
use weir_controllers::{Cluster, Context};
use weir_images::{Images, Release};
use weir_kubeio::{Clock, error::optional};

/// Which components a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Both.
    All,
    /// Streams, rendering, rollout, drains.
    Controller,
    /// Built-in pools and the ClusterOperator.
    Operator,
}

impl Role {
    fn controls(self) -> bool {
        self != Self::Operator
    }

    fn operates(self) -> bool {
        self != Self::Controller
    }
}

/// Runs until it is asked to stop.
///
/// # Errors
/// Whatever kept it from starting or from running on.
pub async fn run(role: Role, options: Options) -> Result<Outcome> {
    let stop = asked_to_stop();
    tokio::pin!(stop);
    let (context, images) = tokio::select! {
        started = start(&options) => started?,
        stopped = &mut stop => return stopped.map(|()| Outcome::Done),
    };
    tokio::select! {
        () = work(role, &context, images) => bail!("the controllers ended"),
        stopped = &mut stop => stopped?,
    }
    eprintln!("stopped");
    Ok(Outcome::Done)
}

async fn work(role: Role, context: &Context, images: Images) {
    tokio::join!(
        weir_controllers::watch(context),
        async {
            if role.controls() {
                weir_controllers::controller(context, images).await;
            }
        },
        async {
            if role.operates() {
                weir_controllers::operator(context).await;
            }
        },
    );
}

/// An API server that has what the controllers need.
async fn start(options: &Options) -> Result<(Context, Images)> {
    let config = options.cluster.config().await?;
    let at = config.cluster_url.to_string();
    let client = Client::try_from(config)?;
    connect::answering(&client, &at, options.wait).await?;
    let there = There::read(&client).await?;
    let Wanted { images, release, profile } = release::wanted(&client, options, &there).await?;
    let context = Context {
        client,
        cluster: Cluster::default(),
        clock: Clock::system(),
        profile,
        // The build follows the cluster: it belongs to no release.
        build: Arc::new(build::identity()),
    };
    if let Some(release) = release.as_ref().filter(|_| options.release.is_some()) {
        seed(options, &context, &there, release).await?;
    }
    connect::readable(&context.client).await?;
    let version = release.map_or_else(|| "a release that cannot be read".to_owned(), |release| release.version);
    eprintln!("running against {at}: {} {version}", profile.title);
    Ok((context, images))
}

/// What tells an OpenShift from any other API server.
struct There {
    version: Option<ClusterVersion>,
    gates: Option<FeatureGate>,
}

impl There {
    async fn read(client: &Client) -> Result<Self> {
        let (versions, gates): (Api<ClusterVersion>, Api<FeatureGate>) =
            (Api::all(client.clone()), Api::all(client.clone()));
        Ok(Self {
            version: connect::known(optional(versions.get(VERSION).await)).context("reading ClusterVersion version")?,
            gates: connect::known(optional(gates.get(CLUSTER).await)).context("reading FeatureGate cluster")?,
        })
    }

    /// Somebody else keeps the objects of the cluster.
    fn is_openshift(&self) -> bool {
        let annotations = self.version.as_ref().map(|version| version.metadata.annotations.clone().unwrap_or_default());
        annotations.is_some_and(|annotations| !annotations.contains_key(SEEDED))
    }

    /// Pull spec of the release the cluster is to run.
    fn desired(&self) -> Option<&str> {
        let image = &self.version.as_ref()?.status.as_ref()?.desired.image;
        Some(image.as_str()).filter(|image| !image.is_empty())
    }
}

/// Makes what is missing; nothing is on an OpenShift.
async fn seed(options: &Options, context: &Context, there: &There, release: &Release) -> Result<()> {
    let facts = Facts {
        release,
        profile: context.profile,
        build: &context.build,
        shape: &plain::shape(&context.client).await?,
        before: there.version.as_ref(),
        gates: there.gates.as_ref(),
        now: context.clock.now(),
    };
    let done = plain::prepare(&context.client, &facts, options.update).await.context("preparing the API server")?;
    if done != plain::Done::default() {
        eprintln!("made what was missing: {} definitions, {} objects", done.definitions, done.objects);
    }
    Ok(())
}
