//! A `Node` as the rollout sees it.
//!
//! Source of every key and predicate: `pkg/daemon/constants/constants.go` and
//! `pkg/controller/common/layered_node_state.go` of github.com/openshift/machine-config-operator.

use super::{DrainRequest, DrainVerb, Target, TargetImage};
use crate::objects::selector::Labels;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Taint};
use std::fmt;
use weir_api::keys::{daemon, drain, node as label, rollout};

/// The state that a node's daemon reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaemonState {
    /// No state annotation, or an empty one: the daemon has not reported yet.
    Silent,
    /// Idle.
    Done,
    /// An update is under way.
    Working,
    /// An update failed, or the machine drifted from its configuration.
    Degraded,
    /// The update cannot be applied to a running machine.
    Unreconcilable,
    /// An unknown value.
    Other,
}

/// What makes a node not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadiness<'a> {
    /// Condition `Ready` has this status.
    NotReady(&'a str),
    /// Condition `DiskPressure` has this status.
    DiskPressure(&'a str),
    /// Condition `NetworkUnavailable` has this status.
    NetworkUnavailable(&'a str),
    /// The node is cordoned.
    Unschedulable,
}

/// What makes a node not ready, and since when if the node says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unready<'a> {
    /// The first cause found.
    pub what: Unreadiness<'a>,
    /// Last transition of the condition; unknown for a cordon.
    pub since: Option<Timestamp>,
}

impl<'a> Unreadiness<'a> {
    /// The status of the condition; empty for a cordon.
    pub(super) fn status(self) -> &'a str {
        match self {
            Self::NotReady(status) | Self::DiskPressure(status) | Self::NetworkUnavailable(status) => status,
            Self::Unschedulable => "",
        }
    }

    /// The same with this status of the condition.
    pub(super) fn with(self, status: &str) -> Unreadiness<'_> {
        match self {
            Self::NotReady(_) => Unreadiness::NotReady(status),
            Self::DiskPressure(_) => Unreadiness::DiskPressure(status),
            Self::NetworkUnavailable(_) => Unreadiness::NetworkUnavailable(status),
            Self::Unschedulable => Unreadiness::Unschedulable,
        }
    }
}

impl fmt::Display for Unreadiness<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady(status) => write!(f, "NotReady={status}"),
            Self::DiskPressure(status) => write!(f, "OutOfDisk={status}"),
            Self::NetworkUnavailable(status) => write!(f, "NetworkUnavailable={status}"),
            Self::Unschedulable => f.write_str("Unschedulable"),
        }
    }
}

/// A node, its daemon's annotations parsed.
#[derive(Clone, Debug)]
pub struct NodeView<'a> {
    /// Name of the node.
    pub name: &'a str,
    /// UID, which distinguishes it from an earlier node of the same name.
    pub uid: &'a str,
    /// Whether its machine is still being created.
    pub provisioning: bool,
    /// Its labels.
    pub labels: &'a Labels,
    /// Current configuration; `Some("")` when the annotation is present but empty.
    pub current_config: Option<&'a str>,
    /// Desired configuration.
    pub desired_config: Option<&'a str>,
    /// Current image-mode image.
    pub current_image: Option<&'a str>,
    /// Desired image-mode image.
    pub desired_image: Option<&'a str>,
    /// The state that the daemon reports.
    pub state: DaemonState,
    /// The daemon's reason; empty when done.
    pub reason: &'a str,
    /// The drain or uncordon that the daemon requests.
    pub desired_drain: Option<DrainRequest<'a>>,
    /// The drain or uncordon that was last carried out.
    pub applied_drain: Option<DrainRequest<'a>>,
    /// Who cordoned the node for its drain, one of `keys::drain::CORDONED_BY_*`.
    pub cordoned_by: Option<&'a str>,
    /// When the current drain began, as recorded by the controller.
    pub drain_started: Option<Timestamp>,
    /// Whether the daemon announced a reboot that has not been confirmed yet.
    pub rebooting: bool,
    /// Control plane topology that the node was last told.
    pub topology: Option<&'a str>,
    /// Configuration the machine was first booted into.
    pub first_pivot_config: Option<&'a str>,
    /// Whether it has been given the labels of the custom pool that it was booted into.
    pub pool_labels_applied: bool,
    /// What makes the node not ready, if anything.
    pub unready: Option<Unready<'a>>,
    /// Failure domain.
    pub zone: Option<&'a str>,
    /// When the node object was created.
    pub created: Option<Timestamp>,
    /// Whether the node is cordoned.
    pub unschedulable: bool,
    /// Whether the node object is being deleted.
    pub deleting: bool,
    /// Its taints.
    pub taints: &'a [Taint],
    /// The resource version that was read.
    pub version: &'a str,
    pub(super) windows: bool,
}

static NO_LABELS: Labels = Labels::new();
const PREFIX: &str = "machineconfiguration.openshift.io/";
const WINDOWS: &str = "windows";

impl<'a> NodeView<'a> {
    /// Reads a node. Never fails: missing or odd values are represented.
    #[must_use]
    pub fn new(node: &'a Node) -> Self {
        let metadata = &node.metadata;
        let labels = labels_of(node);
        let unschedulable = node.spec.as_ref().and_then(|s| s.unschedulable).unwrap_or_default();
        let conditions = node.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
        let phase = node.status.as_ref().and_then(|s| s.phase.as_deref());
        let mut view = Self {
            name: metadata.name.as_deref().unwrap_or_default(),
            uid: metadata.uid.as_deref().unwrap_or_default(),
            provisioning: matches!(phase, Some("Pending" | "Provisioning")),
            labels,
            current_config: None,
            desired_config: None,
            current_image: None,
            desired_image: None,
            state: DaemonState::Silent,
            reason: "",
            desired_drain: None,
            applied_drain: None,
            cordoned_by: None,
            drain_started: None,
            rebooting: false,
            topology: None,
            first_pivot_config: None,
            pool_labels_applied: false,
            unready: unready(conditions, unschedulable),
            zone: labels.get(label::ZONE).map(String::as_str),
            created: metadata.creation_timestamp.as_ref().map(|t| t.0),
            unschedulable,
            deleting: metadata.deletion_timestamp.is_some(),
            taints: taints_of(node),
            version: metadata.resource_version.as_deref().unwrap_or_default(),
            windows: labels.get(label::OS).is_some_and(|os| os == WINDOWS),
        };
        // One pass is several times cheaper than a lookup for each, with thousands of nodes.
        for (key, value) in metadata.annotations.iter().flatten() {
            if key.starts_with(PREFIX) {
                view.annotation(key, value);
            }
        }
        view
    }

    fn annotation(&mut self, key: &str, value: &'a str) {
        match key {
            daemon::CURRENT_CONFIG => self.current_config = Some(value),
            rollout::DESIRED_CONFIG => self.desired_config = Some(value),
            daemon::CURRENT_IMAGE => self.current_image = Some(value),
            rollout::DESIRED_IMAGE => self.desired_image = Some(value),
            daemon::STATE => self.state = DaemonState::from(value),
            daemon::REASON => self.reason = value,
            daemon::DESIRED_DRAIN => self.desired_drain = DrainRequest::parse(value),
            drain::LAST_APPLIED_DRAIN => self.applied_drain = DrainRequest::parse(value),
            drain::CORDONED_BY => self.cordoned_by = Some(value),
            drain::DRAIN_STARTED => self.drain_started = value.parse().ok(),
            daemon::POST_CONFIG_ACTION => self.rebooting = value == daemon::ACTION_REBOOTING,
            rollout::CONTROL_PLANE_TOPOLOGY => self.topology = Some(value),
            daemon::FIRST_PIVOT_CONFIG => self.first_pivot_config = Some(value),
            rollout::CUSTOM_POOL_LABELS_APPLIED => self.pool_labels_applied = true,
            _ => {}
        }
    }

    /// The daemon's request, if it has not been carried out.
    #[must_use]
    pub fn asked_drain(&self) -> Option<DrainRequest<'a>> {
        self.desired_drain.filter(|asked| Some(*asked) != self.applied_drain)
    }

    /// Whether the node runs an operating system that we do not manage.
    #[must_use]
    pub fn is_windows(&self) -> bool {
        self.windows
    }

    /// Whether the daemon manages the node: not Windows, and a current configuration is known.
    #[must_use]
    pub fn is_managed(&self) -> bool {
        !self.is_windows() && self.current_config.is_some_and(|c| !c.is_empty())
    }

    /// Whether the node is ready and schedulable.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.unready.is_none()
    }

    /// Whether the node has reached its desired state: configuration and image equal, daemon done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let config = self.current_config.is_some_and(|c| !c.is_empty()) && self.current_config == self.desired_config;
        config && self.image_done() && self.state == DaemonState::Done
    }

    fn image_done(&self) -> bool {
        match (self.current_image, self.desired_image) {
            (None, None) => true,
            (current, desired) => desired.is_some_and(|d| !d.is_empty()) && current == desired,
        }
    }

    /// Whether the daemon reports a failure, in whatever it was doing.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        matches!(self.state, DaemonState::Degraded | DaemonState::Unreconcilable)
    }

    /// Whether the daemon failed while moving from one configuration or image to another.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        let moves = self.current_config.unwrap_or_default() != self.desired_config.unwrap_or_default();
        self.is_degraded() && (moves || !self.image_done())
    }

    /// Whether the node failed after its drain, and is down only because of that drain's cordon.
    #[must_use]
    pub fn is_stranded(&self) -> bool {
        let cordoned = self.unready.is_some_and(|unready| unready.what == Unreadiness::Unschedulable);
        let ours = self.cordoned_by == Some(drain::CORDONED_BY_CONTROLLER)
            || self.applied_drain.is_some_and(|applied| {
                applied.verb() == DrainVerb::Drain && Some(applied.config()) == self.desired_config
            });
        self.is_failing() && cordoned && ours
    }

    /// Whether the node counts against `maxUnavailable`: not ready, or in mid-update. A node that failed and is ready
    /// does not.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        !self.is_ready() || (!self.is_done() && !self.is_failing())
    }

    /// Whether the node was told this, configuration and image.
    #[must_use]
    pub fn is_told(&self, target: Target<'_>) -> bool {
        let image = match target.image {
            TargetImage::OfConfig => self.desired_image.is_none(),
            TargetImage::Missing => false,
            TargetImage::Built(image) => self.desired_image == Some(image),
        };
        image && self.desired_config.unwrap_or_default() == target.config
    }

    /// Whether the node runs its pool's target.
    #[must_use]
    pub fn has_reached(&self, target: Target<'_>) -> bool {
        self.is_done() && self.is_told(target)
    }
}

impl DaemonState {
    /// The value of its annotation; empty while there is none.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Silent => "",
            Self::Done => daemon::STATE_DONE,
            Self::Working => daemon::STATE_WORKING,
            Self::Degraded => daemon::STATE_DEGRADED,
            Self::Unreconcilable => daemon::STATE_UNRECONCILABLE,
            Self::Other => "Other",
        }
    }
}

impl From<&str> for DaemonState {
    fn from(value: &str) -> Self {
        match value {
            "" => Self::Silent,
            daemon::STATE_DONE => Self::Done,
            daemon::STATE_WORKING => Self::Working,
            daemon::STATE_DEGRADED => Self::Degraded,
            daemon::STATE_UNRECONCILABLE => Self::Unreconcilable,
            _ => Self::Other,
        }
    }
}

pub(super) fn labels_of(node: &Node) -> &Labels {
    node.metadata.labels.as_ref().unwrap_or(&NO_LABELS)
}

pub(super) fn taints_of(node: &Node) -> &[Taint] {
    node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default()
}

fn unready(conditions: &[NodeCondition], unschedulable: bool) -> Option<Unready<'_>> {
    for condition in conditions {
        let status = condition.status.as_str();
        let what = match condition.type_.as_str() {
            "Ready" if status != "True" => Unreadiness::NotReady(status),
            "DiskPressure" if status != "False" => Unreadiness::DiskPressure(status),
            "NetworkUnavailable" if status != "False" => Unreadiness::NetworkUnavailable(status),
            _ => continue,
        };
        return Some(Unready { what, since: condition.last_transition_time.as_ref().map(|t| t.0) });
    }
    unschedulable.then_some(Unready { what: Unreadiness::Unschedulable, since: None })
}
