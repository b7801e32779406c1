//! Plans against what happens, in many lives. Run with `cargo xtask plans`; `cargo bench -p weir-sim --bench plans -- FIRST COUNT` takes
//! other seeds, and `FIRST COUNT FROM TO` the changes with these numbers alone.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "figures")]

use std::{
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};
use weir_sim::life::{CHANGES, Foreseen, Prepared, foresee};

/// What is compared without arguments: the first seed, how many, and which changes of each.
const ALL: [u64; 4] = [0, 500, 0, CHANGES];
/// Differences that are printed: the first say what is wrong.
const SHOWN: usize = 20;

fn main() -> ExitCode {
    // `cargo test --benches` asks whether it runs at all.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let given: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let [first, count, from, to] = std::array::from_fn(|at| given.get(at).copied().unwrap_or(ALL[at]));
    let (prepared, next, all) = (Prepared::new().unwrap(), AtomicU64::new(0), Mutex::new(Vec::new()));
    let start = Instant::now();
    let live = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let found = foresee(first + number, from..to, &prepared).unwrap();
            all.lock().unwrap().push(found);
        }
    };
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(live)));
    let all: Vec<Foreseen> = all.into_inner().unwrap();
    let sum = |of: fn(&Foreseen) -> usize| all.iter().map(of).sum::<usize>();
    let odd = all.iter().filter(|found| !found.differences.is_empty());
    for found in odd.clone().take(SHOWN) {
        println!("seed {}: {}", found.seed, found.differences.join("; "));
    }
    println!(
        "{count} lives from seed {first} in {:.1} s on {threads} threads: {} plans, {} refused; {} reboots, {} changes without one, {} \
         nodes that wait, {} whose drains are blocked, {} that had failed, {} into images, as planned; {} lives with differences",
        start.elapsed().as_secs_f64(),
        sum(|found| found.plans),
        sum(|found| found.refused),
        sum(|found| found.reboots),
        sum(|found| found.quiet),
        sum(|found| found.waits),
        sum(|found| found.blocked),
        sum(|found| found.failed),
        sum(|found| found.images),
        odd.clone().count(),
    );
    if odd.count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
