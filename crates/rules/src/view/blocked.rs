//! What blocks a drain, from the message of a MachineConfigNode.
//!
//! Source of the messages: `pkg/controller/drain/drain_controller.go` of github.com/openshift/machine-config-operator.

/// The prefix of the message of a failed drain.
pub(crate) const NOT_DRAINED: &str = "Error: Node Drain has not succeeded. Error is: ";
/// The text in the message of a continuing drain before the requested and applied drain.
pub(crate) const UNTIL: &str = "The drain will not be complete until desired drainer ";
/// The text before what blocks a continuing drain.
pub(crate) const IN_THE_WAY: &str = ". In the way: ";
/// What budgets in the way allow, in our words.
pub(crate) const NO_DISRUPTION: &str = "no disruption";
/// What the API server calls them when it refuses an eviction, which the reference repeats.
const BUDGET: &str = "disruption budget";

/// The separators before what blocks a drain in progress, ours and the reference's.
#[must_use]
pub(crate) fn in_the_way(message: &str) -> Option<&str> {
    let failed = message.strip_prefix(NOT_DRAINED).and_then(|rest| rest.rsplit_once(UNTIL)).map(|(who, _)| who);
    let who = failed.or_else(|| message.rsplit_once(IN_THE_WAY).map(|(_, who)| who))?;
    Some(who.trim_end_matches([' ', '.'])).filter(|who| !who.is_empty())
}

/// Whether budgets are in the way, by what is said of it.
#[must_use]
pub(crate) fn is_by_budget(blocked: &str) -> bool {
    blocked.contains(NO_DISRUPTION) || blocked.contains(BUDGET)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::drain::InTheWay;

    #[test]
    fn a_budget_is_told_from_what_passes() {
        let ours = |names: &[&str]| InTheWay::Budgets(names.iter().map(|&name| name.to_owned()).collect()).to_string();
        assert!(is_by_budget(&ours(&["a"])) && is_by_budget(&ours(&["a", "b"])));
        assert!(is_by_budget("Cannot evict pod as it would violate the pod's disruption budget."));
        assert!(!is_by_budget(&InTheWay::Terminating.to_string()));
    }
}
