//! What kubectl and OpenShift's client look for in `weir up`, as in a cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::up::up;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use weir_testkit::Kubectl;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

/// Asks until the answer is as wanted.
fn until<T: std::fmt::Debug>(mut ask: impl FnMut() -> Result<T>, wanted: impl Fn(&T) -> bool) -> Result<T> {
    let end = Instant::now() + LONG;
    loop {
        let answer = ask()?;
        if wanted(&answer) {
            return Ok(answer);
        }
        anyhow::ensure!(Instant::now() < end, "still {answer:?}");
        std::thread::yield_now();
    }
}

fn taints(kubectl: &Kubectl, node: &str) -> Result<Vec<String>> {
    let node = kubectl.get(&["node", node])?;
    let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    Ok(taints.iter().map(|taint| taint["key"].as_str().unwrap_or_default().to_owned()).collect())
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

/// A fleet is a fleet: nodes, leases, pods and their ReplicaSet.
fn fleet(kubectl: &Kubectl) -> Result<()> {
    assert_eq!(taints(kubectl, "master-0")?, ["node-role.kubernetes.io/master"]);
    assert_eq!(taints(kubectl, "worker-0")?, [""; 0]);
    kubectl.run(&["cordon", "worker-0"])?;
    assert_eq!(taints(kubectl, "worker-0")?, ["node.kubernetes.io/unschedulable"]);
    kubectl.run(&["uncordon", "worker-0"])?;
    assert_eq!(taints(kubectl, "worker-0")?, [""; 0]);
    let described = || kubectl.run(&["describe", "node", "worker-0"]);
    let described = until(described, |text| text.contains("HolderIdentity:  worker-0"))?;
    for says in [
        "InternalIP:  10.",
        "Hostname:    worker-0",
        "cpu:                4",
        "topology.kubernetes.io/region=",
        "0 (0%)",
    ] {
        assert!(described.contains(says), "{says}: {described}");
    }
    assert!(!described.contains("(-9"), "{described}");
    let set = || kubectl.get(&["-n", "weir-fleet", "rs", "app"]);
    let set = until(set, |set| set["status"]["readyReplicas"] == 2)?;
    assert_eq!((&set["status"]["replicas"], &set["status"]["availableReplicas"]), (&json!(2), &json!(2)));
    let pods = kubectl.run(&["-n", "weir-fleet", "get", "pods", "--no-headers"])?;
    assert!(
        pods.lines().count() == 2 && pods.lines().all(|line| line.contains("1/1") && line.contains("Running")),
        "{pods}"
    );
    // A pod that is deleted ends when its kubelet says so, and is replaced.
    let pod = pods.split_whitespace().next().context("a pod")?.to_owned();
    kubectl.run(&["-n", "weir-fleet", "delete", "pod", &pod, "--timeout=30s"])?;
    until(|| kubectl.get(&["-n", "weir-fleet", "rs", "app"]), |set| set["status"]["readyReplicas"] == 2)?;
    Ok(())
}

/// What `oc adm upgrade`, its `status`, and `oc adm inspect co/machine-config` read.
fn update(kubectl: &Kubectl) -> Result<()> {
    let version = kubectl.get(&["clusterversion", "version"])?;
    for (kind, status) in [("Available", "True"), ("Failing", "False"), ("Progressing", "False")] {
        assert_eq!(condition(&version, kind)["status"], status, "{version}");
    }
    assert_eq!(
        (&version["status"]["availableUpdates"], &version["status"]["observedGeneration"]),
        (&json!([]), &json!(1))
    );
    let operator = kubectl.get(&["co", "machine-config"])?;
    let marks = operator["metadata"]["annotations"].as_object().unwrap();
    assert!(marks.keys().any(|key| key.starts_with("include.release.openshift.io/")), "{operator}");
    let deployment =
        kubectl.get(&["-n", "openshift-machine-config-operator", "deployment", "machine-config-operator"])?;
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["name"], "machine-config-operator");
    assert!(container["image"].as_str().unwrap().contains("@sha256:"), "{container}");
    let related = operator["status"]["relatedObjects"].as_array().unwrap();
    let named = related.iter().filter(|object| object["name"] != "");
    let mut all = vec!["get".to_owned(), "-o".to_owned(), "name".to_owned()];
    all.extend(named.map(|object| {
        let (resource, group) = (object["resource"].as_str().unwrap(), object["group"].as_str().unwrap());
        let dot = if group.is_empty() { "" } else { "." };
        format!("{resource}{dot}{group}/{}", object["name"].as_str().unwrap())
    }));
    let found = kubectl.run(&all.iter().map(String::as_str).collect::<Vec<_>>())?;
    assert_eq!(found.lines().count(), all.len() - 3, "{found}");
    let tables = kubectl.run(&["get", "co,clusterversion"])?;
    assert!(tables.contains("DEGRADED") && tables.contains("Cluster version is 5.0.0"), "{tables}");
    Ok(())
}

/// Who may only read, and what a MachineConfiguration allows.
fn settings(kubectl: &Kubectl) -> Result<()> {
    kubectl.run(&["create", "clusterrolebinding", "anna", "--clusterrole=cluster-reader", "--user=anna"])?;
    for (verb, resource, may) in
        [("list", "nodes", "yes"), ("get", "mcp", "yes"), ("get", "secrets", "no"), ("delete", "nodes", "no")]
    {
        let said = String::from_utf8(kubectl.output(&["auth", "can-i", verb, resource, "--as=anna"])?.stdout)?;
        assert_eq!(said.trim(), may, "{verb} {resource}");
    }
    // The masters' pool renders: nodes never see the change.
    kubectl.run(&["patch", "mcp", "worker", "--type=merge", "-p", r#"{"spec":{"paused":true}}"#])?;
    let disks = json!({"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
        "metadata": {"name": "50-disk", "labels": {"machineconfiguration.openshift.io/role": "worker"}},
        "spec": {"config": {"ignition": {"version": "3.4.0"}, "storage": {"disks": [{"device": "/dev/sdb", "wipeTable": true}]}}}});
    kubectl.pipe(disks.to_string().as_bytes(), &["apply", "-f", "-"])?;
    let pool = || kubectl.get(&["mcp", "worker"]);
    let refused = until(pool, |pool| condition(pool, "RenderDegraded")["status"] == "True")?;
    assert!(condition(&refused, "RenderDegraded")["message"].as_str().unwrap().contains("disks"), "{refused}");
    let allow = r#"{"spec":{"irreconcilableValidationOverrides":{"storage":["Disks"]}}}"#;
    kubectl.run(&["patch", "machineconfiguration", "cluster", "--type=merge", "-p", allow])?;
    until(pool, |pool| condition(pool, "RenderDegraded")["status"] == "False")?;
    Ok(())
}

#[test]
fn kubectl_and_oc_find_what_a_cluster_has() -> Result<()> {
    let Some(cluster) = up(&["--nodes", "master=1,worker=1", "--pods", "2"])? else { return Ok(()) };
    let kubectl = Kubectl::new(&cluster.kubeconfig).context("kubectl")?;
    fleet(&kubectl)?;
    update(&kubectl)?;
    settings(&kubectl)
}
