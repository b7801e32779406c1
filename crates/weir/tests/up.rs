//! `weir up` as a user has it: the program, real kubectl, real registry.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{path::PathBuf, process::Command};
use weir_testkit::{History, Kubectl, Program, Recorder};

/// A cluster that runs.
struct Cluster {
    program: Program,
    kubectl: Kubectl,
    kubeconfig: PathBuf,
}

fn weir() -> Command {
    Command::new(env!("CARGO_BIN_EXE_weir"))
}

/// Starts `weir up` with quick nodes and waits until all is updated; `None` where there is no kubectl.
fn up(arguments: &[&str]) -> Result<Option<Cluster>> {
    let mut command = weir();
    command.args(["up", "--step-time", "20ms"]).args(arguments);
    let mut program = Program::start(&mut command)?;
    let kubeconfig = PathBuf::from(program.line()?);
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return Ok(None) };
    program.until("every pool is updated")?;
    Ok(Some(Cluster { program, kubectl, kubeconfig }))
}

impl Cluster {
    fn patch(&self, what: &str, name: &str, patch: &Value) -> Result<String> {
        self.kubectl.run(&["patch", what, name, "--type", "merge", "-p", &patch.to_string()])
    }

    fn name_stream(&self, pool: &str, stream: &str) -> Result<String> {
        self.patch("mcp", pool, &json!({"spec": {"osImageStream": {"name": stream}}}))
    }

    fn wait(&self, pool: &str, path: &str, value: &str) -> Result<String> {
        let condition = format!("--for=jsonpath={{{path}}}={value}");
        self.kubectl.run(&["wait", &format!("mcp/{pool}"), &condition, "--timeout=30s"])
    }

    fn runs(&self, pool: &str) -> Result<String> {
        let pool = self.kubectl.get(&["mcp", pool])?;
        Ok(pool["status"]["osImageStream"]["name"].as_str().unwrap_or_default().to_owned())
    }

    /// `NAME ROLES OS-IMAGE` of the nodes.
    fn systems(&self, role: &str) -> Result<Vec<String>> {
        let list = self.kubectl.get(&["nodes", "-l", &format!("node-role.kubernetes.io/{role}")])?;
        let os = |node: &Value| node["status"]["nodeInfo"]["osImage"].as_str().unwrap_or_default().to_owned();
        Ok(list["items"].as_array().context("items")?.iter().map(os).collect())
    }
}

/// Records what happens to the nodes while `act` runs.
fn recorded(cluster: &Cluster, act: impl FnOnce(&Cluster) -> Result<()>) -> Result<History> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let recorder =
        runtime.block_on(async { Recorder::start(weir_testkit::client(&cluster.kubeconfig).await?).await })?;
    act(cluster)?;
    runtime.block_on(recorder.finish())
}

#[test]
fn ocp_has_two_streams_and_every_node_runs_the_default() -> Result<()> {
    let Some(mut cluster) = up(&[])? else { return Ok(()) };
    let stream = cluster.kubectl.get(&["osimagestream", "cluster"])?;
    let names: Vec<_> =
        stream["status"]["availableStreams"].as_array().context("streams")?.iter().map(|s| &s["name"]).collect();
    assert_eq!(names, ["rhel-10", "rhel-9"]);
    assert_eq!(
        (&stream["spec"]["defaultStream"], &stream["status"]["defaultStream"]),
        (&json!("rhel-10"), &json!("rhel-10"))
    );
    let table = cluster.kubectl.run(&["get", "mcp,osimagestream,nodes"])?;
    assert!(table.contains("machineconfigpool.machineconfiguration.openshift.io/worker"), "{table}");
    // What was decided is found where people look for it.
    for (what, reason) in
        [(["mcp", "worker"], "RenderedConfigGenerated"), (["osimagestream", "cluster"], "OSImageStreamMade")]
    {
        let described = cluster.kubectl.run(&[&["describe"], &what[..]].concat())?;
        let events = described.split("\nEvents:").nth(1).unwrap_or_default();
        assert!(events.contains(reason), "{what:?}: {described}");
    }
    for role in ["master", "worker"] {
        let systems = cluster.systems(role)?;
        assert_eq!(systems.len(), 3);
        assert!(systems.iter().all(|os| os.starts_with("rhel-10")), "{systems:?}");
        assert_eq!(cluster.runs(role)?, "rhel-10");
    }
    let ended = cluster.program.interrupt()?;
    assert!(ended.success(), "{ended}");
    assert!(!cluster.kubeconfig.exists(), "the temporary kubeconfig outlives the process");
    Ok(())
}

#[test]
fn workers_switch_one_at_a_time_and_masters_stay() -> Result<()> {
    let Some(cluster) = up(&["--nodes", "master=3,worker=5"])? else { return Ok(()) };
    let history = recorded(&cluster, |cluster| {
        cluster.name_stream("worker", "rhel-9")?;
        cluster.wait("worker", ".status.osImageStream.name", "rhel-9").map(drop)
    })?;
    assert_eq!(history.times_told("worker-"), 5);
    assert_eq!(history.most_unavailable("worker", &[]), 1);
    assert_eq!((history.times_told("master-"), history.most_unavailable("master", &[])), (0, 0));
    assert!(cluster.systems("worker")?.iter().all(|os| os.starts_with("rhel-9")));
    assert!(cluster.systems("master")?.iter().all(|os| os.starts_with("rhel-10")));
    Ok(())
}

#[test]
fn as_many_workers_move_at_once_as_the_pool_allows_and_no_more() -> Result<()> {
    let Some(cluster) = up(&["--nodes", "master=1,worker=12"])? else { return Ok(()) };
    cluster.patch("mcp", "worker", &json!({"spec": {"maxUnavailable": "34%"}}))?;
    let history = recorded(&cluster, |cluster| {
        cluster.name_stream("worker", "rhel-9")?;
        cluster.wait("worker", ".status.osImageStream.name", "rhel-9").map(drop)
    })?;
    assert_eq!((history.times_told("worker-"), history.most_unavailable("worker", &[])), (12, 4));
    Ok(())
}

#[test]
fn a_custom_pool_follows_the_worker_pool_until_it_names_a_stream() -> Result<()> {
    let Some(cluster) = up(&["--nodes", "master=1,worker=2,infra=2"])? else { return Ok(()) };
    assert_eq!(cluster.runs("infra")?, "rhel-10");
    let history = recorded(&cluster, |cluster| {
        cluster.name_stream("worker", "rhel-9")?;
        cluster.wait("worker", ".status.osImageStream.name", "rhel-9")?;
        cluster.wait("infra", ".status.osImageStream.name", "rhel-9").map(drop)
    })?;
    assert_eq!((history.times_told("infra-"), history.most_unavailable("infra", &[])), (2, 1));
    let history = recorded(&cluster, |cluster| {
        cluster.name_stream("infra", "rhel-10")?;
        cluster.wait("infra", ".status.osImageStream.name", "rhel-10").map(drop)
    })?;
    assert_eq!((history.times_told("infra-"), history.times_told("worker-")), (2, 0));
    assert_eq!(cluster.runs("worker")?, "rhel-9");
    Ok(())
}

#[test]
fn a_paused_pool_stays_and_moves_when_it_is_unpaused() -> Result<()> {
    let Some(cluster) = up(&["--nodes", "master=1,worker=2"])? else { return Ok(()) };
    let history = recorded(&cluster, |cluster| {
        cluster.patch("mcp", "worker", &json!({"spec": {"paused": true, "osImageStream": {"name": "rhel-9"}}}))?;
        cluster.wait("worker", ".status.conditions[?(@.type==\"Updated\")].status", "False").map(drop)
    })?;
    assert_eq!(history.times_told("worker-"), 0);
    let pool = cluster.kubectl.get(&["mcp", "worker"])?;
    let updating =
        pool["status"]["conditions"].as_array().context("conditions")?.iter().find(|c| c["type"] == "Updating");
    let said = updating.and_then(|c| c["message"].as_str()).unwrap_or_default();
    assert!(said.starts_with("Pool is paused; will not update to MachineConfig rendered-worker-"), "{said}");
    let history = recorded(&cluster, |cluster| {
        cluster.patch("mcp", "worker", &json!({"spec": {"paused": false}}))?;
        cluster.wait("worker", ".status.osImageStream.name", "rhel-9").map(drop)
    })?;
    assert_eq!((history.times_told("worker-"), history.most_unavailable("worker", &[])), (2, 1));
    Ok(())
}

#[test]
fn a_stream_that_is_not_there_is_refused_with_the_names_of_those_that_are() -> Result<()> {
    let Some(cluster) = up(&["--nodes", "master=1,worker=1"])? else { return Ok(()) };
    let name = "machineconfigpool-osimagestream-reference-validation";
    cluster.kubectl.run(&[
        "wait",
        "--for=create",
        &format!("validatingadmissionpolicybinding/{name}-binding"),
        "--timeout=30s",
    ])?;
    let refused = cluster.name_stream("worker", "rhel-11").unwrap_err().to_string();
    assert!(refused.contains("rhel-11 is not available; available are: rhel-10, rhel-9"), "{refused}");
    cluster.name_stream("worker", "rhel-9")?;
    cluster.wait("worker", ".status.osImageStream.name", "rhel-9").map(drop)
}

/// A MachineConfig for workers that makes CRI-O use runc.
fn with_runc() -> Value {
    let dropin = "data:,%5Bcrio.runtime%5D%0Adefault_runtime%20%3D%20%22runc%22%0A";
    json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
        "metadata": {"name": "99-worker-runc", "labels": {"machineconfiguration.openshift.io/role": "worker"}},
        "spec": {"config": {"ignition": {"version": "3.5.0"}, "storage": {"files": [
            {"path": "/etc/crio/crio.conf.d/99-runc", "mode": 420, "contents": {"source": dropin}},
        ]}}},
    })
}

#[test]
fn an_operating_system_without_runc_is_kept_from_a_pool_that_wants_it() -> Result<()> {
    let Some(cluster) = up(&["--nodes", "master=1,worker=1"])? else { return Ok(()) };
    cluster.name_stream("worker", "rhel-9")?;
    cluster.wait("worker", ".status.osImageStream.name", "rhel-9")?;
    let before = cluster.kubectl.get(&["mcp", "worker"])?["spec"]["configuration"]["name"].clone();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("runc.json");
    std::fs::write(&file, with_runc().to_string())?;
    cluster.kubectl.run(&["apply", "-f", file.to_str().context("utf-8")?])?;
    let source = ".spec.configuration.source[1].name";
    cluster.wait("worker", source, "99-worker-runc")?;
    cluster.name_stream("worker", "rhel-10")?;
    cluster.wait("worker", ".status.conditions[?(@.type==\"RenderDegraded\")].reason", "RuncUnavailable")?;
    let pool = cluster.kubectl.get(&["mcp", "worker"])?;
    assert_ne!(pool["spec"]["configuration"]["name"], before, "the MachineConfig was taken in on the old stream");
    let described = cluster.kubectl.run(&["describe", "mcp", "worker"])?;
    assert!(described.contains("runc is not available"), "{described}");
    cluster.kubectl.run(&["delete", "machineconfig", "99-worker-runc"])?;
    cluster.wait("worker", ".status.osImageStream.name", "rhel-10").map(drop)
}

#[test]
fn a_pool_in_image_mode_is_left_alone_and_says_so() -> Result<()> {
    let Some(cluster) = up(&["--nodes", "master=1,worker=1"])? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("config.json");
    let config = json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineOSConfig", "metadata": {"name": "worker"},
        "spec": {
            "machineConfigPool": {"name": "worker"}, "imageBuilder": {"imageBuilderType": "Job"},
            "renderedImagePushSecret": {"name": "push"}, "renderedImagePushSpec": "registry.example.com/os/worker:latest",
        },
    });
    std::fs::write(&file, config.to_string())?;
    let history = recorded(&cluster, |cluster| {
        cluster.kubectl.run(&["apply", "-f", file.to_str().context("utf-8")?])?;
        cluster.name_stream("worker", "rhel-9")?;
        cluster.wait("worker", ".status.conditions[?(@.type==\"Updating\")].status", "True").map(drop)
    })?;
    assert_eq!(history.times_told("worker-"), 0);
    let described = cluster.kubectl.run(&["describe", "mcp", "worker"])?;
    assert!(described.contains("the pool is in image mode, which is not supported yet"), "{described}");
    cluster.kubectl.run(&["delete", "machineosconfig", "worker"])?;
    cluster.wait("worker", ".status.osImageStream.name", "rhel-9").map(drop)
}

#[test]
fn okd_has_one_stream() -> Result<()> {
    let Some(cluster) = up(&["--distribution", "okd"])? else { return Ok(()) };
    let stream = cluster.kubectl.get(&["osimagestream", "cluster"])?;
    assert_eq!(stream["status"]["availableStreams"].as_array().map(Vec::len), Some(1));
    assert_eq!(stream["status"]["defaultStream"], "centos-10");
    assert_eq!((cluster.runs("master")?, cluster.runs("worker")?), ("centos-10".to_owned(), "centos-10".to_owned()));
    Ok(())
}

#[test]
fn a_cluster_in_a_data_directory_goes_on_where_it_was() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("cluster");
    let arguments = ["--nodes", "master=1,worker=2", "--data-dir", dir.to_str().context("utf-8")?];
    let Some(mut cluster) = up(&arguments)? else { return Ok(()) };
    cluster.name_stream("worker", "rhel-9")?;
    cluster.wait("worker", ".status.osImageStream.name", "rhel-9")?;
    let uid = cluster.kubectl.get(&["mcp", "worker"])?["metadata"]["uid"].clone();
    assert!(cluster.program.interrupt()?.success());
    let Some(again) = up(&arguments)? else { return Ok(()) };
    assert_eq!(again.kubeconfig, cluster.kubeconfig);
    assert_eq!(again.kubectl.get(&["mcp", "worker"])?["metadata"]["uid"], uid);
    assert_eq!(again.runs("worker")?, "rhel-9");
    Ok(())
}

#[test]
fn until_updated_ends_with_success_and_until_too_late_with_failure() -> Result<()> {
    let done = weir().args(["up", "--step-time", "1ms", "--until", "updated", "--timeout", "60s"]).output()?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let late = weir().args(["up", "--step-time", "60s", "--until", "updated", "--timeout", "8s"]).output()?;
    assert_eq!(late.status.code(), Some(1));
    let said = String::from_utf8_lossy(&late.stderr);
    assert!(said.contains("not every pool was updated in time"), "{said}");
    Ok(())
}

#[test]
fn a_terminal_that_goes_away_ends_it_and_leaves_nothing_behind() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    for arguments in
        [&["up", "--step-time", "20ms"][..], &["apiserver", "--listen", "127.0.0.1:0", "--kubeconfig", "k"]]
    {
        let mut command = weir();
        let mut program =
            Program::start(command.args(arguments).env("TMPDIR", temporary.path()).current_dir(&temporary))?;
        if arguments[0] == "up" {
            program.line()?;
            assert_eq!(std::fs::read_dir(temporary.path())?.count(), 1);
        } else {
            program.until("serving https://")?;
        }
        assert!(program.hang_up()?.success(), "{arguments:?}: {}", program.rest());
        let left =
            std::fs::read_dir(temporary.path())?.filter(|entry| entry.as_ref().is_ok_and(|e| e.file_name() != "k"));
        assert_eq!(left.count(), 0, "{arguments:?}");
    }
    Ok(())
}
