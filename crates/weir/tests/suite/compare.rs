//! `weir diff` and `weir extract` as a user has them.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const VERSION: &str = "machineconfiguration.openshift.io/v1";

fn weir(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    Ok(command.args(arguments).env_remove("KUBECONFIG").current_dir(folder).output()?)
}

fn config(name: &str, role: &str, files: &[(&str, &str)], arguments: &[&str]) -> Value {
    let file = |(path, source): &(&str, &str)| json!({"path": path, "mode": 420, "overwrite": true, "contents": {"source": source}});
    let files: Vec<Value> = files.iter().map(file).collect();
    let config = json!({"ignition": {"version": "3.5.0"}, "storage": {"files": files}});
    let labels = json!({"machineconfiguration.openshift.io/role": role});
    json!({
        "apiVersion": VERSION, "kind": "MachineConfig", "metadata": {"name": name, "labels": labels},
        "spec": {"config": config, "kernelArguments": arguments},
    })
}

/// A pool, a node of it that runs an older configuration, and both configurations.
fn cluster() -> Vec<Value> {
    let selector = json!({"matchLabels": {"machineconfiguration.openshift.io/role": "worker"}});
    let annotations = json!({"machineconfiguration.openshift.io/currentConfig": "rendered-worker-old"});
    vec![
        json!({"apiVersion": VERSION, "kind": "MachineConfigPool", "metadata": {"name": "worker"},
            "spec": {"machineConfigSelector": selector}}),
        json!({"apiVersion": VERSION, "kind": "ControllerConfig", "metadata": {"name": "machine-config-controller"},
            "spec": {"baseOSContainerImage": "registry.example.com/os@sha256:1"}}),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-0", "annotations": annotations}}),
        config(
            "rendered-worker-old",
            "none",
            &[("/etc/motd", "data:,one%0Atwo%0A"), ("/etc/login", "data:,%7B%22auths%22%3A1%7D")],
            &["a"],
        ),
        config(
            "00-base",
            "worker",
            &[("/etc/motd", "data:;base64,b25lCnRocmVlCg=="), ("/etc/login", "data:,%7B%22auths%22%3A2%7D")],
            &["a", "b=1"],
        ),
    ]
}

fn write(folder: &Path, name: &str, items: &[Value]) -> Result<()> {
    Ok(fs::write(folder.join(name), json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?)
}

#[test]
fn what_a_node_would_notice_is_shown_line_by_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write(folder.path(), "all.json", &cluster())?;
    let output = weir(folder.path(), &["diff", "node/worker-0", "mcp/worker", "-f", "all.json"])?;
    let text = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "from rendered-worker-old");
    assert!(lines[1].starts_with("to   rendered-worker-"), "{text}");
    let wanted = [
        "osImageURL: (none) → registry.example.com/os@sha256:1",
        "kernelArguments: +b=1",
        "file /etc/login: changed",
        "  (lines are not shown: it holds logins)",
        "file /etc/motd: changed",
        "  @@ -1,2 +1,2 @@",
        "   one",
        "  -two",
        "  +three",
    ];
    assert_eq!(lines[2..], wanted, "{text}");
    let output = weir(folder.path(), &["diff", "node/worker-0", "mcp/worker", "-f", "all.json", "-o", "json"])?;
    let data: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(data["fields"][1], json!({"field": "kernelArguments", "before": ["a"], "after": ["a", "b=1"]}));
    assert_eq!(data["parts"][1]["after"]["contents"]["text"], "one\nthree\n");
    assert_eq!(data["parts"][0]["after"]["contents"], json!({"hidden": "it holds logins"}));
    Ok(())
}

#[test]
fn two_collections_are_compared_and_the_same_is_said_to_be_the_same() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write(folder.path(), "before.json", &cluster())?;
    let mut after = cluster();
    after.push(config("99-more", "worker", &[("/etc/motd", "data:,four%0A")], &[]));
    write(folder.path(), "after.json", &after)?;
    let output = weir(folder.path(), &["diff", "mcp/worker", "-f", "before.json", "--against", "after.json"])?;
    let text = String::from_utf8(output.stdout)?;
    assert!(text.contains("file /etc/motd: changed\n") && text.contains("\n  +four\n"), "{text}");
    assert!(!text.contains("/etc/login"), "{text}");
    let output = weir(folder.path(), &["diff", "00-base", "00-base", "-f", "after.json"])?;
    assert_eq!(String::from_utf8(output.stdout)?, "00-base and 00-base: machines notice no difference\n");
    Ok(())
}

#[test]
fn files_come_as_they_are_on_disk() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write(folder.path(), "all.json", &cluster())?;
    let output = weir(folder.path(), &["extract", "mcp/worker", "/etc/motd", "-f", "all.json"])?;
    assert_eq!(String::from_utf8(output.stdout)?, "one\nthree\n");
    let output = weir(folder.path(), &["extract", "node/worker-0", "--all", "disk", "-f", "all.json"])?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_to_string(folder.path().join("disk/etc/motd"))?, "one\ntwo\n");
    let current = fs::read(folder.path().join("disk/etc/machine-config-daemon/currentconfig"))?;
    let current: Value = serde_json::from_slice(&current)?;
    assert_eq!(current["metadata"]["name"], "rendered-worker-old");
    Ok(())
}

#[test]
fn what_is_not_there_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut all = cluster();
    all.push(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "new"}}));
    write(folder.path(), "all.json", &all)?;
    write(folder.path(), "other.json", &cluster()[..2])?;
    for (arguments, wanted) in [
        (vec!["diff", "mcp/infra", "mcp/worker", "-f", "all.json"], "there is no MachineConfigPool infra"),
        (vec!["diff", "node/a", "mcp/worker", "-f", "all.json"], "there is no node a"),
        (vec!["diff", "node/new", "mcp/worker", "-f", "all.json"], "node new does not say what it runs"),
        (vec!["diff", "rendered-x", "mcp/worker", "-f", "all.json"], "there is no MachineConfig rendered-x"),
        (vec!["diff", "pod/a", "mcp/worker", "-f", "all.json"], "has no configuration of machines; write mcp/NAME"),
        (vec!["diff", "mcp/worker", "-f", "all.json"], "required"),
        (vec!["diff", "node/worker-0", "--against", "other.json", "-f", "all.json"], "there is no node worker-0"),
        (vec!["extract", "mcp/worker", "/etc/none", "-f", "all.json"], "no file /etc/none is written by pool worker"),
        (vec!["extract", "mcp/worker", "--all", ".", "-f", "all.json"], ". is not empty"),
        (vec!["extract", "mcp/worker", "-f", "all.json"], "required"),
    ] {
        let output = weir(folder.path(), &arguments)?;
        let said = String::from_utf8(output.stderr).context("text")?;
        assert!(!output.status.success() && said.contains(wanted), "{arguments:?}: {said}");
    }
    Ok(())
}
