//! Who is in the way of a drain, as a MachineConfigNode says it.
//!
//! Source of the words: `pkg/controller/drain/drain_controller.go` of github.com/openshift/machine-config-operator.

/// What the message of a drain that did not succeed begins with.
pub(crate) const NOT_DRAINED: &str = "Error: Node Drain has not succeeded. Error is: ";
/// What a message says of a drain that goes on, before what is asked and what is applied.
pub(crate) const UNTIL: &str = "The drain will not be complete until desired drainer ";
/// What stands before who is in the way of a drain that goes on.
pub(crate) const IN_THE_WAY: &str = ". In the way: ";

/// What stands between the words of a drain under way: who is in the way, ours or the reference's way of saying it.
#[must_use]
pub(crate) fn in_the_way(message: &str) -> Option<&str> {
    let failed = message.strip_prefix(NOT_DRAINED).and_then(|rest| rest.rsplit_once(UNTIL)).map(|(who, _)| who);
    let who = failed.or_else(|| message.rsplit_once(IN_THE_WAY).map(|(_, who)| who))?;
    Some(who.trim_end_matches([' ', '.'])).filter(|who| !who.is_empty())
}
