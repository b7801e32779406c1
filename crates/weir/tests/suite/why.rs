//! `weir why` and `weir history` as programs, on objects in a file: a paused pool, a node that fails, one that was told a configuration
//! that is gone, and a rollout that is kept.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Output},
};

const PREFIX: &str = "machineconfiguration.openshift.io";

fn weir(arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(arguments).env_remove("KUBECONFIG").env("HOME", "/nonexistent");
    command.output().context("running weir")
}

/// What a command that succeeds prints.
fn said(arguments: &[&str], file: &str) -> Result<String> {
    let output = weir(&[arguments, &["--from", file]].concat())?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Exit code and standard error of one that does not.
fn refused(arguments: &[&str], file: &str) -> Result<(Option<i32>, String)> {
    let output = weir(&[arguments, &["--from", file]].concat())?;
    ensure!(output.stdout.is_empty(), "{arguments:?} printed something");
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

fn config(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("{PREFIX}/v1"), "kind": "MachineConfig", "spec": spec,
        "metadata": {"name": name, "labels": {format!("{PREFIX}/role"): "worker"}},
    })
}

fn node(name: &str, configs: [&str; 2], state: &str, reason: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "spec": {},
        "metadata": {"name": name, "labels": {"node-role.kubernetes.io/worker": ""}, "annotations": {
            format!("{PREFIX}/currentConfig"): configs[0], format!("{PREFIX}/desiredConfig"): configs[1],
            format!("{PREFIX}/state"): state, format!("{PREFIX}/reason"): reason,
        }},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn motd() -> Value {
    let file = json!({"path": "/etc/motd", "mode": 420, "overwrite": true, "contents": {"source": "data:,hello%0A"}});
    let unit = json!({"name": "a.service", "enabled": true, "contents": "[Unit]\n"});
    let ignition =
        json!({"ignition": {"version": "3.5.0"}, "storage": {"files": [file]}, "systemd": {"units": [unit]}});
    let mut motd = config("99-worker-motd", &json!({"config": ignition, "kernelArguments": ["nosmt"]}));
    motd["metadata"]["managedFields"] = json!([{
        "manager": "argocd", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:config": {}}},
    }]);
    motd
}

/// The rollouts of pool `worker`.
fn history() -> Value {
    let passage = json!({
        "began": "2026-01-01T00:00:00Z", "ended": "2026-01-01T00:10:00Z", "phase": "ready", "since": "2026-01-01T00:10:00Z",
        "phases": {"drain": 60_000, "reboot": 240_000}, "reboots": 2, "boot": "x", "failed": true, "blocked": ["pod a/b: budget b"],
    });
    let took = json!({"count": 1, "median": 600_000, "ninety": 600_000, "longest": 600_000});
    let rollout = json!({
        "from": "rendered-worker-0", "to": "rendered-worker-1", "began": "2026-01-01T00:00:00Z", "ended": "2026-01-01T00:10:00Z",
        "result": "done", "nodes": 1, "failed": 1, "reboots": 2, "again": 1, "phases": {"drain": took}, "total": took,
        "changed": [{"object": "machineconfig/99-a", "what": ["file /etc/a"], "manager": "argocd", "at": "2026-01-01T00:00:00Z"}],
        "each": {"a": passage},
    });
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "weir-history-worker", "namespace": "openshift-machine-config-operator",
            "labels": {format!("{PREFIX}/history-of"): "worker"}},
        "data": {"history.json": json!({ "rollouts": [rollout] }).to_string()},
    })
}

/// Writes the objects, with the history if it is wanted.
pub(crate) fn state(folder: &Path, with_history: bool) -> Result<String> {
    let version = format!("{PREFIX}/v1");
    let set = json!({"name": "el-9", "osImage": "r/os", "osExtensionsImage": "r/x"});
    let mut items = vec![
        config("00-worker", &json!({"config": {"ignition": {"version": "3.5.0"}}})),
        motd(),
        config("rendered-worker-1", &json!({"config": {"ignition": {"version": "3.5.0"}}, "osImageURL": "r/os"})),
        json!({"apiVersion": version, "kind": "OSImageStream", "metadata": {"name": "cluster"}, "spec": {"defaultStream": "el-9"},
            "status": {"defaultStream": "el-9", "availableStreams": [set]}}),
        json!({"apiVersion": version, "kind": "MachineConfigPool", "metadata": {"name": "worker"}, "spec": {
            "paused": true, "configuration": {"name": "rendered-worker-2"},
            "machineConfigSelector": {"matchLabels": {format!("{PREFIX}/role"): "worker"}},
            "nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}}}}),
        node("a", ["rendered-worker-1", "rendered-worker-1"], "Done", ""),
        node("b", ["rendered-worker-1", "rendered-worker-2"], "Degraded", "disk full"),
    ];
    items.extend(with_history.then(history));
    let file = folder.join(format!("state-{with_history}.json"));
    std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
    Ok(file.to_str().context("utf-8")?.to_owned())
}

#[test]
fn causes_go_down_to_what_can_be_changed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = state(folder.path(), false)?;
    for (what, parts) in [
        (
            "node/a",
            &[
                "node/a: the pool is paused; set spec.paused to false\n",
                "is in pool worker only",
                "change it: kubectl patch mcp/worker",
            ][..],
        ),
        ("node/b", &["node/b: failed to reach rendered-worker-2: disk full\n"]),
        (
            "mcp/worker",
            &["because node/b: failed to reach rendered-worker-2: disk full", "stream el-9: it is the default"],
        ),
        ("co/machine-config", &["co/machine-config: ", "because node/b: failed to reach"]),
        (
            "file:/etc/motd@worker",
            &[
                "mcp/worker: file /etc/motd: MachineConfig 99-worker-motd\n",
                "was last written by argocd at 2026-01-01T00:00:00Z",
                "change it: kubectl edit machineconfig/99-worker-motd",
            ],
        ),
        ("unit:a.service@worker", &["unit a.service: MachineConfig 99-worker-motd"]),
        ("argument:nosmt@worker", &["kernel argument nosmt: MachineConfig 99-worker-motd"]),
    ] {
        let text = said(&["why", what], &file)?;
        for part in parts {
            ensure!(text.contains(part), "{what}: {part:?} is not in\n{text}");
        }
        let data: Value = serde_json::from_str(&said(&["why", what, "-o", "json"], &file)?)?;
        let causes = data["causes"].as_array().context("causes")?;
        ensure!(causes[0]["depth"] == 0 && causes.iter().all(|cause| cause["text"].is_string()), "{data}");
        ensure!(
            causes.len() == text.lines().filter(|line| !line.starts_with("change it: ")).count(),
            "{what}: {data}\n{text}"
        );
    }
    Ok(())
}

#[test]
fn what_is_not_there_is_said_with_what_there_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = state(folder.path(), false)?;
    for (what, code, part) in [
        ("node/z", 1, "there is no node \"z\"; there are: a, b"),
        ("mcp/z", 1, "there is no MachineConfigPool \"z\"; there are: worker"),
        ("file:/etc/none@worker", 1, "no file /etc/none is written to machines of pool worker"),
        ("argument:quiet@worker", 1, "no kernel argument quiet is written to machines of pool worker"),
        ("pod/a", 2, "write node/NAME, mcp/NAME"),
    ] {
        let (found, text) = refused(&["why", what], &file)?;
        ensure!(found == Some(code) && text.contains(part), "{what}: {found:?} {text}");
    }
    let (code, text) = refused(&["why", "node/a"], "/nonexistent/state.yaml")?;
    ensure!(code == Some(1) && text.contains("/nonexistent/state.yaml"), "{text}");
    Ok(())
}

#[test]
fn histories_of_pools_and_nodes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = state(folder.path(), true)?;
    let line = "2026-01-01T00:00:00Z: rendered-worker-0 to rendered-worker-1; done after 10m, 1 node, 2 reboots, 1 failed on the way, 1 rebooted more than once\n";
    assert_eq!(said(&["history"], &file)?, format!("worker: {line}"));
    let pool = said(&["history", "worker"], &file)?;
    assert_eq!(
        pool,
        format!(
            "{line}  machineconfig/99-a: file /etc/a; last written by argocd at 2026-01-01T00:00:00Z\n  per node: drain 10m (90 % within 10m); \
             in all 10m (90 % within 10m)\n"
        )
    );
    let node = said(&["history", "a"], &file)?;
    assert_eq!(
        node,
        "a in pool worker, to rendered-worker-1: done after 10m (drain 1m, reboot 4m), 2 reboots, failed on the way\n  its drain was blocked: \
         pod a/b: budget b\n"
    );
    let data: Value = serde_json::from_str(&said(&["history", "-o", "json"], &file)?)?;
    assert_eq!(
        (
            &data["pools"]["worker"]["rollouts"][0]["reboots"],
            &data["pools"]["worker"]["rollouts"][0]["each"]["a"]["failed"]
        ),
        (&json!(2), &json!(true))
    );
    let (code, text) = refused(&["history", "z"], &file)?;
    ensure!(
        code == Some(1) && text.contains("there is no pool z, and no node z") && text.contains("there are: worker"),
        "{text}"
    );
    let (code, text) = refused(&["history"], &state(folder.path(), false)?)?;
    ensure!(code == Some(1) && text.contains("there is no history: "), "{text}");
    Ok(())
}
