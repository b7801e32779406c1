//! `weir up` as a user has it: the program, real kubectl, real registry.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use weir_testkit::{History, Kubectl, Program, Recorder};

/// A cluster that runs.
pub(crate) struct Cluster {
    program: Program,
    kubectl: Kubectl,
    pub(crate) kubeconfig: PathBuf,
}

pub(crate) fn weir() -> Command {
    Command::new(env!("CARGO_BIN_EXE_weir"))
}

/// Starts `weir up` with quick nodes and waits until all is updated; `None` where there is no kubectl.
pub(crate) fn up(arguments: &[&str]) -> Result<Option<Cluster>> {
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
    let source = ".spec.configuration.source[?(@.name==\"99-worker-runc\")].name";
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

/// Images that the nodes of a role run.
fn images(cluster: &Cluster, role: &str) -> Result<Vec<String>> {
    let list = cluster.kubectl.get(&["nodes", "-l", &format!("node-role.kubernetes.io/{role}")])?;
    let key = "machineconfiguration.openshift.io/currentImage";
    let image = |node: &Value| node["metadata"]["annotations"][key].as_str().unwrap_or_default().to_owned();
    Ok(list["items"].as_array().context("items")?.iter().map(image).collect())
}

#[test]
fn the_ready_machineosconfig_is_built_pushed_and_rolled_out_on_each_stream() -> Result<()> {
    built_pushed_and_rolled_out("layers")
}

/// The builder that works here, which is another one where buildah is not installed.
#[test]
fn the_ready_machineosconfig_is_built_by_the_builder_that_works() -> Result<()> {
    built_pushed_and_rolled_out("auto")
}

fn built_pushed_and_rolled_out(builder: &str) -> Result<()> {
    let Some(cluster) = up(&["--nodes", "master=1,worker=2", "--builder", builder])? else { return Ok(()) };
    let file = cluster.kubeconfig.with_file_name("machineosconfig.yaml");
    let file = file.to_str().context("utf-8")?;
    cluster.kubectl.run(&["apply", "-f", file])?;
    let named = "--for=jsonpath={.status.currentImagePullSpec}";
    cluster.kubectl.run(&["wait", "machineosconfig/worker", named, "--timeout=30s"])?;
    let told = || -> Result<String> {
        let config = cluster.kubectl.get(&["machineosconfig", "worker"])?;
        Ok(config["status"]["currentImagePullSpec"].as_str().unwrap_or_default().to_owned())
    };
    let updated = |image: &str| -> Result<()> {
        let pool = cluster.kubectl.get(&["mcp", "worker"])?;
        let config = pool["spec"]["configuration"]["name"].as_str().unwrap_or_default();
        let message = format!("All nodes are updated with MachineConfig {config}{image}");
        cluster.wait("worker", ".status.conditions[?(@.type==\"Updated\")].message", &message).map(drop)
    };
    let first = told()?;
    updated(&format!(" / Image {first}"))?;
    assert_eq!(images(&cluster, "worker")?, [first.clone(), first.clone()]);
    assert_eq!(images(&cluster, "master")?, [""]);
    cluster.name_stream("worker", "rhel-9")?;
    cluster.wait("worker", ".status.osImageStream.name", "rhel-9")?;
    let second = told()?;
    assert_ne!(first, second);
    assert_eq!(images(&cluster, "worker")?, [second.clone(), second]);
    cluster.kubectl.run(&["delete", "-f", file])?;
    updated("")?;
    assert_eq!(images(&cluster, "worker")?, ["", ""]);
    assert_eq!(cluster.kubectl.get(&["machineosbuild"])?["items"], json!([]));
    Ok(())
}

#[test]
fn a_machine_that_joins_a_pool_in_image_mode_gets_its_image() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("cluster");
    let dir = dir.to_str().context("utf-8")?;
    let with = |nodes: &'static str| ["--nodes", nodes, "--builder", "layers", "--data-dir", dir];
    let Some(mut cluster) = up(&with("master=1,worker=1"))? else { return Ok(()) };
    let file = cluster.kubeconfig.with_file_name("machineosconfig.yaml");
    cluster.kubectl.run(&["apply", "-f", file.to_str().context("utf-8")?])?;
    let named = "--for=jsonpath={.status.currentImagePullSpec}";
    cluster.kubectl.run(&["wait", "machineosconfig/worker", named, "--timeout=30s"])?;
    let config = cluster.kubectl.get(&["machineosconfig", "worker"])?;
    let image = config["status"]["currentImagePullSpec"].as_str().context("an image")?.to_owned();
    let runs = "--for=jsonpath={.metadata.annotations.machineconfiguration\\.openshift\\.io/currentImage}=";
    cluster.kubectl.run(&["wait", "node/worker-0", &format!("{runs}{image}"), "--timeout=30s"])?;
    cluster.wait("worker", ".status.conditions[?(@.type==\"Updated\")].status", "True")?;
    assert!(cluster.program.interrupt()?.success());
    let Some(again) = up(&with("master=1,worker=3"))? else { return Ok(()) };
    for node in ["node/worker-1", "node/worker-2"] {
        again.kubectl.run(&["wait", node, &format!("{runs}{image}"), "--timeout=30s"])?;
    }
    assert_eq!(images(&again, "worker")?, [image.clone(), image.clone(), image]);
    Ok(())
}

#[test]
fn what_a_build_failed_on_is_in_its_jobs_log() -> Result<()> {
    let Some(cluster) = up(&["--nodes", "master=1,worker=1", "--builder", "layers"])? else { return Ok(()) };
    let file = cluster.kubeconfig.with_file_name("machineosconfig.yaml");
    let text = std::fs::read_to_string(&file)?;
    let push = text.lines().find(|line| line.contains("renderedImagePushSpec:")).context("a push spec")?;
    let nowhere = text.replace(push, "  renderedImagePushSpec: 127.0.0.1:19/os/worker:latest");
    cluster.kubectl.pipe(nowhere.as_bytes(), &["apply", "-f", "-"])?;
    cluster.kubectl.run(&[
        "wait",
        "machineosconfig/worker",
        "--for=jsonpath={.metadata.annotations}",
        "--timeout=30s",
    ])?;
    let named = || -> Result<String> {
        let key = "machineconfiguration.openshift.io/current-machine-os-build";
        let config = cluster.kubectl.get(&["machineosconfig", "worker"])?;
        Ok(config["metadata"]["annotations"][key].as_str().unwrap_or_default().to_owned())
    };
    cluster.kubectl.run(&["wait", "mcp/worker", "--for=condition=ImageBuildDegraded", "--timeout=30s"])?;
    let (build, namespace) = (named()?, "--namespace=openshift-machine-config-operator");
    let job = format!("job/build-{build}");
    let table = cluster.kubectl.run(&["get", &job, namespace])?;
    assert!(table.contains("Failed") && table.contains("0/1"), "{table}");
    let log = cluster.kubectl.run(&["logs", &job, namespace])?;
    assert!(log.contains("building on") && log.contains("127.0.0.1:19") && log.contains("cannot be reached"), "{log}");
    assert_eq!(cluster.kubectl.run(&["logs", &job, namespace, "--tail=1"])?.lines().count(), 1);
    let pods = cluster.kubectl.get(&["pods", namespace, "--selector=job-name"])?;
    assert_eq!(pods["items"].as_array().map(Vec::len), Some(4), "{pods}");
    for pod in pods["items"].as_array().into_iter().flatten() {
        assert_eq!(pod["spec"]["nodeName"], "worker-0", "{pod}");
    }
    let events = cluster.kubectl.run(&["events", namespace, &format!("--for={job}")])?;
    assert!(events.contains("SuccessfulCreate") && events.contains("Created pod: build-"), "{events}");
    let said = cluster.kubectl.get(&["machineosbuild", &build])?.to_string();
    assert!(said.contains("cannot be reached") && said.contains("(tried 4 times)"), "{said}");
    cluster.kubectl.run(&["delete", "machineosconfig", "worker"])?;
    cluster.kubectl.run(&["wait", &job, namespace, "--for=delete", "--timeout=30s"])?;
    Ok(())
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

/// A sample payload in a folder, as `--release` takes it.
fn payload(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output =
        weir().args(["payload", "build", "--distribution", "ocp", "-o"]).arg(folder).args(arguments).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(format!("oci:{}", folder.display()))
}

/// Version and state of the entries of ClusterVersion's history, newest first.
fn history(kubectl: &Kubectl) -> Result<Vec<(String, String)>> {
    let version = kubectl.get(&["clusterversion", "version"])?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = version["status"]["history"].as_array().context("history")?;
    Ok(entries.iter().map(|entry| (text(&entry["version"]), text(&entry["state"]))).collect())
}

#[test]
fn a_data_directory_that_gets_another_release_is_updated_when_its_nodes_are_and_not_before() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let next = payload(&folder.path().join("next"), &["--version", "5.1.0"])?;
    let dir = folder.path().join("cluster");
    let dir = dir.to_str().context("utf-8")?;
    let common = ["--nodes", "master=1,worker=2", "--data-dir", dir];
    let until = |more: &[&str]| {
        let quick = ["up", "--step-time", "20ms", "--until", "updated", "--timeout", "60s"];
        weir().args(quick).args(common).args(more).output()
    };
    let first = until(&[])?;
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let second = until(&["--release", &next])?;
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(second.status.success() && said.contains("the cluster ran 5.0.0 and is updated"), "{said}");
    // What it said is so although nobody worked on it since.
    let Some(cluster) = up(&[&common[..], &["--release", &next]].concat())? else { return Ok(()) };
    let pairs = |all: &[(&str, &str)]| -> Vec<_> {
        all.iter().map(|(version, state)| ((*version).to_owned(), (*state).to_owned())).collect()
    };
    assert_eq!(history(&cluster.kubectl)?, pairs(&[("5.1.0", "Completed"), ("5.0.0", "Completed")]));
    let version = cluster.kubectl.get(&["clusterversion", "version"])?;
    let wanted = &version["status"]["desired"]["image"];
    let stream = cluster.kubectl.get(&["osimagestream", "cluster"])?;
    let payload = "machineconfiguration.openshift.io/release-payload-image";
    let made = stream["metadata"]["annotations"].as_object().context("annotations")?;
    assert!(made.values().any(|image| image == wanted), "{payload}: {made:?} lacks {wanted}");
    let images: Vec<&Value> =
        stream["status"]["availableStreams"].as_array().context("streams")?.iter().map(|s| &s["osImage"]).collect();
    for config in ["master", "worker"] {
        let pool = cluster.kubectl.get(&["mcp", config])?;
        let name = pool["status"]["configuration"]["name"].as_str().context("configuration")?.to_owned();
        let rendered = cluster.kubectl.get(&["machineconfig", &name])?;
        assert!(images.contains(&&rendered["spec"]["osImageURL"]), "{config} runs what the release does not have");
    }
    Ok(())
}

#[test]
fn an_update_is_partial_while_the_required_pool_is_on_its_way() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let next = payload(&folder.path().join("next"), &["--version", "5.1.0"])?;
    let dir = folder.path().join("cluster");
    let common = ["--nodes", "master=1,worker=1", "--data-dir", dir.to_str().context("utf-8")?];
    let Some(mut cluster) = up(&common)? else { return Ok(()) };
    assert_eq!(history(&cluster.kubectl)?[0].1, "Completed");
    // A paused pool that is required keeps the release from being complete for as long as one likes.
    cluster.patch("mcp", "master", &json!({"spec": {"paused": true}}))?;
    assert!(cluster.program.interrupt()?.success());
    let mut command = weir();
    command.args(["up", "--step-time", "20ms", "--until", "updated"]).args(common).args(["--release", &next]);
    let mut program = Program::start(&mut command)?;
    let Some(kubectl) = Kubectl::new(&PathBuf::from(program.line()?)) else { return Ok(()) };
    kubectl.run(&["wait", "clusteroperator/machine-config", "--for=condition=Degraded", "--timeout=30s"])?;
    assert_eq!(history(&kubectl)?[0], ("5.1.0".to_owned(), "Partial".to_owned()));
    let table = kubectl.run(&["get", "clusterversion"])?;
    assert!(table.contains("5.0.0") && table.contains("Working towards 5.1.0"), "{table}");
    assert_eq!(program.interrupt()?.code(), Some(1));
    let said = program.rest();
    assert!(said.contains("release 5.1.0 is not complete") && !said.contains("every pool is updated"), "{said}");
    let mut program = Program::start(&mut command)?;
    let Some(kubectl) = Kubectl::new(&PathBuf::from(program.line()?)) else { return Ok(()) };
    kubectl.run(&["patch", "mcp", "master", "--type", "merge", "-p", r#"{"spec":{"paused":false}}"#])?;
    let ended = program.wait()?;
    assert!(ended.success(), "{}", program.rest());
    assert!(program.rest().contains("every pool is updated"), "{}", program.rest());
    Ok(())
}

#[test]
fn a_data_directory_keeps_its_distribution() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let okd = folder.path().join("okd");
    let built = weir().args(["payload", "build", "--distribution", "okd", "-o"]).arg(&okd).status()?;
    assert!(built.success());
    let okd = format!("oci:{}", okd.display());
    let dir = folder.path().join("cluster");
    let common =
        ["up", "--step-time", "1ms", "--nodes", "master=1", "--until", "updated", "--timeout", "60s", "--data-dir"];
    let with = |more: &[&str]| weir().args(common).arg(&dir).args(more).output();
    let made = with(&[])?;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for other in [["--distribution", "okd"], ["--release", &okd]] {
        let refused = with(&other)?;
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        for part in ["a cluster of OpenShift Container Platform (ocp)", "--distribution ocp", "another --data-dir"] {
            assert!(said.contains(part), "{said}");
        }
    }
    let again = with(&[])?;
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success() && said.contains("the cluster goes on"), "{said}");
    Ok(())
}

#[test]
fn a_full_disk_under_stderr_stops_no_rollout() -> Result<()> {
    let mut command = weir();
    command.args(["up", "-v", "--step-time", "20ms", "--until", "updated"]);
    let status = command.stderr(std::fs::File::create("/dev/full")?).status()?;
    assert!(status.success(), "{status}");
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
        // Whoever runs the tests may have been told to ignore the end of its terminal; its children would, too.
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP").arg(env!("CARGO_BIN_EXE_weir"));
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
