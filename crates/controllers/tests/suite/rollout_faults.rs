//! A rollout under every fault, in process: the real controllers and simulated machines against the embedded API server, with
//! time that passes when nobody works. Each must end Updated, with never more nodes down than the pool allows.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use k8s_openapi::{
    api::core::v1::{Event, Namespace, Node},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use weir_api::{
    MachineConfig, MachineConfigNode, MachineConfigPool,
    condition::{ConditionType, find},
    crds::{FeatureSet, crds},
};
use weir_apiserver::{ApiServer, Settings, User};
use weir_controllers::{Build, Cluster, Context, cluster::Watcher, drain, nodes, rollout};
use weir_distro::Profile;
use weir_fleet::{Faults, Fleet, Machine, Workload};
use weir_kubeio::{Clock, drive};
use weir_rules::{
    operator::install::{Install, Manifest, manifests},
    rollout::is_tainted,
    view::NodeView,
};
use weir_sim::{Trouble, Troubled, trouble::Pace};
use weir_testkit::{History, Recorder};

const PREFIX: &str = "machineconfiguration.openshift.io";
const NAMESPACE: &str = "openshift-machine-config-operator";
const STEP: Duration = Duration::from_millis(50);
/// Longest that a rollout of a handful of nodes may take, in simulated time; the longest back-off there is, and some.
const PATIENCE: Duration = Duration::from_mins(10);

/// What ends with the test.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A cluster with the pools `worker` and `infra`, at rest on `r1`.
struct World {
    client: Client,
    server: ApiServer,
    trouble: Trouble,
    clock: Clock,
    _fleet: Task,
}

impl World {
    async fn new(workers: u32, infra: u32, faults: Value, workload: Option<Workload>) -> Self {
        let server = ApiServer::new(Settings::default()).unwrap();
        server.define(crds(FeatureSet::Default)).unwrap();
        let client = Client::new(server.service(), "default");
        create::<Namespace>(&client, json!({"metadata": {"name": NAMESPACE}})).await;
        for config in ["r1", "r2", "r3"] {
            create::<MachineConfig>(&client, json!({"metadata": {"name": config}, "spec": {"osImageURL": config}}))
                .await;
        }
        for pool in ["worker", "infra"] {
            let selector = json!({"matchLabels": {format!("node-role.kubernetes.io/{pool}"): ""}});
            let spec = json!({"configuration": {"name": "r1"}, "nodeSelector": selector});
            create::<MachineConfigPool>(&client, json!({"metadata": {"name": pool}, "spec": spec})).await;
        }
        let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let machines = [Machine::of_pool("worker", workers), Machine::of_pool("infra", infra)].concat();
        let settings = weir_fleet::Settings {
            step: STEP,
            seed: 1,
            os: Arc::new(str::to_owned),
            drains: true,
            faults: serde_json::from_value::<Faults>(json!({"faults": faults})).unwrap(),
            workload,
        };
        let fleet = Fleet::new(client.clone(), clock.clone(), settings, machines);
        let fleet = Task(tokio::spawn(fleet.run()));
        let world = Self { client, server, trouble: Trouble::default(), clock, _fleet: fleet };
        let controllers = world.controllers();
        world.updated("worker", "r1", workers).await;
        world.updated("infra", "r1", infra).await;
        drop(controllers);
        world
    }

    /// Controllers of a process of its own, which see the API server through whatever trouble there is.
    fn controllers(&self) -> Task {
        self.controllers_at(self.troubled(), self.clock.clone())
    }

    fn troubled(&self) -> Client {
        Client::new(Troubled::new(self.server.service(), self.trouble.clone()), "default")
    }

    fn controllers_at(&self, client: Client, clock: Clock) -> Task {
        self.controllers_that_wait(client, clock, Duration::ZERO)
    }

    fn controllers_that_wait(&self, client: Client, clock: Clock, settle: Duration) -> Task {
        let context = Context {
            client,
            cluster: Cluster::default(),
            clock,
            profile: &Profile::all()[0],
            build: Arc::new(Build { raw: "v".to_owned(), hash: "h".to_owned(), release: None }),
            settle,
            generating: Default::default(),
        };
        Task(tokio::spawn(async move {
            let (drain, nodes) = (drain::Controller::new(context.clone()), nodes::Controller::new(context.clone()));
            let rollout = rollout::Controller::new(context.clone());
            let drains = context.cluster.watches.fill(&context.client, &[Watcher::Drains]);
            let watching = context.cluster.clone().fill(context.client.clone());
            tokio::join!(watching, drains, drive(&drain), drive(&nodes), drive(&rollout));
        }))
    }

    fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    fn pools(&self) -> Api<MachineConfigPool> {
        Api::all(self.client.clone())
    }

    async fn spec(&self, pool: &str, spec: Value) {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.pools().patch(pool, &PatchParams::default(), &patch).await.unwrap();
    }

    /// What the render controller would write.
    async fn target(&self, pool: &str, config: &str) {
        self.spec(pool, json!({"configuration": {"name": config}})).await;
    }

    /// Waits until as many nodes of a pool run the config, and the pool says so.
    async fn updated(&self, pool: &str, config: &str, count: u32) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let object = self.pools().get(pool).await.unwrap();
            let status = object.status.unwrap_or_default();
            let updated = find(&status.conditions.clone().unwrap_or_default(), ConditionType::new("Updated"))
                .is_some_and(|c| c.status == "True");
            let named = status.configuration.as_ref().is_some_and(|c| c.name() == config);
            let count = i32::try_from(count).unwrap();
            if updated && named && (status.updated_machine_count, status.machine_count) == (count, count) {
                return;
            }
            assert!(Instant::now() < deadline, "{pool} is not on {config}: {}\n{}", json!(status), self.told().await);
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every node's annotations and readiness, for who looks for what went wrong.
    async fn told(&self) -> Value {
        let nodes = self.nodes().list(&ListParams::default()).await.unwrap();
        nodes.into_iter().map(|node| json!([node.metadata.name, node.metadata.annotations, node.spec])).collect()
    }

    async fn wait(&self, node: &str, what: impl Fn(&BTreeMap<String, String>) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !what(&self.nodes().get(node).await.unwrap().metadata.annotations.unwrap()) {
            assert!(Instant::now() < deadline, "{}", self.told().await);
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn annotate(&self, node: &str, key: &str) {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {key: ""}}}));
        self.nodes().patch(node, &PatchParams::default(), &patch).await.unwrap();
    }

    async fn says(&self, pool: &str, type_: &'static str) -> (String, String, String) {
        let status = self.pools().get(pool).await.unwrap().status.unwrap();
        let condition = find(status.conditions.as_deref().unwrap(), ConditionType::new(type_)).unwrap();
        (condition.status.clone(), condition.reason.clone(), condition.message.clone())
    }

    async fn events(&self, reason: &str) -> usize {
        let api: Api<Event> = Api::namespaced(self.client.clone(), "default");
        let events = api.list(&ListParams::default()).await.unwrap();
        events.into_iter().filter(|event| event.reason.as_deref() == Some(reason)).count()
    }

    async fn recorder(&self) -> Recorder {
        Recorder::start(self.client.clone()).await.unwrap()
    }

    /// The worker pool goes to a config with this much trouble on the way; what happened.
    async fn rollout(&self, workers: u32, config: &str) -> History {
        let recorder = self.recorder().await;
        self.target("worker", config).await;
        self.updated("worker", config, workers).await;
        recorder.finish().await.unwrap()
    }
}

async fn create<K>(client: &Client, object: Value)
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
        + Clone
        + DeserializeOwned
        + serde::Serialize
        + std::fmt::Debug,
{
    let object: K = serde_json::from_value(object).unwrap();
    Api::<K>::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
}

fn annotation<'a>(annotations: &'a BTreeMap<String, String>, key: &str) -> &'a str {
    annotations.get(&format!("{PREFIX}/{key}")).map_or("", String::as_str)
}

/// Workers down at the same moment, and how often workers were told anything.
fn summary(history: &History) -> (usize, usize) {
    (history.most_unavailable("worker", &["infra"]), history.times_told("worker-"))
}

#[tokio::test(start_paused = true)]
async fn drains_with_pods_and_a_budget() {
    let workload = Workload { pods: 3, budget: Some(IntOrString::Int(2)), heeds_taints: true };
    let world = World::new(4, 0, json!([]), Some(workload)).await;
    let _controllers = world.controllers();
    let history = world.rollout(4, "r2").await;
    assert_eq!(summary(&history), (1, 4));
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(world.client.clone(), "weir-fleet");
    assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.len(), 12);
    let report = Api::<MachineConfigNode>::all(world.client.clone()).get("worker-0").await.unwrap();
    let conditions = report.status.unwrap().conditions.unwrap();
    assert_eq!(find(&conditions, ConditionType::new("Updated")).unwrap().status, "True");
    let drained = find(&conditions, ConditionType::new("Drained")).unwrap();
    assert!(drained.message.starts_with("Action during update to r2: Drained node."), "{}", drained.message);
    let rebooted = find(&conditions, ConditionType::new("RebootedNode")).unwrap();
    assert_eq!(rebooted.message, "Action during update to r2: Node has rebooted");
}

/// Cut off at the n-th write, which still gets through, and started anew, for every n there is.
#[tokio::test(start_paused = true)]
async fn the_controllers_restart_at_every_write() {
    let workload = || Some(Workload { pods: 1, budget: Some(IntOrString::Int(1)), heeds_taints: true });
    let mut position = 1;
    loop {
        let world = World::new(2, 0, json!([]), workload()).await;
        let recorder = world.recorder().await;
        world.trouble.stop_after(Some(position));
        let first = world.controllers();
        world.target("worker", "r2").await;
        let was_cut = tokio::select! {
            () = world.trouble.stopped() => true,
            () = world.updated("worker", "r2", 2) => false,
        };
        drop(first);
        world.trouble.stop_after(None);
        let _second = world.controllers();
        world.updated("worker", "r2", 2).await;
        let history = recorder.finish().await.unwrap();
        assert_eq!(summary(&history), (1, 2), "cut off at write {position}");
        if !was_cut {
            break;
        }
        position += 1;
    }
    assert!(position > 20, "a rollout takes more writes than {position}");
}

#[tokio::test(start_paused = true)]
async fn the_api_server_goes_and_comes_back() {
    let world = World::new(4, 0, json!([]), None).await;
    let _controllers = world.controllers();
    let recorder = world.recorder().await;
    world.target("worker", "r2").await;
    for _ in 0..3 {
        sleep(Duration::from_millis(400)).await;
        world.trouble.down(true);
        sleep(Duration::from_secs(20)).await;
        world.trouble.down(false);
    }
    world.updated("worker", "r2", 4).await;
    assert_eq!(summary(&recorder.finish().await.unwrap()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn every_write_meets_a_conflict() {
    let world = World::new(4, 0, json!([]), None).await;
    world.trouble.conflicts(true);
    let _controllers = world.controllers();
    assert_eq!(summary(&world.rollout(4, "r2").await), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn watches_break_off_all_the_time() {
    let world = World::new(4, 0, json!([]), None).await;
    let _controllers = world.controllers();
    let trouble = world.trouble.clone();
    let _breaking = Task(tokio::spawn(async move {
        loop {
            sleep(Duration::from_millis(130)).await;
            trouble.break_watches();
        }
    }));
    assert_eq!(summary(&world.rollout(4, "r2").await), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn a_server_with_too_much_to_do_is_left_alone() {
    let world = World::new(4, 0, json!([]), None).await;
    let _controllers = world.controllers();
    sleep(Duration::from_secs(2)).await;
    world.trouble.refuse(6);
    let _ = world.trouble.take_requests();
    let recorder = world.recorder().await;
    world.target("worker", "r2").await;
    sleep(Duration::from_millis(900)).await;
    let asked: u64 = world.trouble.take_requests().values().sum();
    assert!(asked <= 6, "{asked} requests in the second that the server asked to be left alone");
    world.updated("worker", "r2", 4).await;
    assert_eq!(summary(&recorder.finish().await.unwrap()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn two_controllers_at_once() {
    let world = World::new(5, 0, json!([]), None).await;
    world.spec("worker", json!({"maxUnavailable": 2})).await;
    let (_one, _other) = (world.controllers(), world.controllers());
    let history = world.rollout(5, "r2").await;
    let (down, told) = summary(&history);
    assert!(down <= 2 && told == 5, "{down} down, {told} told");
}

#[tokio::test(start_paused = true)]
async fn the_clock_jumps() {
    let world = World::new(3, 0, json!([{"fault": "stuck-in-drain", "nodes": "worker-0", "for": "5m"}]), None).await;
    let recorder = world.recorder().await;
    let at = |time: &str| Clock::starting_at(time.parse().unwrap());
    let direct = || Client::new(world.server.service(), "default");
    world.target("worker", "r2").await;
    for time in ["2027-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "2026-06-01T00:00:00Z"] {
        let _controllers = world.controllers_at(direct(), at(time));
        sleep(Duration::from_mins(1)).await;
    }
    let _controllers = world.controllers_at(direct(), at("2020-01-01T00:00:00Z"));
    world.updated("worker", "r2", 3).await;
    assert_eq!(summary(&recorder.finish().await.unwrap()), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_node_is_deleted_in_mid_update() {
    let world = World::new(3, 0, json!([{"fault": "never-returns", "nodes": "worker-0", "times": 1}]), None).await;
    let _controllers = world.controllers();
    world.target("worker", "r2").await;
    world.wait("worker-0", |a| annotation(a, "post-config-action") == "Rebooting").await;
    sleep(Duration::from_mins(2)).await;
    assert_eq!(world.says("worker", "Updated").await.0, "False");
    world.nodes().delete("worker-0", &DeleteParams::default()).await.unwrap();
    // Another machine takes its place, and boots into what the pool last agreed on.
    world.updated("worker", "r2", 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_is_deleted_under_its_nodes() {
    let world = World::new(3, 2, json!([]), None).await;
    let _controllers = world.controllers();
    let recorder = world.recorder().await;
    world.target("infra", "r3").await;
    world.target("worker", "r2").await;
    sleep(Duration::from_millis(150)).await;
    world.pools().delete("infra", &DeleteParams::default()).await.unwrap();
    // Its nodes are workers now.
    world.updated("worker", "r2", 5).await;
    let history = recorder.finish().await.unwrap();
    assert!(history.most_unavailable("worker", &[]) <= 2, "one of each pool as they were");
}

#[tokio::test(start_paused = true)]
async fn a_node_without_annotations_harms_nobody_and_its_report_follows_it_to_another_pool_at_once() {
    let world = World::new(2, 0, json!([]), None).await;
    let _controllers = world.controllers();
    let labels = json!({"node-role.kubernetes.io/infra": ""});
    create::<Node>(&world.client, json!({"metadata": {"name": "bare", "labels": labels}})).await;
    let reports: Api<MachineConfigNode> = Api::all(world.client.clone());
    let named = async |pool: &str| {
        let asked = Instant::now();
        while reports.get_opt("bare").await.unwrap().is_none_or(|report| report.spec.pool.name != pool) {
            assert!(asked.elapsed() < Duration::from_secs(1), "{pool}: {:?}", reports.get_opt("bare").await);
            sleep(Duration::from_millis(5)).await;
        }
    };
    named("infra").await;
    assert_eq!(world.nodes().get("bare").await.unwrap().metadata.annotations, None);
    world.rollout(2, "r2").await;
    let labels = json!({"node-role.kubernetes.io/infra": null, "node-role.kubernetes.io/worker": ""});
    let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
    world.nodes().patch("bare", &PatchParams::default(), &patch).await.unwrap();
    named("worker").await;
}

#[tokio::test(start_paused = true)]
async fn custom_pools_overlap() {
    let world = World::new(3, 2, json!([]), None).await;
    let _controllers = world.controllers();
    let reports: Api<MachineConfigNode> = Api::all(world.client.clone());
    for node in ["infra-0", "infra-1"] {
        while reports.get_opt(node).await.unwrap().is_none_or(|report| report.spec.pool.name != "infra") {
            sleep(Duration::from_millis(5)).await;
        }
    }
    let selector = json!({"matchLabels": {"node-role.kubernetes.io/infra": ""}});
    let spec = json!({"configuration": {"name": "r3"}, "nodeSelector": selector});
    create::<MachineConfigPool>(&world.client, json!({"metadata": {"name": "gpu"}, "spec": spec})).await;
    let history = world.rollout(3, "r2").await;
    assert_eq!(history.times_told("infra-"), 0, "nobody knows whose they are");
    // Said once on each node, for as long as it is so on each pool, and the node's report keeps what it said.
    assert_eq!(world.events("SeveralPools").await, 2);
    for pool in ["infra", "gpu"] {
        let (status, reason, message) = world.says(pool, "NodesWithoutPool").await;
        assert_eq!((status.as_str(), reason.as_str()), ("True", "SeveralPools"), "{pool}");
        assert!(message.contains("infra-0, infra-1: custom pools gpu, infra all match it"), "{message}");
    }
    assert_eq!(reports.get("infra-0").await.unwrap().spec.pool.name, "infra");
    world.pools().delete("gpu", &DeleteParams::default()).await.unwrap();
    world.target("infra", "r2").await;
    world.updated("infra", "r2", 2).await;
    assert_eq!(world.says("infra", "NodesWithoutPool").await.0, "False");
}

/// Nodes with the taint of who waits.
async fn tainted(world: &World) -> usize {
    let nodes = world.nodes().list(&ListParams::default()).await.unwrap();
    nodes.iter().filter(|node| is_tainted(&NodeView::new(node))).count()
}

#[tokio::test(start_paused = true)]
async fn pods_are_kept_off_nodes_that_wait() {
    let mut evicted = Vec::new();
    for heeds_taints in [false, true] {
        let world = World::new(6, 0, json!([]), Some(Workload { pods: 3, budget: None, heeds_taints })).await;
        let controllers = world.controllers();
        sleep(Duration::from_secs(2)).await;
        let _ = world.trouble.take_requests();
        world.target("worker", "r2").await;
        world.wait("worker-0", |a| annotation(a, "desiredConfig") == "r2").await;
        sleep(STEP).await;
        assert_eq!(tainted(&world).await, 5, "all but the one that was told");
        world.updated("worker", "r2", 6).await;
        assert_eq!(tainted(&world).await, 0);
        let requests = world.trouble.take_requests();
        evicted.push(requests["create pods/eviction"]);
        // The taint is a write for each that waits; it goes with one of the five that every node takes.
        assert!(requests["patch nodes"] <= 6 * 5 + 5, "{requests:?}");
        drop(controllers);
    }
    assert!(evicted[1] <= evicted[0], "{evicted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_taint_that_nobody_needs_goes() {
    let world = World::new(3, 0, json!([]), None).await;
    let taint = |key: &str| json!({"key": key, "effect": "PreferNoSchedule"});
    let patch = json!({"spec": {"taints": [taint("UpdateInProgress"), taint("gpu")]}});
    for node in ["worker-0", "worker-1", "worker-2"] {
        world.nodes().patch(node, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }
    let _controllers = world.controllers();
    sleep(Duration::from_secs(2)).await;
    let nodes = world.nodes().list(&ListParams::default()).await.unwrap();
    for node in nodes {
        let taints: Vec<_> = node.spec.unwrap().taints.unwrap().into_iter().map(|taint| taint.key).collect();
        assert_eq!(taints, ["gpu"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_target_settles_whoever_leads() {
    let world = World::new(3, 0, json!([]), None).await;
    let settle = Duration::from_secs(3);
    let controllers = || world.controllers_that_wait(world.troubled(), world.clock.clone(), settle);
    let first = controllers();
    let recorder = world.recorder().await;
    // What the render controller writes.
    let until = world.clock.now() + jiff::SignedDuration::from_secs(3);
    let dates = json!({format!("{PREFIX}/settled-from"): until.to_string()});
    let change = json!({"metadata": {"annotations": dates}, "spec": {"configuration": {"name": "r2"}}});
    world.pools().patch("worker", &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let (status, _, message) = world.says("worker", "Updating").await;
    assert!(status == "True" && message.contains(&until.to_string()), "{status} {message}");
    drop(first);
    let _second = controllers();
    world.wait("worker-0", |a| annotation(a, "desiredConfig") == "r2").await;
    assert!(world.clock.now() >= until, "told before {until}");
    assert!(world.clock.now() <= until + jiff::SignedDuration::from_millis(100), "told long after {until}");
    world.updated("worker", "r2", 3).await;
    assert_eq!(summary(&recorder.finish().await.unwrap()), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_came_to_another_pool_unseen_is_told_nothing_of_its_former_one() {
    let world = World::new(1, 1, json!([]), None).await;
    let settle = Duration::from_secs(3);
    let _controllers = world.controllers_that_wait(world.troubled(), world.clock.clone(), settle);
    let until = world.clock.now() + jiff::SignedDuration::from_secs(3);
    let dates = json!({format!("{PREFIX}/settled-from"): until.to_string()});
    let change = json!({"metadata": {"annotations": dates}, "spec": {"configuration": {"name": "r2"}}});
    world.pools().patch("worker", &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    world.trouble.stall(true);
    let role = |name: &str| format!("node-role.kubernetes.io/{name}");
    let moved = json!({"metadata": {"labels": {role("worker"): null, role("infra"): ""}}});
    world.nodes().patch("worker-0", &PatchParams::default(), &Patch::Merge(moved)).await.unwrap();
    _ = world.trouble.take_requests();
    sleep(Duration::from_secs(5)).await;
    assert!(world.trouble.take_requests().contains_key("patch nodes"), "nobody tried to tell it");
    world.trouble.stall(false);
    world.updated("infra", "r1", 2).await;
    world.wait("worker-0", |a| annotation(a, "desiredConfig") == "r1").await;
    assert_eq!(world.events("SetDesiredConfig").await, 0);
}

/// The objects of the manifests that say what the controller may do.
async fn rights(client: &Client) {
    let watched = Cluster::default().watched();
    let install = Install {
        image: "r/weir:1",
        replicas: 1,
        monitoring: false,
        prune_rendered: None,
        take_over: false,
        adopts_generated: false,
        operator_keeps_controller: false,
        builder_image: None,
        watched: &watched,
    };
    for Manifest { object, .. } in manifests(&install) {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let (group, version) = text("/apiVersion").and_then(|version| version.split_once('/')).unwrap_or(("", "v1"));
        if group != "rbac.authorization.k8s.io" || text("/metadata/name") != Some("weir-controller") {
            continue;
        }
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind").unwrap()));
        let api: Api<DynamicObject> = match text("/metadata/namespace") {
            // Others do not concern a rollout.
            Some(NAMESPACE) => Api::namespaced_with(client.clone(), NAMESPACE, &kind),
            Some(_) => continue,
            None => Api::all_with(client.clone(), &kind),
        };
        let object = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_rights_of_the_manifests_allow_to_ask_what_came_of_a_write_without_an_answer() {
    let world = World::new(3, 0, json!([]), None).await;
    rights(&world.client).await;
    let groups = ["system:serviceaccounts", "system:authenticated"].map(str::to_owned).to_vec();
    let username = format!("system:serviceaccount:{NAMESPACE}:weir-controller");
    let account = world.server.service_as(User { username, groups, ..User::default() });
    let client = Client::new(Troubled::new(account, world.trouble.clone()), "default");
    world.trouble.pace(Pace { seed: 1, request: Duration::ZERO, event: Duration::ZERO, lost: 4 });
    let _controllers = world.controllers_at(client, world.clock.clone());
    assert_eq!(summary(&world.rollout(3, "r2").await), (1, 3));
    let asked = world.trouble.take_requests();
    assert!(asked.contains_key("get nodes"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_rollout_is_an_event_of_the_pool() {
    let world = World::new(2, 0, json!([]), None).await;
    let _controllers = world.controllers();
    let before = world.events("Completed").await;
    world.rollout(2, "r2").await;
    sleep(Duration::from_mins(1)).await;
    assert_eq!(world.events("Completed").await, before + 1);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_selector_harms_no_other_pool() {
    let world = World::new(3, 2, json!([]), None).await;
    let _controllers = world.controllers();
    let selector = json!({"matchExpressions": [{"key": "x", "operator": "Bogus"}]});
    let spec = json!({"configuration": {"name": "r3"}, "nodeSelector": selector});
    create::<MachineConfigPool>(&world.client, json!({"metadata": {"name": "odd"}, "spec": spec})).await;
    assert_eq!(summary(&world.rollout(3, "r2").await), (1, 3));
    let (status, reason, message) = world.says("odd", "Degraded").await;
    assert_eq!(status, "True", "{reason} {message}");
}

#[tokio::test(start_paused = true)]
async fn odd_limits_stop_the_pool_and_say_what_to_do() {
    let world = World::new(4, 0, json!([]), None).await;
    let _controllers = world.controllers();
    let recorder = world.recorder().await;
    for limit in [json!(-1), json!("abc")] {
        world.spec("worker", json!({"maxUnavailable": limit, "configuration": {"name": "r2"}})).await;
        sleep(Duration::from_secs(5)).await;
        let (status, _, message) = world.says("worker", "Updating").await;
        assert!(status == "True" && message.contains("maxUnavailable"), "{limit}: {status} {message}");
    }
    assert_eq!(summary(&recorder.finish().await.unwrap()), (0, 0));
    world.spec("worker", json!({"maxUnavailable": "200%"})).await;
    world.updated("worker", "r2", 4).await;
    // As the reference has it, a small pool still moves.
    world.spec("worker", json!({"maxUnavailable": 0})).await;
    assert_eq!(summary(&world.rollout(4, "r3").await), (1, 4));
}

/// Each fault of the fleet, and the way out of it.
#[tokio::test(start_paused = true)]
async fn machines_fail_and_are_brought_back() {
    let faults = json!([
        {"fault": "degraded", "nodes": "worker-0", "reason": "disk full"},
        {"fault": "returns-on-old-image", "nodes": "worker-1", "times": 1},
        {"fault": "slow", "nodes": "worker-2", "factor": 20},
    ]);
    let world = World::new(4, 0, faults, None).await;
    let _controllers = world.controllers();
    let recorder = world.recorder().await;
    world.target("worker", "r2").await;
    world.wait("worker-0", |a| annotation(a, "state") == "Degraded").await;
    sleep(Duration::from_secs(30)).await;
    let (status, _, message) = world.says("worker", "NodeDegraded").await;
    assert!(status == "True" && message.contains("worker-0") && message.contains("disk full"), "{message}");
    world.annotate("worker-0", "fleet.weir/lift").await;
    world.updated("worker", "r2", 4).await;
    let history = recorder.finish().await.unwrap();
    assert_eq!(summary(&history), (1, 4));
    assert_eq!(world.says("worker", "NodeDegraded").await.0, "False");
}

/// A node that fails on one config goes on to the next one.
#[tokio::test(start_paused = true)]
async fn the_way_out_of_a_bad_config_is_a_good_one() {
    let world = World::new(3, 0, json!([{"fault": "degraded", "nodes": "*", "os": "r2"}]), None).await;
    let _controllers = world.controllers();
    let recorder = world.recorder().await;
    world.target("worker", "r2").await;
    sleep(Duration::from_mins(5)).await;
    let told = recorder.finish().await.unwrap();
    assert_eq!(summary(&told).1, 1, "a bad config stops by itself");
    world.target("worker", "r3").await;
    world.updated("worker", "r3", 3).await;
}

#[tokio::test(start_paused = true)]
async fn decisions_are_told_once() {
    let world = World::new(4, 0, json!([]), None).await;
    let _controllers = world.controllers();
    world.rollout(4, "r2").await;
    sleep(Duration::from_mins(30)).await;
    assert_eq!(world.events("SetDesiredConfig").await, 4);
    let _ = world.trouble.take_requests();
    sleep(Duration::from_mins(30)).await;
    let writes =
        world.trouble.take_requests().into_keys().filter(|key| !key.starts_with("watch") && !key.starts_with("list"));
    assert_eq!(writes.collect::<Vec<_>>(), Vec::<String>::new(), "nothing changes, nothing is written");
}
