//! Lives of clusters, decided by seeds.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};
use weir_sim::life::{Prepared, Record, live, live_plot, plot::Plot, reached::Coverage};

/// Lives in every run of the tests: a few that reach, together, all that lives reach, and 20, which is lived twice. `weir sim` is for people
/// and nights.
const SEEDS: [u64; 11] = [11, 20, 35, 40, 54, 91, 141, 817, 1360, 1433, 1498];

/// Lives that violated something once, and what was wrong.
const MENDED: [(&str, &str); 8] = [
    (
        include_str!("lives/conflict-on-create.yaml"),
        "a conflict on creating a rendered MachineConfig counted as its existence",
    ),
    (include_str!("lives/conflict-on-create-in-three-pools.yaml"), "the same in three pools"),
    (
        include_str!("lives/gate-off-and-killed.yaml"),
        "a process that started gave nodes a target that had settled while nobody looked, and then rendered another",
    ),
    (
        include_str!("lives/gate-off.yaml"),
        "a gate that was turned off gave pools two targets: with another image, and with another kubelet's configuration",
    ),
    (
        include_str!("lives/answer-lost.yaml"),
        "the answer to giving a node its target was lost, another node was the first in the next plan, and two were down",
    ),
    (include_str!("lives/budget-deleted.yaml"), "a slow drain did not see that the budget in its way was deleted"),
    (
        include_str!("lives/unreadable-selector.yaml"),
        "a pool whose selector is invalid did not name the nodes that wait for it",
    ),
    (include_str!("lives/writes-at-rest.yaml"), "the same: its rollout went on when all seemed to be at rest"),
];

#[test]
fn what_was_mended_stays_so() {
    let prepared = Prepared::new().unwrap();
    for (plot, what) in MENDED {
        let plot = Plot::parse(plot).unwrap();
        assert_eq!(live_plot(&plot, &prepared).unwrap().violations, [""; 0], "{}: {what}", plot.seed);
    }
}

/// The lives of these seeds, on all processors.
fn lives(seeds: &[u64]) -> BTreeMap<u64, Record> {
    let (prepared, next) = (Prepared::new().unwrap().covering(), AtomicUsize::new(0));
    let some = || -> Vec<Record> {
        let seeds = std::iter::from_fn(|| seeds.get(next.fetch_add(1, Ordering::Relaxed)));
        seeds.map(|seed| live(*seed, &prepared).unwrap()).collect()
    };
    let threads = thread::available_parallelism().unwrap().get();
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(some)).collect();
        all.into_iter().flat_map(|some| some.join().unwrap()).map(|life| (life.seed, life)).collect()
    })
}

#[test]
fn everything_holds_in_lives_with_fixed_seeds_and_they_reach_what_they_should() {
    let mut coverage = Coverage::default();
    for (seed, life) in lives(&SEEDS) {
        assert_eq!(life.violations, [""; 0], "weir sim --seed {seed} --trace");
        assert!(life.trace.len() > 50, "{seed}");
        coverage.add(&life.reached);
    }
    println!("{coverage}");
    assert_eq!(coverage.unexpected(), [], "what is said never to be reached was");
    let missing: Vec<_> = coverage.missing().into_iter().filter(|(_, _, why)| why.is_none()).collect();
    assert_eq!(missing, [], "reach it, or say why that is not possible");
}
