//! Events and figures of builds.
//!
//! R-TOLD-1 An event for each step, on the object that it is about, in the words of the reference. A failure adds its
//! cause.
//! R-TOLD-2 A figure for each pool and state; of the states of a build exactly one is 1.
//! R-TOLD-3 Each end of a build is counted once, and each build that begins adds one to those under way and each that ends
//! takes one off. (The reference counts failures again with every try to write them, and beginnings twice.)
//!
//! Source: `pkg/controller/build/metrics.go` and the events of `pkg/controller/build` of
//! github.com/openshift/machine-config-operator.

use super::conditions::State;

/// Longest cause in an event, which holds 1024 bytes (`pkg/apis/core/validation` of github.com/kubernetes/kubernetes).
const LONGEST_CAUSE: usize = 800;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A build begins.
    Started {
        /// The pool.
        pool: String,
        /// The rendered MachineConfig.
        config: String,
    },
    /// Its Job is made.
    Preparing {
        /// The pool.
        pool: String,
    },
    /// Its Job runs.
    Building,
    /// Its pod does not start.
    NotStarting {
        /// What keeps it from that.
        why: String,
    },
    /// It succeeded.
    Completed {
        /// Pull spec with digest.
        image: String,
    },
    /// It failed.
    Failed {
        /// The build.
        build: String,
        /// Which step failed, and what it last printed.
        why: String,
    },
    /// It was interrupted.
    Interrupted {
        /// By what.
        why: String,
    },
    /// It was deleted.
    Deleted,
    /// What its Job did.
    Job(JobStep, String),
    /// A change of the MachineOSConfig was reconciled.
    Reconciled,
    /// It could not be.
    NotReconciled {
        /// Why.
        why: String,
    },
    /// Somebody asked for a build.
    RebuildRequested,
    /// The MachineOSConfig is deleted.
    ConfigDeleted {
        /// The MachineOSConfig.
        config: String,
    },
    /// The pool is degraded because of its build.
    Degraded {
        /// The pool.
        pool: String,
    },
    /// It has recovered.
    Recovered {
        /// The pool.
        pool: String,
    },
    /// The pool is rendered to something else.
    PoolChanged {
        /// What it was.
        from: String,
        /// What it is.
        to: String,
    },
}

/// What a Job did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStep {
    /// It was made.
    Created,
    /// It runs.
    Started,
    /// It is done.
    Completed,
    /// It was deleted.
    Deleted,
    /// It failed.
    Failed,
}

/// Kind of the object that an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The MachineOSBuild.
    Build,
    /// The MachineOSConfig.
    Config,
    /// The pool.
    Pool,
}

impl Told {
    /// A word for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Started { .. } => "BuildStarted",
            Self::Preparing { .. } => "BuildPreparing",
            Self::Building => "BuildBuilding",
            Self::NotStarting { .. } => "BuildNotStarting",
            Self::Completed { .. } => "BuildCompleted",
            Self::Failed { .. } => "BuildFailed",
            Self::Interrupted { .. } => "BuildInterrupted",
            Self::Deleted => "BuildDeleted",
            Self::Job(JobStep::Created, _) => "JobCreated",
            Self::Job(JobStep::Started, _) => "JobStarted",
            Self::Job(JobStep::Completed, _) => "JobCompleted",
            Self::Job(JobStep::Deleted, _) => "JobDeleted",
            Self::Job(JobStep::Failed, _) => "JobFailed",
            Self::Reconciled => "ConfigReconciled",
            Self::NotReconciled { .. } => "ConfigReconcileFailed",
            Self::RebuildRequested => "RebuildRequested",
            Self::ConfigDeleted { .. } => "ConfigDeleted",
            Self::Degraded { .. } => "BuildDegraded",
            Self::Recovered { .. } => "BuildRecovered",
            Self::PoolChanged { .. } => "PoolConfigChanged",
        }
    }

    /// What it is about.
    #[must_use]
    pub fn about(&self) -> About {
        match self {
            Self::Reconciled
            | Self::NotReconciled { .. }
            | Self::RebuildRequested
            | Self::ConfigDeleted { .. }
            | Self::Degraded { .. }
            | Self::Recovered { .. } => About::Config,
            Self::PoolChanged { .. } => About::Pool,
            _ => About::Build,
        }
    }

    /// Whether somebody should look.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::NotStarting { .. }
                | Self::Failed { .. }
                | Self::Interrupted { .. }
                | Self::Job(JobStep::Failed, _)
                | Self::NotReconciled { .. }
                | Self::Degraded { .. }
        )
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const DETAILS: &str = "see MachineOSBuild";
        match self {
            Self::Started { pool, config } => write!(f, "Started build for pool {pool:?} with config {config:?}"),
            Self::Preparing { pool } => write!(f, "Preparing build: creating build job for pool {pool:?}"),
            Self::Building => f.write_str("Build is now in progress"),
            Self::NotStarting { why } => write!(f, "Build does not start: {}", beginning(why)),
            Self::Completed { image } => write!(f, "Build completed successfully, image: {image}"),
            Self::Failed { build, why } => {
                write!(f, "Build failed; {DETAILS} {build:?} status conditions for details: {}", beginning(why))
            }
            Self::Interrupted { why } => write!(f, "Build interrupted: {why}"),
            Self::Deleted => f.write_str("Build deleted: build resources removed"),
            Self::Job(JobStep::Created, job) => write!(f, "Created build job: {job}"),
            Self::Job(JobStep::Started, job) => write!(f, "Build job started: {job}"),
            Self::Job(JobStep::Completed, job) => write!(f, "Build job completed: {job}"),
            Self::Job(JobStep::Deleted, job) => write!(f, "Build job deleted: {job}"),
            Self::Job(JobStep::Failed, job) => {
                let build = job.strip_prefix("build-").unwrap_or(job);
                write!(f, "Build job {job:?} failed; {DETAILS} {build:?} status conditions for details")
            }
            Self::Reconciled => {
                f.write_str("MachineOSConfig spec change detected and reconciled: new build created or reused")
            }
            Self::NotReconciled { why } => write!(f, "Failed to reconcile MachineOSConfig spec change: {why}"),
            Self::RebuildRequested => f.write_str("Rebuild requested: rebuild annotation applied"),
            Self::ConfigDeleted { config } => {
                write!(f, "MachineOSConfig {config:?} deleted, removing associated builds")
            }
            Self::Degraded { pool } => {
                write!(f, "Build for pool {pool:?} degraded; {DETAILS} status conditions for details")
            }
            Self::Recovered { pool } => write!(f, "Build for pool {pool:?} recovered from degraded state"),
            Self::PoolChanged { from, to } => write!(f, "Rendered config changed from {from} to {to}"),
        }
    }
}

/// As much of a text as an event holds.
fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_CAUSE)]
}

/// A figure: its name, what kind it is, and its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Name.
    pub name: &'static str,
    /// Kind.
    pub kind: FigureKind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
}

/// What a figure does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureKind {
    /// Goes up and down.
    Gauge,
    /// Goes up.
    Counter,
    /// Counts by size, with these bounds in seconds.
    Histogram(&'static [u32]),
}

const POOL: &[&str] = &["pool"];
const POOL_STATE: &[&str] = &["pool", "state"];

const fn figure(name: &'static str, kind: FigureKind, labels: &'static [&'static str]) -> Figure {
    Figure { name, kind, labels }
}

/// The figures.
pub const FIGURES: [Figure; 17] = [
    figure("ocl_build_state", FigureKind::Gauge, POOL_STATE),
    figure(
        "ocl_build_duration_seconds",
        FigureKind::Histogram(&[60, 180, 300, 600, 900, 1200, 1800, 2400, 3000, 3600]),
        POOL_STATE,
    ),
    figure("ocl_build_start_timestamp_seconds", FigureKind::Gauge, POOL),
    figure("ocl_build_end_timestamp_seconds", FigureKind::Gauge, POOL_STATE),
    figure("ocl_build_total", FigureKind::Counter, POOL_STATE),
    figure("ocl_build_job_state", FigureKind::Gauge, POOL_STATE),
    figure("ocl_config_change_total", FigureKind::Counter, POOL),
    figure("ocl_build_retries_total", FigureKind::Counter, POOL),
    figure("ocl_layered_nodes_count", FigureKind::Gauge, POOL),
    figure("ocl_image_push_state", FigureKind::Gauge, POOL_STATE),
    figure("ocl_image_push_total", FigureKind::Counter, POOL_STATE),
    figure("ocl_rollout_updated_nodes", FigureKind::Gauge, POOL),
    figure("ocl_rollout_total_nodes", FigureKind::Gauge, POOL),
    figure("ocl_build_queue_duration_seconds", FigureKind::Histogram(&[5, 15, 30, 60, 120, 300, 600]), POOL),
    figure("ocl_image_push_duration_seconds", FigureKind::Histogram(&[10, 30, 60, 120, 180, 300, 600]), POOL_STATE),
    figure("ocl_active_builds", FigureKind::Gauge, POOL),
    figure("mco_mosc_count", FigureKind::Gauge, &[]),
];

/// A build's state as the label `state`.
#[must_use]
pub fn state_label(state: State) -> &'static str {
    match state {
        State::Initial | State::Prepared => "pending",
        State::Building => "building",
        State::Failed => "failed",
        State::Interrupted => "interrupted",
        State::Succeeded => "succeeded",
    }
}

/// What a change of a build's state adds to the number of builds under way: one, none, or one less.
#[must_use]
pub fn under_way(old: State, new: State) -> i64 {
    i64::from(new.is_transient()) - i64::from(old.is_transient())
}

/// Whether a change of a build's state is an end that is counted.
#[must_use]
pub fn is_end(old: State, new: State) -> bool {
    !old.is_final() && new.is_final()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_in_the_words_of_the_reference() {
        let text = |text: &str| text.to_owned();
        for (told, about, warning, said) in [
            (
                Told::Started { pool: text("p"), config: text("c") },
                About::Build,
                false,
                "BuildStarted: Started build for pool \"p\" with config \"c\"",
            ),
            (
                Told::Failed { build: text("b"), why: text("STEP 3: RUN false") },
                About::Build,
                true,
                "BuildFailed: Build failed; see MachineOSBuild \"b\" status conditions for details: STEP 3: RUN false",
            ),
            (
                Told::NotStarting { why: text("pod p has no node: Unschedulable") },
                About::Build,
                true,
                "BuildNotStarting: Build does not start: pod p has no node: Unschedulable",
            ),
            (
                Told::Job(JobStep::Failed, text("build-b")),
                About::Build,
                true,
                "JobFailed: Build job \"build-b\" failed; see MachineOSBuild \"b\" status conditions for details",
            ),
            (
                Told::Job(JobStep::Created, text("build-b")),
                About::Build,
                false,
                "JobCreated: Created build job: build-b",
            ),
            (
                Told::Degraded { pool: text("p") },
                About::Config,
                true,
                "BuildDegraded: Build for pool \"p\" degraded; see MachineOSBuild status conditions for details",
            ),
            (
                Told::ConfigDeleted { config: text("m") },
                About::Config,
                false,
                "ConfigDeleted: MachineOSConfig \"m\" deleted, removing associated builds",
            ),
            (
                Told::PoolChanged { from: text("a"), to: text("b") },
                About::Pool,
                false,
                "PoolConfigChanged: Rendered config changed from a to b",
            ),
        ] {
            assert_eq!(
                (told.about(), told.is_warning(), format!("{}: {told}", told.code()).as_str()),
                (about, warning, said)
            );
        }
    }

    #[test]
    fn each_build_is_counted_once() {
        let way = [State::Initial, State::Prepared, State::Building, State::Failed, State::Failed];
        let steps = || way.windows(2).map(|pair| (pair[0], pair[1]));
        assert_eq!(steps().map(|(old, new)| under_way(old, new)).collect::<Vec<_>>(), [1, 0, -1, 0]);
        assert_eq!(steps().filter(|(old, new)| is_end(*old, *new)).count(), 1);
        let names: std::collections::BTreeSet<_> = FIGURES.iter().map(|figure| figure.name).collect();
        assert_eq!(names.len(), FIGURES.len());
        assert_eq!(state_label(State::Prepared), "pending");
    }
}
