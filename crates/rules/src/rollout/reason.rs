//! What a node can wait for. The wording exists only here, for conditions, events, `explain`, `status` and tests.

use crate::objects::counted::Count;
use crate::{
    rollout::halt::Halt,
    view::{DaemonState, DrainVerb, ImageWait, NodeReport, NodeView, Unreadiness},
};
use jiff::Timestamp;
use std::{fmt, sync::Arc};

/// At most this many nodes of a list are named.
const NAMED: usize = 5;

/// What a node waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// The node runs Windows.
    NotManaged,
    /// No pool's selector matches the node.
    NoPool,
    /// Several custom pools match the node.
    SeveralPools {
        /// Names of the pools.
        pools: Vec<String>,
    },
    /// The node's pool has an invalid node selector.
    PoolUnreadable {
        /// Name of the pool.
        pool: String,
    },
    /// The pool has no rendered configuration yet.
    PoolNotConfigured,
    /// The pool is being deleted.
    PoolDeleting,
    /// The pool is paused.
    PoolPaused,
    /// No node may start anywhere.
    Halted(Halt),
    /// The pool is in image mode, and the image for its nodes is not there.
    Image(ImageWait),
    /// The pool's target does not exist.
    ConfigMissing {
        /// Name of the MachineConfig.
        config: String,
    },
    /// The pool's `maxUnavailable` is neither a number nor a percentage.
    MaxUnavailable {
        /// What is wrong and what to write.
        why: String,
    },
    /// The pool's `maxUnavailable` allows nothing.
    NothingAllowed {
        /// Its value in nodes, less than 1.
        max: i64,
    },
    /// The topology has an arbiter, but there is no arbiter pool.
    NoArbiterPool,
    /// The arbiter is down, so no master may be taken down.
    ArbiterUnavailable {
        /// Name of the arbiter.
        node: String,
        /// Whether it is up, and failed on its way.
        failed: bool,
    },
    /// There is an arbiter pool in a topology without an arbiter, or without a control plane pool.
    NoArbiterTopology,
    /// The arbiter waits for the control plane.
    ControlPlaneFirst {
        /// Masters that are down, failing or about to move; 0 when their pool cannot move.
        masters: usize,
    },
    /// The node is being updated to what it was given.
    Updating {
        /// Name of the configuration it was given.
        config: String,
        /// What it is doing.
        step: Step,
        /// What blocks its drain; empty if nothing does.
        blocked: String,
    },
    /// The node failed on what it was given.
    Failing {
        /// Name of the configuration it was given.
        config: String,
        /// The daemon's message.
        why: String,
        /// Whether it had reached the target before and was changed later without the daemon.
        drifted: bool,
    },
    /// The node is not ready, so it is not taken down for an update.
    NotReady {
        /// What is wrong with it, e.g. `NotReady=Unknown`.
        what: String,
    },
    /// The node's daemon has not reported what it runs and that it is done.
    NotReported,
    /// The pool's target may still change.
    Settling {
        /// When it will have settled.
        until: Timestamp,
    },
    /// As many nodes as the pool allows are down.
    NoCapacity {
        /// Nodes that are down.
        unavailable: usize,
        /// Nodes that may be down.
        allowed: i64,
        /// The first of those that are down, as a list.
        who: Arc<str>,
    },
    /// Nodes that fail on the target use up what may be down.
    ConfigFailing {
        /// How many.
        failing: usize,
        /// The first of them, as a list.
        who: Arc<str>,
    },
    /// Other nodes go first.
    Queued {
        /// How many.
        ahead: usize,
    },
    /// The node runs the operator and other masters go first.
    RunsOperator,
    /// The node gets the labels of the custom pool it was booted into.
    Joining {
        /// Name of the pool.
        pool: String,
    },
}

/// How far an update is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The daemon has not begun.
    Told,
    /// The daemon works.
    Working,
    /// The daemon waits until the node is drained.
    Draining,
    /// The machine reboots.
    Rebooting,
    /// The daemon waits until the node is schedulable again.
    Uncordoning,
}

impl WaitReason {
    pub(super) fn not_ready(what: Unreadiness<'_>) -> Self {
        Self::NotReady { what: what.to_string() }
    }

    /// The step of an update, and when it began if that is recorded.
    pub(super) fn updating(
        node: &NodeView<'_>,
        config: String,
        report: Option<&NodeReport<'_>>,
    ) -> (Self, Option<Timestamp>) {
        let step = Step::of(node);
        let since = match step {
            Step::Rebooting => report.and_then(|r| r.rebooting_since),
            Step::Draining => node.drain_started,
            Step::Working => report.filter(|r| !r.updated).and_then(|r| r.updated_since),
            Step::Uncordoning | Step::Told => None,
        };
        let blocked = report.and_then(|r| r.blocked).filter(|_| step == Step::Draining).unwrap_or_default().to_owned();
        (Self::Updating { config, step, blocked }, since)
    }

    /// Whether it concerns the pool in general, so that a node's own state explains more.
    pub(super) fn is_general(&self) -> bool {
        matches!(self, Self::NoCapacity { .. } | Self::ConfigFailing { .. } | Self::Settling { .. })
    }

    /// Whether a node that waits for this still waits for the same as with `before`: the number of nodes ahead does not matter, but
    /// the step of an update does.
    pub(super) fn continues(&self, before: &Self) -> bool {
        match (self, before) {
            (Self::Updating { config, step, .. }, Self::Updating { config: told, step: was, .. }) => {
                (config, step) == (told, was)
            }
            (Self::Failing { config, .. }, Self::Failing { config: told, .. }) => config == told,
            (Self::Settling { until }, Self::Settling { until: was }) => until == was,
            _ => self.code() == before.code(),
        }
    }

    /// Whether it only reduces the number of nodes that may be down to nothing; the pool counts as able to move.
    pub(super) fn is_limit(&self) -> bool {
        matches!(self, Self::ArbiterUnavailable { .. } | Self::NothingAllowed { .. })
    }

    /// Whether it passes by itself, usually within moments, so that marks on nodes stay.
    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Halted(_)
                | Self::ConfigMissing { .. }
                | Self::ArbiterUnavailable { .. }
                | Self::ControlPlaneFirst { .. }
        )
    }

    /// Whether a user has to change the pool's spec, so that its status should report it.
    #[must_use]
    pub fn needs_user(&self) -> bool {
        if let Self::Image(wait) = self {
            return wait.needs_user();
        }
        matches!(
            self,
            Self::Halted(_)
                | Self::ConfigMissing { .. }
                | Self::MaxUnavailable { .. }
                | Self::NothingAllowed { .. }
                | Self::NoArbiterPool
        )
    }

    /// The reason in CamelCase, for metrics, JSON and events.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotManaged => "NotManaged",
            Self::NoPool => "NoPool",
            Self::SeveralPools { .. } => "SeveralPools",
            Self::PoolUnreadable { .. } => "PoolUnreadable",
            Self::PoolNotConfigured => "PoolNotConfigured",
            Self::PoolDeleting => "PoolDeleting",
            Self::PoolPaused => "PoolPaused",
            Self::Halted(_) => "Halted",
            Self::Image(wait) => wait.code(),
            Self::ConfigMissing { .. } => "ConfigMissing",
            Self::MaxUnavailable { .. } => "MaxUnavailableInvalid",
            Self::NothingAllowed { .. } => "NothingAllowed",
            Self::NoArbiterPool => "NoArbiterPool",
            Self::ArbiterUnavailable { .. } => "ArbiterUnavailable",
            Self::NoArbiterTopology => "NoArbiterTopology",
            Self::ControlPlaneFirst { .. } => "ControlPlaneFirst",
            Self::Updating { .. } => "Updating",
            Self::Failing { .. } => "Failing",
            Self::NotReady { .. } => "NotReady",
            Self::NotReported => "NotReported",
            Self::Settling { .. } => "Settling",
            Self::NoCapacity { .. } => "NoCapacity",
            Self::ConfigFailing { .. } => "ConfigFailing",
            Self::Queued { .. } => "Queued",
            Self::RunsOperator => "RunsOperator",
            Self::Joining { .. } => "Joining",
        }
    }

    /// The rule behind it.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::NotManaged => "R-MEMBER-1",
            Self::NoPool => "R-MEMBER-2",
            Self::SeveralPools { .. } => "R-MEMBER-4",
            Self::PoolUnreadable { .. } => "R-MEMBER-5",
            Self::PoolNotConfigured
            | Self::PoolDeleting
            | Self::PoolPaused
            | Self::Halted(_)
            | Self::ConfigMissing { .. } => "R-ROLLOUT-3",
            Self::Image(_) => "R-ROLLOUT-9",
            Self::MaxUnavailable { .. } => "R-MAX-4",
            Self::NothingAllowed { .. } => "R-MAX-3",
            Self::NoArbiterPool
            | Self::ArbiterUnavailable { .. }
            | Self::NoArbiterTopology
            | Self::ControlPlaneFirst { .. } => "R-ROLLOUT-7",
            Self::Updating { .. } | Self::Failing { .. } => "R-ROLLOUT-2",
            Self::NotReady { .. } | Self::NotReported | Self::NoCapacity { .. } | Self::ConfigFailing { .. } => {
                "R-ROLLOUT-4"
            }
            Self::Settling { .. } => "R-SETTLE-1",
            Self::Queued { .. } => "R-ROLLOUT-5",
            Self::RunsOperator => "R-ROLLOUT-6",
            Self::Joining { .. } => "R-ROLLOUT-8",
        }
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotManaged => f.write_str("runs Windows and is not managed here"),
            Self::NoPool => f.write_str("no pool's nodeSelector matches it; label it for one"),
            Self::SeveralPools { pools } => {
                write!(f, "custom pools {} all match it; change labels so that one does", pools.join(", "))
            }
            Self::PoolUnreadable { pool } => write!(f, "the nodeSelector of its pool {pool} is invalid; correct it"),
            Self::PoolNotConfigured => f.write_str("the pool has no rendered configuration yet"),
            Self::PoolDeleting => f.write_str("the pool is being deleted"),
            Self::PoolPaused => f.write_str("the pool is paused; set spec.paused to false"),
            Self::Halted(halt) => write!(f, "no rollout may start: {halt}"),
            Self::Image(wait) => write!(f, "{wait}"),
            Self::ConfigMissing { config } => write!(f, "the pool's target {config} does not exist"),
            Self::MaxUnavailable { why } => f.write_str(why),
            Self::NothingAllowed { max } => {
                write!(f, "the pool's maxUnavailable of {max} allows no node to be down; set at least 1")
            }
            Self::NoArbiterPool => f.write_str("there is no arbiter pool, though the control plane has an arbiter"),
            Self::ArbiterUnavailable { node, failed: false } => write!(f, "arbiter {node} is unavailable"),
            Self::ArbiterUnavailable { node, failed: true } => {
                write!(f, "arbiter {node} failed, and may go down again")
            }
            Self::NoArbiterTopology => f.write_str(
                "an arbiter pool only moves in a control plane with an arbiter; move the node to another pool",
            ),
            Self::Updating { config, step, blocked } if blocked.is_empty() => write!(f, "{step} to {config}"),
            Self::Updating { config, step, blocked } => write!(f, "{step} to {config}; in the way: {blocked}"),
            Self::Failing { config, why, drifted } => {
                let what = if *drifted { "reports a failure in" } else { "failed to reach" };
                let why = if why.is_empty() { "no reason given" } else { why.as_str() };
                write!(f, "{what} {config}: {why}")
            }
            Self::NotReady { what } => write!(f, "not ready: {what}"),
            Self::NotReported => f.write_str("its daemon has not reported what it runs, or that it is done"),
            Self::Settling { until } => {
                write!(f, "the target is new; nodes get it from {until} on, unless it changes again")
            }
            Self::ControlPlaneFirst { masters } => first_masters(*masters, f),
            Self::NoCapacity { unavailable, allowed, who } => no_capacity(*unavailable, *allowed, who, f),
            Self::ConfigFailing { failing, who } => {
                let fail = if *failing == 1 { "fails" } else { "fail" };
                write!(f, "{} {fail} on the target, which leaves no room for more: {who}", Count(*failing, "node"))
            }
            Self::Queued { ahead } => {
                write!(f, "{} {} first", Count(*ahead, "node"), if *ahead == 1 { "goes" } else { "go" })
            }
            Self::RunsOperator => f.write_str("runs the operator; the other masters go first"),
            Self::Joining { pool } => write!(f, "gets the labels of pool {pool}, into which it was booted"),
        }
    }
}

fn first_masters(masters: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match masters {
        0 => f.write_str("the master pool goes first and cannot move"),
        1 => f.write_str("1 of the masters is down, failing or about to move; it goes first"),
        masters => write!(f, "{masters} of the masters are down, failing or about to move; they go first"),
    }
}

fn no_capacity(unavailable: usize, allowed: i64, who: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let are = if unavailable == 1 { "is" } else { "are" };
    write!(f, "{} of the pool {are} unavailable, and at most {allowed} may be: {who}", Count(unavailable, "node"))
}

impl Step {
    /// The step of a node that was told something.
    #[must_use]
    pub fn of(node: &NodeView<'_>) -> Self {
        match node.asked_drain().map(|asked| asked.verb()) {
            _ if node.rebooting => Self::Rebooting,
            Some(DrainVerb::Drain) => Self::Draining,
            Some(DrainVerb::Uncordon) => Self::Uncordoning,
            _ if node.state == DaemonState::Working => Self::Working,
            _ => Self::Told,
        }
    }

    /// A word for what the node does in it.
    #[must_use]
    pub fn phase(self) -> &'static str {
        match self {
            Self::Told => "told to go",
            Self::Working => "applying",
            Self::Draining => "draining",
            Self::Rebooting => "rebooting",
            Self::Uncordoning => "uncordoning",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Told => "told to go",
            Self::Working => "updating",
            Self::Draining => "draining on its way",
            Self::Rebooting => "rebooting on its way",
            Self::Uncordoning => "uncordoning on its way",
        })
    }
}

/// The first of these names, and how many more there are.
#[must_use]
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let first: Vec<_> = names.by_ref().take(NAMED).collect();
    match names.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
