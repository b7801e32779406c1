//! The cluster of a story: API server, controllers and fleet in this process, without sockets.

use super::{
    cut::{Cut, Writes},
    images::{Built, Removals, StoryRegistry},
    script::{Action, Script},
};
use crate::{
    builds::BuildPods,
    systems::os_names,
    write::{apply, merge, resource, write_gates},
};
use anyhow::{Context as _, Result, anyhow, bail};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
    core::DynamicObject,
};
use parking_lot::RwLock;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::task::{JoinHandle, spawn_local};
use weir_api::{
    ClusterVersion,
    crds::{FeatureSet, crds},
    keys::{
        config::{SETTLED_FROM, UNSETTLED_SINCE},
        names::{CLUSTER, OPERATOR_NAMESPACE, VERSION},
    },
    kind::MACHINE_CONFIG_GROUP,
};
use weir_apiserver::{ApiServer, Settings, clock::RandomIds};
use weir_controllers::{
    Access, Build, Context,
    build::{self, Builder, Worker, registry::Registry},
    stream::observe,
};
use weir_distro::Profile;
use weir_fleet::{Faults, Fleet, Logs, Machine};
use weir_images::{Images, Release, Source};
use weir_kubeio::{Clock, error::said};
use weir_rules::objects::seed::{Facts, Seed, Shape, objects};

/// Each step of a simulated node takes this long: long enough for several to be in progress at once.
const STEP: Duration = Duration::from_millis(10);
/// How long a pool's new target must stay the same, as in `weir up`.
const SETTLE: Duration = Duration::from_millis(250);
/// Makes the boot IDs of simulated machines reproducible.
const SEED: u64 = 1;

/// The operator and the other controllers as separate processes: they share no memory.
async fn two_processes(operator: Context, controller: Context, images: Images) {
    let work = weir_controllers::operator::Operator::new(operator.clone());
    tokio::join!(
        weir_controllers::watch(&operator),
        Box::pin(work.run()),
        weir_controllers::watch(&controller),
        Box::pin(weir_controllers::controller(&controller, images, None)),
    );
}

/// All controllers, and those of builds where there is a registry.
async fn one_process(context: Context, images: Images, builds: Option<(Worker, Removals)>) {
    let builder = async {
        if let Some((worker, removals)) = builds {
            let access = Access::new(&context.cluster, images.clone());
            let image = "registry.invalid/weir".to_owned();
            let settings = build::Settings { worker, program: image.clone(), builder: Some(image) };
            tokio::join!(
                weir_controllers::builder(&context, Arc::new(Registry::new(access)), settings),
                weir_controllers::after_builds(&context, Arc::new(removals)),
            );
        }
    };
    tokio::join!(Box::pin(weir_controllers::run(context.clone(), images.clone())), Box::pin(builder));
}

/// Watches what says how images are read.
async fn reads(objects: weir_controllers::Cluster, client: Client) {
    let (access, configs) = (objects.access.clone(), objects.controller_configs.clone());
    tokio::join!(access.fill(client.clone()), configs.fill(client));
}

/// An API server that knows all kinds: that is most of what a server costs, so it is made once for all stories of a process.
static KNOWS_KINDS: OnceLock<ApiServer> = OnceLock::new();

/// A story's own API server, with this clock.
fn server(clock: &Clock) -> Result<ApiServer> {
    let knows = match KNOWS_KINDS.get() {
        Some(knows) => knows,
        None => {
            let first = ApiServer::new(Settings::default())?;
            first.define(crds(FeatureSet::Default)).context("defining the kinds")?;
            KNOWS_KINDS.get_or_init(|| first)
        }
    };
    Ok(knows.copy(Arc::new(Shown(clock.clone())), Arc::new(RandomIds)))
}

/// The time of a story, for its API server.
#[derive(Debug)]
struct Shown(Clock);

impl weir_apiserver::Clock for Shown {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// A task that ends when its owner is dropped.
#[derive(Debug)]
struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

type OsNames = Arc<RwLock<BTreeMap<String, String>>>;

/// The cluster.
pub(super) struct Cluster {
    script: Script,
    profile: &'static Profile,
    server: ApiServer,
    client: Client,
    clock: Clock,
    images: Images,
    registry: Option<StoryRegistry>,
    /// Makes images; what it reads is watched as long as the cluster is there.
    builder: Arc<dyn Builder>,
    /// Deletes images.
    pub(super) removals: Removals,
    _reads: Running,
    /// Pull spec of each payload's release image.
    references: BTreeMap<String, String>,
    names: OsNames,
    gates: BTreeMap<String, bool>,
    desired: Release,
    controllers: Option<Running>,
    fleet: Option<Running>,
    pub(super) writes: Arc<Writes>,
}

impl Cluster {
    /// A cluster as an installation leaves it, with nothing running yet.
    pub(super) async fn new(script: Script) -> Result<Self> {
        let profile = script.profile()?;
        let (mut layouts, mut references) = (Vec::new(), BTreeMap::new());
        for (name, payload) in &script.payloads {
            let layout = payload.make(profile)?;
            let image = layout.images().first().context("a payload without images")?;
            references.insert(name.clone(), layout.name(image).to_string());
            layouts.extend(payload.published.then_some(layout));
        }
        let mut source = Source { layouts, offline: !script.start.registry, ..Source::default() };
        let registry = match script.start.registry {
            true => Some(StoryRegistry::start(&source.layouts.clone(), &mut source).await?),
            false => None,
        };
        let images = Images::new(source);
        let clock = Clock::starting_at(Timestamp::now());
        let server = server(&clock)?;
        let start = references.get(&script.start.payload).context("the first payload")?;
        let desired = images.release(start).await.context("reading the first payload")?;
        let gates = BTreeMap::from([(desired.version.clone(), script.start.gate)]);
        let client = Client::new(server.service(), "default");
        let objects = weir_controllers::Cluster::default();
        let builder = script.builders.make(Access::new(&objects, images.clone()));
        let removals = Removals::new(Access::new(&objects, images.clone()), client.clone(), images.clone());
        let reads = Running(tokio::spawn(reads(objects, client.clone())));
        let mut cluster = Self {
            builder,
            removals,
            _reads: reads,
            profile,
            client,
            server,
            clock,
            images,
            registry,
            references,
            names: OsNames::default(),
            gates,
            desired,
            controllers: None,
            fleet: None,
            writes: Arc::default(),
            script,
        };
        for seed in cluster.seeds().await? {
            apply(&cluster.client, &seed).await?;
        }
        write_gates(&cluster.client, &cluster.gates).await?;
        if let Some(registry) = &cluster.registry {
            let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
            let secret = serde_json::from_value(registry.secret()).context("making the registry's Secret")?;
            secrets.create(&PostParams::default(), &secret).await.context("making the registry's Secret")?;
        }
        for object in cluster.script.start.objects.clone() {
            cluster.apply(&object).await?;
        }
        Ok(cluster)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Starts controllers and machines.
    pub(super) async fn run(&mut self) -> Result<()> {
        self.start_controllers().await?;
        let machines =
            self.script.start.nodes.pools().flat_map(|(pool, count)| Machine::of_pool(pool, count)).collect();
        let names = self.names.clone();
        let os = move |image: &str| {
            let names = names.read();
            names.get(image).cloned().unwrap_or_else(|| image.to_owned())
        };
        let settings = weir_fleet::Settings {
            step: STEP,
            seed: SEED,
            os: Arc::new(os),
            drains: true,
            faults: Faults::new(self.script.start.faults.clone())?,
            workload: None,
        };
        let pods = BuildPods::new(self.builder.clone(), self.client.clone());
        let fleet = Fleet::new(self.client.clone(), self.clock.clone(), settings, machines);
        let fleet = fleet.building(Arc::new(pods), Logs::default());
        self.fleet = Some(Running(tokio::spawn(fleet.run())));
        Ok(())
    }

    /// Performs the actions of a step.
    pub(super) async fn act(&mut self, action: &Action) -> Result<()> {
        let pool = |name: &str, spec: Value| {
            let version = format!("{MACHINE_CONFIG_GROUP}/v1");
            json!({"apiVersion": version, "kind": "MachineConfigPool", "metadata": {"name": name}, "spec": spec})
        };
        match action {
            Action::Apply(object) => self.apply(object).await,
            Action::Refused { apply, because } => match self.apply(apply).await {
                Ok(()) => bail!("it was to be refused, and was taken"),
                Err(error) if format!("{error:#}").contains(because) => Ok(()),
                Err(error) => Err(error.context(format!("it was to be refused with {because:?}"))),
            },
            Action::Delete(object) => self.delete(object).await,
            Action::Stream { pool: name, name: stream } => {
                let reference = stream.as_ref().map(|stream| json!({ "name": stream }));
                self.apply(&pool(name, json!({ "osImageStream": reference }))).await
            }
            Action::Pause { pool: name, paused } => self.apply(&pool(name, json!({ "paused": paused }))).await,
            Action::DefaultStream(stream) => {
                let version = format!("{MACHINE_CONFIG_GROUP}/v1");
                let spec = json!({ "defaultStream": stream });
                let object = json!({"apiVersion": version, "kind": "OSImageStream", "metadata": {"name": CLUSTER}, "spec": spec});
                self.apply(&object).await
            }
            Action::Gate(on) => {
                self.gates.values_mut().for_each(|gate| *gate = *on);
                write_gates(&self.client, &self.gates).await
            }
            Action::Update { to, controllers, gate } => self.update(to, *controllers, *gate).await,
            Action::RestartControllers => self.start_controllers().await,
        }
    }

    /// Stops the controllers, mid-work, and starts those of the desired release, with what its operator writes.
    pub(super) async fn start_controllers(&mut self) -> Result<()> {
        self.controllers = None;
        for seed in self.seeds().await?.iter().filter(|seed| seed.object["kind"] == "ControllerConfig") {
            // A payload that was not made for this cluster has no images to put there.
            if seed.object["spec"]["baseOSContainerImage"] != "" {
                apply(&self.client, seed).await?;
            }
        }
        let context = self.context();
        self.controllers = Some(Running(if self.script.start.two_processes {
            spawn_local(two_processes(context, self.context(), self.images.clone()))
        } else {
            let builds = || (Worker::Here(self.builder.clone()), self.removals.clone());
            spawn_local(one_process(context, self.images.clone(), self.registry.is_some().then(builds)))
        }));
        Ok(())
    }

    /// The initial state of a controller process.
    fn context(&self) -> Context {
        Context {
            client: Client::new(Cut::new(self.server.service(), self.writes.clone()), "default"),
            cluster: weir_controllers::Cluster::default(),
            clock: self.clock.clone(),
            profile: self.profile,
            build: Arc::new(self.build()),
            settle: SETTLE,
            generating: Default::default(),
        }
    }

    /// Stops counting writes, so that controllers started from now on are not cut off.
    pub(super) fn spare(&mut self) {
        self.writes = Arc::default();
    }

    /// What keeps the story from continuing, if anything does.
    pub(super) fn check(&self) -> Result<()> {
        for running in [&self.controllers, &self.fleet].into_iter().flatten() {
            if running.0.is_finished() {
                bail!("the controllers or the fleet ended by themselves");
            }
        }
        Ok(())
    }

    /// Every release has its own controllers.
    fn build(&self) -> Build {
        let own = Build::ours();
        let version = self.desired.version.clone();
        Build { hash: format!("{}-{version}", own.hash), release: Some(version), ..own }
    }

    async fn update(&mut self, to: &str, controllers: bool, gate: Option<bool>) -> Result<()> {
        let payload = self.script.payloads.get(to).context("the payload")?;
        let image = self.references.get(to).context("the payload's release image")?.clone();
        self.desired = match self.images.release(&image).await {
            Ok(release) => release,
            Err(_) if !payload.published => {
                Release { image, version: payload.version.clone(), tags: self.desired.tags.clone() }
            }
            Err(error) => return Err(error.into()),
        };
        let before = self.gates.last_key_value().is_none_or(|(_, on)| *on);
        self.gates.insert(self.desired.version.clone(), gate.unwrap_or(before));
        write_gates(&self.client, &self.gates).await?;
        for seed in self.seeds().await?.iter().filter(|seed| seed.object["kind"] == "ClusterVersion") {
            apply(&self.client, seed).await?;
        }
        if controllers { self.start_controllers().await } else { Ok(()) }
    }

    /// The objects of a cluster that runs the desired release.
    async fn seeds(&mut self) -> Result<Vec<Seed>> {
        let versions: Api<ClusterVersion> = Api::all(self.client.clone());
        let before = versions.get_opt(VERSION).await.context("reading ClusterVersion")?;
        let found = observe::of_release(&self.images, self.profile, &self.desired).await;
        let systems = os_names(&found.source);
        self.names.write().extend(systems);
        Ok(objects(&Facts {
            version: &self.desired.version,
            image: &self.desired.image,
            images: &self.desired.by_tag(),
            profile: self.profile,
            build: &self.build(),
            shape: &Shape::from(&self.script.start.nodes),
            before: before.as_ref(),
            gates: None,
            now: self.clock.now(),
        }))
    }

    async fn apply(&self, object: &Value) -> Result<()> {
        let filled = self.registry.as_ref().map(|registry| registry.filled(object));
        merge(&self.client, filled.as_ref().unwrap_or(object)).await
    }

    async fn delete(&self, object: &Value) -> Result<()> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = resource(&text(&object["apiVersion"]), &text(&object["kind"]));
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind);
        let name = text(&object["metadata"]["name"]);
        api.delete(&name, &DeleteParams::default()).await.map_err(|error| anyhow!(said(&error)))?;
        Ok(())
    }

    /// Those of the images that nodes were told which were built.
    pub(super) async fn built(&self, told: BTreeSet<String>) -> Result<Built> {
        match &self.registry {
            Some(registry) => registry.built(told, &self.removals).await,
            None => Ok(Built::default()),
        }
    }

    /// The final state without times, identities and addresses: two runs with the same outcome are equal.
    pub(super) fn state(&self, seen: &crate::history::Seen) -> Value {
        let kinds = ["OSImageStream", "MachineConfigPool", "MachineConfig", "Node"];
        let mut state: Value = seen
            .now
            .iter()
            .filter(|((kind, _), _)| kinds.contains(kind))
            .map(|((kind, name), v)| (format!("{kind}/{name}"), v.clone()))
            .collect();
        let volatile: BTreeSet<&str> = [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "observedGeneration",
            "lastTransitionTime",
            "lastHeartbeatTime",
            "bootID",
            "machineUID",
            UNSETTLED_SINCE,
            SETTLED_FROM,
        ]
        .into();
        strip(&mut state, &volatile);
        self.registry.as_ref().map_or(state.clone(), |registry| registry.emptied(&state))
    }
}

fn strip(value: &mut Value, volatile: &BTreeSet<&str>) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| !volatile.contains(key.as_str()));
            fields.values_mut().for_each(|value| strip(value, volatile));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|value| strip(value, volatile));
            // Conditions are a set by type; their order depends on which changed last.
            items.sort_by_key(|item| item["type"].as_str().map(str::to_owned));
        }
        _ => {}
    }
}
