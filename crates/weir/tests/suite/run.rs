//! `weir run` against an API server in another process, driven with kubectl.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use weir_fleet::{Fleet, Machine};
use weir_kubeio::Clock;
use weir_testkit::{Kubectl, Program, Registry, client};

mod election;
mod figures;
mod log;
mod notify;
mod reach;

/// An API server alone, and a folder for what belongs to it.
struct Server {
    folder: TempDir,
    program: Program,
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
    // It says who asked for what.
    command.env("RUST_LOG", "weir_apiserver=debug").env("NO_COLOR", "1");
    command.args(["apiserver", "--listen", "127.0.0.1:0", "--kubeconfig"]).arg(&kubeconfig);
    let mut program = Program::start(&mut command)?;
    program.until("serving https://")?;
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return Ok(None) };
    Ok(Some(Server { folder, program, kubectl }))
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

    // What is there by now says which release to run; the layout says where it is. It may be of an earlier build of weir.
    let earlier = "machineconfiguration.openshift.io/generated-by-version=v0.0.1";
    let config = "controllerconfig/machine-config-controller";
    server.kubectl.run(&["annotate", "--overwrite", config, earlier])?;
    let mut again = server.run("all", &["--release", &release])?;
    assert!(!again.rest().contains("made what was missing"), "{}", again.rest());
    server.stream("worker", "rhel-10")?;
    server.wait("mcp/worker", ".status.osImageStream.name", "rhel-10")?;
    let pool = |path: &str| {
        let pool = server.kubectl.get(&["mcp/worker"])?;
        anyhow::Ok(pool.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned())
    };
    let target = pool("/spec/configuration/name")?;
    assert!(again.interrupt()?.success());

    // What nobody uses goes when that is asked for, and nothing else does.
    let rendered = || {
        let all = server.kubectl.run(&["get", "machineconfigs", "-o", "name"])?;
        anyhow::Ok(all.lines().filter(|line| line.contains("rendered-worker-")).map(str::to_owned).collect::<Vec<_>>())
    };
    let before = rendered()?;
    let unused = before.iter().find(|name| !name.ends_with(&target)).context("only one was ever rendered")?;
    let mut pruning = server.run("all", &["--release", &release, "--prune-rendered", "1s"])?;
    server.kubectl.run(&["wait", "--for=delete", unused, "--timeout=60s"])?;
    assert!(rendered()?.iter().any(|name| name.ends_with(&target)));
    assert!(pruning.interrupt()?.success());
    machines.end();

    // The definitions are as if kubectl had applied them: it takes them from nobody.
    for set in ["Default", "TechPreviewNoUpgrade"] {
        let printed = weir().args(["crds", "--feature-set", set]).output()?.stdout;
        server.kubectl.pipe(&printed, &["apply", "--server-side", "-f", "-"])?;
    }
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
    let history = after["items"][0]["status"]["history"].as_array().context("history")?;
    assert_eq!((history.len(), &history[0]["version"]), (2, &json!("5.0.1")));
    let other = server.payload("c", &["--distribution", "okd"])?;
    let refusal = server.refused(&["--release", &other, "--update"])?;
    assert!(refusal.contains("a cluster keeps its distribution") && refusal.contains("(ocp)"), "{refusal}");
    assert_eq!(version(&server.kubectl.get(&["clusterversion,featuregate,controllerconfig"])?), "5.0.1");
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
    let refusal = server.refused(&["--take-over"])?;
    assert!(refusal.contains("no ClusterVersion here") && !refusal.contains("--release"), "{refusal}");

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

#[test]
fn a_pool_may_name_only_streams_there_are_and_the_change_is_what_counts() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let release = server.payload("p", &["--distribution", "ocp"])?;
    let mut program = server.run("all", &["--release", &release])?;
    let binding = "validatingadmissionpolicybinding/machineconfigpool-osimagestream-reference-validation-binding";
    server.kubectl.run(&["wait", "--for=create", binding, "--timeout=30s"])?;
    server.wait("osimagestream/cluster", ".status.defaultStream", "rhel-10")?;
    let patch = |what: &str, patch: &Value| {
        let output = server.kubectl.output(&["patch", what, "--type", "merge", "-p", &patch.to_string()])?;
        anyhow::Ok((output.status.success(), said(&output)))
    };
    let (accepted, text) = patch("mcp/worker", &json!({"spec": {"osImageStream": {"name": "rhel-7"}}}))?;
    assert!(
        !accepted && text.contains("osImageStream rhel-7 is not available; available are: rhel-10, rhel-9"),
        "{text}"
    );
    server.stream("worker", "rhel-9")?;

    // The stream goes, with nobody there to bring it back.
    assert!(program.interrupt()?.success());
    let left = server.kubectl.get(&["osimagestream", "cluster"])?["status"]["availableStreams"][0].clone();
    let status = json!({"status": {"availableStreams": [left]}}).to_string();
    let vanish = ["patch", "osimagestream/cluster", "--subresource=status", "--type", "merge", "-p", &status];
    server.kubectl.run(&vanish)?;
    server.kubectl.run(&["label", "mcp/worker", "still=writable"])?;
    let (accepted, text) = patch("mcp/master", &json!({"spec": {"osImageStream": {"name": "rhel-9"}}}))?;
    assert!(!accepted && text.contains("available are: rhel-10"), "{text}");

    server.kubectl.run(&["delete", "osimagestream/cluster"])?;
    server.kubectl.run(&["label", "mcp/master", "without=streams"])?;

    // Off with the gate, also for what was there before; on again with it.
    let gate = |on: bool| {
        let version = json!("5.0.0");
        let list = json!([{"name": "OSStreams"}]);
        let (enabled, disabled) = if on { (list, json!([])) } else { (json!([]), list) };
        let gates = json!([{"version": version, "enabled": enabled, "disabled": disabled}]);
        let patch = json!({"status": {"featureGates": gates}}).to_string();
        server.kubectl.run(&["patch", "featuregate/cluster", "--subresource=status", "--type", "merge", "-p", &patch])
    };
    gate(false)?;
    let mut again = server.run("operator", &["--release", &release])?;
    server.kubectl.run(&["wait", "--for=delete", binding, "--timeout=30s"])?;
    gate(true)?;
    server.kubectl.run(&["wait", "--for=create", binding, "--timeout=30s"])?;
    assert!(again.interrupt()?.success());
    Ok(())
}

/// The kubeconfig of a service account.
fn of_account(server: &Server, account: &str) -> Result<PathBuf> {
    let token = server.kubectl.run(&["create", "token", account, "-n", "openshift-machine-config-operator"])?;
    let mut kubeconfig: Value = serde_saphyr::from_str(&std::fs::read_to_string(server.kubeconfig())?)?;
    kubeconfig["users"][0]["user"] = json!({"token": token.trim()});
    let path = server.folder.path().join(account);
    std::fs::write(&path, kubeconfig.to_string())?;
    Ok(path)
}

/// A right: component, verb, group, resource with its subresource.
type Right = (String, String, String, String);

/// What the components asked the API server for.
fn asked(server: &mut Server) -> BTreeSet<Right> {
    let said = server.program.rest();
    let of = |line: &str, key: &str| {
        let value = line.split(&format!(" {key}=\"")).nth(1).and_then(|rest| rest.split('"').next());
        value.unwrap_or_default().to_owned()
    };
    let lines = said.lines().filter(|line| line.contains("authorization"));
    let asked = lines.filter_map(|line| {
        let (resource, subresource) = (of(line, "resource"), of(line, "subresource"));
        let whole = if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") };
        let user = of(line, "user");
        let (_, component) = user.split_once("system:serviceaccount:openshift-machine-config-operator:")?;
        Some((component.to_owned(), of(line, "verb"), of(line, "group"), whole))
    });
    asked.collect()
}

/// Rights that an API server with a release in it gives no occasion for, and what does. A right that is neither used nor here
/// is one too many.
const OTHER_OCCASIONS: [(&str, &[&str], &str); 22] = [
    ("list watch", &["leases"], "another process has the lease: crates/controllers/tests/suite/leader.rs"),
    ("create", &["pods/eviction"], "a drain with pods: crates/controllers/tests/suite/drain.rs"),
    ("create", &["machineconfigpools", "configmaps", "machineconfigurations", "secrets"], "they are not there yet"),
    ("create", &["controllerconfigs"], "an OpenShift without one: crates/controllers/tests/suite/openshift.rs"),
    ("create", &["validatingadmissionpolicies", "validatingadmissionpolicybindings"], "somebody deleted them"),
    ("delete", &["validatingadmissionpolicies", "validatingadmissionpolicybindings"], "the gate goes off"),
    ("patch", &["validatingadmissionpolicies", "validatingadmissionpolicybindings"], "somebody changed them"),
    ("delete", &["machineconfignodes"], "a report that no node owns; those of nodes go with them"),
    ("delete", &["machineconfigs"], "settings are deleted: crates/controllers/tests/suite/generate.rs"),
    (
        "patch",
        &[
            "kubeletconfigs",
            "kubeletconfigs/status",
            "containerruntimeconfigs",
            "containerruntimeconfigs/status",
            "clusterimagepolicies/status",
            "imagepolicies/status",
            "criocredentialproviderconfigs/status",
        ],
        "there are such settings: crates/controllers/tests/suite/generate.rs",
    ),
    (
        "update",
        &["controllerconfigs/finalizers", "kubeletconfigs/finalizers", "containerruntimeconfigs/finalizers"],
        "asked of who makes an object that keeps its owner from being deleted, by OpenShift's API server",
    ),
    (
        "update",
        &["machineosconfigs/finalizers", "machineosbuilds/finalizers"],
        "asked of who makes a build and its Job, by OpenShift's API server",
    ),
    (
        "get update delete",
        &["configmaps"],
        "a build succeeds, or is made again: crates/controllers/tests/suite/build.rs",
    ),
    ("get delete", &["jobs"], "a build succeeds, or its Job is gone: crates/controllers/tests/suite/build.rs"),
    (
        "create patch",
        &["roles", "rolebindings", "machineosconfigs/status"],
        "a build runs: crates/controllers/tests/suite/build.rs",
    ),
    ("delete", &["secrets"], "no pool is in image mode any more: crates/controllers/tests/suite/operands.rs"),
    ("get", &["osimagestreams"], "asked of who writes a policy with this parameter"),
    (
        "patch",
        &[
            "machineconfigs",
            "machineconfigpools",
            "controllerconfigs",
            "configmaps",
            "machineconfigurations",
            "machineconfigurations/status",
            "secrets",
        ],
        "somebody else wrote them, or OpenShift's objects changed: crates/controllers/tests/suite/{render,openshift}.rs",
    ),
    (
        "get",
        &["machineconfigs", "machineconfigpools"],
        "a rollout begins, and who wrote what changed is asked: docs/user/why.md",
    ),
    ("get", &["nodes"], "a write has no answer: crates/controllers/tests/suite/rollout_faults.rs"),
    ("get", &["infrastructures"], "asked of who writes a policy with this parameter"),
    (
        "list watch",
        &[
            "dnses",
            "namespaces",
            "networks",
            "proxies",
            "provisionings",
            "serviceaccounts",
            "secrets",
            "configmaps",
            "images",
            "imagedigestmirrorsets",
            "imagetagmirrorsets",
            "imagecontentsourcepolicies",
        ],
        "an OpenShift, or for the operator one look at the start, which ends when all is seen",
    ),
];

/// What the manifests allow them.
fn allowed(manifests: &[Value]) -> BTreeSet<Right> {
    let texts = |rule: &Value, key: &str| -> Vec<String> {
        rule[key].as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let mut all = BTreeSet::new();
    for role in manifests.iter().filter(|object| object["kind"].as_str().is_some_and(|kind| kind.ends_with("Role"))) {
        let component = role["metadata"]["name"].as_str().unwrap_or_default();
        for rule in role["rules"].as_array().into_iter().flatten() {
            for ((verb, group), resource) in texts(rule, "verbs")
                .iter()
                .flat_map(|verb| texts(rule, "apiGroups").into_iter().map(move |group| (verb.clone(), group)))
                .flat_map(|both| texts(rule, "resources").into_iter().map(move |resource| (both.clone(), resource)))
            {
                all.insert((component.to_owned(), verb, group, resource));
            }
        }
    }
    all
}

#[test]
fn each_component_does_all_its_work_with_the_rights_that_the_manifests_give_it() -> Result<()> {
    let Some(mut server) = server()? else { return Ok(()) };
    let Some(registry) = Registry::start(&weir_testkit::Options::default())? else { return Ok(()) };
    let config = server.folder.path().join("registries.conf");
    std::fs::write(&config, format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registry.host()))?;
    let config = config.display().to_string();
    server.payload("p", &["--distribution", "ocp"])?;
    let layout = server.folder.path().join("p").display().to_string();
    let to = format!("{}/ocp/release", registry.host());
    let pushed = weir().args(["payload", "push", &layout, &to, "--registry-config", &config]).output()?;
    assert!(pushed.status.success(), "{}", said(&pushed));
    let release = String::from_utf8(pushed.stdout)?.trim().to_owned();
    server.run("all", &["--release", &release, "--registry-config", &config])?.interrupt()?;

    let file = server.folder.path().join("manifests.yaml");
    let printed = weir().args(["manifests", "--image", "registry.example.com/weir:1", "--no-monitoring"]).output()?;
    std::fs::write(&file, &printed.stdout)?;
    let manifests: Vec<Value> = serde_saphyr::from_multiple(std::str::from_utf8(&printed.stdout)?)?;
    for namespace in ["config-managed", "kube-apiserver-operator", "machine-api"] {
        server.kubectl.run(&["create", "namespace", &format!("openshift-{namespace}")])?;
    }
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", &file.display().to_string()];
    server.kubectl.run(&apply)?;
    let versions = || {
        let columns =
            "custom-columns=KIND:.kind,NAME:.metadata.name,IN:.metadata.namespace,V:.metadata.resourceVersion";
        server.kubectl.run(&["get", "-f", &file.display().to_string(), "-o", columns])
    };
    let first = versions()?;
    server.kubectl.run(&apply)?;
    assert_eq!(versions()?, first, "applied again");

    server.kubectl.run(&["delete", "leases", "--all", "-n", "openshift-machine-config-operator"])?;
    let start = |what: &str, account: &str, more: &[&str]| {
        let kubeconfig = of_account(&server, account)?;
        let mut command = weir();
        command.args(["run", what, "--operator-image", "q/weir:1", "--registry-config", &config, "--kubeconfig"]);
        command.arg(kubeconfig).args(more);
        let mut program = Program::start(&mut command)?;
        program.until("leading")?;
        anyhow::Ok(program)
    };
    let mut controller = start("controller", "weir-controller", &[])?;
    let mut operator = start("operator", "weir-operator", &[])?;
    let mut builder = start("builder", "weir-builder", &["--builder-image", "q/buildah:1"])?;
    let machines = Machines::start(&server.kubeconfig(), &[("master", 1), ("worker", 2)])?;
    server.wait("mcp/worker", ".status.updatedMachineCount", "2")?;
    settings(&server)?;
    server.stream("worker", "rhel-9")?;
    server.wait("mcp/worker", ".status.osImageStream.name", "rhel-9")?;
    server.wait("clusteroperator/machine-config", ".status.conditions[?(@.type==\"Available\")].status", "True")?;
    let image = ".status.versions[?(@.name==\"operator-image\")].version";
    server.wait("clusteroperator/machine-config", image, "q/weir:1")?;
    image_mode(&server)?;
    for program in [&mut controller, &mut operator, &mut builder] {
        assert!(program.interrupt()?.success());
        let said = program.rest();
        assert!(!said.contains("forbidden"), "{said}");
    }
    let history = server.kubectl.get(&["configmap/weir-history-worker", "-n", "openshift-machine-config-operator"])?;
    let history = history["data"]["history.json"].as_str().context("a history")?.to_owned();
    for object in ["kubeletconfig/settings", "containerruntimeconfig/settings"] {
        assert!(history.contains(object), "{object}: {history}");
    }
    machines.end();
    let asked = asked(&mut server);
    let elsewhere = |verb: &str, resource: &str| {
        let mut all = OTHER_OCCASIONS.iter();
        all.any(|(verbs, resources, _)| verbs.split(' ').any(|one| one == verb) && resources.contains(&resource))
    };
    let unused = allowed(&manifests).into_iter().filter(|right| !asked.contains(right));
    let unused: Vec<_> = unused.filter(|(_, verb, _, resource)| !elsewhere(verb, resource)).collect();
    assert!(unused.is_empty(), "rights that nothing uses: {unused:#?}");
    Ok(())
}

/// Settings of which MachineConfigs are generated.
fn settings(server: &Server) -> Result<()> {
    for (kind, field, settings) in [
        ("KubeletConfig", "kubeletConfig", json!({"maxPods": 300})),
        ("ContainerRuntimeConfig", "containerRuntimeConfig", json!({"pidsLimit": 4096})),
    ] {
        let object = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": kind, "metadata": {"name": "settings"},
            "spec": {
                field: settings,
                "machineConfigPoolSelector": {"matchLabels": {"pools.operator.machineconfiguration.openshift.io/worker": ""}},
            },
        });
        server.kubectl.pipe(object.to_string().as_bytes(), &["apply", "-f", "-"])?;
        let is_taken = ".status.conditions[?(@.type==\"Success\")].status";
        server.wait(&format!("{}/settings", kind.to_lowercase()), is_taken, "True")?;
    }
    Ok(())
}

/// The workers' image is refused, then built by a Job, which fails as there is no kubelet, and given up again.
fn image_mode(server: &Server) -> Result<()> {
    let config = json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineOSConfig", "metadata": {"name": "worker"},
        "spec": {
            "machineConfigPool": {"name": "worker"}, "imageBuilder": {"imageBuilderType": "Job"},
            "renderedImagePushSecret": {"name": "push"}, "renderedImagePushSpec": "registry.example.com/os/worker:latest",
        },
    });
    server.kubectl.pipe(config.to_string().as_bytes(), &["apply", "-f", "-"])?;
    let degraded = |reason: &str| {
        server.wait("mcp/worker", ".status.conditions[?(@.type==\"ImageBuildDegraded\")].reason", reason)
    };
    degraded("BuildRefused")?;
    let own = "openshift-machine-config-operator";
    for (name, namespace) in [("push", own), ("pull-secret", "openshift-config")] {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": name, "namespace": namespace}, "stringData": {".dockerconfigjson": "{\"auths\": {}}"},
        });
        server.kubectl.pipe(secret.to_string().as_bytes(), &["apply", "-f", "-"])?;
    }
    server.kubectl.run(&["wait", "--for=create", "secret/global-pull-secret-copy", "-n", own, "--timeout=60s"])?;
    let prepared = "--for=jsonpath={.status.conditions[?(@.type==\"Prepared\")].status}=True";
    server.kubectl.run(&["wait", "--for=create", "machineosbuild", "--all", "--timeout=60s"])?;
    server.kubectl.run(&["wait", prepared, "machineosbuild", "--all", "--timeout=60s"])?;
    let builds = server.kubectl.get(&["machineosbuilds"])?;
    let job = format!("job/build-{}", builds["items"][0]["metadata"]["name"].as_str().context("a build")?);
    server.kubectl.run(&["wait", "--for=create", &job, "-n", own, "--timeout=60s"])?;
    let conditions = json!([{"type": "Failed", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let failed = json!({"status": {"failed": 4, "conditions": conditions}}).to_string();
    server.kubectl.run(&["patch", &job, "-n", own, "--subresource=status", "--type=merge", "-p", &failed])?;
    degraded("BuildFailed")?;
    // Its builds are left to the builder.
    server.kubectl.run(&["delete", "machineosconfig/worker", "--cascade=orphan", "--timeout=60s"])?;
    server.kubectl.run(&["wait", "--for=delete", "machineosbuild", "--all", "--timeout=60s"])?;
    Ok(())
}

/// The definition of a kind of OpenShift's monitoring, as far as a test needs it.
fn monitoring(kind: &str) -> Value {
    let singular = kind.to_lowercase();
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{singular}s.monitoring.coreos.com")},
        "spec": {
            "group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": {"plural": format!("{singular}s"), "singular": singular, "kind": kind},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

#[test]
fn the_operator_keeps_the_controller_with_the_rights_that_the_manifests_give_it() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let release = server.payload("p", &["--distribution", "ocp"])?;
    server.run("all", &["--release", &release])?.interrupt()?;
    server.kubectl.run(&["delete", "leases", "--all", "-n", "openshift-machine-config-operator"])?;
    for namespace in ["config-managed", "kube-apiserver-operator", "machine-api"] {
        server.kubectl.run(&["create", "namespace", &format!("openshift-{namespace}")])?;
    }
    for kind in ["ServiceMonitor", "PrometheusRule"] {
        server.kubectl.pipe(monitoring(kind).to_string().as_bytes(), &["apply", "-f", "-"])?;
    }
    server.kubectl.run(&["wait", "--for=condition=Established", "crd", "--all"])?;
    let print = |more: &[&str]| -> Result<(Vec<u8>, Vec<Value>)> {
        let printed = weir().args(["manifests", "--image", "registry.example.com/weir:1"]).args(more).output()?.stdout;
        let objects = serde_saphyr::from_multiple(std::str::from_utf8(&printed)?)?;
        Ok((printed, objects))
    };
    let (printed, operator) = print(&["--operator-keeps-controller"])?;
    server.kubectl.pipe(&printed, &["apply", "--server-side", "--force-conflicts", "-f", "-"])?;
    let kubeconfig = of_account(&server, "weir-operator")?;
    let deployment = operator.iter().find(|object| object["kind"] == "Deployment").context("no deployment")?;
    let told = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().context("no arguments")?;
    let told = told.iter().filter_map(Value::as_str).filter(|argument| argument.starts_with("--controller"));
    let start = |more: &[&str]| {
        let mut command = weir();
        command.args(["run", "operator", "--distribution", "ocp", "--kubeconfig"]).arg(&kubeconfig);
        let mut program = Program::start(command.args(told.clone()).args(more))?;
        program.until("leading")?;
        anyhow::Ok(program)
    };
    let namespace = "--namespace=openshift-machine-config-operator";
    let mut program = start(&[])?;
    server.kubectl.run(&["wait", "--for=create", "servicemonitor/weir-controller", namespace, "--timeout=60s"])?;
    let (_, all) = print(&[])?;
    let kept = all.into_iter().filter(|object| object["metadata"]["name"] == "weir-controller");
    let kept: Vec<Value> = kept.filter(|object| !operator.contains(object)).collect();
    assert_eq!(kept.len(), 13, "{kept:#?}");
    for object in &kept {
        let file = server.folder.path().join("object");
        std::fs::write(&file, object.to_string())?;
        server.kubectl.get(&["-f", &file.display().to_string()])?;
    }

    let rights = || server.kubectl.get(&["clusterrole/weir-controller"]);
    let before = rights()?["rules"].clone();
    let more = json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}).to_string();
    server.kubectl.run(&["patch", "clusterrole/weir-controller", "--type=merge", "-p", &more])?;
    server.kubectl.run(&["scale", "deployment/weir-controller", namespace, "--replicas=0"])?;
    let replicas = "--for=jsonpath={.spec.replicas}=2";
    server.kubectl.run(&["wait", "deployment/weir-controller", namespace, replicas, "--timeout=60s"])?;
    assert_eq!(rights()?["rules"], before);
    assert!(program.interrupt()?.success());
    let mut without = start(&["--no-monitoring"])?;
    server.kubectl.run(&["wait", "--for=delete", "servicemonitor/weir-controller", namespace, "--timeout=60s"])?;
    assert!(without.interrupt()?.success());
    for said in [program.rest(), without.rest()] {
        assert!(!said.contains("forbidden"), "{said}");
    }
    server.kubectl.get(&["servicemonitor/weir-operator", namespace])?;
    the_builder_comes_and_goes(&server, || start(&[]))
}

/// With a MachineOSConfig, and with the rights that the operator has.
fn the_builder_comes_and_goes(server: &Server, start: impl FnOnce() -> Result<Program>) -> Result<()> {
    let mut program = start()?;
    let (namespace, builder) = ("--namespace=openshift-machine-config-operator", "deployment/weir-builder");
    server.kubectl.get(&["serviceaccount/weir-image-build", namespace])?;
    let wait = |condition: &str| server.kubectl.run(&["wait", condition, builder, namespace, "--timeout=60s"]);
    let config = json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineOSConfig", "metadata": {"name": "worker"},
        "spec": {
            "machineConfigPool": {"name": "worker"}, "imageBuilder": {"imageBuilderType": "Job"},
            "renderedImagePushSecret": {"name": "push"}, "renderedImagePushSpec": "registry.example.com/os/worker:latest",
        },
    });
    server.kubectl.pipe(config.to_string().as_bytes(), &["apply", "-f", "-"])?;
    wait("--for=create")?;
    server.kubectl.run(&["delete", "machineosconfig/worker", "--timeout=60s"])?;
    wait("--for=delete")?;
    assert!(program.interrupt()?.success());
    assert!(!program.rest().contains("forbidden"), "{}", program.rest());
    Ok(())
}

/// Makes what weir seeded what another operator's build made, and returns the names of the MachineConfigs it "generated".
fn of_another_operator(server: &Server, build: &str, hash: &str) -> Result<Vec<String>> {
    const GROUP: &str = "machineconfiguration.openshift.io";
    let annotate = |object: &str, key: &str, value: &str| {
        server.kubectl.run(&["annotate", "--overwrite", object, &format!("{GROUP}/{key}{value}")])
    };
    for object in ["controllerconfig/machine-config-controller", "clusterversion/version", "featuregate/cluster"] {
        annotate(object, "seeded-by", "-")?;
    }
    annotate("controllerconfig/machine-config-controller", "generated-by-version", &format!("={build}"))?;
    annotate("osimagestream/cluster", "release-image-version", &format!("={hash}"))?;
    let all = server.kubectl.run(&["get", "machineconfigs", "-o", "name"])?;
    let generated: Vec<String> = all.lines().filter(|name| !name.contains("/rendered-")).map(str::to_owned).collect();
    for config in &generated {
        annotate(config, "generated-by-controller-version", &format!("={hash}"))?;
    }
    Ok(generated)
}

#[test]
fn the_work_of_another_operator_is_continued_and_no_node_is_told_anything_for_it() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let release = server.payload("p", &["--distribution", "ocp"])?;
    let machines = Machines::start(&server.kubeconfig(), &[("master", 1), ("worker", 2)])?;
    let mut seeding = server.run("all", &["--release", &release])?;
    server.wait("mcp/worker", ".status.updatedMachineCount", "2")?;
    server.wait("mcp/master", ".status.updatedMachineCount", "1")?;
    assert!(seeding.interrupt()?.success());
    let generated = of_another_operator(&server, "v4.99.0", "0123abc")?;
    let told = || {
        let state = |item: &Value| {
            let of = |path: &str| item.pointer(path).cloned().unwrap_or_default();
            (of("/metadata/name"), of("/spec/configuration/name"), of("/metadata/annotations"))
        };
        let mut all = Vec::new();
        for kind in ["nodes", "mcp", "osimagestreams"] {
            let list = server.kubectl.get(&[kind])?;
            all.extend(list["items"].as_array().into_iter().flatten().map(state));
        }
        anyhow::Ok(all)
    };
    let before = told()?;

    // Who is not told to continue it leaves all to that operator, its policy and a catalogue of another build, too.
    let binding = "validatingadmissionpolicybinding/machineconfigpool-osimagestream-reference-validation-binding";
    let deny = json!({"spec": {"paramRef": {"parameterNotFoundAction": "Deny"}}}).to_string();
    server.kubectl.run(&["patch", binding, "--type", "merge", "-p", &deny])?;
    let versions = || {
        let kinds = "osimagestreams,validatingadmissionpolicies,validatingadmissionpolicybindings,machineconfigs,controllerconfigs";
        server.kubectl.run(&["get", kinds, "-o", "custom-columns=N:.metadata.name,V:.metadata.resourceVersion"])
    };
    let kept = versions()?;
    let mut program = server.run("all", &["--distribution", "ocp"])?;
    server.wait("mcp/worker", ".status.conditions[?(@.type==\"RenderDegraded\")].reason", "OtherBuild")?;
    server.wait("clusteroperator/machine-config", ".status.conditions[?(@.type==\"Degraded\")].status", "True")?;
    assert!(program.interrupt()?.success());
    assert_eq!((told()?, versions()?), (before.clone(), kept));

    let stale = generated.iter().find(|name| name.contains("worker")).context("nothing for workers")?;
    let mark = "machineconfiguration.openshift.io/generated-by-controller-version";
    server.kubectl.run(&["annotate", "--overwrite", stale, &format!("{mark}=def")])?;
    let refused = server.refused(&["--take-over", "--distribution", "ocp"])?;
    assert!(refused.contains("taking over") && refused.contains("of several builds"), "{refused}");
    server.kubectl.run(&["annotate", "--overwrite", stale, &format!("{mark}=0123abc")])?;

    let mut program = server.run("all", &["--take-over", "--distribution", "ocp"])?;
    program.until("continuing the work of build v4.99.0 (0123abc)")?;
    // An intent that comes after shows that it works; until then nothing may have moved.
    let available = ".status.conditions[?(@.type==\"Progressing\")].status";
    server.wait("clusteroperator/machine-config", available, "False")?;
    assert_eq!(told()?, before);
    let file = server.folder.path().join("99-more.json");
    let config = json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
        "metadata": {"name": "99-more", "labels": {"machineconfiguration.openshift.io/role": "worker"}},
        "spec": {"kernelArguments": ["a=b"]},
    });
    std::fs::write(&file, config.to_string())?;
    let target = server.kubectl.get(&["mcp/worker"])?["spec"]["configuration"]["name"].clone();
    server.kubectl.run(&["apply", "-f", &file.display().to_string()])?;
    let moved = "--for=jsonpath={.spec.configuration.source[?(@.name==\"99-more\")].name}=99-more";
    server.kubectl.run(&["wait", "mcp/worker", moved, "--timeout=60s"])?;
    let next = server.kubectl.get(&["mcp/worker"])?["spec"]["configuration"]["name"].clone();
    assert_ne!(next, target);
    server.wait("mcp/worker", ".status.configuration.name", next.as_str().unwrap_or_default())?;
    assert!(program.interrupt()?.success(), "{}", program.rest());
    machines.end();
    Ok(())
}

/// What an OpenShift holds, as far as the operator looks at it.
fn openshift() -> String {
    let config = |kind: &str, name: &str, spec: Value, status: Value| {
        let version = "config.openshift.io/v1";
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec, "status": status})
    };
    let map = |namespace: &str, name: &str, data: Value| {
        let metadata = json!({"name": name, "namespace": namespace});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    };
    let (own, managed) = ("openshift-machine-config-operator", "openshift-config-managed");
    let images = json!({"releaseVersion": "5.0.0", "machineConfigOperator": "q/mco"}).to_string();
    let release = json!({"version": "5.0.0", "image": "quay.example.com/release@sha256:1"});
    let version = json!({"desired": release, "availableUpdates": [], "observedGeneration": 1, "versionHash": ""});
    let gates = json!([{"version": "5.0.0", "enabled": [], "disabled": [{"name": "OSStreams"}]}]);
    let infrastructure = json!({"platform": "None", "apiServerInternalURI": "https://api-int.example.com:6443"});
    let os = json!({
        "baseOSContainerImage": "q/os", "baseOSExtensionsContainerImage": "q/extensions", "osImageURL": "",
        "releaseVersion": "5.0.0",
    });
    let items = [
        config("ClusterVersion", "version", json!({"clusterID": "x"}), version),
        config("FeatureGate", "cluster", json!({}), json!({ "featureGates": gates })),
        config("Infrastructure", "cluster", json!({}), infrastructure),
        config("Network", "cluster", json!({"serviceNetwork": ["172.30.0.0/16"]}), json!({"networkType": "OVN"})),
        config("DNS", "cluster", json!({"baseDomain": "example.com"}), json!({})),
        config("Image", "cluster", json!({"additionalTrustedCA": {"name": "mine"}}), json!({})),
        config("ClusterOperator", "image-registry", json!({}), json!({})),
        map(own, "machine-config-operator-images", json!({ "images.json": images })),
        map(own, "machine-config-osimageurl", os),
        map(own, "machine-config-server-ca", json!({"ca-bundle.crt": "server ca"})),
        map(managed, "kube-apiserver-client-ca", json!({"ca-bundle.crt": "client ca"})),
        map(managed, "kube-apiserver-server-ca", json!({"ca-bundle.crt": "api ca"})),
        map("openshift-config", "mine", json!({"r.example.com": "mine ca"})),
        map("kube-system", "bootstrap", json!({"status": "complete"})),
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "machine-os-puller", "namespace": own}, "imagePullSecrets": [{"name": "p"}],
        }),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "p", "namespace": own},
            "type": "kubernetes.io/dockercfg", "stringData": {".dockercfg": "{\"quay.io\":{\"auth\":\"eDp5\"}}"},
        }),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull-secret", "namespace": "openshift-config"},
            "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{}"},
        }),
    ];
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

#[test]
fn on_an_openshift_the_operator_keeps_the_controller_config_with_the_rights_that_the_manifests_give_it() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let apply = |name: &str, text: &[u8]| {
        let file = server.folder.path().join(name);
        std::fs::write(&file, text)?;
        server.kubectl.run(&["apply", "--server-side", "--force-conflicts", "-f", &file.display().to_string()])
    };
    apply("crds.yaml", &weir().args(["crds", "--foreign"]).output()?.stdout)?;
    for namespace in ["config", "config-managed", "kube-apiserver-operator", "machine-api", "machine-config-operator"] {
        server.kubectl.run(&["create", "namespace", &format!("openshift-{namespace}")])?;
    }
    let all = openshift();
    apply("openshift.json", all.as_bytes())?;
    let all: Value = serde_json::from_str(&all)?;
    for object in all["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|object| object["status"].is_object() && object["kind"] != "Network")
    {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let patch = json!({"status": object["status"]}).to_string();
        let what = format!("{}.config.openshift.io", text("/kind"));
        server.kubectl.run(&[
            "patch",
            &what,
            text("/metadata/name"),
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ])?;
    }
    let manifests = ["manifests", "--image", "registry.example.com/weir:1", "--no-monitoring"];
    apply("manifests.yaml", &weir().args(manifests).output()?.stdout)?;

    let mut command = weir();
    command
        .args(["run", "operator", "--distribution", "ocp", "--kubeconfig"])
        .arg(of_account(&server, "weir-operator")?);
    let mut operator = Program::start(&mut command)?;
    operator.until("leading")?;
    let config = "controllerconfig/machine-config-controller";
    let made = server.kubectl.run(&["wait", "--for=create", config, "--timeout=60s"]);
    made.with_context(|| operator.rest())?;
    let made = server.kubectl.get(&[config])?;
    assert_eq!(made["spec"]["baseOSContainerImage"], "q/os");
    assert_eq!(made["spec"]["imageRegistryBundleUserData"][0]["file"], "r.example.com");
    assert!(made["spec"]["internalRegistryPullSecret"].is_string(), "{made}");
    let namespaced = |namespace: &str, what: &str| server.kubectl.get(&["-n", namespace, what]);
    namespaced("openshift-machine-config-operator", "configmap/kubeconfig-data")?;
    namespaced("openshift-config-managed", "configmap/merged-trusted-image-registry-ca")?;
    namespaced("openshift-machine-api", "secret/worker-user-data-managed")?;
    server.kubectl.get(&["machineconfiguration/cluster"])?;
    // Changes go the same way.
    let proxy = json!({"spec": {"networkType": "Other"}, "status": {"networkType": "Other"}}).to_string();
    server.kubectl.run(&["patch", "networks.config.openshift.io/cluster", "--type=merge", "-p", &proxy])?;
    server.wait(config, ".spec.networkType", "Other")?;
    assert!(operator.interrupt()?.success());
    let said = operator.rest();
    assert!(!said.contains("forbidden"), "{said}");
    Ok(())
}
