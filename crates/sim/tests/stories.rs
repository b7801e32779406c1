//! The stories of the repository, each judged as `weir up --story` does.
//!
//! A program of their own, so that nothing runs beside them: each is to take little time.

use anyhow::{Context as _, Result, ensure};
use std::time::{Duration, Instant};
use weir_sim::story::{Report, built_in, replay};

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
fn ocp_update() -> Result<()> {
    story("ocp-update")
}

#[test]
fn okd_update() -> Result<()> {
    story("okd-update")
}

#[test]
fn ocp_failing_node() -> Result<()> {
    story("ocp-failing-node")
}

#[test]
fn ocp_image_mode() -> Result<()> {
    story("ocp-image-mode")
}

#[test]
fn ocp_image_mode_switch() -> Result<()> {
    story("ocp-image-mode-switch")
}

#[test]
fn okd_image_mode_hop() -> Result<()> {
    story("okd-image-mode-hop")
}

#[test]
fn okd_image_mode_misbuilt() -> Result<()> {
    story("okd-image-mode-misbuilt")
}

#[test]
fn ocp_image_mode_installed() -> Result<()> {
    story("ocp-image-mode-installed")
}

#[test]
fn okd_image_mode_installed_hop() -> Result<()> {
    story("okd-image-mode-installed-hop")
}

#[test]
fn image_mode_build_fails() -> Result<()> {
    story("image-mode-build-fails")
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
