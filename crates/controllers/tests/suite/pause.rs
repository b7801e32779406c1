//! Pauses in process: the real controller against the embedded API server, with time that passes when nobody works.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test")]

use k8s_openapi::api::core::v1::Event;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::sleep};
use weir_api::{
    MachineConfigPool,
    crds::{FeatureSet, crds},
};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{Build, Cluster, Context, pause};
use weir_distro::Profile;
use weir_kubeio::{Clock, drive};

const UNTIL: &str = "machineconfiguration.openshift.io/paused-until";
const BECAUSE: &str = "machineconfiguration.openshift.io/paused-because";

struct World {
    client: Client,
    clock: Clock,
    _server: ApiServer,
    running: JoinSet<()>,
}

impl World {
    async fn new() -> Self {
        let server = ApiServer::new(Settings::default()).unwrap();
        server.define(crds(FeatureSet::Default)).unwrap();
        let client = Client::new(server.service(), "default");
        let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let world = Self { client, clock, _server: server, running: JoinSet::new() };
        let pool = json!({"metadata": {"name": "worker"}, "spec": {}});
        let pool: MachineConfigPool = serde_json::from_value(pool).unwrap();
        world.pools().create(&PostParams::default(), &pool).await.unwrap();
        world
    }

    fn pools(&self) -> Api<MachineConfigPool> {
        Api::all(self.client.clone())
    }

    /// A process begins to work.
    fn start(&mut self) {
        let context = Context {
            client: self.client.clone(),
            cluster: Cluster::default(),
            clock: self.clock.clone(),
            profile: &Profile::all()[0],
            build: Arc::new(Build { raw: "v".to_owned(), hash: "h".to_owned(), release: None }),
            settle: Duration::ZERO,
            generating: Default::default(),
        };
        self.running.spawn(context.cluster.clone().fill(self.client.clone()));
        self.running.spawn(async move {
            context.cluster.synced().await;
            drive(&pause::Controller::new(context)).await;
        });
    }

    async fn patch(&self, patch: Value) {
        self.pools().patch("worker", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Whether it is paused, and its annotations.
    async fn state(&self) -> (bool, usize) {
        let pool = self.pools().get("worker").await.unwrap();
        (pool.spec.paused.unwrap_or_default(), pool.metadata.annotations.unwrap_or_default().len())
    }

    async fn events(&self) -> Vec<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), "default");
        let found = events.list(&ListParams::default()).await.unwrap().items;
        found.into_iter().map(|event| format!("{}: {}", event.reason.unwrap(), event.message.unwrap())).collect()
    }
}

fn paused(until: &str) -> Value {
    json!({"metadata": {"annotations": {UNTIL: until, BECAUSE: "a holiday"}}, "spec": {"paused": true}})
}

#[tokio::test(start_paused = true)]
async fn a_pool_resumes_at_its_time_whichever_process_works_then() {
    let mut world = World::new().await;
    world.start();
    world.patch(paused("2026-01-01T04:00:00Z")).await;
    sleep(Duration::from_hours(3)).await;
    assert_eq!(world.state().await, (true, 2));
    // Another process goes on with it.
    world.running.shutdown().await;
    world.start();
    sleep(Duration::from_mins(59)).await;
    assert_eq!((world.state().await, world.events().await.len()), ((true, 2), 0));
    sleep(Duration::from_mins(2)).await;
    assert_eq!(world.state().await, (false, 0));
    let said = "PauseEnded: its time has come: the pool was paused until 2026-01-01T04:00:00Z, because: a holiday";
    assert_eq!(world.events().await, [said]);
}

#[tokio::test(start_paused = true)]
async fn what_users_do_by_hand_counts() {
    let mut world = World::new().await;
    // While nobody worked, the time came: it resumes as soon as somebody does.
    world.patch(paused("2025-12-31T00:00:00Z")).await;
    world.start();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.state().await, (false, 0));
    // Resumed by hand, the time does not count for the next pause.
    world.patch(paused("2026-01-01T04:00:00Z")).await;
    sleep(Duration::from_secs(1)).await;
    world.patch(json!({"spec": {"paused": false}})).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.state().await, (false, 0));
    world.patch(json!({"spec": {"paused": true}})).await;
    sleep(Duration::from_hours(48)).await;
    assert_eq!(world.state().await, (true, 0));
    // What is no time ends nothing.
    world.patch(paused("tomorrow")).await;
    sleep(Duration::from_hours(48)).await;
    assert_eq!((world.state().await, world.events().await.len()), ((true, 2), 1));
}
