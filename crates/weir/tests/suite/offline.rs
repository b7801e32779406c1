//! Every command that reads, on what support collects of a cluster: as a folder and packed, with logs, events and
//! broken files in between.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use weir_testkit::{Kubectl, Program};

/// What is collected, as it is listed.
const KINDS: &str = "nodes,mcp,mc,machineconfignodes,controllerconfig,osimagestream,featuregate,clusterversion,infrastructures,\
                     machineconfigurations,pods,pdb,events";
/// The folder of an image in a must-gather.
const IMAGE: &str = "must-gather/quay-io-release-sha256-1";
/// What is packed, and by what.
const PACKED: [(&str, [&str; 3]); 3] = [
    ("must-gather.tar", ["tar", "-cf", "must-gather.tar"]),
    ("must-gather.tar.gz", ["tar", "-czf", "must-gather.tar.gz"]),
    ("must-gather.zip", ["zip", "-qr", "must-gather.zip"]),
];

fn weir(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    Ok(command
        .current_dir(folder)
        .args(arguments)
        .env_remove("KUBECONFIG")
        .env_remove("REGISTRY_AUTH_FILE")
        .output()?)
}

fn put(path: &Path, text: &str) -> Result<()> {
    fs::create_dir_all(path.parent().context("a folder")?)?;
    Ok(fs::write(path, text)?)
}

/// Objects of the cluster in a file each, those of namespaces in a list for each kind; beside them what else there is.
fn gather(kubectl: &Kubectl, folder: &Path) -> Result<()> {
    let listed = kubectl.get(&["-A", KINDS])?;
    let mut lists: std::collections::BTreeMap<PathBuf, Vec<Value>> = std::collections::BTreeMap::new();
    for item in listed["items"].as_array().context("items")? {
        let kind = item["kind"].as_str().context("a kind")?.to_lowercase();
        let name = item["metadata"]["name"].as_str().context("a name")?;
        match item["metadata"]["namespace"].as_str() {
            Some(namespace) => {
                let path = folder.join(IMAGE).join(format!("namespaces/{namespace}/core/{kind}s.yaml"));
                lists.entry(path).or_default().push(item.clone());
            }
            None => {
                let path = folder.join(IMAGE).join(format!("cluster-scoped-resources/{kind}/{name}.yaml"));
                put(&path, &format!("---\n{}", weir_manifests::to_yaml(&[item])?))?;
            }
        }
    }
    ensure!(lists.keys().any(|path| path.ends_with("pods.yaml")), "there are no pods: {lists:?}");
    ensure!(lists.keys().any(|path| path.ends_with("events.yaml")), "there are no events: {lists:?}");
    for (path, items) in lists {
        let kind = format!("{}List", items.first().and_then(|item| item["kind"].as_str()).unwrap_or_default());
        let list = json!({"apiVersion": "v1", "items": items, "kind": kind, "metadata": {"resourceVersion": ""}});
        put(&path, &weir_manifests::to_yaml(&[list])?)?;
    }
    let beside = [
        ("must-gather/timestamp", "2026-11-30 06:00:00"),
        ("must-gather/must-gather.logs", "not: [a manifest"),
        ("must-gather/event-filter.html", "<html></html>"),
        (
            "must-gather/quay-io-other-sha256-2/cluster-scoped-resources/core/x.yaml",
            "apiVersion: v1\nkind: Namespace\n",
        ),
        ("must-gather/quay-io-other-sha256-2/namespaces/x/pods/p/c/c/logs/current.log", "{\"not\": \"a manifest\"}"),
    ];
    for (path, text) in beside {
        put(&folder.join(path), text)?;
    }
    put(&folder.join(IMAGE).join("aggregated-discovery-apis.yaml"), "apidiscovery: {items: [1]}\n")?;
    put(
        &folder.join(IMAGE).join("cluster-scoped-resources/machineconfig/cut-off.yaml"),
        "kind: MachineConfig\nspec: {conf",
    )
}

/// Commands, and what they say.
const COMMANDS: [(&[&str], &str); 11] = [
    (&["status"], "worker"),
    (&["status", "--nodes", "-o", "json"], "\"withoutPool\": []"),
    (&["explain", "rollout", "--pool", "worker"], "worker-0"),
    (&["explain", "stream"], "pool worker gets stream rhel-10"),
    (
        &["explain", "file", "/etc/machine-role", "--pool", "worker"],
        "on machines of pool worker: MachineConfig 00-worker",
    ),
    (&["diff", "node/worker-0", "mcp/worker"], ""),
    (&["diff", "mcp/master", "mcp/worker"], "file /etc/machine-role"),
    (&["extract", "mcp/worker", "/etc/machine-role"], "worker"),
    (&["render", "-o", "name"], "/rendered-worker-"),
    (&["render", "-o", "json", "--pool", "master"], "rendered-master-"),
    (&["explain", "stream", "-o", "json"], "\"pool\": \"worker\""),
];

#[test]
fn every_command_says_the_same_of_a_must_gather_packed_or_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["up", "--step-time", "20ms", "--pods", "3", "--settle", "0"]);
    let mut program = Program::start(&mut command)?;
    let kubeconfig = PathBuf::from(program.line()?);
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return Ok(()) };
    program.until("every pool is updated")?;
    gather(&kubectl, folder)?;
    let mut inputs = vec!["must-gather"];
    for (name, packer) in PACKED {
        match Command::new(packer[0]).args(&packer[1..]).arg("must-gather").current_dir(folder).status() {
            Ok(packed) => {
                ensure!(packed.success(), "{packer:?}: {packed}");
                inputs.push(name);
            }
            Err(_) => weir_recorded::skip(name, &weir_recorded::Absent::Program(packer[0])),
        }
    }
    for (command, part) in COMMANDS {
        let mut first = None;
        for input in &inputs {
            let output = weir(folder, &[command, &["--from", input]].concat())?;
            let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            ensure!(output.status.success(), "{command:?} --from {input}: {said}");
            ensure!(told.contains(part), "{command:?} --from {input}: {told}");
            ensure!(
                said.ends_with("1 file could not be read and was passed over; -v names it\n"),
                "{command:?} {input}: {said}"
            );
            // Conditions that nobody has set yet are of now.
            let told: Vec<_> =
                told.lines().filter(|line| !line.contains("lastTransitionTime")).map(str::to_owned).collect();
            ensure!(
                first.get_or_insert_with(|| told.clone()) == &told,
                "{command:?} --from {input}: {told:?} {first:?}"
            );
        }
    }
    let named = weir(folder, &["status", "-v", "--from", "must-gather"])?;
    let said = String::from_utf8_lossy(&named.stderr);
    ensure!(said.contains("passed over: ") && said.contains("cut-off.yaml: document 1 (line 1): line 2: "), "{said}");
    another_cluster(&kubeconfig, folder)
}

/// A second cluster beside the first.
fn another_cluster(kubeconfig: &Path, folder: &Path) -> Result<()> {
    let path = folder.join(IMAGE).join("cluster-scoped-resources/machineconfigpool/worker.yaml");
    let text = fs::read_to_string(&path)?;
    let uid = text.lines().find_map(|line| line.trim().strip_prefix("uid: ")).context("an uid")?.to_owned();
    let other = text.replace(&uid, "11111111-2222-3333-4444-555555555555");
    ensure!(other != text, "{}: {text}", kubeconfig.display());
    put(&folder.join("must-gather/another/cluster-scoped-resources/machineconfigpool/worker.yaml"), &other)?;
    let output = weir(folder, &["status", "--from", "must-gather"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && output.stdout.is_empty(), "{output:?}");
    ensure!(said.contains("this MachineConfigPool worker is of another cluster than the one in "), "{said}");
    Ok(())
}
