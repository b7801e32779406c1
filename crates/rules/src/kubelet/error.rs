//! Why nothing is generated for kubelets.

use super::settings::SettingsError;
use crate::{
    generated::{base::BaseError, name::NameError},
    objects::selector::SelectorError,
    render::components::NotRendered,
};
use weir_api::Class;

/// Why nothing is generated for kubelets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeletError {
    /// The ControllerConfig is not complete.
    #[error(transparent)]
    NotComplete(#[from] NotRendered),
    /// The log level is out of its range.
    #[error("KubeletConfig's LogLevel is not valid [0,10]: {0}")]
    LogLevel(i32),
    /// `spec.kubeletConfig` cannot be read.
    #[error("KubeletConfig could not be unmarshalled, err: spec.kubeletConfig: {0}")]
    Settings(SettingsError),
    /// A field that is reserved for the operator.
    #[error("KubeletConfiguration: {field} is not allowed to be set, but contains: {value}")]
    Forbidden {
        /// Its name.
        field: &'static str,
        /// Its value, as Go prints it.
        value: String,
    },
    /// Reservations are both given and computed.
    #[error("KubeletConfiguration: autoSizingReserved and systemdReserved cannot be set together")]
    Reserved,
    /// Two names of one control group in the KubeletConfig.
    #[error("KubeletConfiguration: systemReservedCgroup ({reserved}) must match systemCgroups ({system})")]
    Cgroups {
        /// `systemReservedCgroup`.
        reserved: String,
        /// `systemCgroups`.
        system: String,
    },
    /// Two names of one control group after merging.
    #[error("invalid merged configuration: systemReservedCgroup ({reserved}) must match systemCgroups ({system})")]
    MergedCgroups {
        /// `systemReservedCgroup`.
        reserved: String,
        /// `systemCgroups`.
        system: String,
    },
    /// The control plane runs from that path.
    #[error("KubeletConfiguration: staticPodPath is not allowed to be set for control plane pool {0:?}")]
    ControlPlanePath(String),
    /// Only the control plane runs static pods.
    #[error("KubeletConfiguration: staticPodPath must be empty for pool {pool:?}, but contains: {value}")]
    StaticPodPath {
        /// The pool.
        pool: String,
        /// The given path.
        value: String,
    },
    /// The selector selects no pool.
    #[error("could not find any MachineConfigPool set for KubeletConfig")]
    NoPool,
    /// The selector is invalid.
    #[error("invalid label selector: {0}")]
    Selector(#[from] SelectorError),
    /// There is no name for the MachineConfig.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is nothing to start from.
    #[error("could not generate the original Kubelet config ignition: {0}")]
    Base(#[from] BaseError),
    /// The templates' file is not a kubelet configuration.
    #[error("could not deserialize the Kubelet source: {0}")]
    BaseSettings(SettingsError),
    /// The merged configuration cannot be written.
    #[error("could not serialize the new Kubelet config: {0}")]
    Written(SettingsError),
    /// nodes.config names an unknown latency profile.
    #[error(
        "unknown worker latency profile type found {0}, failed to update the original kubelet configuration: spec.workerLatencyProfile \
         of nodes.config must be Default, MediumUpdateAverageReaction or LowUpdateSlowReaction"
    )]
    LatencyProfile(String),
    /// nodes.config names an unknown version of control groups.
    #[error(
        "unknown cgroup mode found {0}, failed to update the machine config resource: spec.cgroupMode of nodes.config must be v2 or empty"
    )]
    CgroupMode(String),
    /// At bootstrap, a pool can have only one KubeletConfig.
    #[error(
        "error found multiple KubeletConfigs targeting MachineConfigPool {0}. Please apply only one KubeletConfig manifest for each pool \
         during installation"
    )]
    Several(String),
}

impl KubeletError {
    /// The field of the KubeletConfig that it is about (`spec.kubeletConfig.clusterDNS`); empty if it is about none.
    #[must_use]
    pub fn field(&self) -> String {
        let setting = |path: &str| format!("spec.kubeletConfig.{path}").trim_end_matches('.').to_owned();
        match self {
            Self::LogLevel(_) => "spec.logLevel".to_owned(),
            Self::Settings(SettingsError::Type { path, .. }) => setting(path),
            Self::Settings(_) => setting(""),
            Self::Forbidden { field: "swapBehavior", .. } => setting("memorySwap.swapBehavior"),
            Self::Forbidden { field, .. } => setting(field),
            Self::Reserved => setting("systemReserved"),
            Self::Cgroups { .. } => setting("systemReservedCgroup"),
            Self::ControlPlanePath(_) | Self::StaticPodPath { .. } => setting("staticPodPath"),
            Self::NoPool | Self::Selector(_) => "spec.machineConfigPoolSelector".to_owned(),
            _ => String::new(),
        }
    }

    /// Whether a retry can help although no object changes.
    #[must_use]
    pub fn class(&self) -> Class {
        if matches!(self, Self::NotComplete(_)) { Class::Transient } else { Class::Permanent }
    }
}
