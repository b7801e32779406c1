//! Pauses in process: the real controller against the embedded API server, with time that passes when nobody works.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test")]

use super::served::Served;
use k8s_openapi::api::core::v1::Event;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{task::JoinSet, time::sleep};
use weir_api::MachineConfigPool;
use weir_controllers::pause;
use weir_kubeio::drive;

const UNTIL: &str = "machineconfiguration.openshift.io/paused-until";
const BECAUSE: &str = "machineconfiguration.openshift.io/paused-because";

struct World {
    served: Served,
    running: JoinSet<()>,
}

impl World {
    async fn new() -> Self {
        let world = Self { served: Served::new(), running: JoinSet::new() };
        let pool = json!({"metadata": {"name": "worker"}, "spec": {}});
        let pool: MachineConfigPool = serde_json::from_value(pool).unwrap();
        world.pools().create(&PostParams::default(), &pool).await.unwrap();
        world
    }

    fn pools(&self) -> Api<MachineConfigPool> {
        Api::all(self.served.client.clone())
    }

    /// A process begins to work.
    fn start(&mut self) {
        let context = self.served.context();
        self.running.spawn(context.cluster.clone().fill(self.served.client.clone()));
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
        let events: Api<Event> = Api::namespaced(self.served.client.clone(), "default");
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
