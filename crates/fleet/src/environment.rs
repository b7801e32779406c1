//! What all machines of a process share: the API server, what is seen of it, and how machines behave.

use crate::{
    faults::{Faults, LIFT, Occasions},
    machine::{self, Running},
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
    ClusterVersion, FeatureGate, MachineConfig, MachineConfigNode, MachineConfigPool,
    keys::{
        gates::IMAGE_MODE_STATUS_REPORTING,
        names::{CLUSTER, VERSION},
        rollout,
    },
};
use weir_kubeio::{Cache, Clock, Missing, Selection, drive::chain, outage};
use weir_rules::stream::gates::gates;
use weir_rules::view::Annotations;

/// Reads an OS image's pull spec as people would: the text of a node's `osImage`.
pub type OsText = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// A machine retries a write that failed after this pause, as long as it runs.
const RETRY: Duration = Duration::from_millis(500);

/// How the machines behave.
#[derive(Clone)]
pub struct Settings {
    /// How long each step of a machine takes: noticing, working, rebooting, reporting.
    pub step: Duration,
    /// Makes boot IDs repeatable.
    pub seed: u64,
    /// Names operating systems.
    pub os: OsText,
    /// Whether machines ask for a drain before they change, and for its end after it, as the daemon does.
    pub drains: bool,
    /// What goes wrong.
    pub faults: Faults,
    /// The pods that run on workers, if any do.
    pub workload: Option<Workload>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("step", &self.step).field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// What a fleet sees of the cluster, besides pods.
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
    /// FeatureGate.
    pub gates: Cache<FeatureGate>,
    /// ClusterVersion.
    pub versions: Cache<ClusterVersion>,
}

impl Seen {
    /// Nothing has been seen yet.
    pub(crate) fn nothing() -> Self {
        Self {
            nodes: Cache::new(),
            reports: Cache::new(),
            pools: Cache::new(),
            configs: Cache::new(),
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
    /// Whether others keep what is seen up to date.
    shared: bool,
    boots: AtomicU64,
}

impl Environment {
    /// What is seen is kept up to date here, unless others do so already.
    pub(crate) fn new(client: Client, clock: Clock, settings: Settings, seen: Option<Seen>) -> Self {
        Self {
            client,
            clock,
            faults: Occasions::new(settings.faults.clone()),
            settings,
            pods: Cache::new(),
            shared: seen.is_some(),
            seen: seen.unwrap_or_else(Seen::nothing),
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

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The config a machine of the pool boots with: what the pool last agreed on, as the Ignition server serves it
    /// (`pkg/server/cluster_server.go` of github.com/openshift/machine-config-operator).
    pub(crate) fn pool_config(&self, pool: &str) -> Option<String> {
        let pool = self.seen.pools.get(pool)?;
        let name = pool.status.as_ref()?.configuration.as_ref()?.name().to_owned();
        self.seen.configs.get(&name).map(|_| name)
    }

    /// The text of the OS that the config brings.
    pub(crate) fn os(&self, config: &str) -> String {
        let image = self.seen.configs.get(config).and_then(|c| c.spec.os_image_url.clone()).unwrap_or_default();
        (self.settings.os)(&image)
    }

    /// What a machine runs right after booting into this OS.
    pub(crate) fn running(&self, name: &str, os: String) -> Running {
        let boot = self.boots.fetch_add(1, Ordering::Relaxed);
        Running { os, boot_id: machine::boot_id(self.settings.seed, name, boot) }
    }

    /// The config the machine is told to run, as last seen.
    pub(crate) fn desired(&self, name: &str) -> Option<String> {
        let node = self.seen.nodes.get(name)?;
        Annotations::of(&node.metadata).filled(rollout::DESIRED_CONFIG).map(str::to_owned)
    }

    /// Whether a user keeps faults from this machine.
    pub(crate) fn is_lifted(&self, name: &str) -> bool {
        let node = self.seen.nodes.get(name);
        node.is_some_and(|node| Annotations::of(&node.metadata).has(LIFT))
    }

    /// Whether MachineConfigNodes speak of images.
    pub(crate) fn reports_images(&self) -> bool {
        let (object, cluster) = (self.seen.gates.get(CLUSTER), self.seen.versions.get(VERSION));
        let gates = gates(object.as_deref(), None, cluster.as_deref());
        gates.is_ok_and(|gates| gates.is_on(IMAGE_MODE_STATUS_REPORTING))
    }

    /// Waits until something holds for a node, or it is gone; then false.
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

    /// Makes a write until it succeeds: an API server that is gone comes back.
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
