//! Which pods a node loses now in a drain, and which pods block the drain.
//!
//! R-DRAIN-1 A node's daemon requests `drain-…` or `uncordon-…`. A request that was carried out is done. Whether the node has a
//! pool does not matter: a node that was taken down must be able to come back.
//! R-DRAIN-2 The node is cordoned first, with a note of who did it and when. A cordon that was there before belongs to somebody
//! else, unless the MachineConfigNode says that an earlier controller made it for this update. Every write of the node is refused if
//! the node changed since: a cordon that was not seen yet is not taken for ours, and is not removed.
//! R-DRAIN-3 Then all pods are evicted at once, except mirror pods and running pods of an existing DaemonSet. Pods without a
//! controller, with local data, or finished are evicted too.
//! R-DRAIN-4 A refused eviction is retried after 5 s and a failed one after 1 min; from 10 min on, either is retried after 5 min.
//! Once a budget that blocked an eviction allows it or is gone, it is retried after 1 s, and one without an answer after 5 s. Pods are
//! never deleted directly.
//! R-DRAIN-5 The drain is done when no pod is left and the node is still cordoned. If it was uncordoned in the meantime, the drain
//! starts over.
//! R-DRAIN-6 Blocking pods are named at once. Users are notified after 90 s, 10 min and 1 h, and then every 5 min; before 10 min only if
//! something else is in the way than they were told. A drain never gives up. Its start time is on the node, so a restart does not reset
//! it. A start that is yet to come was written by another clock, or before the clock was set back: the drain starts over now.
//! R-DRAIN-7 A cordon made by us, or by a controller that does not say so, is removed; one made by somebody else stays. The same write says
//! that the request was carried out: a cordon that somebody makes right after it is not taken for ours.
//! R-DRAIN-8 A failed write is retried after 10, 20, 40 and then 60 s. Other nodes do not wait for it. One that was refused because the
//! node changed is decided anew as soon as the change is seen, and after 1 s at the latest.
//! R-DRAIN-9 Pods that stop are not announced, so they are listed again 200 ms after an eviction that was neither refused nor failed, then
//! every second while any of them may be stopping, and every 5 s while none of them may.
//!
//! Source: `pkg/controller/drain/drain_controller.go` of github.com/openshift/machine-config-operator and
//! `pkg/drain` of k8s.io/kubectl.

mod blocker;
mod pace;
#[cfg(test)]
mod tests;
mod tried;

pub use blocker::{Blocker, InTheWay, Named, named};
pub use pace::{AFTER_CONFLICT, LIST_AGAIN, SOON, Stage, needs_pods};
pub use tried::{Answer, Asked, FailedWrite, Tried};

use crate::{
    objects::counted::Count,
    rollout::untaint,
    view::{BudgetView, DrainVerb, NodeView, PodView},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt};
use weir_api::keys::drain::{
    CORDONED_BY, CORDONED_BY_CONTROLLER, CORDONED_BY_OTHER, DRAIN_STARTED, LAST_APPLIED_DRAIN,
};

/// Everything that the decision about one node depends on.
#[derive(Clone, Copy, Debug)]
pub struct DrainView<'a> {
    /// The node.
    pub node: &'a NodeView<'a>,
    /// Its pods; pods of other nodes are ignored.
    pub pods: &'a [&'a PodView<'a>],
    /// Disruption budgets of all namespaces, used to name what blocks the drain.
    pub budgets: &'a [BudgetView<'a>],
    /// Namespace and name of every DaemonSet; absent if unknown, and then all are assumed to exist.
    pub daemon_sets: Option<&'a BTreeSet<(&'a str, &'a str)>>,
    /// Whether the node's MachineConfigNode says that it was cordoned for the update under way.
    pub cordon_reported: bool,
    /// Earlier attempts.
    pub tried: &'a Tried,
}

/// What to do about one node now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NodeDrain {
    /// The node.
    pub node: String,
    /// What its daemon requests, e.g. `drain-rendered-worker-1`.
    pub asked: String,
    /// What to do.
    pub step: Step,
    /// Pods whose eviction was requested and that are still there, by namespace and name.
    pub blockers: Vec<Blocker>,
    /// How long it has taken.
    pub stage: Stage,
    /// When the drain began; absent before that, and for an uncordon.
    pub started: Option<Timestamp>,
    /// What to report to users in an event on the node.
    pub notice: Option<Notice>,
    /// When to look again if nothing changes before that.
    pub next: Option<Timestamp>,
    /// How long after the last time the node's pods are listed again while it waits for them.
    pub list_again: SignedDuration,
}

/// What to do about a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Cordon it (R-DRAIN-2).
    Begin {
        /// Whether somebody else cordoned it, so that only the time is noted.
        foreign: bool,
    },
    /// Request the eviction of these pods.
    Evict {
        /// The pods, by namespace and name.
        pods: Vec<PodName>,
    },
    /// Nothing, until something changes or [`NodeDrain::next`].
    Wait,
    /// All pods are gone: report that (R-DRAIN-5).
    Drained,
    /// Make it as schedulable as it should be, and report that (R-DRAIN-7).
    Uncordoned {
        /// Whether it stays cordoned, because somebody else did it.
        foreign: bool,
    },
    /// The request is neither; an administrator or a newer daemon wrote it.
    Unknown {
        /// The part before the first `-`.
        verb: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin { foreign: false } => f.write_str("cordon"),
            Self::Begin { foreign: true } => f.write_str("begin under an existing cordon"),
            Self::Evict { pods } => write!(f, "evict {}", Count(pods.len(), "pod")),
            Self::Wait => f.write_str("wait"),
            Self::Drained => f.write_str("drained"),
            Self::Uncordoned { foreign: false } => f.write_str("uncordoned"),
            Self::Uncordoned { foreign: true } => f.write_str("stays cordoned by somebody else"),
            Self::Unknown { verb } => write!(f, "unknown verb {verb}"),
        }
    }
}

/// A pod by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Distinguishes it from other pods of the same name.
    pub uid: String,
}

/// A warning for users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// A word for machines.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
    /// What is in the way, as the sentence says it.
    pub who: String,
}

/// Whether a drain is running that counts as failed.
#[must_use]
pub fn is_failing(node: &NodeView<'_>, now: Timestamp) -> bool {
    let asked = node.asked_drain().is_some_and(|asked| asked.verb() == DrainVerb::Drain);
    asked && node.drain_started.is_some_and(|started| pace::stage(started, false, now) == Stage::Failed)
}

/// Decides about one node; `None` if its daemon requests nothing that is not already carried out.
#[must_use]
pub fn drain(view: &DrainView<'_>, now: Timestamp) -> Option<NodeDrain> {
    let node = view.node;
    let plan = match node.asked_drain()?.verb() {
        DrainVerb::Drain => drained(view, now),
        DrainVerb::Uncordon => uncordoned(node),
        DrainVerb::Unknown(verb) => bare(node, Step::Unknown { verb: verb.to_owned() }),
    };
    Some(after_failure(plan, view.tried, now))
}

fn bare(node: &NodeView<'_>, step: Step) -> NodeDrain {
    let asked = node.desired_drain.map(|asked| asked.to_string()).unwrap_or_default();
    let node = node.name.to_owned();
    NodeDrain {
        node,
        asked,
        step,
        blockers: Vec::new(),
        stage: Stage::Fresh,
        started: None,
        notice: None,
        next: None,
        list_again: LIST_AGAIN,
    }
}

fn drained(view: &DrainView<'_>, now: Timestamp) -> NodeDrain {
    let node = view.node;
    let Some(started) = node.drain_started.filter(|at| node.unschedulable && !pace::is_to_come(*at, now)) else {
        let ours = node.cordoned_by.map_or(view.cordon_reported, |owner| owner == CORDONED_BY_CONTROLLER);
        return bare(node, Step::Begin { foreign: node.unschedulable && !ours });
    };
    let leaves = |pod: &&&PodView<'_>| pod.node == node.name && leaves(pod, view.daemon_sets);
    let mut leaving: Vec<_> = view.pods.iter().filter(leaves).collect();
    if leaving.is_empty() {
        return NodeDrain { started: Some(started), ..bare(node, Step::Drained) };
    }
    leaving.sort_by_key(|pod| (pod.namespace, pod.name));
    let failed = leaving.iter().any(|pod| matches!(view.tried.answer(pod.uid), Some(Answer::Failed(_))));
    let stage = pace::stage(started, failed, now);
    let (mut ask, mut blockers, mut next) = (Vec::new(), Vec::new(), pace::next_stage(started, now));
    for pod in leaving {
        let covering: Vec<_> = view.budgets.iter().filter(|budget| budget.covers(pod)).collect();
        match pace::due(pod, view.tried.pods.get(pod.uid), &covering, stage, now) {
            Some(due) if due <= now => ask.push(PodName {
                namespace: pod.namespace.to_owned(),
                name: pod.name.to_owned(),
                uid: pod.uid.to_owned(),
            }),
            Some(due) => next = Some(next.map_or(due, |other| other.min(due))),
            None => {}
        }
        blockers.extend(blocker::blocker(pod, view.tried.pods.get(pod.uid), &covering));
    }
    let (notice, renewed) = pace::notice(node.name, stage, &blockers, view.tried, now);
    let next = [next, renewed].into_iter().flatten().min();
    let step = if ask.is_empty() { Step::Wait } else { Step::Evict { pods: ask } };
    let list_again = pace::list_again(view.pods.iter().copied(), view.tried);
    NodeDrain { blockers, stage, started: Some(started), notice, next, list_again, ..bare(node, step) }
}

/// Whether a pod is evicted in a drain of its node (R-DRAIN-3). `daemon_sets` as in [`DrainView`].
#[must_use]
pub fn leaves(pod: &PodView<'_>, daemon_sets: Option<&BTreeSet<(&str, &str)>>) -> bool {
    let exists = |name| daemon_sets.is_none_or(|known| known.contains(&(pod.namespace, name)));
    !pod.mirror && (pod.finished || !pod.daemon_set.is_some_and(exists))
}

fn uncordoned(node: &NodeView<'_>) -> NodeDrain {
    // Our drains always have an owner. Without one, another controller did the drain, and the cordon.
    let ours = match node.cordoned_by {
        Some(owner) => owner == CORDONED_BY_CONTROLLER,
        None => node.applied_drain.is_some_and(|applied| applied.verb() == DrainVerb::Drain),
    };
    bare(node, Step::Uncordoned { foreign: node.unschedulable && !ours })
}

/// R-DRAIN-8.
fn after_failure(plan: NodeDrain, tried: &Tried, now: Timestamp) -> NodeDrain {
    let writes = !matches!(plan.step, Step::Evict { .. } | Step::Wait | Step::Unknown { .. });
    match tried.write.as_ref().map(|failed| pace::after_write(failed, now)) {
        Some(due) if writes && due > now => NodeDrain { step: Step::Wait, next: Some(due), ..plan },
        _ => plan,
    }
}

impl NodeDrain {
    /// When to look again after a step that does not write the node (R-DRAIN-9).
    #[must_use]
    pub fn again(&self, now: Timestamp) -> Option<Timestamp> {
        let at_last = match &self.step {
            Step::Evict { .. } => now + SOON,
            Step::Wait if self.started.is_some() => now + self.list_again,
            _ => return self.next,
        };
        Some(self.next.map_or(at_last, |next| next.min(at_last)))
    }
}

impl Step {
    /// The merge patch of the node that carries out the step; `None` for a step that does not write the node. It is refused with a
    /// conflict if the node is no longer the one that was decided about (R-DRAIN-2). The patch that ends an update also removes
    /// the taint of waiting nodes (R-MARK-2).
    #[must_use]
    pub fn patch(&self, node: &NodeView<'_>, asked: &str, now: Timestamp) -> Option<Value> {
        let annotations = |annotations: Value| json!({"metadata": {"annotations": annotations}});
        let mut patch = match self {
            Self::Begin { foreign: true } => {
                annotations(json!({CORDONED_BY: CORDONED_BY_OTHER, DRAIN_STARTED: now.to_string()}))
            }
            Self::Begin { foreign: false } => {
                let mut patch =
                    annotations(json!({CORDONED_BY: CORDONED_BY_CONTROLLER, DRAIN_STARTED: now.to_string()}));
                patch["spec"] = json!({"unschedulable": true});
                patch
            }
            Self::Drained => annotations(json!({LAST_APPLIED_DRAIN: asked, DRAIN_STARTED: null})),
            Self::Uncordoned { foreign } => {
                let mut patch = annotations(json!({LAST_APPLIED_DRAIN: asked, CORDONED_BY: null, DRAIN_STARTED: null}));
                untaint(node, &mut patch);
                if node.unschedulable && !foreign {
                    patch["spec"]["unschedulable"] = Value::Null;
                }
                patch
            }
            Self::Evict { .. } | Self::Wait | Self::Unknown { .. } => return None,
        };
        patch["metadata"]["resourceVersion"] = json!(node.version);
        Some(patch)
    }
}
