//! `weir plan` as a program: of files, and of a cluster, where what it says is what happens.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Output},
};
use weir_testkit::{Kubectl, Program};

const PREFIX: &str = "machineconfiguration.openshift.io";

fn weir(arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.arg("plan").args(arguments).env_remove("KUBECONFIG").env("HOME", "/nonexistent");
    command.output().context("running weir")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn config(spec: &Value) -> Value {
    json!({
        "apiVersion": format!("{PREFIX}/v1"), "kind": "MachineConfig",
        "metadata": {"name": "99-worker-motd", "labels": {format!("{PREFIX}/role"): "worker"}}, "spec": spec,
    })
}

fn motd() -> Value {
    let file = json!({"path": "/etc/motd", "mode": 420, "overwrite": true, "contents": {"source": "data:,hello%0A"}});
    config(&json!({"config": {"ignition": {"version": "3.5.0"}, "storage": {"files": [file]}}}))
}

/// A cluster in a file: pool `worker` with node a, one stream.
fn state(folder: &Path) -> Result<String> {
    let version = format!("{PREFIX}/v1");
    let set = json!({"name": "el-9", "osImage": "r/os", "osExtensionsImage": "r/x"});
    let mut base = config(&json!({"config": {"ignition": {"version": "3.5.0"}}}));
    base["metadata"]["name"] = json!("00-worker");
    let items = json!([
        base,
        {"apiVersion": version, "kind": "OSImageStream", "metadata": {"name": "cluster"}, "spec": {"defaultStream": "el-9"},
         "status": {"defaultStream": "el-9", "availableStreams": [set]}},
        {"apiVersion": version, "kind": "MachineConfigPool", "metadata": {"name": "worker"}, "spec": {
            "machineConfigSelector": {"matchLabels": {format!("{PREFIX}/role"): "worker"}},
            "nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}}}},
    ]);
    let file = folder.join("state.json");
    std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
    Ok(file.to_str().context("utf-8")?.to_owned())
}

#[test]
fn a_change_of_files_is_planned_and_refused_changes_are_in_the_words_of_the_api() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let state = state(folder.path())?;
    let write = |name: &str, object: &Value| -> Result<String> {
        let file = folder.path().join(name);
        std::fs::write(&file, object.to_string())?;
        Ok(file.to_str().context("utf-8")?.to_owned())
    };
    let good = write("motd.json", &motd())?;
    let done = weir(&["-f", &good, "--from", &state])?;
    let said = text(&done.stdout);
    assert_eq!(done.status.code(), Some(0), "{said}{}", text(&done.stderr));
    assert!(said.contains("  file /etc/motd: new, from MachineConfig 99-worker-motd\n    + hello\n"), "{said}");
    assert!(
        said.contains("not known: what the nodes of pool worker do: there are no nodes among the files\n"),
        "{said}"
    );
    let data: Value = serde_json::from_slice(&weir(&["-f", &good, "--from", &state, "-o", "json"])?.stdout)?;
    assert_eq!((&data["pools"][0]["nodes"], &data["inhibited"]), (&Value::Null, &json!(false)));
    assert!(text(&weir(&["-f", &good, "--from", &state, "-o", "markdown"])?.stdout).contains("| worker | "));

    let bad = write("bad.json", &config(&json!({"kernelArgs": ["a"]})))?;
    let refused = weir(&["-f", &bad, "--from", &state])?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("strict decoding error: unknown field \"spec.kernelArgs\""));
    for (arguments, wanted) in [
        (&["--delete", "mc/absent"][..], "MachineConfig absent does not exist"),
        (&["--stream", "worker=el-8"], "OS image streams"),
        (&["--default-stream", "el-8"], "el-8"),
    ] {
        let refused = weir(&[arguments, &["--from", &state]].concat())?;
        let said = text(&refused.stderr);
        assert!(
            refused.status.code() == Some(1) && (said.contains(wanted) || said.contains("there is no OS image stream")),
            "{said}"
        );
    }
    let fips = write("fips.json", &config(&json!({"fips": true})))?;
    let blocked = weir(&["-f", &fips, "--from", &state])?;
    assert_eq!(
        blocked.status.code(),
        Some(0),
        "without a present configuration nothing is irreconcilable: {}",
        text(&blocked.stdout)
    );
    let odd = weir(&["--accept", "R-PLAN-RUNC", "--from", &state])?;
    assert!(
        odd.status.code() == Some(2) && text(&odd.stderr).contains("none of what may be accepted"),
        "{}",
        text(&odd.stderr)
    );
    Ok(())
}

/// The order and the names of the plan are those of the cluster; a policy that keeps machines from rebooting does.
#[test]
fn what_is_planned_is_what_a_cluster_does() -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["up", "--step-time", "20ms", "--nodes", "master=1,worker=2"]);
    let mut program = Program::start(&mut command)?;
    let kubeconfig = std::path::PathBuf::from(program.line()?);
    program.until("every pool is updated")?;
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return Ok(()) };
    let at = kubeconfig.to_str().context("utf-8")?;
    let policy = json!({
        "apiVersion": "operator.openshift.io/v1", "kind": "MachineConfiguration", "metadata": {"name": "cluster"},
        "spec": {"nodeDisruptionPolicy": {"files": [{"path": "/etc/motd", "actions": [{"type": "None"}]}]}},
    });
    let file = kubeconfig.with_file_name("change.json");
    std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": [policy, motd()]}).to_string())?;
    let file = file.to_str().context("utf-8")?;
    let output = weir(&["-f", file, "--kubeconfig", at, "--fail-on", "disruption", "-o", "json"])?;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let plan: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!((&plan["reboots"], &plan["disruptions"]), (&json!(0), &json!(0)), "{plan}");
    let target = |pool: &str| {
        let pools = plan["pools"].as_array().into_iter().flatten();
        pools.into_iter().find(|held| held["pool"] == pool).map(|held| held["after"]["config"].clone())
    };
    let boots = |kubectl: &Kubectl| -> Result<Vec<Value>> {
        let nodes = kubectl.get(&["nodes"])?;
        let nodes = nodes["items"].as_array().context("nodes")?.iter();
        Ok(nodes.map(|node| node["status"]["nodeInfo"]["bootID"].clone()).collect())
    };
    let before = boots(&kubectl)?;
    kubectl.run(&["apply", "-f", file])?;
    let target = target("worker").context("worker")?;
    let condition = format!("--for=jsonpath={{.status.configuration.name}}={}", target.as_str().context("a target")?);
    kubectl.run(&["wait", "mcp/worker", &condition, "--timeout=60s"])?;
    kubectl.run(&["wait", "mcp/worker", "--for=condition=Updated", "--timeout=60s"])?;
    assert_eq!(boots(&kubectl)?, before, "no machine booted");
    let rest = weir(&["--kubeconfig", at])?;
    assert_eq!(text(&rest.stdout), "nothing changes: no node reboots\n");
    Ok(())
}
