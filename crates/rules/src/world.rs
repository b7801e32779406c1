//! Everything that decisions depend on, as one value: from caches, a live cluster read once, or files.
//!
//! R-WORLD-1 Of several objects of one kind, namespace and name, the last one counts. Of a singleton kind, only the object with the one right
//! name counts.
//! R-WORLD-2 A world is either complete, and what is not in it does not exist; or it comes from files, and what they leave out is
//! unknown: no node and no MachineConfig is reported missing, and features have their usual values.
//! R-WORLD-3 What only a running process knows is in [`Process`]. A read-only command reads the same from the pools, where the
//! controllers report it.
//! R-WORLD-4 What comes from files is judged as of the newest time in it, and says so: when objects were made or written, when a condition
//! changed, and when a kubelet reported. A time later than the clock's does not count. A cluster, and files without any time, are judged as
//! of now.
//!
//! | module | decides |
//! |---|---|
//! | [`Object`] | what a world consists of |
//! | `answers` | what the objects mean for the whole cluster: gates, distribution, topology, streams, what halts rollouts |
//! | [`AsOf`] | which time files are of |
//! | `alike` | which changes do not require a new plan |
//! | [`Views`] | what they mean for pools and nodes: which nodes start, what the others wait for, which statuses pools get |
//! | [`Parts`] | what a pool is rendered from, and what prevents that |
//! | [`generated`] | which MachineConfigs are generated from the objects |
//! | [`explain`] | all of that about one pool, for people and for scripts |
//! | [`standing`] | whether a pool is where somebody waits for it to be |
//! | [`import`] | what a rehearsal of a cluster starts from |
//! | [`remedy`] | what a user can do about it |
//! | [`Difference`] | what differs between two configurations of a pool, and which object that comes from |
//! | [`why`] | what is the cause of something, down to what a user can change |

mod alike;
mod answers;
mod as_of;
pub mod explain;
pub mod generated;
pub mod import;
mod object;
mod parts;
pub mod remedy;
mod sources;
pub mod standing;
mod views;
pub mod why;

pub use alike::Changes;
pub use as_of::AsOf;
pub use object::Object;
pub use parts::Parts;
pub use sources::Difference;
pub use views::{Kept, NewStatus, Views};

use crate::{render::Build, stream::problem::StreamProblems, view::unreadable::UnreadableObject};
use jiff::SignedDuration;
use k8s_openapi::api::{
    core::v1::{ConfigMap, Node, Pod, Secret},
    policy::v1::PodDisruptionBudget,
};
use std::sync::Arc;
use weir_api::{
    APIServer, CRIOCredentialProviderConfig, ClusterImagePolicy, ClusterOperator, ClusterVersion,
    ContainerRuntimeConfig, ControllerConfig, FeatureGate, Image, ImageContentSourcePolicy, ImageDigestMirrorSet,
    ImagePolicy, ImageTagMirrorSet, Infrastructure, InternalReleaseImage, KubeletConfig, MachineConfig,
    MachineConfigNode, MachineConfigPool, MachineConfiguration, MachineOSBuild, MachineOSConfig, NodeConfig,
    OSImageStream, PinnedImageSet,
};
use weir_distro::Profile;

/// The objects. Those of one kind are sorted by namespace and name and unique, as [`World::put`] keeps them.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// ClusterVersion `version`.
    pub version: Option<Arc<ClusterVersion>>,
    /// ClusterOperator `machine-config`; only read by commands that explain.
    pub cluster_operator: Option<Arc<ClusterOperator>>,
    /// FeatureGate `cluster`.
    pub feature_gate: Option<Arc<FeatureGate>>,
    /// Infrastructure `cluster`; only used for files (R-WORLD-2).
    pub infrastructure: Option<Arc<Infrastructure>>,
    /// ControllerConfig `machine-config-controller`.
    pub controller_config: Option<Arc<ControllerConfig>>,
    /// OSImageStream `cluster`, whether it is in effect or not.
    pub streams: Option<Arc<OSImageStream>>,
    /// MachineConfiguration `cluster`.
    pub configuration: Option<Arc<MachineConfiguration>>,
    /// MachineConfigPools.
    pub pools: Vec<Arc<MachineConfigPool>>,
    /// MachineConfigs: generated, rendered and written by users.
    pub configs: Vec<Arc<MachineConfig>>,
    /// MachineOSConfigs.
    pub os_configs: Vec<Arc<MachineOSConfig>>,
    /// MachineOSBuilds.
    pub os_builds: Vec<Arc<MachineOSBuild>>,
    /// KubeletConfigs.
    pub kubelets: Vec<Arc<KubeletConfig>>,
    /// ContainerRuntimeConfigs.
    pub runtimes: Vec<Arc<ContainerRuntimeConfig>>,
    /// PinnedImageSets.
    pub pinned: Vec<Arc<PinnedImageSet>>,
    /// What else MachineConfigs are generated from.
    pub settings: Settings,
    /// Nodes.
    pub nodes: Vec<Arc<Node>>,
    /// MachineConfigNodes.
    pub reports: Vec<Arc<MachineConfigNode>>,
    /// Pods; only those of the operator decide about rollouts. All of them are here where it is asked what drains will evict.
    pub pods: Vec<Arc<Pod>>,
    /// PodDisruptionBudgets, where it is asked what drains will evict.
    pub budgets: Vec<Arc<PodDisruptionBudget>>,
    /// ConfigMaps with the histories of pools.
    pub histories: Vec<Arc<ConfigMap>>,
    /// Existing objects that cannot be read.
    pub unreadable: Vec<UnreadableObject>,
    /// Whether these are all objects of a cluster (R-WORLD-2).
    pub whole: bool,
    /// Version of the release that counts, if given rather than read from objects.
    pub release: Option<String>,
    /// The distribution, if given rather than read from objects.
    pub profile: Option<&'static Profile>,
    /// The process that acts on it; absent for read-only commands (R-WORLD-3).
    pub process: Option<Process>,
}

/// Settings of the cluster that MachineConfigs are generated from.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// APIServer `cluster`: which TLS is allowed.
    pub api_server: Option<Arc<APIServer>>,
    /// Node `cluster` of config.openshift.io.
    pub node: Option<Arc<NodeConfig>>,
    /// Image `cluster`: which registries are used, and how.
    pub image: Option<Arc<Image>>,
    /// CRIOCredentialProviderConfig `cluster`.
    pub credential_providers: Option<Arc<CRIOCredentialProviderConfig>>,
    /// InternalReleaseImage `cluster`: the cluster keeps its release images itself.
    pub release_image: Option<Arc<InternalReleaseImage>>,
    /// ImageDigestMirrorSets.
    pub digest_mirrors: Vec<Arc<ImageDigestMirrorSet>>,
    /// ImageTagMirrorSets.
    pub tag_mirrors: Vec<Arc<ImageTagMirrorSet>>,
    /// ImageContentSourcePolicies.
    pub content_sources: Vec<Arc<ImageContentSourcePolicy>>,
    /// ClusterImagePolicies.
    pub cluster_policies: Vec<Arc<ClusterImagePolicy>>,
    /// ImagePolicies of all namespaces.
    pub policies: Vec<Arc<ImagePolicy>>,
    /// Secrets; the pull secret and the login of the cluster's own registry count.
    pub secrets: Vec<Arc<Secret>>,
}

/// What a running process knows beyond the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its build.
    pub build: Arc<Build>,
    /// How long a target must stay the same before the first node is given it.
    pub settle: SignedDuration,
    /// Whether it generates MachineConfigs of settings.
    pub generates: bool,
    /// What reading the desired release found.
    pub problems: StreamProblems,
    /// With which FeatureGate it was last decided what to generate.
    pub generated_with: GeneratedWith,
}

/// With which FeatureGate a process last decided what to generate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum GeneratedWith {
    /// It decides nothing.
    #[default]
    Any,
    /// With the one of this version; absent before the first time.
    Gates(Option<String>),
}
