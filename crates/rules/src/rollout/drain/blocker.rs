//! What blocks a drain. The wording exists only here, for conditions, events, `status` and tests.

use super::{Answer, Asked};
use crate::view::{BudgetView, PodView, blocked::NO_DISRUPTION};
use jiff::Timestamp;
use std::fmt;

/// A pod whose eviction was requested and that is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// What keeps it.
    pub why: InTheWay,
    /// Since when.
    pub since: Timestamp,
}

/// A pod that a text of blockers names, with the budgets that it names for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<'t> {
    /// Its namespace.
    pub namespace: &'t str,
    /// Its name.
    pub pod: &'t str,
    /// The budgets that allow no disruption; none where something else keeps the pod.
    pub budgets: Vec<&'t str>,
}

/// The pods that a text names in the words of [`Blocker`], divided by semicolons. What others say in other words names none.
#[must_use]
pub fn named(said: &str) -> Vec<Named<'_>> {
    said.split("; ").filter_map(named_in).collect()
}

fn named_in(said: &str) -> Option<Named<'_>> {
    let (pod, why) = said.strip_prefix("pod ")?.split_once(": ")?;
    let (namespace, pod) = pod.split_once('/').filter(|(namespace, pod)| is_name(namespace) && is_name(pod))?;
    let budgets = why.split_once(" allow").map_or("", |(budgets, _)| budgets);
    let budgets = budgets.strip_prefix("budgets ").or_else(|| budgets.strip_prefix("budget ")).unwrap_or_default();
    let budgets = budgets.split(", ").filter(|name| is_name(name)).collect();
    Some(Named { namespace, pod, budgets })
}

/// Whether it can be the name of a pod or a budget, which nothing that reads a command takes for anything else.
fn is_name(text: &str) -> bool {
    let is_in_names = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    text.bytes().all(is_in_names) && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

/// What keeps a pod on its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InTheWay {
    /// Budgets allow no disruption now.
    Budgets(Vec<String>),
    /// The API server refuses for now, with this message.
    Refused(String),
    /// The eviction failed, with the API server's message.
    Failed(String),
    /// It was told to stop and has not stopped yet.
    Terminating,
}

pub(super) fn blocker(pod: &PodView<'_>, asked: Option<&Asked>, budgets: &[&BudgetView<'_>]) -> Option<Blocker> {
    let names = || budgets.iter().map(|budget| budget.name.to_owned()).collect();
    let (why, since) = match (pod.deleting, asked) {
        // The timestamp is the end of the grace period, which may be in the future.
        (Some(deleting), asked) => (InTheWay::Terminating, asked.map_or(deleting, |a| a.last.min(deleting))),
        (None, None) => return None,
        (None, Some(Asked { first, last, answer })) => match answer {
            Answer::Accepted => (InTheWay::Terminating, *last),
            Answer::Blocked(_) | Answer::Refused(_) if !budgets.is_empty() => (InTheWay::Budgets(names()), *first),
            Answer::Blocked(said) | Answer::Refused(said) => (InTheWay::Refused(said.clone()), *first),
            Answer::Failed(said) | Answer::Unanswered(said) => (InTheWay::Failed(said.clone()), *first),
        },
    };
    Some(Blocker { namespace: pod.namespace.to_owned(), pod: pod.name.to_owned(), why, since })
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, pod, why, since } = self;
        write!(f, "pod {namespace}/{pod}: {why}, since {since:.0}")
    }
}

impl fmt::Display for InTheWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budgets(names) if names.len() == 1 => write!(f, "budget {} allows {NO_DISRUPTION}", names.join("")),
            Self::Budgets(names) => write!(f, "budgets {} allow {NO_DISRUPTION}", names.join(", ")),
            Self::Refused(said) => write!(f, "eviction is refused ({said})"),
            Self::Failed(said) => write!(f, "eviction failed ({said})"),
            Self::Terminating => f.write_str("is terminating"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_blockers_can_be_read_back() {
        let blocker = |pod: &str, why| Blocker {
            namespace: "shop".to_owned(),
            pod: pod.to_owned(),
            why,
            since: Timestamp::UNIX_EPOCH,
        };
        let budgets = |names: &[&str]| InTheWay::Budgets(names.iter().map(|&name| name.to_owned()).collect());
        let all = [
            blocker("a", budgets(&["one"])),
            blocker("b", budgets(&["one", "two"])),
            blocker("c", InTheWay::Terminating),
            blocker("d", InTheWay::Refused("budget x allows nothing".to_owned())),
        ];
        let said = all.map(|one| one.to_string()).join("; ");
        let named = |pod, budgets| Named { namespace: "shop", pod, budgets };
        let wanted = [named("a", vec!["one"]), named("b", vec!["one", "two"]), named("c", vec![]), named("d", vec![])];
        assert_eq!(super::named(&said), wanted);
        for other in ["", "error when evicting pods/\"a\" -n \"shop\"", "pod shop/$(x): is terminating", "pod shop"] {
            assert_eq!(super::named(other), Vec::new(), "{other}");
        }
        let odd = super::named("pod shop/a: budget $(x) allows no disruption");
        assert_eq!(odd, [named("a", vec![])]);
    }
}
