//! Histories in process: the real controller against the embedded API server, with time that passes when nobody works.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test")]

use super::served::Served;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Node};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;
use weir_api::{MachineConfig, MachineConfigNode, MachineConfigPool};
use weir_controllers::{cluster::Watcher, history};
use weir_kubeio::drive;
use weir_rules::history::{History, KEY, NOT_KNOWN, Outcome};

const PREFIX: &str = "machineconfiguration.openshift.io";
const NAMESPACE: &str = "openshift-machine-config-operator";

struct World {
    served: Served,
    running: tokio::task::JoinSet<()>,
}

impl World {
    /// A pool of one node that runs r1, and the controller at work.
    async fn new() -> Self {
        let mut world = Self { served: Served::new(), running: tokio::task::JoinSet::new() };
        let role = json!({"node-role.kubernetes.io/worker": ""});
        world.served.create::<Namespace>(json!({"metadata": {"name": NAMESPACE}})).await;
        for (name, argument) in [("r1", "a"), ("r2", "b")] {
            world
                .served
                .create::<MachineConfig>(json!({"metadata": {"name": name}, "spec": {"kernelArguments": [argument]}}))
                .await;
        }
        let spec = json!({"configuration": {"name": "r1"}, "nodeSelector": {"matchLabels": role}});
        world.served.create::<MachineConfigPool>(json!({"metadata": {"name": "worker"}, "spec": spec})).await;
        world.pool("r1", "r1").await;
        world.served.create::<Node>(json!({"metadata": {"name": "a", "labels": role}})).await;
        let report = json!({
            "metadata": {"name": "a"},
            "spec": {"node": {"name": "a"}, "pool": {"name": "worker"}, "configVersion": {"desired": "r1"}},
        });
        world.served.create::<MachineConfigNode>(report).await;
        world.node("r1", "r1", json!({})).await;
        world.boot("first").await;
        world.start();
        world
    }

    fn start(&mut self) {
        let context = self.served.context();
        self.running.spawn(context.cluster.clone().fill(self.served.client.clone()));
        let (watches, client) = (context.cluster.watches.clone(), self.served.client.clone());
        self.running.spawn(async move { watches.fill(&client, &[Watcher::History]).await });
        self.running.spawn(async move { drive(&history::Controller::new(context)).await });
    }

    /// As another process would go on.
    async fn restart(&mut self) {
        self.running.shutdown().await;
        self.start();
        sleep(Duration::from_secs(1)).await;
    }

    /// The pool wants `target`, and all its nodes ran `former` last.
    async fn pool(&self, former: &str, target: &str) {
        self.served.pool("worker", former, target).await;
        sleep(Duration::from_secs(1)).await;
    }

    async fn node(&self, current: &str, desired: &str, more: Value) {
        let state = if current == desired { "Done" } else { "Working" };
        let mut annotations = json!({
            format!("{PREFIX}/currentConfig"): current, format!("{PREFIX}/desiredConfig"): desired,
            format!("{PREFIX}/state"): state, format!("{PREFIX}/desiredDrain"): null,
            format!("{PREFIX}/post-config-action"): null,
        });
        for (name, value) in more.as_object().unwrap() {
            annotations[format!("{PREFIX}/{name}")] = value.clone();
        }
        let patch = json!({"metadata": {"annotations": annotations}});
        let nodes: Api<Node> = Api::all(self.served.client.clone());
        nodes.patch("a", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    async fn boot(&self, id: &str) {
        let info = json!({
            "machineID": "m", "systemUUID": "s", "bootID": id, "kernelVersion": "k", "osImage": "o", "containerRuntimeVersion": "c",
            "kubeletVersion": "v", "kubeProxyVersion": "v", "operatingSystem": "linux", "architecture": "amd64",
        });
        let nodes: Api<Node> = Api::all(self.served.client.clone());
        let patch = Patch::Merge(json!({"status": {"nodeInfo": info}}));
        nodes.patch_status("a", &PatchParams::default(), &patch).await.unwrap();
    }

    /// The history, and how often it was written.
    async fn written(&self) -> Option<(History, i64)> {
        let maps: Api<ConfigMap> = Api::namespaced(self.served.client.clone(), NAMESPACE);
        let map = maps.get_opt("weir-history-worker").await.unwrap()?;
        let version = map.metadata.resource_version.unwrap().parse().unwrap();
        Some((History::of_text(&map.data.unwrap()[KEY]).unwrap(), version))
    }

    async fn events(&self) -> Vec<String> {
        let events: Api<Event> = Api::namespaced(self.served.client.clone(), "default");
        let all = events.list(&ListParams::default()).await.unwrap();
        all.into_iter().map(|event| format!("{}: {}", event.reason.unwrap(), event.message.unwrap())).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollout_is_written_now_and_then_and_at_its_end_and_nothing_at_rest() {
    let mut world = World::new().await;
    sleep(Duration::from_secs(120)).await;
    assert!(world.written().await.is_none(), "there was no rollout");
    world.pool("r1", "r2").await;
    world.node("r1", "r2", json!({})).await;
    sleep(Duration::from_secs(10)).await;
    world.node("r1", "r2", json!({"desiredDrain": "drain-r2"})).await;
    sleep(Duration::from_secs(10)).await;
    assert!(world.written().await.is_none(), "not within half a minute");
    sleep(Duration::from_secs(15)).await;
    let (history, first) = world.written().await.unwrap();
    let rollout = history.rollouts.last().unwrap();
    assert_eq!((rollout.result, rollout.nodes, rollout.from.as_str()), (Outcome::UnderWay, 1, "r1"));
    let changed = &rollout.changed[0];
    // No MachineConfig of the pool has these arguments.
    assert_eq!(changed.what, ["kernelArguments b", "kernelArguments without a"]);
    assert_eq!((changed.object.as_str(), &changed.manager), (NOT_KNOWN, &None));

    world.restart().await;
    world.node("r1", "r2", json!({"post-config-action": "Rebooting"})).await;
    sleep(Duration::from_secs(20)).await;
    for boot in ["second", "third"] {
        world.boot(boot).await;
        sleep(Duration::from_secs(1)).await;
    }
    world.node("r2", "r2", json!({})).await;
    sleep(Duration::from_secs(1)).await;
    world.pool("r2", "r2").await;
    let (history, last) = world.written().await.unwrap();
    assert!(last > first);
    let rollout = history.rollouts.last().unwrap();
    assert_eq!((rollout.result, rollout.reboots, rollout.again), (Outcome::Done, 2, 1));
    let phases: Vec<_> = rollout.phases.iter().map(|(phase, took)| (phase.word(), took.median / 1000)).collect();
    assert_eq!((phases[0].0, phases[1], phases.len()), ("drain", ("apply", 10), 3), "{phases:?}");
    assert_eq!(world.events().await, ["RebootedAgain: the machine rebooted 2 times on its way to r2; one is enough"]);
    sleep(Duration::from_secs(600)).await;
    assert_eq!(world.written().await.unwrap().1, last, "at rest nothing is written");
}

/// The controller runs while all of a rollout but its end happens.
async fn under_way() -> World {
    let world = World::new().await;
    world.pool("r1", "r2").await;
    world.node("r1", "r2", json!({})).await;
    sleep(Duration::from_secs(40)).await;
    world
}

async fn has_ended(world: &World, seconds: u64) {
    let (history, version) = world.written().await.unwrap();
    let rollout = history.rollouts.last().unwrap();
    assert_eq!((rollout.result, rollout.nodes, rollout.total.count), (Outcome::Done, 1, 1), "{rollout:?}");
    assert_eq!((rollout.total.longest / 1000, rollout.each["a"].ended.is_some()), (seconds, true), "{rollout:?}");
    assert_eq!(rollout.phases.values().map(|took| took.longest).sum::<u64>() / 1000, seconds, "{rollout:?}");
    sleep(Duration::from_secs(600)).await;
    assert_eq!(world.written().await.unwrap().1, version, "its end is written once");
}

#[tokio::test(start_paused = true)]
async fn the_last_node_is_done_when_its_pool_is() {
    let world = under_way().await;
    world.node("r2", "r2", json!({})).await;
    world.pool("r2", "r2").await;
    has_ended(&world, 40).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_node_is_done_when_its_pool_is_seen_to_be_before() {
    let world = under_way().await;
    world.pool("r2", "r2").await;
    world.node("r2", "r2", json!({})).await;
    has_ended(&world, 40).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_node_is_done_although_nobody_looked_when_it_was() {
    let mut world = under_way().await;
    world.running.shutdown().await;
    world.node("r2", "r2", json!({})).await;
    world.pool("r2", "r2").await;
    world.restart().await;
    has_ended(&world, 41).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_told_before_its_pool_was_seen_counts() {
    let world = World::new().await;
    world.node("r1", "r2", json!({})).await;
    sleep(Duration::from_secs(5)).await;
    world.pool("r1", "r2").await;
    sleep(Duration::from_secs(40)).await;
    world.node("r2", "r2", json!({})).await;
    world.pool("r2", "r2").await;
    has_ended(&world, 41).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_leaves_before_it_is_done_does_not_count() {
    for leaves in [true, false] {
        let world = under_way().await;
        if leaves {
            let reports: Api<MachineConfigNode> = Api::all(world.served.client.clone());
            let patch = Patch::Merge(json!({"spec": {"pool": {"name": "infra"}}}));
            reports.patch("a", &PatchParams::default(), &patch).await.unwrap();
        } else {
            let nodes: Api<Node> = Api::all(world.served.client.clone());
            nodes.delete("a", &Default::default()).await.unwrap();
        }
        world.pool("r2", "r2").await;
        let (history, _) = world.written().await.unwrap();
        let rollout = history.rollouts.last().unwrap();
        assert_eq!((rollout.result, rollout.nodes, rollout.each.len()), (Outcome::Done, 0, 0), "{leaves}");
    }
}

/// What somebody else wrote stays, whatever happens meanwhile, and users are told.
#[tokio::test(start_paused = true)]
async fn a_history_that_cannot_be_read_is_told_and_not_written_over() {
    for (text, why) in
        [("{", "history.json in it is damaged: "), ("{\"version\": 2}", "it is of version 2, as a newer weir")]
    {
        for before in [true, false] {
            let world = World::new().await;
            let maps: Api<ConfigMap> = Api::namespaced(world.served.client.clone(), NAMESPACE);
            let map = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "data": {KEY: text},
                "metadata": {"name": "weir-history-worker", "labels": {"machineconfiguration.openshift.io/history-of": "worker"}},
            });
            let map: ConfigMap = serde_json::from_value(map).unwrap();
            if before {
                maps.create(&Default::default(), &map).await.unwrap();
                sleep(Duration::from_secs(1)).await;
            }
            world.pool("r1", "r2").await;
            world.node("r1", "r2", json!({})).await;
            if !before {
                maps.create(&Default::default(), &map).await.unwrap();
            }
            sleep(Duration::from_secs(600)).await;
            let kept = maps.get("weir-history-worker").await.unwrap().data.unwrap();
            assert_eq!(kept[KEY], text, "{before}");
            let events = world.events().await;
            let told = |event: &&String| {
                event.starts_with("HistoryUnreadable: the history of pool worker") && event.contains(why)
            };
            assert_eq!((events.iter().filter(told).count(), events.len()), (1, 1), "{before}: {events:?}");
            maps.delete("weir-history-worker", &Default::default()).await.unwrap();
            sleep(Duration::from_secs(1)).await;
            world.node("r2", "r2", json!({})).await;
            world.pool("r2", "r2").await;
            let (history, _) = world.written().await.unwrap();
            assert_eq!(history.rollouts.last().unwrap().result, Outcome::Done, "{before}: a new one begins");
        }
    }
}
