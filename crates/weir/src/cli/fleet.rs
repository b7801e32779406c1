//! `weir fleet`: simulated nodes on any API server.

use super::{Cluster, ImageSource, Machines};
use crate::{exit::Outcome, reach, signals::asked_to_stop, up::source::os_names_of};
use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Node;
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    time::Duration,
};
use tokio::time::sleep;
use weir_api::MachineConfigPool;
use weir_fleet::{Machine, adopt};
use weir_kubeio::{Cache, Clock};
use weir_sim::{Nodes, duration, systems::os_text};

/// Which nodes, and how they behave.
#[derive(Debug, clap::Args)]
pub struct Fleet {
    #[command(flatten)]
    cluster: Cluster,
    /// Simulated nodes of each pool; those of an earlier run are taken over
    #[arg(long, value_name = "POOL=N,…", default_value = "master=3,worker=3")]
    nodes: Nodes,
    /// How the nodes behave
    #[command(flatten)]
    machines: Machines,
    /// How long to wait at startup for an API server that does not answer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    wait: Duration,
    /// Delete the nodes on exit; otherwise they stay, unattended until the fleet runs again
    #[arg(long)]
    remove_on_exit: bool,
    /// Release whose images give the nodes a readable OS name [default: nodes show the pull spec]
    #[arg(long, value_name = "REF", value_parser = super::pull_spec::release)]
    release: Option<String>,
    /// Credentials and mirrors for --release
    #[command(flatten)]
    images: ImageSource,
}

/// Threads of the runtime. More would not speed up a laptop's fleet, and each costs memory.
const THREADS: usize = 2;

impl Fleet {
    /// Runs it until asked to stop.
    ///
    /// # Errors
    /// When the cluster cannot be reached at startup, or one of the nodes does not belong to a fleet.
    pub fn run(self) -> Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
        let outcome = runtime.block_on(self.live());
        // Requests still waiting for an unreachable API server are abandoned.
        runtime.shutdown_background();
        outcome
    }

    async fn live(self) -> Result<Outcome> {
        let stop = asked_to_stop();
        tokio::pin!(stop);
        let names = match &self.release {
            Some(release) => os_names_of(&self.images, release).await?,
            None => BTreeMap::new(),
        };
        let settings = self.machines.settings(os_text(names))?;
        let client = reach::connect(self.cluster.config().await?, "fleet", self.wait).await?;
        let wanted = self.nodes.pools().flat_map(|(pool, count)| Machine::of_pool(pool, count)).collect();
        let machines = adopt::adopt(&client, wanted).await.context("taking over what is there")?;
        let fleet = weir_fleet::Fleet::new(client.clone(), Clock::system(), settings, machines.clone()).renewing();
        let (nodes, pools) = (fleet.nodes(), fleet.pools());
        tell!("{} simulated nodes; each joins once its pool has been rendered. Ctrl-C ends it", machines.len());
        let outcome = tokio::select! {
            () = fleet.run() => bail!("the fleet ended"),
            () = tell(&nodes, &machines) => bail!("the watch of nodes ended"),
            () = missing(&pools, &machines) => bail!("the watch of pools ended"),
            stopped = &mut stop => stopped.map(|()| Outcome::Done),
        };
        if self.remove_on_exit {
            adopt::remove(&client, &machines).await?;
            tell!("the nodes are deleted");
        } else {
            tell!(
                "the nodes stay, and nobody answers for them now: run it again, or with --remove-on-exit to delete them"
            );
        }
        outcome
    }
}

/// Reports once when all nodes have joined.
async fn tell(nodes: &Cache<Node>, machines: &[Machine]) {
    joined(nodes, machines).await;
    match machines.len() {
        1 => tell!("the node has joined"),
        nodes => tell!("all {nodes} nodes have joined"),
    }
    pending::<()>().await;
}

/// Waits until all nodes are there. What was listed before it began to listen counts, too.
async fn joined(nodes: &Cache<Node>, machines: &[Machine]) {
    let mut changes = nodes.changes();
    let all = || nodes.is_synced() && machines.iter().all(|machine| nodes.get(&machine.name).is_some());
    while !all() {
        if changes.changed().await.is_err() {
            pending::<()>().await;
        }
    }
}

/// How long a pool may be missing before that is reported: it may be created at the same time.
const MADE: Duration = Duration::from_secs(5);

/// Reports each missing pool once.
async fn missing(pools: &Cache<MachineConfigPool>, machines: &[Machine]) {
    let mut untold: BTreeSet<&str> = machines.iter().map(|machine| machine.pool.as_str()).collect();
    let mut changes = pools.changes();
    loop {
        sleep(MADE).await;
        // If the kind is unknown, the watch reports it.
        if pools.is_synced() {
            for pool in untold.extract_if(.., |pool| pools.get(pool).is_none()) {
                let nodes = machines.iter().filter(|machine| machine.pool == pool).count();
                let there: Vec<_> = pools.all().iter().filter_map(|pool| pool.metadata.name.clone()).collect();
                tell!(
                    "there is no MachineConfigPool {pool}: {} for it; there are: {}",
                    if nodes == 1 { "its node waits".to_owned() } else { format!("its {nodes} nodes wait") },
                    if there.is_empty() { "none".to_owned() } else { there.join(", ") }
                );
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::{
        Api, Client,
        api::{ObjectMeta, PostParams},
    };
    use tokio::time::timeout;
    use weir_apiserver::{ApiServer, Settings};

    /// Far longer than it takes.
    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn nodes_that_were_listed_before_anybody_asked_have_joined() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = ApiServer::new(Settings::default()).unwrap();
            let client = Client::new(server.service(), "default");
            let machines = Machine::of_pool("worker", 1);
            let metadata = ObjectMeta { name: Some(machines[0].name.clone()), ..ObjectMeta::default() };
            let node = Node { metadata, ..Node::default() };
            Api::all(client.clone()).create(&PostParams::default(), &node).await.unwrap();
            let nodes = Cache::<Node>::new();
            let mut changes = nodes.changes();
            let filling = tokio::spawn(nodes.clone().fill(client));
            while !nodes.is_synced() {
                changes.changed().await.unwrap();
            }
            timeout(LONG, joined(&nodes, &machines)).await.unwrap();
            filling.abort();
        });
    }
}
