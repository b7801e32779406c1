//! The stories of the repository, each judged as `weir up --story` does.

use anyhow::{Context as _, Result, ensure};
use std::{
    process::Command,
    time::{Duration, Instant},
};
use weir::up::story::{Report, built_in, replay};

/// A story that takes longer is not run by anybody who waits for it.
const LONGEST: Duration = Duration::from_secs(10);
fn play(text: &str) -> Result<Report> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(replay(text, 0))
}

fn story(name: &str) -> Result<()> {
    let (_, text) = built_in().iter().find(|(built_in, _)| *built_in == name).context("no such story")?;
    let start = Instant::now();
    let report = play(text)?;
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
fn ocp_failing_node() -> Result<()> {
    story("ocp-failing-node")
}

/// What the operator reports it reads from objects, so it is the same when it is a process of its own.
#[test]
fn operator_and_controller_as_two_processes_say_the_same() -> Result<()> {
    for name in ["okd-hop", "okd-misbuilt", "okd-gate-off"] {
        let (_, text) = built_in().iter().find(|(built_in, _)| *built_in == name).context("no such story")?;
        let two = text.replacen("start: {", "start: {two-processes: true, ", 1);
        ensure!(two != *text, "{name} starts differently");
        let report = play(&two)?;
        ensure!(report.failures.is_empty(), "{name}: {}", report.failures.join("\n"));
    }
    Ok(())
}

#[test]
fn every_story_has_its_test() {
    let names: Vec<&str> = built_in().iter().map(|(name, _)| *name).collect();
    let tests = include_str!("stories.rs");
    let missing: Vec<_> = names.iter().filter(|name| !tests.contains(&format!("story(\"{name}\")"))).collect();
    assert!(missing.is_empty() && names.len() >= 8, "{missing:?} of {names:?}");
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
