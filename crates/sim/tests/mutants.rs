//! Three of the defects that lives have to find, in every run of the tests; `cargo xtask mutants` looks for all of them.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod defects;

use defects::{DEFECTS, found};

/// Those that are found within a few lives.
const IN_EVERY_RUN: [&str; 3] = ["one node too many", "updated at once", "transition times move"];

#[test]
fn lives_find_defects() {
    for name in IN_EVERY_RUN {
        let defect = DEFECTS.iter().find(|defect| defect.name == name).unwrap();
        let (lives, violation) = found(*defect, 60).unwrap();
        println!("{name}: {lives} lives: {violation}");
    }
}
