//! What all machines of a process share: the API server, its cached objects, and how machines behave.

use crate::{
    faults::{Faults, LIFT, Occasions},
    machine::{self, Running, Told},
    pods::Workload,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client, Resource};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;
use weir_api::{
    ClusterVersion, FeatureGate, MachineConfig, MachineConfigNode, MachineConfigPool, MachineConfiguration,
    MachineOSBuild, MachineOSConfig,
    keys::{
        gates::IMAGE_MODE_STATUS_REPORTING,
        names::{CLUSTER, VERSION},
    },
};
use weir_kubeio::{Cache, Clock, Missing, Selection, drive::chain, outage};
use weir_rules::{
    render::node_disruption::in_force,
    rollout::actions::{Built, Effect, Runs, effect},
    stream::gates::gate_list,
    view::{Annotations, ImageMode, NodeView},
};

/// Turns an OS image's pull spec into a readable name: the text of a node's `osImage`.
pub type OsText = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// A machine retries a failed write after this pause, as long as it runs.
const RETRY: Duration = Duration::from_millis(500);

/// How the machines behave.
#[derive(Clone)]
pub struct Settings {
    /// How long each step of a machine takes, with what it reports: noticing, working, rebooting, reporting.
    pub step: Duration,
    /// Makes boot IDs reproducible.
    pub seed: u64,
    /// Names operating systems.
    pub os: OsText,
    /// Whether machines ask for a drain before they change, and for its end after it, as the daemon does.
    pub drains: bool,
    /// The faults.
    pub faults: Faults,
    /// The pods that run on workers, if any.
    pub workload: Option<Workload>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("step", &self.step).field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// The caches of a fleet, besides pods.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Node.
    pub nodes: Cache<Node>,
    /// MachineConfigNode.
    pub reports: Cache<MachineConfigNode>,
    /// MachineConfigPool.
    pub pools: Cache<MachineConfigPool>,
    /// MachineConfig.
    pub configs: Cache<MachineConfig>,
    /// MachineConfiguration.
    pub configurations: Cache<MachineConfiguration>,
    /// MachineOSConfig.
    pub os_configs: Cache<MachineOSConfig>,
    /// MachineOSBuild.
    pub os_builds: Cache<MachineOSBuild>,
    /// FeatureGate.
    pub gates: Cache<FeatureGate>,
    /// ClusterVersion.
    pub versions: Cache<ClusterVersion>,
}

impl Seen {
    /// Empty caches.
    pub(crate) fn nothing() -> Self {
        Self {
            nodes: Cache::new(),
            reports: Cache::new(),
            pools: Cache::new(),
            configs: Cache::new(),
            configurations: Cache::of(Missing::Empty, Selection::default()),
            os_configs: Cache::of(Missing::Empty, Selection::default()),
            os_builds: Cache::of(Missing::Empty, Selection::default()),
            gates: Cache::of(Missing::Empty, Selection::default()),
            versions: Cache::of(Missing::Empty, Selection::default()),
        }
    }

    async fn fill(&self, client: &Client) {
        tokio::join!(
            self.nodes.clone().fill(client.clone()),
            self.reports.clone().fill(client.clone()),
            self.pools.clone().fill(client.clone()),
            self.configs.clone().fill(client.clone()),
            self.configurations.clone().fill(client.clone()),
            self.os_configs.clone().fill(client.clone()),
            self.os_builds.clone().fill(client.clone()),
            self.gates.clone().fill(client.clone()),
            self.versions.clone().fill(client.clone()),
        );
    }
}

/// What all machines share.
pub(crate) struct Environment {
    pub(crate) client: Client,
    clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) faults: Occasions,
    pub(crate) pods: Cache<Pod>,
    pub(crate) seen: Seen,
    /// Whether the caches are kept up to date by others.
    shared: bool,
    /// Whether there is nothing but the control plane for pods.
    pub(crate) no_workers: bool,
    boots: AtomicU64,
}

impl Environment {
    /// Keeps the caches up to date, unless others already do.
    pub(crate) fn new(client: Client, clock: Clock, settings: Settings, seen: Option<Seen>, no_workers: bool) -> Self {
        Self {
            client,
            clock,
            faults: Occasions::new(settings.faults.clone()),
            settings,
            pods: Cache::new(),
            shared: seen.is_some(),
            seen: seen.unwrap_or_else(Seen::nothing),
            no_workers,
            boots: AtomicU64::new(0),
        }
    }

    /// Watches everything until the future is dropped.
    pub(crate) async fn fill(&self) {
        let seen = async {
            if !self.shared {
                self.seen.fill(&self.client).await;
            }
        };
        tokio::join!(seen, self.pods.clone().fill(self.client.clone()));
    }

    pub(crate) fn api<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.client.clone())
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What a machine of the pool boots with: the pool's last completed config and its image, as the Ignition server serves them
    /// (`pkg/server/cluster_server.go` of github.com/openshift/machine-config-operator).
    pub(crate) fn booted(&self, pool: &str) -> Option<Told> {
        let pool = self.seen.pools.get(pool)?;
        let config = pool.status.as_ref()?.configuration.as_ref()?.name().to_owned();
        self.seen.configs.get(&config)?;
        let (configs, builds) = (self.seen.os_configs.all(), self.seen.os_builds.all());
        let configs: Vec<_> = configs.iter().map(AsRef::as_ref).collect();
        let builds: Vec<_> = builds.iter().map(AsRef::as_ref).collect();
        let image = ImageMode::booted(&pool, &config, &configs, &builds).map(str::to_owned);
        Some(Told { config, image })
    }

    /// The name of the config's OS.
    pub(crate) fn os(&self, config: &str) -> String {
        let image = self.seen.configs.get(config).and_then(|c| c.spec.os_image_url.clone()).unwrap_or_default();
        (self.settings.os)(&image)
    }

    /// The state of a machine right after booting into this OS.
    pub(crate) fn running(&self, name: &str, os: String) -> Running {
        let boot = self.boots.fetch_add(1, Ordering::Relaxed);
        Running { os, boot_id: machine::boot_id(self.settings.seed, name, boot) }
    }

    /// What the machine is told to run, as last seen.
    pub(crate) fn desired(&self, name: &str) -> Option<Told> {
        machine::told(&*self.seen.nodes.get(name)?)
    }

    /// What a machine does to run what it was told; absent where that cannot be told, because its configurations are unknown.
    pub(crate) fn effect(&self, node: &Node, told: &Told) -> Option<Effect> {
        let view = NodeView::new(node);
        let (from, to) = (self.seen.configs.get(view.current_config?)?, self.seen.configs.get(&told.config)?);
        let built = |image: Option<&'_ str>| image.filter(|image| !image.is_empty()).map(str::to_owned);
        let (before, after) = (built(view.current_image), built(told.image.as_deref()));
        let configuration = self.seen.configurations.get(CLUSTER);
        let policies = in_force(configuration.as_ref().and_then(|object| object.spec.node_disruption_policy.as_ref()));
        let from = Runs { config: &from, image: before.as_deref().map_or(Built::No, Built::Image) };
        let to = Runs { config: &to, image: after.as_deref().map_or(Built::No, Built::Image) };
        effect(from, to, &policies).ok()
    }

    /// Whether a user has lifted faults from this machine.
    pub(crate) fn is_lifted(&self, name: &str) -> bool {
        let node = self.seen.nodes.get(name);
        node.is_some_and(|node| Annotations::of(&node.metadata).has(LIFT))
    }

    /// Whether MachineConfigNodes report images.
    pub(crate) fn reports_images(&self) -> bool {
        let (object, cluster) = (self.seen.gates.get(CLUSTER), self.seen.versions.get(VERSION));
        let list = gate_list(object.as_deref(), None, cluster.as_deref());
        list.is_ok_and(|list| list.enabled.iter().any(|on| on.name == IMAGE_MODE_STATUS_REPORTING.name()))
    }

    /// Waits until something holds for a node; false if the node disappears first.
    pub(crate) async fn until(&self, name: &str, holds: impl Fn(&Node) -> bool) -> bool {
        let mut changes = self.seen.nodes.changes_of(name);
        loop {
            match self.seen.nodes.get(name) {
                None => return false,
                Some(node) if holds(&node) => return true,
                Some(_) => {}
            }
            if changes.changed().await.is_err() {
                return false;
            }
        }
    }

    /// Repeats a write until it succeeds: an unreachable API server comes back.
    pub(crate) async fn insist<T, F, R>(&self, about: &str, mut write: F) -> T
    where
        F: FnMut() -> R,
        R: Future<Output = Result<T, kube::Error>>,
    {
        loop {
            match write().await {
                Ok(written) => {
                    outage::fine(&format_args!("writes of {about}"));
                    return written;
                }
                Err(error) => outage::failed(&format!("writes of {about}"), &chain(&error)),
            }
            sleep(RETRY).await;
        }
    }
}
