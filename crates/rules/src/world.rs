//! Everything that a decision looks at, as one value: of caches, of a live cluster read once, of files.
//!
//! R-WORLD-1 Of several objects of one kind and name the last counts. Of a kind of which one object counts, another name does not.
//! R-WORLD-2 A world is whole, and then what is not there does not exist; or it is of files, and then what they leave out is not
//! known: no node is claimed to be missing, no MachineConfig either, and features are what is usual.
//! R-WORLD-3 What only a running process knows is in [`Process`]. Who only looks reads the same from the pools, where the
//! controllers say it.
//!
//! | module | decides |
//! |---|---|
//! | [`Object`] | what goes into a world |
//! | `answers` | what follows from its objects for the whole cluster: gates, distribution, topology, streams, what halts everything |
//! | `alike` | which look comes to what the one before came to |
//! | [`Views`] | what follows for pools and nodes: who starts, who waits for what, which statuses pools are to have |
//! | [`Parts`] | what a pool is rendered from, and what keeps it from that |
//! | [`explain`] | all of it about one pool, for people and for scripts |

mod alike;
mod answers;
pub mod explain;
mod object;
mod parts;
mod views;

pub use object::Object;
pub use parts::Parts;
pub use views::{NewStatus, Views};

use crate::{render::Build, stream::trouble::Trouble, view::unreadable::UnreadableObject};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Node, Pod};
use std::sync::Arc;
use weir_api::{
    ClusterVersion, ContainerRuntimeConfig, ControllerConfig, FeatureGate, Infrastructure, KubeletConfig,
    MachineConfig, MachineConfigNode, MachineConfigPool, MachineConfiguration, MachineOSConfig, OSImageStream,
    PinnedImageSet,
};
use weir_distro::Profile;

/// The objects. Those of one kind are in name order, one of each name, as [`World::put`] keeps them.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// ClusterVersion `version`.
    pub version: Option<Arc<ClusterVersion>>,
    /// FeatureGate `cluster`.
    pub feature_gate: Option<Arc<FeatureGate>>,
    /// Infrastructure `cluster`; only files are read for it (R-WORLD-2).
    pub infrastructure: Option<Arc<Infrastructure>>,
    /// ControllerConfig `machine-config-controller`.
    pub controller_config: Option<Arc<ControllerConfig>>,
    /// OSImageStream `cluster`, whether it is in effect or not.
    pub streams: Option<Arc<OSImageStream>>,
    /// MachineConfiguration `cluster`.
    pub configuration: Option<Arc<MachineConfiguration>>,
    /// MachineConfigPools.
    pub pools: Vec<Arc<MachineConfigPool>>,
    /// MachineConfigs, generated, rendered and of users.
    pub configs: Vec<Arc<MachineConfig>>,
    /// MachineOSConfigs.
    pub os_configs: Vec<Arc<MachineOSConfig>>,
    /// KubeletConfigs.
    pub kubelets: Vec<Arc<KubeletConfig>>,
    /// ContainerRuntimeConfigs.
    pub runtimes: Vec<Arc<ContainerRuntimeConfig>>,
    /// PinnedImageSets.
    pub pinned: Vec<Arc<PinnedImageSet>>,
    /// Nodes.
    pub nodes: Vec<Arc<Node>>,
    /// MachineConfigNodes.
    pub reports: Vec<Arc<MachineConfigNode>>,
    /// Pods; those of the operator count.
    pub pods: Vec<Arc<Pod>>,
    /// Objects that are there and cannot be read.
    pub unreadable: Vec<UnreadableObject>,
    /// Whether these are all objects of a cluster (R-WORLD-2).
    pub whole: bool,
    /// Version of the release that counts, where it is told and not read from objects.
    pub release: Option<String>,
    /// The distribution, where it is told and not read from objects.
    pub profile: Option<&'static Profile>,
    /// Who acts on it; absent for who only looks (R-WORLD-3).
    pub process: Option<Process>,
}

/// What a running process knows and objects do not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Who it is.
    pub build: Arc<Build>,
    /// How long a target is to be still before its first node is told.
    pub settle: SignedDuration,
    /// What reading the desired release found.
    pub trouble: Trouble,
}
