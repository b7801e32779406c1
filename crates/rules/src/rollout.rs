//! Which nodes may start their update now, and what the others wait for.
//!
//! R-ROLLOUT-1 Every node is in exactly one of start, hold and done. A node is done when it runs its pool's target.
//! R-ROLLOUT-2 A node that was given the target is being updated, or failed on it. Its daemon finishes the update even if the pool
//! is paused.
//! R-ROLLOUT-3 No node starts in a pool that is paused, being deleted, without a target, or whose target does not exist.
//! R-ROLLOUT-4 At most `maxUnavailable` nodes (R-MAX) are down, whatever took them down. Nodes that fail on the target use up what
//! is left, so a bad configuration stops by itself. Only ready, schedulable nodes start, and nodes that failed on another
//! configuration after they were drained for it: those are down already. Nodes that failed on another configuration and are up use
//! up what is left, too, as their daemons try again at any moment.
//! R-ROLLOUT-5 Those that failed first, in the place that they take up; else zone by zone, oldest node first, nodes without a zone last.
//! R-ROLLOUT-6 The control plane node that runs the operator goes last, unless it failed.
//! R-ROLLOUT-7 With an arbiter, control plane and arbiter never move together: no master starts while the arbiter is
//! unavailable or failing, and the arbiter waits until no master is unavailable, failing or about to move. An arbiter that fails itself
//! waits for unavailable masters only: the others wait for it.
//! R-ROLLOUT-8 A machine that was booted into a custom pool first gets that pool's labels.
//! R-ROLLOUT-9 Nodes of a pool in image mode get configuration and image together, and nothing before the image is there
//! (R-IMAGE-MODE-3). Outside image mode their image is taken back.
//! R-ROLLOUT-10 No node starts towards a target that has not settled, except those that need not wait for it (R-SETTLE-4).
//! R-ROLLOUT-11 A node's own state takes precedence over what its pool waits for: a node that is down, failed, being updated to
//! something else or silent says so, and the other nodes name it.
//! R-ROLLOUT-12 What a node is told is refused if the node changed since it was decided about: it may be in another pool by now. The next
//! decision is about what it is then.
//! R-ROLLOUT-13 The pool of a node that runs a configuration of another pool is read anew before the node is told: that it came here may be
//! known before what became of the pool.
//!
//! Source: `pkg/controller/node/node_controller.go` of github.com/openshift/machine-config-operator.
//!
//! | module | decides |
//! |---|---|
//! | [`membership`] | which pool a node belongs to |
//! | [`lost`] | which nodes should have a pool but have none, and which pools are concerned |
//! | [`halt`] | what prevents every node of the cluster from being given a new configuration |
//! | [`max_unavailable`] | how many nodes of a pool may be down at once |
//! | [`settle`] | when the first node is given a pool's new target |
//! | [`pause`] | why a pool is paused, until when, and how long that is safe |
//! | [`actions`] | what a node does to get from one configuration to another: nothing, reload, restart, drain, reboot |
//! | [`drain`] | which pods a node loses now in a drain, and which pods block the drain |
//! | [`check`] | whether a plan keeps its promises, checked independently of the planner |

pub mod actions;
mod adopt;
mod alike;
mod capacity;
pub mod check;
pub mod drain;
pub mod halt;
pub mod lost;
mod mark;
pub mod max_unavailable;
pub mod membership;
pub mod pause;
mod reason;
pub mod settle;

pub use adopt::Adopt;
pub(crate) use alike::{is_alike, is_marked, is_on_its_way, is_report_alike};
pub use capacity::{Capacity, capacity};
pub use mark::{Mark, is_tainted, untaint};
pub use reason::{Step, WaitReason, listed};

use crate::{
    rollout::{
        halt::Halt,
        max_unavailable::max_unavailable,
        membership::{Assignment, Membership},
        settle::{is_exempt, unsettled_until},
    },
    view::{NodeReport, NodeView, PoolView, Target, TargetImage},
};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use weir_api::keys::names;

/// Everything that decides a rollout.
#[derive(Clone, Copy, Debug)]
pub struct RolloutView<'a> {
    /// All pools.
    pub pools: &'a [PoolView<'a>],
    /// All nodes.
    pub nodes: &'a [NodeView<'a>],
    /// Which node is in which pool: [`crate::rollout::membership::assign`] of the two above.
    pub membership: &'a Membership<'a>,
    /// What the nodes' MachineConfigNodes say, by node; used for times.
    pub reports: &'a BTreeMap<&'a str, NodeReport<'a>>,
    /// The control plane's topology, e.g. `HighlyAvailableArbiter` for two masters and an arbiter; absent while unknown.
    pub topology: Option<&'a str>,
    /// How long a target must stay the same before the first node is given it; absent for a read-only command, which takes the time
    /// from the pool's annotations.
    pub settle: Option<SignedDuration>,
    /// Nodes that run a pod of the operator, one entry for each pod.
    pub operator_nodes: &'a [&'a str],
    /// For each MachineConfig with owners, the name of the first owner.
    pub config_owners: &'a BTreeMap<&'a str, &'a str>,
    /// Names of all MachineConfigs; absent when unknown, and then no target counts as missing.
    pub configs: Option<&'a BTreeSet<&'a str>>,
    /// Why no node may start at all.
    pub halted: Option<&'a Halt>,
    /// The previous plan; used for times.
    pub previous: Option<&'a RolloutPlan>,
}

impl RolloutView<'_> {
    /// Whether the control plane is two masters and an arbiter.
    #[must_use]
    pub fn has_arbiter(&self) -> bool {
        self.topology == Some(names::ARBITER_TOPOLOGY)
    }
}

/// What to do now, for every node. Names are those of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RolloutPlan {
    /// Nodes to be given their pool's target, in order.
    pub start: Vec<Start>,
    /// Nodes that wait, by pool and name.
    pub hold: Vec<Held>,
    /// Nodes that run what they should.
    pub done: Vec<Done>,
    /// Held nodes that are to get the labels of their pool first.
    pub adopt: Vec<Adopt>,
    /// Marks to set on nodes, after those that start have been given their target.
    pub marks: Vec<Mark>,
    /// The next time at which the plan changes even if nothing else does.
    pub next: Option<Timestamp>,
}

impl RolloutPlan {
    /// Nodes that are written before the pools say where they are.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.start.iter().map(|start| start.node.as_str()).chain(self.adopt.iter().map(|adopt| adopt.node.as_str()))
    }

    /// Whether the plan, made at a time, still holds if nothing changed since. A clock that was set back makes other times of it.
    #[must_use]
    pub fn holds(&self, made: Timestamp, now: Timestamp) -> bool {
        made <= now && self.next.is_none_or(|next| next > now)
    }

    /// What keeps a pool from moving until a user changes something, if anything.
    #[must_use]
    pub fn stalled(&self, pool: &str) -> Option<&WaitReason> {
        let of_pool = self.hold.iter().filter(|held| held.pool.as_deref() == Some(pool));
        of_pool.map(|held| &held.reason).find(|reason| reason.needs_user())
    }

    /// What the pool's status reports as the thing its nodes wait for: [`Self::stalled`], or that the target has not settled.
    #[must_use]
    pub fn standing(&self, pool: &str) -> Option<&WaitReason> {
        let of_pool = || self.hold.iter().filter(|held| held.pool.as_deref() == Some(pool)).map(|held| &held.reason);
        let settling = || of_pool().find(|reason| matches!(reason, WaitReason::Settling { .. }));
        self.stalled(pool).or_else(settling)
    }
}

/// A node that may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The node.
    pub node: String,
    /// The resourceVersion of the node that was decided about (R-ROLLOUT-12).
    pub version: String,
    /// Its pool.
    pub pool: String,
    /// Whether it runs a configuration of another pool (R-ROLLOUT-13).
    pub changes_pool: bool,
    /// Rendered MachineConfig to write into its `desiredConfig`.
    pub config: String,
    /// Image to write into its `desiredImage`, in image mode.
    pub image: Option<String>,
    /// Whether its `desiredImage` is to be removed because it leaves image mode.
    pub drop_image: bool,
    /// The control plane's topology, if it is to be written to the node too (R-MARK-4).
    pub topology: Option<String>,
}

impl Start {
    /// What the node is told.
    #[must_use]
    pub fn target(&self) -> Target<'_> {
        let image = self.image.as_deref().map_or(TargetImage::OfConfig, TargetImage::Built);
        Target { config: &self.config, image }
    }
}

/// A node that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The node.
    pub node: String,
    /// Its pool, if it has one.
    pub pool: Option<String>,
    /// What it waits for.
    pub reason: WaitReason,
    /// Since when, as far as the objects or the previous plan say.
    pub since: Option<Timestamp>,
}

/// A node that runs its pool's target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The node.
    pub node: String,
    /// Its pool.
    pub pool: String,
}

/// Plans for all pools at once.
pub fn plan_rollout(world: &RolloutView<'_>, now: Timestamp) -> RolloutPlan {
    let mut planner = Planner::new(world, now);
    planner.without_pool();
    let mut pools: Vec<&PoolView<'_>> = world.pools.iter().collect();
    // The arbiter comes right after the control plane, because it depends on the outcome there.
    pools.sort_by_key(|p| (p.name != names::MASTER, p.name != names::ARBITER, p.name));
    for pool in pools {
        planner.pool(pool);
    }
    planner.plan
}

struct Planner<'w> {
    world: &'w RolloutView<'w>,
    now: Timestamp,
    previous: HashMap<&'w str, &'w Held>,
    plan: RolloutPlan,
    /// Control plane nodes that keep the arbiter waiting; absent while the control plane pool itself cannot move.
    moving_masters: Option<usize>,
}

impl<'w> Planner<'w> {
    fn new(world: &'w RolloutView<'w>, now: Timestamp) -> Self {
        let previous = world.previous.iter().flat_map(|p| &p.hold).map(|h| (h.node.as_str(), h)).collect();
        Self { world, now, previous, plan: RolloutPlan::default(), moving_masters: None }
    }

    fn nodes_of(&self, pool: &str) -> Vec<&'w NodeView<'w>> {
        let positions = self.world.membership.nodes.get(pool).map(Vec::as_slice).unwrap_or_default();
        positions.iter().filter_map(|&index| self.world.nodes.get(index)).collect()
    }

    fn without_pool(&mut self) {
        for (node, assignment) in self.world.nodes.iter().zip(&self.world.membership.assignments) {
            let owned = |pools: &[&str]| pools.iter().map(|&p| p.to_owned()).collect();
            let reason = match assignment {
                Assignment::Pools { .. } => continue,
                Assignment::NotManaged => WaitReason::NotManaged,
                Assignment::NoPool => WaitReason::NoPool,
                Assignment::Conflict(pools) => WaitReason::SeveralPools { pools: owned(pools) },
                Assignment::Unreadable(pool) => WaitReason::PoolUnreadable { pool: (*pool).to_owned() },
            };
            let idle = node.is_done() && !matches!(assignment, Assignment::NotManaged);
            self.plan.marks.extend(mark::mark(node, idle.then_some(false), None));
            self.hold(node, None, reason, None);
        }
    }

    fn pool(&mut self, pool: &PoolView<'w>) {
        let nodes = self.nodes_of(pool.name);
        let blocked = self.blocked(pool, nodes.len());
        let allowed = match (&blocked, max_unavailable(pool, nodes.len())) {
            (None, Ok(max)) => max,
            _ => 0,
        };
        let target = pool.aim();
        let room = capacity(&nodes, target, allowed);
        if pool.name == names::MASTER && blocked.as_ref().is_none_or(WaitReason::is_limit) {
            self.moving_masters = Some(room.moving());
        }
        let settling = unsettled_until(pool, self.world.settle, self.now).filter(|_| blocked.is_none());
        let first = self.plan.start.len();
        let stranded = if blocked.is_none() { room.stranded.as_slice() } else { &[] };
        for &node in stranded {
            self.start(pool, node);
        }
        let waiting = blocked.or_else(|| room.reason(allowed));
        let mut turns = match waiting {
            None => self.choose(pool, &room, settling),
            Some(_) => HashMap::new(),
        };
        let general = waiting.as_ref().is_none_or(WaitReason::is_general);
        for &node in &nodes {
            let turn = turns.remove(node.name);
            if matches!(turn, Some(None)) || stranded.iter().any(|started| started.name == node.name) {
                continue;
            }
            if pool.target.is_some() && node.has_reached(target) {
                self.plan.done.push(Done { node: node.name.to_owned(), pool: pool.name.to_owned() });
            } else if (pool.target.is_some() && node.is_told(target))
                || (general && (node.unready.is_some() || !node.is_done()))
            {
                let (reason, since) = self.at(node, pool);
                self.hold(node, Some(pool), reason, since);
            } else if let Some(until) = settling.filter(|_| general && !is_exempt(node, pool, self.now)) {
                self.plan.next = Some(self.plan.next.map_or(until, |next| next.min(until)));
                self.hold(node, Some(pool), WaitReason::Settling { until }, None);
            } else if let Some(reason) = waiting.clone().or(turn.flatten()) {
                self.hold(node, Some(pool), reason, None);
            }
        }
        self.mark(pool, &nodes, waiting.filter(|_| !general).as_ref(), settling.is_some(), first);
    }

    /// What prevents the whole pool from starting anything, if anything.
    fn blocked(&self, pool: &PoolView<'_>, nodes: usize) -> Option<WaitReason> {
        let Some(target) = pool.target else { return Some(WaitReason::PoolNotConfigured) };
        if pool.deleting {
            return Some(WaitReason::PoolDeleting);
        }
        if pool.paused {
            return Some(WaitReason::PoolPaused);
        }
        if let Some(halt) = self.world.halted {
            return Some(WaitReason::Halted(halt.clone()));
        }
        if self.world.configs.is_some_and(|configs| !configs.contains(target)) {
            return Some(WaitReason::ConfigMissing { config: target.to_owned() });
        }
        if let Some(wait) = pool.image_mode.and_then(|mode| mode.waits()) {
            return Some(WaitReason::Image(wait));
        }
        match max_unavailable(pool, nodes) {
            Err(error) => return Some(WaitReason::MaxUnavailable { why: error.to_string() }),
            Ok(max) if max < 1 => return Some(WaitReason::NothingAllowed { max }),
            Ok(_) => {}
        }
        match pool.name {
            names::MASTER if self.world.has_arbiter() => self.master_blocked(),
            names::ARBITER => self.arbiter_blocked(),
            _ => None,
        }
    }

    fn master_blocked(&self) -> Option<WaitReason> {
        if !self.world.pools.iter().any(|p| p.name == names::ARBITER) {
            return Some(WaitReason::NoArbiterPool);
        }
        let down = self.nodes_of(names::ARBITER).into_iter().find(|n| n.is_unavailable() || n.is_failing());
        down.map(|node| WaitReason::ArbiterUnavailable { node: node.name.to_owned(), failed: !node.is_unavailable() })
    }

    fn arbiter_blocked(&self) -> Option<WaitReason> {
        let master = self.world.pools.iter().find(|p| p.name == names::MASTER);
        let Some(master) = master.filter(|_| self.world.has_arbiter()) else {
            return Some(WaitReason::NoArbiterTopology);
        };
        let fails = self.nodes_of(names::ARBITER).into_iter().any(NodeView::is_failing);
        let moving = if master.paused || fails {
            let masters = self.nodes_of(names::MASTER).into_iter();
            Some(masters.filter(|n| n.is_unavailable() || (n.is_failing() && !fails)).count())
        } else {
            self.moving_masters
        };
        (moving != Some(0)).then(|| WaitReason::ControlPlaneFirst { masters: moving.unwrap_or_default() })
    }

    /// Why a node is not where its pool wants it, from its own state.
    fn at(&self, node: &NodeView<'_>, pool: &PoolView<'_>) -> (WaitReason, Option<Timestamp>) {
        let told = pool.target.is_some() && node.is_told(pool.aim());
        if let Some(unready) = node.unready.filter(|_| !told) {
            return (WaitReason::not_ready(unready.what), unready.since);
        }
        let report = self.world.reports.get(node.name);
        let config = node.desired_config.unwrap_or_default().to_owned();
        // What the report says about the time before the pool got its target concerns something else.
        let of_now = |since: &Timestamp| !told || pool.unsettled_since.is_none_or(|changed| changed <= *since);
        if node.is_degraded() {
            let since = report.and_then(|r| r.degraded.as_ref()).and_then(|d| d.since).filter(of_now);
            let (why, drifted) = (node.reason.to_owned(), !node.is_failing());
            return (WaitReason::Failing { config, why, drifted }, since);
        }
        if config.is_empty() || node.current_config.unwrap_or_default().is_empty() {
            return (WaitReason::NotReported, None);
        }
        let (reason, since) = WaitReason::updating(node, config, report);
        (reason, since.filter(of_now))
    }

    /// R-MARK-1 to R-MARK-4, for the nodes of a pool; what starts in it begins at `first` in the plan.
    fn mark(
        &mut self,
        pool: &PoolView<'_>,
        nodes: &[&NodeView<'_>],
        blocked: Option<&WaitReason>,
        settling: bool,
        first: usize,
    ) {
        let target = pool.aim();
        let starts: BTreeSet<String> = self.plan.start[first..].iter().map(|start| start.node.clone()).collect();
        let moves = !starts.is_empty() || nodes.iter().any(|node| node.is_told(target));
        let passing = settling || blocked.is_some_and(WaitReason::is_passing);
        for node in nodes.iter().filter(|node| !starts.contains(node.name)) {
            let wanted = match () {
                () if node.has_reached(target) => Some(false),
                () if !node.is_done() && !node.is_degraded() => None,
                () if node.is_told(target) || passing => None,
                () => Some(moves && blocked.is_none() && node.is_managed()),
            };
            self.plan.marks.extend(mark::mark(node, wanted, self.world.topology));
        }
    }

    /// Decides about each candidate of a pool with capacity: `None` starts now, the others say what they wait for.
    fn choose(
        &mut self,
        pool: &PoolView<'_>,
        room: &Capacity<'w>,
        settling: Option<Timestamp>,
    ) -> HashMap<&'w str, Option<WaitReason>> {
        let mut turns = HashMap::new();
        let mut candidates = room.candidates.clone();
        if let [node] = self.world.operator_nodes
            && pool.name == names::MASTER
            && candidates.len() > 1
            && let Some(index) = candidates.iter().position(|c| c.name == *node && !c.is_failing())
        {
            turns.insert(candidates.remove(index).name, Some(WaitReason::RunsOperator));
        }
        candidates.retain(|node| match adopt::adopt(node, self.world.pools, self.world.config_owners) {
            None => true,
            Some(adopt) => {
                turns.insert(node.name, Some(WaitReason::Joining { pool: adopt.pool.clone() }));
                self.plan.adopt.push(adopt);
                false
            }
        });
        candidates.retain(|node| settling.is_none() || is_exempt(node, pool, self.now));
        // One that gets its labels first keeps its place.
        let kept = room.astray.iter().filter(|node| turns.contains_key(node.name)).count();
        let left = room.left.saturating_sub(kept);
        if left < candidates.len() {
            candidates.sort_by_key(|n| (!n.is_failing(), n.zone.is_none(), n.zone, n.created, n.name));
        }
        for (position, node) in candidates.into_iter().enumerate() {
            if position < left {
                turns.insert(node.name, None);
                self.start(pool, node);
            } else {
                turns.insert(node.name, Some(WaitReason::Queued { ahead: position }));
            }
        }
        turns
    }

    fn start(&mut self, pool: &PoolView<'_>, node: &NodeView<'_>) {
        let target = pool.aim();
        let image = match target.image {
            TargetImage::Built(image) => Some(image.to_owned()),
            TargetImage::OfConfig | TargetImage::Missing => None,
        };
        self.plan.start.push(Start {
            node: node.name.to_owned(),
            version: node.version.to_owned(),
            pool: pool.name.to_owned(),
            changes_pool: self.changes_pool(pool, node),
            config: target.config.to_owned(),
            drop_image: image.is_none() && node.desired_image.is_some(),
            image,
            topology: self.world.topology.filter(|topology| node.topology != Some(topology)).map(str::to_owned),
        });
    }

    /// R-ROLLOUT-13: rendered MachineConfigs belong to their pools.
    fn changes_pool(&self, pool: &PoolView<'_>, node: &NodeView<'_>) -> bool {
        let owner = node.current_config.and_then(|config| self.world.config_owners.get(config));
        owner.is_some_and(|owner| *owner != pool.name)
    }

    fn hold(&mut self, node: &NodeView<'_>, pool: Option<&PoolView<'_>>, reason: WaitReason, since: Option<Timestamp>) {
        let before = self.previous.get(node.name).filter(|held| reason.continues(&held.reason));
        let since = since.or_else(|| match before {
            Some(held) => held.since,
            None => self.world.previous.map(|_| self.now),
        });
        self.plan.hold.push(Held { node: node.name.to_owned(), pool: pool.map(|p| p.name.to_owned()), reason, since });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_holds_until_its_next_time_and_not_at_an_earlier_one_than_it_was_made() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (next, now, holds) in [
            (None, 100, true),
            (None, 99, false),
            (Some(at(103)), 102, true),
            (Some(at(103)), 103, false),
            (Some(at(103)), 0, false),
        ] {
            let plan = RolloutPlan { next, ..RolloutPlan::default() };
            assert_eq!(plan.holds(at(100), at(now)), holds, "{next:?} at {now}");
        }
    }
}
