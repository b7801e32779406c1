//! After how many lives each defect is found, and by which violation. Run with `cargo xtask mutants`.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "figures")]

#[path = "../tests/defects/mod.rs"]
mod defects;

use defects::{DEFECTS, found};
use std::process::ExitCode;

/// Each has to be found within this many lives.
const MOST_LIVES: u64 = 2_000;
fn main() -> ExitCode {
    // `cargo test --benches` asks whether it runs at all.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let mut missed = 0;
    for defect in DEFECTS {
        match found(defect, MOST_LIVES) {
            Some((lives, violation)) => println!("{:35} {lives:>5}  {violation}", defect.name),
            None => {
                missed += 1;
                println!("{:35}     -  not found within {MOST_LIVES} lives", defect.name);
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
