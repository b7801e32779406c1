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

/// What is named is read, whatever is wrong with other files; a pool is not rendered without what they may hold.
#[test]
fn another_file_that_is_damaged_hides_nothing_that_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    fs::create_dir(folder.join("state"))?;
    write(folder, "state/all.json", &cluster())?;
    fs::write(folder.join("state/cut.yaml"), "kind: MachineConfig\nmetadata: {name: 99-cut")?;
    fs::write(folder.join("state/notes.yaml"), "to: do\n")?;
    for from in ["rendered-worker-old", "node/worker-0"] {
        let output = weir(folder, &["extract", from, "/etc/motd", "--from", "state"])?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"one\ntwo\n"[..]), "{said}");
        assert!(said.contains("2 files could not be read and were passed over: state/cut.yaml: "), "{said}");
        assert!(said.contains("; state/notes.yaml: document 1 (line 1): the object has no kind"), "{said}");
    }
    let output = weir(folder, &["diff", "rendered-worker-old", "00-base", "--from", "state"])?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for (arguments, part) in [
        (&["extract", "mcp/worker", "/etc/motd", "--from", "state"][..], "error: state/cut.yaml: "),
        (
            &["extract", "99-cut", "/etc/motd", "--from", "state"],
            "error: there is no MachineConfig 99-cut among the files",
        ),
        // Named by whoever asks, it is to be read.
        (&["extract", "00-base", "/etc/motd", "--from", "state/all.json", "state/cut.yaml"], "error: state/cut.yaml: "),
    ] {
        let output = weir(folder, arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && output.stdout.is_empty() && said.contains(part), "{said}");
    }
    Ok(())
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
        (
            vec!["diff", "rendered-x", "mcp/worker", "-f", "all.json"],
            "there is no MachineConfig rendered-x among the files; there are: 00-base, rendered-worker-old",
        ),
        (vec!["diff", "pod/a", "mcp/worker", "-f", "all.json"], "has no configuration of machines; write mcp/NAME"),
        (vec!["diff", "mcp/worker", "-f", "all.json"], "required"),
        (vec!["diff", "node/worker-0", "--against", "other.json", "-f", "all.json"], "no Node in other.json"),
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

/// What a command prints that succeeds.
fn printed(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = weir(folder, arguments)?;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn a_machine_config_alone_is_enough() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    let chrony = |server: &str| config("99-chrony", "worker", &[("/etc/chrony.conf", server)], &[]);
    fs::write(at.join("a.yaml"), chrony("data:,a%0A").to_string())?;
    fs::write(at.join("b.yaml"), chrony("data:,b%0A").to_string())?;
    write(at, "both.json", &[chrony("data:,a%0A"), config("99-more", "worker", &[], &["quiet"])])?;
    let extracted = printed(at, &["extract", "machineconfig/99-chrony", "/etc/chrony.conf", "--from", "a.yaml"])?;
    assert_eq!(extracted, "a\n");
    assert_eq!(printed(at, &["extract", "99-chrony", "--all", "disk", "--from", "a.yaml"])?, "");
    // No machine runs a part of a configuration, so its daemon has no file that says so.
    let written: Vec<_> = fs::read_dir(at.join("disk/etc"))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?;
    assert_eq!(written, ["chrony.conf"]);
    let of_two = printed(at, &["diff", "machineconfig/99-chrony", "machineconfig/99-more", "-f", "both.json"])?;
    assert_eq!(
        of_two,
        "from 99-chrony\nto   99-more\nkernelArguments: (none) → quiet\nfile /etc/chrony.conf: removed\n  @@ -1 +0,0 @@\n  -a\n"
    );
    let of_files = printed(at, &["diff", "mc/99-chrony", "-f", "a.yaml", "--against", "b.yaml"])?;
    assert!(of_files.ends_with("file /etc/chrony.conf: changed\n  @@ -1 +1 @@\n  -a\n  +b\n"), "{of_files}");
    for (arguments, wanted) in [
        (["extract", "mcp/worker", "/etc/motd"], "no MachineConfigPool in a.yaml: "),
        (["extract", "node/a", "/etc/motd"], "no Node in a.yaml: "),
        (["extract", "99-x", "/etc/motd"], "there is no MachineConfig 99-x among the files; there are: 99-chrony"),
        (["extract", "99-chrony", "/etc/motd"], "no file /etc/motd is written by 99-chrony; --all writes what is"),
        (["diff", "99-chrony", "mcp/worker"], "no MachineConfigPool in a.yaml: "),
    ] {
        let output = weir(at, &[&arguments[..], &["--from", "a.yaml"]].concat())?;
        let said = String::from_utf8(output.stderr)?;
        assert!(output.status.code() == Some(1) && said.contains(wanted), "{arguments:?}: {said}");
    }
    Ok(())
}

#[test]
fn an_ignition_config_is_named_by_its_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    let file = json!({"path": "/etc/chrony.conf", "mode": 420, "contents": {"source": "data:,a%0A"}});
    let unit = json!({"name": "a.service", "enabled": true, "contents": "[Unit]\n"});
    let ignition =
        json!({"ignition": {"version": "3.5.0"}, "storage": {"files": [file]}, "systemd": {"units": [unit]}});
    fs::write(at.join("worker.ign"), ignition.to_string())?;
    let yaml = "ignition:\n  version: 3.2.0\nstorage:\n  files:\n  - path: /etc/chrony.conf\n    contents:\n      source: data:,b%0A\n";
    fs::write(at.join("master.yaml"), yaml)?;
    write(at, "all.json", &cluster())?;
    fs::write(at.join("two.yaml"), format!("{yaml}---\n{yaml}"))?;
    let one = |of: &str| printed(at, &["extract", of, "/etc/chrony.conf"]);
    assert_eq!((one("ignition/worker.ign")?, one("ignition/master.yaml")?), ("a\n".to_owned(), "b\n".to_owned()));
    printed(at, &["extract", "ignition/worker.ign", "--all", "disk"])?;
    assert_eq!(fs::read_to_string(at.join("disk/etc/systemd/system/a.service"))?, "[Unit]\n");
    assert!(!at.join("disk/etc/machine-config-daemon").exists());
    let between = printed(at, &["diff", "ignition/worker.ign", "ignition/master.yaml"])?;
    assert!(between.starts_with("from worker.ign\nto   master.yaml\nfile /etc/chrony.conf: changed\n"), "{between}");
    assert!(between.contains("unit a.service: removed\n"), "{between}");
    let with_a_pool = printed(at, &["diff", "ignition/worker.ign", "mcp/worker", "-f", "all.json"])?;
    assert!(with_a_pool.contains("file /etc/motd: added\n"), "{with_a_pool}");
    for (arguments, wanted) in [
        // Whoever gives it where objects are read is told how it is named.
        (
            &["extract", "99-chrony", "/etc/chrony.conf", "--from", "worker.ign"][..],
            "take it as ignition/FILE, without --from",
        ),
        (
            &["extract", "99-chrony", "/etc/chrony.conf", "--from", "master.yaml"],
            "take it as ignition/FILE, without --from",
        ),
        (&["extract", "/etc/chrony.conf", "--from", "worker.ign"], "is the path of a file; before it, write of what: "),
        (
            &["extract", "ignition/all.json", "/etc/motd"],
            "no Ignition config: it is a List: name that, and give the file with --from",
        ),
        (
            &["extract", "ignition/two.yaml", "/etc/motd"],
            "two.yaml: it is to hold one Ignition config, and nothing else",
        ),
        (&["extract", "ignition/none.ign", "/etc/motd"], "none.ign"),
        (
            &["extract", "ignition/worker.ign", "/etc/motd"],
            "no file /etc/motd is written by the Ignition config in worker.ign; ",
        ),
    ] {
        let output = weir(at, arguments)?;
        let said = String::from_utf8(output.stderr)?;
        assert!(!output.status.success() && said.contains(wanted), "{arguments:?}: {said}");
    }
    Ok(())
}
