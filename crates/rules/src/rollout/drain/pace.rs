//! When a drain retries, when it looks again, and when users are notified (R-DRAIN-4, R-DRAIN-6, R-DRAIN-8, R-DRAIN-9).
//!
//! Periods are those of `pkg/controller/drain/drain_controller.go` of github.com/openshift/machine-config-operator.

use super::{Answer, Asked, Blocker, FailedWrite, Notice, Tried};
use crate::view::{BudgetView, DrainVerb, NodeView, PodView};
use jiff::{SignedDuration, Timestamp};

/// After a refusal: a budget changes within seconds once the next pod is ready. After no answer: the server is back, or somebody else is
/// asked.
const AFTER_REFUSAL: SignedDuration = SignedDuration::from_secs(5);
/// After a refusal by a budget that allows it now, so that nodes that share a budget do not all retry at the same moment.
const ONCE_ALLOWED: SignedDuration = SignedDuration::from_secs(1);
/// After a failure, which takes longer to pass.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_mins(1);
/// After either, if nothing helped so far.
const WHEN_SLOW: SignedDuration = SignedDuration::from_mins(5);
/// A pod that was told to stop is evicted again after the length of one attempt, in case the eviction was lost.
const ATTEMPT: SignedDuration = SignedDuration::from_secs(90);
/// From here on a drain is slow.
const SLOW: SignedDuration = SignedDuration::from_mins(10);
/// From here on a drain counts as failed, but it goes on.
const FAILED: SignedDuration = SignedDuration::from_hours(1);
/// Users are notified again this often.
const TOLD_AGAIN: SignedDuration = SignedDuration::from_mins(5);
/// First pause after a failed write of the node; it doubles.
const FIRST_WRITE_PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// Longest such pause.
const LAST_WRITE_PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// Pods are listed again this long after the last time, as kubectl's drain does while it waits for one.
pub const LIST_AGAIN: SignedDuration = SignedDuration::from_secs(1);
/// The same while none of them was told to stop: kubectl's drain then knows of none that is gone before its next eviction.
const LIST_BLOCKED: SignedDuration = AFTER_REFUSAL;
/// After a write that was refused because the node changed: its watch shows it sooner, unless that lags.
pub const AFTER_CONFLICT: SignedDuration = SignedDuration::from_secs(1);
/// After evictions, and after a conflict about the MachineConfigNode.
pub const SOON: SignedDuration = SignedDuration::from_millis(200);

/// How long a drain has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing unusual.
    Fresh,
    /// More than one attempt's length (90 s), or an eviction failed.
    Blocked,
    /// More than 10 min.
    Slow,
    /// More than 1 h: reported as failed.
    Failed,
}

/// Whether a drain is yet to start, by this clock. Clocks of two processes may differ by less than an attempt takes.
pub(super) fn is_to_come(started: Timestamp, now: Timestamp) -> bool {
    started.duration_since(now) > ATTEMPT
}

/// The stage of a drain.
pub(super) fn stage(started: Timestamp, failed: bool, now: Timestamp) -> Stage {
    match now.duration_since(started) {
        age if age > FAILED => Stage::Failed,
        age if age > SLOW => Stage::Slow,
        age if age >= ATTEMPT || failed => Stage::Blocked,
        _ => Stage::Fresh,
    }
}

/// Whether the node's pods matter and those that were last listed, at this time, are too old (R-DRAIN-9).
#[must_use]
pub fn needs_pods(
    node: &NodeView<'_>,
    listed: Option<(&[PodView<'_>], Timestamp)>,
    tried: &Tried,
    now: Timestamp,
) -> bool {
    let asked = node.desired_drain.is_some_and(|asked| asked.verb() == DrainVerb::Drain);
    let drains = node.unschedulable && node.drain_started.is_some() && asked;
    let fresh = listed.is_some_and(|(pods, at)| at <= now && now.duration_since(at) < list_again(pods.iter(), tried));
    drains && !fresh
}

/// How long after the last time a node's pods are listed again (R-DRAIN-9).
pub(super) fn list_again<'p>(pods: impl IntoIterator<Item = &'p PodView<'p>>, tried: &Tried) -> SignedDuration {
    let stops = |pod: &PodView<'_>| pod.deleting.is_some() || tried.answer(pod.uid).is_some_and(Answer::may_stop);
    if pods.into_iter().any(stops) { LIST_AGAIN } else { LIST_BLOCKED }
}

/// When the stage changes next.
pub(super) fn next_stage(started: Timestamp, now: Timestamp) -> Option<Timestamp> {
    // A stage begins after its limit, and time has a resolution of whole milliseconds.
    let limits = [ATTEMPT, SLOW + SignedDuration::from_millis(1), FAILED + SignedDuration::from_millis(1)];
    limits.into_iter().map(|limit| later(started, limit, now)).find(|at| *at > now)
}

/// When to request the pod's eviction; `None` while it is being deleted.
pub(super) fn due(
    pod: &PodView<'_>,
    asked: Option<&Asked>,
    budgets: &[&BudgetView<'_>],
    stage: Stage,
    now: Timestamp,
) -> Option<Timestamp> {
    if pod.deleting.is_some() {
        return None;
    }
    let Some(asked) = asked else { return Some(Timestamp::MIN) };
    let allowed = budgets.iter().all(|budget| budget.allowed > 0);
    let pause = match asked.answer {
        Answer::Accepted => ATTEMPT,
        Answer::Blocked(_) if allowed => ONCE_ALLOWED,
        Answer::Refused(_) if allowed && !budgets.is_empty() => ONCE_ALLOWED,
        Answer::Unanswered(_) => AFTER_REFUSAL,
        Answer::Blocked(_) | Answer::Refused(_) if stage < Stage::Slow => AFTER_REFUSAL,
        Answer::Failed(_) if stage < Stage::Slow => AFTER_FAILURE,
        Answer::Blocked(_) | Answer::Refused(_) | Answer::Failed(_) => WHEN_SLOW,
    };
    Some(later(asked.last, pause, now))
}

/// What to report to users now, and when to report it again.
pub(super) fn notice(
    node: &str,
    stage: Stage,
    blockers: &[Blocker],
    tried: &Tried,
    now: Timestamp,
) -> (Option<Notice>, Option<Timestamp>) {
    if stage == Stage::Fresh || blockers.is_empty() {
        return (None, None);
    }
    let who: Vec<_> = blockers.iter().map(ToString::to_string).collect();
    let who = who.join("; ");
    let repeats = |told: &str| stage > Stage::Blocked || told != who;
    let again = |at: Timestamp, told: &str| if repeats(told) { Some(later(at, TOLD_AGAIN, now)) } else { None };
    // What was told by a clock that was set back since was told of the drain before this start.
    if let Some((told, at, before)) = tried.told.as_ref().filter(|(_, at, _)| *at <= now)
        && *told >= stage
        && again(*at, before).is_none_or(|due| due > now)
    {
        return (None, again(*at, before));
    }
    let (reason, message) = match stage {
        Stage::Failed => (
            "DrainFailed",
            format!("node {node}: drain exceeded timeout: 1h0m0s. Will continue to retry. In the way: {who}"),
        ),
        Stage::Slow => (
            "DrainThresholdExceeded",
            format!("Drain has been failing for more than 10 minutes. Will continue to retry. In the way: {who}"),
        ),
        Stage::Blocked | Stage::Fresh => ("DrainBlocked", format!("Drain has not succeeded yet. In the way: {who}")),
    };
    let next = again(now, &who);
    (Some(Notice { reason, message, who }), next)
}

/// When a failed write may be retried.
pub(super) fn after_write(failed: &FailedWrite, now: Timestamp) -> Timestamp {
    let doubled = FIRST_WRITE_PAUSE.saturating_mul(1 << failed.times.saturating_sub(1).min(4));
    later(failed.at, doubled.min(LAST_WRITE_PAUSE), now)
}

/// A pause after a time. If that time lies ahead because the clock was set back, nothing waits until it is reached.
fn later(at: Timestamp, pause: SignedDuration, now: Timestamp) -> Timestamp {
    if at > now { now } else { at.checked_add(pause).unwrap_or(Timestamp::MAX) }
}
