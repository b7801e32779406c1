//! `weir generate` as a user has it: objects and templates in, MachineConfigs out.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};
use tempfile::TempDir;

const GROUP: &str = "machineconfiguration.openshift.io";
const NAME: &str = "machine-config-controller";

fn weir(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let command = command.current_dir(folder).args(arguments).env_remove("KUBECONFIG").env_remove("REGISTRY_AUTH_FILE");
    Ok(command.output()?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn controller_config(name: &str) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "ControllerConfig", "metadata": {"name": name},
        "spec": {
            "clusterDNSIP": "172.30.0.10",
            "baseOSContainerImage": "registry.example.com/os@sha256:1",
            "pullSecret": {"namespace": "openshift-config", "name": "pull-secret"},
            "infra": {"status": {
                "controlPlaneTopology": "HighlyAvailable",
                "apiServerInternalURI": "https://api-int.example.test:6443",
                "platformStatus": {"type": "None"},
            }},
        },
    })
}

fn secret() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"namespace": "openshift-config", "name": "pull-secret"},
        "stringData": {".dockerconfigjson": "{\"auths\": {}}"},
    })
}

fn api_server(profile: &str) -> Value {
    json!({
        "apiVersion": "config.openshift.io/v1", "kind": "APIServer", "metadata": {"name": "cluster"},
        "spec": {"tlsSecurityProfile": {"type": profile}},
    })
}

/// A folder with these objects in `objects.json`, and with these files below `templates`.
fn given(objects: &[Value], templates: &[(&str, &str)]) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    fs::write(folder.path().join("objects.json"), list.to_string())?;
    for (path, text) in templates {
        let path = folder.path().join("templates").join(path);
        fs::create_dir_all(path.parent().context("a file in a folder")?)?;
        fs::write(path, text)?;
    }
    Ok(folder)
}

const FROM_FOLDER: [&str; 5] = ["generate", "-f", "objects.json", "--templates", "templates"];

#[test]
fn what_a_folder_of_templates_comes_to() -> Result<()> {
    let template = "path: /a\ncontents:\n  inline: {{.TLSMinVersion}} {{.PullSecret}}\n";
    let templates =
        [("worker/00-worker/_base/files/a", template), ("master/00-master/_base/units/u", "name: u.service")];
    let given = given(&[controller_config(NAME), secret(), api_server("Modern")], &templates)?;
    let names = weir(given.path(), &[&FROM_FOLDER[..], &["-o", "name"]].concat())?;
    assert_eq!(text(&names.stdout), format!("machineconfig.{GROUP}/00-master\nmachineconfig.{GROUP}/00-worker\n"));
    let list = weir(given.path(), &[&FROM_FOLDER[..], &["-o", "json"]].concat())?;
    let list: Value = serde_json::from_slice(&list.stdout)?;
    let worker = &list["items"][1];
    let source = &worker["spec"]["config"]["storage"]["files"][0]["contents"]["source"];
    assert_eq!(*source, "data:,VersionTLS13%20%7B%22auths%22%3A%7B%7D%7D");
    assert_eq!(worker["metadata"]["ownerReferences"][0]["name"], NAME);
    let yaml = weir(given.path(), &FROM_FOLDER)?;
    assert!(yaml.status.success() && text(&yaml.stdout).contains("kind: List"), "{}", text(&yaml.stdout));
    // What was generated can be rendered.
    let pool = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "MachineConfigPool", "metadata": {"name": "worker"},
        "spec": {"machineConfigSelector": {"matchLabels": {format!("{GROUP}/role"): "worker"}}},
    });
    fs::write(given.path().join("generated.yaml"), yaml.stdout)?;
    fs::write(given.path().join("pool.json"), pool.to_string())?;
    let rendered = weir(given.path(), &["render", "-f", "generated.yaml", "pool.json", "objects.json", "-o", "name"])?;
    assert!(text(&rendered.stdout).contains("rendered-worker-"), "{}", text(&rendered.stderr));
    Ok(())
}

#[test]
fn the_templates_of_a_release() -> Result<()> {
    for distribution in ["ocp", "okd"] {
        let given = given(&[controller_config(NAME), secret()], &[])?;
        let built = weir(given.path(), &["payload", "build", "--distribution", distribution, "-o", "payload"])?;
        ensure!(built.status.success(), "{}", text(&built.stderr));
        let arguments = ["generate", "-f", "objects.json", "--release", "oci:payload", "-o", "name"];
        let made = weir(given.path(), &arguments)?;
        let names: Vec<String> =
            text(&made.stdout).lines().filter_map(|line| line.rsplit('/').next()).map(str::to_owned).collect();
        let expected = ["master", "worker"]
            .map(|role| [format!("00-{role}"), format!("01-{role}-container-runtime"), format!("01-{role}-kubelet")]);
        assert_eq!(names, expected.concat(), "{}", text(&made.stderr));
    }
    Ok(())
}

#[test]
fn what_cannot_be_generated_is_told_and_nothing_is_half_made() -> Result<()> {
    let good = ("worker/00-worker/_base/files/a", "path: /a\n");
    let table: [(&[Value], (&str, &str), &str); 6] = [
        (
            &[controller_config(NAME), secret()],
            ("worker/00-worker/_base/files/b", "path: /a\nmode: {{.Nope}}"),
            "error: ControllerConfig machine-config-controller: failed to create MachineConfig for role worker: failed to execute template: \
             template: worker/00-worker/_base/files/b:2:8: ",
        ),
        (
            &[controller_config(NAME)],
            good,
            "error: ControllerConfig machine-config-controller: pull secret openshift-config/pull-secret: there is no such Secret",
        ),
        (&[secret()], good, "no ControllerConfig"),
        (
            &[controller_config(NAME), controller_config("other"), secret()],
            good,
            "two ControllerConfigs, machine-config-controller and other",
        ),
        (&[controller_config(NAME), secret()], ("a-file", "x"), "there is no folder of a role in it"),
        (
            &[controller_config(NAME), secret()],
            ("worker/a/_base/files", "x"),
            "\"worker/a/_base/files\" is not a directory",
        ),
    ];
    for (objects, template, expected) in table {
        let given = given(objects, &[template])?;
        let output = weir(given.path(), &FROM_FOLDER)?;
        assert_eq!(output.status.code(), Some(1), "{expected}");
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
        assert!(!text(&output.stdout).contains("MachineConfig"), "{}", text(&output.stdout));
    }
    let given = given(&[controller_config(NAME), secret()], &[good])?;
    std::os::unix::fs::symlink("a", given.path().join("templates/worker/00-worker/_base/files/link"))?;
    assert!(text(&weir(given.path(), &FROM_FOLDER)?.stderr).contains("links are not followed"));
    assert_eq!(weir(given.path(), &["generate", "-f", "objects.json"])?.status.code(), Some(2));
    Ok(())
}

/// A template of what kubelets start from.
const KUBELET: &str = "mode: 0644\npath: /etc/kubernetes/kubelet.conf\ncontents:\n  inline: |\n    kind: KubeletConfiguration\n    \
                       apiVersion: kubelet.config.k8s.io/v1beta1\n";

/// What machines boot with is what the cluster makes of the same objects later.
#[test]
fn bootstrapping_with_templates_gives_the_names_that_rendering_gives() -> Result<()> {
    let template = "path: /a\ncontents:\n  inline: {{.ClusterDNSIP}} {{.TLSMinVersion}} {{.PullSecret}}\n";
    let pool = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "MachineConfigPool", "metadata": {"name": "worker"},
        "spec": {"machineConfigSelector": {"matchLabels": {format!("{GROUP}/role"): "worker"}}},
    });
    let gates = json!({"apiVersion": "config.openshift.io/v1", "kind": "FeatureGate", "metadata": {"name": "cluster"},
        "status": {"featureGates": [{"version": "0.0.1-snapshot", "enabled": [], "disabled": []}]}});
    let mut pool = pool;
    pool["metadata"]["labels"] = json!({format!("pools.operator.{GROUP}/worker"): ""});
    let kubelet = settings("KubeletConfig", "more-pods", "kubeletConfig", &json!({"maxPods": 321}));
    let mut config = controller_config(NAME);
    config["metadata"]["annotations"] = json!({format!("{GROUP}/release-image-version"): "0.0.1-snapshot"});
    let objects = [config, api_server("Old"), pool, kubelet, gates];
    let templates =
        [("worker/00-worker/_base/files/a", template), ("worker/01-worker-kubelet/_base/files/kubelet.yaml", KUBELET)];
    let given = given(&[objects.to_vec(), vec![secret()]].concat(), &templates)?;
    let manifests = given.path().join("manifests");
    fs::create_dir(&manifests)?;
    for (number, object) in objects.iter().enumerate() {
        fs::write(manifests.join(number.to_string()), object.to_string())?;
    }
    fs::write(given.path().join("pull.json"), secret().to_string())?;
    let arguments = ["bootstrap", "--manifest-dir", "manifests", "--dest-dir", "out", "--pull-secret", "pull.json"];
    let arguments = [&arguments[..], &["--templates", "templates"]].concat();
    let output = weir(given.path(), &arguments)?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    fs::write(given.path().join("generated.yaml"), weir(given.path(), &FROM_FOLDER)?.stdout)?;
    let generated = fs::read_to_string(given.path().join("generated.yaml"))?;
    assert!(
        generated.contains("name: 99-worker-generated-kubelet")
            && generated.contains("name: 98-worker-generated-kubelet")
    );
    let rendered = weir(given.path(), &["render", "-f", "objects.json", "generated.yaml", "-o", "name"])?;
    let name = text(&rendered.stdout).trim().rsplit('/').next().unwrap_or_default().to_owned();
    assert!(name.starts_with("rendered-worker-"), "{}", text(&rendered.stderr));
    let written = given.path().join(format!("out/machine-configs/{name}.yaml"));
    assert!(fs::read_to_string(&written)?.contains("VersionTLS10"), "{}", written.display());

    let other = json!({"apiVersion": format!("{GROUP}/v1"), "kind": "MachineConfig", "metadata": {"name": "00-worker"}, "spec": {}});
    fs::write(manifests.join("other"), other.to_string())?;
    let refused = weir(given.path(), &arguments)?;
    assert!(
        text(&refused.stderr).contains("00-worker is generated, and there is another"),
        "{}",
        text(&refused.stderr)
    );
    Ok(())
}

#[test]
fn bootstrapping_with_images_of_the_release_gives_machines_the_login_to_them() -> Result<()> {
    let mut config = controller_config(NAME);
    config["spec"]["dns"] = json!({"spec": {"baseDomain": "demo.test"}});
    let gates = json!({"apiVersion": "config.openshift.io/v1", "kind": "FeatureGate", "metadata": {"name": "cluster"},
        "status": {"featureGates": [{"version": "0.0.1-snapshot", "enabled": [], "disabled": []}]}});
    let images = json!({"apiVersion": format!("{GROUP}/v1alpha1"), "kind": "InternalReleaseImage", "metadata": {"name": "cluster"}, "spec": {}});
    let login = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"namespace": "openshift-machine-config-operator", "name": "internal-release-image-registry-auth"},
        "stringData": {"password": "pw"},
    });
    let other =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"}, "stringData": {"password": "no"}});
    let template = "path: /login\ncontents:\n  inline: '{{.PullSecret}}'\n";
    let kubelet = ("worker/01-worker-kubelet/_base/files/kubelet.yaml", KUBELET);
    let given = given(&[], &[("worker/00-worker/_base/files/a", template), kubelet])?;
    let manifests = given.path().join("manifests");
    fs::create_dir(&manifests)?;
    let write = |name: &str, object: &Value| fs::write(manifests.join(name), object.to_string());
    for (name, object) in
        [("config", &config), ("gates", &gates), ("images", &images), ("other", &other), ("pool", &pool("worker"))]
    {
        write(name, object)?;
    }
    fs::write(given.path().join("pull.json"), secret().to_string())?;
    let arguments = ["bootstrap", "--manifest-dir", "manifests", "--dest-dir", "out", "--pull-secret", "pull.json"];
    let bootstrap = |more: &[&str]| weir(given.path(), &[&arguments[..], more].concat());
    let without = bootstrap(&["--templates", "templates"])?;
    let said = text(&without.stderr);
    assert!(said.contains("could not merge IRI registry credentials into pull secret"), "{said}");
    assert!(!given.path().join("out").exists(), "nothing is half-written");
    write("login", &login)?;
    let output = bootstrap(&["--templates", "templates"])?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("put them among the manifests"), "{}", text(&output.stderr));
    let rendered =
        fs::read_dir(given.path().join("out/machine-configs"))?.next().context("a rendered MachineConfig")??;
    let rendered = fs::read_to_string(rendered.path())?;
    for host in ["localhost%3A22625", "api-int.demo.test%3A22625"] {
        assert!(rendered.contains(host), "{rendered}");
    }
    // Whoever generated what is among the manifests gave it to them.
    let config = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "MachineConfig",
        "metadata": {"name": "00-worker", "labels": {format!("{GROUP}/role"): "worker"}},
        "spec": {"config": {"ignition": {"version": "3.5.0"}}},
    });
    write("generated", &config)?;
    let output = bootstrap(&[])?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    Ok(())
}

fn pool(name: &str) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "MachineConfigPool",
        "metadata": {"name": name, "labels": {
            format!("pools.operator.{GROUP}/{name}"): "", "machineconfiguration.openshift.io/mco-built-in": "",
        }},
        "spec": {"machineConfigSelector": {"matchLabels": {format!("{GROUP}/role"): name}}},
    })
}

fn settings(kind: &str, name: &str, field: &str, value: &Value) -> Value {
    let selector = json!({"matchLabels": {format!("pools.operator.{GROUP}/worker"): ""}});
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": {"name": name},
        "spec": {"machineConfigPoolSelector": selector, field: value},
    })
}

/// A folder with a sample payload, its objects, and these.
fn with_payload(more: &[Value]) -> Result<TempDir> {
    let mut config = controller_config(NAME);
    config["spec"]["releaseImage"] =
        json!("registry.example.com/release@sha256:1111111111111111111111111111111111111111111111111111111111111111");
    let given = given(&[&[config, secret(), pool("worker")], more].concat(), &[])?;
    let built = weir(given.path(), &["payload", "build", "--distribution", "ocp", "-o", "payload"])?;
    ensure!(built.status.success(), "{}", text(&built.stderr));
    Ok(given)
}

const FROM_RELEASE: [&str; 5] = ["generate", "-f", "objects.json", "--release", "oci:payload"];

#[test]
fn settings_of_kubelets_runtimes_and_registries_become_machine_configs() -> Result<()> {
    let config = |kind: &str, name: &str, spec: &Value| json!({"apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let mirrors =
        json!({"imageDigestMirrors": [{"source": "registry.example.com/a", "mirrors": ["mirror.example.com/a"]}]});
    let given = with_payload(&[
        settings("KubeletConfig", "more-pods", "kubeletConfig", &json!({"maxPods": 321})),
        settings("ContainerRuntimeConfig", "pids", "containerRuntimeConfig", &json!({"pidsLimit": 2048})),
        config("Image", "cluster", &json!({})),
        config("ImageDigestMirrorSet", "a", &mirrors),
        config("Node", "cluster", &json!({"cgroupMode": "v2"})),
    ])?;
    let made = weir(given.path(), &[&FROM_RELEASE[..], &["-o", "json"]].concat())?;
    assert!(made.status.success() && made.stderr.is_empty(), "{}", text(&made.stderr));
    let list: Value = serde_json::from_slice(&made.stdout)?;
    let items: std::collections::BTreeMap<&str, &Value> = list["items"]
        .as_array()
        .context("items")?
        .iter()
        .map(|item| (item["metadata"]["name"].as_str().unwrap_or_default(), item))
        .collect();
    let generated: Vec<&str> = items.keys().copied().filter(|name| name.contains("generated")).collect();
    let expected = [
        "97-worker-generated-kubelet",
        "99-worker-generated-containerruntime",
        "99-worker-generated-kubelet",
        "99-worker-generated-registries",
    ];
    assert_eq!(generated, expected);
    let source = |name: &str, path: &str| -> Result<String> {
        let files = items[name]["spec"]["config"]["storage"]["files"].as_array().context("files")?;
        let file = files.iter().find(|file| file["path"] == path).with_context(|| format!("{path} in {name}"))?;
        let source = file["contents"]["source"].as_str().context("source")?;
        let (_, encoded) = source.split_once("base64,").context("base64")?;
        use base64::Engine as _;
        Ok(String::from_utf8(base64::engine::general_purpose::STANDARD.decode(encoded)?)?)
    };
    let kubelet = source("99-worker-generated-kubelet", "/etc/kubernetes/kubelet.conf")?;
    assert!(kubelet.contains("\"maxPods\": 321") || kubelet.contains("maxPods: 321"), "{kubelet}");
    let registries = source("99-worker-generated-registries", "/etc/containers/registries.conf")?;
    assert!(registries.contains("mirror.example.com/a"), "{registries}");
    Ok(())
}

#[test]
fn settings_that_cannot_be_used_are_told_and_the_others_are_made() -> Result<()> {
    let given = with_payload(&[
        settings("KubeletConfig", "odd", "kubeletConfig", &json!({"maxPods": "many"})),
        settings("ContainerRuntimeConfig", "pids", "containerRuntimeConfig", &json!({"pidsLimit": 2048})),
    ])?;
    let made = weir(given.path(), &[&FROM_RELEASE[..], &["-o", "name"]].concat())?;
    let (out, said) = (text(&made.stdout), text(&made.stderr));
    assert_eq!(made.status.code(), Some(1));
    assert!(said.starts_with("error: KubeletConfig odd: ") && said.contains("maxPods"), "{said}");
    assert!(out.contains("99-worker-generated-containerruntime") && !out.contains("generated-kubelet"), "{out}");
    Ok(())
}
