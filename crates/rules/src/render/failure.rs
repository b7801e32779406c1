//! Why a pool has no rendered MachineConfig, and what its condition `RenderDegraded` says about it.
//!
//! R-FAILURE-1 A pool that only waits for something that is still being written is not degraded.
//! R-FAILURE-2 Read-only commands see there what the controllers know: that another build manages the cluster, and that the
//! OSImageStream is being made.

use crate::{
    render::{
        RenderError,
        components::NotRendered,
        guard::{GuardError, Inhibitor},
    },
    stream::{NamedIn, StreamError, gates::GatesError, mismatch},
    view::{PoolView, unreadable},
};
use weir_api::{
    Condition, MachineConfigPool,
    condition::find,
    keys::{
        names::{CLUSTER, CLUSTER_OPERATOR, WORKER},
        pool::RENDER_DEGRADED,
    },
};

/// Reason of conditions and events about pools that cannot have what the desired release carries.
pub const NOT_MADE: &str = "OSImageStreamNotMade";
const OTHER_BUILD: &str = "OtherBuild";
const BEING_MADE: &str = "OSImageStreamBeingMade";
/// What a pool does while it waits.
const KEPT: &str = "the pool keeps the configuration it has until then";

/// Why a pool has no rendered MachineConfig.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RenderFailure {
    /// Something contradicts the distribution.
    #[error("{0}")]
    Mismatch(String),
    /// Another build manages the cluster.
    #[error("{0}")]
    OtherBuild(String),
    /// Objects that it depends on are unreadable.
    #[error("{0}")]
    Unreadable(String),
    /// The feature gates are unknown.
    #[error(transparent)]
    Gates(#[from] GatesError),
    /// The streams are not known yet.
    #[error("the OSImageStream is being made from the desired release")]
    BeingMade,
    /// Offline: nothing says which OS image.
    #[error("there is no ControllerConfig and no OSImageStream to take the OS image from")]
    NoImages,
    /// Its sources are unknown.
    #[error(transparent)]
    Components(#[from] NotRendered),
    /// There is no stream for it.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The OSImageStream is not usable yet, and it is known what prevents it.
    #[error("{0}: {1}")]
    NotMade(StreamError, String),
    /// What is generated for the desired release is not known, because the release cannot be read.
    #[error("what is generated for {release} is not known: {why}")]
    NotRead {
        /// Pull spec of the release image.
        release: String,
        /// Why it cannot be read.
        why: String,
        /// Whether it is more than a moment's trouble.
        blocking: bool,
    },
    /// Its sources cannot be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// Whether it may be rolled out is unknown.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// It must not be rolled out.
    #[error("{}", .0.message)]
    Inhibited(Inhibitor),
    /// The labels of an OS image decide, and it cannot be read.
    #[error("pool {pool}: failed to inspect OS image for stream class: {why}")]
    UnknownImage {
        /// The pool.
        pool: String,
        /// Why it cannot be read.
        why: String,
    },
}

impl RenderFailure {
    /// The reason, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Mismatch(_) => mismatch::CODE,
            Self::OtherBuild(_) => OTHER_BUILD,
            Self::Unreadable(_) => unreadable::CODE,
            Self::Gates(_) => "FeatureGatesUnknown",
            Self::BeingMade => BEING_MADE,
            Self::NoImages => "NoImages",
            Self::Components(error) => error.code(),
            Self::Stream(error) => error.code(),
            Self::NotMade(..) | Self::NotRead { .. } => NOT_MADE,
            Self::Render(error) => error.code(),
            Self::Guard(_) => "DropinUnreadable",
            Self::Inhibited(inhibitor) => inhibitor.id,
            Self::UnknownImage { .. } => "OSImageUnknown",
        }
    }

    /// Kind and name of the objects that have to change; none where no user has to change anything, or where it is not known what.
    #[must_use]
    pub fn objects(&self, pool: &MachineConfigPool) -> Vec<(&'static str, String)> {
        let own = || ("MachineConfigPool", pool.metadata.name.clone().unwrap_or_default());
        let config = |name: &str| ("MachineConfig", name.to_owned());
        match self {
            Self::Components(NotRendered::SettingsNotComplete { object, .. }) => object.iter().cloned().collect(),
            Self::Components(NotRendered::SelectingAll | NotRendered::Selector(_) | NotRendered::Nothing(_))
            | Self::Render(RenderError::NoConfigs { .. }) => vec![own()],
            Self::Stream(StreamError::NotAvailable { origin, .. }) => vec![match origin {
                NamedIn::Pool => own(),
                NamedIn::Worker => ("MachineConfigPool", WORKER.to_owned()),
                NamedIn::Default => ("OSImageStream", CLUSTER.to_owned()),
            }],
            Self::Render(error @ RenderError::StreamConflict { .. }) => {
                error.configs().into_iter().map(config).chain([own()]).collect()
            }
            Self::Render(error) => error.configs().into_iter().map(config).collect(),
            Self::Guard(error) => error.from.config().map(config).into_iter().collect(),
            Self::Inhibited(inhibitor) => {
                inhibitor.evidence.iter().filter_map(|seen| seen.object.config()).map(config).collect()
            }
            Self::Mismatch(_)
            | Self::OtherBuild(_)
            | Self::Unreadable(_)
            | Self::Gates(_)
            | Self::BeingMade
            | Self::NoImages
            | Self::Components(NotRendered::NotComplete(_))
            | Self::Stream(_)
            | Self::NotMade(..)
            | Self::NotRead { .. }
            | Self::UnknownImage { .. } => Vec::new(),
        }
    }

    /// The pool's condition.
    #[must_use]
    pub fn message(&self, pool: &MachineConfigPool) -> String {
        match self {
            Self::Render(error) => error.condition_message(pool),
            Self::Components(waited @ NotRendered::NotComplete(_)) => {
                format!(
                    "{waited}; whoever makes MachineConfigs of the templates completes it, see clusteroperator {CLUSTER_OPERATOR}; {KEPT}"
                )
            }
            Self::Components(waited @ NotRendered::SettingsNotComplete { .. }) => format!("{waited}; {KEPT}"),
            waited if !waited.is_failure() => waited.to_string(),
            other => format!("{}{other}", failed(pool.metadata.name.as_deref().unwrap_or_default())),
        }
    }

    /// Whether the pool is degraded because of it; otherwise it waits for something that is still being written (R-FAILURE-1).
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Components(error) => error.is_failure(),
            Self::BeingMade => false,
            Self::NotRead { blocking, .. } => *blocking,
            Self::Mismatch(_)
            | Self::OtherBuild(_)
            | Self::Unreadable(_)
            | Self::Gates(_)
            | Self::NoImages
            | Self::Stream(_)
            | Self::NotMade(..)
            | Self::Render(_)
            | Self::Guard(_)
            | Self::Inhibited(_)
            | Self::UnknownImage { .. } => true,
        }
    }

    /// Whether an OS image that cannot be read is the cause, whose end no watched change announces.
    #[must_use]
    pub fn is_of_image(&self) -> bool {
        matches!(self, Self::UnknownImage { .. })
    }

    /// Whether it waits for the pool's user although nothing is wrong with it.
    #[must_use]
    pub fn is_of_user(&self) -> bool {
        matches!(self, Self::Components(NotRendered::SelectingAll))
    }
}

/// The beginning of a failure's message.
fn failed(pool: &str) -> String {
    format!("Failed to render configuration for pool {pool}: ")
}

/// That another build manages the cluster, as the controllers report it on the pools (R-FAILURE-2).
#[must_use]
pub fn other_build(pools: &[PoolView<'_>]) -> Option<String> {
    let (pool, held) = held(pools, OTHER_BUILD)?;
    Some(held.message.strip_prefix(&failed(pool.name)).unwrap_or(&held.message).to_owned())
}

/// Whether the controllers report on a pool that the OSImageStream is being made (R-FAILURE-2).
#[must_use]
pub fn is_being_made(pools: &[PoolView<'_>]) -> bool {
    held(pools, BEING_MADE).is_some()
}

/// The first pool, not being deleted, whose condition has this reason.
fn held<'p>(pools: &'p [PoolView<'_>], reason: &str) -> Option<(&'p PoolView<'p>, &'p Condition)> {
    let held = |pool: &'p PoolView<'_>| Some((pool, find(pool.conditions(), RENDER_DEGRADED)?));
    pools.iter().filter(|pool| !pool.deleting).filter_map(held).find(|(_, held)| held.reason == reason)
}
