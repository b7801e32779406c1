//! Notifications in process: the real controller against the embedded API server, with a receiver that fails and hangs.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test")]

use super::served::Served;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use parking_lot::Mutex;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::sleep};
use weir_api::{MachineConfig, MachineConfigPool};
use weir_controllers::{cluster::Watcher, notify};
use weir_kubeio::drive;
use weir_rules::status::notify::Notice;

const PREFIX: &str = "machineconfiguration.openshift.io";

/// What a receiver does with an attempt.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Takes,
    Fails,
    Hangs,
}

/// Does this with one attempt after the other, and takes what comes later.
#[derive(Default)]
struct Receiver {
    script: Mutex<Vec<Does>>,
    /// Ids, and what became of them.
    attempts: Mutex<Vec<(String, Does)>>,
}

impl notify::Receiver for Receiver {
    fn deliver<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), String>> {
        let does = self.script.lock().pop().unwrap_or(Does::Takes);
        let what = format!("{} {}", notice.pool, notice.happened.word());
        self.attempts.lock().push((what, does));
        Box::pin(async move {
            match does {
                Does::Takes => Ok(()),
                Does::Fails => Err("status 500".to_owned()),
                Does::Hangs => std::future::pending().await,
            }
        })
    }
}

impl Receiver {
    fn taken(&self) -> Vec<String> {
        let all = self.attempts.lock();
        all.iter().filter(|(_, does)| *does == Does::Takes).map(|(what, _)| what.clone()).collect()
    }
}

struct World {
    served: Served,
    receiver: Arc<Receiver>,
    running: JoinSet<()>,
}

impl World {
    /// Two pools of a node each that run r1, and the controller at work.
    async fn new() -> Self {
        let receiver = Arc::new(Receiver::default());
        let mut world = Self { served: Served::new(), receiver, running: JoinSet::new() };
        world.served.create::<Namespace>(json!({"metadata": {"name": "openshift-machine-config-operator"}})).await;
        for name in ["r1", "r2"] {
            world.served.create::<MachineConfig>(json!({"metadata": {"name": name}, "spec": {}})).await;
        }
        for pool in ["worker", "infra"] {
            let role = json!({format!("node-role.kubernetes.io/{pool}"): ""});
            let spec = json!({"configuration": {"name": "r1"}, "nodeSelector": {"matchLabels": role}});
            world.served.create::<MachineConfigPool>(json!({"metadata": {"name": pool}, "spec": spec})).await;
            world.served.create::<Node>(json!({"metadata": {"name": format!("{pool}-0"), "labels": role}})).await;
            world.node(pool, "r1", "r1").await;
            world.served.pool(pool, "r1", "r1").await;
        }
        world.start();
        sleep(Duration::from_secs(1)).await;
        world
    }

    fn start(&mut self) {
        let context = self.served.context();
        self.running.spawn(context.cluster.clone().fill(self.served.client.clone()));
        let (watches, client) = (context.cluster.watches.clone(), self.served.client.clone());
        self.running.spawn(async move { watches.fill(&client, &[Watcher::History]).await });
        let receiver = self.receiver.clone();
        self.running.spawn(async move { drive(&notify::Controller::new(context, receiver)).await });
    }

    async fn node(&self, pool: &str, current: &str, desired: &str) {
        let nodes: Api<Node> = Api::all(self.served.client.clone());
        let state = if current == desired { "Done" } else { "Working" };
        let marks = json!({format!("{PREFIX}/currentConfig"): current, format!("{PREFIX}/desiredConfig"): desired, format!("{PREFIX}/state"): state});
        let (name, parameters) = (format!("{pool}-0"), PatchParams::default());
        nodes.patch(&name, &parameters, &Patch::Merge(json!({"metadata": {"annotations": marks}}))).await.unwrap();
        let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        nodes.patch_status(&name, &parameters, &Patch::Merge(ready)).await.unwrap();
    }

    /// A rollout of r2 goes as far as its node being told.
    async fn begin(&self, pool: &str) {
        self.served.pool(pool, "r1", "r2").await;
        self.node(pool, "r1", "r2").await;
    }

    async fn end(&self, pool: &str) {
        self.node(pool, "r2", "r2").await;
        self.served.pool(pool, "r2", "r2").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_fails_and_hangs_gets_everything_once_it_takes_it() {
    let mut world = World::new().await;
    assert_eq!(world.receiver.taken(), [""; 0], "what was before");
    // From the end: it fails, hangs, fails.
    *world.receiver.script.lock() = vec![Does::Fails, Does::Hangs, Does::Fails];
    world.begin("worker").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.receiver.taken(), [""; 0]);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(world.receiver.taken(), ["worker begun"]);
    world.begin("infra").await;
    world.end("worker").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.receiver.taken(), ["worker begun", "infra begun", "worker done"]);
    // Another process tells nothing again.
    world.running.shutdown().await;
    world.start();
    sleep(Duration::from_mins(1)).await;
    assert_eq!(world.receiver.taken().len(), 3);
    world.end("infra").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.receiver.taken()[3..], ["infra done"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_never_taken_is_given_up() {
    let world = World::new().await;
    *world.receiver.script.lock() = vec![Does::Fails; 100];
    world.begin("worker").await;
    sleep(Duration::from_hours(2)).await;
    let tried = world.receiver.attempts.lock().len();
    assert_eq!(tried, 8);
    *world.receiver.script.lock() = Vec::new();
    world.end("worker").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.receiver.taken(), ["worker done"], "what comes later is told");
}
