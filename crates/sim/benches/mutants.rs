//! After how many lives each defect is found, and by which violation. Run with `cargo xtask mutants`;
//! `cargo bench -p weir-sim --bench mutants -- WORD` looks for those whose name has that word, with a
//! number in that many lives.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "figures")]

#[path = "../tests/defects/mod.rs"]
mod defects;

use defects::{DEFECTS, found};
use std::{process::ExitCode, time::Instant};

/// Each has to be found within this many lives, unless a number says otherwise.
const MOST_LIVES: u64 = 2_000;

fn main() -> ExitCode {
    // `cargo test --benches` asks whether it runs at all.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let mut wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let most = wanted.iter().find_map(|argument| argument.parse().ok()).unwrap_or(MOST_LIVES);
    wanted.retain(|argument| argument.parse::<u64>().is_err());
    let mut missed = 0;
    for defect in DEFECTS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| defect.name.contains(wanted.as_str())) {
            continue;
        }
        let start = Instant::now();
        match found(defect, most) {
            Some((lives, violation)) => {
                let seconds = start.elapsed().as_secs_f64();
                println!("{:50} {lives:>5} {seconds:>7.1} s  {violation}", defect.name);
            }
            None => {
                missed += 1;
                println!("{:50}     -  not found within {most} lives", defect.name);
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
