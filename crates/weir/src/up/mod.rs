//! A release, an API server, the controllers and a fleet in one process.
//!
//! | module | part |
//! |---|---|
//! | [`source`] | where the release comes from, and whether it can be used |
//! | `home` | where the kubeconfig is |
//! | `image_mode` | a MachineOSConfig that is ready to be applied |
//! | `members` | which machines it has |
//! | `registry` | the cluster's own registry |
//! | `progress` | reports how far the pools are |
//! | `update` | takes the cluster to another release |
//! | `story` | plays a cluster's life |

mod home;
mod image_mode;
mod members;
mod progress;
mod registry;
pub mod source;
pub(crate) mod story;
mod update;

use crate::{
    builder,
    cli::up::{Until, Up},
    exit::Outcome,
    page::{self, OfControllers},
    signals::asked_to_stop,
};
use anyhow::{Context as _, Result, bail};
use futures::future::select_all;
use home::Home;
use kube::{Api, Client};
use members::Members;
use progress::Display;
use source::Chosen;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout},
};
use update::Updates;
use weir_api::{
    ClusterVersion, FeatureGate,
    crds::{FeatureSet, crds},
    keys::names::{CLUSTER, VERSION},
};
use weir_apiserver::{ApiServer, Listener, PodLogs, Settings, Socket};
use weir_controllers::{
    Access, Build, Cluster, Context,
    build::{self, Builder, Worker, registry::Registry},
    render,
};
use weir_dashboard::{Door, Key, Page};
use weir_fleet::{Fleet, Logs};
use weir_images::Images;
use weir_kubeio::{Clock, drive};
use weir_rules::{
    objects::counted::Count,
    objects::seed::{Facts, objects},
    objects::surroundings::surroundings,
    operator::made_for::made_for,
    status::{
        settled::{Progress, progress},
        update_history::is_complete,
    },
    world::import::is_brought,
};
use weir_sim::{builds::BuildPods, write::apply};

/// Tag of the release's image that builds in a cluster.
const BUILDER_IMAGE: &str = "machine-config-operator";
/// An image that is never pulled.
const NO_IMAGE: &str = "registry.invalid/weir";

/// The fleet's logs, for the API server.
#[derive(Debug)]
struct FleetLogs(Logs);

impl PodLogs for FleetLogs {
    fn log(&self, namespace: &str, pod: &str, container: &str) -> Option<String> {
        self.0.of(namespace, pod, container)
    }
}

/// How long a run without `--timeout` may take: practically forever.
const NO_TIMEOUT: Duration = Duration::from_hours(24 * 365);

/// How long the rest of a build that was ended may take to go.
const SETTLED: Duration = Duration::from_secs(10);

/// Runs until asked to stop, or until `--until` holds.
///
/// # Errors
/// Anything that kept it from starting or from continuing.
pub async fn run(up: Up) -> Result<Outcome> {
    let deadline = Instant::now() + up.timeout.unwrap_or(NO_TIMEOUT);
    let stop = asked_to_stop();
    tokio::pin!(stop);
    let started = tokio::select! {
        started = start(&up) => started?,
        stopped = &mut stop => return stopped.map(|()| interrupted(&up, None)),
        () = sleep_until(deadline) => bail!("not started in time (--timeout)"),
    };
    started.introduce(&up)?;
    let Started { server, listener, registry, context, chosen, home, machines, members, logs, page, token, .. } =
        started;
    let (end, ended) = oneshot::channel::<()>();
    // Its error means that the sender is gone, which is what it waits for.
    let mut serving = tokio::spawn(listener.serve(async { _ = ended.await }));
    let registry = registry.map(registry::Served::start);
    let access = Access::new(&context.cluster, chosen.images.clone());
    let builder = builder::chosen(up.builder, &home.builds(), access.into()).await?;
    let pods = BuildPods::new(builder.clone(), context.client.clone());
    let fleet = fleet(&members, &context, machines).building(Arc::new(pods), logs);
    let (seen, door) = (Arc::new(OfControllers(context.clone())), Door::new(Key::Token(token), []));
    let page = page.with_updates(page::updates(Some(chosen.images.clone())));
    let updates = Updates {
        added: chosen.images.source().added.clone(),
        names: chosen.names.clone(),
        context: context.clone(),
        images: up.images.clone(),
        shape: members.shape(),
        refused: Default::default(),
    };
    let mut display = Display::new();
    let how = tokio::select! {
        () = weir_controllers::run(context.clone(), chosen.images.clone()) => bail!("the controllers ended"),
        () = builds(&context, builder.clone(), &chosen) => bail!("the builder ended"),
        () = fleet.run() => bail!("the fleet ended"),
        () = page.serve(seen, door) => bail!("the page ended"),
        () = drive(&updates) => bail!("the updates ended"),
        served = &mut serving => return ended_by_itself(served),
        () = watch(&up, &members, &context, &*builder, &mut display) => Ok(Ended::Held),
        () = sleep_until(deadline) => Ok(Ended::Late),
        stopped = &mut stop => stopped.map(|()| Ended::Stopped),
        // Whatever happens from now on would be lost.
        full = server.disk_refused() => Err(full.into()),
    };
    display.finish();
    let outcome = how.map(|how| match how {
        Ended::Held => Outcome::Done,
        Ended::Late => late(&members, &context),
        Ended::Stopped => interrupted(&up, Some((&members, &context))),
    });
    drop(end);
    serving.await.context("serving the API")?.context("serving the API")?;
    if let Some(registry) = registry {
        registry.end().await;
    }
    // A build that was under way has a program and a folder.
    _ = timeout(SETTLED, builder.settled()).await;
    drop(home);
    outcome
}

/// Has the images of pools in image mode built. Its pods are run here; their images are never pulled.
async fn builds(context: &Context, builder: Arc<dyn Builder>, chosen: &Chosen) {
    let access = Access::new(&context.cluster, chosen.images.clone());
    let registry = Registry::new(access.clone());
    let image = chosen.release.by_tag().get(BUILDER_IMAGE).map_or(NO_IMAGE, |image| image).to_owned();
    let settings =
        build::Settings { worker: Worker::Here(builder), program: NO_IMAGE.to_owned(), builder: Some(image) };
    tokio::join!(
        weir_controllers::builder(context, Arc::new(registry), settings),
        weir_controllers::after_builds(context, Arc::new(access)),
    );
}

fn ended_by_itself(served: Result<Result<(), weir_apiserver::Error>, tokio::task::JoinError>) -> Result<Outcome> {
    served.context("serving the API")?.context("serving the API")?;
    bail!("the API server ended")
}

/// How a successful run ended.
enum Ended {
    /// What `--until` names holds.
    Held,
    /// It did not hold in time.
    Late,
    /// The user stopped it.
    Stopped,
}

/// Everything needed before the first controller runs.
struct Started {
    chosen: Chosen,
    server: ApiServer,
    listener: Listener,
    page: Page,
    /// What has to be known to look at it.
    token: String,
    registry: Option<weir_registry::Listener>,
    context: Context,
    home: Home,
    members: Members,
    machines: weir_fleet::Settings,
    /// What build pods print.
    logs: Logs,
    /// Version of the release that the data directory's cluster should have run before; absent for a new one.
    before: Option<String>,
}

/// The release first, then the port, and only then the data directory: a run that fails leaves nothing behind.
async fn start(up: &Up) -> Result<Started> {
    let mut chosen = source::choose(up).await?;
    let machines = up.machines.settings(chosen.os_text())?;
    let socket = Socket::bind(up.listen)?;
    let page = page::bind(up.page).await?;
    let home = Home::open(up.data_dir.as_deref())?;
    let logs = Logs::default();
    let of_pods: Option<Arc<dyn PodLogs>> = Some(Arc::new(FleetLogs(logs.clone())));
    let settings = Settings { data_dir: up.data_dir.clone(), logs: of_pods, kubelets: true, ..Settings::default() };
    let server = ApiServer::new(settings)?;
    let listener = socket.of(&server)?;
    server.define(crds(FeatureSet::Default)).context("defining the kinds")?;
    let clock = Clock::system();
    // The build follows the cluster: it may be updated.
    let build = Arc::new(Build::ours());
    let client = Client::new(server.service(), "default");
    let context = Context {
        client,
        cluster: Cluster::default(),
        clock,
        profile: chosen.profile,
        build,
        settle: up.settle,
        generating: Default::default(),
    };
    let members = Members::of(up.nodes.as_ref(), &context.client).await?;
    let before = populate(up, &chosen, &members, &context).await?;
    listener.write_kubeconfig(home.kubeconfig())?;
    let registry = registry::open(&home.registry(), &chosen.layouts).await;
    if let Some(registry) = &registry {
        // What is built is pushed there, and read from there.
        let mut source = chosen.images.source().clone();
        registry.admit(&mut source)?;
        let mirrors = registry.mirrors(&chosen.layouts);
        let path = home.registries();
        std::fs::write(&path, mirrors.to_toml()?).with_context(|| format!("writing {}", path.display()))?;
        source.registries.add(mirrors);
        chosen.images = Images::new(source);
        image_mode::write(&home.os_config(), registry)?;
    }
    let token = page::token();
    Ok(Started { chosen, server, listener, page, token, registry, context, home, members, machines, logs, before })
}

/// Creates the initial objects of a cluster, or updates them; returns the version that it should have run before.
async fn populate(up: &Up, chosen: &Chosen, members: &Members, context: &Context) -> Result<Option<String>> {
    let (versions, gates): (Api<ClusterVersion>, Api<FeatureGate>) =
        (Api::all(context.client.clone()), Api::all(context.client.clone()));
    let before = versions.get_opt(VERSION).await.context("reading ClusterVersion")?;
    let gates = gates.get_opt(CLUSTER).await.context("reading FeatureGate")?;
    if let Some(made_for) = made_for(before.as_ref(), gates.as_ref())
        && made_for.name != chosen.profile.name
    {
        bail!(
            "{} holds a cluster of {} ({name}), and the release to run is of {}: a cluster keeps its distribution; give \
             another --data-dir, or run this one with --distribution {name} or a --release of it",
            up.data_dir.as_deref().unwrap_or(Path::new("")).display(),
            made_for.title,
            chosen.profile.title,
            name = made_for.name,
        );
    }
    // A cluster that was imported has the features that it had.
    let listed = gates.iter().filter(|gates| is_brought(&gates.metadata)).flat_map(|gates| &gates.status);
    let has_gates = listed.flat_map(|status| &status.feature_gates).any(|list| list.version == chosen.release.version);
    let facts = Facts {
        version: &chosen.release.version,
        image: &chosen.release.image,
        images: &chosen.release.by_tag(),
        profile: chosen.profile,
        build: &context.build,
        shape: &members.shape(),
        before: before.as_ref(),
        gates: gates.as_ref().filter(|gates| is_brought(&gates.metadata)),
        now: context.clock.now(),
    };
    let seeds = objects(&facts).into_iter().chain(surroundings(&facts));
    for seed in seeds.filter(|seed| seed.object["kind"] != "FeatureGate" || !has_gates) {
        apply(&context.client, &seed).await?;
    }
    Ok(before.and_then(|version| Some(version.status?.desired.version)))
}

fn fleet(members: &Members, context: &Context, settings: weir_fleet::Settings) -> Fleet {
    let cluster = &context.cluster;
    let seen = weir_fleet::Seen {
        nodes: cluster.nodes.clone(),
        reports: cluster.reports.clone(),
        pools: cluster.pools.clone(),
        configs: cluster.configs.clone(),
        configurations: cluster.configurations.clone(),
        os_configs: cluster.os_configs.clone(),
        os_builds: cluster.os_builds.clone(),
        gates: cluster.gates.clone(),
        versions: cluster.versions.clone(),
    };
    Fleet::sharing(seen, context.client.clone(), context.clock.clone(), settings, members.machines.clone()).renewing()
}

/// Shows progress; ends when `--until` holds.
async fn watch(up: &Up, members: &Members, context: &Context, builder: &dyn Builder, display: &mut Display) {
    let mut changes = context.cluster.configuration_changes();
    let mut told = false;
    loop {
        // What was listed before this began to listen is no change.
        for pool in &context.cluster.pools.all() {
            display.show(pool);
        }
        // An update may have begun.
        told &= context.cluster_version().is_some_and(|version| is_complete(&version));
        if !told && context.cluster.is_configuration_synced() && is_updated(members.total(), context) {
            told = true;
            display.say("every pool is updated");
            if up.until == Some(Until::Updated) {
                return;
            }
            // Which one it is is found out, and said, when there is nothing else to do.
            builder.ability().await;
        }
        let next = changes.iter_mut().map(|change| Box::pin(async { change.changed().await.is_ok() }));
        if !select_all(next).await.0 {
            return;
        }
    }
}

/// The cluster runs what it should: its release is complete, every node has joined, and every pool has settled on
/// what it would be rendered to.
fn is_updated(nodes: u32, context: &Context) -> bool {
    let (pools, version) = (context.cluster.pools.all(), context.cluster_version());
    let mut joined = 0;
    for pool in &pools {
        match progress(pool) {
            Progress::AtRest { nodes } => joined += u32::try_from(nodes).unwrap_or_default(),
            _ => return false,
        }
    }
    let complete = version.is_some_and(|version| is_complete(&version));
    // The cheap checks come first.
    complete && !pools.is_empty() && joined >= nodes && render::is_current(context)
}

/// Stopping while waiting for `--until` means it was not reached.
fn interrupted(up: &Up, running: Option<(&Members, &Context)>) -> Outcome {
    match up.until {
        None => Outcome::Done,
        Some(Until::Updated) => {
            tell!("error: stopped before every pool was updated (--until)");
            running.into_iter().for_each(|(members, context)| unmet(members, context));
            Outcome::Failed
        }
    }
}

fn late(members: &Members, context: &Context) -> Outcome {
    tell!("error: not every pool was updated in time (--timeout)");
    unmet(members, context);
    Outcome::Failed
}

/// Reports what is missing for `--until`.
fn unmet(members: &Members, context: &Context) {
    let cluster = &context.cluster;
    for pool in cluster.pools.all() {
        let name = pool.metadata.name.as_deref().unwrap_or_default();
        tell!("  {name}: {}", progress(&pool));
    }
    let (joined, expected) = (cluster.nodes.all().len(), members.total());
    if joined < usize::try_from(expected).unwrap_or(usize::MAX) {
        let have = if joined == 1 { "has" } else { "have" };
        tell!("  {joined} of {} {have} joined", Count(expected, "node"));
    }
    if let Some(version) = context.cluster_version().filter(|version| !is_complete(version)) {
        let desired = version.status.as_ref().map(|status| status.desired.version.as_str()).unwrap_or_default();
        tell!("  release {desired} is not complete: the required pools do not run it yet");
    }
}

impl Started {
    /// Prints where the cluster is and what to try with it.
    fn introduce(&self, up: &Up) -> Result<()> {
        let kubeconfig = self.home.kubeconfig();
        crate::cli::print(format!("{}\n", kubeconfig.display()).as_bytes())?;
        let Chosen { release, profile, catalog, .. } = &self.chosen;
        let streams: Vec<&str> = catalog.streams.iter().map(|stream| stream.set.name.as_str()).collect();
        let (title, version, streams) = (&profile.title, &release.version, streams.join(", "));
        match &self.before {
            None => tell!("{title} {version}: streams {streams}; default {}", catalog.default),
            // Its default may have been chosen by a user, and streams retained.
            Some(before) if before == version => tell!("{title} {version}: streams {streams}; the cluster goes on"),
            Some(before) => tell!("{title} {version}: streams {streams}; the cluster ran {before} and is updated"),
        }
        for notice in &catalog.notices {
            tell!("note: {notice}");
        }
        tell!("embedded API server for trying things out, not a cluster: https://{}", self.listener.address());
        let page = page::address(&self.page, Some(&self.token));
        tell!("the page: {page}");
        if up.open {
            page::open(&page);
        }
        if let Some(registry) = &self.registry {
            registry::introduce(registry);
            tell!("image mode: kubectl apply -f {}", self.home.os_config().display());
        }
        if up.until.is_none() {
            self.suggest(kubeconfig);
        }
        Ok(())
    }

    fn suggest(&self, kubeconfig: &Path) {
        let catalog = &self.chosen.catalog;
        let other = catalog.streams.iter().map(|stream| &stream.set.name).find(|name| **name != catalog.default);
        let patch = match other {
            Some(stream) => format!(r#"{{"spec":{{"osImageStream":{{"name":"{stream}"}}}}}}"#),
            None => r#"{"spec":{"paused":true}}"#.to_owned(),
        };
        tell!("try, in another terminal (Ctrl-C here ends everything):");
        tell!("  export KUBECONFIG={}", kubeconfig.display());
        tell!("  kubectl get mcp,osimagestream,nodes");
        tell!("  kubectl patch mcp worker --type merge -p '{patch}'");
        tell!("  kubectl get mcp -w");
    }
}
