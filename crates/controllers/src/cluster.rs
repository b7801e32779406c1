//! What the controllers see of the cluster: one watch per kind, shared by all.

use crate::access;
use crate::{steps::StepsTaken, troubles::Troubles};
use futures::future::select_all;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Client;
use std::sync::Arc;
use tokio::sync::{RwLock, watch};
use weir_api::{
    ClusterVersion, ContainerRuntimeConfig, ControllerConfig, FeatureGate, KubeletConfig, MachineConfig,
    MachineConfigNode, MachineConfigPool, MachineConfiguration, MachineOSConfig, OSImageStream, PinnedImageSet,
    keys::{names::OPERATOR_APP, pod::APP},
};
use weir_kubeio::{Cache, Unreadable, cache::Cached};

/// Caches of every kind a controller reads. Cheap to clone: clones share their objects.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// ClusterVersion.
    pub versions: Cache<ClusterVersion>,
    /// FeatureGate.
    pub gates: Cache<FeatureGate>,
    /// OSImageStream.
    pub streams: Cache<OSImageStream>,
    /// ControllerConfig.
    pub controller_configs: Cache<ControllerConfig>,
    /// MachineConfigPool.
    pub pools: Cache<MachineConfigPool>,
    /// MachineConfig.
    pub configs: Cache<MachineConfig>,
    /// MachineOSConfig: which pools are in image mode.
    pub os_configs: Cache<MachineOSConfig>,
    /// MachineConfiguration: what administrators set for the whole of it. A cluster need not have the kind.
    pub configurations: Cache<MachineConfiguration>,
    /// KubeletConfig. A cluster need not have this kind and the next two; nobody waits for them.
    pub kubelets: Cache<KubeletConfig>,
    /// ContainerRuntimeConfig.
    pub runtimes: Cache<ContainerRuntimeConfig>,
    /// PinnedImageSet.
    pub pinned: Cache<PinnedImageSet>,
    /// MachineConfigNode.
    pub reports: Cache<MachineConfigNode>,
    /// Node.
    pub nodes: Cache<Node>,
    /// Pods of the operator, of all namespaces: they decide which master goes last.
    pub operator_pods: Cache<Pod>,
    /// What says how images are read; only who reads images watches it, for there is a secret among it.
    pub access: access::Objects,
    /// What the stream controller found to stand in the way.
    pub troubles: Troubles,
    /// When controllers last did what they are for.
    pub steps: StepsTaken,
    /// Held alone while a pool gets another target, and shared while a node is told one: no node is told what its pool is
    /// just leaving.
    pub(crate) targets: Arc<RwLock<()>>,
}

impl Cluster {
    /// Watches every kind until the future is dropped.
    pub async fn fill(self, client: Client) {
        let operator = format!("{APP}={OPERATOR_APP}");
        tokio::join!(
            self.versions.fill(client.clone()),
            self.gates.fill(client.clone()),
            self.streams.fill(client.clone()),
            self.controller_configs.fill(client.clone()),
            self.pools.fill(client.clone()),
            self.configs.fill(client.clone()),
            self.os_configs.fill(client.clone()),
            self.configurations.fill_optional(client.clone()),
            self.kubelets.fill_optional(client.clone()),
            self.runtimes.fill_optional(client.clone()),
            self.pinned.fill_optional(client.clone()),
            self.reports.fill(client.clone()),
            self.operator_pods.fill_labelled(client.clone(), &operator),
            self.nodes.fill(client),
        );
    }

    /// Objects that are there and cannot be read, of every kind that configures the cluster or tells of its nodes: nothing
    /// that they say is heeded. Changes of them are among [`Self::changes`].
    #[must_use]
    pub fn unreadable(&self) -> Vec<Unreadable> {
        [
            self.versions.broken(),
            self.gates.broken(),
            self.streams.broken(),
            self.controller_configs.broken(),
            self.pools.broken(),
            self.configs.broken(),
            self.os_configs.broken(),
            self.configurations.broken(),
            self.reports.broken(),
            self.operator_pods.broken(),
            self.nodes.broken(),
            self.kubelets.broken(),
            self.runtimes.broken(),
            self.pinned.broken(),
            self.access.unreadable(),
        ]
        .concat()
    }

    /// Whether everything that existed at the start has been seen. Before that nothing may be decided.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.is_configuration_synced()
            && self.reports.is_synced()
            && self.operator_pods.is_synced()
            && self.nodes.is_synced()
    }

    /// What has not been seen yet, and why where that is known.
    #[must_use]
    pub fn unseen(&self) -> Vec<(&'static str, Option<String>)> {
        fn of<K: Cached>(what: &'static str, cache: &Cache<K>) -> Option<(&'static str, Option<String>)> {
            (!cache.is_synced()).then(|| (what, cache.failing()))
        }
        let all = [
            of("clusterversions", &self.versions),
            of("featuregates", &self.gates),
            of("osimagestreams", &self.streams),
            of("controllerconfigs", &self.controller_configs),
            of("machineconfigpools", &self.pools),
            of("machineconfigs", &self.configs),
            of("machineosconfigs", &self.os_configs),
            of("machineconfigurations", &self.configurations),
            of("machineconfignodes", &self.reports),
            of("pods", &self.operator_pods),
            of("nodes", &self.nodes),
        ];
        all.into_iter().flatten().collect()
    }

    /// Waits until everything that existed at the start has been seen.
    pub async fn synced(&self) {
        let mut changes = self.changes();
        while !self.is_synced() {
            let next = changes.iter_mut().map(|change| Box::pin(async { change.changed().await.is_ok() }));
            select_all(next).await;
        }
    }

    /// Whether every object that configures the cluster has been seen: for who waits for [`Self::configuration_changes`].
    #[must_use]
    pub fn is_configuration_synced(&self) -> bool {
        self.versions.is_synced()
            && self.gates.is_synced()
            && self.streams.is_synced()
            && self.controller_configs.is_synced()
            && self.pools.is_synced()
            && self.configs.is_synced()
            && self.os_configs.is_synced()
            && self.configurations.is_synced()
    }

    /// Changes of the kinds that configure the cluster; nodes, which change all the time, are not among them.
    #[must_use]
    pub fn configuration_changes(&self) -> Vec<watch::Receiver<u64>> {
        vec![
            self.versions.changes(),
            self.gates.changes(),
            self.streams.changes(),
            self.controller_configs.changes(),
            self.pools.changes(),
            self.configs.changes(),
            self.os_configs.changes(),
            self.configurations.changes(),
            self.kubelets.changes(),
            self.runtimes.changes(),
            self.pinned.changes(),
            self.troubles.changes(),
        ]
    }

    /// Changes of nodes and of what is said about them.
    #[must_use]
    pub fn node_changes(&self) -> Vec<watch::Receiver<u64>> {
        vec![self.reports.changes(), self.nodes.changes(), self.operator_pods.changes()]
    }

    /// Changes of every kind.
    #[must_use]
    pub fn changes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.configuration_changes();
        all.extend(self.node_changes());
        all
    }
}
