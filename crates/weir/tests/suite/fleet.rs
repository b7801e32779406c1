//! `weir fleet` as a user has it: against `weir apiserver`, which knows nothing of machines, with kubectl as the controller.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use weir_testkit::{Kubectl, Program};

const PREFIX: &str = "machineconfiguration.openshift.io";

fn weir() -> Command {
    Command::new(env!("CARGO_BIN_EXE_weir"))
}

struct World {
    folder: tempfile::TempDir,
    server: Program,
    kubectl: Kubectl,
    address: String,
}

/// An API server with data on disk, so that it can go and come back at the same address.
fn serve(folder: &Path, listen: &str) -> Result<(Program, String)> {
    let mut command = weir();
    command.args(["apiserver", "--listen", listen, "--data-dir"]).arg(folder.join("data"));
    command.arg("--crds").arg(folder.join("crds.yaml"));
    let mut server = Program::start(&mut command)?;
    server.until("serving https://")?;
    let said = server.rest();
    let (_, rest) = said.split_once("https://").context("an address")?;
    let address = rest.split_once(' ').context("an address")?.0.to_owned();
    Ok((server, address))
}

impl World {
    /// A cluster with one pool, rendered once, and no controllers; `None` where there is no kubectl.
    fn new() -> Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("crds.yaml"), weir().arg("crds").output()?.stdout)?;
        let (server, address) = serve(folder.path(), "127.0.0.1:0")?;
        let Some(kubectl) = Kubectl::new(&folder.path().join("data/kubeconfig")) else { return Ok(None) };
        let world = Self { folder, server, kubectl, address };
        world.config("r1", "registry.example.com/os@sha256:1111")?;
        world.config("r2", "registry.example.com/os@sha256:2222")?;
        let pool = json!({
            "apiVersion": format!("{PREFIX}/v1"), "kind": "MachineConfigPool", "metadata": {"name": "worker"},
            "spec": {"nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}}},
        });
        world.apply("pool", &pool)?;
        let status = json!({"status": {"configuration": {"name": "r1"}}}).to_string();
        world.kubectl.run(&["patch", "mcp", "worker", "--subresource=status", "--type=merge", "-p", &status])?;
        Ok(Some(world))
    }

    fn config(&self, name: &str, image: &str) -> Result<()> {
        let config = json!({
            "apiVersion": format!("{PREFIX}/v1"), "kind": "MachineConfig", "metadata": {"name": name},
            "spec": {"osImageURL": image, "config": {"ignition": {"version": "3.5.0"}}},
        });
        self.apply(name, &config)
    }

    fn apply(&self, file: &str, object: &Value) -> Result<()> {
        let path = self.folder.path().join(format!("{file}.json"));
        std::fs::write(&path, object.to_string())?;
        self.kubectl.run(&["apply", "-f", &path.to_string_lossy()]).map(drop)
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("data/kubeconfig")
    }

    fn fleet(&self, arguments: &[&str]) -> Result<Program> {
        let mut command = weir();
        command.args(["fleet", "--step-time", "20ms", "--kubeconfig"]).arg(self.kubeconfig()).args(arguments);
        Program::start(&mut command)
    }

    /// What the rollout controller would write.
    fn tell(&self, node: &str, config: &str) -> Result<()> {
        let annotation = format!("{PREFIX}/desiredConfig={config}");
        self.kubectl.run(&["annotate", "node", node, "--overwrite", &annotation]).map(drop)
    }

    fn wait(&self, node: &str, annotation: &str, value: &str) -> Result<()> {
        let path = format!(r"{{.metadata.annotations.machineconfiguration\.openshift\.io/{annotation}}}");
        let condition = format!("--for=jsonpath={path}={value}");
        self.kubectl.run(&["wait", &format!("node/{node}"), &condition, "--timeout=60s"]).map(drop)
    }

    /// What the drain controller would write when the machine asks, and then that it has arrived.
    fn arrives(&self, node: &str, config: &str) -> Result<()> {
        for asked in [format!("drain-{config}"), format!("uncordon-{config}")] {
            self.wait(node, "desiredDrain", &asked)?;
            let annotation = format!("{PREFIX}/lastAppliedDrain={asked}");
            self.kubectl.run(&["annotate", "node", node, "--overwrite", &annotation])?;
        }
        self.wait(node, "currentConfig", config)
    }

    fn nodes(&self) -> Result<Vec<String>> {
        let list = self.kubectl.get(&["nodes"])?;
        let name = |node: &Value| node["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        Ok(list["items"].as_array().context("items")?.iter().map(name).collect())
    }
}

#[test]
fn nodes_join_outlive_the_api_server_and_are_taken_over() -> Result<()> {
    let Some(mut world) = World::new()? else { return Ok(()) };
    let mut fleet = world.fleet(&["--nodes", "worker=3"])?;
    fleet.until("all 3 nodes have joined")?;
    world.tell("worker-0", "r2")?;
    world.arrives("worker-0", "r2")?;
    let node = world.kubectl.get(&["node", "worker-0"])?;
    assert_eq!(node["status"]["nodeInfo"]["osImage"], "registry.example.com/os@sha256:2222");
    // The API server goes and comes back; the machines are still there.
    world.server.kill()?;
    let (server, _) = serve(world.folder.path(), &world.address)?;
    world.server = server;
    world.tell("worker-1", "r2")?;
    world.arrives("worker-1", "r2")?;
    assert!(fleet.interrupt()?.success());
    assert!(fleet.rest().contains("the nodes stay"), "{}", fleet.rest());
    // Told while nobody answers for it, and finished by the next run, which names fewer nodes than there are.
    world.tell("worker-2", "r2")?;
    let mut fleet = world.fleet(&["--nodes", "worker=1", "--remove-on-exit"])?;
    fleet.until("all 3 nodes have joined")?;
    world.arrives("worker-2", "r2")?;
    assert!(fleet.interrupt()?.success());
    assert_eq!(world.nodes()?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_node_that_no_fleet_made_is_left_alone() -> Result<()> {
    let Some(world) = World::new()? else { return Ok(()) };
    world.apply("node", &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1"}}))?;
    let mut fleet = world.fleet(&["--nodes", "worker=2", "--remove-on-exit"])?;
    assert_eq!(fleet.wait()?.code(), Some(1));
    assert!(fleet.rest().contains("node worker-1 exists and is no simulated one"), "{}", fleet.rest());
    assert_eq!(world.nodes()?, ["worker-1"]);
    Ok(())
}
