//! `weir render`, `weir explain file` and `weir bootstrap` as a user has them: files in, text and files out.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Output, Stdio},
};
use weir_testkit::{Options, Registry};

const VERSION: &str = "machineconfiguration.openshift.io/v1";

fn weir(arguments: &[&str], stdin: &str) -> Result<Output> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(arguments)
        .env_remove("KUBECONFIG")
        .env_remove("RELEASE_VERSION")
        .env_remove("REGISTRY_AUTH_FILE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // The program may end before it has read everything.
    let _ = child.stdin.take().context("stdin is piped")?.write_all(stdin.as_bytes());
    Ok(child.wait_with_output()?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn pool(name: &str) -> Value {
    let selector = json!({ "matchExpressions": [
        { "key": "machineconfiguration.openshift.io/role", "operator": "In", "values": ["worker", name] },
    ] });
    json!({ "apiVersion": VERSION, "kind": "MachineConfigPool", "metadata": { "name": name }, "spec": { "machineConfigSelector": selector } })
}

fn config(name: &str, role: &str, spec: Value) -> Value {
    let labels = json!({ "machineconfiguration.openshift.io/role": role });
    json!({ "apiVersion": VERSION, "kind": "MachineConfig", "metadata": { "name": name, "labels": labels }, "spec": spec })
}

fn with_file(path: &str, source: &str) -> Value {
    let file = json!({ "path": path, "mode": 420, "contents": { "source": source } });
    json!({ "config": { "ignition": { "version": "3.5.0" }, "storage": { "files": [file] } } })
}

fn controller_config() -> Value {
    json!({
        "apiVersion": VERSION, "kind": "ControllerConfig", "metadata": { "name": "machine-config-controller" },
        "spec": { "baseOSContainerImage": "registry.example.com/os@sha256:1" },
    })
}

fn list(items: &[Value]) -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

fn cluster() -> [Value; 4] {
    [
        pool("worker"),
        controller_config(),
        config("00-base", "worker", with_file("/etc/motd", "data:,hello%0A")),
        config("99-mine", "worker", with_file("/etc/motd", "data:;base64,Z29vZGJ5ZQo=")),
    ]
}

#[test]
fn recorded_cases() -> Result<()> {
    for line in weir_recorded::read("render.jsonl").lines() {
        let case: Value = serde_json::from_str(line)?;
        let mut items = vec![case["pool"].clone(), case["controllerConfig"].clone()];
        items.extend(case["machineConfigs"].as_array().context("machineConfigs")?.iter().cloned());
        if case["stream"].is_object() {
            let status = json!({ "availableStreams": [case["stream"]], "defaultStream": case["stream"]["name"] });
            items.push(json!({ "apiVersion": VERSION, "kind": "OSImageStream", "metadata": { "name": "cluster" }, "status": status }));
        }
        let output = weir(&["render", "-f", "-", "-o", "json"], &list(&items))?;
        let printed: Value = serde_json::from_slice(&output.stdout)?;
        match &case["rendered"] {
            Value::Null => {
                assert_eq!(output.status.code(), Some(1), "{}", case["id"]);
                let pool = case["pool"]["metadata"]["name"].as_str().context("pool")?;
                assert!(text(&output.stderr).contains(&format!("pool {pool}: ")), "{}", text(&output.stderr));
                assert_eq!(printed["items"], json!([]));
            }
            rendered => {
                assert!(output.status.success(), "{}: {}", case["id"], text(&output.stderr));
                assert_eq!(printed["items"][0]["metadata"]["name"], rendered["name"], "{}", case["id"]);
                assert_eq!(printed["items"][0]["spec"], rendered["spec"], "{}", case["id"]);
            }
        }
    }
    Ok(())
}

#[test]
fn a_pool_that_fails_stops_no_other() -> Result<()> {
    let mut items = cluster().to_vec();
    items.push(pool("infra"));
    items.push(config("99-broken", "infra", json!({ "config": { "ignition": { "version": "3.9.0" } } })));
    let output = weir(&["render", "-f", "-", "-o", "name"], &list(&items))?;
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stdout);
    assert!(printed.starts_with("machineconfig.machineconfiguration.openshift.io/rendered-worker-"), "{printed}");
    assert_eq!(printed.lines().count(), 1);
    let said = text(&output.stderr);
    assert!(
        said.contains("error: pool infra: parsing Ignition config failed: unknown version")
            && said.contains("99-broken"),
        "{said}"
    );
    let only = weir(&["render", "-f", "-", "-o", "name", "--pool", "worker"], &list(&items))?;
    assert!(only.status.success() && text(&only.stdout) == printed);
    let none = weir(&["render", "-f", "-", "--pool", "gpu"], &list(&items))?;
    assert_eq!(text(&none.stderr), "error: there is no MachineConfigPool gpu; there are: infra, worker\n");
    Ok(())
}

#[test]
fn folders_and_yaml() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [pool, controller, base, mine] = cluster();
    std::fs::write(folder.path().join("a.yaml"), format!("{pool}\n---\n{controller}\n"))?;
    std::fs::write(folder.path().join("b.json"), list(&[base, mine]))?;
    std::fs::write(folder.path().join("notes.txt"), "not: [a manifest")?;
    let path = folder.path().to_string_lossy().into_owned();
    let output = weir(&["render", "-f", &path, "--explain"], "")?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("name: rendered-worker-"));
    let told = "storage.files[/etc/motd]: MachineConfig 99-mine, instead of 00-base";
    assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
    std::fs::write(folder.path().join("c.yaml"), "a: 1\n---\nb:\n  - [\n")?;
    let broken = text(&weir(&["render", "-f", &path], "")?.stderr);
    assert!(broken.contains("c.yaml: document 2 (line 2): line "), "{broken}");
    Ok(())
}

#[test]
fn explaining_a_file() -> Result<()> {
    let all = list(&cluster());
    let output = weir(&["explain", "file", "/etc/motd", "--pool", "worker", "-f", "-"], &all)?;
    assert_eq!(
        text(&output.stdout),
        "/etc/motd on machines of pool worker: MachineConfig 99-mine, instead of 00-base\n  \
         MachineConfig 00-base gives contents.source, mode\n  MachineConfig 99-mine gives contents.source, mode\n  \
         mode 0644\n\ngoodbye\n"
    );
    let output = weir(&["explain", "file", "/etc/motd", "--pool", "worker", "-f", "-", "-o", "json"], &all)?;
    let told: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!((&told["from"], &told["shadowed"]), (&json!("99-mine"), &json!(["00-base"])));
    assert_eq!(told["contents"], json!({ "text": "goodbye\n" }));
    let none = weir(&["explain", "file", "/etc/none", "--pool", "worker", "-f", "-"], &all)?;
    assert_eq!(text(&none.stderr), "error: no file /etc/none is written to machines of pool worker\n");
    Ok(())
}

/// A pull secret without credentials.
const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: pull}\ntype: kubernetes.io/dockerconfigjson\n\
                      stringData: {.dockerconfigjson: '{\"auths\":{}}'}\n";

fn feature_gate(enabled: &[&str]) -> Value {
    let names: Vec<Value> = enabled.iter().map(|name| json!({ "name": name })).collect();
    let list = json!({ "version": "0.0.1-snapshot", "enabled": names, "disabled": [] });
    json!({ "apiVersion": "config.openshift.io/v1", "kind": "FeatureGate", "metadata": { "name": "cluster" }, "status": { "featureGates": [list] } })
}

fn bootstrap(manifests: &[Value], pull_secret: &str) -> Result<(Output, BTreeMap<String, String>)> {
    let folder = tempfile::tempdir()?;
    let (from, to) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::create_dir(&from)?;
    for (index, manifest) in manifests.iter().enumerate() {
        std::fs::write(from.join(format!("{index:02}.anything")), manifest.to_string())?;
    }
    let secret = folder.path().join("pull.yaml");
    std::fs::write(&secret, pull_secret)?;
    let [from, to, secret] = [from, to, secret].map(|p| p.to_string_lossy().into_owned());
    let output = weir(&["bootstrap", "--manifest-dir", &from, "--dest-dir", &to, "--pull-secret", &secret], "")?;
    let mut written = BTreeMap::new();
    for kind in std::fs::read_dir(&to).into_iter().flatten() {
        for file in std::fs::read_dir(kind?.path())? {
            let path = file?.path();
            let name = path.strip_prefix(&to)?.to_string_lossy().into_owned();
            written.insert(name, std::fs::read_to_string(&path)?);
        }
    }
    Ok((output, written))
}

#[test]
fn bootstrapping() -> Result<()> {
    let mut manifests = cluster().to_vec();
    let api_server =
        json!({ "apiVersion": "config.openshift.io/v1", "kind": "APIServer", "metadata": { "name": "cluster" } });
    manifests.extend([feature_gate(&[]), api_server]);
    manifests.push(json!({ "apiVersion": "elsewhere.example.com/v1", "kind": "MachineConfig" }));
    let (output, written) = bootstrap(&manifests, SECRET)?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let offline = weir(&["render", "-f", "-", "-o", "name"], &list(&cluster()))?;
    let name = text(&offline.stdout).trim().rsplit('/').next().unwrap_or_default().to_owned();
    let paths: Vec<&str> = written.keys().map(String::as_str).collect();
    let config = format!("machine-configs/{name}.yaml");
    assert_eq!(
        paths,
        [
            "api-server/api-server.yaml",
            "controller-config/machine-config-controller.yaml",
            &config,
            "machine-pools/worker.yaml"
        ]
    );
    let worker = &written["machine-pools/worker.yaml"];
    assert_eq!(worker.matches(&name).count(), 2, "{worker}");
    assert!(worker.contains("00-base") && worker.contains("99-mine"), "{worker}");
    Ok(())
}

#[test]
fn bootstrapping_what_cannot_be() -> Result<()> {
    let [pool, controller, base, _] = cluster();
    let gate = feature_gate(&[]);
    let kubelet = json!({ "apiVersion": VERSION, "kind": "KubeletConfig", "metadata": { "name": "k" }, "spec": {} });
    let os_config = json!({ "apiVersion": VERSION, "kind": "MachineOSConfig", "metadata": { "name": "worker" }, "spec": { "machineConfigPool": { "name": "worker" } } });
    for (manifests, why) in [
        (vec![pool.clone(), gate.clone()], "no controllerconfig found in dir"),
        (vec![pool.clone(), controller.clone()], "no featuregate found in dir"),
        (vec![pool.clone(), controller.clone(), gate.clone()], "no MachineConfigs found matching selector"),
        (vec![json!({ "kind": "X" }), controller.clone()], "Object 'apiVersion' is missing in"),
        (
            vec![controller.clone(), gate.clone(), kubelet],
            "KubeletConfig k: MachineConfigs are generated from it with the templates of the release: name their folder",
        ),
        (vec![pool, controller, base, gate, os_config], "is missing required annotation"),
    ] {
        let (output, written) = bootstrap(&manifests, SECRET)?;
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
        assert!(written.is_empty(), "{written:?}");
    }
    Ok(())
}

#[test]
fn bootstrapping_with_the_streams_of_a_release() -> Result<()> {
    let options = Options { tls: true, user: Some(("weir".to_owned(), "secret".to_owned())), ..Options::default() };
    let Some(registry) = Registry::start(&options)? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (layout, authfile, ca) = (path("p"), path("auth.json"), path("ca.crt"));
    std::fs::write(&authfile, registry.authfile(None))?;
    std::fs::write(&ca, registry.ca())?;
    assert!(weir(&["payload", "build", "--distribution", "ocp", "-o", &layout], "")?.status.success());
    let to = format!("{}/ocp/release", registry.host());
    let push = ["payload", "push", &format!("oci:{layout}"), &to, "--authfile", &authfile, "--trust-bundle", &ca];
    let pushed = weir(&push, "")?;
    assert!(pushed.status.success(), "{}", text(&pushed.stderr));
    let bundle = base64::engine::general_purpose::STANDARD.encode(registry.ca());
    let mut controller = controller_config();
    controller["spec"] = json!({ "releaseImage": text(&pushed.stdout).trim(), "additionalTrustBundle": bundle });
    let data = json!({ ".dockerconfigjson": registry.authfile(None) });
    let secret =
        json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson", "stringData": data });
    let mut manifests = vec![pool("worker"), controller, feature_gate(&["OSStreams"])];
    manifests.push(config("00-base", "worker", with_file("/etc/motd", "data:,hello")));
    let (output, written) = bootstrap(&manifests, &secret.to_string())?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let image = |text: &str, field: &str| {
        let line = text.lines().find_map(|l| l.trim().strip_prefix(&format!("{field}: ")).map(str::to_owned));
        line.with_context(|| format!("no {field} in {text}"))
    };
    let rendered = written.iter().find(|(name, _)| name.starts_with("machine-configs/")).context("a MachineConfig")?.1;
    let os_image = image(rendered, "osImageURL")?;
    assert!(os_image.contains(&format!("{to}@sha256:")), "{os_image}");
    let controller = &written["controller-config/machine-config-controller.yaml"];
    assert_eq!(image(controller, "baseOSContainerImage")?, os_image);
    let (refused, written) = bootstrap(&manifests, SECRET)?;
    assert_eq!((refused.status.code(), written.len()), (Some(1), 0));
    assert!(text(&refused.stderr).contains("asks for credentials"), "{}", text(&refused.stderr));
    Ok(())
}

/// A cluster in the middle of an update: its FeatureGate has a list for each version.
fn gathered() -> Vec<Value> {
    let object = |group: &str, kind: &str, name: &str| json!({ "apiVersion": format!("{group}/v1"), "kind": kind, "metadata": { "name": name, "resourceVersion": "7" } });
    let with = |mut object: Value, field: &str, value: Value| {
        object[field] = value;
        object
    };
    let mut worker = pool("worker");
    worker["spec"]["nodeSelector"] = json!({ "matchLabels": { "node-role.kubernetes.io/worker": "" } });
    worker["spec"]["configuration"] = json!({ "name": "rendered-worker-2" });
    let labels = json!({ "node-role.kubernetes.io/worker": "" });
    let told = json!({
        "machineconfiguration.openshift.io/currentConfig": "rendered-worker-1",
        "machineconfiguration.openshift.io/desiredConfig": "rendered-worker-1",
        "machineconfiguration.openshift.io/state": "Done",
    });
    let node = |name: &str| json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": labels, "annotations": told } });
    let set = json!({ "name": "rhel-10", "osImage": "registry.example.com/ten@sha256:1", "osExtensionsImage": "registry.example.com/x@sha256:2" });
    let gates = json!({ "featureGates": [
        { "version": "5.0.0", "enabled": [], "disabled": [{ "name": "OSStreams" }] },
        { "version": "5.0.1", "enabled": [{ "name": "OSStreams" }], "disabled": [] },
    ] });
    let [_, controller, base, mine] = cluster();
    let mut all = vec![worker, controller, base, mine, node("a"), node("b")];
    all.push(with(
        object("machineconfiguration.openshift.io", "OSImageStream", "cluster"),
        "status",
        json!({ "availableStreams": [set], "defaultStream": "rhel-10" }),
    ));
    all.push(with(object("config.openshift.io", "FeatureGate", "cluster"), "status", gates));
    let desired = json!({ "desired": { "version": "5.0.1", "image": "registry.example.com/release@sha256:3" } });
    all.push(with(object("config.openshift.io", "ClusterVersion", "version"), "status", desired));
    for object in &mut all {
        object["metadata"]["resourceVersion"] = json!("7");
    }
    all
}

/// Writes objects as `oc adm inspect` does, each in a file of its own and nodes in a list as well.
fn inspected(folder: &std::path::Path, objects: &[Value]) -> Result<()> {
    let put = |path: &str, text: &str| -> Result<()> {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        Ok(std::fs::write(path, text)?)
    };
    for object in objects {
        let word = |field: &Value| field.as_str().unwrap_or_default().to_owned();
        let (version, kind) = (word(&object["apiVersion"]), word(&object["kind"]).to_lowercase());
        let group = version.split_once('/').map_or("core", |(group, _)| group).to_owned();
        let path = format!("cluster-scoped-resources/{group}/{kind}s/{}.yaml", word(&object["metadata"]["name"]));
        put(&path, &format!("---\n{}", serde_json::to_string_pretty(object)?))?;
    }
    let nodes: Vec<&Value> = objects.iter().filter(|object| object["kind"] == "Node").collect();
    put(
        "cluster-scoped-resources/core/nodes.yaml",
        &json!({ "kind": "NodeList", "apiVersion": "v1", "items": nodes }).to_string(),
    )?;
    put("namespaces/all/core/pods.yaml", &list(&[]))?;
    put("namespaces/x/pods/p/c/c/logs/current.log", "not: [a manifest")?;
    put("aggregated-discovery-apis.yaml", "apidiscovery: {}\n")?;
    put("event-filter.html", "<html></html>")
}

#[test]
fn the_same_from_a_must_gather_an_archive_and_a_list() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let objects = gathered();
    inspected(&folder.path().join("inspect.local.1"), &objects)?;
    inspected(&folder.path().join("must-gather.local.1/quay-io-sha256-1"), &objects)?;
    std::fs::write(path("must-gather.local.1/timestamp"), "now")?;
    std::fs::write(path("list.json"), list(&objects))?;
    for (archive, of) in [
        ("inspect.tar", "inspect.local.1"),
        ("inspect.tgz", "inspect.local.1"),
        ("must-gather.tar.gz", "must-gather.local.1"),
    ] {
        let packed = Command::new("tar").args(["-caf", &path(archive), "-C", &path(""), of]).status()?;
        assert!(packed.success());
    }
    for (command, part) in [
        (vec!["explain", "stream"], "pool worker gets stream rhel-10: it is the default"),
        (vec!["explain", "stream", "-o", "json"], "\"osImage\": \"registry.example.com/ten@sha256:1\""),
        (vec!["explain", "file", "/etc/motd", "--pool", "worker"], "MachineConfig 99-mine, instead of 00-base"),
        (vec!["explain", "rollout"], "  a  may start now, as number 1"),
        (vec!["explain", "rollout", "--pool", "worker", "-o", "json"], "\"capacity\": 1"),
        (vec!["render"], "osImageURL: registry.example.com/ten@sha256:1"),
        (vec!["render", "-o", "name"], "/rendered-worker-"),
        (vec!["status"], "\nworker "),
        (vec!["status", "--nodes", "-o", "json"], "\"withoutPool\": []"),
    ] {
        let of = |input: &str| {
            let output = weir(&[command.clone(), vec!["-f", &path(input)]].concat(), "")?;
            anyhow::ensure!(output.status.success(), "{command:?} -f {input}: {}", text(&output.stderr));
            anyhow::ensure!(output.stderr.is_empty(), "{command:?} -f {input}: {}", text(&output.stderr));
            // Conditions that nobody has set yet are of now.
            let told = text(&output.stdout);
            Ok(told.lines().filter(|line| !line.contains("lastTransitionTime")).collect::<Vec<_>>().join("\n"))
        };
        let told = of("list.json")?;
        assert!(told.contains(part), "{command:?}: {told}");
        for input in ["inspect.local.1", "inspect.tar", "inspect.tgz", "must-gather.local.1", "must-gather.tar.gz"] {
            assert_eq!(of(input)?, told, "{command:?} -f {input}");
        }
    }
    Ok(())
}

#[test]
fn the_gates_of_the_version_that_the_cluster_is_to_run_count() -> Result<()> {
    for (version, stream) in [("5.0.0", "gets no stream"), ("5.0.1", "gets stream rhel-10")] {
        let mut objects = gathered();
        for object in objects.iter_mut().filter(|object| object["kind"] == "ClusterVersion") {
            object["status"]["desired"]["version"] = json!(version);
        }
        let told = weir(&["explain", "stream", "-f", "-"], &list(&objects))?;
        assert!(text(&told.stdout).contains(stream), "{version}: {}{}", text(&told.stdout), text(&told.stderr));
    }
    let mut objects = gathered();
    objects.retain(|object| object["kind"] != "ClusterVersion");
    let told = weir(&["explain", "stream", "-f", "-"], &list(&objects))?;
    assert_eq!(told.status.code(), Some(1));
    let said = "pool worker gets no stream: unable to determine features";
    assert!(text(&told.stdout).starts_with(said), "{told:?}");
    // What does not need them is told all the same.
    assert_eq!(weir(&["status", "-f", "-"], &list(&objects))?.status.code(), Some(0));
    Ok(())
}

#[test]
fn where_there_is_nothing_to_tell_that_is_said() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let objects: Vec<Value> = gathered().into_iter().filter(|object| object["kind"] != "MachineConfigPool").collect();
    inspected(folder.path(), &objects)?;
    let place = folder.path().to_string_lossy().into_owned();
    for command in [
        vec!["explain", "stream"],
        vec!["explain", "file", "/etc/motd", "--pool", "worker"],
        vec!["explain", "rollout"],
        vec!["explain", "rollout", "-o", "json"],
        vec!["render"],
        vec!["status"],
    ] {
        let output = weir(&[command.clone(), vec!["-f", &place]].concat(), "")?;
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{command:?}: {said}");
        let found =
            "4 Node, 2 MachineConfig, 1 ClusterVersion, 1 ControllerConfig, 1 FeatureGate, 1 OSImageStream in 11 files";
        assert_eq!(said, format!("error: no MachineConfigPool in {place}: found {found}\n"), "{command:?}");
    }
    let watched = weir(&["status", "--watch", "-f", &place], "")?;
    assert_eq!(watched.status.code(), Some(2), "files do not change: {}", text(&watched.stderr));
    Ok(())
}

/// Whoever may read everything is made somebody who may not.
#[test]
fn a_folder_that_may_not_be_read() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir()?;
    let place = folder.path().to_string_lossy().into_owned();
    std::fs::write(folder.path().join("all.json"), list(&cluster()))?;
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed)?;
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000))?;
    let render = || {
        let drop = ["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"];
        let program = env!("CARGO_BIN_EXE_weir");
        match std::fs::read_dir(&closed) {
            Ok(_) => Command::new("setpriv")
                .args(drop)
                .arg(program)
                .args(["render", "-v", "-o", "name", "-f", &place])
                .output(),
            Err(_) => Command::new(program).args(["render", "-v", "-o", "name", "-f", &place]).output(),
        }
    };
    let refused = match render() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            weir_recorded::skip("a folder that may not be read", &weir_recorded::Absent::Program("setpriv"));
            return Ok(());
        }
        refused => refused?,
    };
    let said = format!("error: reading {}: Permission denied (os error 13)\n", closed.display());
    assert_eq!((refused.status.code(), text(&refused.stderr)), (Some(1), said));
    std::fs::write(folder.path().join("event-filter.html"), "")?;
    let passed_over = render()?;
    assert!(passed_over.status.success(), "{}", text(&passed_over.stderr));
    assert!(text(&passed_over.stderr).contains("passed over: reading "), "{}", text(&passed_over.stderr));
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700))?;
    Ok(())
}

#[test]
fn a_gigabyte_of_zeros_is_refused_in_little_memory() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for name in ["pool.yaml", "pod.log"] {
        std::fs::File::create(path(name))?.set_len(1 << 30)?;
        // Its header, and 64 times the same 16 MiB: packing each of them takes longer than everything else here.
        let pack = "{ tar -cf - \"$0\" 2>/dev/null | head -c 512 | gzip; head -c 16777216 /dev/zero | gzip > zeros;
            for n in $(seq 64); do cat zeros; done; } > bomb.tgz";
        let packed = Command::new("sh").args(["-c", pack, name]).current_dir(folder.path()).status()?;
        assert!(packed.success());
        std::fs::remove_file(path(name))?;
        let program = env!("CARGO_BIN_EXE_weir");
        let output =
            Command::new("prlimit").args(["--as=500000000", program, "status", "-f", &path("bomb.tgz")]).output();
        let output = match output {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                weir_recorded::skip("a gigabyte of zeros", &weir_recorded::Absent::Program("prlimit"));
                return Ok(());
            }
            output => output?,
        };
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with(&format!("error: reading {}: it unpacks to far more", path("bomb.tgz"))), "{said}");
    }
    Ok(())
}
