//! Several processes, one that works.

use super::{Machines, Server, server};
use anyhow::Result;
use serde_json::json;

/// Periods that suit a test; the proportions are the usual ones.
const QUICK: [&str; 6] = [
    "--leader-elect-lease-duration",
    "3s",
    "--leader-elect-renew-deadline",
    "2s",
    "--leader-elect-retry-period",
    "200ms",
];

fn holder(server: &Server) -> Result<String> {
    let lease =
        server.kubectl.get(&["lease", "-n", "openshift-machine-config-operator", "machine-config-controller"])?;
    Ok(lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn the_standby_takes_over_from_a_leader_that_is_killed_and_from_one_that_stops() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let release = server.payload("p", &["--distribution", "ocp"])?;
    let arguments: Vec<&str> = [&["--release", &release][..], &QUICK].concat();
    let start = || server.run("all", &arguments);
    let mut first = start()?;
    first.until("leading")?;
    let machines = Machines::start(&server.kubeconfig(), &[("master", 1), ("worker", 2)])?;
    server.wait("mcp/worker", ".status.updatedMachineCount", "2")?;
    let before = holder(&server)?;
    let mut second = start()?;
    second.until("standing by")?;

    first.kill()?;
    second.until("leading")?;
    server.stream("worker", "rhel-9")?;
    server.wait("mcp/worker", ".status.osImageStream.name", "rhel-9")?;
    let after = holder(&server)?;
    assert_ne!(before, after);

    let mut third = start()?;
    third.until("standing by")?;
    assert!(second.interrupt()?.success());
    third.until("leading")?;
    server.stream("worker", "rhel-10")?;
    server.wait("mcp/worker", ".status.osImageStream.name", "rhel-10")?;
    assert!(third.interrupt()?.success());
    assert_eq!(holder(&server)?, "");
    machines.end();
    Ok(())
}

#[test]
fn who_loses_the_lease_ends_and_says_so() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let release = server.payload("p", &["--distribution", "ocp"])?;
    let mut program = server.run("all", &[&["--release", &release][..], &QUICK].concat())?;
    program.until("leading")?;
    server.kubectl.run(&["get", "lease", "-A"])?;
    let patch = json!({"spec": {"holderIdentity": "somebody else", "renewTime": "2099-01-01T00:00:00.000000Z"}});
    let namespace = "openshift-machine-config-operator";
    server.kubectl.run(&[
        "patch",
        "lease",
        "-n",
        namespace,
        "machine-config",
        "--type=merge",
        "-p",
        &patch.to_string(),
    ])?;
    let status = program.wait()?;
    assert_eq!(status.code(), Some(1));
    assert!(
        program.rest().contains("lost lease openshift-machine-config-operator/machine-config"),
        "{}",
        program.rest()
    );
    Ok(())
}

#[test]
fn another_builder_keeps_a_process_from_building_and_from_nothing_else() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let release = server.payload("p", &["--distribution", "ocp"])?;
    let held = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "machine-os-builder", "namespace": "openshift-machine-config-operator"},
        "spec": {"holderIdentity": "another builder", "leaseDurationSeconds": 3600, "renewTime": "2099-01-01T00:00:00.000000Z"},
    });
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "openshift-machine-config-operator"}});
    for object in [namespace, held] {
        server.kubectl.pipe(object.to_string().as_bytes(), &["apply", "-f", "-"])?;
    }
    let mut program = server.run("all", &[&["--release", &release][..], &QUICK].concat())?;
    program.until("standing by")?;
    let machines = Machines::start(&server.kubeconfig(), &[("master", 1), ("worker", 1)])?;
    server.wait("mcp/worker", ".status.updatedMachineCount", "1")?;
    assert!(program.interrupt()?.success());

    // Builders alone take it from each other as the other components do.
    server.kubectl.run(&["delete", "lease", "-n", "openshift-machine-config-operator", "machine-os-builder"])?;
    let start = || server.run("builder", &[&["--distribution", "ocp"][..], &QUICK].concat());
    let mut first = start()?;
    first.until("leading")?;
    let mut second = start()?;
    second.until("standing by")?;
    first.kill()?;
    second.until("leading")?;
    assert!(second.interrupt()?.success());
    machines.end();
    Ok(())
}
