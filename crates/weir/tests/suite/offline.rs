//! Every command that reads, on what support collects of a cluster: as a folder and packed, with logs, events and
//! broken files in between.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use weir_testkit::{Kubectl, Program};

/// What is collected, as it is listed.
const KINDS: &str = "nodes,mcp,mc,machineconfignodes,controllerconfig,osimagestream,featuregate,clusterversion,infrastructures,\
                     machineconfigurations,co,pods,pdb,events,configmaps";
/// A change that is rolled out before objects are collected, so that there is a history.
const MOTD: &str = r#"{
    "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
    "metadata": {"name": "99-worker-motd", "labels": {"machineconfiguration.openshift.io/role": "worker"}},
    "spec": {
        "kernelArguments": ["nosmt"],
        "config": {
            "ignition": {"version": "3.5.0"},
            "storage": {"files": [{"path": "/etc/motd", "mode": 420, "overwrite": true, "contents": {"source": "data:,hello%0A"}}]},
            "systemd": {"units": [{"name": "a.service", "enabled": true, "contents": "[Unit]\n"}]}
        }
    }
}"#;
/// How often it is looked whether the history of the rollout has been written; each look takes as long as a start of kubectl.
const LOOKS: usize = 600;
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
    ensure!(lists.keys().any(|path| path.ends_with("configmaps.yaml")), "there are no ConfigMaps: {lists:?}");
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

/// Has pool `worker` roll out a change, and waits until its history is written.
fn roll_out(kubectl: &Kubectl) -> Result<()> {
    kubectl.pipe(MOTD.as_bytes(), &["apply", "-f", "-"])?;
    let reached = "--for=jsonpath={.status.configuration.source[?(@.name==\"99-worker-motd\")].name}=99-worker-motd";
    kubectl.run(&["wait", "mcp/worker", reached, "--timeout=60s"])?;
    let namespace = ["-n", "openshift-machine-config-operator"];
    let map = ["get", "configmap", "weir-history-worker", "--ignore-not-found", "-o", "yaml"];
    for _ in 0..LOOKS {
        if kubectl.run(&[&map[..], &namespace].concat())?.contains("\"result\":\"done\"") {
            return Ok(());
        }
    }
    bail!("no history of the rollout was written");
}

/// Commands, and what they say.
const COMMANDS: [(&[&str], &str); 23] = [
    (&["plan"], "nothing changes: no node reboots\n"),
    (&["plan", "--delete", "machineconfig/99-worker-motd"], "3 nodes reboot, in 3 waves\n"),
    (&["plan", "--delete", "machineconfig/99-worker-motd", "-o", "json"], "\"notKnown\": ["),
    (&["why", "node/worker-0"], "node/worker-0: runs rendered-worker-"),
    (&["why", "mcp/worker"], "mcp/worker: All nodes are updated with MachineConfig rendered-worker-"),
    (&["why", "mcp/worker", "-o", "json"], "\"notKnown\": []"),
    (&["why", "co/machine-config"], "co/machine-config: "),
    (&["why", "file:/etc/motd@worker"], "gives contents.source, mode, overwrite in spec.config.storage.files[0]\n"),
    (&["why", "unit:a.service@worker"], "gives contents, enabled in spec.config.systemd.units[0]\n"),
    (&["why", "arg:nosmt@worker"], "which its nodes are to reach, has it\n"),
    (&["history"], "worker: 2"),
    (&["history", "worker"], "machineconfig/99-worker-motd: "),
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
    roll_out(&kubectl)?;
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
                said.contains("1 file could not be read and was passed over: must-gather"),
                "{command:?} {input}: {said}"
            );
            // Conditions that nobody has set yet and forecasts are of now, and for how long something is so depends on when it is asked.
            let is_of_now = |line: &str| line.contains("lastTransitionTime") || line.trim().starts_with("\"20");
            let told = told.lines().filter(|line| !is_of_now(line));
            let is_now = [" (for ", "; over between "];
            let told: Vec<_> = told
                .map(|line| {
                    is_now.into_iter().fold(line, |line, now| line.split(now).next().unwrap_or_default()).to_owned()
                })
                .collect();
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
    // However much of another cluster there is, that is one message.
    for kind in ["machineconfigpool/master", "featuregate/cluster", "clusterversion/version"] {
        let path = folder.join(IMAGE).join(format!("cluster-scoped-resources/{kind}.yaml"));
        let text = fs::read_to_string(&path)?;
        let uid = text.lines().find_map(|line| line.trim().strip_prefix("uid: ")).context("an uid")?;
        let to = folder.join(format!("must-gather/another/cluster-scoped-resources/{kind}.yaml"));
        put(&to, &text.replace(uid, "11111111-2222-3333-4444-555555555555"))?;
    }
    let output = weir(folder, &["status", "--from", "must-gather"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    ensure!(errors.len() == 1 && errors[0].contains(" is of another cluster than the one in "), "{said}");
    Ok(())
}

/// Writes those objects of a list that are of these kinds into a file.
fn only(folder: &Path, name: &str, all: &Value, kinds: &[&str]) -> Result<()> {
    let is_one = |item: &&Value| kinds.iter().any(|kind| item["kind"] == *kind);
    let items: Vec<&Value> = all["items"].as_array().context("items")?.iter().filter(is_one).collect();
    put(&folder.join(name), &json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())
}

#[test]
fn what_files_leave_out_is_not_known() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let state = super::why::state(folder, false)?;
    let all: Value = serde_json::from_str(&fs::read_to_string(&state)?)?;
    only(folder, "nodes-and-pools.json", &all, &["Node", "MachineConfigPool"])?;
    only(folder, "pools.json", &all, &["MachineConfigPool"])?;
    only(folder, "configs.json", &all, &["MachineConfigPool", "MachineConfig"])?;
    let differs = "not known: what differs between rendered-worker-1 and rendered-worker-2: MachineConfig rendered-worker-1 and \
                   MachineConfig rendered-worker-2 are not among the files\n";
    let components =
        "not known: what pool worker is rendered from: none of the MachineConfigs that it selects is among the files\n";
    let stream =
        "not known: which stream pool worker gets: there is no OSImageStream and no FeatureGate among the files\n";
    let operator = "not known: what the operator reports: ClusterOperator machine-config is not among the files; ";
    for (file, what, said) in [
        ("nodes-and-pools.json", "node/a", &[differs, "node/a: the pool is paused"][..]),
        ("nodes-and-pools.json", "mcp/worker", &[components, stream]),
        ("nodes-and-pools.json", "co/machine-config", &[operator, components]),
        ("pools.json", "mcp/worker", &["how it is, is not known: no nodes among the files", components, stream]),
        ("pools.json", "co/machine-config", &[operator, "what it reports is not known\n"]),
        (
            "configs.json",
            "file:/etc/motd@worker",
            &[
                "MachineConfig 99-worker-motd\n",
                "whether rendered-worker-2, which the pool's nodes are to reach, has file /etc/motd: ",
            ],
        ),
    ] {
        let output = weir(folder, &["why", what, "--from", file])?;
        let told = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{what} --from {file}: {}", String::from_utf8_lossy(&output.stderr));
        ensure!(said.iter().all(|part| told.contains(part)), "{what} --from {file}: {told}");
        for claim in ["no MachineConfigs found", "streams are off", "reports no problem", "does not exist"] {
            ensure!(!told.contains(claim), "{what} --from {file}: {claim} is not known: {told}");
        }
    }
    let output = weir(folder, &["why", "file:/etc/motd@worker", "--from", "pools.json"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && output.stdout.is_empty(), "{output:?}");
    ensure!(said.contains("whether file /etc/motd is written to machines of pool worker is not known: "), "{said}");
    let output = weir(folder, &["why", "node/a", "--from", "pools.json"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("there is no node \"a\" among the files; there are: none"), "{said}");
    Ok(())
}

/// One object that cannot be read hides none of the others, and nothing is said as if it were not there.
#[test]
fn an_object_with_a_field_of_a_wrong_type_is_named_and_the_others_are_read() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let state = super::why::state(folder, false)?;
    let mut all: Value = serde_json::from_str(&fs::read_to_string(&state)?)?;
    let items = all["items"].as_array_mut().context("items")?;
    let motd = items.iter_mut().find(|item| item["metadata"]["name"] == "99-worker-motd").context("99-worker-motd")?;
    motd["spec"]["kernelArguments"] = json!(5);
    let good = motd.clone();
    put(&folder.join("state.json"), &all.to_string())?;
    let odd =
        "MachineConfig 99-worker-motd cannot be read: spec.kernelArguments: invalid type: integer, expected a sequence";
    let commands: [&[&str]; 4] =
        [&["status"], &["why", "mcp/worker"], &["plan"], &["diff", "00-worker", "rendered-worker-1"]];
    for arguments in commands {
        let output = weir(folder, &[arguments, &["--from", "state.json"]].concat())?;
        let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success() && !told.is_empty(), "{arguments:?}: {said}");
        ensure!(
            said.contains(&format!("what depends on 1 object is not known: {odd}; correct or delete it")),
            "{said}"
        );
        ensure!(["diff", "status"].contains(&arguments[0]) || told.contains(odd), "{arguments:?}: {told}");
    }
    let output = weir(folder, &["status", "-v", "--from", "state.json"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        said.contains("passed over: state.json: document 1 (line 1), item 2: MachineConfig 99-worker-motd: line 1: "),
        "{said}"
    );
    // The pool that takes it is not rendered without it.
    for arguments in [&["diff", "mcp/worker", "00-worker"][..], &["extract", "mcp/worker", "/etc/motd"]] {
        let output = weir(folder, &[arguments, &["--from", "state.json"]].concat())?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(1) && said.contains(&format!("error: pool worker: {odd}")), "{said}");
    }
    // In a change, and in what is to be rendered, it is a slip of its author.
    put(&folder.join("change.json"), &good.to_string())?;
    let output = weir(folder, &["plan", "-f", "change.json", "--from", &state])?;
    ensure!(output.status.code() == Some(1) && output.stdout.is_empty(), "{output:?}");
    let output = weir(folder, &["render", "-f", "state.json"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && output.stdout.is_empty(), "{output:?}");
    ensure!(said.contains("99-worker-motd: line 1: spec.kernelArguments: invalid type: integer `5`"), "{said}");
    // Not where a tool collected it: no pool is there that could be rendered.
    put(&folder.join("gathered/event-filter.html"), "")?;
    put(&folder.join("gathered/state.json"), &all.to_string())?;
    let output = weir(folder, &["render", "-f", "gathered"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && said.contains(odd), "{said}");
    Ok(())
}

/// What has no name is no object of a cluster: whoever wrote it is told, and where a tool collected it, it is named and passed over.
#[test]
fn an_object_without_a_name_is_unreadable() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let state = super::why::state(folder, false)?;
    fs::create_dir(folder.join("gathered"))?;
    fs::copy(&state, folder.join("gathered/state.json"))?;
    put(&folder.join("gathered/event-filter.html"), "")?;
    for kind in ["Node", "MachineConfig"] {
        let version = if kind == "Node" { "v1" } else { "machineconfiguration.openshift.io/v1" };
        let object = json!({"apiVersion": version, "kind": kind, "metadata": {"labels": {"node-role.kubernetes.io/worker": ""}}});
        let said = format!("nameless.json: document 1 (line 1): a {kind} without a name; write metadata.name");
        put(&folder.join("nameless.json"), &object.to_string())?;
        put(&folder.join("gathered/nameless.json"), &object.to_string())?;
        for arguments in [&["status"][..], &["plan"], &["why", "mcp/worker"]] {
            let refused = weir(folder, &[arguments, &["--from", "nameless.json", &state]].concat())?;
            let told = String::from_utf8_lossy(&refused.stderr);
            ensure!(refused.status.code() == Some(1) && told.contains(&format!("error: {said}")), "{told}");
            let passed_over = weir(folder, &[arguments, &["--from", "gathered"]].concat())?;
            let told = String::from_utf8_lossy(&passed_over.stderr);
            ensure!(passed_over.status.success(), "{told}");
            ensure!(told.contains(&format!("1 file could not be read and was passed over: gathered/{said}")), "{told}");
        }
    }
    Ok(())
}

/// A history that is there is not taken for none.
#[test]
fn a_history_that_cannot_be_read_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let mut all: Value = serde_json::from_str(&fs::read_to_string(super::why::state(folder, true)?)?)?;
    let items = all["items"].as_array_mut().context("items")?;
    let map = items.iter_mut().find(|item| item["kind"] == "ConfigMap").context("a history")?;
    map["data"]["history.json"] = "{\"version\": 99}".into();
    put(&folder.join("state.json"), &all.to_string())?;
    let why = "the history of pool worker in ConfigMap weir-history-worker of openshift-machine-config-operator cannot be read: it is of \
               version 99, as a newer weir writes it";
    for (arguments, code) in [
        (&["status"][..], 0),
        (&["plan"], 0),
        (&["why", "mcp/worker"], 0),
        (&["history"], 1),
        (&["history", "worker"], 1),
    ] {
        let output = weir(folder, &[arguments, &["--from", "state.json"]].concat())?;
        let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.code() == Some(code) && said.contains(why), "{arguments:?}: {:?} {said}", output.status);
        ensure!(arguments[0] != "plan" || told.contains(why), "{told}");
    }
    Ok(())
}

/// What others wrote gives no orders to a terminal, and passes for no line of weir's.
#[test]
fn text_of_others_stays_text_wherever_it_is_printed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let mut all: Value = serde_json::from_str(&fs::read_to_string(super::why::state(folder, false)?)?)?;
    let items = all["items"].as_array_mut().context("items")?;
    let motd = items.iter_mut().find(|item| item["metadata"]["name"] == "99-worker-motd").context("99-worker-motd")?;
    motd["metadata"]["name"] = "99-worker-motd\nerror: forged\u{1b}[2J".into();
    motd["spec"]["config"]["storage"]["files"][0]["contents"] = json!({"source": "data:,a%1B%5B2Jb%0A"});
    let mut odd = motd.clone();
    odd["spec"]["kernelArguments"] = json!(5);
    let streams = items.iter_mut().find(|item| item["kind"] == "OSImageStream").context("streams")?;
    streams["status"]["availableStreams"][0]["osExtensionsImage"] = "r/x\nerror: forged".into();
    put(&folder.join("state.json"), &all.to_string())?;
    put(&folder.join("odd.json"), &odd.to_string())?;
    let name = r"MachineConfig 99-worker-motd\nerror: forged\u{1b}[2J";
    for (arguments, code, shown) in [
        (&["lint", "-f", "state.json"][..], 1, name),
        (&["render", "-f", "odd.json"], 1, name),
        (&["render", "--explain", "-f", "state.json"], 0, r"99-worker-motd\nerror: forged\u{1b}[2J"),
        (&["explain", "file", "/etc/motd", "--pool", "worker", "-f", "state.json"], 0, name),
        (&["explain", "file", "/etc/motd", "--pool", "worker", "-f", "state.json"], 0, "\na\\u{1b}[2Jb\n"),
        (&["explain", "stream", "-f", "state.json"], 0, "  extensions image: r/x\\nerror: forged\n"),
        (&["status", "--from", "odd.json", "state.json"], 1, name),
    ] {
        let output = weir(folder, arguments)?;
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        ensure!(
            output.status.code() == Some(code) && said.contains(shown),
            "{arguments:?}: {:?} {said}",
            output.status
        );
        ensure!(!said.contains('\u{1b}') && !said.lines().any(|line| line.starts_with("error: forged")), "{said:?}");
    }
    Ok(())
}
