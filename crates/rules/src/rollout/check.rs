//! Whether a rollout plan keeps its promises, checked from the views alone, without the planner's own arithmetic.
//!
//! R-CHECK-1 Every node is in the plan exactly once.
//! R-CHECK-2 A node starts only in its own pool and towards that pool's target. It is ready, or cordoned for what it failed on, and
//! has not been given the target yet.
//! R-CHECK-3 No node starts in a pool that is paused or being deleted, and none at all while rollouts are halted. In image mode a
//! node starts only towards the image of a build that succeeded for exactly that configuration, and outside it towards none.
//! R-CHECK-4 Nodes that are down, nodes that failed on their way and nodes that start are together at most `maxUnavailable`, unless all
//! that start are among those already.
//! R-CHECK-5 With an arbiter, a plan starts either masters or the arbiter, never both, and neither while the other is down or failed on its
//! way, unless what starts did so itself.
//! R-CHECK-6 A node that is reported as done runs its pool's target.

use crate::{
    build::conditions::State,
    rollout::{RolloutPlan, RolloutView, Start, max_unavailable::max_unavailable},
    view::{DaemonState, NodeView, PoolView},
};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::keys::names;

/// A promise that a plan breaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{rule}: {what}")]
pub struct Violation {
    /// The promise, e.g. `R-CHECK-4`.
    pub rule: &'static str,
    /// Which node breaks it, and how.
    pub what: String,
}

/// All promises that the plan breaks; empty for a good plan.
#[must_use]
pub fn check_plan(world: &RolloutView<'_>, plan: &RolloutPlan) -> Vec<Violation> {
    let mut broken = Vec::new();
    each_node_once(world, plan, &mut broken);
    let nodes: BTreeMap<&str, &NodeView<'_>> = world.nodes.iter().map(|n| (n.name, n)).collect();
    let mut starting: BTreeMap<&str, BTreeMap<&str, &Start>> = BTreeMap::new();
    for start in &plan.start {
        starting.entry(&start.pool).or_default().insert(&start.node, start);
    }
    for (name, started) in &starting {
        let Some(pool) = world.pools.iter().find(|p| p.name == *name) else {
            broken.push(Violation { rule: "R-CHECK-2", what: format!("there is no pool {name}") });
            continue;
        };
        judge_pool(world, pool, started, &nodes, &mut broken);
    }
    for start in &plan.start {
        let target = world.pools.iter().find(|p| p.name == start.pool).and_then(|p| p.target);
        if target != Some(start.config.as_str()) {
            broken.push(Violation { rule: "R-CHECK-2", what: format!("{} is sent to {}", start.node, start.config) });
        }
    }
    for done in &plan.done {
        let pool = world.pools.iter().find(|p| p.name == done.pool);
        let target = pool.and_then(|p| p.target).unwrap_or_default();
        let image = pool.and_then(|p| p.image_mode).and_then(|mode| mode.image);
        let runs = |n: &&NodeView<'_>| n.current_config == Some(target) && n.current_image == image;
        let node = nodes.get(done.node.as_str());
        if !node.is_some_and(|n| n.state == DaemonState::Done && runs(n)) {
            broken.push(Violation { rule: "R-CHECK-6", what: format!("{} does not run {target}", done.node) });
        }
    }
    if world.has_arbiter() {
        judge_arbiter(world, &starting, &mut broken);
    }
    broken
}

fn each_node_once(world: &RolloutView<'_>, plan: &RolloutPlan, broken: &mut Vec<Violation>) {
    let mut seen: BTreeMap<&str, usize> = world.nodes.iter().map(|n| (n.name, 0)).collect();
    let planned = plan.start.iter().map(|s| &s.node);
    let planned = planned.chain(plan.hold.iter().map(|h| &h.node)).chain(plan.done.iter().map(|d| &d.node));
    for node in planned {
        *seen.entry(node).or_default() += 1;
    }
    for (node, times) in seen.into_iter().filter(|(_, times)| *times != 1) {
        broken.push(Violation { rule: "R-CHECK-1", what: format!("{node} is planned {times} times") });
    }
}

fn judge_pool(
    world: &RolloutView<'_>,
    pool: &PoolView<'_>,
    started: &BTreeMap<&str, &Start>,
    nodes: &BTreeMap<&str, &NodeView<'_>>,
    broken: &mut Vec<Violation>,
) {
    let mut say = |rule, what| broken.push(Violation { rule, what });
    let name = pool.name;
    if pool.paused || pool.deleting || world.halted.is_some() {
        say("R-CHECK-3", format!("nodes of {name} start, which must not move"));
    }
    for start in started.values().filter(|start| !is_of_build(pool, start)) {
        say("R-CHECK-3", format!("{} starts towards image {:?}, which is not of its build", start.node, start.image));
    }
    let of_pool: BTreeSet<&str> = world
        .nodes
        .iter()
        .zip(&world.membership.assignments)
        .filter_map(|(node, assignment)| (assignment.primary() == Some(name)).then_some(node.name))
        .collect();
    let mut down: BTreeSet<&str> =
        of_pool.iter().copied().filter(|n| nodes.get(n).is_some_and(|n| is_down(n))).collect();
    let before = down.len();
    for (node, start) in started {
        let fit = nodes.get(node).is_some_and(|n| {
            let free = n.unready.is_none() || (n.is_degraded() && n.unschedulable);
            free && (n.desired_config != pool.target || n.desired_image != start.image.as_deref())
        });
        if !fit || !of_pool.contains(node) {
            say("R-CHECK-2", format!("{node} of {name} cannot start"));
        }
        down.insert(node);
    }
    let allowed = max_unavailable(pool, of_pool.len()).unwrap_or_default();
    if down.len() > before && i64::try_from(down.len()).unwrap_or(i64::MAX) > allowed {
        say("R-CHECK-4", format!("{} of {name} would be down, {allowed} may be", down.len()));
    }
}

/// Whether the image that a node is told is the one that was built for what it is told.
fn is_of_build(pool: &PoolView<'_>, start: &Start) -> bool {
    let Some(mode) = pool.image_mode else { return start.image.is_none() };
    mode.build.is_some_and(|build| {
        let made = build.status.as_ref().and_then(|status| status.digested_image_push_spec.as_ref());
        let for_it = build.spec.machine_config.name == start.config;
        for_it && State::of(build) == State::Succeeded && made.is_some() && made == start.image.as_ref()
    })
}

fn judge_arbiter(
    world: &RolloutView<'_>,
    starting: &BTreeMap<&str, BTreeMap<&str, &Start>>,
    broken: &mut Vec<Violation>,
) {
    let at_rest = |name: &str| world.nodes.iter().any(|node| node.name == name && !is_down(node));
    let starts = |pool: &str| starting.get(pool).map_or(0, |all| all.keys().filter(|name| at_rest(name)).count());
    let down = |pool: &str| {
        let assigned = world.nodes.iter().zip(&world.membership.assignments);
        assigned.filter(|(node, assignment)| assignment.primary() == Some(pool) && is_down(node)).count()
    };
    let (masters, arbiters) = (starts(names::MASTER), starts(names::ARBITER));
    let together = masters > 0 && arbiters > 0;
    if together || (masters > 0 && down(names::ARBITER) > 0) || (arbiters > 0 && down(names::MASTER) > 0) {
        broken.push(Violation { rule: "R-CHECK-5", what: "control plane and arbiter would be down together".into() });
    }
}

/// Not ready, or not at rest where it was told to be: one that failed on its way may go on at any moment. Deliberately written out
/// again here.
fn is_down(node: &NodeView<'_>) -> bool {
    let same_config = node.current_config.unwrap_or_default() == node.desired_config.unwrap_or_default();
    let same_image = match (node.current_image, node.desired_image) {
        (None, None) => true,
        (_, None | Some("")) => false,
        (current, desired) => current == desired,
    };
    let arrived = node.state == DaemonState::Done
        && same_config
        && node.current_config.is_some_and(|c| !c.is_empty())
        && same_image;
    node.unready.is_some() || !arrived
}
