//! The controllers' view of the cluster: the table of all watches, shared by all.

use crate::{
    access,
    operator::{copies::Copies, operands::kinds, sources::Sources},
    shared::{Look, Shared},
    steps::StepsTaken,
};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    apps::v1::DaemonSet,
    batch::v1::Job,
    core::v1::{ConfigMap, Node, Pod, Secret},
    policy::v1::PodDisruptionBudget,
};
use kube::Client;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::{RwLock, watch};
use weir_api::{
    APIServer, CRIOCredentialProviderConfig, ClusterImagePolicy, ClusterOperator, ClusterVersion,
    ContainerRuntimeConfig, ControllerConfig, FeatureGate, ImagePolicy, InternalReleaseImage, KubeletConfig,
    MachineConfig, MachineConfigNode, MachineConfigPool, MachineConfiguration, MachineOSBuild, MachineOSConfig,
    NodeConfig, OSImageStream, PinnedImageSet, Scheduler,
    keys::{
        build::{EPHEMERAL, ON_CLUSTER_LAYERING},
        config::HISTORY_OF,
        names::{OPERATOR_APP, OPERATOR_NAMESPACE},
        node::MASTER,
        pod::APP,
    },
};
use weir_kubeio::{
    Cache,
    Missing::{Empty, Refuse, Wait},
    Selection, Unreadable, Watches,
    watches::{Row, Unseen},
};
use weir_rules::{
    build::job::JOB_NAME,
    operator::install::{Watched, WatchedBy},
    status::notices::is_said_otherwise,
    stream::problem::StreamProblems,
    template::login::REGISTRY_SECRET,
    world::GeneratedWith,
};

/// Groups of watches, by who needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watcher {
    /// All controllers: the objects that configure the cluster.
    Configuration,
    /// All controllers: pools.
    Pools,
    /// All controllers: settings of nodes. Users are notified if they have no effect, and no controller waits for them.
    Settings,
    /// All controllers: nodes, and reports about them.
    Nodes,
    /// Readers of images. A secret is among the objects.
    Images,
    /// The controller of generated MachineConfigs.
    Generators,
    /// The controller of the control plane's labels and taints.
    ControlPlane,
    /// The drain controller.
    Drains,
    /// The controller of histories.
    History,
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
    /// The builder: Jobs that build OS images, and their pods.
    Builds,
    /// The operator that keeps objects, such as those that run the controller.
    Operands,
    /// The operator: Secrets that are copied for builds of OS images, and the copies.
    Copies,
}

impl Watcher {
    /// What all controllers watch.
    pub const EVERYBODY: &[Self] = &[Self::Configuration, Self::Pools, Self::Settings, Self::Nodes];
    /// What the controller alone watches.
    pub const CONTROLLER: &[Self] = &[Self::Images, Self::Generators, Self::ControlPlane, Self::Drains, Self::History];
    /// What the builder alone watches.
    pub const BUILDER: &[Self] = &[Self::Images, Self::Builds];
    /// What only the operator watches on a complete OpenShift. It looks only once, at startup, how images are read.
    pub const OPERATOR: &[Self] = &[
        Self::Images,
        Self::Operator,
        Self::Policies,
        Self::Infrastructure,
        Self::OpenShift,
        Self::BareMetal,
        Self::Copies,
    ];
    /// What shows the operator which kind of cluster it is.
    pub(crate) const TELL_CLUSTER: &[Self] = &[Self::Operator, Self::Infrastructure, Self::OpenShift, Self::BareMetal];
    /// These have to be seen before anything is decided about configuration.
    const CONFIGURES: &[Self] = &[Self::Configuration, Self::Pools];
    /// These have to be seen before anything is decided about nodes.
    const DECIDES: &[Self] = &[Self::Configuration, Self::Pools, Self::Nodes];
    /// Unreadable objects of these are ignored and reported.
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
    /// MachineOSBuild: what is built for them.
    pub os_builds: Cache<MachineOSBuild>,
    /// MachineConfiguration: cluster-wide settings by administrators.
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
    /// Pods of the operator in all namespaces: they decide which master goes last.
    pub operator_pods: Cache<Pod>,
    /// The objects that say how images are read.
    pub access: access::Objects,
    /// What MachineConfigs are generated from beside that.
    pub(crate) generators: Inputs,
    /// Jobs that build OS images, and their pods.
    pub(crate) builds: Builds,
    pub(crate) schedulers: Cache<Scheduler>,
    /// Nodes of the control plane.
    pub(crate) masters: Cache<Node>,
    pub(crate) budgets: Cache<PodDisruptionBudget>,
    pub(crate) daemon_sets: Cache<DaemonSet>,
    /// ConfigMaps with the histories of pools.
    pub(crate) histories: Cache<ConfigMap>,
    pub(crate) operators: Cache<ClusterOperator>,
    pub(crate) policies: Cache<ValidatingAdmissionPolicy>,
    pub(crate) bindings: Cache<ValidatingAdmissionPolicyBinding>,
    /// The objects that the configuration of an OpenShift is made from.
    pub(crate) sources: Sources,
    /// Objects that the operator keeps.
    pub(crate) operands: kinds::Kinds,
    /// What the operator copies for builds of OS images.
    pub(crate) copies: Copies,
    /// The problems that the stream controller found.
    pub stream_problems: Shared<StreamProblems>,
    /// What pools have to say of settings from which nothing can be generated, as the generating controller found it.
    pub refused: Shared<BTreeMap<String, String>>,
    /// When each controller last completed a step.
    pub steps: StepsTaken,
    /// Locked exclusively while a pool gets another target, and shared while a node is given one, so that no node is given a target
    /// that its pool is just leaving.
    pub(crate) targets: Arc<RwLock<()>>,
    /// With which FeatureGate the generating controller last decided.
    pub(crate) generated_with: Shared<GeneratedWith>,
    /// Whether the targets that pools have are those that this process rendered.
    pub(crate) look: Look,
}

/// Caches of what MachineConfigs are generated from, beside what says how images are read.
#[derive(Clone, Debug)]
pub(crate) struct Inputs {
    pub(crate) api_servers: Cache<APIServer>,
    pub(crate) node_configs: Cache<NodeConfig>,
    pub(crate) cluster_policies: Cache<ClusterImagePolicy>,
    pub(crate) policies: Cache<ImagePolicy>,
    pub(crate) credential_providers: Cache<CRIOCredentialProviderConfig>,
    pub(crate) release_images: Cache<InternalReleaseImage>,
    /// With the password of the registry that the cluster keeps itself.
    pub(crate) registry_login: Cache<Secret>,
}

impl Inputs {
    /// Their rows. The kinds need not exist.
    fn new(of: &mut Watches<Watcher>) -> Self {
        let (who, all) = (Watcher::Generators, Selection::default);
        Self {
            api_servers: of.row(who, Empty, all()),
            node_configs: of.row(who, Empty, all()),
            cluster_policies: of.row(who, Empty, all()),
            policies: of.row(who, Empty, all()),
            credential_providers: of.row(who, Empty, all()),
            release_images: of.row(who, Empty, all()),
            registry_login: of.row(who, Wait, Selection::named(REGISTRY_SECRET).within(OPERATOR_NAMESPACE)),
        }
    }
}

/// Caches of what is made for builds. What Jobs read is not watched: nobody acts on it.
#[derive(Clone, Debug)]
pub(crate) struct Builds {
    pub(crate) jobs: Cache<Job>,
    pub(crate) pods: Cache<Pod>,
}

impl Builds {
    fn new(of: &mut Watches<Watcher>) -> Self {
        let made = Selection::labelled(format!("{EPHEMERAL},{ON_CLUSTER_LAYERING}"));
        let pods = Selection::labelled(JOB_NAME);
        Self {
            jobs: of.row(Watcher::Builds, Wait, made.within(OPERATOR_NAMESPACE)),
            pods: of.row(Watcher::Builds, Wait, pods.within(OPERATOR_NAMESPACE)),
        }
    }
}

impl Default for Cluster {
    /// The table. Each row says who watches, what to do without the kind, and which objects.
    fn default() -> Self {
        let (mut of, all) = (Watches::default(), Selection::default);
        Self {
            versions: of.row(Watcher::Configuration, Refuse, all()),
            gates: of.row(Watcher::Configuration, Refuse, all()),
            streams: of.row(Watcher::Configuration, Refuse, all()),
            controller_configs: of.row(Watcher::Configuration, Refuse, all()),
            pools: of.row(Watcher::Pools, Refuse, all()).revised_when(is_said_otherwise),
            configs: of.row(Watcher::Configuration, Refuse, all()),
            os_configs: of.row(Watcher::Configuration, Refuse, all()),
            os_builds: of.row(Watcher::Configuration, Refuse, all()),
            configurations: of.row(Watcher::Configuration, Empty, all()),
            reports: of.row(Watcher::Nodes, Refuse, all()),
            operator_pods: of.row(Watcher::Nodes, Refuse, Selection::labelled(format!("{APP}={OPERATOR_APP}"))),
            nodes: of.row(Watcher::Nodes, Refuse, all()),
            kubelets: of.row(Watcher::Settings, Empty, all()),
            runtimes: of.row(Watcher::Settings, Empty, all()),
            pinned: of.row(Watcher::Settings, Empty, all()),
            access: access::Objects::new(&mut of),
            generators: Inputs::new(&mut of),
            builds: Builds::new(&mut of),
            schedulers: of.row(Watcher::ControlPlane, Empty, all()),
            masters: of.row(Watcher::ControlPlane, Wait, Selection::labelled(MASTER)),
            budgets: of.row(Watcher::Drains, Wait, all()),
            daemon_sets: of.row(Watcher::Drains, Wait, all()),
            histories: of.row(Watcher::History, Wait, Selection::labelled(HISTORY_OF).within(OPERATOR_NAMESPACE)),
            operators: of.row(Watcher::Operator, Refuse, all()),
            policies: of.row(Watcher::Policies, Wait, all()),
            bindings: of.row(Watcher::Policies, Wait, all()),
            sources: Sources::new(&mut of),
            operands: kinds::kinds(&mut of),
            copies: Copies::new(&mut of),
            watches: of,
            stream_problems: Shared::default(),
            refused: Shared::default(),
            steps: StepsTaken::default(),
            targets: Arc::default(),
            generated_with: Shared::default(),
            look: Look::default(),
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
            builder: of(Watcher::BUILDER),
            keeper: of(&[Watcher::Operands]),
        }
    }

    /// Jobs that build OS images, as far as they are watched.
    #[must_use]
    pub fn jobs(&self) -> Vec<Arc<Job>> {
        self.builds.jobs.all()
    }

    /// Runs the watches that all controllers need until the future is dropped.
    pub async fn fill(self, client: Client) {
        self.watches.fill(&client, Watcher::EVERYBODY).await;
    }

    /// Unreadable objects of every kind that configures the cluster or reports on its nodes: their contents are ignored.
    /// [`Self::changes`] includes changes of them.
    #[must_use]
    pub fn unreadable(&self) -> Vec<Unreadable> {
        self.watches.broken(Watcher::NAMED)
    }

    /// Whether everything that existed at startup has been seen. Nothing may be decided before that.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.watches.is_synced(Watcher::DECIDES)
    }

    /// What has not been seen yet, with the reason if known.
    #[must_use]
    pub fn unseen(&self) -> Vec<Unseen> {
        self.watches.unseen(Watcher::DECIDES)
    }

    /// Waits until everything that existed at startup has been seen.
    pub async fn synced(&self) {
        self.watches.synced(Watcher::DECIDES).await;
    }

    /// Whether every object that configures the cluster has been seen, for users of [`Self::configuration_changes`].
    #[must_use]
    pub fn is_configuration_synced(&self) -> bool {
        self.watches.is_synced(Watcher::CONFIGURES)
    }

    /// Changes of the kinds that configure the cluster, without nodes, which change all the time.
    #[must_use]
    pub fn configuration_changes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.watches.changes(&[Watcher::Configuration, Watcher::Pools, Watcher::Settings]);
        all.extend([self.stream_problems.changes(), self.generated_with.changes()]);
        all
    }

    /// The same without what the statuses of pools say of nodes, which changes all the time.
    #[must_use]
    pub fn intent_changes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.watches.changes(&[Watcher::Configuration, Watcher::Settings]);
        all.extend([self.pools.revisions(), self.stream_problems.changes()]);
        all
    }

    /// Changes of nodes and of reports about them.
    #[must_use]
    pub fn node_changes(&self) -> Vec<watch::Receiver<u64>> {
        self.watches.changes(&[Watcher::Nodes])
    }

    /// Changes of what [`crate::Context::told`] tells.
    #[must_use]
    pub fn told_changes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.changes();
        all.extend([self.histories.changes(), self.operators.changes()]);
        all
    }

    /// Changes of every kind.
    #[must_use]
    pub fn changes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.configuration_changes();
        all.extend(self.node_changes());
        all
    }
}
