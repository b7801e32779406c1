//! Why a pool has no rendered MachineConfig.

use weir_api::{MachineConfigPool, keys::names::CLUSTER_OPERATOR};
use weir_rules::{
    operator::controller_config::RenderConfigError,
    render::{
        RenderError,
        components::NotRendered,
        guard::{GuardError, Inhibitor},
    },
    stream::{StreamError, gates::GatesError, mismatch},
    view::unreadable,
};

/// Reason of conditions and events about pools that cannot have what the desired release carries.
pub(super) const NOT_MADE: &str = "OSImageStreamNotMade";

/// Why a pool has no rendered MachineConfig.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Mismatch(String),
    /// Another build keeps the cluster.
    #[error(transparent)]
    OtherBuild(#[from] RenderConfigError),
    /// Objects that decide about it are there and cannot be read.
    #[error("{0}")]
    Unreadable(String),
    #[error(transparent)]
    Gates(#[from] GatesError),
    #[error("the OSImageStream is being made from the desired release")]
    BeingMade,
    #[error(transparent)]
    Components(#[from] NotRendered),
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The OSImageStream cannot be used yet, and it is known what keeps it from being made.
    #[error("{0}: {1}")]
    NotMade(StreamError, String),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error("{}", .0.message)]
    Inhibited(Inhibitor),
    /// The labels of an OS image decide, and it cannot be asked.
    #[error("pool {pool}: failed to inspect OS image for stream class: {why}")]
    UnknownImage { pool: String, why: String },
}

impl Failure {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Mismatch(_) => mismatch::CODE,
            Self::OtherBuild(_) => "OtherBuild",
            Self::Unreadable(_) => unreadable::CODE,
            Self::Gates(_) => "FeatureGatesUnknown",
            Self::BeingMade => "OSImageStreamBeingMade",
            Self::Components(error) => error.code(),
            Self::Stream(error) => error.code(),
            Self::NotMade(..) => NOT_MADE,
            Self::Render(error) => error.code(),
            Self::Guard(_) => "DropinUnreadable",
            Self::Inhibited(inhibitor) => inhibitor.id,
            Self::UnknownImage { .. } => "OSImageUnknown",
        }
    }

    /// What the pool's condition says.
    pub(super) fn message(&self, pool: &MachineConfigPool) -> String {
        match self {
            Self::Render(error) => error.condition_message(pool),
            Self::Components(waited @ NotRendered::NotComplete(_)) => {
                format!(
                    "{waited}; whoever makes MachineConfigs of the templates completes it, see clusteroperator {CLUSTER_OPERATOR}"
                )
            }
            waited if !waited.is_failure() => waited.to_string(),
            other => {
                let name = pool.metadata.name.as_deref().unwrap_or_default();
                format!("Failed to render configuration for pool {name}: {other}")
            }
        }
    }

    /// Whether the pool is degraded for it; else it waits for something that is still being written.
    pub(super) fn is_failure(&self) -> bool {
        match self {
            Self::Components(error) => error.is_failure(),
            Self::BeingMade => false,
            Self::Mismatch(_)
            | Self::OtherBuild(_)
            | Self::Unreadable(_)
            | Self::Gates(_)
            | Self::Stream(_)
            | Self::NotMade(..)
            | Self::Render(_)
            | Self::Guard(_)
            | Self::Inhibited(_)
            | Self::UnknownImage { .. } => true,
        }
    }

    /// Whether an OS image that does not answer is the cause, which no change tells the end of.
    pub(super) fn is_of_image(&self) -> bool {
        matches!(self, Self::UnknownImage { .. })
    }

    /// Whether it waits for the user of the pool although nothing is wrong with it.
    pub(super) fn is_of_user(&self) -> bool {
        matches!(self, Self::Components(NotRendered::SelectingAll))
    }
}
