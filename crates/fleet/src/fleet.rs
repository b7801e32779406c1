//! Many machines in one process: one watch for all, a task only for a machine that is doing something.

use crate::{
    Machine, agent,
    machine::{self, Running},
};
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;
use weir_api::{MachineConfig, MachineConfigPool, keys::rollout};
use weir_kubeio::{Cache, Clock};

/// Reads an OS image's pull spec as people would: the text of a node's `osImage`.
pub type OsText = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// How the machines behave.
#[derive(Clone)]
pub struct Settings {
    /// How long each step of a machine takes: noticing, working, rebooting, reporting.
    pub step: Duration,
    /// Makes boot IDs repeatable.
    pub seed: u64,
    /// Names operating systems.
    pub os: OsText,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("step", &self.step).field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// What all machines of a process share.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) nodes: Cache<Node>,
    pools: Cache<MachineConfigPool>,
    configs: Cache<MachineConfig>,
    boots: AtomicU64,
}

/// A number of machines.
pub struct Fleet {
    world: Arc<World>,
    machines: Vec<Machine>,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("machines", &self.machines.len()).finish_non_exhaustive()
    }
}

impl Fleet {
    /// Machines that will join the cluster behind the client once [`Fleet::run`] is polled.
    #[must_use]
    pub fn new(client: Client, clock: Clock, settings: Settings, machines: Vec<Machine>) -> Self {
        let world = World {
            client,
            clock,
            settings,
            nodes: Cache::new(),
            pools: Cache::new(),
            configs: Cache::new(),
            boots: AtomicU64::new(0),
        };
        Self { world: Arc::new(world), machines }
    }

    /// Runs the machines until the future is dropped.
    pub async fn run(self) {
        let world = self.world.clone();
        let client = world.client.clone();
        tokio::join!(
            world.nodes.clone().fill(client.clone()),
            world.pools.clone().fill(client.clone()),
            world.configs.clone().fill(client),
            self.live(),
        );
    }

    async fn live(self) {
        let mut changes = (self.world.nodes.changes(), self.world.pools.changes(), self.world.configs.changes());
        let mut tasks: JoinSet<String> = JoinSet::new();
        let mut busy: BTreeSet<String> = BTreeSet::new();
        loop {
            self.wake(&mut tasks, &mut busy);
            tokio::select! {
                gone = changes.0.changed() => if gone.is_err() { return },
                gone = changes.1.changed() => if gone.is_err() { return },
                gone = changes.2.changed() => if gone.is_err() { return },
                Some(finished) = tasks.join_next() => match finished {
                    Ok(name) => { busy.remove(&name); }
                    Err(error) => tracing::error!(%error, "a machine's task ended"),
                },
            }
        }
    }

    /// Gives every machine that has something to do, and is not doing it, a task.
    fn wake(&self, tasks: &mut JoinSet<String>, busy: &mut BTreeSet<String>) {
        if !self.world.nodes.is_synced() {
            return;
        }
        for machine in &self.machines {
            if busy.contains(&machine.name) {
                continue;
            }
            let world = self.world.clone();
            let name = machine.name.clone();
            match world.nodes.get(&name) {
                None => {
                    let Some(config) = world.pool_config(&machine.pool) else { continue };
                    let machine = machine.clone();
                    busy.insert(name);
                    tasks.spawn(async move {
                        agent::boot(&world, &machine, &config).await;
                        machine.name
                    });
                }
                Some(node) => {
                    let Some(config) = machine::wanted(&node).map(str::to_owned) else { continue };
                    busy.insert(name.clone());
                    tasks.spawn(async move {
                        agent::update(&world, &name, &config).await;
                        name
                    });
                }
            }
        }
    }
}

impl World {
    /// The config a machine of the pool boots with: what the pool last agreed on, as the Ignition server serves it
    /// (`pkg/server/cluster_server.go` of github.com/openshift/machine-config-operator).
    fn pool_config(&self, pool: &str) -> Option<String> {
        let pool = self.pools.get(pool)?;
        let name = pool.status.as_ref()?.configuration.as_ref()?.name().to_owned();
        self.config(&name).map(|_| name)
    }

    pub(crate) fn config(&self, name: &str) -> Option<Arc<MachineConfig>> {
        self.configs.get(name)
    }

    /// What the machine runs right after booting into the config.
    pub(crate) fn running(&self, name: &str, config: &str) -> Running {
        let boot = self.boots.fetch_add(1, Ordering::Relaxed);
        let image = self.config(config).and_then(|c| c.spec.os_image_url.clone()).unwrap_or_default();
        Running {
            config: config.to_owned(),
            os: (self.settings.os)(&image),
            boot_id: machine::boot_id(self.settings.seed, name, boot),
        }
    }

    /// The config the machine is told to run, as last seen.
    pub(crate) fn desired(&self, name: &str) -> Option<String> {
        self.nodes.get(name)?.metadata.annotations.as_ref()?.get(rollout::DESIRED_CONFIG).cloned()
    }
}
