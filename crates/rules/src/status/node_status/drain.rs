//! What the state of a drain reports about its node.
//!
//! Source of the messages: `pkg/controller/drain/drain_controller.go` of github.com/openshift/machine-config-operator.

use super::step::{Report, completed, executed, said};
use crate::{
    rollout::drain::{self, Blocker, InTheWay, NodeDrain, Stage, Tried},
    view::{
        DrainRequest, DrainVerb, NodeView,
        blocked::{IN_THE_WAY, NOT_DRAINED, UNTIL},
    },
};
use weir_api::{
    condition::{TRUE, UNKNOWN},
    keys::{
        drain::CORDONED_BY_OTHER,
        machine_config_node::{CORDONED, DRAINED, UNCORDONED},
    },
};

/// A step of cordon, drain and uncordon.
#[derive(Clone, Debug, PartialEq, Eq)]
enum DrainStep {
    /// The node is cordoned.
    Cordoned {
        /// Whether somebody else had already cordoned it.
        foreign: bool,
    },
    /// The node could not be cordoned.
    CordonFailed {
        /// Why.
        why: String,
        /// Whether the node is cordoned nevertheless.
        unschedulable: bool,
    },
    /// Pods are being evicted.
    Draining {
        /// The request.
        asked: String,
        /// The last request that was carried out.
        applied: String,
        /// What blocks it; empty while nothing does.
        blocked: String,
    },
    /// Pods have been evicted for a while, and some are still there.
    NotDrained {
        /// The request.
        asked: String,
        /// The last request that was carried out.
        applied: String,
        /// What blocks it.
        blocked: String,
    },
    /// All pods are gone.
    Drained {
        /// The request.
        asked: String,
    },
    /// The node is uncordoned.
    Uncordoned {
        /// Whether it stays cordoned, because somebody else cordoned it.
        foreign: bool,
    },
    /// The node could not be uncordoned.
    UncordonFailed {
        /// Why.
        why: String,
        /// Whether the node is still cordoned.
        unschedulable: bool,
    },
}

/// What to record, in order, before the drain's own step is carried out; empty when there is nothing to report yet.
#[must_use]
pub fn drain_reports(node: &NodeView<'_>, plan: &NodeDrain, tried: &Tried) -> Vec<Report> {
    steps(node, plan, tried).iter().map(DrainStep::report).collect()
}

fn steps(node: &NodeView<'_>, plan: &NodeDrain, tried: &Tried) -> Vec<DrainStep> {
    let failure = tried.write.as_ref().map(|failed| failed.said.clone());
    let unschedulable = node.unschedulable;
    let foreign = node.cordoned_by == Some(CORDONED_BY_OTHER);
    if node.desired_drain.is_some_and(|asked| asked.verb() == DrainVerb::Uncordon) {
        return match (&plan.step, failure) {
            (drain::Step::Uncordoned { foreign }, _) => vec![DrainStep::Uncordoned { foreign: *foreign }],
            (_, Some(why)) => vec![DrainStep::UncordonFailed { why, unschedulable }],
            _ => Vec::new(),
        };
    }
    let text = |request: Option<DrainRequest<'_>>| request.map(|request| request.to_string()).unwrap_or_default();
    let (asked, applied) = (text(node.desired_drain), text(node.applied_drain));
    match (&plan.step, plan.started) {
        (drain::Step::Unknown { .. }, _) => Vec::new(),
        (_, None) => failure.map(|why| DrainStep::CordonFailed { why, unschedulable }).into_iter().collect(),
        (drain::Step::Drained, _) => vec![DrainStep::Cordoned { foreign }, DrainStep::Drained { asked }],
        _ if plan.stage == Stage::Fresh => {
            // A pod that terminates in time blocks nothing.
            let refused = plan.blockers.iter().filter(|blocker| blocker.why != InTheWay::Terminating);
            let blocked = words(refused);
            vec![DrainStep::Cordoned { foreign }, DrainStep::Draining { asked, applied, blocked }]
        }
        _ => {
            let blocked = words(&plan.blockers);
            vec![DrainStep::Cordoned { foreign }, DrainStep::NotDrained { asked, applied, blocked }]
        }
    }
}

fn words<'a>(blockers: impl IntoIterator<Item = &'a Blocker>) -> String {
    blockers.into_iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl DrainStep {
    fn report(&self) -> Report {
        let until = |asked: &str, applied: &str| format!("{UNTIL}{asked} matches current drainer {applied}");
        match self {
            Self::CordonFailed { why, unschedulable } => {
                let text = format!(
                    "Error: Failed to Cordon node. Error is {why}, The node is reporting Unschedulable = {unschedulable}"
                );
                executed(
                    UNKNOWN,
                    "Failed to Cordon Node as part of In progress update phase",
                    said(CORDONED, UNKNOWN, &text),
                )
            }
            Self::Draining { asked, applied, blocked } => {
                let way = if blocked.is_empty() { String::new() } else { format!("{IN_THE_WAY}{blocked}") };
                let text = format!("Draining node. {}{way}", until(asked, applied));
                executed(UNKNOWN, "Draining Node as part of update executed phase", said(DRAINED, UNKNOWN, &text))
            }
            Self::NotDrained { asked, applied, blocked } => {
                let text = format!("{NOT_DRAINED}{blocked}. {}", until(asked, applied));
                executed(UNKNOWN, "Node Drain has not succeeded", said(DRAINED, UNKNOWN, &text))
            }
            Self::Drained { asked } => {
                let text = format!(
                    "Drained node. The drain is complete as the desired drainer matches current drainer: {asked}"
                );
                executed(UNKNOWN, "Drained Node as part of update executed phase", said(DRAINED, TRUE, &text))
            }
            Self::UncordonFailed { why, unschedulable } => {
                let text = format!(
                    "Error: Failed to UnCordon node. Error is: {why} The node is reporting Unschedulable = {unschedulable}"
                );
                let text = said(UNCORDONED, UNKNOWN, &text);
                completed(UNKNOWN, "Failed to Uncordon Node as part of completing upgrade phase", text)
            }
            Self::Uncordoned { foreign } => {
                let text = if *foreign {
                    "The node stays cordoned: that was done by somebody else before the update"
                } else {
                    "UnCordoned node. The node is reporting Unschedulable = true"
                };
                completed(TRUE, "Uncordoned Node as part of completing upgrade phase", said(UNCORDONED, TRUE, text))
            }
            // The value is the one before the cordon, as in the reference.
            Self::Cordoned { foreign } => {
                let text = format!("Cordoned node. The node is reporting Unschedulable = {foreign}");
                executed(UNKNOWN, "Cordoned Node as part of update executed phase", said(CORDONED, TRUE, &text))
            }
        }
    }
}
