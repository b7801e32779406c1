//! Lives of clusters, decided by seeds.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use weir_sim::life::{Prepared, live};

#[test]
fn a_seed_gives_the_same_life_again() {
    let prepared = Prepared::new().unwrap();
    for seed in 1..=3 {
        let first = live(seed, &prepared).unwrap();
        let again = live(seed, &prepared).unwrap();
        assert_eq!(first.trace, again.trace, "seed {seed}");
        assert_eq!(first.violations, [""; 0], "seed {seed}");
        assert!(first.trace.len() > 100, "seed {seed}");
    }
}

/// Lives that were violated once, and what was wrong.
const MENDED: [(u64, &str); 2] = [
    (621_924_550, "a conflict on creating a rendered MachineConfig counted as its existence"),
    (1_601_165_767, "the same in three pools"),
];

#[test]
fn what_was_mended_stays_so() {
    let prepared = Prepared::new().unwrap();
    for (seed, what) in MENDED {
        assert_eq!(live(seed, &prepared).unwrap().violations, [""; 0], "{seed}: {what}");
    }
}
