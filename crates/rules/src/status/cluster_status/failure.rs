//! Failures, in the order in which they are reported.

use crate::{
    objects::counted::Count,
    status::required::Required,
    view::{PoolView, unreadable},
};
use jiff::Timestamp;
use std::fmt;
use weir_api::{
    condition::ConditionType,
    keys::pool::{DISTRIBUTION_MISMATCH, GENERATED_CONFIGS_STALE, OS_IMAGE_STREAM_NOT_MADE, SETTINGS_REFUSED},
};

/// A failure, worded in one place and printed everywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Evidence contradicts the distribution that was chosen; nothing is rolled out.
    DistributionMismatch {
        /// The contradicting evidence, as clauses.
        contradictions: Vec<String>,
    },
    /// The stream catalogue could not be made.
    Catalog {
        /// Which image, why, and when it is retried: [`catalog_said`].
        said: String,
    },
    /// Objects are unreadable.
    Unreadable {
        /// Which, why, and what to do.
        said: String,
    },
    /// A part of the operator's own work failed.
    Work {
        /// Which part.
        task: Task,
        /// Why.
        why: String,
    },
    /// A required pool is stuck.
    RequiredPools {
        /// Why.
        why: String,
    },
    /// What another operator generated no longer matches, and nothing generates it again.
    GeneratedStale {
        /// The pools' messages, each with its name.
        pools: Vec<(String, String)>,
    },
    /// Nothing can be generated from settings that concern pools.
    SettingsRefused {
        /// The pools' messages, each with its name.
        pools: Vec<(String, String)>,
    },
}

/// Maximum number of pools in a message.
const QUOTED: usize = 3;

/// Parts of the operator's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// Reading the cluster's configuration.
    RenderConfig,
    /// The MachineConfiguration's status.
    MachineConfiguration,
    /// The MachineConfigNodes.
    MachineConfigNode,
    /// The built-in pools.
    MachineConfigPools,
    /// The ControllerConfig and what the controllers need.
    MachineConfigController,
    /// What the builder of OS images needs.
    MachineOsBuilder,
}

impl Failure {
    pub(super) const REQUIRED_POOLS: &str = "RequiredPoolsFailed";

    pub(super) fn of_required(required: &Required) -> Option<Self> {
        match required {
            Required::Failed { why } => Some(Self::RequiredPools { why: why.clone() }),
            Required::Done | Required::Waiting { .. } => None,
        }
    }

    /// Failures of the cluster as a whole that the controllers report on the pools: a separate process has no other way to
    /// know. Pools that are being deleted are ignored.
    #[must_use]
    pub fn of_pools(pools: &[PoolView<'_>]) -> Option<Self> {
        let pools = || pools.iter().filter(|pool| !pool.deleting);
        let said = |type_| pools().find_map(|pool| pool.says(type_)).map(|held| held.message.clone());
        let mismatch = said(DISTRIBUTION_MISMATCH);
        mismatch
            .map(|said| Self::DistributionMismatch { contradictions: vec![said] })
            .or_else(|| said(OS_IMAGE_STREAM_NOT_MADE).map(|said| Self::Catalog { said }))
    }

    /// The pools' messages about generated MachineConfigs that no longer match, or that cannot be made, if any.
    #[must_use]
    pub fn of_generated(pools: &[PoolView<'_>]) -> Option<Self> {
        let stale = said_by(pools, GENERATED_CONFIGS_STALE).map(|pools| Self::GeneratedStale { pools });
        stale.or_else(|| said_by(pools, SETTINGS_REFUSED).map(|pools| Self::SettingsRefused { pools }))
    }

    /// Its rank among all failures: the first is reported.
    #[must_use]
    pub fn order(&self) -> (u8, Option<Task>) {
        match self {
            Self::DistributionMismatch { .. } => (0, None),
            Self::Catalog { .. } => (1, None),
            Self::Unreadable { .. } => (2, None),
            Self::Work { task, .. } => (3, Some(*task)),
            Self::RequiredPools { .. } => (4, None),
            Self::GeneratedStale { .. } => (5, None),
            Self::SettingsRefused { .. } => (6, None),
        }
    }

    /// Reason of the condition.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::DistributionMismatch { .. } => "DistributionMismatch",
            Self::Catalog { .. } => "OSImageStreamFailed",
            Self::Unreadable { .. } => unreadable::CODE,
            Self::Work { task: Task::RenderConfig, .. } => "RenderConfigFailed",
            Self::Work { task: Task::MachineConfiguration, .. } => "MachineConfigurationFailed",
            Self::Work { task: Task::MachineConfigNode, .. } => "MachineConfigNodeFailed",
            Self::Work { task: Task::MachineConfigPools, .. } => "MachineConfigPoolsFailed",
            Self::Work { task: Task::MachineConfigController, .. } => "MachineConfigControllerFailed",
            Self::Work { task: Task::MachineOsBuilder, .. } => "MachineOSBuilderFailed",
            Self::RequiredPools { .. } => Self::REQUIRED_POOLS,
            Self::GeneratedStale { .. } => GENERATED_CONFIGS_STALE.name(),
            Self::SettingsRefused { .. } => SETTINGS_REFUSED.name(),
        }
    }
}

/// Name and message of the pools with this condition; absent if there are none.
fn said_by(pools: &[PoolView<'_>], type_: ConditionType) -> Option<Vec<(String, String)>> {
    let said = |pool: &PoolView<'_>| Some((pool.name.to_owned(), pool.says(type_)?.message.clone()));
    let said: Vec<_> = pools.iter().filter_map(said).collect();
    (!said.is_empty()).then_some(said)
}

/// Why the OSImageStream could not be made from a release image, and when it is retried; `None` for not without a change.
#[must_use]
pub fn catalog_said(release: &str, why: &str, next: Option<Timestamp>) -> String {
    let next = next.map_or_else(
        || "it is tried again when the release or the access to it changes".to_owned(),
        |next| format!("next attempt at {next:.0}"),
    );
    format!("{}{why}; {next}", not_made(release))
}

/// Whether this message is [`catalog_said`] of the release.
#[must_use]
pub fn is_said_of(said: &str, release: &str) -> bool {
    said.starts_with(&not_made(release))
}

fn not_made(release: &str) -> String {
    format!("the OSImageStream could not be made from {release}: ")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DistributionMismatch { contradictions } => write!(
                f,
                "{}; no rollout starts until the distribution is given with --distribution or the contradiction is gone",
                contradictions.join("; ")
            ),
            Self::Catalog { said } | Self::Unreadable { said } => f.write_str(said),
            Self::Work { why, .. } | Self::RequiredPools { why } => f.write_str(why),
            Self::GeneratedStale { pools } | Self::SettingsRefused { pools } => {
                let quoted: Vec<_> =
                    pools.iter().take(QUOTED).map(|(pool, said)| format!("pool {pool}: {said}")).collect();
                f.write_str(&quoted.join("; "))?;
                match pools.len().checked_sub(QUOTED) {
                    Some(more @ 1..) => write!(f, "; and {}", Count(more, "more pool")),
                    _ => Ok(()),
                }
            }
        }
    }
}
