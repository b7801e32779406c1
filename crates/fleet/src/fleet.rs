//! Many machines in one process: one watch for all, a task only for a machine that is doing something.

use crate::{Machine, Settings, agent::Agent, machine, pods, world::World};
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet, time::sleep};
use weir_api::{MachineConfigNode, MachineConfigPool, keys::names};
use weir_kubeio::{Cache, Clock};
use weir_rules::view::NodeReport;

/// Changes that come together are looked at once: with thousands of machines there is always another one.
const QUIET: Duration = Duration::from_millis(2);
/// Looking takes about 1 µs for each machine; this many times that it is left alone.
const QUIET_PER_MACHINE: Duration = Duration::from_micros(4);

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

/// What a machine has to do.
enum Due {
    /// Join the cluster with this config.
    Boot(String),
    /// Run what it is told.
    Update,
    /// Say that it is there.
    Wake,
    /// Say in its MachineConfigNode that it is idle.
    Rest,
}

impl Fleet {
    /// Machines that will join the cluster behind the client once [`Fleet::run`] is polled.
    #[must_use]
    pub fn new(client: Client, clock: Clock, settings: Settings, machines: Vec<Machine>) -> Self {
        Self { world: Arc::new(World::new(client, clock, settings)), machines }
    }

    /// The Nodes, once the fleet runs.
    #[must_use]
    pub fn nodes(&self) -> Cache<Node> {
        self.world.nodes.clone()
    }

    /// The pools, once the fleet runs.
    #[must_use]
    pub fn pools(&self) -> Cache<MachineConfigPool> {
        self.world.pools.clone()
    }

    /// Runs the machines until the future is dropped. An API server that goes away is waited for.
    pub async fn run(self) {
        let world = self.world.clone();
        let takes_pods = |machine: &&Machine| ![names::MASTER, names::ARBITER].contains(&machine.pool.as_str());
        let workers = self.machines.iter().filter(takes_pods).count();
        tokio::join!(world.fill(), pods::run(&world, workers), self.live());
    }

    async fn live(self) {
        let world = &self.world;
        let mut changes =
            [world.nodes.changes(), world.pools.changes(), world.configs.changes(), world.reports.changes()];
        let quiet = QUIET + QUIET_PER_MACHINE * u32::try_from(self.machines.len()).unwrap_or(u32::MAX);
        let mut tasks: JoinSet<usize> = JoinSet::new();
        let mut busy = vec![false; self.machines.len()];
        loop {
            self.wake(&mut tasks, &mut busy);
            let [nodes, pools, configs, reports] = &mut changes;
            let first = tokio::select! {
                _ = nodes.changed() => None,
                _ = pools.changed() => None,
                _ = configs.changed() => None,
                _ = reports.changed() => None,
                Some(finished) = tasks.join_next() => Some(finished),
            };
            sleep(quiet).await;
            changes.iter_mut().for_each(watch::Receiver::mark_unchanged);
            for finished in first.into_iter().chain(std::iter::from_fn(|| tasks.try_join_next())) {
                match finished {
                    Ok(index) => busy[index] = false,
                    Err(error) => tracing::error!(%error, "a machine's task ended"),
                }
            }
        }
    }

    /// Gives every machine that has something to do, and is not doing it, a task.
    fn wake(&self, tasks: &mut JoinSet<usize>, busy: &mut [bool]) {
        let world = &self.world;
        if !world.nodes.is_synced() {
            return;
        }
        let (nodes, reports) = (world.nodes.all(), world.reports.all());
        let nodes: BTreeMap<&str, &Node> =
            nodes.iter().filter_map(|n| Some((n.metadata.name.as_deref()?, n.as_ref()))).collect();
        let reports: BTreeMap<&str, &MachineConfigNode> =
            reports.iter().filter_map(|r| Some((r.metadata.name.as_deref()?, r.as_ref()))).collect();
        for (index, (machine, busy)) in self.machines.iter().zip(busy).enumerate() {
            if *busy {
                continue;
            }
            let name = machine.name.as_str();
            let Some(due) = self.due(machine, nodes.get(name).copied(), reports.get(name).copied()) else { continue };
            *busy = true;
            let (world, machine) = (world.clone(), machine.clone());
            tasks.spawn(async move {
                let agent = Agent { world: &world, name: &machine.name };
                match due {
                    Due::Boot(config) => agent.boot(&machine, &config).await,
                    Due::Update => agent.update().await,
                    Due::Wake => agent.wake().await,
                    Due::Rest => agent.rest().await,
                }
                index
            });
        }
    }

    fn due(&self, machine: &Machine, node: Option<&Node>, report: Option<&MachineConfigNode>) -> Option<Due> {
        let Some(node) = node else { return self.world.pool_config(&machine.pool).map(Due::Boot) };
        if machine::wanted(node).is_some() {
            return Some(Due::Update);
        }
        if !machine::is_up(node) {
            return Some(Due::Wake);
        }
        report.filter(|report| !NodeReport::new(report).updated).map(|_| Due::Rest)
    }
}
