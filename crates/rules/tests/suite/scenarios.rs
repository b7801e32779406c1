//! Plays `scenarios/*.txt`: each line after `> ` is a command, what follows it is what it printed. Run with
//! `UPDATE_SCENARIOS=1` to write anew what commands print; then read what changed.
//!
//! | command | does |
//! |---|---|
//! | `pool NAME [target=CONFIG] [max=N] [paused=yes] [selector=KEY] [image-mode=yes\|no] [deleting=yes]` | makes a pool, or changes one |
//! | `build POOL prepared\|building\|fails WHY\|interrupted\|done IMAGE` | the build of what the pool is rendered to is so far |
//! | `build POOL named IMAGE` | the pool's MachineOSConfig has this image in its status |
//! | `node NAME [pool=P,…] [runs=CONFIG] [zone=Z] [age=DAYS] [cordoned=yes] [ready=no]` | makes a node, or changes one |
//! | `first NODE CONFIG POOL` | the machine was first booted into this configuration, which is the pool's |
//! | `configs NAME…` | from now on these MachineConfigs exist and no others |
//! | `operator NODE` | the operator runs there |
//! | `halt WHY`, `halt` | nothing may start anywhere, or again |
//! | `gone NODE`, `delete POOL` | the node, or the pool, is deleted |
//! | `pod NODE NAME [app=A] [daemonset=yes]`, `budget NAME app=A allows=N` | makes them, or changes them |
//! | `topology NAME` | changes the control plane's topology |
//! | `settle N[s\|m\|h]` | from now on a new target is told when it was still for so long |
//! | `plan` | prints what every node may do |
//! | `mark` | as the controller does: notes on nodes what is to be there beside their target |
//! | `go` | as the controller does: tells the nodes that may start |
//! | `daemon NODE working\|drain\|rebooting\|uncordon\|done\|fails WHY` | writes what the node's daemon would |
//! | `drain NODE` | as the controller does: one step of a drain, against an API server that keeps budgets |
//! | `status POOL` | prints the pool's status, and keeps it |
//! | `wait N[s\|m\|h]` | lets time pass |

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: a malformed scenario shall stop it")]

mod agreement;
mod scenario;

use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};
use scenario::Scenario;
use std::{collections::BTreeMap, path::Path};

#[test]
fn every_scenario_prints_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/scenarios");
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
    let mut world = Scenario::new();
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

/// What a user does, and how many seconds after what he did before.
#[derive(Clone, Copy, Debug)]
enum Edit {
    /// A MachineConfig of this pool.
    Of(&'static str),
    /// The pool infra goes, and its nodes are workers again.
    DeleteInfra,
}

/// How long targets settle here, in seconds, and the longest that one may take.
const SETTLE: usize = 3;
const LATEST: usize = 10 * SETTLE;

/// One life of two pools: who was told what, and when; and when each target came and the edits before it began to follow one
/// another. Targets are named after their pool and counted.
#[derive(Debug, Default)]
struct Life {
    told: BTreeMap<String, Vec<(usize, String)>>,
    came: BTreeMap<String, (usize, usize)>,
    /// What every node runs in the end.
    runs: Vec<String>,
}

fn live(edits: &[(usize, Edit)], most: usize, works: usize) -> Life {
    let (mut world, mut life, mut now) = (Scenario::new(), Life::default(), 0);
    let mut run = |command: String| world.run(&command).unwrap_or_else(|why| panic!("{command}: {why}"));
    run(format!("settle {SETTLE}s"));
    let mut count = BTreeMap::from([("worker", 0), ("infra", 0)]);
    for pool in ["worker", "infra"] {
        run(format!("pool {pool} target={pool}-0 max={most}"));
        life.came.insert(format!("{pool}-0"), (0, 0));
        let roles = if pool == "infra" { "worker,infra" } else { pool };
        (0..3).for_each(|n| drop(run(format!("node {pool}{n} pool={roles} runs={pool}-0"))));
    }
    // Everything is long settled before the first edit.
    run("wait 1h".to_owned());
    now += 3600;
    let mut busy: BTreeMap<String, usize> = BTreeMap::new();
    let mut tick = |life: &mut Life, now: &mut usize, run: &mut dyn FnMut(String) -> Vec<String>| {
        for told in run("go".to_owned()) {
            if let Some((node, target)) = told.split_once(" is told ") {
                life.told.entry(node.to_owned()).or_default().push((*now, target.to_owned()));
                busy.insert(node.to_owned(), *now + works);
            }
        }
        run("wait 1s".to_owned());
        *now += 1;
        let done: Vec<_> = busy.iter().filter(|(_, at)| **at <= *now).map(|(node, _)| node.clone()).collect();
        for node in done {
            busy.remove(&node);
            run(format!("daemon {node} done"));
        }
    };
    for &(gap, edit) in edits {
        (0..gap).for_each(|_| tick(&mut life, &mut now, &mut run));
        match edit {
            Edit::Of(pool) => {
                let Some(n) = count.get_mut(pool) else { continue };
                let (before, since) = life.came[&format!("{pool}-{n}")];
                *n += 1;
                let follows = *n > 1 && now - before < SETTLE && now - since < LATEST;
                life.came.insert(format!("{pool}-{n}"), (now, if follows { since } else { now }));
                run(format!("pool {pool} target={pool}-{n}"));
            }
            Edit::DeleteInfra if count.remove("infra").is_some() => drop(run("delete infra".to_owned())),
            Edit::DeleteInfra => {}
        }
    }
    (0..LATEST + 8 * (works + 1)).for_each(|_| tick(&mut life, &mut now, &mut run));
    life.runs = run("plan".to_owned());
    life
}

proptest! {
    #![proptest_config(Config { cases: 60, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..Config::default() })]

    /// R-SETTLE-1: whoever is told a target is not told the one that replaced it within the settling time, in whatever pool he is
    /// by then; unless the edits did not end for ten times as long. In the end all run the newest.
    #[test]
    fn an_edit_that_follows_another_reboots_nobody_twice(
        edits in prop::collection::vec(
            (0..6_usize, prop_oneof![4 => Just(Edit::Of("worker")), 4 => Just(Edit::Of("infra")), 1 => Just(Edit::DeleteInfra)]),
            1..25,
        ),
        most in 1..4_usize,
        works in 1..5_usize,
    ) {
        let life = live(&edits, most, works);
        for (node, told) in &life.told {
            for (at, target) in told {
                let (pool, n) = target.split_once('-').unwrap();
                let (came, since) = life.came[target];
                let next = life.came.get(&format!("{pool}-{}", n.parse::<usize>().unwrap() + 1));
                let replaced_soon = next.is_some_and(|(next, _)| next - came < SETTLE);
                prop_assert!(
                    !replaced_soon || at - since >= LATEST,
                    "{node} was told {target} at {at}, which came at {came} and was replaced at {next:?}: {life:?}"
                );
                prop_assert!(*at >= (came + SETTLE).min(since + LATEST) || came == 0, "{node} was told {target} too early");
            }
        }
        prop_assert!(life.runs.iter().all(|line| line.ends_with("  done")), "{:?}", life.runs);
    }
}
