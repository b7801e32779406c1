//! The stories of the repository, each judged as `weir up --story` does, and the hop with the controllers cut off at every
//! write.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    process::Command,
    time::{Duration, Instant},
};
use weir::up::story::{Report, built_in, replay};

/// A story that takes longer is not run by anybody who waits for it.
const LONGEST: Duration = Duration::from_secs(30);
/// Plays that go on at the same time; most of a play is waiting for simulated machines.
const AT_ONCE: usize = 4;

fn play(text: &str, cut_after: u64) -> Result<Report> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(replay(text, cut_after))
}

fn story(name: &str) -> Result<()> {
    let (_, text) = built_in().iter().find(|(built_in, _)| *built_in == name).context("no such story")?;
    let start = Instant::now();
    let report = play(text, 0)?;
    ensure!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    let took = start.elapsed();
    ensure!(took < LONGEST, "{name} took {took:?}");
    Ok(())
}

#[test]
fn okd_day_zero() -> Result<()> {
    story("okd-day-zero")
}

#[test]
fn okd_hop() -> Result<()> {
    story("okd-hop")
}

#[test]
fn okd_gate_off() -> Result<()> {
    story("okd-gate-off")
}

#[test]
fn okd_first_streams() -> Result<()> {
    story("okd-first-streams")
}

#[test]
fn okd_unlabelled() -> Result<()> {
    story("okd-unlabelled")
}

#[test]
fn okd_misbuilt() -> Result<()> {
    story("okd-misbuilt")
}

#[test]
fn ocp_dual() -> Result<()> {
    story("ocp-dual")
}

#[test]
fn ocp_switch_worker() -> Result<()> {
    story("ocp-switch-worker")
}

#[test]
fn ocp_stream_dropped() -> Result<()> {
    story("ocp-stream-dropped")
}

#[test]
fn ocp_4_to_5() -> Result<()> {
    story("ocp-4-to-5")
}

#[test]
fn every_story_has_its_test() {
    let names: Vec<&str> = built_in().iter().map(|(name, _)| *name).collect();
    let tests = include_str!("stories.rs");
    let missing: Vec<_> = names.iter().filter(|name| !tests.contains(&format!("story(\"{name}\")"))).collect();
    assert!(missing.is_empty() && names.len() >= 8, "{missing:?} of {names:?}");
}

/// The hop with a pool of each kind, small enough to be played once for each of its writes.
const HOP: &str = "
about: the hop, for being interrupted
distribution: okd
payloads:
  ten: {version: 5.0.0-okd-scos.0, streams: [centos-10]}
  eleven: {version: 5.1.0-okd-scos.0, streams: [centos-11]}
start: {payload: ten, nodes: 'master=1,worker=1,infra=1,edge=1'}
steps:
- title: it comes up
  do: [{stream: {pool: worker, name: centos-9}}, {stream: {pool: edge, name: centos-10}}, {pause: {pool: edge, paused: true}}]
  expect:
  - pool: {name: edge, runs: centos-10}
  - pool: {name: worker, at-rest: true, runs: centos-10}
- title: it hops
  do: [{update: {to: eleven}}]
  within: 20s
  expect:
  - streams: {available: [centos-11], default: centos-11}
  - pool: {name: master, at-rest: true, runs: centos-11}
  - pool: {name: worker, at-rest: true, runs: centos-11, names: centos-9}
  - pool: {name: infra, at-rest: true, runs: centos-11}
  - pool: {name: edge, condition: {type: Updating, status: 'False', says: Pool is paused}}
  - os: {pool: edge, name: centos-10}
  - told: {master: 1, worker: 1, infra: 1, edge: 0}
- title: the paused pool follows
  do: [{pause: {pool: edge, paused: false}}]
  expect:
  - pool: {name: edge, at-rest: true, runs: centos-11, names: centos-10}
  - told: {master: 0, worker: 0, infra: 0, edge: 1}
";

#[test]
fn the_hop_comes_to_the_same_wherever_the_controllers_are_cut_off() -> Result<()> {
    let whole = play(HOP, 0)?;
    ensure!(whole.failures.is_empty(), "{}", whole.failures.join("\n"));
    ensure!(whole.writes > 10, "{} writes are not the whole hop", whole.writes);
    let cuts: Vec<u64> = (1..=whole.writes).collect();
    for some in cuts.chunks(AT_ONCE) {
        let plays: Vec<_> = some.iter().map(|&cut| (cut, std::thread::spawn(move || play(HOP, cut)))).collect();
        for (cut, play) in plays {
            let report = play.join().map_err(|_| anyhow::anyhow!("cut {cut}: it panicked"))??;
            ensure!(report.failures.is_empty(), "cut off after write {cut}: {}", report.failures.join("\n"));
            let differences = differences("", &whole.state, &report.state);
            ensure!(differences.is_empty(), "cut off after write {cut}:\n{}", differences.join("\n"));
        }
    }
    Ok(())
}

fn differences(path: &str, one: &Value, other: &Value) -> Vec<String> {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            let each = |key: &&String| differences(&format!("{path}.{key}"), &one[key.as_str()], &other[key.as_str()]);
            keys.iter().flat_map(each).collect()
        }
        _ if one == other => Vec::new(),
        _ => vec![format!("{path}: {one} and {other}")],
    }
}

/// A cluster that is asked for the impossible.
const FALSE_HOPE: &str = "
about: something that does not come true
distribution: ocp
payloads: {five: {version: 5.0.0, streams: [rhel-9, rhel-10]}}
start: {payload: five, nodes: 'master=1'}
steps:
- title: the default is another one
  within: 2s
  expect: [{streams: {available: [rhel-10, rhel-9], default: rhel-9}}]
";

fn up(arguments: &[&str]) -> Result<(Option<i32>, String, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_weir")).arg("up").args(arguments).output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((output.status.code(), text(output.stdout), text(output.stderr)))
}

#[test]
fn the_program_lists_plays_and_fails() -> Result<()> {
    let (code, list, _) = up(&["--story", "list"])?;
    assert_eq!((code, list.lines().count()), (Some(0), built_in().len()));
    let (code, timeline, _) = up(&["--story", "okd-day-zero"])?;
    assert_eq!(code, Some(0), "{timeline}");
    assert!(
        timeline.contains("✓ worker is updated, runs centos-10") && timeline.ends_with("everything held\n"),
        "{timeline}"
    );
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("false-hope.yaml");
    std::fs::write(&file, FALSE_HOPE)?;
    let (code, _, said) = up(&["--story", file.to_str().context("utf-8")?])?;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("the default is another one: not within 2s") && said.contains("default \"rhel-10\""),
        "{said}"
    );
    std::fs::write(&file, FALSE_HOPE.replace("payload: five", "payload: six"))?;
    let (code, _, said) = up(&["--story", file.to_str().context("utf-8")?])?;
    assert!(code == Some(1) && said.contains("the story has no payload \"six\""), "{said}");
    let (code, _, said) = up(&["--story", "nowhere"])?;
    assert!(code == Some(1) && said.contains("built-in story; those are ocp-4-to-5, ocp-dual"), "{said}");
    Ok(())
}
