//! API server, controllers and simulated nodes as three processes, driven with kubectl: a switch of the stream, a pause, a node
//! that fails, and the way back.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use weir_testkit::{History, Kubectl, Program, Recorder};

/// Fails on its way to the older stream until somebody helps.
const FAULTS: &str = "faults:\n- {fault: degraded, nodes: worker-2, os: \"rhel-9*\", reason: disk full}\n";

struct Cluster {
    folder: tempfile::TempDir,
    kubectl: Kubectl,
    _programs: Vec<Program>,
}

fn weir(arguments: &[&str], paths: &[(&str, &Path)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    for name in ["KUBECONFIG", "REGISTRY_AUTH_FILE", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.args(arguments);
    for (option, path) in paths {
        command.arg(option).arg(path);
    }
    command
}

fn started(mut command: Command, until: &str) -> Result<Program> {
    let mut program = Program::start(&mut command)?;
    program.until(until)?;
    Ok(program)
}

impl Cluster {
    /// Three masters and five workers, at rest; `None` where there is no kubectl.
    fn new() -> Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let (kubeconfig, payload) = (at("kubeconfig"), at("payload"));
        std::fs::write(at("faults.yaml"), FAULTS)?;
        let built = weir(&["payload", "build", "--distribution", "ocp"], &[("-o", &payload)]).output()?;
        anyhow::ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let release = format!("oci:{}", payload.display());
        let server = weir(&["apiserver", "--listen", "127.0.0.1:0"], &[("--kubeconfig", &kubeconfig)]);
        let mut programs = vec![started(server, "serving https://")?];
        let Some(kubectl) = Kubectl::new(&kubeconfig) else { return Ok(None) };
        let run = weir(&["run", "all", "--release", &release], &[("--kubeconfig", &kubeconfig)]);
        programs.push(started(run, "running against https://")?);
        let nodes = ["fleet", "--nodes", "master=3,worker=5", "--step-time", "50ms", "--pods", "2", "--budget", "2"];
        let paths = [("--kubeconfig", kubeconfig.as_path()), ("--faults", &at("faults.yaml"))];
        let mut fleet = weir(&nodes, &paths);
        fleet.args(["--release", &release]);
        programs.push(started(fleet, "all 8 nodes have joined")?);
        let cluster = Self { folder, kubectl, _programs: programs };
        cluster.wait("master", ".status.updatedMachineCount", "3")?;
        cluster.wait("worker", ".status.updatedMachineCount", "5")?;
        Ok(Some(cluster))
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    fn worker(&self, spec: &Value) -> Result<()> {
        let patch = json!({"spec": spec}).to_string();
        self.kubectl.run(&["patch", "mcp", "worker", "--type", "merge", "-p", &patch]).map(drop)
    }

    fn wait(&self, pool: &str, path: &str, value: &str) -> Result<()> {
        let condition = format!("--for=jsonpath={{{path}}}={value}");
        self.kubectl.run(&["wait", &format!("mcp/{pool}"), &condition, "--timeout=60s"]).map(drop)
    }

    fn condition(&self, type_: &str, status: &str) -> Result<()> {
        self.wait("worker", &format!(".status.conditions[?(@.type==\"{type_}\")].status"), status)
    }

    /// What happens to the nodes while `act` runs.
    fn recorded(&self, act: impl FnOnce(&Self) -> Result<()>) -> Result<History> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let recorder =
            runtime.block_on(async { Recorder::start(weir_testkit::client(&self.kubeconfig()).await?).await })?;
        act(self)?;
        runtime.block_on(recorder.finish())
    }
}

#[test]
fn switch_pause_failure_and_recovery() -> Result<()> {
    let Some(cluster) = Cluster::new()? else { return Ok(()) };
    let paused = cluster.recorded(|cluster| {
        cluster.worker(&json!({"paused": true, "osImageStream": {"name": "rhel-9"}}))?;
        cluster.condition("Updated", "False")
    })?;
    assert_eq!(paused.times_told("worker-"), 0);
    let switch = cluster.recorded(|cluster| {
        cluster.worker(&json!({"paused": false}))?;
        cluster.condition("NodeDegraded", "True")?;
        let pool = cluster.kubectl.get(&["mcp", "worker"])?;
        let conditions = pool["status"]["conditions"].as_array().context("conditions")?;
        let said = conditions.iter().find(|c| c["type"] == "NodeDegraded").context("NodeDegraded")?;
        let said = said["message"].as_str().unwrap_or_default();
        assert!(said.contains("worker-2") && said.contains("disk full"), "{said}");
        cluster.kubectl.run(&["annotate", "node", "worker-2", "fleet.weir/lift="])?;
        cluster.wait("worker", ".status.osImageStream.name", "rhel-9")
    })?;
    assert_eq!((switch.times_told("worker-"), switch.most_unavailable("worker", &[])), (5, 1));
    assert_eq!((switch.times_told("master-"), switch.most_unavailable("master", &[])), (0, 0));
    let list = cluster.kubectl.get(&["nodes", "-l", "node-role.kubernetes.io/worker"])?;
    for node in list["items"].as_array().context("items")? {
        assert!(node["status"]["nodeInfo"]["osImage"].as_str().unwrap_or_default().starts_with("rhel-9"), "{node}");
        assert_eq!(node["spec"]["unschedulable"], Value::Null);
    }
    let pods = cluster.kubectl.get(&["pods", "-n", "weir-fleet"])?;
    assert_eq!(pods["items"].as_array().context("pods")?.len(), 10, "every pod is back");
    // A kubelet that somebody stops says nothing until it is started.
    for (annotation, ready) in [("fleet.weir/stopped=", "Unknown"), ("fleet.weir/stopped-", "True")] {
        cluster.kubectl.run(&["annotate", "node", "worker-1", annotation])?;
        cluster.kubectl.run(&["wait", "node/worker-1", &format!("--for=condition=Ready={ready}"), "--timeout=60s"])?;
    }
    let reports = cluster.kubectl.run(&["get", "machineconfignodes"])?;
    assert_eq!(reports.lines().filter(|line| line.contains(" True ")).count(), 8, "{reports}");
    Ok(())
}
