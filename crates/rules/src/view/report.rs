//! A `MachineConfigNode` as far as the status of its pool and the drain of its node depend on it.

use super::blocked::in_the_way;
use jiff::Timestamp;
use weir_api::{
    MachineConfigNode,
    condition::{MetaCondition, UNKNOWN, find, find_true, is_true},
    keys::machine_config_node::{CORDONED, DRAINED, NODE_DEGRADED, REBOOTED_NODE, UNCORDONED, UPDATED},
    machine_config_node::NodePinnedImageSet,
};

/// The report of a node's MachineConfigNode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeReport<'a> {
    /// Name of the node, which is that of the object.
    pub node: &'a str,
    /// Whether the object has any condition; one without reports nothing.
    pub has_conditions: bool,
    /// Set when condition `NodeDegraded` is `True`.
    pub degraded: Option<DegradedReport<'a>>,
    /// Whether condition `Updated` is `True`.
    pub updated: bool,
    /// When that last changed.
    pub updated_since: Option<Timestamp>,
    /// Since when the machine has been rebooting, if it is.
    pub rebooting_since: Option<Timestamp>,
    /// `status.configVersion.desired`.
    pub desired_config: Option<&'a str>,
    /// `status.configImage.desiredImage`.
    pub desired_image: Option<&'a str>,
    /// Whether every pinned image set of the node is at its desired generation.
    pub pinned_image_sets_done: bool,
    /// Whether the node was cordoned for the current update and not uncordoned since.
    pub cordoned: bool,
    /// What blocks the current drain, in the drain controller's words.
    pub blocked: Option<&'a str>,
}

/// A node's own report of its failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DegradedReport<'a> {
    /// In the daemon's words.
    pub message: &'a str,
    /// Since when.
    pub since: Option<Timestamp>,
}

impl<'a> NodeReport<'a> {
    /// Reads a MachineConfigNode. Never fails: missing values report nothing.
    #[must_use]
    pub fn new(object: &'a MachineConfigNode) -> Self {
        let status = object.status.as_ref();
        let conditions = status.and_then(|s| s.conditions.as_deref()).unwrap_or_default();
        let since = |condition: &MetaCondition| condition.last_transition_time.as_ref().map(|t| t.0);
        let degraded = find_true(conditions, NODE_DEGRADED);
        let draining = find(conditions, DRAINED).filter(|c| c.status == UNKNOWN);
        let sets = status.and_then(|s| s.pinned_image_sets.as_deref()).unwrap_or_default();
        Self {
            node: object.metadata.name.as_deref().unwrap_or_default(),
            has_conditions: !conditions.is_empty(),
            degraded: degraded.map(|c| DegradedReport { message: &c.message, since: since(c) }),
            updated: is_true(conditions, UPDATED),
            updated_since: find(conditions, UPDATED).and_then(since),
            rebooting_since: find(conditions, REBOOTED_NODE).filter(|c| c.status == UNKNOWN).and_then(since),
            desired_config: status.and_then(|s| s.config_version.as_ref()).map(|v| v.desired.as_str()),
            desired_image: status.and_then(|s| s.config_image.as_ref()).and_then(|i| i.desired_image.as_deref()),
            pinned_image_sets_done: sets.iter().all(is_pinned),
            cordoned: is_true(conditions, CORDONED) && !is_true(conditions, UNCORDONED),
            blocked: draining.and_then(|c| in_the_way(&c.message)),
        }
    }
}

fn is_pinned(set: &NodePinnedImageSet) -> bool {
    set.desired_generation.is_some_and(|wanted| wanted > 0 && set.current_generation == Some(wanted))
}
