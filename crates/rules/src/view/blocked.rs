//! What blocks a drain, from the message of a MachineConfigNode.
//!
//! Source of the messages: `pkg/controller/drain/drain_controller.go` of github.com/openshift/machine-config-operator.

/// The prefix of the message of a failed drain.
pub(crate) const NOT_DRAINED: &str = "Error: Node Drain has not succeeded. Error is: ";
/// The text in the message of a continuing drain before the requested and applied drain.
pub(crate) const UNTIL: &str = "The drain will not be complete until desired drainer ";
/// The text before what blocks a continuing drain.
pub(crate) const IN_THE_WAY: &str = ". In the way: ";

/// The separators before what blocks a drain in progress, ours and the reference's.
#[must_use]
pub(crate) fn in_the_way(message: &str) -> Option<&str> {
    let failed = message.strip_prefix(NOT_DRAINED).and_then(|rest| rest.rsplit_once(UNTIL)).map(|(who, _)| who);
    let who = failed.or_else(|| message.rsplit_once(IN_THE_WAY).map(|(_, who)| who))?;
    Some(who.trim_end_matches([' ', '.'])).filter(|who| !who.is_empty())
}
