//! How long a rollout will take, from what came of those before.
//!
//! R-FORECAST-1 A node takes for each phase what half of the nodes of the pool's last rollouts took at most, and in one of ten cases more
//! than what nine of ten took. Rollouts count by their nodes, the newest first, until there are [`ENOUGH`] nodes.
//! R-FORECAST-2 Without any, it is what OpenShift documents: from 5 minutes for each node, which it says may be more; the longest is the
//! 10 minutes that its operator gives each node before it reports a pool. That it is no experience is said.
//! R-FORECAST-3 Nodes go in waves of as many as may be down; those under way are part of the first, and what they spent counts.
//! R-FORECAST-4 While something holds the pool back, the time counts from when that ends; what it is, is said.
//! R-FORECAST-5 A node is slow when it is longer in a phase than nine of ten others were.
//!
//! Source: "Understanding OpenShift Container Platform update duration" in the documentation of OpenShift, chapter on updating clusters.

use crate::{
    history::{History, Passage, Phase, Quantiles, written},
    objects::counted::Count,
    rollout::WaitReason,
};
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeMap, fmt};

/// Nodes from which experience is taken: more say nothing more, and older ones say less.
const ENOUGH: usize = 100;
/// What OpenShift documents for a node, in milliseconds.
const DOCUMENTED: u64 = 5 * 60 * 1000;
/// What its operator gives a node before it reports a pool (R-REQUIRED-6), in milliseconds.
const GIVEN: u64 = 10 * 60 * 1000;

/// What is still to happen in a pool.
#[derive(Clone, Debug, Default)]
pub struct ToGo<'a> {
    /// Nodes that have not started.
    pub nodes: usize,
    /// How many may be down at once; 0 while that is unknown.
    pub at_once: usize,
    /// Names of the nodes under way.
    pub under_way: Vec<&'a str>,
    /// What keeps the pool from starting any.
    pub held: Option<&'a WaitReason>,
}

/// Where the durations come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// From this pool's history.
    History {
        /// How many rollouts.
        rollouts: usize,
        /// How many nodes.
        nodes: usize,
    },
    /// From the documentation.
    Documented,
}

/// What limits how fast it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many nodes may be down at once.
    AtOnce(usize),
    /// Nothing: all that have to go are on their way.
    Nodes,
    /// What keeps the pool from starting any, in the words of its reason.
    Held(String),
}

/// A node that takes longer than others did (R-FORECAST-5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slow {
    /// The node.
    pub node: String,
    /// The phase it is in.
    pub phase: Phase,
    /// How long it has been, in milliseconds.
    pub took: u64,
    /// What nine of ten took at most, in milliseconds.
    pub usual: u64,
}

/// A forecast. Durations are in milliseconds: the usual one, and what nine of ten do not exceed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Where they come from.
    pub basis: Basis,
    /// Of a node, for each phase; empty without experience.
    pub phases: BTreeMap<Phase, [u64; 2]>,
    /// Of a node in all.
    pub node: [u64; 2],
    /// Nodes that have to go, with those under way.
    pub nodes: usize,
    /// Until all are done, from now or from when nothing holds the pool back.
    pub left: [u64; 2],
    /// What limits it.
    pub limit: Limit,
    /// Nodes that take longer than others did.
    pub slow: Vec<Slow>,
}

/// Forecasts a pool's rollout from its history; `None` when no node has to go.
#[must_use]
pub fn forecast(history: Option<&History>, to_go: &ToGo<'_>, now: Timestamp) -> Option<Forecast> {
    let nodes = to_go.nodes + to_go.under_way.len();
    if nodes == 0 {
        return None;
    }
    let experience = Experience::of(history);
    let node = experience.total;
    let at_once = to_go.at_once.max(1);
    let waves = u64::try_from(to_go.nodes.div_ceil(at_once)).unwrap_or(u64::MAX);
    let passage = |name: &str| {
        let last = history.and_then(History::under_way)?;
        last.each.get(name).filter(|passage| passage.ended.is_none())
    };
    // The first wave is over when the node that has longest to go is done.
    let first = |at: usize| {
        let left = to_go.under_way.iter().map(|name| {
            let spent = passage(name).map_or(0, |passage| passage.took(now));
            node[at].saturating_sub(spent)
        });
        left.max().unwrap_or_default()
    };
    let left = [0, 1].map(|at| first(at).saturating_add(waves.saturating_mul(node[at])));
    let limit = match to_go.held {
        Some(reason) if to_go.nodes > 0 => Limit::Held(reason.to_string()),
        _ if to_go.nodes == 0 => Limit::Nodes,
        _ => Limit::AtOnce(at_once),
    };
    let slow = to_go.under_way.iter().filter_map(|name| experience.slow(name, passage(name)?, now)).collect();
    Some(Forecast { basis: experience.basis, phases: experience.phases, node, nodes, left, limit, slow })
}

/// The nodes of the rollout under way that take longer than others did (R-FORECAST-5), by name.
#[must_use]
pub fn slow(history: &History, now: Timestamp) -> Vec<Slow> {
    let experience = Experience::of(Some(history));
    let each = history.under_way().into_iter().flat_map(|rollout| &rollout.each);
    let under_way = each.filter(|(_, passage)| passage.ended.is_none());
    under_way.filter_map(|(name, passage)| experience.slow(name, passage, now)).collect()
}

/// What nodes took so far (R-FORECAST-1).
struct Experience {
    basis: Basis,
    phases: BTreeMap<Phase, [u64; 2]>,
    total: [u64; 2],
}

impl Experience {
    fn of(history: Option<&History>) -> Self {
        let (mut rollouts, mut nodes) = (Vec::new(), 0);
        for rollout in history.iter().flat_map(|history| history.rollouts.iter().rev()) {
            if nodes < ENOUGH && rollout.total.count > 0 {
                nodes += rollout.total.count;
                rollouts.push(rollout);
            }
        }
        let total = together(rollouts.iter().map(|rollout| &rollout.total));
        let Some(total) = total else {
            return Self { basis: Basis::Documented, phases: BTreeMap::new(), total: [DOCUMENTED, GIVEN] };
        };
        let of_phase = |phase| {
            let found = together(rollouts.iter().filter_map(|rollout| rollout.phases.get(&phase)))?;
            Some((phase, found))
        };
        let phases = Phase::ALL.into_iter().filter_map(of_phase).collect();
        Self { basis: Basis::History { rollouts: rollouts.len(), nodes }, phases, total }
    }

    fn slow(&self, node: &str, passage: &Passage, now: Timestamp) -> Option<Slow> {
        let usual = self.phases.get(&passage.phase)?[1];
        let took = passage.in_phase(now);
        (took > usual).then(|| Slow { node: node.to_owned(), phase: passage.phase, took, usual })
    }
}

/// Quantiles of several rollouts as those of one, each counted by its nodes.
fn together<'q>(all: impl Iterator<Item = &'q Quantiles>) -> Option<[u64; 2]> {
    let (mut count, mut sums) = (0_u128, [0_u128; 2]);
    for one in all {
        let nodes = one.count as u128;
        count += nodes;
        for (sum, took) in sums.iter_mut().zip([one.median, one.ninety]) {
            *sum += nodes * u128::from(took);
        }
    }
    (count > 0).then(|| sums.map(|sum| u64::try_from(sum / count).unwrap_or(u64::MAX)))
}

impl Forecast {
    /// When it will be over, usually and in nine of ten cases; absent while something holds the pool back.
    #[must_use]
    pub fn over(&self, now: Timestamp) -> Option<[Timestamp; 2]> {
        if matches!(self.limit, Limit::Held(_)) {
            return None;
        }
        let after = |left: u64| {
            now.checked_add(SignedDuration::from_millis(i64::try_from(left).unwrap_or(i64::MAX)))
                .unwrap_or(Timestamp::MAX)
        };
        Some(self.left.map(after))
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = self.left.map(written);
        write!(f, "{} to go in {from} to {to}", Count(self.nodes, "node"))?;
        match &self.limit {
            Limit::Nodes => {}
            Limit::AtOnce(nodes) => write!(f, ", {nodes} at a time")?,
            Limit::Held(why) => write!(f, " once they may start: {why}")?,
        }
        match self.basis {
            Basis::History { rollouts, nodes } => {
                write!(f, " (from {} of {})", Count(rollouts, "rollout"), Count(nodes, "node"))
            }
            Basis::Documented => {
                f.write_str(" (OpenShift's documented 5 to 10 minutes a node; this pool has no history yet)")
            }
        }
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [took, usual] = [self.took, self.usual].map(written);
        write!(f, "{} takes longer than others: {} for {took}, usually within {usual}", self.node, self.phase.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn history() -> History {
        let phases = json!({
            "drain": {"count": 10, "median": 10_000, "ninety": 30_000, "longest": 40_000},
            "reboot": {"count": 10, "median": 50_000, "ninety": 90_000, "longest": 99_000},
        });
        let total = json!({"count": 10, "median": 60_000, "ninety": 120_000, "longest": 130_000});
        let each = json!({"a": {
            "began": "2026-01-01T00:00:00Z", "phase": "drain", "since": "2026-01-01T00:00:10Z", "boot": "x",
        }});
        serde_json::from_value(json!({"rollouts": [
            {"from": "r0", "to": "r1", "began": "2025-01-01T00:00:00Z", "ended": "2025-01-01T01:00:00Z", "result": "done",
             "phases": phases, "total": total},
            {"from": "r1", "to": "r2", "began": "2026-01-01T00:00:00Z", "result": "underWay", "each": each},
        ]}))
        .unwrap()
    }

    fn now() -> Timestamp {
        "2026-01-01T00:01:00Z".parse().unwrap()
    }

    #[test]
    fn waves_of_what_nodes_took_before() {
        let to_go = ToGo { nodes: 5, at_once: 2, under_way: vec!["a"], held: None };
        let found = forecast(Some(&history()), &to_go, now()).unwrap();
        // Three waves, and the rest of the one under way: it has spent a minute.
        assert_eq!(found.left, [180_000, 60_000 + 360_000]);
        assert_eq!((found.basis, found.limit.clone()), (Basis::History { rollouts: 1, nodes: 10 }, Limit::AtOnce(2)));
        assert_eq!(found.to_string(), "6 nodes to go in 3m to 7m, 2 at a time (from 1 rollout of 10 nodes)");
        assert_eq!(found.over(now()).unwrap()[0].to_string(), "2026-01-01T00:04:00Z");
        let slow: Vec<_> = found.slow.iter().map(ToString::to_string).collect();
        assert_eq!(slow, ["a takes longer than others: drain for 50s, usually within 30s"]);
    }

    #[test]
    fn without_history_it_is_what_is_documented_and_says_so() {
        let paused = WaitReason::PoolPaused;
        let to_go = ToGo { nodes: 3, at_once: 1, under_way: Vec::new(), held: Some(&paused) };
        let found = forecast(None, &to_go, now()).unwrap();
        assert_eq!((found.left, found.over(now())), ([900_000, 1_800_000], None));
        let said = found.to_string();
        assert!(said.starts_with("3 nodes to go in 15m to 30m once they may start: the pool is paused"), "{said}");
        assert!(said.ends_with("this pool has no history yet)"), "{said}");
        assert_eq!(forecast(None, &ToGo::default(), now()), None);
    }
}
