//! Settings of kubelets and registries as a user has them: `weir up` with real kubectl, and what the commands say of it.

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::Api;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};
use tokio::time::timeout;
use weir_api::{MachineConfigPool, condition::is_true, keys::pool::UPDATED, pool::PoolConfiguration};
use weir_kubeio::wait::until;
use weir_testkit::{Kubectl, Program};

const GROUP: &str = "machineconfiguration.openshift.io/v1";
/// Tests share their machine.
const SOON: Duration = Duration::from_secs(60);
const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";

fn weir(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let command = command.current_dir(folder).args(arguments).env_remove("KUBECONFIG").env_remove("REGISTRY_AUTH_FILE");
    Ok(command.output()?)
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Applies objects, and waits until the pool of workers and its nodes run what they change.
fn applied(kubectl: &Kubectl, (kubeconfig, folder): (&Path, &Path), objects: &[Value]) -> Result<()> {
    let before = target(kubectl)?;
    let path = folder.join("applied.json");
    fs::write(&path, json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())?;
    kubectl.run(&["apply", "-f", &path.display().to_string()])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let pools = Api::<MachineConfigPool>::all(weir_testkit::client(kubeconfig).await?);
        let moved = |pool: &MachineConfigPool| {
            let name = |of: Option<&PoolConfiguration>| of.and_then(|of| of.reference.name.clone());
            let wanted = name(pool.spec.configuration.as_ref());
            let status = pool.status.as_ref();
            wanted.as_ref().is_some_and(|name| *name != before)
                && name(status.and_then(|status| status.configuration.as_ref())) == wanted
                && is_true(status.and_then(|status| status.conditions.as_deref()).unwrap_or_default(), UPDATED)
        };
        timeout(SOON, until(&pools, "worker", moved)).await.context("the pool does not move")??;
        anyhow::Ok(())
    })?;
    let after = target(kubectl)?;
    let nodes = kubectl.get(&["nodes", "-l", "node-role.kubernetes.io/worker"])?;
    for node in nodes["items"].as_array().context("items")? {
        let current = &node["metadata"]["annotations"]["machineconfiguration.openshift.io/currentConfig"];
        ensure!(current == after.as_str(), "a node runs {current}, and the pool {after}");
    }
    Ok(())
}

fn target(kubectl: &Kubectl) -> Result<String> {
    let pool = kubectl.get(&["mcp", "worker"])?;
    Ok(pool["spec"]["configuration"]["name"].as_str().context("a rendered configuration")?.to_owned())
}

#[test]
fn settings_move_the_pool_and_files_say_what_they_come_from() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["up", "--step-time", "20ms", "--nodes", "master=1,worker=2", "--settle", "0"]);
    let mut program = Program::start(&mut command)?;
    let path = PathBuf::from(program.line()?);
    let Some(kubectl) = Kubectl::new(&path) else { return Ok(()) };
    program.until("every pool is updated")?;
    let of_workers = json!({"matchLabels": {"pools.operator.machineconfiguration.openshift.io/worker": ""}});
    let kubelet = json!({
        "apiVersion": GROUP, "kind": "KubeletConfig", "metadata": {"name": "more-pods"},
        "spec": {"machineConfigPoolSelector": of_workers, "kubeletConfig": {"maxPods": 500}},
    });
    applied(&kubectl, (&path, folder.path()), &[kubelet])?;
    kubectl.run(&["wait", "kubeletconfig/more-pods", "--for=condition=Success", "--timeout=10s"])?;
    let kubeconfig = path.display().to_string();
    let explained =
        weir(folder.path(), &["explain", "file", KUBELET_CONF, "--pool", "worker", "--kubeconfig", &kubeconfig])?;
    let explained = text(&explained);
    for part in [
        "MachineConfig 99-worker-generated-kubelet is generated from KubeletConfig more-pods",
        "MachineConfig 01-worker-kubelet is generated from the release's template worker/01-worker-kubelet/_base/files/kubelet.yaml",
        "maxPods: 500",
    ] {
        ensure!(explained.contains(part), "{part:?} is not in {explained}");
    }
    let image =
        json!({"apiVersion": "config.openshift.io/v1", "kind": "Image", "metadata": {"name": "cluster"}, "spec": {}});
    let mirrors = json!({
        "apiVersion": "config.openshift.io/v1", "kind": "ImageDigestMirrorSet", "metadata": {"name": "mirrors"},
        "spec": {"imageDigestMirrors": [{"source": "quay.example.com/a", "mirrors": ["mirror.example.com/a"]}]},
    });
    applied(&kubectl, (&path, folder.path()), &[image, mirrors])?;
    let limits = json!({
        "apiVersion": GROUP, "kind": "ContainerRuntimeConfig", "metadata": {"name": "limits"},
        "spec": {"machineConfigPoolSelector": of_workers, "containerRuntimeConfig": {"pidsLimit": 2048}},
    });
    applied(&kubectl, (&path, folder.path()), &[limits])?;
    kubectl.run(&["wait", "containerruntimeconfig/limits", "--for=condition=Success", "--timeout=10s"])?;
    signatures(&kubectl, (&path, folder.path()))?;
    taking_over(&kubectl, folder.path())
}

/// Policies of a namespace and of the cluster: both move the pool, and what is wrong with them stands in their statuses.
fn signatures(kubectl: &Kubectl, at: (&Path, &Path)) -> Result<()> {
    let policy = |kind: &str, metadata: Value, scope: &str, key: &str| {
        let key = STANDARD.encode(format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----"));
        let root = json!({"policyType": "PublicKey", "publicKey": {"keyData": key}});
        json!({
            "apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": metadata,
            "spec": {"scopes": [scope], "policy": {"rootOfTrust": root}},
        })
    };
    // What only says that it is a key.
    let own = policy("ImagePolicy", json!({"name": "own", "namespace": "default"}), "quay.example.com/b", "MAA=");
    applied(kubectl, at, &[own])?;
    let file = |path: &str| -> Result<String> {
        let kubeconfig = at.0.display().to_string();
        let explained = weir(at.1, &["explain", "file", path, "--pool", "worker", "--kubeconfig", &kubeconfig])?;
        ensure!(explained.status.success(), "{}", text(&explained));
        Ok(text(&explained))
    };
    let written = file("/etc/crio/policies/default.json")?;
    for part in ["is generated from Image cluster", "\"quay.example.com/b\"", "sigstoreSigned"] {
        ensure!(written.contains(part), "{part:?} is not in {written}");
    }
    // One for the whole cluster, inside of which it lies.
    let all = policy("ClusterImagePolicy", json!({"name": "all"}), "quay.example.com", "AAAA");
    applied(kubectl, at, &[all])?;
    kubectl.run(&["wait", "imagepolicy/own", "-n", "default", "--for=condition=Pending=False", "--timeout=10s"])?;
    kubectl.run(&["wait", "clusterimagepolicy/all", "--for=condition=Pending=False", "--timeout=10s"])?;
    let reason = |arguments: &[&str]| -> Result<String> {
        let object = kubectl.get(arguments)?;
        Ok(object["status"]["conditions"][0]["reason"].as_str().context("a reason")?.to_owned())
    };
    ensure!(reason(&["imagepolicy", "own", "-n", "default"])? == "ConflictScopes");
    ensure!(reason(&["clusterimagepolicy", "all"])? == "UnreadableKey");
    ensure!(file("/etc/containers/policy.json")?.contains("\"quay.example.com\""));
    Ok(())
}

/// The same objects as a must-gather holds them: one file each, by kind.
fn gathered(folder: &Path, dump: &Value) -> Result<()> {
    let image = folder.join("quay-io-sha256-1");
    for item in dump["items"].as_array().into_iter().flatten() {
        let field = |name: &str| item["metadata"][name].as_str();
        let kind = item["kind"].as_str().context("a kind")?.to_lowercase();
        let at = match field("namespace") {
            Some(namespace) => image.join("namespaces").join(namespace).join(kind),
            None => image.join("cluster-scoped-resources").join(kind),
        };
        fs::create_dir_all(&at)?;
        fs::write(at.join(format!("{}.yaml", field("name").context("a name")?)), item.to_string())?;
    }
    fs::write(folder.join("event-filter.html"), "<html></html>")?;
    Ok(())
}

/// What the commands say of the same objects when another operator made them.
fn taking_over(kubectl: &Kubectl, folder: &Path) -> Result<()> {
    let kinds = "controllerconfig,machineconfig,mcp,kubeletconfig,featuregate,clusterversion,imagedigestmirrorset,osimagestream,containerruntimeconfig,\
                 clusterimagepolicies,imagepolicies.config.openshift.io,images.config.openshift.io,nodes";
    let mut dump = kubectl.get(&[kinds])?;
    let path = folder.join("dump.json");
    fs::write(&path, dump.to_string())?;
    let built = weir(folder, &["payload", "build", "--distribution", "ocp", "-o", "payload"])?;
    ensure!(built.status.success(), "{}", text(&built));
    let arguments = ["explain", "take-over", "-f", "dump.json", "--release", "oci:payload"];
    let equal = weir(folder, &arguments)?;
    ensure!(equal.status.code() == Some(0), "{}", text(&equal));
    ensure!(text(&equal).contains("it takes over without a write"), "{}", text(&equal));
    gathered(&folder.join("must-gather"), &dump)?;
    let offline = weir(folder, &["explain", "take-over", "--from", "must-gather", "--release", "oci:payload"])?;
    ensure!(text(&offline) == text(&equal), "{}", text(&offline));
    let items = dump["items"].as_array_mut().context("items")?;
    let config = items.iter_mut().find(|item| item["metadata"]["name"] == "00-worker").context("00-worker")?;
    let files = config["spec"]["config"]["storage"]["files"].as_array_mut().context("files")?;
    let role = files.iter_mut().find(|file| file["path"] == "/etc/machine-role").context("/etc/machine-role")?;
    role["contents"] = json!({"source": "data:,laborer%0A"});
    fs::write(&path, dump.to_string())?;
    let differs = weir(folder, &arguments)?;
    ensure!(differs.status.code() == Some(3), "{}", text(&differs));
    let said = text(&differs);
    for part in [
        "MachineConfig 00-worker differs in /etc/machine-role, line 1",
        "  - laborer",
        "  + worker",
        "pool worker is rendered to rendered-worker-",
        "reboot unless a disruption policy says otherwise: worker-0, worker-1",
        "weir run --take-over --adopt-generated ours",
    ] {
        ensure!(said.contains(part), "{part:?} is not in {said}");
    }
    Ok(())
}
