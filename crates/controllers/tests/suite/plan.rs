//! What a plan says is what happens: made of random small clusters before a change, which then the production controllers and simulated
//! machines carry out, in process and with time that passes when nobody works.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};
use tokio::{task::JoinHandle, time::sleep};
use weir_api::{
    ControllerConfig, FeatureGate, MachineConfig, MachineConfigPool, MachineConfiguration, OSImageStream,
    condition::{ConditionType, find},
    crds::{FeatureSet, crds},
    keys::names::OPERATOR_NAMESPACE,
};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{Access, Build, Cluster, Context, Generating, cluster::Watcher, drain, nodes, render, rollout};
use weir_distro::Profile;
use weir_fleet::{Faults, Fleet, Machine};
use weir_images::{Images, Source};
use weir_kubeio::{Clock, drive};
use weir_rules::{
    plan::{self, Change, Facts, Plan, Turn},
    rollout::actions::Effect,
    world::World,
};
use weir_testkit::{History, Recorder};

const PREFIX: &str = "machineconfiguration.openshift.io";
const STEP: Duration = Duration::from_millis(50);
/// Longest that a change of a handful of nodes may take, in simulated time.
const PATIENCE: Duration = Duration::from_mins(10);
/// Clusters that are tried, each from its seed.
const SEEDS: u64 = 16;

/// Numbers that follow from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.roll(from.len() as u64)).unwrap()].clone()
    }
}

/// What ends with the test.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A cluster at rest.
struct Small {
    client: Client,
    context: Context,
    _tasks: [Task; 2],
}

async fn create<K>(client: &Client, object: Value)
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    let object: K = serde_json::from_value(object).unwrap();
    Api::<K>::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
}

async fn status<K>(client: &Client, name: &str, status: Value)
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope> + Clone + DeserializeOwned + Debug,
{
    let patch = Patch::Merge(json!({ "status": status }));
    Api::<K>::all(client.clone()).patch_status(name, &PatchParams::default(), &patch).await.unwrap();
}

/// As `kubectl apply` does for an object that nobody else writes.
async fn apply<K>(client: &Client, object: &Value)
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    let api = Api::<K>::all(client.clone());
    let name = object["metadata"]["name"].as_str().unwrap();
    if api.get_opt(name).await.unwrap().is_some() {
        api.patch(name, &PatchParams::default(), &Patch::Merge(object)).await.unwrap();
    } else {
        create::<K>(client, object.clone()).await;
    }
}

fn controller_config() -> Value {
    let none = "IyBub25lCg==";
    json!({
        "metadata": {"name": "machine-config-controller", "annotations": {
            format!("{PREFIX}/generated-by-version"): "v1", format!("{PREFIX}/release-image-version"): "5.0.0",
        }},
        "spec": {
            "additionalTrustBundle": null, "baseOSContainerImage": "r/os@sha256:1",
            "cloudProviderCAData": null, "cloudProviderConfig": "", "clusterDNSIP": "172.30.0.10", "images": {},
            "dns": {"apiVersion": "config.openshift.io/v1", "kind": "DNS", "spec": {"baseDomain": "example.com"}, "status": {}},
            "infra": {"apiVersion": "config.openshift.io/v1", "kind": "Infrastructure", "spec": {}, "status": {}},
            "ipFamilies": "IPv4", "kubeAPIServerServingCAData": none, "network": null, "proxy": null, "releaseImage": "",
            "rootCAData": none,
        },
    })
}

fn pool(name: &str, max: &Value) -> Value {
    let roles = if name == "infra" { json!(["worker", "infra"]) } else { json!([name]) };
    let expression = json!({"key": format!("{PREFIX}/role"), "operator": "In", "values": roles});
    json!({"metadata": {"name": name, "labels": {"pool": name}}, "spec": {
        "machineConfigSelector": {"matchExpressions": [expression]}, "maxUnavailable": max,
        "nodeSelector": {"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}},
    }})
}

fn file(path: &str, text: &str) -> Value {
    json!({"path": path, "mode": 420, "overwrite": true, "contents": {"source": format!("data:,{text}")}})
}

fn config(name: &str, role: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("{PREFIX}/v1"), "kind": "MachineConfig",
        "metadata": {"name": name, "labels": {format!("{PREFIX}/role"): role}}, "spec": spec,
    })
}

fn with_files(files: &[Value]) -> Value {
    json!({"config": {"ignition": {"version": "3.5.0"}, "storage": {"files": files}}})
}

impl Small {
    async fn new(dice: &mut Dice) -> Self {
        let server = ApiServer::new(Settings::default()).unwrap();
        server.define(crds(FeatureSet::Default)).unwrap();
        let client = Client::new(server.service(), "default");
        create::<Namespace>(&client, json!({"metadata": {"name": OPERATOR_NAMESPACE}})).await;
        Self::seed(&client, dice).await;
        let context = Context {
            client: client.clone(),
            cluster: Cluster::default(),
            clock: Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()),
            profile: Profile::by_name("ocp").unwrap(),
            build: Arc::new(Build { raw: "v1".to_owned(), hash: "h".to_owned(), release: Some("5.0.0".to_owned()) }),
            settle: Duration::from_secs(3),
            generating: Generating { continues: true, ..Generating::default() },
        };
        let mut machines = Vec::new();
        for (role, count) in [("master", 1), ("worker", 2 + dice.roll(3)), ("infra", dice.roll(3))] {
            for n in 0..count {
                let zone = dice.pick(&[Some("a"), Some("b"), Some("c"), None]).map(str::to_owned);
                machines.push(Machine { name: format!("{role}-{n}"), pool: role.to_owned(), zone });
            }
        }
        let settings = weir_fleet::Settings {
            step: STEP,
            seed: 1,
            os: Arc::new(str::to_owned),
            drains: true,
            faults: Faults::default(),
            workload: None,
        };
        let count = machines.len();
        let fleet = Fleet::new(client.clone(), context.clock.clone(), settings, machines);
        let tasks = [Task(tokio::spawn(fleet.run())), Task(tokio::spawn(controllers(context.clone())))];
        let small = Self { client, context, _tasks: tasks };
        small.quiet(|nodes| nodes.len() == count).await;
        small
    }

    async fn seed(client: &Client, dice: &mut Dice) {
        create::<FeatureGate>(client, json!({"metadata": {"name": "cluster"}, "spec": {}})).await;
        let gates = json!([{"version": "5.0.0", "enabled": [{"name": "OSStreams"}], "disabled": []}]);
        status::<FeatureGate>(client, "cluster", json!({ "featureGates": gates })).await;
        create::<ControllerConfig>(client, controller_config()).await;
        let done = json!({"type": "TemplateControllerCompleted", "status": "True", "reason": "", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let done = json!({"conditions": [done], "observedGeneration": 1});
        status::<ControllerConfig>(client, "machine-config-controller", done).await;
        let marks = json!({format!("{PREFIX}/release-image-version"): "h"});
        let streams =
            json!({"metadata": {"name": "cluster", "annotations": marks}, "spec": {"defaultStream": "rhel-9"}});
        create::<OSImageStream>(client, streams).await;
        let digest = |c: char| c.to_string().repeat(64);
        let set = |name: &str, c: char| json!({"name": name, "osImage": format!("r.io/os@sha256:{}", digest(c)), "osExtensionsImage": format!("r.io/x@sha256:{}", digest(c))});
        let listed = json!({"availableStreams": [set("rhel-10", '1'), set("rhel-9", '9')], "defaultStream": "rhel-9"});
        status::<OSImageStream>(client, "cluster", listed).await;
        for role in ["master", "worker"] {
            let base = with_files(&[file("/etc/base", role)]);
            create::<MachineConfig>(client, config(&format!("00-{role}"), role, &base)).await;
        }
        for name in ["master", "worker", "infra"] {
            let max =
                if name == "master" { json!(1) } else { dice.pick(&[json!(1), json!(1), json!(2), json!("50%")]) };
            create::<MachineConfigPool>(client, pool(name, &max)).await;
        }
    }

    /// What a command reads.
    fn world(&self) -> World {
        World { process: None, ..self.context.world() }
    }

    async fn nodes(&self) -> Vec<Node> {
        Api::<Node>::all(self.client.clone()).list(&ListParams::default()).await.unwrap().items
    }

    /// Waits until every pool is rendered and every node that may move is where its pool wants it, and nothing changes any more.
    async fn quiet(&self, holds: impl Fn(&[Node]) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut before = None;
        loop {
            sleep(Duration::from_secs(10)).await;
            let nodes = self.nodes().await;
            let pools =
                Api::<MachineConfigPool>::all(self.client.clone()).list(&ListParams::default()).await.unwrap().items;
            let versions: Vec<_> = nodes.iter().map(|node| node.metadata.resource_version.clone()).collect();
            let rendered = pools.iter().all(|pool| pool.spec.configuration.is_some());
            let now = (versions, pools.iter().map(|pool| pool.metadata.resource_version.clone()).collect::<Vec<_>>());
            if rendered && holds(&nodes) && before.as_ref() == Some(&now) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "it does not come to rest: {}", json!(pools));
            before = Some(now);
        }
    }
}

async fn controllers(context: Context) {
    let access = Access::new(&context.cluster, Images::new(Source::default()));
    let (drain, nodes) = (drain::Controller::new(context.clone()), nodes::Controller::new(context.clone()));
    let (rollout, render) =
        (rollout::Controller::new(context.clone()), render::Controller::new(context.clone(), access));
    let drains = context.cluster.watches.fill(&context.client, &[Watcher::Drains]);
    let watching = context.cluster.clone().fill(context.client.clone());
    tokio::join!(watching, drains, drive(&drain), drive(&nodes), drive(&rollout), drive(&render));
}

/// A change of one or several objects.
fn changes(dice: &mut Dice) -> Vec<Change> {
    let motd = |text: &str| Change::Apply(config("99-worker-motd", "worker", &with_files(&[file("/etc/motd", text)])));
    let policy = |action: Value| {
        let files = json!([{"path": "/etc/motd", "actions": [action]}]);
        Change::Apply(json!({
            "apiVersion": "operator.openshift.io/v1", "kind": "MachineConfiguration", "metadata": {"name": "cluster"},
            "spec": {"managementState": "Managed", "nodeDisruptionPolicy": {"files": files}},
        }))
    };
    let restart = json!({"type": "Restart", "restart": {"serviceName": "chronyd.service"}});
    let paused = |pool: &str| {
        Change::Apply(json!({
            "apiVersion": format!("{PREFIX}/v1"), "kind": "MachineConfigPool", "metadata": {"name": pool}, "spec": {"paused": true},
        }))
    };
    let arguments = |role: &str| Change::Apply(config("99-arguments", role, &json!({"kernelArguments": ["nosmt"]})));
    let stream = |pool: &str, stream: &str| Change::Stream { pool: pool.to_owned(), stream: stream.to_owned() };
    match dice.roll(10) {
        0 => vec![motd("hello")],
        1 => vec![motd("hello"), policy(json!({"type": "None"}))],
        2 => vec![motd("hello"), policy(restart)],
        3 => vec![motd("hello"), policy(json!({"type": "Drain"}))],
        4 => vec![arguments("worker"), motd("hello")],
        5 => vec![stream("worker", "rhel-10")],
        6 => vec![Change::DefaultStream("rhel-10".to_owned())],
        7 => vec![stream("infra", "rhel-10"), arguments("infra")],
        8 => vec![paused("worker"), motd("hello")],
        _ => vec![arguments("master"), stream("worker", "rhel-9")],
    }
}

/// Makes a change in the cluster. Policies first: nodes ask for them when they change.
async fn carry_out(client: &Client, changes: &[Change]) {
    let kind = |change: &Change| match change {
        Change::Apply(object) => object["kind"].as_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let mut ordered: Vec<&Change> = changes.iter().collect();
    ordered.sort_by_key(|change| kind(change) == "MachineConfig");
    for change in ordered {
        match change {
            Change::Apply(object) => match kind(change).as_str() {
                "MachineConfig" => apply::<MachineConfig>(client, object).await,
                "MachineConfigPool" => apply::<MachineConfigPool>(client, object).await,
                "MachineConfiguration" => apply::<MachineConfiguration>(client, object).await,
                other => panic!("{other}"),
            },
            Change::Stream { pool, stream } => {
                let object = json!({"metadata": {"name": pool}, "spec": {"osImageStream": {"name": stream}}});
                apply::<MachineConfigPool>(client, &object).await;
            }
            Change::DefaultStream(stream) => {
                let object = json!({"metadata": {"name": "cluster"}, "spec": {"defaultStream": stream}});
                apply::<OSImageStream>(client, &object).await;
                // What the stream controller does; its release is not here.
                status::<OSImageStream>(client, "cluster", json!({"defaultStream": stream})).await;
            }
            Change::Delete(_) | Change::Release(_) => panic!("nothing is deleted or updated here"),
        }
    }
}

/// What happened to a node.
#[derive(Debug, Default, PartialEq, Eq)]
struct Happened {
    told: usize,
    boots: usize,
    cordoned: bool,
}

fn annotation(node: &Node, key: &str) -> String {
    node.metadata.annotations.as_ref().and_then(|all| all.get(&format!("{PREFIX}/{key}"))).cloned().unwrap_or_default()
}

/// What happened to each node, and in which order those of each pool were told something.
fn happened(history: &History) -> (BTreeMap<String, Happened>, BTreeMap<String, Vec<String>>) {
    let (mut all, mut order) = (BTreeMap::<String, Happened>::new(), BTreeMap::<String, Vec<String>>::new());
    let mut last: BTreeMap<String, Node> = BTreeMap::new();
    let boot = |node: &Node| node.status.as_ref().and_then(|s| s.node_info.as_ref()).map(|info| info.boot_id.clone());
    for change in &history.0 {
        let Some(now) = &change.after else { continue };
        let entry = all.entry(change.node.clone()).or_default();
        entry.cordoned |= now.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or_default();
        if let Some(before) = last.insert(change.node.clone(), now.clone()) {
            entry.boots += usize::from(boot(&before) != boot(now));
            if annotation(&before, "desiredConfig") != annotation(now, "desiredConfig") {
                entry.told += 1;
                let pool = change.node.split('-').next().unwrap_or_default();
                order.entry(pool.to_owned()).or_default().push(change.node.clone());
            }
        }
    }
    (all, order)
}

fn compare(plan: &Plan, history: &History, pools: &[MachineConfigPool], context: &str) {
    let (happened, order) = happened(history);
    for pool in &plan.pools {
        let object = pools.iter().find(|held| held.metadata.name.as_deref() == Some(&pool.pool)).unwrap();
        let target = object.spec.configuration.as_ref().map(|held| held.name().to_owned());
        assert_eq!(pool.after.config, target, "{context}: {}", pool.pool);
        for node in pool.nodes.iter().flatten() {
            let effect = node.effect.as_ref().unwrap();
            let moves = matches!(node.turn, Turn::Wave(_));
            let expected = Happened {
                told: usize::from(moves),
                boots: usize::from(moves && effect.reboots()),
                cordoned: moves && effect.drains,
            };
            assert_eq!(happened[&node.node], expected, "{context}: {} {:?} {effect}", node.node, node.turn);
        }
        let wave_of: BTreeMap<&str, usize> = pool
            .nodes
            .iter()
            .flatten()
            .filter_map(|node| if let Turn::Wave(wave) = node.turn { Some((node.node.as_str(), wave)) } else { None })
            .collect();
        let told = order.get(&pool.pool).cloned().unwrap_or_default();
        let waves: Vec<usize> = told.iter().map(|node| wave_of[node.as_str()]).collect();
        assert!(waves.is_sorted(), "{context}: {} went {told:?}, planned {wave_of:?}", pool.pool);
        assert_eq!(
            told.iter().map(String::as_str).collect::<BTreeSet<_>>(),
            wave_of.keys().copied().collect(),
            "{context}"
        );
    }
}

async fn one(seed: u64) -> (usize, usize) {
    let mut dice = Dice(seed);
    let small = Small::new(&mut dice).await;
    let changes = changes(&mut dice);
    let now: Timestamp = small.context.clock.now();
    let plan = plan::plan(&small.world(), &changes, &Facts::default(), now).unwrap();
    let recorder = Recorder::start(small.client.clone()).await.unwrap();
    carry_out(&small.client, &changes).await;
    let moving: BTreeSet<String> = plan.waves.iter().flatten().map(|started| started.node.clone()).collect();
    let targets: BTreeMap<String, String> = plan
        .pools
        .iter()
        .flat_map(|pool| {
            pool.nodes.iter().flatten().map(move |node| (node.node.clone(), pool.after.config.clone().unwrap()))
        })
        .collect();
    small
        .quiet(|nodes| {
            nodes.iter().all(|node| {
                let name = node.metadata.name.clone().unwrap_or_default();
                let there = annotation(node, "currentConfig") == targets[&name] && annotation(node, "state") == "Done";
                !moving.contains(&name) || there
            })
        })
        .await;
    let history = recorder.finish().await.unwrap();
    let pools = Api::<MachineConfigPool>::all(small.client.clone()).list(&ListParams::default()).await.unwrap().items;
    compare(&plan, &history, &pools, &format!("seed {seed}, {changes:?}"));
    let rest = find(pools[0].status.as_ref().unwrap().conditions.as_deref().unwrap(), ConditionType::new("Updated"));
    assert!(rest.is_some());
    let quiet = plan.acting().filter(|node| !node.effect.as_ref().is_ok_and(Effect::reboots)).count();
    (plan.reboots(), quiet)
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_what_happens() {
    let (mut reboots, mut quiet) = (0, 0);
    for seed in 0..SEEDS {
        let (rebooted, not) = one(seed).await;
        reboots += rebooted;
        quiet += not;
    }
    println!(
        "{SEEDS} clusters (seeds 0 to {}): {reboots} reboots and {quiet} updates without one, as planned",
        SEEDS - 1
    );
    assert!(reboots > 10 && quiet > 5, "{reboots} {quiet}");
}
