//! `weir run` against an API server in another process, driven with kubectl.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use weir_fleet::{Fleet, Machine};
use weir_kubeio::Clock;
use weir_testkit::{Kubectl, Program, client};

/// An API server alone, and a folder for what belongs to it.
struct Server {
    folder: TempDir,
    _program: Program,
    kubectl: Kubectl,
}

fn weir() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    for name in ["KUBECONFIG", "REGISTRY_AUTH_FILE", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

/// Starts one on a free port; `None` where there is no kubectl.
fn server() -> Result<Option<Server>> {
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    let mut command = weir();
    command.args(["apiserver", "--listen", "127.0.0.1:0", "--kubeconfig"]).arg(&kubeconfig);
    let mut program = Program::start(&mut command)?;
    program.until("serving https://")?;
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return Ok(None) };
    Ok(Some(Server { folder, _program: program, kubectl }))
}

impl Server {
    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// A release in a folder.
    fn payload(&self, name: &str, arguments: &[&str]) -> Result<String> {
        let path = self.folder.path().join(name);
        let output = weir().args(["payload", "build", "-o"]).arg(&path).args(arguments).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(format!("oci:{}", path.display()))
    }

    fn command(&self, what: &str, arguments: &[&str]) -> Command {
        let mut command = weir();
        command.args(["run", what, "--kubeconfig"]).arg(self.kubeconfig()).args(arguments);
        command
    }

    fn run(&self, what: &str, arguments: &[&str]) -> Result<Program> {
        let mut program = Program::start(&mut self.command(what, arguments))?;
        program.until("running against https://")?;
        Ok(program)
    }

    /// Runs it until it ends by itself, and returns what it said.
    fn refused(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command("all", arguments).output()?;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        Ok(said(&output))
    }

    fn wait(&self, what: &str, path: &str, value: &str) -> Result<String> {
        let condition = format!("--for=jsonpath={{{path}}}={value}");
        self.kubectl.run(&["wait", what, &condition, "--timeout=60s"])
    }

    fn stream(&self, pool: &str, stream: &str) -> Result<String> {
        let patch = json!({"spec": {"osImageStream": {"name": stream}}}).to_string();
        self.kubectl.run(&["patch", "mcp", pool, "--type", "merge", "-p", &patch])
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Simulated machines in this process, which go when dropped.
struct Machines(tokio::runtime::Runtime);

impl Machines {
    fn start(kubeconfig: &Path, pools: &[(&str, u32)]) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let client = runtime.block_on(client(kubeconfig))?;
        let machines = pools.iter().flat_map(|(pool, count)| Machine::of_pool(pool, *count)).collect();
        let os: Arc<dyn Fn(&str) -> String + Send + Sync> = Arc::new(str::to_owned);
        let settings = weir_fleet::Settings {
            step: Duration::from_millis(20),
            seed: 1,
            os,
            drains: true,
            faults: Default::default(),
            workload: Default::default(),
        };
        runtime.spawn(Fleet::new(client, Clock::system(), settings, machines).run());
        Ok(Self(runtime))
    }

    fn end(self) {
        self.0.shutdown_background();
    }
}

#[test]
fn a_plain_api_server_is_prepared_and_its_nodes_are_driven() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let release = server.payload("p", &["--distribution", "ocp"])?;
    let mut program = server.run("all", &["--release", &release])?;
    let machines = Machines::start(&server.kubeconfig(), &[("master", 1), ("worker", 2)])?;
    server.wait("mcp/worker", ".status.updatedMachineCount", "2")?;
    server.wait("mcp/master", ".status.updatedMachineCount", "1")?;
    server.stream("worker", "rhel-9")?;
    server.wait("mcp/worker", ".status.osImageStream.name", "rhel-9")?;
    server.wait("clusteroperator/machine-config", ".status.conditions[?(@.type==\"Available\")].status", "True")?;
    let seeded = server.kubectl.get(&["clusterversion", "version"])?;
    let mark = "machineconfiguration.openshift.io/seeded-by";
    assert!(seeded["metadata"]["annotations"][mark].is_string(), "{seeded}");
    let ended = program.interrupt()?;
    assert!(ended.success(), "{ended}:\n{}", program.rest());

    // What is there by now says which release to run; the layout says where it is.
    let mut again = server.run("all", &["--release", &release])?;
    assert!(!again.rest().contains("made what was missing"), "{}", again.rest());
    server.stream("worker", "rhel-10")?;
    server.wait("mcp/worker", ".status.osImageStream.name", "rhel-10")?;
    machines.end();
    Ok(())
}

#[test]
fn another_release_is_refused_by_object_and_field_until_told_to_update() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let first = server.payload("a", &["--distribution", "ocp", "--version", "5.0.0"])?;
    let second = server.payload("b", &["--distribution", "ocp", "--version", "5.0.1"])?;
    server.run("all", &["--release", &first])?.interrupt()?;
    let before = server.kubectl.get(&["clusterversion,featuregate,controllerconfig"])?;
    let refusal = server.refused(&["--release", &second])?;
    for part in ["ClusterVersion version: status.desired.image is ", "is 5.0.0", "be 5.0.1", "for 5.0.0", "--update"] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
    let version = |all: &Value| all["items"][0]["status"]["desired"]["version"].clone();
    assert_eq!(version(&server.kubectl.get(&["clusterversion,featuregate,controllerconfig"])?), version(&before));
    server.run("all", &["--release", &second, "--update"])?.interrupt()?;
    let after = server.kubectl.get(&["clusterversion,featuregate,controllerconfig"])?;
    assert_eq!(version(&after), "5.0.1");
    let history = after["items"][0]["status"]["history"].as_array().context("history")?.len();
    assert_eq!(history, 2);
    Ok(())
}

#[test]
fn what_others_made_is_never_changed() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let first = server.payload("a", &["--distribution", "okd"])?;
    let second = server.payload("b", &["--distribution", "okd", "--version", "7.0.0"])?;
    server.run("all", &["--release", &first])?.interrupt()?;
    let mark = "machineconfiguration.openshift.io/seeded-by-";
    server.kubectl.run(&["annotate", "clusterversion/version", "featuregate/cluster", mark])?;
    let refusal = server.refused(&["--release", &second, "--update"])?;
    assert!(refusal.contains("weir did not make it") && !refusal.contains("add --update"), "{refusal}");
    Ok(())
}

#[test]
fn what_keeps_it_from_starting_is_said_with_what_to_do() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let refusal = server.refused(&[])?;
    assert!(refusal.contains("no ClusterVersion") && refusal.contains("--release"), "{refusal}");

    let failing = |arguments: &[&str]| -> Result<(Option<i32>, String)> {
        let output = weir().args(["run", "all"]).args(arguments).output()?;
        Ok((output.status.code(), said(&output)))
    };
    let (code, text) = failing(&["--kubeconfig", "/nowhere/kubeconfig"])?;
    assert!(code == Some(1) && text.contains("/nowhere/kubeconfig"), "{text}");
    let (code, text) = failing(&["--context"])?;
    assert!(code == Some(2), "{text}");

    // A port that nobody listens on any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let kubeconfig = std::fs::read_to_string(server.kubeconfig())?;
    let gone = server.folder.path().join("gone");
    let lines = kubeconfig.lines().map(|line| match line.split_once("server:") {
        Some((before, _)) => format!("{before}server: https://127.0.0.1:{port}"),
        None => line.to_owned(),
    });
    std::fs::write(&gone, lines.collect::<Vec<_>>().join("\n"))?;
    let gone = gone.display().to_string();
    let (code, text) = failing(&["--kubeconfig", &gone, "--wait", "1s"])?;
    assert!(code == Some(1) && text.matches("does not answer yet").count() == 1, "{text}");
    assert!(text.contains("did not answer within 1s") && text.contains("--context"), "{text}");
    let (code, text) = failing(&["--kubeconfig", &gone, "--context", "other"])?;
    assert!(code == Some(1) && text.contains("other"), "{text}");
    Ok(())
}
