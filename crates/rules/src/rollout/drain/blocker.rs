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
