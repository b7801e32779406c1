//! Many machines in one process: one watch for all, and a task only for a machine that has something to do.

use crate::{
    Machine, Settings,
    agent::Agent,
    environment::{Environment, Seen},
    faults::STOPPED,
    jobs::{Logs, Program, Runner},
    leases, machine, pods,
};
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet, time::sleep};
use weir_api::{MachineConfigNode, MachineConfigPool, keys::names};
use weir_kubeio::{Cache, Clock, Mark};
use weir_rules::view::{Annotations, NodeReport};

/// Changes within this time are handled together: with thousands of machines there is always another one.
const QUIET: Duration = Duration::from_millis(2);
/// Checking takes about 50 ns per machine; the pause is this many times as long.
const QUIET_PER_MACHINE: Duration = Duration::from_micros(1);

/// A number of machines.
pub struct Fleet {
    environment: Arc<Environment>,
    machines: Vec<Machine>,
    runner: Option<Runner>,
    renews: bool,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("machines", &self.machines.len()).finish_non_exhaustive()
    }
}

/// What a machine has to do.
enum Due {
    /// Join the cluster, booted into this.
    Boot(machine::Told),
    /// Move to the desired config.
    Update,
    /// Report that it is up.
    Wake,
    /// Its kubelet is to say nothing more.
    Stop,
    /// Report in its MachineConfigNode that it is idle.
    Rest,
}

fn takes_pods(machine: &Machine) -> bool {
    ![names::MASTER, names::ARBITER].contains(&machine.pool.as_str())
}

/// What was seen, and which machines need checking.
struct Looked<'a> {
    machines: BTreeMap<&'a str, usize>,
    nodes: Mark,
    reports: Mark,
    due: BTreeSet<usize>,
}

impl<'a> Looked<'a> {
    fn at(machines: &'a [Machine]) -> Self {
        Self {
            machines: machines.iter().enumerate().map(|(index, machine)| (machine.name.as_str(), index)).collect(),
            nodes: Mark::default(),
            reports: Mark::default(),
            due: (0..machines.len()).collect(),
        }
    }

    /// Marks machines whose objects changed since the last check.
    fn look(&mut self, seen: &Seen) {
        let of_nodes = seen.nodes.since(&mut self.nodes).into_iter().map(|(name, _)| name);
        let of_reports = seen.reports.since(&mut self.reports).into_iter().map(|(name, _)| name);
        self.due.extend(of_nodes.chain(of_reports).filter_map(|name| self.machines.get(name.as_str()).copied()));
    }
}

impl Fleet {
    /// Machines that join the cluster behind the client once [`Fleet::run`] is polled.
    #[must_use]
    pub fn new(client: Client, clock: Clock, settings: Settings, machines: Vec<Machine>) -> Self {
        Self::of(client, clock, settings, machines, None)
    }

    /// Like [`Fleet::new`], with caches that others in the process keep up to date: objects are decoded and held once.
    #[must_use]
    pub fn sharing(seen: Seen, client: Client, clock: Clock, settings: Settings, machines: Vec<Machine>) -> Self {
        Self::of(client, clock, settings, machines, Some(seen))
    }

    fn of(client: Client, clock: Clock, settings: Settings, machines: Vec<Machine>, seen: Option<Seen>) -> Self {
        let no_workers = !machines.iter().any(takes_pods);
        let environment = Arc::new(Environment::new(client, clock, settings, seen, no_workers));
        Self { environment, machines, runner: None, renews: false }
    }

    /// Renews the Leases of the machines as well, as kubelets do.
    #[must_use]
    pub fn renewing(self) -> Self {
        Self { renews: true, ..self }
    }

    /// Runs Jobs that build images as well: this program is what their containers do, and what they print goes to these logs.
    #[must_use]
    pub fn building(self, program: Arc<dyn Program>, logs: Logs) -> Self {
        Self { runner: Some(Runner::new(program, logs)), ..self }
    }

    /// The Nodes, once the fleet runs.
    #[must_use]
    pub fn nodes(&self) -> Cache<Node> {
        self.environment.seen.nodes.clone()
    }

    /// The pools, once the fleet runs.
    #[must_use]
    pub fn pools(&self) -> Cache<MachineConfigPool> {
        self.environment.seen.pools.clone()
    }

    /// Runs the machines until the future is dropped. Waits while the API server is unreachable.
    pub async fn run(self) {
        let environment = self.environment.clone();
        let workers = self.machines.iter().filter(|machine| takes_pods(machine)).count();
        let renews = self.renews;
        let leases = async {
            if renews {
                leases::run(&environment).await;
            }
        };
        let runner = self.runner.clone();
        let jobs = async {
            if let Some(runner) = &runner {
                runner.run(&environment).await;
            }
        };
        tokio::join!(environment.fill(), pods::run(&environment, workers), jobs, leases, self.live());
    }

    async fn live(self) {
        let seen = &self.environment.seen;
        let mut changes = [seen.nodes.changes(), seen.pools.changes(), seen.configs.changes(), seen.reports.changes()];
        let quiet = QUIET + QUIET_PER_MACHINE * u32::try_from(self.machines.len()).unwrap_or(u32::MAX);
        let mut tasks: JoinSet<usize> = JoinSet::new();
        let mut busy = vec![false; self.machines.len()];
        let mut looked = Looked::at(&self.machines);
        loop {
            if seen.nodes.is_synced() {
                looked.look(seen);
                self.wake(&mut looked.due, &mut tasks, &mut busy);
            }
            let [nodes, pools, configs, reports] = &mut changes;
            let first = tokio::select! {
                biased;
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
                    Ok(index) => {
                        busy[index] = false;
                        looked.due.insert(index);
                    }
                    Err(error) => tracing::error!(%error, "a machine's task ended"),
                }
            }
        }
    }

    /// Starts a task for every marked machine that has something to do and is not doing it. One that has not joined
    /// stays marked.
    fn wake(&self, due: &mut BTreeSet<usize>, tasks: &mut JoinSet<usize>, busy: &mut [bool]) {
        due.retain(|&index| {
            if busy[index] {
                return false;
            }
            let (environment, machine) = (self.environment.clone(), self.machines[index].clone());
            let (node, report) =
                (environment.seen.nodes.get(&machine.name), environment.seen.reports.get(&machine.name));
            let Some(due) = self.due(&machine, node.as_deref(), report.as_deref()) else { return node.is_none() };
            busy[index] = true;
            tasks.spawn(async move {
                let agent = Agent { environment: &environment, name: &machine.name };
                match due {
                    Due::Boot(booted) => agent.boot(&machine, &booted).await,
                    Due::Update => agent.update().await,
                    Due::Wake => agent.wake().await,
                    Due::Stop => agent.stop().await,
                    Due::Rest => agent.rest().await,
                }
                index
            });
            false
        });
    }

    fn due(&self, machine: &Machine, node: Option<&Node>, report: Option<&MachineConfigNode>) -> Option<Due> {
        let Some(node) = node else { return self.environment.booted(&machine.pool).map(Due::Boot) };
        if machine::wanted(node).is_some() {
            return Some(Due::Update);
        }
        match (machine::is_up(node), Annotations::of(&node.metadata).has(STOPPED)) {
            (false, false) => return Some(Due::Wake),
            (true, true) => return Some(Due::Stop),
            _ => {}
        }
        report.filter(|report| !NodeReport::new(report).updated).map(|_| Due::Rest)
    }
}
