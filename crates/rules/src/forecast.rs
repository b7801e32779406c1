//! How long a rollout will take, from what came of those before.
//!
//! R-FORECAST-1 A node takes for each phase what half of the nodes of the pool's last rollouts took at most, and in one of ten cases more
//! than what nine of ten took. Rollouts count by their nodes, the newest first, until there are [`ENOUGH`] nodes.
//! R-FORECAST-2 Without any, it is what OpenShift documents: from 5 minutes for each node, which it says may be more; the longest is the
//! 10 minutes that its operator gives each node before it reports a pool. That it is no experience is said.
//! R-FORECAST-3 Nodes go in waves of as many as may be down beside those that stay down; those under way are part of the first, and what
//! they spent counts. A node that first arrives somewhere else is one node, and takes what it has left of that and the new round.
//! R-FORECAST-4 While something holds the pool back, the time counts from when that ends; what it is, is said, and the nodes that wait for
//! it are counted apart.
//! R-FORECAST-5 A node is slow when it is longer in a phase than nine of ten others were.
//! R-FORECAST-6 A node that failed, is not ready or says nothing goes nowhere by itself: it is not counted, and takes up room.
//! R-FORECAST-7 No end is in sight while a budget keeps a node from being drained, a user has to change something first, or nodes that stay
//! down take up all the room. Then there is no forecast but the reason.
//! R-FORECAST-8 When nodes under way have taken longer than nine of ten did, when it will be over is not known: it is said by how much.
//!
//! Source: "Understanding OpenShift Container Platform update duration" in the documentation of OpenShift, chapter on updating clusters.

mod course;

pub(crate) use course::first_blocked;
pub use course::{Course, ToGo};

use crate::{
    history::{History, Passage, Phase, Quantiles, written},
    objects::counted::Count,
};
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeMap, fmt};

/// Nodes from which experience is taken: more say nothing more, and older ones say less.
const ENOUGH: usize = 100;
/// What OpenShift documents for a node, in milliseconds.
const DOCUMENTED: u64 = 5 * 60 * 1000;
/// What its operator gives a node before it reports a pool (R-REQUIRED-6), in milliseconds.
const GIVEN: u64 = 10 * 60 * 1000;

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
    /// What has to change before an end is in sight (R-FORECAST-7), in the words of its reason.
    Endless(String),
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
    /// Those of them that wait for what holds the pool back.
    pub waiting: usize,
    /// Until all are done, from now or from when nothing holds the pool back.
    pub left: [u64; 2],
    /// By how much those under way have taken longer than nine of ten did (R-FORECAST-8).
    pub longer: Option<u64>,
    /// What limits it.
    pub limit: Limit,
    /// Nodes that take longer than others did.
    pub slow: Vec<Slow>,
}

/// Forecasts a pool's rollout from its history; `None` when no node has to go.
#[must_use]
pub fn forecast(history: Option<&History>, to_go: &ToGo<'_>, now: Timestamp) -> Option<Forecast> {
    let moving = to_go.under_way.len() + to_go.finishing.len();
    let nodes = to_go.nodes + to_go.waiting + moving;
    if nodes == 0 {
        return None;
    }
    let experience = Experience::of(history);
    let node = experience.total;
    let passage = |name: &str| {
        let last = history.and_then(History::under_way)?;
        last.each.get(name).filter(|passage| passage.ended.is_none())
    };
    let spent = |(name, since): &(&str, Option<Timestamp>)| match (passage(name), since) {
        (Some(passage), _) => passage.took(now),
        (None, Some(since)) => u64::try_from(now.duration_since(*since).as_millis()).unwrap_or_default(),
        (None, None) => 0,
    };
    let spent: Vec<u64> = to_go.under_way.iter().chain(&to_go.finishing).map(spent).collect();
    // The first wave is over when the node that has longest to go is done.
    let first = |at: usize| spent.iter().map(|spent| node[at].saturating_sub(*spent)).max().unwrap_or_default();
    let longer = spent.iter().filter_map(|spent| spent.checked_sub(node[1])).max().filter(|longer| *longer > 0);
    let starting = to_go.nodes + to_go.waiting + to_go.finishing.len();
    let at_once = to_go.at_once.max(1);
    let waves = u64::try_from(starting.div_ceil(at_once)).unwrap_or(u64::MAX);
    let left = [0, 1].map(|at| first(at).saturating_add(waves.saturating_mul(node[at])));
    let limit = to_go.limit(starting, at_once);
    let slow = to_go.under_way.iter().chain(&to_go.finishing);
    let slow = slow.filter_map(|(name, _)| experience.slow(name, passage(name)?, now)).collect();
    let (basis, phases, waiting) = (experience.basis, experience.phases, to_go.waiting);
    Some(Forecast { basis, phases, node, nodes, waiting, left, longer, limit, slow })
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
    /// When it will be over, usually and in nine of ten cases; absent while that is not known: something holds the pool back, no end is
    /// in sight, or it takes longer than forecast.
    #[must_use]
    pub fn over(&self, now: Timestamp) -> Option<[Timestamp; 2]> {
        if self.longer.is_some() || matches!(self.limit, Limit::Held(_) | Limit::Endless(_)) {
            return None;
        }
        let after = |left: u64| {
            now.checked_add(SignedDuration::from_millis(i64::try_from(left).unwrap_or(i64::MAX)))
                .unwrap_or(Timestamp::MAX)
        };
        Some(self.left.map(after))
    }

    /// Why no end is in sight, if none is.
    #[must_use]
    pub fn no_end(&self) -> Option<&str> {
        if let Limit::Endless(why) = &self.limit { Some(why) } else { None }
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wait = if self.waiting == 1 { "waits" } else { "wait" };
        match (self.nodes - self.waiting, self.waiting) {
            (nodes, 0) => write!(f, "{} to go", Count(nodes, "node"))?,
            (0, waiting) => write!(f, "{} {wait}", Count(waiting, "node"))?,
            (nodes, waiting) => write!(f, "{} to go, {waiting} {wait}", Count(nodes, "node"))?,
        }
        let [from, to] = self.left.map(written);
        let range = if self.left[0] == 0 { format!("within {to}") } else { format!("in {from} to {to}") };
        match (&self.limit, self.longer) {
            (Limit::Endless(why), _) => return write!(f, ", no end in sight: {why}"),
            (Limit::Held(why), _) => {
                let (take, they) = if self.waiting == 1 { ("takes", "it") } else { ("take", "they") };
                write!(f, ", and {take} {from} to {to} once {they} may start: {why}")?;
            }
            (_, Some(longer)) if self.left[1] == 0 => {
                write!(f, ", longer than forecast by {} so far", written(longer))?
            }
            (_, Some(longer)) => {
                write!(f, ", longer than forecast by {} so far; the others {range} after that", written(longer))?;
            }
            (_, None) => write!(f, " {range}")?,
        }
        if let Limit::AtOnce(nodes) = self.limit {
            write!(f, ", {nodes} at a time")?;
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
    use crate::rollout::WaitReason;
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

    fn under_way<'a>(nodes: usize, at_once: usize, names: &[&'a str]) -> ToGo<'a> {
        ToGo { nodes, at_once, under_way: names.iter().map(|&name| (name, None)).collect(), ..ToGo::default() }
    }

    #[test]
    fn waves_of_what_nodes_took_before() {
        let found = forecast(Some(&history()), &under_way(5, 2, &["a"]), now()).unwrap();
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
        let to_go = ToGo { waiting: 3, at_once: 1, held: Some(&paused), ..ToGo::default() };
        let found = forecast(None, &to_go, now()).unwrap();
        assert_eq!((found.left, found.over(now()), found.no_end()), ([900_000, 1_800_000], None, None));
        let said = found.to_string();
        assert!(
            said.starts_with("3 nodes wait, and take 15m to 30m once they may start: the pool is paused"),
            "{said}"
        );
        assert!(said.ends_with("this pool has no history yet)"), "{said}");
        assert_eq!(forecast(None, &ToGo::default(), now()), None);
    }

    #[test]
    fn no_end_is_in_sight_while_a_budget_or_a_setting_keeps_nodes() {
        let blocked = Some("a: budget web allows no disruption".to_owned());
        let found = forecast(Some(&history()), &ToGo { blocked, ..under_way(2, 1, &["a"]) }, now()).unwrap();
        assert_eq!(found.to_string(), "3 nodes to go, no end in sight: a: budget web allows no disruption");
        assert_eq!((found.over(now()), found.no_end()), (None, Some("a: budget web allows no disruption")));
        let nothing = WaitReason::NothingAllowed { max: -1 };
        let to_go = ToGo { waiting: 1, held: Some(&nothing), ..under_way(0, 0, &["a"]) };
        let found = forecast(Some(&history()), &to_go, now()).unwrap();
        let why = "1 node to go, 1 waits, no end in sight: the pool's maxUnavailable of -1 allows no node to be down";
        assert!(found.to_string().starts_with(why) && found.over(now()).is_none(), "{found}");
    }

    #[test]
    fn what_takes_longer_than_forecast_says_by_how_much() {
        // It began at 00:00:00, and nine of ten take 2 minutes.
        let late: Timestamp = "2026-01-01T00:05:00Z".parse().unwrap();
        let alone = forecast(Some(&history()), &under_way(0, 1, &["a"]), late).unwrap();
        assert_eq!((alone.longer, alone.over(late)), (Some(180_000), None));
        assert_eq!(alone.to_string(), "1 node to go, longer than forecast by 3m so far (from 1 rollout of 10 nodes)");
        let others = forecast(Some(&history()), &under_way(2, 1, &["a"]), late).unwrap().to_string();
        let said = "3 nodes to go, longer than forecast by 3m so far; the others in 2m to 4m after that, 1 at a time (";
        assert!(others.starts_with(said), "{others}");
        // Between what half of them took and what nine of ten did, it is not late yet.
        let found = forecast(Some(&history()), &under_way(0, 1, &["a"]), "2026-01-01T00:01:30Z".parse().unwrap());
        assert_eq!(found.unwrap().to_string(), "1 node to go within 30s (from 1 rollout of 10 nodes)");
    }

    #[test]
    fn without_a_history_what_objects_say_of_the_time_counts() {
        let since = Some("2026-01-01T00:00:00Z".parse().unwrap());
        let to_go = ToGo { at_once: 1, under_way: vec![("a", since)], ..ToGo::default() };
        let of = |time: &str| forecast(None, &to_go, time.parse().unwrap()).unwrap();
        assert_eq!(of("2026-01-01T00:02:00Z").left, [180_000, 480_000]);
        assert_eq!(of("2026-01-01T00:11:00Z").longer, Some(60_000));
        // A clock that was set back takes nothing away.
        assert_eq!(of("2025-12-31T00:00:00Z").left, [300_000, 600_000]);
    }

    #[test]
    fn a_node_that_first_arrives_elsewhere_is_one_node_and_takes_both_rounds() {
        let to_go = ToGo { at_once: 1, finishing: vec![("a", None)], ..ToGo::default() };
        let found = forecast(Some(&history()), &to_go, "2026-01-01T00:00:30Z".parse().unwrap()).unwrap();
        assert_eq!((found.nodes, found.left), (1, [30_000 + 60_000, 90_000 + 120_000]));
        assert_eq!(found.limit, Limit::AtOnce(1));
    }
}
