//! `weir why` and `weir history` as programs, on objects in a file: a paused pool, a node that fails, one that was told a configuration
//! that is gone, and a rollout that is kept; and on a cluster of somebody else, with a drain that waits.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Output},
};
use weir_testkit::{Kubectl, Program};

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
                "is in pool worker\n",
                "not known: whether node a is in other pools: master, which every cluster has, is not among the files\n",
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
                "\n  because machineconfig/99-worker-motd: gives contents.source, mode, overwrite in spec.config.storage.files[0]\n",
                "\n    because machineconfig/99-worker-motd: was last written by argocd at 2026-01-01T00:00:00Z",
                "change it: kubectl edit machineconfig/99-worker-motd",
            ],
        ),
        ("unit:a.service@worker", &["unit a.service: MachineConfig 99-worker-motd"]),
        (
            "argument:nosmt@worker",
            &["kernel argument nosmt: MachineConfig 99-worker-motd", "gives it in spec.kernelArguments[0]\n"],
        ),
        ("arg:nosmt@worker", &["kernel argument nosmt: MachineConfig 99-worker-motd"]),
    ] {
        let text = said(&["why", what], &file)?;
        for part in parts {
            ensure!(text.contains(part), "{what}: {part:?} is not in\n{text}");
        }
        let data: Value = serde_json::from_str(&said(&["why", what, "-o", "json"], &file)?)?;
        let causes = data["causes"].as_array().context("causes")?;
        ensure!(causes[0]["depth"] == 0 && causes.iter().all(|cause| cause["text"].is_string()), "{data}");
        ensure!(
            causes.len()
                == text
                    .lines()
                    .filter(|line| !["change it: ", "not known: "].iter().any(|mark| line.starts_with(mark)))
                    .count(),
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
        ("node/z", 1, "there is no node \"z\" among the files; there are: a, b"),
        ("mcp/z", 1, "there is no MachineConfigPool \"z\" among the files; there are: worker"),
        (
            "file:/etc/none@worker",
            1,
            "whether file /etc/none is written to machines of pool worker is not known: no MachineConfig among the files gives it",
        ),
        (
            "argument:quiet@worker",
            1,
            "whether kernel argument quiet is written to machines of pool worker is not known: ",
        ),
        ("pod/a", 2, "write node/NAME, mcp/NAME"),
    ] {
        let (found, text) = refused(&["why", what], &file)?;
        ensure!(found == Some(code) && text.contains(part), "{what}: {found:?} {text}");
    }
    let (code, text) = refused(&["why", "node/a"], "/nonexistent/state.yaml")?;
    ensure!(code == Some(1) && text.contains("/nonexistent/state.yaml"), "{text}");
    Ok(())
}

/// A cluster whose nodes somebody else drains, who does not say what is in the way: pods and budgets do.
#[test]
fn pods_and_budgets_of_a_cluster_are_read_where_a_drain_waits() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return Ok(()) };
    let path = kubeconfig.to_str().context("utf-8")?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["apiserver", "--listen", "127.0.0.1:0", "--kubeconfig", path]);
    let mut server = Program::start(&mut command)?;
    server.until("serving https://")?;
    kubectl.pipe(&weir(&["crds"])?.stdout, &["apply", "--server-side", "-f", "-"])?;
    let mut node = node("b", ["rendered-worker-1", "rendered-worker-2"], "Working", "");
    node["metadata"]["annotations"][format!("{PREFIX}/desiredDrain")] = "drain-rendered-worker-2".into();
    let pool = json!({"apiVersion": format!("{PREFIX}/v1"), "kind": "MachineConfigPool", "metadata": {"name": "worker"}, "spec": {
        "configuration": {"name": "rendered-worker-2"},
        "machineConfigSelector": {"matchLabels": {format!("{PREFIX}/role"): "worker"}},
        "nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}}}});
    let of = |kind: &str, version: &str, spec: Value| {
        let metadata = json!({"name": "web", "namespace": "shop", "labels": {"app": "web"}});
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
    };
    let items = [
        pool,
        node,
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
        of("PodDisruptionBudget", "policy/v1", json!({"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}})),
        of("Pod", "v1", json!({"nodeName": "b", "containers": [{"name": "c", "image": "i"}]})),
    ];
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    kubectl.pipe(list.as_bytes(), &["apply", "-f", "-"])?;
    let output = weir(&["why", "node/b", "--kubeconfig", path])?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(text.starts_with("node/b: draining on its way to rendered-worker-2"), "{text}");
    ensure!(text.contains("because node/b: pod shop/web has to go, and budget web allows no disruption\n"), "{text}");
    ensure!(text.contains("change it: kubectl edit pdb/web -n shop\n"), "{text}");
    ensure!(!text.contains("not known: which pods"), "{text}");
    ensure!(server.interrupt()?.success(), "the server ends");
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
    for arguments in [&["history", "z"][..], &["history", "z", "-o", "json"]] {
        let (code, text) = refused(arguments, &file)?;
        ensure!(
            code == Some(1) && text.contains("no history of a pool or node z is there") && text.contains("are: worker"),
            "{text}"
        );
    }
    let (code, text) = refused(&["history"], &state(folder.path(), false)?)?;
    ensure!(code == Some(1) && text.contains("there is no history: "), "{text}");
    Ok(())
}

/// Two pools, one of which has had no rollout, and two nodes in the last one of the other.
#[test]
fn histories_are_of_what_was_asked_for() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = state(folder.path(), true)?;
    let mut list: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    let items = list["items"].as_array_mut().context("items")?;
    items.push(json!({"apiVersion": format!("{PREFIX}/v1"), "kind": "MachineConfigPool", "metadata": {"name": "infra"}, "spec": {}}));
    let kept = items.iter_mut().find(|item| item["kind"] == "ConfigMap").context("a history")?;
    let mut rollouts: Value = serde_json::from_str(kept["data"]["history.json"].as_str().context("rollouts")?)?;
    let each = &mut rollouts["rollouts"][0]["each"];
    each["b"] = each["a"].clone();
    kept["data"]["history.json"] = rollouts.to_string().into();
    std::fs::write(&file, list.to_string())?;
    let text = said(&["history", "infra"], &file)?;
    ensure!(text.starts_with("pool infra has no rollouts in its history yet"), "{text}");
    let pools = |what: &str| -> Result<Value> {
        let text = said(&["history", what, "-o", "json"], &file)?;
        Ok(serde_json::from_str::<Value>(&text)?["pools"].take())
    };
    assert_eq!(pools("infra")?, json!({"infra": {"rollouts": []}}));
    let worker = pools("worker")?;
    assert_eq!(worker["worker"]["rollouts"][0]["each"].as_object().map(serde_json::Map::len), Some(2));
    let node = pools("a")?;
    let each = node["worker"]["rollouts"][0]["each"].as_object().context("nodes")?;
    assert_eq!(each.keys().collect::<Vec<_>>(), ["a"]);
    Ok(())
}

/// A file is judged as of the newest time in it; a rollout that has just begun is told without a history.
#[test]
fn files_are_of_their_time_and_a_rollout_that_nobody_recorded_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = state(folder.path(), false)?;
    let mut list: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    for item in list["items"].as_array_mut().context("items")? {
        if item["kind"] == "MachineConfigPool" {
            item["spec"]["paused"] = false.into();
            item["spec"]["maxUnavailable"] = 2.into();
            item["status"] = json!({"configuration": {"name": "rendered-worker-1"}, "machineCount": 3});
        }
        if item["metadata"]["name"] == "b" {
            let marks = &mut item["metadata"]["annotations"];
            marks[format!("{PREFIX}/state")] = "Working".into();
            marks[format!("{PREFIX}/desiredDrain")] = "drain-rendered-worker-2".into();
            marks[format!("{PREFIX}/drainStarted")] = "2026-01-01T00:58:00Z".into();
            item["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-01-01T01:00:00Z".into();
            // A broken object must not make it another time.
            item["metadata"]["creationTimestamp"] = "2100-01-01T00:00:00Z".into();
        }
    }
    std::fs::write(&file, list.to_string())?;
    let as_of = "as of 2026-01-01T01:00:00Z: the newest time in the files\n";
    let text = said(&["status"], &file)?;
    ensure!(text.ends_with(as_of) && text.matches("as of ").count() == 1, "{text}");
    ensure!(text.contains("worker: b waits: draining on its way to rendered-worker-2 (for 2m)\n"), "{text}");
    ensure!(text.contains("not known: how 1 of the 3 nodes of pool worker is: it is not among the files\n"), "{text}");
    let data: Value = serde_json::from_str(&said(&["status", "-o", "json"], &file)?)?;
    assert_eq!(data["asOf"], "2026-01-01T01:00:00Z");
    ensure!(said(&["why", "node/b"], &file)?.ends_with(as_of), "why");
    let begun = "rendered-worker-1 to rendered-worker-2; under way, 0 of 2 nodes done; nothing of it has been recorded so far\n";
    assert_eq!(said(&["history"], &file)?, format!("worker: {begun}"));
    assert_eq!(said(&["history", "worker"], &file)?, begun);
    let data: Value = serde_json::from_str(&said(&["history", "-o", "json"], &file)?)?;
    assert_eq!((&data["pools"], &data["unrecorded"]["worker"]), (&json!({}), &json!(begun.trim_end())));
    Ok(())
}
