//! What the controllers see of the cluster: the table of all watches, shared by all.

use crate::{access, operator::operands::kinds, operator::sources::Sources, steps::StepsTaken, troubles::Troubles};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    apps::v1::DaemonSet,
    core::v1::{Node, Pod},
    policy::v1::PodDisruptionBudget,
};
use kube::Client;
use std::sync::Arc;
use tokio::sync::{RwLock, watch};
use weir_api::{
    ClusterOperator, ClusterVersion, ContainerRuntimeConfig, ControllerConfig, FeatureGate, KubeletConfig,
    MachineConfig, MachineConfigNode, MachineConfigPool, MachineConfiguration, MachineOSConfig, OSImageStream,
    PinnedImageSet, Scheduler,
    keys::{names::OPERATOR_APP, node::MASTER, pod::APP},
};
use weir_kubeio::{
    Cache,
    Missing::{Empty, Refuse, Wait},
    Selection, Unreadable, Watches,
    watches::{Row, Unseen},
};
use weir_rules::operator::install::{Watched, WatchedBy};

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watcher {
    /// All controllers: what configures the cluster.
    Configuration,
    /// All controllers: pools.
    Pools,
    /// All controllers: settings of nodes, of which users are told whether they have an effect. Nobody waits for them.
    Settings,
    /// All controllers: nodes, and what is said about them.
    Nodes,
    /// Who reads images, for there is a secret among it.
    Images,
    /// Who keeps labels and taints of the control plane.
    ControlPlane,
    /// Who drains.
    Drains,
    /// The operator.
    Operator,
    /// The operator, for its admission policies.
    Policies,
    /// The operator: whether there is an OpenShift.
    Infrastructure,
    /// The operator of an OpenShift.
    OpenShift,
    /// The operator of an OpenShift on bare metal.
    BareMetal,
    /// The operator that keeps objects, such as those that run the controller.
    Operands,
}

impl Watcher {
    /// What all controllers watch.
    pub const EVERYBODY: &[Self] = &[Self::Configuration, Self::Pools, Self::Settings, Self::Nodes];
    /// What the controller alone watches.
    pub const CONTROLLER: &[Self] = &[Self::Images, Self::ControlPlane, Self::Drains];
    /// What the operator alone watches, where all of it is there. How images are read it looks at once, at its start.
    pub const OPERATOR: &[Self] =
        &[Self::Images, Self::Operator, Self::Policies, Self::Infrastructure, Self::OpenShift, Self::BareMetal];
    /// What tells the operator what the cluster is.
    pub(crate) const TELL_CLUSTER: &[Self] = &[Self::Operator, Self::Infrastructure, Self::OpenShift, Self::BareMetal];
    /// Before these are seen nothing may be decided about configuration.
    const CONFIGURES: &[Self] = &[Self::Configuration, Self::Pools];
    /// Before these are seen nothing may be decided about nodes.
    const DECIDES: &[Self] = &[Self::Configuration, Self::Pools, Self::Nodes];
    /// What they see is not heeded where it cannot be read, and that is said.
    const NAMED: &[Self] = &[Self::Configuration, Self::Pools, Self::Settings, Self::Nodes, Self::Images];
}

/// Caches of every kind a controller reads. Cheap to clone: clones share their objects.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The table: who watches what.
    pub watches: Watches<Watcher>,
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
    /// MachineConfiguration: what administrators set for the whole of it.
    pub configurations: Cache<MachineConfiguration>,
    /// KubeletConfig.
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
    /// What says how images are read.
    pub access: access::Objects,
    pub(crate) schedulers: Cache<Scheduler>,
    /// Those of the control plane.
    pub(crate) masters: Cache<Node>,
    pub(crate) budgets: Cache<PodDisruptionBudget>,
    pub(crate) daemon_sets: Cache<DaemonSet>,
    pub(crate) operators: Cache<ClusterOperator>,
    pub(crate) policies: Cache<ValidatingAdmissionPolicy>,
    pub(crate) bindings: Cache<ValidatingAdmissionPolicyBinding>,
    /// What the configuration of an OpenShift is made of.
    pub(crate) sources: Sources,
    /// Objects that the operator keeps.
    pub(crate) operands: kinds::Kinds,
    /// What the stream controller found to stand in the way.
    pub troubles: Troubles,
    /// When controllers last did what they are for.
    pub steps: StepsTaken,
    /// Held alone while a pool gets another target, and shared while a node is told one: no node is told what its pool is
    /// just leaving.
    pub(crate) targets: Arc<RwLock<()>>,
}

impl Default for Cluster {
    /// The table. A row: who watches, what is done where there is no such kind, which objects.
    fn default() -> Self {
        let (mut of, all) = (Watches::default(), Selection::default);
        Self {
            versions: of.row(Watcher::Configuration, Refuse, all()),
            gates: of.row(Watcher::Configuration, Refuse, all()),
            streams: of.row(Watcher::Configuration, Refuse, all()),
            controller_configs: of.row(Watcher::Configuration, Refuse, all()),
            pools: of.row(Watcher::Pools, Refuse, all()),
            configs: of.row(Watcher::Configuration, Refuse, all()),
            os_configs: of.row(Watcher::Configuration, Refuse, all()),
            configurations: of.row(Watcher::Configuration, Empty, all()),
            reports: of.row(Watcher::Nodes, Refuse, all()),
            operator_pods: of.row(Watcher::Nodes, Refuse, Selection::labelled(format!("{APP}={OPERATOR_APP}"))),
            nodes: of.row(Watcher::Nodes, Refuse, all()),
            kubelets: of.row(Watcher::Settings, Empty, all()),
            runtimes: of.row(Watcher::Settings, Empty, all()),
            pinned: of.row(Watcher::Settings, Empty, all()),
            access: access::Objects::new(&mut of),
            schedulers: of.row(Watcher::ControlPlane, Empty, all()),
            masters: of.row(Watcher::ControlPlane, Wait, Selection::labelled(MASTER)),
            budgets: of.row(Watcher::Drains, Wait, all()),
            daemon_sets: of.row(Watcher::Drains, Wait, all()),
            operators: of.row(Watcher::Operator, Refuse, all()),
            policies: of.row(Watcher::Policies, Wait, all()),
            bindings: of.row(Watcher::Policies, Wait, all()),
            sources: Sources::new(&mut of),
            operands: kinds::kinds(&mut of),
            watches: of,
            troubles: Troubles::default(),
            steps: StepsTaken::default(),
            targets: Arc::default(),
        }
    }
}

impl Cluster {
    /// What each component watches, for the roles that allow it.
    #[must_use]
    pub fn watched(&self) -> WatchedBy {
        let of = |watchers: &[Watcher]| {
            let watched = |row: &Row<Watcher>| Watched {
                group: row.kind.group.clone(),
                plural: row.kind.plural.clone(),
                namespace: row.selection.namespace,
                name: row.selection.name,
            };
            self.watches.of(watchers).map(watched).collect()
        };
        WatchedBy {
            everybody: of(Watcher::EVERYBODY),
            operator: of(Watcher::OPERATOR),
            controller: of(Watcher::CONTROLLER),
            keeper: of(&[Watcher::Operands]),
        }
    }

    /// Watches what all controllers look at until the future is dropped.
    pub async fn fill(self, client: Client) {
        self.watches.fill(&client, Watcher::EVERYBODY).await;
    }

    /// Objects that are there and cannot be read, of every kind that configures the cluster or tells of its nodes: nothing
    /// that they say is heeded. Changes of them are among [`Self::changes`].
    #[must_use]
    pub fn unreadable(&self) -> Vec<Unreadable> {
        self.watches.broken(Watcher::NAMED)
    }

    /// Whether everything that existed at the start has been seen. Before that nothing may be decided.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.watches.is_synced(Watcher::DECIDES)
    }

    /// What has not been seen yet, and why where that is known.
    #[must_use]
    pub fn unseen(&self) -> Vec<Unseen> {
        self.watches.unseen(Watcher::DECIDES)
    }

    /// Waits until everything that existed at the start has been seen.
    pub async fn synced(&self) {
        self.watches.synced(Watcher::DECIDES).await;
    }

    /// Whether every object that configures the cluster has been seen: for who waits for [`Self::configuration_changes`].
    #[must_use]
    pub fn is_configuration_synced(&self) -> bool {
        self.watches.is_synced(Watcher::CONFIGURES)
    }

    /// Changes of the kinds that configure the cluster; nodes, which change all the time, are not among them.
    #[must_use]
    pub fn configuration_changes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.watches.changes(&[Watcher::Configuration, Watcher::Pools, Watcher::Settings]);
        all.push(self.troubles.changes());
        all
    }

    /// As [`Self::configuration_changes`], without the statuses of pools, which change with every node.
    #[must_use]
    pub fn intent_changes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.watches.changes(&[Watcher::Configuration, Watcher::Settings]);
        all.extend([self.pools.revisions(), self.troubles.changes()]);
        all
    }

    /// Changes of nodes and of what is said about them.
    #[must_use]
    pub fn node_changes(&self) -> Vec<watch::Receiver<u64>> {
        self.watches.changes(&[Watcher::Nodes])
    }

    /// Changes of every kind.
    #[must_use]
    pub fn changes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.configuration_changes();
        all.extend(self.node_changes());
        all
    }
}
