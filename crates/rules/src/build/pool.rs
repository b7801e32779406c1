//! What a pool says of its build.
//!
//! R-IMAGEBUILD-1 The build that counts is the one that the MachineOSConfig names; else the one that is under way, else the
//! newest.
//! R-IMAGEBUILD-2 A failed build degrades the pool, with the words of the build: which step failed, and what it last
//! printed.
//! R-IMAGEBUILD-3 A new build clears it at once: whoever fixed something sees that it is being tried.
//! R-IMAGEBUILD-4 An interrupted build, or one that has not started, changes nothing: the last outcome stands.
//! R-IMAGEBUILD-5 What cannot work (R-LIMITS, R-VALIDATION, R-EXTENSIONS) degrades the pool as well, until it is changed;
//! no build starts.
//! R-IMAGEBUILD-6 A build whose pod does not start, or cannot be made (R-PENDING), degrades the pool, in the words of what keeps it
//! from that, until it starts.
//! R-IMAGEBUILD-7 The build controller says on the pool that a build failed or does not start, what is refused, and that this is over.
//! The rest is part of the pool's status, which the rollout writes.
//!
//! Source: `pkg/controller/build/osbuildcontroller.go` of github.com/openshift/machine-config-operator.

use super::{conditions::State, outcome::pending_of};
use crate::view::{Annotations, PoolView};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use weir_api::{
    MachineOSBuild, MachineOSConfig,
    condition::{ConditionStatus, ConditionType, FALSE, MetaCondition, TRUE},
    keys::{
        build::CURRENT_BUILD,
        os_build::{BUILDING, FAILED, PREPARED},
        pool::IMAGE_BUILD_DEGRADED,
    },
};

/// Reason of ImageBuildDegraded while nothing can be begun.
pub const REFUSED: &str = "BuildRefused";
/// Reason of ImageBuildDegraded while a pod that is to build does not start.
pub const NOT_STARTING: &str = "BuildNotStarting";

/// What the pool is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageBuild {
    /// The image is there.
    Succeeded {
        /// The pool.
        pool: String,
    },
    /// A build has begun.
    Building {
        /// The pool.
        pool: String,
    },
    /// A build has begun, and its pod does not start.
    NotStarting {
        /// The pool.
        pool: String,
        /// The build.
        build: String,
        /// What keeps the pod from that.
        why: String,
    },
    /// A build failed.
    Failed {
        /// The pool.
        pool: String,
        /// The build.
        build: String,
        /// Reason and message of its condition.
        why: String,
    },
    /// Nothing can be begun.
    Refused {
        /// The pool.
        pool: String,
        /// Everything that is wrong.
        why: String,
    },
}

/// The build that counts (R-IMAGEBUILD-1).
#[must_use]
pub fn active<'a>(config: &MachineOSConfig, builds: &[&'a MachineOSBuild]) -> Option<&'a MachineOSBuild> {
    let current = Annotations::of(&config.metadata).filled(CURRENT_BUILD);
    let named = || builds.iter().find(|build| current.is_some() && build.metadata.name.as_deref() == current);
    let under_way = || builds.iter().find(|build| State::of(build).is_transient());
    named().or_else(under_way).or_else(|| builds.iter().max_by_key(age)).copied()
}

/// Orders builds by when they were made; of the same moment by name.
pub(super) fn age(build: &&&MachineOSBuild) -> (Option<Time>, Option<String>) {
    (build.metadata.creation_timestamp.clone(), build.metadata.name.clone())
}

/// What the pool is to say of its active build; absent when it stays as it is.
#[must_use]
pub fn image_build(pool: &str, active: Option<&MachineOSBuild>) -> Option<ImageBuild> {
    let pool = pool.to_owned();
    let Some(build) = active else { return Some(ImageBuild::Succeeded { pool }) };
    match State::of(build) {
        State::Succeeded => Some(ImageBuild::Succeeded { pool }),
        State::Prepared | State::Building => Some(match not_starting(build) {
            Some(why) => ImageBuild::NotStarting { pool, build: name_of(build), why: why.to_owned() },
            None => ImageBuild::Building { pool },
        }),
        State::Failed => {
            let why = says(build, FAILED).map(|condition| format!("{}: {}", condition.reason, condition.message));
            Some(ImageBuild::Failed { pool, build: name_of(build), why: why.unwrap_or_default() })
        }
        State::Initial | State::Interrupted => None,
    }
}

/// What keeps the pod of a build from starting, in the build's words; absent while nothing does.
#[must_use]
pub fn not_starting(build: &MachineOSBuild) -> Option<&str> {
    let said = says(build, BUILDING).or_else(|| says(build, PREPARED));
    said.and_then(|condition| pending_of(&condition.message))
}

/// The condition of this type, if it is True.
fn says<'a>(build: &'a MachineOSBuild, type_: &str) -> Option<&'a MetaCondition> {
    let said = build.status.iter().flat_map(|status| status.conditions.iter().flatten());
    said.into_iter().find(|condition| condition.type_ == type_ && condition.status == TRUE)
}

fn name_of(build: &MachineOSBuild) -> String {
    build.metadata.name.clone().unwrap_or_default()
}

/// What the build controller says on the pool of the active build; absent if it says nothing (R-IMAGEBUILD-7).
#[must_use]
pub fn said_by_builder(pool: &PoolView<'_>, active: Option<&MachineOSBuild>) -> Option<ImageBuild> {
    let is_ours = || pool.says(IMAGE_BUILD_DEGRADED).is_some_and(|held| is_of_builder(&held.reason));
    match image_build(pool.name, active) {
        Some(said @ (ImageBuild::Failed { .. } | ImageBuild::NotStarting { .. })) => Some(said),
        _ if is_ours() => Some(ImageBuild::Building { pool: pool.name.to_owned() }),
        _ => None,
    }
}

/// Whether ImageBuildDegraded with this reason is for the build controller to clear: the build that is there does not tell by its state
/// alone that it is over.
#[must_use]
pub fn is_of_builder(reason: &str) -> bool {
    [REFUSED, NOT_STARTING].contains(&reason)
}

impl ImageBuild {
    /// Type of the condition.
    pub const TYPE: ConditionType = IMAGE_BUILD_DEGRADED;

    /// Status of the condition.
    #[must_use]
    pub fn status(&self) -> ConditionStatus {
        match self {
            Self::Succeeded { .. } | Self::Building { .. } => FALSE,
            Self::NotStarting { .. } | Self::Failed { .. } | Self::Refused { .. } => TRUE,
        }
    }

    /// A word for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Succeeded { .. } => "BuildSuccess",
            Self::Building { .. } => "Building",
            Self::NotStarting { .. } => NOT_STARTING,
            Self::Failed { .. } => "BuildFailed",
            Self::Refused { .. } => REFUSED,
        }
    }
}

impl std::fmt::Display for ImageBuild {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Succeeded { pool } => write!(f, "Build succeeded for pool {pool}"),
            Self::Building { pool } => write!(f, "Build started for pool {pool}"),
            Self::NotStarting { pool, build, why } => {
                write!(f, "The build of the OS image for pool {pool} does not start (MachineOSBuild: {build}): {why}")
            }
            Self::Failed { pool, build, why } => {
                write!(f, "Failed to build OS image for pool {pool} (MachineOSBuild: {build}): {why}")
            }
            Self::Refused { pool, why } => write!(f, "No OS image is built for pool {pool}: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            conditions::conditions,
            outcome::{still_building, still_prepared},
        },
        *,
    };
    use jiff::Timestamp;
    use weir_api::{
        Condition, MachineConfigPool,
        machine_os_build::{MachineOSBuildSpec, MachineOSBuildStatus},
        machine_os_config::MachineOSConfigSpec,
    };

    fn build(name: &str, state: State, second: i64) -> MachineOSBuild {
        let mut build = MachineOSBuild::named(name, MachineOSBuildSpec::default());
        build.metadata.creation_timestamp = Some(Time(Timestamp::from_second(second).unwrap()));
        let conditions = Some(conditions(&[], state, None, Timestamp::UNIX_EPOCH));
        build.status = Some(MachineOSBuildStatus { conditions, ..Default::default() });
        build
    }

    #[test]
    fn the_named_build_counts_then_the_one_under_way_then_the_newest() {
        let mut config = MachineOSConfig::named("worker", MachineOSConfigSpec::default());
        let (old, running, new) =
            (build("old", State::Failed, 1), build("running", State::Building, 2), build("new", State::Succeeded, 3));
        let name = |config: &MachineOSConfig, builds: &[&MachineOSBuild]| {
            active(config, builds).map(|build| build.metadata.name.clone().unwrap())
        };
        assert_eq!(name(&config, &[&old, &running, &new]).as_deref(), Some("running"));
        assert_eq!(name(&config, &[&new, &old]).as_deref(), Some("new"));
        assert_eq!(name(&config, &[]), None);
        config.metadata.annotations = Some([(CURRENT_BUILD.to_owned(), "old".to_owned())].into());
        assert_eq!(name(&config, &[&new, &old]).as_deref(), Some("old"));
        config.metadata.annotations = Some([(CURRENT_BUILD.to_owned(), "gone".to_owned())].into());
        assert_eq!(name(&config, &[&new, &old]).as_deref(), Some("new"));
    }

    #[test]
    fn the_pool_says_what_its_build_says() {
        let said = |state: Option<State>| {
            let build = state.map(|state| build("b", state, 1));
            image_build("p", build.as_ref()).map(|said| format!("{} {} {said}", said.status(), said.code()))
        };
        let well = Some("False BuildSuccess Build succeeded for pool p".to_owned());
        assert_eq!((said(None), said(Some(State::Succeeded))), (well.clone(), well));
        let begun = Some("False Building Build started for pool p".to_owned());
        assert_eq!((said(Some(State::Prepared)), said(Some(State::Building))), (begun.clone(), begun));
        let failed = "True BuildFailed Failed to build OS image for pool p (MachineOSBuild: b): Failed: Build Failed";
        assert_eq!(said(Some(State::Failed)).as_deref(), Some(failed));
        assert_eq!((said(Some(State::Initial)), said(Some(State::Interrupted))), (None, None));
        let refused = ImageBuild::Refused { pool: "p".into(), why: "w".into() };
        assert_eq!((refused.status(), refused.to_string().as_str()), (TRUE, "No OS image is built for pool p: w"));
    }

    #[test]
    fn a_build_that_does_not_start_degrades_its_pool_until_it_does() {
        let mut stuck = build("b", State::Building, 1);
        let why = still_building(None, Some("pod p has no node: Unschedulable"));
        let said = conditions(&[], State::Building, why.as_deref(), Timestamp::UNIX_EPOCH);
        stuck.status.get_or_insert_default().conditions = Some(said);
        let said = image_build("p", Some(&stuck)).unwrap();
        assert_eq!((said.status(), said.code()), (TRUE, NOT_STARTING));
        assert!(said.to_string().ends_with("(MachineOSBuild: b): pod p has no node: Unschedulable"), "{said}");
        let pool = degraded(NOT_STARTING);
        assert_eq!(said_by_builder(&PoolView::new(&pool), Some(&stuck)).map(|said| said.code()), Some(NOT_STARTING));
        let why = still_prepared(Some("Job b gets no pod: FailedCreate: no"));
        let mut refused = build("b", State::Prepared, 1);
        let said = conditions(&[], State::Prepared, why.as_deref(), Timestamp::UNIX_EPOCH);
        refused.status.get_or_insert_default().conditions = Some(said);
        assert_eq!(not_starting(&refused), Some("Job b gets no pod: FailedCreate: no"));
        let started = build("b", State::Building, 1);
        assert_eq!(said_by_builder(&PoolView::new(&pool), Some(&started)).map(|said| said.code()), Some("Building"));
    }

    fn degraded(reason: &str) -> MachineConfigPool {
        let held = Condition {
            type_: IMAGE_BUILD_DEGRADED.into(),
            status: TRUE.into(),
            reason: reason.to_owned(),
            ..Condition::default()
        };
        let mut pool = MachineConfigPool::named("p", Default::default());
        pool.status.get_or_insert_default().conditions = Some(vec![held]);
        pool
    }

    #[test]
    fn the_builder_says_what_failed_and_that_nothing_is_refused_any_more() {
        let said = |reason: &str, active: Option<State>| {
            let active = active.map(|state| build("b", state, 1));
            said_by_builder(&PoolView::new(&degraded(reason)), active.as_ref()).map(|said| said.code())
        };
        assert_eq!(said("Another", Some(State::Failed)), Some("BuildFailed"));
        assert_eq!(said(REFUSED, Some(State::Failed)), Some("BuildFailed"));
        for active in [None, Some(State::Building), Some(State::Succeeded), Some(State::Initial)] {
            assert_eq!((said(REFUSED, active), said("BuildFailed", active)), (Some("Building"), None), "{active:?}");
        }
    }
}
