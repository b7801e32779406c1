//! How far a rollout is, for people and for scripts: which nodes a pool has, which may start, and what the others wait for.
//!
//! R-EXPLAIN-1 It is computed from the objects, as the controllers would compute it; no memory is involved.
//! R-EXPLAIN-2 Nodes, unavailable nodes, limit, capacity and candidates are those of the pool alone: whether it is paused, being
//! deleted or an arbiter pool only affects which nodes start.
//! R-EXPLAIN-3 Lists of nodes are sorted by name, except the nodes that start, which are in their order.
//! R-EXPLAIN-4 Files without any node say nothing about nodes, and neither do files without the nodes of a pool that counted some: that is
//! reported, without counts and without a status.
//! R-EXPLAIN-5 For a pool in image mode it says how far its image is, and what the image that nodes are told is built on; for one
//! whose image an installer pinned, that.
//! R-EXPLAIN-6 A pool moves from the configuration that its status names last to its target, and from the stream that has the OS image
//! of the one to the stream that has that of the other.
//! R-EXPLAIN-7 A degraded pool says why in the words of its conditions: each that means it, and `Degraded` itself only without those.
//! R-EXPLAIN-8 What to do next is what changes the thing that nodes wait for, if a user can change it; for a degraded pool the question
//! why.
//! R-EXPLAIN-9 Of a node that no pool selects it is not known whether it has one while files leave out a pool that every cluster has: that
//! is said instead.
//! R-EXPLAIN-10 Of a rollout of which the pool's history has nothing, because it has just begun or nobody keeps one, the nodes tell.
//! R-EXPLAIN-11 Files that hold some of the nodes that a pool counted, and not all, say nothing about the others: that is said (R-WHY-6).

#[cfg(test)]
mod tests;
mod text;

pub use text::{bars, explained, groups, health, nodes, summary};

use super::{Views, World, remedy::of_wait, why::Unknown};
use crate::{
    build::{
        built_on::{BuiltOn, built_on},
        pinned::{Pinned, pinned},
    },
    forecast::{Course, Forecast, ToGo, first_blocked, forecast},
    history::{self, History},
    objects::counted::Count,
    rollout::{
        Held, RolloutPlan, Step, WaitReason, capacity, listed,
        lost::Lost,
        max_unavailable::max_unavailable,
        membership::Assignment,
        pause::{Pause, Paused},
    },
    view::{NodeView, PoolView, blocked::is_by_budget},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt};
use weir_api::{
    Condition,
    condition::{find_true, is_true},
    keys::pool::{
        DEGRADED, IMAGE_BUILD_DEGRADED, NODE_DEGRADED, PINNED_IMAGE_SETS_DEGRADED, RENDER_DEGRADED, UPDATED, UPDATING,
    },
    pool::MachineConfigPoolStatus,
};

/// A pool that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no MachineConfigPool {asked:?}; there are: {}", known.join(", "))]
pub struct NoSuchPool {
    /// The requested name.
    pub asked: String,
    /// The existing names.
    pub known: Vec<String>,
}

/// How far one pool is. Names are those of objects.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The pool.
    pub pool: String,
    /// The configuration its nodes are to reach; empty until there is one.
    pub target: String,
    /// The configuration that all its nodes ran last; empty if none.
    pub former: String,
    /// The stream of that one and of the target, as far as they are known.
    pub streams: [Option<String>; 2],
    /// Whether it is paused.
    pub paused: bool,
    /// Why it is paused, and until when.
    pub pause: Option<Paused>,
    /// How far its image is, in image mode.
    pub image_mode: Option<String>,
    /// What the image that its nodes are told is built on, in image mode.
    pub built_on: Option<BuiltOn>,
    /// What pins its image.
    pub pinned: Option<Pinned>,
    /// Why its nodes are unknown, if they are; then everything below is meaningless (R-EXPLAIN-4).
    pub unseen: Option<&'static str>,
    /// What is not known of its nodes because files hold some of them only (R-EXPLAIN-11).
    pub left_out: Option<Unknown>,
    /// Its nodes.
    pub nodes: Vec<String>,
    /// The unavailable ones.
    pub unavailable: Vec<String>,
    /// How many may be unavailable, or why that is unknown.
    pub max_unavailable: Result<i64, String>,
    /// How many more may be taken down.
    pub capacity: usize,
    /// Those that could start if it were their turn; none without capacity.
    pub candidates: Vec<String>,
    /// Those that may start now.
    pub start: Vec<String>,
    /// Those that wait.
    pub hold: Vec<Waits>,
    /// The status that the pool should have.
    pub status: MachineConfigPoolStatus,
    /// How long it will take; absent when no node has to go.
    pub forecast: Option<Forecast>,
    /// Its last rollout that ended, in a line.
    pub last: Option<String>,
}

/// How a pool is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// A node, its rendering or its image fails.
    Degraded,
    /// It has no configuration yet.
    NotRendered,
    /// Its nodes are unknown (R-EXPLAIN-4).
    NotKnown,
    /// Nodes are on their way.
    Updating,
    /// Nodes would go, but it is paused.
    Paused,
    /// Neither on its way nor there.
    NotUpdating,
    /// All nodes run what they should.
    Updated,
}

impl Health {
    /// In a word, or two.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Degraded => "degraded",
            Self::NotRendered => "not rendered",
            Self::NotKnown => "not known",
            Self::Updating => "updating",
            Self::Paused => "paused",
            Self::NotUpdating => "not updating",
            Self::Updated => "updated",
        }
    }
}

/// A node that waits.
#[derive(Clone, Debug)]
pub struct Waits {
    /// The node.
    pub node: String,
    /// What it waits for.
    pub reason: WaitReason,
    /// Since when, as far as the objects say.
    pub since: Option<Timestamp>,
}

/// The pools of every node, as JSON: `{"nodes": {NODE: {"pools": […], "primary": …}}}`, or `"error"` instead of the two.
#[must_use]
pub fn membership(world: &World) -> Value {
    let views = world.views();
    let assigned = views.nodes.iter().zip(&views.membership.assignments);
    let entry = |(node, assignment): (&NodeView<'_>, &Assignment<'_>)| {
        let value = match refused(assignment) {
            Some(reason) => json!({"error": reason.to_string()}),
            None => json!({"pools": assignment.pools(), "primary": assignment.primary()}),
        };
        (node.name.to_owned(), value)
    };
    json!({"nodes": assigned.map(entry).collect::<BTreeMap<_, _>>()})
}

/// Why a node that should have a pool has none.
fn refused(assignment: &Assignment<'_>) -> Option<WaitReason> {
    match assignment {
        Assignment::Conflict(pools) => {
            Some(WaitReason::SeveralPools { pools: pools.iter().map(|&pool| pool.to_owned()).collect() })
        }
        Assignment::Unreadable(pool) => Some(WaitReason::PoolUnreadable { pool: (*pool).to_owned() }),
        Assignment::NotManaged | Assignment::NoPool | Assignment::Pools { .. } => None,
    }
}

/// Explains one pool.
///
/// # Errors
/// When it does not exist.
pub fn explain(world: &World, pool: &str, now: Timestamp) -> Result<Explained, NoSuchPool> {
    let views = world.views();
    let Some(view) = views.pools.iter().find(|view| view.name == pool) else {
        let mut known: Vec<_> = views.pools.iter().map(|view| view.name.to_owned()).collect();
        known.sort_unstable();
        return Err(NoSuchPool { asked: pool.to_owned(), known });
    };
    Ok(views.explain(view, &views.plan(None, now), &views.lost(), now))
}

/// Explains every pool, by name.
#[must_use]
pub fn explain_all(world: &World, now: Timestamp) -> Vec<Explained> {
    let views = world.views();
    views.explain_all(&views.plan(None, now), now)
}

/// The same without what only grows or shrinks with time, to see whether anything else has changed. That a node has become slow is
/// such a change, and how slow it is, is none; the same goes for what takes longer than forecast.
#[must_use]
pub fn timeless(pools: &[Explained]) -> Vec<Explained> {
    let mut pools = pools.to_vec();
    for forecast in pools.iter_mut().filter_map(|pool| pool.forecast.as_mut()) {
        forecast.left = [0; 2];
        forecast.longer = forecast.longer.map(|_| 0);
        for slow in &mut forecast.slow {
            slow.took = 0;
        }
    }
    pools
}

/// Nodes that should have a pool but have none, with the reason, by name; without those of [`unplaced`].
#[must_use]
pub fn without_pool(world: &World) -> Vec<(String, WaitReason)> {
    let views = world.views();
    let all_pools = views.left_out().is_empty();
    let lost = views.lost().into_iter().filter(|lost| all_pools || lost.reason != WaitReason::NoPool);
    lost.map(|lost| (lost.node, lost.reason)).collect()
}

/// Nodes whose pool is not known (R-EXPLAIN-9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplaced {
    /// Their names, sorted.
    pub nodes: Vec<String>,
    /// The pools that are missing.
    pub missing: Vec<&'static str>,
}

impl fmt::Display for Unplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, missing) = (Count(self.nodes.len(), "node"), self.missing.join(" and "));
        let are = if self.nodes.len() == 1 { "is" } else { "are" };
        let nodes = listed(self.nodes.iter().map(String::as_str));
        write!(f, "{count} {are} in none of the pools among the files, which have no pool {missing}: {nodes}")
    }
}

/// Nodes of files that no pool among them selects, if files leave out a pool that every cluster has.
#[must_use]
pub fn unplaced(world: &World) -> Option<Unplaced> {
    let views = world.views();
    let missing = views.left_out();
    let assigned = views.nodes.iter().zip(&views.membership.assignments);
    let nodes = assigned.filter(|(_, assignment)| matches!(assignment, Assignment::NoPool));
    let mut nodes: Vec<_> = nodes.map(|(node, _)| node.name.to_owned()).collect();
    nodes.sort_unstable();
    (!missing.is_empty() && !nodes.is_empty()).then_some(Unplaced { nodes, missing })
}

/// Conditions of which each alone makes a pool degraded.
const DEGRADES: [weir_api::condition::ConditionType; 4] =
    [RENDER_DEGRADED, NODE_DEGRADED, IMAGE_BUILD_DEGRADED, PINNED_IMAGE_SETS_DEGRADED];

impl Explained {
    /// How it is.
    #[must_use]
    pub fn health(&self) -> Health {
        let conditions = self.status.conditions.as_deref().unwrap_or_default();
        let says = |type_| is_true(conditions, type_);
        match () {
            () if says(DEGRADED) || says(RENDER_DEGRADED) => Health::Degraded,
            () if self.unseen.is_some() => Health::NotKnown,
            () if self.target.is_empty() => Health::NotRendered,
            () if says(UPDATED) => Health::Updated,
            () if says(UPDATING) => Health::Updating,
            () if self.paused => Health::Paused,
            () => Health::NotUpdating,
        }
    }

    /// Why it is degraded (R-EXPLAIN-7).
    #[must_use]
    pub fn causes(&self) -> Vec<&Condition> {
        let conditions = self.status.conditions.as_deref().unwrap_or_default();
        let found: Vec<_> = DEGRADES.iter().filter_map(|type_| find_true(conditions, *type_)).collect();
        if found.is_empty() { find_true(conditions, DEGRADED).into_iter().collect() } else { found }
    }

    /// Nodes that do not run the target.
    #[must_use]
    pub fn to_go(&self) -> usize {
        self.hold.len() + self.start.len()
    }

    /// The rollout that it is in and of which its history has nothing, in a line (R-EXPLAIN-10).
    #[must_use]
    pub fn unrecorded(&self, history: Option<&History>) -> Option<String> {
        let is_recorded =
            history.and_then(|history| history.rollouts.last()).is_some_and(|last| last.to == self.target);
        let moves = !self.target.is_empty() && !self.former.is_empty() && self.target != self.former;
        let (all, to_go) = (self.nodes.len(), self.to_go());
        let has_begun = to_go < all || !self.start.is_empty() || !self.under_way().is_empty();
        (moves && has_begun && !is_recorded && self.unseen.is_none()).then(|| {
            let done = format!("{} of {} done", all.saturating_sub(to_go), Count(all, "node"));
            format!("{} to {}; under way, {done}; nothing of it has been recorded so far", self.former, self.target)
        })
    }

    /// Names of the nodes under way, by step.
    #[must_use]
    pub fn under_way(&self) -> BTreeMap<Step, Vec<&str>> {
        let mut steps: BTreeMap<Step, Vec<&str>> = BTreeMap::new();
        for held in &self.hold {
            if let WaitReason::Updating { step, .. } = &held.reason {
                steps.entry(*step).or_default().push(&held.node);
            }
        }
        steps
    }

    /// The commands that get it further, without repetitions (R-EXPLAIN-8).
    #[must_use]
    pub fn next(&self) -> Vec<String> {
        let mut commands: Vec<String> = Vec::new();
        let why = (self.health() == Health::Degraded).then(|| format!("weir why mcp/{}", self.pool));
        let of_nodes = self.hold.iter().flat_map(|held| of_wait(&held.reason, &held.node, &self.pool));
        for command in why.into_iter().chain(of_nodes) {
            if !commands.contains(&command) {
                commands.push(command);
            }
        }
        commands
    }

    /// What `weir status` says beyond [`Self::json`].
    #[must_use]
    pub fn overview(&self) -> Value {
        let causes = self.causes().into_iter();
        let causes = causes.map(|held| json!({"type": held.type_, "reason": held.reason, "message": held.message}));
        let steps = self.under_way().into_iter().map(|(step, nodes)| (step.phase(), nodes));
        let pause = self.pause.as_ref().map(|paused| &paused.pause);
        json!({
            "health": self.health().word(), "causes": causes.collect::<Vec<_>>(), "next": self.next(), "paused": self.paused,
            "pausedUntil": pause.and_then(Pause::ends).map(|at| at.to_string()),
            "pausedBecause": pause.and_then(|pause| pause.because.as_deref()),
            "pauseSafeUntil": pause.and_then(Pause::is_safe_until).map(|at| at.to_string()),
            "from": self.former, "to": self.target, "fromStream": self.streams[0], "toStream": self.streams[1],
            "underWay": steps.collect::<BTreeMap<_, _>>(), "lastRollout": self.last,
            "forecast": self.forecast.as_ref().map(ToString::to_string), "nodesNotKnown": self.left_out.as_ref().map(ToString::to_string),
            "noEnd": self.forecast.as_ref().and_then(Forecast::no_end),
            "slow": self.forecast.iter().flat_map(|found| &found.slow).map(ToString::to_string).collect::<Vec<_>>(),
        })
    }

    /// The explanation as JSON for scripts.
    #[must_use]
    pub fn json(&self) -> Value {
        if let Some(unseen) = self.unseen {
            return json!({
                "nodes": null, "unavailable": null, "maxUnavailable": null, "capacity": null, "candidates": null,
                "start": null, "hold": null, "status": null, "notKnown": unseen,
            });
        }
        let hold = self.hold.iter().map(|held| {
            let reason = format!("{}: {}", held.reason.code(), held.reason);
            json!({"node": held.node, "reason": reason, "since": held.since.map(|since| since.to_string())})
        });
        json!({
            "nodes": self.nodes, "unavailable": self.unavailable, "maxUnavailable": self.max_unavailable.as_ref().ok(),
            "capacity": self.capacity, "candidates": self.candidates, "start": self.start,
            "hold": hold.collect::<Vec<_>>(), "status": self.status,
        })
    }
}

impl<'a> Views<'a> {
    /// Explains every pool, by name, with a plan of these views.
    #[must_use]
    pub fn explain_all(&self, plan: &RolloutPlan, now: Timestamp) -> Vec<Explained> {
        let lost = self.lost();
        let mut all: Vec<_> = self.pools.iter().map(|view| self.explain(view, plan, &lost, now)).collect();
        all.sort_by(|a, b| a.pool.cmp(&b.pool));
        all
    }

    pub(super) fn explain(&self, pool: &PoolView<'a>, plan: &RolloutPlan, lost: &[Lost], now: Timestamp) -> Explained {
        let nodes = self.nodes_of(pool.name);
        let names = |nodes: &[&NodeView<'_>]| nodes.iter().map(|node| node.name.to_owned()).collect();
        let max = max_unavailable(pool, nodes.len());
        let room = capacity(&nodes, pool.aim(), *max.as_ref().unwrap_or(&0));
        let status = self.status_of(plan, lost, now)(pool, &nodes);
        let held = plan.hold.iter().filter(|held| held.pool.as_deref() == Some(pool.name));
        let before = pool.object.status.as_ref().and_then(|status| status.configuration.as_ref());
        let former = before.map(|config| config.name().to_owned()).unwrap_or_default();
        let history = self.world.history(pool.name);
        let to_go = self.to_go(pool, plan, &nodes);
        Explained {
            streams: [former.as_str(), pool.target.unwrap_or_default()].map(|config| self.stream_of(config)),
            former,
            pool: pool.name.to_owned(),
            target: pool.target.unwrap_or_default().to_owned(),
            paused: pool.paused,
            pause: self.world.pause(pool),
            image_mode: pool.image_mode.map(|mode| mode.to_string()),
            built_on: built_on(self.world, pool),
            pinned: pinned(self.world, pool.object),
            unseen: self.unseen(pool, nodes.len()),
            // Files with none of its nodes are told by `unseen`.
            left_out: Unknown::of_nodes(self.world, pool, nodes.len()).filter(|_| !nodes.is_empty()),
            nodes: names(&nodes),
            unavailable: names(&room.unavailable),
            max_unavailable: max.map_err(|error| error.to_string()),
            capacity: room.left,
            candidates: names(&room.candidates),
            start: plan.start.iter().filter(|start| start.pool == pool.name).map(|start| start.node.clone()).collect(),
            hold: held
                .map(|held| Waits { node: held.node.clone(), reason: held.reason.clone(), since: held.since })
                .collect(),
            status,
            forecast: forecast(history.as_ref(), &to_go, now),
            last: history.as_ref().and_then(history::last),
        }
    }

    /// R-EXPLAIN-4.
    fn unseen(&self, pool: &PoolView<'a>, held: usize) -> Option<&'static str> {
        let counted = pool.object.status.as_ref().map_or(0, |status| status.machine_count);
        match self.nodes.is_empty() {
            _ if self.world.whole => None,
            true => Some(text::UNSEEN),
            false => (held == 0 && counted > 0).then_some(text::NONE_OF_IT),
        }
    }

    /// What is still to happen in a pool.
    fn to_go<'p>(&self, pool: &PoolView<'a>, plan: &'p RolloutPlan, nodes: &[&NodeView<'_>]) -> ToGo<'p> {
        let held = || plan.hold.iter().filter(|held| held.pool.as_deref() == Some(pool.name));
        let goes_on = |name: &str| nodes.iter().any(|node| node.name == name && !node.is_told(pool.aim()));
        let course = |held: &'p Held| match &held.reason {
            WaitReason::Updating { .. } if goes_on(&held.node) => Course::Finishes(held.since),
            WaitReason::Updating { .. } => Course::UnderWay(held.since),
            why => Course::Waits(why),
        };
        let starts = plan.start.iter().filter(|start| start.pool == pool.name);
        let courses = held().map(|held| (held.node.as_str(), course(held)));
        let courses = courses.chain(starts.map(|start| (start.node.as_str(), Course::Starts))).collect();
        let blocked = held().filter_map(|held| match &held.reason {
            WaitReason::Updating { blocked, .. } if is_by_budget(blocked) => {
                Some((held.node.as_str(), blocked.clone()))
            }
            _ => None,
        });
        ToGo::of(pool, nodes, &courses, first_blocked(blocked))
    }

    /// The stream that has the OS image of a rendered MachineConfig now.
    #[must_use]
    pub fn stream_of(&self, config: &str) -> Option<String> {
        let image = self.configs.get(config)?.spec.os_image_url.as_deref().filter(|image| !image.is_empty())?;
        let streams = &self.world.streams_in_effect()?.status.as_ref()?.available_streams;
        streams.iter().find(|set| set.os_image == image).map(|set| set.name.clone())
    }
}
