//! What is done to a running cluster every day: pausing, resuming and waiting.

use super::up::{up, weir};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::{path::Path, process::Output};
use weir_testkit::{Kubectl, Program};

fn run(kubeconfig: &Path, arguments: &[&str]) -> Result<Output> {
    weir().args(arguments).arg("--kubeconfig").arg(kubeconfig).env_remove("KUBECONFIG").output().context("running weir")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn status(kubeconfig: &Path) -> Result<Value> {
    Ok(serde_json::from_slice(&run(kubeconfig, &["status", "worker", "-o", "json"])?.stdout)?)
}

#[test]
fn a_pool_is_paused_for_a_while_and_waited_for() -> Result<()> {
    let Some(cluster) = up(&["--distribution", "ocp", "--nodes", "master=1,worker=2"])? else { return Ok(()) };
    let at = &cluster.kubeconfig;
    let kubectl = Kubectl::new(at).context("kubectl")?;
    // There already.
    let there = run(at, &["wait", "worker"])?;
    assert_eq!((there.status.code(), text(&there.stdout).as_str()), (Some(0), "pool worker is updated\n"));

    let paused = run(at, &["pause", "worker", "--for", "1h", "--reason", "quarter end"])?;
    let said = text(&paused.stdout);
    assert!(said.starts_with("pool worker is paused until 20") && said.contains("Z, because: quarter end\n"), "{said}");
    assert!(
        said.ends_with(
            "how long a pause is safe is not known: the cluster does not say when certificates of kubelets expire\n"
        ),
        "{said}"
    );
    let found = status(at)?;
    assert_eq!(found["pools"]["worker"]["pausedBecause"], "quarter end");
    assert!(text(&run(at, &["status"])?.stdout).contains("worker: paused until 20"));

    // What a paused pool waits for is said, and that it did not come in time.
    let other = if kubectl.get(&["osimagestream", "cluster"])?["status"]["defaultStream"] == "rhel-9" {
        "rhel-10"
    } else {
        "rhel-9"
    };
    let switched = run(at, &["switch", "worker", other])?;
    assert_eq!(switched.status.code(), Some(0), "{}", text(&switched.stderr));
    let stream = format!("stream={other}");
    let late = run(at, &["wait", "worker", "--for", &stream, "--timeout", "2s"])?;
    let said = text(&late.stderr);
    assert_eq!((late.status.code(), late.stdout.is_empty()), (Some(1), true), "{said}");
    assert!(said.contains("pool worker: 0 of 2 nodes done; ") && said.contains("paused until 20"), "{said}");
    assert!(
        said.lines()
            .last()
            .is_some_and(|line| line.starts_with(&format!("error: pool worker is not on stream {other} in time"))),
        "{said}"
    );
    assert!(text(&run(at, &["why", "node/worker-0"])?.stdout).contains("because mcp/worker: paused until 20"));

    // It waits while the pool resumes, and as long as nodes are on their way.
    let mut waits = weir();
    waits
        .args(["wait", "worker", "--for", &stream, "--timeout", "60s", "--kubeconfig"])
        .arg(at)
        .env_remove("KUBECONFIG");
    let mut waits = Program::start(&mut waits)?;
    waits.until("the pool is paused")?;
    assert_eq!(text(&run(at, &["resume", "worker"])?.stdout), "pool worker goes on\n");
    assert_eq!(waits.line()?, format!("pool worker is on stream {other}"));
    assert!(waits.wait()?.success());
    let pool = kubectl.get(&["mcp", "worker"])?;
    assert!(!pool["metadata"]["annotations"].to_string().contains("paused-"), "{}", pool["metadata"]);
    assert_eq!(text(&run(at, &["resume", "worker"])?.stdout), "pool worker is not paused\n");

    // And it ends by itself.
    run(at, &["pause", "worker", "--for", "1s"])?;
    kubectl.run(&["wait", "mcp/worker", "--for=jsonpath={.spec.paused}=false", "--timeout=30s"])?;
    assert!(kubectl.run(&["describe", "mcp/worker"])?.contains("PauseEnded"));
    Ok(())
}

#[test]
fn what_is_not_there_cannot_be_paused_or_waited_for() -> Result<()> {
    let Some(cluster) = up(&["--distribution", "ocp", "--nodes", "master=1,worker=1"])? else { return Ok(()) };
    let at = &cluster.kubeconfig;
    let known = "there is no MachineConfigPool gpu; there are: master, worker\n";
    for (arguments, says) in [
        (&["pause", "gpu"][..], format!("error: {known}")),
        (&["resume", "gpu"], format!("error: {known}")),
        (&["wait", "gpu"], "error: there is no MachineConfigPool \"gpu\"; there are: master, worker\n".to_owned()),
        (
            &["wait", "worker", "--for", "stream=gone"],
            "error: there is no OS image stream \"gone\"; there are: rhel-10, rhel-9\n".to_owned(),
        ),
    ] {
        let refused = run(at, arguments)?;
        assert_eq!(
            (refused.status.code(), text(&refused.stderr), refused.stdout.len()),
            (Some(1), says, 0),
            "{arguments:?}"
        );
    }
    for arguments in
        [&["pause", "worker", "--for", "0"][..], &["pause", "worker", "--for", "4"], &["wait", "worker", "--for", "x"]]
    {
        assert_eq!(run(at, arguments)?.status.code(), Some(2), "{arguments:?}");
    }
    let nowhere = Path::new("/nowhere");
    for arguments in [&["pause", "worker"][..], &["resume", "worker"], &["wait", "worker", "--timeout", "5s"]] {
        let refused = run(nowhere, arguments)?;
        assert_eq!((refused.status.code(), text(&refused.stderr).lines().count()), (Some(1), 1), "{arguments:?}");
    }
    Ok(())
}
