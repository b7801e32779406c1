//! Drains in process: the real controllers against the embedded API server, with time that passes when nobody works.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};
use weir_api::{
    MachineConfigNode, MachineConfigPool,
    condition::{ConditionType, find},
    crds::{FeatureSet, crds},
};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{Build, Cluster, Context, cluster::Watcher, drain, nodes};
use weir_distro::Profile;
use weir_kubeio::{Clock, drive};

const PREFIX: &str = "machineconfiguration.openshift.io";

struct World {
    client: Client,
    _server: ApiServer,
}

impl World {
    /// A cluster with one pool, and the controllers of drains and MachineConfigNodes at work.
    async fn new() -> Self {
        let server = ApiServer::new(Settings::default()).unwrap();
        server.define(crds(FeatureSet::Default)).unwrap();
        let client = Client::new(server.service(), "default");
        let world = Self { client, _server: server };
        for namespace in ["shop", "openshift-machine-config-operator"] {
            let object = json!({"metadata": {"name": namespace}});
            world.create::<k8s_openapi::api::core::v1::Namespace>(&Api::all(world.client.clone()), object).await;
        }
        let pool = json!({
            "apiVersion": format!("{PREFIX}/v1"), "kind": "MachineConfigPool", "metadata": {"name": "worker"},
            "spec": {"nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}}},
        });
        world.create::<MachineConfigPool>(&Api::all(world.client.clone()), pool).await;
        let context = Context {
            client: world.client.clone(),
            cluster: Cluster::default(),
            clock: Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()),
            profile: &Profile::all()[0],
            build: Arc::new(Build { raw: "v".to_owned(), hash: "h".to_owned(), release: None }),
            settle: Duration::ZERO,
            generating: Default::default(),
        };
        tokio::spawn(context.cluster.clone().fill(world.client.clone()));
        let (watches, client) = (context.cluster.watches.clone(), world.client.clone());
        tokio::spawn(async move { watches.fill(&client, &[Watcher::Drains]).await });
        let (drain, nodes) = (drain::Controller::new(context.clone()), nodes::Controller::new(context));
        tokio::spawn(async move { tokio::join!(drive(&drain), drive(&nodes)) });
        world
    }

    async fn create<K>(&self, api: &Api<K>, object: Value)
    where
        K: Clone + DeserializeOwned + serde::Serialize + std::fmt::Debug,
    {
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), "shop")
    }

    async fn node(&self, name: &str) {
        let annotations = json!({
            format!("{PREFIX}/currentConfig"): "r1", format!("{PREFIX}/desiredConfig"): "r2",
            format!("{PREFIX}/state"): "Working",
        });
        let labels = json!({"node-role.kubernetes.io/worker": ""});
        let object = json!({"metadata": {"name": name, "labels": labels, "annotations": annotations}});
        self.create(&self.nodes(), object).await;
    }

    async fn pod(&self, node: &str, name: &str) {
        let object = json!({
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 0},
        });
        self.create(&self.pods(), object).await;
        let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        self.pods().patch_status(name, &PatchParams::default(), &Patch::Strategic(status)).await.unwrap();
    }

    async fn budget(&self, name: &str, least: i32) {
        let api: Api<k8s_openapi::api::policy::v1::PodDisruptionBudget> = Api::namespaced(self.client.clone(), "shop");
        let spec = json!({"minAvailable": least, "selector": {"matchLabels": {"app": name}}});
        self.create(&api, json!({"metadata": {"name": name}, "spec": spec})).await;
    }

    /// The daemon asks for something.
    async fn ask(&self, node: &str, what: &str) {
        let patch = json!({"metadata": {"annotations": {format!("{PREFIX}/desiredDrain"): what}}});
        self.nodes().patch(node, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Waits until what was asked is said to be done.
    async fn done(&self, node: &str, what: &str) {
        let key = format!("{PREFIX}/lastAppliedDrain");
        let applied = async {
            loop {
                let object = self.nodes().get(node).await.unwrap();
                if object.metadata.annotations.unwrap().get(&key).is_some_and(|applied| applied == what) {
                    return;
                }
                sleep(Duration::from_secs(1)).await;
            }
        };
        timeout(Duration::from_hours(3), applied).await.unwrap_or_else(|_| panic!("{what} of {node} was never done"));
    }

    async fn is_cordoned(&self, node: &str) -> bool {
        self.nodes().get(node).await.unwrap().spec.and_then(|spec| spec.unschedulable).unwrap_or_default()
    }

    async fn left(&self) -> Vec<String> {
        let pods = self.pods().list(&ListParams::default()).await.unwrap();
        pods.into_iter().filter_map(|pod| pod.metadata.name).collect()
    }

    async fn says(&self, node: &str, type_: &'static str) -> (String, String) {
        let api: Api<MachineConfigNode> = Api::all(self.client.clone());
        let status = api.get(node).await.unwrap().status.unwrap();
        let condition = find(status.conditions.as_deref().unwrap(), ConditionType::new(type_)).unwrap();
        (condition.status.clone(), condition.message.clone())
    }

    async fn events(&self) -> Vec<String> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), "default");
        api.list(&ListParams::default()).await.unwrap().into_iter().filter_map(|event| event.reason).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_is_drained_and_takes_pods_again() {
    let world = World::new().await;
    world.node("a").await;
    world.node("b").await;
    for (node, pod) in [("a", "one"), ("a", "two"), ("b", "elsewhere")] {
        world.pod(node, pod).await;
    }
    world.ask("a", "drain-r2").await;
    world.done("a", "drain-r2").await;
    assert!(world.is_cordoned("a").await && !world.is_cordoned("b").await);
    assert_eq!(world.left().await, ["elsewhere"]);
    assert_eq!(world.says("a", "Drained").await.0, "True");
    assert_eq!(world.says("a", "Cordoned").await.0, "True");
    world.ask("a", "uncordon-r2").await;
    world.done("a", "uncordon-r2").await;
    assert!(!world.is_cordoned("a").await);
    assert_eq!(world.says("a", "Uncordoned").await.0, "True");
    assert!(world.events().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_kept_named_and_told() {
    let world = World::new().await;
    world.node("a").await;
    world.node("b").await;
    world.pod("a", "web").await;
    world.pod("b", "batch").await;
    world.budget("web", 1).await;
    world.ask("a", "drain-r2").await;
    world.ask("b", "drain-r2").await;
    // One that waits keeps no other waiting.
    world.done("b", "drain-r2").await;
    sleep(Duration::from_mins(70)).await;
    assert_eq!(world.left().await, ["web"]);
    let (status, message) = world.says("a", "Drained").await;
    assert_eq!(status, "Unknown");
    assert!(message.contains("pod shop/web: budget web allows no disruption, since 2026-01-01T00:00:"), "{message}");
    let events = world.events().await;
    for reason in ["DrainBlocked", "DrainThresholdExceeded", "DrainFailed"] {
        assert!(events.iter().any(|event| event == reason), "{events:?}");
    }
    assert!(events.len() < 20, "{} events", events.len());
    // A second pod of the application gets ready elsewhere.
    let spare = json!({"metadata": {"labels": {"app": "web"}}});
    world.pod("b", "spare").await;
    world.pods().patch("spare", &PatchParams::default(), &Patch::Merge(spare)).await.unwrap();
    world.done("a", "drain-r2").await;
    assert_eq!(world.left().await, ["spare"]);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_cordon_stays_and_objects_follow_their_nodes() {
    let world = World::new().await;
    world.node("a").await;
    let cordon = json!({"spec": {"unschedulable": true}});
    world.nodes().patch("a", &PatchParams::default(), &Patch::Merge(cordon)).await.unwrap();
    world.ask("a", "drain-r2").await;
    world.done("a", "drain-r2").await;
    world.ask("a", "uncordon-r2").await;
    world.done("a", "uncordon-r2").await;
    assert!(world.is_cordoned("a").await);
    let api: Api<MachineConfigNode> = Api::all(world.client.clone());
    let object = api.get("a").await.unwrap();
    assert_eq!((object.spec.pool.name.as_str(), object.spec.config_version.desired.as_str()), ("worker", "r2"));
    world.nodes().delete("a", &DeleteParams::default()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert!(api.get_opt("a").await.unwrap().is_none());
}
