//! Plays `scenarios/*.txt`: each line after `> ` is a command, what follows it is what it printed. Run with
//! `UPDATE_SCENARIOS=1` to write anew what commands print; then read what changed.
//!
//! | command | does |
//! |---|---|
//! | `pool NAME [target=CONFIG] [max=N] [paused=yes] [selector=KEY] [image-mode=yes] [deleting=yes]` | makes a pool, or changes one |
//! | `node NAME [pool=P,…] [runs=CONFIG] [zone=Z] [age=DAYS] [cordoned=yes] [ready=no]` | makes a node, or changes one |
//! | `first NODE CONFIG POOL` | the machine was first booted into this configuration, which is the pool's |
//! | `configs NAME…` | from now on these MachineConfigs exist and no others |
//! | `operator NODE` | the operator runs there |
//! | `halt WHY`, `halt` | nothing may start anywhere, or again |
//! | `gone NODE` | the node is deleted |
//! | `pod NODE NAME [app=A] [daemonset=yes]`, `budget NAME app=A allows=N` | makes them, or changes them |
//! | `topology NAME` | changes the control plane's topology |
//! | `plan` | prints what every node may do |
//! | `go` | as the controller does: tells the nodes that may start |
//! | `daemon NODE working\|drain\|rebooting\|uncordon\|done\|fails WHY` | writes what the node's daemon would |
//! | `drain NODE` | as the controller does: one step of a drain, against an API server that keeps budgets |
//! | `status POOL` | prints the pool's status, and keeps it |
//! | `wait N[s\|m\|h]` | lets time pass |

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: a malformed scenario shall stop it")]

#[path = "scenarios/world.rs"]
mod world;

use std::path::Path;
use world::World;

#[test]
fn every_scenario_prints_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "txt")).collect();
    files.sort();
    assert!(!files.is_empty());
    let update = std::env::var_os("UPDATE_SCENARIOS").is_some();
    let mut wrong = Vec::new();
    for file in files {
        let told = std::fs::read_to_string(&file).unwrap();
        let played = play(&told, &file);
        if played == told {
            continue;
        }
        if update {
            std::fs::write(&file, &played).unwrap();
        } else {
            wrong.push(format!("{}:\n{}", file.display(), first_difference(&told, &played)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Plays a scenario and writes it again, with what its commands print now.
fn play(told: &str, file: &Path) -> String {
    let mut world = World::new();
    let mut out = String::new();
    for line in told.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            let printed = world.run(command).unwrap_or_else(|why| panic!("{}: {command}: {why}", file.display()));
            out.push_str(line);
            out.push('\n');
            for line in printed {
                out.push_str(&format!("  {line}\n"));
            }
        } else if !line.starts_with("  ") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn first_difference(told: &str, played: &str) -> String {
    let mut pairs = told.lines().zip(played.lines()).enumerate();
    match pairs.find(|(_, (a, b))| a != b) {
        Some((at, (a, b))) => format!("line {}:\n  told   {a}\n  played {b}", at + 1),
        None => format!("{} lines told, {} played", told.lines().count(), played.lines().count()),
    }
}
