//! Rehearsals: a running cluster is updated, and a cluster is made from the objects of another.

use super::up::{up, weir};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Output},
};
use weir_recorded::{Absent, skip};
use weir_testkit::Kubectl;

fn run(kubeconfig: &Path, arguments: &[&str]) -> Result<Output> {
    weir().args(arguments).arg("--kubeconfig").arg(kubeconfig).env_remove("KUBECONFIG").output().context("running weir")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A release in a folder.
fn payload(folder: &Path, name: &str, version: &str) -> Result<String> {
    let path = folder.join(name);
    let built =
        weir().args(["payload", "build", "--distribution", "ocp", "--version", version, "-o"]).arg(&path).output()?;
    anyhow::ensure!(built.status.success(), "{}", text(&built.stderr));
    Ok(format!("oci:{}", path.display()))
}

fn asked_for(kubectl: &Kubectl, wanted: &Value) -> Result<String> {
    let patch = json!({"spec": {"desiredUpdate": wanted}}).to_string();
    kubectl.run(&["patch", "clusterversion", "version", "--type", "merge", "-p", &patch])
}

fn accepted(kubectl: &Kubectl, status: &str) -> Result<String> {
    let condition = format!("--for=condition=ReleaseAccepted={status}");
    kubectl.run(&["wait", "clusterversion/version", &condition, "--timeout=60s"])
}

/// Version and state of the releases, newest first.
fn history(kubectl: &Kubectl) -> Result<Vec<(String, String)>> {
    let version = kubectl.get(&["clusterversion", "version"])?;
    let of = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let all = version["status"]["history"].as_array().context("a history")?;
    Ok(all.iter().map(|entry| (of(entry, "version"), of(entry, "state"))).collect())
}

#[test]
fn a_running_cluster_is_updated_once_it_is_known_what_comes_of_it() -> Result<()> {
    let Some(cluster) = up(&["--distribution", "ocp", "--nodes", "master=1,worker=2"])? else { return Ok(()) };
    let (at, folder) = (&cluster.kubeconfig, tempfile::tempdir()?);
    let kubectl = Kubectl::new(at).context("kubectl")?;
    accepted(&kubectl, "True")?;
    let first = history(&kubectl)?.remove(0).0;
    let next = payload(folder.path(), "next", "5.0.9")?;

    // What is in the way changes nothing.
    let older = payload(folder.path(), "older", "4.20.0")?;
    let blocked = run(at, &["update", "--to", &older])?;
    assert_eq!(blocked.status.code(), Some(3), "{}", text(&blocked.stderr));
    assert!(text(&blocked.stdout).contains("in the way: "), "{}", text(&blocked.stdout));
    let nowhere = run(at, &["update", "--to", "oci:/nowhere"])?;
    assert_eq!(
        (nowhere.status.code(), text(&nowhere.stderr).lines().count()),
        (Some(1), 1),
        "{}",
        text(&nowhere.stderr)
    );
    asked_for(&kubectl, &json!({"image": "oci:/nowhere", "force": true}))?;
    accepted(&kubectl, "False")?;
    let version = kubectl.get(&["clusterversion", "version"])?;
    assert_eq!(version["status"]["desired"]["version"], json!(first), "{version}");
    let said = version["status"]["conditions"].to_string();
    assert!(
        said.contains("oci:/nowhere is not taken, and nothing is changed: ") && said.contains("RetrievePayload"),
        "{said}"
    );
    asked_for(&kubectl, &Value::Null)?;
    accepted(&kubectl, "True")?;
    assert_eq!(history(&kubectl)?, [(first.clone(), "Completed".to_owned())]);

    let dry = run(at, &["update", "--to", &next, "--dry-run"])?;
    assert!(
        dry.status.success() && text(&dry.stdout).starts_with("3 nodes reboot"),
        "{}{}",
        text(&dry.stdout),
        text(&dry.stderr)
    );
    assert_eq!(history(&kubectl)?.len(), 1);
    let done = run(at, &["update", "--to", &next])?;
    assert!(done.status.success(), "{}", text(&done.stderr));
    for pool in ["master", "worker"] {
        let waited = run(at, &["wait", pool, "--timeout", "60s"])?;
        assert!(waited.status.success(), "{}", text(&waited.stderr));
    }
    kubectl.run(&["wait", "clusterversion/version", "--for=condition=Progressing=False", "--timeout=60s"])?;
    let completed = |version: &str| (version.to_owned(), "Completed".to_owned());
    assert_eq!(history(&kubectl)?, [completed("5.0.9"), completed(&first)]);

    // As oc asks for it; the same again asks for nothing.
    let last = payload(folder.path(), "last", "5.0.10")?;
    asked_for(&kubectl, &json!({"image": last, "force": false}))?;
    kubectl.run(&[
        "wait",
        "clusterversion/version",
        "--for=jsonpath={.status.desired.version}=5.0.10",
        "--timeout=60s",
    ])?;
    let again = run(at, &["update", "--to", &last])?;
    assert!(again.status.success(), "{}", text(&again.stderr));

    // Another operator's cluster is left to it.
    kubectl.run(&["annotate", "clusterversion", "version", "machineconfiguration.openshift.io/seeded-by-"])?;
    let theirs = run(at, &["update", "--to", &next])?;
    let said = text(&theirs.stderr);
    assert!(theirs.status.code() == Some(1) && said.contains("oc adm upgrade --to-image"), "{said}");
    Ok(())
}

#[test]
fn a_cluster_is_rehearsed_from_its_objects() -> Result<()> {
    let Some(cluster) = up(&["--distribution", "ocp", "--nodes", "master=1,worker=2,infra=1"])? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let kubectl = Kubectl::new(&cluster.kubeconfig).context("kubectl")?;
    kubectl.run(&["label", "node/infra-0", "rack=seven"])?;
    kubectl.run(&["patch", "mcp", "infra", "--type", "merge", "-p", r#"{"spec":{"maxUnavailable":2}}"#])?;
    let kinds = "mcp,mc,nodes,clusterversion,featuregate,osimagestream,secrets";
    let file = folder.path().join("cluster.json");
    std::fs::write(&file, kubectl.run(&["get", kinds, "-A", "-o", "json"])?)?;
    let import = |to: &Path| weir().arg("import").arg(&file).arg("--data-dir").arg(to).output();
    let to = folder.path().join("rehearsal");
    let output = import(&to)?;
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(said.contains(" and 4 nodes of 3 pools are in "), "{said}");
    assert!(said.contains("left out: ") && said.contains("Secret") && said.contains("--distribution ocp\n"), "{said}");
    let again = import(&to)?;
    assert!(text(&again.stderr).contains("is there already"), "{}", text(&again.stderr));

    // It runs, and nobody reboots: it is the same release.
    let Some(rehearsal) = up(&["--distribution", "ocp", "--data-dir", to.to_str().context("utf-8")?])? else {
        return Ok(());
    };
    let kubectl = Kubectl::new(&rehearsal.kubeconfig).context("kubectl")?;
    let node = kubectl.get(&["node", "infra-0"])?;
    assert_eq!(node["metadata"]["labels"]["rack"], "seven");
    assert_eq!(kubectl.get(&["mcp", "infra"])?["spec"]["maxUnavailable"], 2);
    let runs = &node["metadata"]["annotations"]["machineconfiguration.openshift.io/currentConfig"];
    assert_eq!(runs, &kubectl.get(&["mcp", "infra"])?["spec"]["configuration"]["name"]);
    let waited = run(&rehearsal.kubeconfig, &["wait", "infra", "--timeout", "60s"])?;
    assert!(waited.status.success(), "{}", text(&waited.stderr));
    // Its machines go on.
    let switched = run(&rehearsal.kubeconfig, &["switch", "worker", "rhel-9"])?;
    assert!(switched.status.success(), "{}", text(&switched.stderr));
    let waited = run(&rehearsal.kubeconfig, &["wait", "worker", "--for", "stream=rhel-9", "--timeout", "60s"])?;
    assert!(waited.status.success(), "{}", text(&waited.stderr));
    Ok(())
}

#[test]
fn what_cannot_be_rehearsed_leaves_nothing_behind() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (file, to) = (folder.path().join("a.json"), folder.path().join("rehearsal"));
    let pool = json!({"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool", "metadata": {"name": "worker"}, "spec": {}});
    for (object, arguments, says) in [
        (json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}), &[][..], "MachineConfigPool"),
        (pool.clone(), &[], "the files do not say of which distribution the cluster is; give --distribution"),
        (pool, &["--distribution", "okd"], "no node can be rehearsed with"),
    ] {
        std::fs::write(&file, object.to_string())?;
        let output = weir().arg("import").arg(&file).arg("--data-dir").arg(&to).args(arguments).output()?;
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(says) && said.lines().count() == 1, "{said}");
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 1, "only the file");
    }
    Ok(())
}

/// What is collected of a cluster of 4.12, which knows no streams, as of this version of our group.
fn gather_old(folder: &Path, version: &str) -> Result<()> {
    let (group, name) = ("machineconfiguration.openshift.io", "rendered-worker-0");
    let role = json!({"node-role.kubernetes.io/worker": ""});
    let ignition = json!({"ignition": {"version": "3.2.0"}});
    let desired = json!({"version": "4.12.3", "image": "quay.io/a/release@sha256:0"});
    for (file, object) in [
        (
            "version",
            json!({"apiVersion": "config.openshift.io/v1", "kind": "ClusterVersion", "metadata": {"name": "version"},
            "spec": {"clusterID": "0"}, "status": {"desired": desired, "history": [], "observedGeneration": 1, "versionHash": ""}}),
        ),
        (
            "pool",
            json!({"apiVersion": format!("{group}/{version}"), "kind": "MachineConfigPool", "metadata": {"name": "worker"},
            "spec": {"nodeSelector": {"matchLabels": role}, "configuration": {"name": name}}}),
        ),
        (
            "config",
            json!({"apiVersion": format!("{group}/v1"), "kind": "MachineConfig", "metadata": {"name": name}, "spec": {"config": ignition}}),
        ),
        (
            "node",
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-0", "labels": role,
            "annotations": {format!("{group}/currentConfig"): name, format!("{group}/desiredConfig"): name, format!("{group}/state"): "Done"}},
            "status": {"nodeInfo": {"kubeletVersion": "v1.25.4"}, "conditions": [{"type": "Ready", "status": "True"}]}}),
        ),
    ] {
        let path = folder.join("image/cluster-scoped-resources").join(file);
        std::fs::create_dir_all(&path)?;
        std::fs::write(path.join("a.yaml"), weir_manifests::to_yaml(&[object])?)?;
    }
    Ok(())
}

#[test]
fn a_must_gather_of_another_version_is_taken_or_refused_in_a_message() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (gathered, to) = (folder.path().join("must-gather"), folder.path().join("rehearsal"));
    let of = |arguments: &[&str]| weir().args(arguments).arg(&gathered).env_remove("KUBECONFIG").output();
    let to_name = to.to_str().context("utf-8")?;
    let import = ["import", "--distribution", "ocp", "--data-dir", to_name];

    // An older cluster is read as what it is.
    gather_old(&gathered, "v1")?;
    let plan = of(&["plan", "--stream", "worker=rhel-10", "--from"])?;
    assert_eq!(plan.status.code(), Some(1));
    assert!(
        text(&plan.stderr).starts_with("error: OS image streams are off in this cluster"),
        "{}",
        text(&plan.stderr)
    );
    let waited = of(&["status", "--from"])?;
    assert!(text(&waited.stdout).contains("\nworker  -       1      1        1 "), "{}", text(&waited.stdout));
    let imported = of(&import)?;
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    assert!(text(&imported.stdout).starts_with("3 objects and 1 node of 1 pool are in "), "{}", text(&imported.stdout));
    std::fs::remove_dir_all(&to)?;

    // A later version of the API may mean something else by the same fields.
    gather_old(&gathered, "v2")?;
    for arguments in [&import[..], &["status", "--from"], &["plan", "--stream", "worker=rhel-10", "--from"]] {
        let output = of(arguments)?;
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""), "{said}");
        assert!(
            said.contains("MachineConfigPool worker is of machineconfiguration.openshift.io/v2"),
            "{arguments:?}: {said}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 1, "only the must-gather");
    Ok(())
}

/// Mounts a small disk, imports the file to it, and lists what is left there.
const IMPORTED_TO_A_SMALL_DISK: &str = "mount -t tmpfs -o size=4m none \"$1\" || exit 9
\"$2\" import \"$3\" --data-dir \"$1/rehearsal\" --distribution ocp; code=$?
ls -A \"$1\"; exit $code";

#[test]
fn an_import_that_does_not_fit_on_the_disk_leaves_nothing_behind() -> Result<()> {
    let may_mount = Command::new("unshare").args(["--mount", "true"]).output();
    if !may_mount.is_ok_and(|done| done.status.success()) {
        skip("an import to a full disk", &Absent::Mounts);
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (disk, file) = (folder.path().join("disk"), folder.path().join("cluster.json"));
    std::fs::create_dir(&disk)?;
    let group = "machineconfiguration.openshift.io";
    let pool = json!({"apiVersion": format!("{group}/v1"), "kind": "MachineConfigPool", "metadata": {"name": "worker"},
        "spec": {"nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}}}});
    let config = |name: &str| {
        let contents = json!({"source": format!("data:,{}", "a".repeat(1_000_000))});
        let files = json!([{"path": "/a", "contents": contents}]);
        let ignition = json!({"ignition": {"version": "3.4.0"}, "storage": {"files": files}});
        json!({"apiVersion": format!("{group}/v1"), "kind": "MachineConfig", "metadata": {"name": name}, "spec": {"config": ignition}})
    };
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-0", "labels": {"node-role.kubernetes.io/worker": ""},
        "annotations": {format!("{group}/currentConfig"): "99-0", format!("{group}/desiredConfig"): "99-0"}}});
    let configs = (0..8).map(|number| config(&format!("99-{number}")));
    let items: Vec<Value> = [pool, node].into_iter().chain(configs).collect();
    std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", IMPORTED_TO_A_SMALL_DISK, "sh"]).arg(&disk).arg(env!("CARGO_BIN_EXE_weir"));
    let output = command.arg(&file).output()?;
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: writing to the data directory") && last.contains("make room"), "{said}");
    Ok(())
}
