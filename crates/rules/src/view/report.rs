//! A `MachineConfigNode` as far as the status of its pool depends on it.

use jiff::Timestamp;

/// What a node's MachineConfigNode says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeReport<'a> {
    /// Name of the node, which is that of the object.
    pub node: &'a str,
    /// Whether the object has any condition; one without says nothing.
    pub has_conditions: bool,
    /// Set when condition `NodeDegraded` is `True`.
    pub degraded: Option<DegradedReport<'a>>,
    /// Whether condition `Updated` is `True`.
    pub updated: bool,
    /// When that last changed.
    pub updated_since: Option<Timestamp>,
    /// `status.configVersion.desired`.
    pub desired_config: Option<&'a str>,
    /// `status.configImage.desiredImage`.
    pub desired_image: Option<&'a str>,
    /// Whether every pinned image set of the node is at its desired generation.
    pub pinned_image_sets_done: bool,
}

/// What a node says of its failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DegradedReport<'a> {
    /// In the daemon's words.
    pub message: &'a str,
    /// Since when.
    pub since: Option<Timestamp>,
}
