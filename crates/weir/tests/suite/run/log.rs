//! What `weir run` logs of a rollout: a line for each decision, and no more.

use super::{Machines, server};
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;

/// Lines without their time.
fn lines(said: &str) -> Vec<String> {
    let dated = |line: &&str| line.starts_with("20") && line.contains("Z  ");
    said.lines().filter(dated).filter_map(|line| Some(line.split_once("Z  ")?.1.trim().to_owned())).collect()
}

#[test]
fn a_rollout_is_a_line_for_each_decision() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let release = server.payload("p", &["--distribution", "ocp"])?;
    let mut program = server.run("all", &["--release", &release, "--settle", "100ms"])?;
    let machines = Machines::start(&server.kubeconfig(), &[("master", 1), ("worker", 3)])?;
    server.wait("mcp/worker", ".status.updatedMachineCount", "3")?;
    program.until("INFO the release is complete")?;
    let before = lines(&program.rest()).len();
    server.stream("worker", "rhel-9")?;
    program.until("INFO done pool=\"worker\"")?;
    server.wait("mcp/worker", ".status.osImageStream.name", "rhel-9")?;
    assert!(program.interrupt()?.success());
    let all = lines(&program.rest());
    let seen: BTreeSet<&String> = all.iter().collect();
    assert_eq!(seen.len(), all.len(), "a line is there twice: {all:#?}");
    let rollout = &all[before..];
    let number = |what: &str| rollout.iter().filter(|line| line.starts_with(what)).count();
    // For each of three nodes: it was told, drained, and made schedulable again.
    let counts =
        ["INFO rendered pool=\"worker\"", "INFO told pool=\"worker\"", "INFO drain ", "INFO done pool=\"worker\""];
    assert_eq!(counts.map(number), [1, 3, 6, 1], "{rollout:#?}");
    assert_eq!(rollout.len(), 11, "{rollout:#?}");
    machines.end();
    Ok(())
}

#[test]
fn reasons_come_before_requests() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let release = server.payload("p", &["--distribution", "ocp"])?;
    let logged = |verbose: &str| -> Result<String> {
        let mut program = server.run("all", &["--release", &release, verbose])?;
        server.wait("mcp/worker", ".status.configuration.name", &target(&server)?)?;
        assert!(program.interrupt()?.success());
        Ok(program.rest())
    };
    let (reasons, everything) = (logged("-v")?, logged("-vv")?);
    let of_http = |text: &str| text.contains("idle connection") || text.contains("connecting to");
    assert!(!of_http(&reasons), "{reasons}");
    assert!(of_http(&everything), "{everything}");
    Ok(())
}

/// What the workers are to run, once that is known.
fn target(server: &super::Server) -> Result<String> {
    server.kubectl.run(&["wait", "--for=jsonpath={.spec.configuration.name}", "mcp/worker", "--timeout=60s"])?;
    let pool = server.kubectl.get(&["mcp", "worker"])?;
    Ok(pool["spec"]["configuration"]["name"].as_str().context("a target")?.to_owned())
}
