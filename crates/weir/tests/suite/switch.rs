//! `weir explain stream` and `weir switch` against a cluster with simulated nodes, and out of manifests.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};
use weir_testkit::{Kubectl, Program};

fn weir(kubeconfig: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(arguments).arg("--kubeconfig").arg(kubeconfig).env_remove("KUBECONFIG");
    command.output().context("running weir")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json_of(output: &Output) -> Result<Value> {
    serde_json::from_slice(&output.stdout).with_context(|| text(&output.stderr))
}

/// A cluster at rest with these nodes, and how to reach it; absent without kubectl.
fn cluster(nodes: &str) -> Result<Option<(Program, PathBuf, Kubectl)>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["up", "--distribution", "ocp", "--step-time", "20ms", "--nodes", nodes]);
    let mut program = Program::start(&mut command)?;
    let kubeconfig = PathBuf::from(program.line()?);
    program.until("every pool is updated")?;
    Ok(Kubectl::new(&kubeconfig).map(|kubectl| (program, kubeconfig, kubectl)))
}

#[test]
fn a_pool_is_switched_once_it_is_known_what_comes_of_it() -> Result<()> {
    let Some((_program, kubeconfig, kubectl)) = cluster("master=1,worker=2,infra=1")? else { return Ok(()) };
    let explained = weir(&kubeconfig, &["explain", "stream", "-o", "json"])?;
    let found = json_of(&explained)?;
    let default = found["streams"].as_array().context("streams")?.iter().find(|s| s["default"] == true);
    let default = default.and_then(|stream| stream["name"].as_str()).context("a default")?;
    let other = if default == "rhel-9" { "rhel-10" } else { "rhel-9" };
    assert_eq!(found["pools"][0]["pool"], "infra");
    assert_eq!(found["pools"][2]["reason"]["code"], "Default");
    let told = text(&weir(&kubeconfig, &["explain", "stream", "--pool", "worker"])?.stdout);
    let expected =
        format!("pool worker gets stream {default}: it is the default, and the pool names none (R-STREAM-2)\n");
    assert!(told.starts_with(&expected) && told.contains(&format!("stream {default}, the default\n")), "{told}");

    // Who cannot be switched is told what there is.
    let unknown = weir(&kubeconfig, &["switch", "worker", "rhel-8"])?;
    let listed = "error: there is no OS image stream \"rhel-8\"; there are: rhel-10, rhel-9\n";
    assert_eq!((unknown.status.code(), text(&unknown.stderr).as_str()), (Some(1), listed));
    let nobody = weir(&kubeconfig, &["switch", "gpu", other])?;
    assert!(text(&nobody.stderr).contains("there are: infra, master, worker"), "{}", text(&nobody.stderr));

    let dry = json_of(&weir(&kubeconfig, &["switch", "worker", other, "--dry-run", "-o", "json"])?)?;
    let pools: Vec<&Value> =
        dry["pools"].as_array().context("pools")?.iter().filter(|p| p["changes"] == true).collect();
    let names: Vec<&Value> = pools.iter().map(|pool| &pool["pool"]).collect();
    assert_eq!(names, [&json!("infra"), &json!("worker")], "{dry}");
    let worker = pools.last().context("worker")?;
    assert_eq!((&worker["before"]["stream"], &worker["maxUnavailable"]), (&json!(default), &json!(1)));
    let order: Vec<&Value> =
        dry["waves"].as_array().context("waves")?.iter().flat_map(|w| w.as_array()).flatten().collect();
    assert_eq!(order.iter().filter(|one| one["pool"] == "worker").count(), 2, "{dry}");
    assert_eq!(dry["reboots"], 3, "{dry}");
    let pool = kubectl.get(&["mcp", "worker"])?;
    assert!(pool["spec"]["osImageStream"].is_null(), "nothing was changed: {}", pool["spec"]);

    let done = weir(&kubeconfig, &["switch", "worker", other])?;
    assert!(done.status.success(), "{}", text(&done.stderr));
    let said = text(&done.stdout);
    assert!(said.starts_with("3 nodes reboot, in 2 waves\n"), "{said}");
    assert!(said.contains(&format!(", stream {default} → {other} (the pool names it)\n")), "{said}");
    assert!(
        said.contains("  2 of 2 nodes: reboot, because osImageURL differs, and that always takes a reboot"),
        "{said}"
    );
    assert!(said.contains("    in this order: worker-0, worker-1\n"), "{said}");
    // What was said would be rendered is what is rendered.
    let target = &worker["after"]["config"];
    let condition = format!("--for=jsonpath={{.status.configuration.name}}={}", target.as_str().context("a target")?);
    kubectl.run(&["wait", "mcp/worker", &condition, "--timeout=60s"])?;
    let again = weir(&kubeconfig, &["switch", "worker", other])?;
    let already = format!("pool worker gets stream {other} already: no node reboots\n");
    assert_eq!((again.status.code(), text(&again.stdout)), (Some(0), already));
    Ok(())
}

#[test]
fn what_is_in_the_way_changes_nothing_and_ends_with_3() -> Result<()> {
    let Some((_program, kubeconfig, kubectl)) = cluster("master=1,worker=1")? else { return Ok(()) };
    let file = text(&weir(&kubeconfig, &["explain", "file", "/etc/machine-role", "--pool", "worker"])?.stdout);
    assert!(file.starts_with("/etc/machine-role on machines of pool worker: MachineConfig 00-worker\n"), "{file}");
    assert!(file.ends_with("\n\nworker\n"), "{file}");
    let config = json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
        "metadata": {"name": "99-image", "labels": {"machineconfiguration.openshift.io/role": "worker"}},
        "spec": {"osImageURL": format!("registry.example.com/os@sha256:{}", "0".repeat(64))},
    });
    let file = kubeconfig.with_file_name("config.json");
    std::fs::write(&file, config.to_string())?;
    kubectl.run(&["apply", "-f", file.to_str().context("utf-8")?])?;
    let blocked = weir(&kubeconfig, &["switch", "worker", "rhel-9"])?;
    let blocked = if text(&blocked.stdout).contains("gets stream rhel-9 already") {
        weir(&kubeconfig, &["switch", "worker", "rhel-10"])?
    } else {
        blocked
    };
    let said = text(&blocked.stdout);
    assert_eq!(blocked.status.code(), Some(3), "{said}{}", text(&blocked.stderr));
    assert!(
        said.contains("in the way: pool worker: it cannot be rendered: cannot override MachineConfig osImageURL"),
        "{said}"
    );
    assert!(said.contains("99-image") && said.contains("[R-PLAN-IMAGE-CONFLICT]"), "{said}");
    let pool = kubectl.get(&["mcp", "worker"])?;
    assert!(pool["spec"]["osImageStream"].is_null(), "{}", pool["spec"]);
    let explained = text(&weir(&kubeconfig, &["explain", "stream", "--pool", "worker"])?.stdout);
    assert!(explained.contains("in place of it, a MachineConfig brings registry.example.com/os@"), "{explained}");
    Ok(())
}

#[test]
fn what_was_accepted_is_written_on_the_pool_and_holds_nobody_up() -> Result<()> {
    let Some((_program, kubeconfig, kubectl)) = cluster("master=1,worker=1")? else { return Ok(()) };
    let config = json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
        "metadata": {"name": "99-guard", "labels": {"machineconfiguration.openshift.io/role": "worker"}},
        "spec": {"extensions": ["usbguard"]},
    });
    let file = kubeconfig.with_file_name("config.json");
    std::fs::write(&file, config.to_string())?;
    kubectl.run(&["apply", "-f", file.to_str().context("utf-8")?])?;
    let with_it = r#"--for=jsonpath={.status.configuration.source[?(@.name=="99-guard")].name}=99-guard"#;
    kubectl.run(&["wait", "mcp/worker", with_it, "--timeout=60s"])?;
    let explained = json_of(&weir(&kubeconfig, &["explain", "stream", "--pool", "worker", "-o", "json"])?)?;
    let other = if explained["pools"][0]["stream"] == "rhel-9" { "rhel-10" } else { "rhel-9" };

    let blocked = weir(&kubeconfig, &["switch", "worker", other])?;
    let said = text(&blocked.stdout);
    assert!(blocked.status.code() == Some(3) && said.contains("[R-PLAN-EXTENSIONS]"), "{said}");
    assert!(kubectl.get(&["mcp", "worker"])?["spec"]["osImageStream"].is_null());

    let done = weir(&kubeconfig, &["switch", "worker", other, "--accept", "R-PLAN-EXTENSIONS"])?;
    let said = text(&done.stdout);
    assert!(done.status.success() && said.contains("accepted: pool worker: it has the extensions usbguard"), "{said}");
    let pool = kubectl.get(&["mcp", "worker"])?;
    let record = pool["metadata"]["annotations"]["machineconfiguration.openshift.io/accepted-findings"].as_str();
    let record: Value = serde_json::from_str(record.context("a record")?)?;
    assert_eq!((&record["stream"], &record["codes"]), (&json!(other), &json!(["R-PLAN-EXTENSIONS"])), "{record}");
    let user: Value = serde_json::from_str(&kubectl.run(&["auth", "whoami", "-o", "json"])?)?;
    assert!(record["by"].is_string() && record["by"] == user["status"]["userInfo"]["username"], "{record} {user}");
    let at: jiff::Timestamp = record["at"].as_str().context("a time")?.parse()?;
    assert!(at.duration_until(jiff::Timestamp::now()).as_secs() < 600, "{record}");
    let waited = weir(&kubeconfig, &["wait", "worker", "--for", &format!("stream={other}"), "--timeout", "60s"])?;
    assert!(waited.status.success(), "{}", text(&waited.stderr));
    Ok(())
}

#[test]
fn streams_are_explained_out_of_manifests() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let version = "machineconfiguration.openshift.io/v1";
    let set =
        |name: &str| json!({"name": name, "osImage": format!("{name}-os"), "osExtensionsImage": format!("{name}-x")});
    let pool = |name: &str, stream: Option<&str>| {
        let stream = stream.map(|name| json!({ "name": name }));
        json!({"apiVersion": version, "kind": "MachineConfigPool", "metadata": {"name": name}, "spec": {"osImageStream": stream}})
    };
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        pool("worker", Some("b")), pool("infra", None), pool("master", None), pool("old", Some("gone")),
        {"apiVersion": version, "kind": "OSImageStream", "metadata": {"name": "cluster", "annotations": {
            "machineconfiguration.openshift.io/retained-streams": "b"}}, "spec": {"defaultStream": "a"},
         "status": {"defaultStream": "a", "availableStreams": [set("a"), set("b")]}},
    ]});
    let file = folder.path().join("all.json");
    std::fs::write(&file, objects.to_string())?;
    let run = |more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_weir")).args(["explain", "stream", "-f"]).arg(&file).args(more).output()
    };
    let output = run(&["-o", "json"])?;
    assert_eq!(output.status.code(), Some(1), "one pool gets none");
    let found = json_of(&output)?;
    let reasons: Vec<&Value> =
        found["pools"].as_array().context("pools")?.iter().map(|p| &p["reason"]["code"]).collect();
    assert_eq!(json!(reasons), json!(["InheritedFromWorker", "Default", null, "Explicit"]));
    assert_eq!(
        (&found["pools"][0]["osImage"], &found["pools"][0]["osExtensionsImage"]),
        (&json!("b-os"), &json!("b-x"))
    );
    let said = text(&run(&[])?.stdout);
    assert!(said.contains("pool old gets no stream: ") && said.contains("available are: a, b"), "{said}");
    assert!(text(&run(&["--pool", "worker"])?.stdout).contains("  OS image: b-os\n  extensions image: b-x\n"));
    Ok(())
}
