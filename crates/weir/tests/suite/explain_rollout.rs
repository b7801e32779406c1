//! `weir explain rollout` as a program, offline.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};
use weir_testkit::{Kubectl, Program};

fn weir(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["explain", "rollout"]).args(arguments).env_remove("KUBECONFIG");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn told(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn pool(name: &str, target: &str) -> Value {
    json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool", "metadata": {"name": name},
        "spec": {
            "configuration": {"name": target},
            "nodeSelector": {"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}},
        },
    })
}

fn node(name: &str, role: &str, config: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name, "labels": {format!("node-role.kubernetes.io/{role}"): ""},
            "annotations": {
                "machineconfiguration.openshift.io/currentConfig": config,
                "machineconfiguration.openshift.io/desiredConfig": config,
                "machineconfiguration.openshift.io/state": "Done",
            },
        },
    })
}

fn objects() -> Vec<Value> {
    vec![pool("worker", "w2"), node("a", "worker", "w1"), node("b", "worker", "w1"), node("c", "other", "w1")]
}

fn list() -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": objects()}).to_string()
}

#[test]
fn a_list_on_standard_input() {
    let nodes = told(&weir(&["-f", "-", "-o", "json"], &list()));
    assert_eq!(
        nodes,
        json!({"nodes": {
            "a": {"pools": ["worker"], "primary": "worker"}, "b": {"pools": ["worker"], "primary": "worker"},
            "c": {"pools": [], "primary": null},
        }})
    );
    let worker = told(&weir(&["--pool", "worker", "-f", "-", "-o", "json"], &list()));
    assert_eq!(
        json!([worker["nodes"], worker["start"], worker["hold"][0]["node"], worker["capacity"]]),
        json!([["a", "b"], ["a"], "b", 1])
    );
    let text = weir(&["-f", "-"], &list());
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("  a  may start now, as number 1\n"), "{text}");
    let unplaced = "1 node is in none of the pools among the files, which have no pool master: c\n";
    assert!(text.ends_with(unplaced), "{text}");
}

/// Files of pools alone, as `oc get mcp -o yaml` writes them, say nothing about nodes.
#[test]
fn without_nodes_nothing_is_claimed_about_them() {
    let pools =
        json!({"apiVersion": "v1", "kind": "List", "items": [pool("worker", "w2"), pool("infra", "i1")]}).to_string();
    let text = String::from_utf8(weir(&["-f", "-"], &pools).stdout).unwrap();
    assert_eq!(text.matches("not known: no nodes among the files").count(), 2, "{text}");
    assert!(!text.contains("0 nodes") && !text.contains("=True"), "{text}");
    let worker = told(&weir(&["--pool", "worker", "-f", "-", "-o", "json"], &pools));
    assert_eq!(worker["notKnown"], "no nodes among the files");
    assert!(worker["status"].is_null() && worker["nodes"].is_null(), "{worker}");

    // Nodes of other pools are nodes: this one has none.
    let both = json!([pool("worker", "w2"), pool("infra", "i1"), node("a", "worker", "w2")]);
    let both = json!({"apiVersion": "v1", "kind": "List", "items": both}).to_string();
    let infra = told(&weir(&["--pool", "infra", "-f", "-", "-o", "json"], &both));
    assert_eq!((&infra["nodes"], &infra["notKnown"]), (&json!([]), &Value::Null));
}

#[test]
fn a_must_gather() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for object in objects() {
        let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        write(&format!("quay-io/cluster-scoped-resources/{kind}/{name}.yaml"), &object.to_string());
    }
    write("quay-io/namespaces/x/pods/log.yaml", "no: [manifest");
    write("quay-io/readme.txt", "no manifest either");
    let output = weir(&["--pool", "worker", "-o", "json", "-f", folder.path().to_str().unwrap()], "");
    assert_eq!(told(&output)["nodes"], json!(["a", "b"]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("1 file could not be read and was passed over: ") && said.contains("log.yaml: "), "{said}");
    let named = weir(&["--pool", "worker", "-v", "-f", folder.path().to_str().unwrap()], "");
    let said = String::from_utf8_lossy(&named.stderr);
    assert!(said.contains("passed over: ") && said.contains("log.yaml"), "{said}");
}

/// Says on a pool that the release is of another distribution, as the render controller does.
fn contradicted() -> Value {
    let said = "this cluster runs as ocp, but the release payload carries stream-coreos, which belongs to okd";
    let held =
        |type_: &str| json!({"type": type_, "status": "True", "reason": "DistributionMismatch", "message": said});
    json!({"status": {"conditions": [held("DistributionMismatch"), held("RenderDegraded")]}})
}

#[test]
fn what_the_controllers_hold_back_is_not_promised() {
    let mut objects = objects();
    objects[0]["status"] = contradicted()["status"].clone();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let worker = told(&weir(&["--pool", "worker", "-f", "-", "-o", "json"], &list));
    assert_eq!(worker["start"], json!([]));
    let reason = worker["hold"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("Halted: no rollout may start: this cluster runs as ocp, but "), "{reason}");
}

/// The same of a cluster, as `weir status` has it.
#[test]
fn the_status_of_a_halted_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return };
    let program = env!("CARGO_BIN_EXE_weir");
    let mut command = Command::new(program);
    command.args(["apiserver", "--listen", "127.0.0.1:0", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    let mut server = Program::start(&mut command).unwrap();
    server.until("serving https://").unwrap();
    let definitions = Command::new(program).arg("crds").output().unwrap().stdout;
    kubectl.pipe(&definitions, &["apply", "--server-side", "-f", "-"]).unwrap();
    let version = "machineconfiguration.openshift.io/v1";
    let config = json!({"apiVersion": version, "kind": "MachineConfig", "metadata": {"name": "w2"}, "spec": {}});
    let items = [objects(), vec![config]].concat();
    let all = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    kubectl.pipe(all.as_bytes(), &["apply", "-f", "-"]).unwrap();
    let status = || {
        let output = Command::new(program).arg("status").arg("--kubeconfig").arg(&kubeconfig).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = status();
    assert!(text.contains("worker: a may start now\n"), "{text}");
    let patch = contradicted().to_string();
    kubectl.run(&["patch", "mcp", "worker", "--subresource=status", "--type=merge", "-p", &patch]).unwrap();
    let text = status();
    assert!(!text.contains("may start now"), "{text}");
    assert!(text.contains("worker: a, b wait: no rollout may start: this cluster runs as ocp, but "), "{text}");
    assert!(server.interrupt().unwrap().success());
}

#[test]
fn what_cannot_be_explained_is_said() {
    let missing = weir(&["--pool", "gpu", "-f", "-"], &list());
    assert_eq!(missing.status.code(), Some(1));
    let said = String::from_utf8_lossy(&missing.stderr);
    assert!(said.contains("there is no MachineConfigPool \"gpu\"; there are: worker"), "{said}");
    let broken = weir(&["-f", "-"], "a: [1");
    assert_eq!(broken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("standard input: document 1 (line 1)"));
    let absent = weir(&["-f", "/nowhere/at/all.yaml"], "");
    assert!(String::from_utf8_lossy(&absent.stderr).contains("/nowhere/at/all.yaml"));
}

/// The recorded cases as manifests, as somebody else's script would pass them.
#[test]
fn the_recorded_cases() {
    // Starting the program for each would take long; every tenth shows that manifests are read as they should.
    for line in weir_recorded::read("rollout/candidates.jsonl").lines().step_by(10) {
        let case: Value = serde_json::from_str(line).unwrap();
        let input = &case["input"];
        let direct = &case["output"]["direct"];
        let many = ["otherPools", "nodes", "pods", "machineConfigs", "machineConfigNodes"];
        let mut items: Vec<Value> = many.iter().filter_map(|key| input[key].as_array().cloned()).flatten().collect();
        items.extend(input.get("pool").cloned());
        items.push(json!({
            "apiVersion": "config.openshift.io/v1", "kind": "Infrastructure", "metadata": {"name": "cluster"},
            "status": {"controlPlaneTopology": input["controlPlaneTopology"].as_str().unwrap_or_default()},
        }));
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        let name = input["pool"]["metadata"]["name"].as_str().unwrap();
        let told = told(&weir(&["--pool", name, "-f", "-", "-o", "json"], &list));
        for key in ["nodes", "unavailable", "maxUnavailable", "candidates", "capacity"] {
            if direct.get(key).is_some() {
                assert_eq!(told[key], direct[key], "{} {key}", case["id"]);
            }
        }
    }
}
