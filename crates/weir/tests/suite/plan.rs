//! `weir plan` as a program: of files, and of a cluster, where what it says is what happens.

use anyhow::{Context as _, Result};
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Output},
};
use weir_testkit::{Kubectl, Options, Program, Registry};

const PREFIX: &str = "machineconfiguration.openshift.io";

fn weir(arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.arg("plan").args(arguments).env_remove("KUBECONFIG").env("HOME", "/nonexistent");
    command.output().context("running weir")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn config(spec: &Value) -> Value {
    json!({
        "apiVersion": format!("{PREFIX}/v1"), "kind": "MachineConfig",
        "metadata": {"name": "99-worker-motd", "labels": {format!("{PREFIX}/role"): "worker"}}, "spec": spec,
    })
}

fn motd() -> Value {
    let file = json!({"path": "/etc/motd", "mode": 420, "overwrite": true, "contents": {"source": "data:,hello%0A"}});
    config(&json!({"config": {"ignition": {"version": "3.5.0"}, "storage": {"files": [file]}}}))
}

/// A cluster in a file: pool `worker` with node a, one stream.
fn state(folder: &Path) -> Result<String> {
    let version = format!("{PREFIX}/v1");
    let set = json!({"name": "el-9", "osImage": "r/os", "osExtensionsImage": "r/x"});
    let mut base = config(&json!({"config": {"ignition": {"version": "3.5.0"}}}));
    base["metadata"]["name"] = json!("00-worker");
    let items = json!([
        base,
        {"apiVersion": version, "kind": "OSImageStream", "metadata": {"name": "cluster"}, "spec": {"defaultStream": "el-9"},
         "status": {"defaultStream": "el-9", "availableStreams": [set]}},
        {"apiVersion": version, "kind": "MachineConfigPool", "metadata": {"name": "worker"}, "spec": {
            "machineConfigSelector": {"matchLabels": {format!("{PREFIX}/role"): "worker"}},
            "nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}}}},
    ]);
    let file = folder.join("state.json");
    std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
    Ok(file.to_str().context("utf-8")?.to_owned())
}

#[test]
fn a_change_of_files_is_planned_and_refused_changes_are_in_the_words_of_the_api() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let state = state(folder.path())?;
    let write = |name: &str, object: &Value| -> Result<String> {
        let file = folder.path().join(name);
        std::fs::write(&file, object.to_string())?;
        Ok(file.to_str().context("utf-8")?.to_owned())
    };
    let good = write("motd.json", &motd())?;
    let done = weir(&["-f", &good, "--from", &state])?;
    let said = text(&done.stdout);
    assert_eq!(done.status.code(), Some(0), "{said}{}", text(&done.stderr));
    assert!(said.contains("  file /etc/motd: new, from MachineConfig 99-worker-motd\n    + hello\n"), "{said}");
    assert!(
        said.contains("not known: what the nodes of pool worker do: there are no nodes among the files\n"),
        "{said}"
    );
    let data: Value = serde_json::from_slice(&weir(&["-f", &good, "--from", &state, "-o", "json"])?.stdout)?;
    assert_eq!((&data["pools"][0]["nodes"], &data["inhibited"]), (&Value::Null, &json!(false)));
    assert!(text(&weir(&["-f", &good, "--from", &state, "-o", "markdown"])?.stdout).contains("| worker | "));

    let bad = write("bad.json", &config(&json!({"kernelArgs": ["a"]})))?;
    let refused = weir(&["-f", &bad, "--from", &state])?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("strict decoding error: unknown field \"spec.kernelArgs\""));
    for (arguments, wanted) in [
        (&["--delete", "mc/absent"][..], "MachineConfig absent does not exist"),
        (&["--stream", "worker=el-8"], "OS image streams"),
        (&["--default-stream", "el-8"], "el-8"),
    ] {
        let refused = weir(&[arguments, &["--from", &state]].concat())?;
        let said = text(&refused.stderr);
        assert!(
            refused.status.code() == Some(1) && (said.contains(wanted) || said.contains("there is no OS image stream")),
            "{said}"
        );
    }
    let fips = write("fips.json", &config(&json!({"fips": true})))?;
    let blocked = weir(&["-f", &fips, "--from", &state])?;
    assert_eq!(
        blocked.status.code(),
        Some(0),
        "without a present configuration nothing is irreconcilable: {}",
        text(&blocked.stdout)
    );
    let odd = weir(&["--accept", "R-PLAN-RUNC", "--from", &state])?;
    assert!(
        odd.status.code() == Some(2) && text(&odd.stderr).contains("none of what may be accepted"),
        "{}",
        text(&odd.stderr)
    );
    Ok(())
}

/// The order and the names of the plan are those of the cluster; a policy that keeps machines from rebooting does.
#[test]
fn what_is_planned_is_what_a_cluster_does() -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["up", "--step-time", "20ms", "--nodes", "master=1,worker=2"]);
    let mut program = Program::start(&mut command)?;
    let kubeconfig = std::path::PathBuf::from(program.line()?);
    program.until("every pool is updated")?;
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return Ok(()) };
    let at = kubeconfig.to_str().context("utf-8")?;
    let policy = json!({
        "apiVersion": "operator.openshift.io/v1", "kind": "MachineConfiguration", "metadata": {"name": "cluster"},
        "spec": {"nodeDisruptionPolicy": {"files": [{"path": "/etc/motd", "actions": [{"type": "None"}]}]}},
    });
    let file = kubeconfig.with_file_name("change.json");
    std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": [policy, motd()]}).to_string())?;
    let file = file.to_str().context("utf-8")?;
    let output = weir(&["-f", file, "--kubeconfig", at, "--fail-on", "disruption", "-o", "json"])?;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let plan: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!((&plan["reboots"], &plan["disruptions"]), (&json!(0), &json!(0)), "{plan}");
    let target = |pool: &str| {
        let pools = plan["pools"].as_array().into_iter().flatten();
        pools.into_iter().find(|held| held["pool"] == pool).map(|held| held["after"]["config"].clone())
    };
    let boots = |kubectl: &Kubectl| -> Result<Vec<Value>> {
        let nodes = kubectl.get(&["nodes"])?;
        let nodes = nodes["items"].as_array().context("nodes")?.iter();
        Ok(nodes.map(|node| node["status"]["nodeInfo"]["bootID"].clone()).collect())
    };
    let before = boots(&kubectl)?;
    kubectl.run(&["apply", "-f", file])?;
    let target = target("worker").context("worker")?;
    let condition = format!("--for=jsonpath={{.status.configuration.name}}={}", target.as_str().context("a target")?);
    kubectl.run(&["wait", "mcp/worker", &condition, "--timeout=60s"])?;
    kubectl.run(&["wait", "mcp/worker", "--for=condition=Updated", "--timeout=60s"])?;
    assert_eq!(boots(&kubectl)?, before, "no machine booted");
    let rest = weir(&["--kubeconfig", at])?;
    assert_eq!(text(&rest.stdout), "nothing changes: no node reboots\n");
    Ok(())
}

/// An update to a release in a folder, of a cluster and of its objects in a file; then it is made, and what was planned has happened.
#[test]
fn an_update_is_planned_and_then_made() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let built = |name: &str, version: &str, stream: &str| -> Result<String> {
        let at = folder.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["payload", "build", "--distribution", "okd", "--version", version, "--streams", stream, "-o"]);
        assert!(command.arg(&at).output()?.status.success(), "building {name}");
        Ok(format!("oci:{}", at.display()))
    };
    let old = built("old", "5.0.0-okd-scos.0", "centos-10")?;
    let new = built("new", "5.1.0-okd-scos.0", "centos-11")?;
    let far = built("far", "5.2.0-okd-scos.0", "centos-11")?;
    let run = |release: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["up", "--step-time", "20ms", "--nodes", "master=1,worker=2", "--release", release, "--data-dir"]);
        command.arg(folder.path().join("data"));
        Program::start(&mut command)
    };
    let mut before = run(&old)?;
    let kubeconfig = std::path::PathBuf::from(before.line()?);
    before.until("every pool is updated")?;
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return Ok(()) };
    let at = kubeconfig.to_str().context("utf-8")?;
    let output = weir(&["--release", &new, "--kubeconfig", at, "-o", "json"])?;
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    let plan: Value = serde_json::from_slice(&output.stdout)?;
    let pools = || plan["pools"].as_array().into_iter().flatten();
    assert!(pools().all(|pool| pool["after"]["stream"] == "centos-11" && pool["changes"] == true), "{plan}");
    assert_eq!((&plan["reboots"], &plan["changes"][0]["kind"]), (&json!(3), &json!("ClusterVersion")));

    let kinds = "nodes,mcp,mc,controllerconfig,osimagestream,featuregate,clusterversion,infrastructures";
    let state = folder.path().join("state.json");
    std::fs::write(&state, serde_json::to_string(&kubectl.get(&[kinds])?)?)?;
    let state = state.to_str().context("utf-8")?;
    let offline: Value = serde_json::from_slice(&weir(&["--release", &new, "--from", state, "-o", "json"])?.stdout)?;
    // When it is over depends on when it is asked.
    let timeless = |plan: &Value| {
        let mut pools = plan["pools"].clone();
        pools.as_array_mut().into_iter().flatten().for_each(|pool| pool["forecast"]["over"] = Value::Null);
        (pools, plan["waves"].clone())
    };
    assert_eq!(timeless(&offline), timeless(&plan), "{offline}");
    let said = text(&weir(&["--release", &far, "--from", state])?.stdout);
    assert!(
        said.contains("release 5.2.0-okd-scos.0 skips a minor version") && said.contains("[R-PLAN-VERSION-SKEW]"),
        "{said}"
    );
    for (release, part) in [
        ("oci:/nonexistent", "no OCI layout"),
        ("127.0.0.1:1/a@sha256:0000000000000000000000000000000000000000000000000000000000000000", "127.0.0.1:1"),
    ] {
        let refused = weir(&["--release", release, "--from", state])?;
        let said = text(&refused.stderr);
        assert!(refused.status.code() == Some(1) && said.contains(part) && refused.stdout.is_empty(), "{said}");
    }

    before.interrupt()?;
    let mut after = run(&new)?;
    let kubeconfig = std::path::PathBuf::from(after.line()?);
    after.until("every pool is updated")?;
    let kubectl = Kubectl::new(&kubeconfig).context("kubectl")?;
    for pool in pools() {
        let name = pool["pool"].as_str().context("a name")?;
        let now = kubectl.get(&["mcp", name])?;
        assert_eq!(now["spec"]["configuration"]["name"], pool["after"]["config"], "{name}");
        assert_eq!(now["status"]["osImageStream"]["name"], pool["after"]["stream"], "{name}");
    }
    Ok(())
}

/// A release is read as the cluster reads it: from the mirror that its objects name, with its pull secret.
#[test]
fn a_release_is_read_through_the_mirrors_of_the_cluster() -> Result<()> {
    let user = Some(("weir".to_owned(), "secret".to_owned()));
    let Some(registry) = Registry::start(&Options { user, ..Options::default() })? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("auth.json"), registry.authfile(None))?;
    let insecure = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registry.host());
    std::fs::write(at("registries.conf"), insecure)?;
    let run = |arguments: &[&str]| -> Result<String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        let output = command.args(arguments).current_dir(folder.path()).output()?;
        anyhow::ensure!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        Ok(text(&output.stdout))
    };
    run(&["payload", "build", "--distribution", "ocp", "--version", "5.0.1", "--streams", "el-9", "-o", "new"])?;
    let to = format!("{}/ocp/release", registry.host());
    let files = ["--authfile", "auth.json", "--registry-config", "registries.conf"];
    let pushed = run(&[&["payload", "push", "new", &to][..], &files].concat())?;
    let (_, digest) = pushed.trim().split_once('@').context("a pull spec with a digest")?;
    let release = format!("registry.example.com/ocp/release@{digest}");

    let mirror = json!({"source": "registry.example.com/ocp", "mirrors": [format!("{}/ocp", registry.host())]});
    let config = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"namespace": "openshift-config", "name": "pull-secret"},
        "data": {".dockerconfigjson": ByteString(registry.authfile(None).into_bytes())},
    });
    let access = [
        config("ImageDigestMirrorSet", "mirrors", json!({"imageDigestMirrors": [mirror]})),
        config("Image", "cluster", json!({"registrySources": {"insecureRegistries": [registry.host()]}})),
        secret,
    ];
    let mut known: Value = serde_json::from_slice(&std::fs::read(state(folder.path())?)?)?;
    let mut planned = |objects: &[Value]| -> Result<Output> {
        known["items"].as_array_mut().context("items")?.extend(objects.iter().cloned());
        std::fs::write(at("state.json"), known.to_string())?;
        let file = at("state.json");
        weir(&["--release", &release, "--distribution", "ocp", "--from", file.to_str().context("utf-8")?, "-o", "json"])
    };
    let refused = planned(&access[..2])?;
    let said = text(&refused.stderr);
    assert!(
        refused.status.code() == Some(1) && said.contains(registry.host()) && said.contains("credentials"),
        "{said}"
    );
    let read = planned(&access[2..])?;
    let plan: Value = serde_json::from_slice(&read.stdout).context(text(&read.stderr))?;
    let image = plan["pools"][0]["after"]["osImage"].as_str().context("an image")?;
    assert!(image.starts_with(registry.host()), "{image}");
    let unreadable = |finding: &Value| finding["code"] == "R-PLAN-IMAGE-UNREADABLE";
    assert!(!plan["findings"].as_array().into_iter().flatten().any(unreadable), "{plan}");
    Ok(())
}

/// The distribution is the cluster's: the release that it has tells, where nothing else does, and where that cannot be read it is not known.
#[test]
fn a_release_is_read_for_the_distribution_of_the_cluster() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut known: Value =
        serde_json::from_str(&std::fs::read_to_string(state(folder.path())?)?.replace("el-9", "rhel-9"))?;
    let built = |distribution: &str| -> Result<String> {
        let to = folder.path().join(distribution);
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["payload", "build", "--distribution", distribution, "-o"]).arg(to);
        let output = command.output()?;
        anyhow::ensure!(output.status.success(), "{}", text(&output.stderr));
        Ok(text(&output.stdout).trim().to_owned())
    };
    let (ocp, okd) = (built("ocp")?, built("okd")?);
    let file = folder.path().join("known.json");
    let mut planned = |present: &str| -> Result<Output> {
        let version = json!({
            "apiVersion": "config.openshift.io/v1", "kind": "ClusterVersion", "metadata": {"name": "version"},
            "spec": {"clusterID": ""}, "status": {"desired": {"image": present, "version": "5.0.0"}},
        });
        let items = known["items"].as_array_mut().context("items")?;
        items.retain(|object| object["kind"] != "ClusterVersion");
        items.push(version);
        std::fs::write(&file, known.to_string())?;
        weir(&["--release", &ocp, "--from", file.to_str().context("utf-8")?])
    };
    let not_known = "not known: whether release ";
    let same = planned(&ocp)?;
    assert!(!text(&same.stdout).contains(not_known) && text(&same.stderr).is_empty(), "{}", text(&same.stdout));
    let unread = planned("oci:/nonexistent")?;
    assert!(text(&unread.stdout).contains(not_known), "{}{}", text(&unread.stdout), text(&unread.stderr));
    let other = planned(&okd)?;
    let said = text(&other.stderr);
    let wanted = "is not for this cluster: this cluster runs as okd, but the release payload carries rhel-coreos";
    assert!(other.status.code() == Some(1) && said.contains(wanted) && other.stdout.is_empty(), "{said}");
    Ok(())
}

/// 0 with nothing in the way, 3 with something or with what `--fail-on` names, 1 without an answer, 2 for a wrong command line.
#[test]
fn exit_codes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let state = crate::why::state(folder.path(), false)?;
    let refused = folder.path().join("fips.json");
    std::fs::write(&refused, config(&json!({"osImageURL": "r/own", "fips": true})).to_string())?;
    let refused = refused.to_str().context("utf-8")?;
    let write = |name: &str, object: &Value| -> Result<String> {
        std::fs::write(folder.path().join(name), object.to_string())?;
        Ok(folder.path().join(name).to_str().context("utf-8")?.to_owned())
    };
    let gate = json!({"apiVersion": "config.openshift.io/v1", "kind": "FeatureGate", "metadata": {"name": "cluster"}});
    let gate = write("gate.json", &gate)?;
    let motd = write("motd.json", &motd())?;
    for (arguments, wanted, part) in [
        (&[][..], 0, "[R-PLAN-PAUSED]"),
        (&["--fail-on", "reboot"], 3, "reboot"),
        (&["--fail-on", "drain"], 3, "drain"),
        (&["--fail-on", "disruption"], 3, "reboot"),
        (&["-f", refused], 3, "something is in the way"),
        (&["-f", &gate, &motd], 0, "not known: what the FeatureGate among the files will do"),
        (&["-f", &gate], 1, ""),
        (&["-f", &gate, "--delete", "mc/99-worker-motd"], 0, "not known: what the FeatureGate among the files will do"),
        (&["--delete", "node/a", "--delete", "mc/99-worker-motd"], 0, "not known: what the deletion of Node a will do"),
        (&["--delete", "node/a"], 1, ""),
        (&["--delete", "mc/none"], 1, ""),
        (&["--fail-on", "nothing"], 2, ""),
    ] {
        let output = weir(&[arguments, &["--from", &state]].concat())?;
        let said = text(&output.stdout);
        let code = output.status.code();
        assert!(code == Some(wanted) && said.contains(part), "{arguments:?}: {code:?}\n{said}{}", text(&output.stderr));
    }
    for (object, wanted) in [
        ("node/a", "error: what the deletion of Node a will do is not planned: others write what follows from it"),
        ("node.config.openshift.io/cluster", "error: Node.config.openshift.io cluster does not exist\n"),
    ] {
        let said = text(&weir(&["--delete", object, "--from", &state])?.stderr);
        assert!(said.starts_with(wanted), "{object}: {said}");
    }
    Ok(())
}

/// Pools and nodes without the MachineConfigs that they are rendered from: a plan does not take that for "nothing".
#[test]
fn what_is_not_known_is_not_taken_for_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut objects: Value = serde_json::from_slice(&std::fs::read(crate::why::state(folder.path(), false)?)?)?;
    let items = objects["items"].as_array_mut().context("items")?;
    items.retain(|object| object["kind"] != "MachineConfig");
    let pool = items.iter_mut().find(|object| object["kind"] == "MachineConfigPool").context("a pool")?;
    pool["spec"]["configuration"]["source"] = json!([{"name": "00-worker"}, {"name": "99-worker-motd"}]);
    let (state, motd_file) = (folder.path().join("few.json"), folder.path().join("motd.json"));
    std::fs::write(&state, objects.to_string())?;
    std::fs::write(&motd_file, motd().to_string())?;
    let motd_file = motd_file.to_str().context("utf-8")?;
    let of = |more: &[&str]| weir(&[&["--from", state.to_str().context("utf-8")?], more].concat());
    let output = of(&[])?;
    let said = text(&output.stdout);
    assert!(output.status.success() && said.contains("what it is rendered to is not known"), "{said}");
    assert!(said.lines().next().is_some_and(|line| line.ends_with(" will do is not known")), "{said}");
    let with_change = text(&of(&["-f", motd_file])?.stdout);
    let missing = "of what it is rendered from, 2 MachineConfigs are not among the files: 00-worker, 99-worker-motd";
    assert!(said.contains(missing) && with_change.contains(missing), "{with_change}");
    let unknown = "what the nodes of worker, master will do is not known\n";
    assert!(with_change.starts_with(unknown), "{with_change}");
    for on in ["reboot", "drain", "disruption"] {
        assert_eq!(of(&["--fail-on", on])?.status.code(), Some(3), "{on}");
    }
    let data: Value = serde_json::from_slice(&of(&["-o", "json"])?.stdout)?;
    assert_eq!((&data["leavesOpen"], &data["inhibited"]), (&json!(true), &json!(false)), "{data}");
    let markdown = text(&of(&["-o", "markdown"])?.stdout);
    assert!(markdown.contains("not known"), "{markdown}");
    Ok(())
}
