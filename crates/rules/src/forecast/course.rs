//! Which nodes of a pool have to go, and what keeps them. One reading for what is under way and for what is planned.

use super::Limit;
use crate::{
    rollout::{WaitReason, capacity, max_unavailable::max_unavailable},
    view::{NodeView, PoolView},
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// How a node of a pool gets where its pool wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course<'a> {
    /// It starts.
    Starts,
    /// It is on its way, since this time at least.
    UnderWay(Option<Timestamp>),
    /// It is on its way to somewhere else, since this time at least, and starts when it is there.
    Finishes(Option<Timestamp>),
    /// It waits for this.
    Waits(&'a WaitReason),
}

/// What is still to happen in a pool.
#[derive(Clone, Debug, Default)]
pub struct ToGo<'a> {
    /// Nodes that have not started, and will.
    pub nodes: usize,
    /// Nodes that wait for what holds the pool back.
    pub waiting: usize,
    /// How many may be down at once, beside those that stay down; 0 while that is unknown.
    pub at_once: usize,
    /// The nodes under way, and since when at least.
    pub under_way: Vec<(&'a str, Option<Timestamp>)>,
    /// The nodes that first arrive somewhere else, and since when they are on their way there at least.
    pub finishing: Vec<(&'a str, Option<Timestamp>)>,
    /// What keeps the pool from starting any.
    pub held: Option<&'a WaitReason>,
    /// What keeps a node that goes from being drained: the node, and what is in the way.
    pub blocked: Option<String>,
}

impl<'a> ToGo<'a> {
    /// Of a pool with these nodes. Those without a course are where they should be.
    #[must_use]
    pub fn of(
        pool: &PoolView<'_>,
        members: &[&NodeView<'_>],
        courses: &BTreeMap<&'a str, Course<'a>>,
        blocked: Option<String>,
    ) -> Self {
        // Those that are there or stay where they are; a node that is down among them takes up room.
        let stays =
            |name: &str| courses.get(name).is_none_or(|course| matches!(course, Course::Waits(why) if is_own(why)));
        let staying: Vec<&NodeView<'_>> = members.iter().copied().filter(|node| stays(node.name)).collect();
        let max = max_unavailable(pool, members.len()).unwrap_or_default();
        let at_once = capacity(&staying, pool.aim(), max).left;
        let mut to_go = Self { at_once, blocked, ..Self::default() };
        let mut waits = Vec::new();
        for (&name, course) in courses {
            match course {
                Course::Starts => to_go.nodes += 1,
                Course::UnderWay(since) => to_go.under_way.push((name, *since)),
                Course::Finishes(since) => to_go.finishing.push((name, *since)),
                Course::Waits(why) if is_own(why) => {}
                Course::Waits(why) => waits.push(*why),
            }
        }
        let goes = to_go.nodes + to_go.under_way.len() + to_go.finishing.len() > 0;
        let (passes, held): (Vec<_>, Vec<_>) = waits.into_iter().partition(|why| at_once > 0 && passes(why, goes));
        to_go.nodes += passes.len();
        // Where some go, those that stay behind are told by themselves.
        if to_go.nodes == 0 && (at_once == 0 || to_go.finishing.is_empty()) {
            to_go.waiting = held.len();
            to_go.held = held.first().copied();
        }
        to_go
    }

    /// What limits it, when so many nodes start, so many at once.
    pub(super) fn limit(&self, starting: usize, at_once: usize) -> Limit {
        match (&self.blocked, self.held) {
            (Some(blocked), _) => Limit::Endless(blocked.clone()),
            (None, Some(why)) if needs_change(why) => Limit::Endless(why.to_string()),
            (None, Some(why)) => Limit::Held(why.to_string()),
            (None, None) if starting == 0 => Limit::Nodes,
            (None, None) => Limit::AtOnce(at_once),
        }
    }
}

/// The first of these nodes whose drain does not end, and what keeps it.
pub(crate) fn first_blocked<'n>(nodes: impl IntoIterator<Item = (&'n str, String)>) -> Option<String> {
    let blocked: BTreeSet<(&str, String)> = nodes.into_iter().collect();
    blocked.into_iter().next().map(|(node, why)| format!("{node}: {why}"))
}

/// R-FORECAST-6: whether it is the node's own state that keeps it.
fn is_own(why: &WaitReason) -> bool {
    matches!(why, WaitReason::Failing { .. } | WaitReason::NotReady { .. } | WaitReason::NotReported)
}

/// Whether it passes by itself, as far as others go.
fn passes(why: &WaitReason, others_go: bool) -> bool {
    match why {
        WaitReason::Settling { .. } | WaitReason::Joining { .. } => true,
        WaitReason::Queued { .. }
        | WaitReason::RunsOperator
        | WaitReason::NoCapacity { .. }
        | WaitReason::ConfigFailing { .. } => others_go,
        _ => false,
    }
}

/// R-FORECAST-7: whether somebody has to change something.
fn needs_change(why: &WaitReason) -> bool {
    why.needs_user() || matches!(why, WaitReason::NoCapacity { .. } | WaitReason::ConfigFailing { .. })
}
