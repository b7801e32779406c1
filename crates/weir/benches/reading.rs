//! What reading files costs: a large cluster in one list, and a must-gather that is mostly logs and events; and what a plan costs.
//!
//! Run with `cargo xtask bench reading`, which names the program built for release; without a name this profile's own is taken.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::{
    ffi::OsStr,
    fs,
    io::{BufWriter, Write as _},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};
use weir_testkit::measured;

const RUNS: usize = 5;
const NODES: usize = 1_000;
const PODS: usize = 30_000;
const POOLS: usize = 50;
const CONFIGS: usize = 100;
const NAMESPACES: usize = 100;
const ROLE: &str = "machineconfiguration.openshift.io/role";
const GROUP: &str = "machineconfiguration.openshift.io/v1";

fn main() -> Result<()> {
    let Some(binary) = measured(env!("CARGO_BIN_EXE_weir")) else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let (list, gathered) = (folder.path().join("list.json"), folder.path().join("must-gather"));
    write_list(&list)?;
    write_gathered(&gathered)?;
    let packed = folder.path().join("must-gather.tar.gz");
    let tar = Command::new("tar").arg("-czf").arg(&packed).arg("-C").arg(&gathered).arg(".").status()?;
    ensure!(tar.success(), "tar ended with {tar}");
    let size = fs::metadata(&list)?.len() >> 20;
    let what = format!("{NODES} nodes, {PODS} pods, {POOLS} pools: {size} MiB of JSON");
    row(&what, &measure(&binary, &READ, &list)?, "≤ 1 s, ≤ 250 MiB");
    row("must-gather of 300 MB, 20 MB of it objects", &measure(&binary, &READ, &gathered)?, "≤ 3 s, ≤ 300 MiB");
    row("the same as .tar.gz", &measure(&binary, &READ, &packed)?, "≤ 3 s, ≤ 300 MiB");
    let (change, small) = (folder.path().join("change.json"), folder.path().join("small.json"));
    fs::write(&change, role_config("99-motd", "/etc/motd", 1).to_string())?;
    write_objects(&small, (0..2).map(pool).chain(SIX.map(node)).chain((0..180).map(pod)))?;
    let change = change.to_str().context("the folder's path is not Unicode")?;
    let plan = ["plan", "-f", change];
    row(
        &format!("plan for {POOLS} pools, {NODES} nodes, {PODS} pods"),
        &measure(&binary, &plan, &list)?,
        "≤ 1 s, ≤ 250 MiB",
    );
    row("plan for 2 pools, 6 nodes, 180 pods", &measure(&binary, &plan, &small)?, "≤ 50 ms");
    row("plan of the must-gather of 300 MB", &measure(&binary, &plan, &gathered)?, "≤ 3 s, ≤ 300 MiB");
    row("the same as .tar.gz", &measure(&binary, &plan, &packed)?, "≤ 3 s, ≤ 300 MiB");
    of_release(&binary, folder.path(), &small)
}

/// Discovery of a release's streams, and a plan of an update to it.
fn of_release(binary: &Path, folder: &Path, state: &Path) -> Result<()> {
    let layout = folder.join("payload");
    let made = Command::new(binary).args(["payload", "build", "--distribution", "ocp", "-o"]).arg(&layout).output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let release = String::from_utf8(made.stdout)?;
    let release = release.trim();
    let discovery = ["get", "osimagestream", "--release-image", release];
    row("discovery of a release of 195 tags", &timed(binary, &discovery, &[])?, "");
    let plan = ["plan", "--distribution", "ocp", "--release", release];
    row("plan of an update to it", &measure(binary, &plan, state)?, "discovery + 0.2 s");
    Ok(())
}

fn row(what: &str, figure: &str, wanted: &str) {
    println!("{what:<56} {figure:>40}   {wanted}");
}

/// A command that has little to do but to read.
const READ: [&str; 4] = ["explain", "rollout", "--pool", "pool-1"];

/// Six nodes of the first two pools.
const SIX: [usize; 6] = [0, 1, POOLS, POOLS + 1, 2 * POOLS, 2 * POOLS + 1];

/// Time and memory of a command. What it plans may be in somebody's way.
fn measure(binary: &Path, command: &[&str], input: &Path) -> Result<String> {
    timed(binary, command, &[OsStr::new("--from"), input.as_os_str()])
}

fn timed(binary: &Path, command: &[&str], more: &[&OsStr]) -> Result<String> {
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        ensure_ended(start_of(binary, command, more).status()?)?;
        runs.push(start.elapsed().as_secs_f64());
    }
    runs.sort_by(f64::total_cmp);
    let second = |at: usize| runs.get(at).copied().unwrap_or_default();
    let peak = peak(binary, command, more)?;
    Ok(format!("{:.3} s ({:.3} to {:.3}), {} MiB", second(RUNS / 2), second(0), second(RUNS - 1), peak >> 10))
}

/// In KiB. It is a run of its own: whoever looks at the memory of a process holds it up.
fn peak(binary: &Path, command: &[&str], more: &[&OsStr]) -> Result<u64> {
    let mut child = start_of(binary, command, more).spawn()?;
    let mut peak = 0;
    loop {
        // Its highest mark only rises, and is gone with the process.
        peak = memory(child.id()).unwrap_or_default().max(peak);
        if let Some(status) = child.try_wait()? {
            ensure_ended(status)?;
            return Ok(peak);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn start_of(binary: &Path, command: &[&str], more: &[&OsStr]) -> Command {
    let mut started = Command::new(binary);
    started.args(command).args(more).stdout(Stdio::null());
    started
}

fn ensure_ended(status: ExitStatus) -> Result<()> {
    ensure!([Some(0), Some(3)].contains(&status.code()), "weir ended with {status}");
    Ok(())
}

/// In KiB.
fn memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

fn node(number: usize) -> Value {
    let config = "machineconfiguration.openshift.io";
    let condition = |kind: &str, status: &str| {
        json!({
            "type": kind, "status": status, "reason": "KubeletReady", "message": "kubelet is posting ready status",
            "lastHeartbeatTime": "2026-11-30T06:00:00Z", "lastTransitionTime": "2026-11-30T06:00:00Z",
        })
    };
    let image = |number| json!({"names": [format!("registry.example.com/a@sha256:{number:064x}")], "sizeBytes": 1000});
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": format!("node-{number}"), "uid": format!("{number:032x}"), "resourceVersion": number.to_string(),
            "labels": {format!("node-role.kubernetes.io/pool-{}", number % POOLS): ""},
            "annotations": {
                format!("{config}/currentConfig"): "rendered-a", format!("{config}/desiredConfig"): "rendered-a",
                format!("{config}/state"): "Done",
            },
        },
        "status": {
            "conditions": [condition("Ready", "True"), condition("DiskPressure", "False"), condition("PIDPressure", "False")],
            "images": (0..40).map(image).collect::<Vec<_>>(),
        },
    })
}

fn pod(number: usize) -> Value {
    let environment = |key: usize| json!({"name": format!("VARIABLE_{key}"), "value": "some value of a variable"});
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example.com/app@sha256:{number:064x}"),
            "env": (0..11).map(environment).collect::<Vec<_>>(), "resources": {"requests": {"cpu": "10m", "memory": "50Mi"}},
            "volumeMounts": [{"name": "kube-api-access", "readOnly": true, "mountPath": "/var/run/secrets/token"}],
        })
    };
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": "2026-11-30T06:00:00Z"});
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("pod-{number}"), "namespace": format!("ns-{}", number % NAMESPACES), "uid": format!("{number:032x}"),
            "labels": {"app": format!("app-{}", number % 700)},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "1", "controller": true}],
        },
        "spec": {"nodeName": format!("node-{}", number % NODES), "containers": [container("a"), container("b")]},
        "status": {"phase": "Running", "conditions": [condition("Ready"), condition("Initialized"), condition("PodScheduled")]},
    })
}

fn pool(number: usize) -> Value {
    let name = format!("pool-{number}");
    json!({
        "apiVersion": GROUP, "kind": "MachineConfigPool", "metadata": {"name": name},
        "spec": {
            "machineConfigSelector": {"matchLabels": {ROLE: "worker"}},
            "nodeSelector": {"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}},
            "configuration": {"name": "rendered-a"},
        },
    })
}

/// A rendered one, of which large clusters keep many.
fn config(number: usize) -> Value {
    let contents = format!("data:,{}", "a%20line%20of%20a%20file%0A".repeat(60));
    let file =
        |path: usize| json!({"path": format!("/etc/file-{path}"), "mode": 420, "contents": {"source": contents}});
    let unit =
        |name: usize| json!({"name": format!("unit-{name}.service"), "contents": "[Unit]\nDescription=a\n".repeat(10)});
    json!({
        "apiVersion": GROUP, "kind": "MachineConfig", "metadata": {"name": format!("rendered-worker-{number:032x}")},
        "spec": {"config": {
            "ignition": {"version": "3.5.0"}, "storage": {"files": (0..90).map(file).collect::<Vec<_>>()},
            "systemd": {"units": (0..40).map(unit).collect::<Vec<_>>()},
        }},
    })
}

/// One that every pool is rendered from.
fn role_config(name: &str, path: &str, files: usize) -> Value {
    let contents = json!({"source": format!("data:,{}", "a%20line%20of%20a%20file%0A".repeat(40))});
    let file = |number: usize| json!({"path": format!("{path}{number}"), "mode": 420, "contents": contents});
    json!({
        "apiVersion": GROUP, "kind": "MachineConfig", "metadata": {"name": name, "labels": {ROLE: "worker"}},
        "spec": {"config": {
            "ignition": {"version": "3.5.0"}, "storage": {"files": (0..files).map(file).collect::<Vec<_>>()},
        }},
    })
}

/// What pools are rendered from, and what all their nodes run.
fn rendering() -> Vec<Value> {
    let set = json!({"name": "rhel-9", "osImage": "r/os@1", "osExtensionsImage": "r/x@1"});
    let streams = json!({
        "apiVersion": GROUP, "kind": "OSImageStream", "metadata": {"name": "cluster"},
        "spec": {"defaultStream": "rhel-9"}, "status": {"availableStreams": [set], "defaultStream": "rhel-9"},
    });
    let mut present = role_config("rendered-a", "/etc/file-", 90);
    present["metadata"] = json!({"name": "rendered-a"});
    present["spec"]["osImageURL"] = json!("r/os@1");
    vec![streams, present, role_config("00-worker", "/etc/file-", 90)]
}

fn event(number: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("event-{number}"), "namespace": "x"},
        "reason": "Started", "message": "started container ".repeat(10), "firstTimestamp": "2026-11-30T06:00:00Z",
        "involvedObject": {"kind": "Pod", "name": format!("pod-{number}"), "namespace": "x"},
    })
}

fn write_list(path: &Path) -> Result<()> {
    write_objects(path, (0..POOLS).map(pool).chain((0..NODES).map(node)).chain((0..PODS).map(pod)))
}

fn write_objects(path: &Path, objects: impl Iterator<Item = Value>) -> Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    file.write_all(b"{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [")?;
    for (number, object) in rendering().into_iter().chain(objects).enumerate() {
        let comma = if number == 0 { "" } else { "," };
        write!(file, "{comma}\n{object}")?;
    }
    file.write_all(b"]}\n")?;
    Ok(file.flush()?)
}

fn write_gathered(root: &Path) -> Result<()> {
    let put = |path: String, text: String| {
        let path = root.join("quay-io-sha256-1").join(path);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    };
    let yaml = |object: &Value| Ok::<_, anyhow::Error>(format!("---\n{}", weir_manifests::to_yaml(&[object])?));
    let list = |kind: &str, items: Vec<Value>| {
        weir_manifests::to_yaml(&[json!({"apiVersion": "v1", "items": items, "kind": kind, "metadata": {}})])
    };
    for number in 0..NODES {
        put(format!("cluster-scoped-resources/core/nodes/{number}.yaml"), yaml(&node(number))?)?;
    }
    let ours = "cluster-scoped-resources/machineconfiguration.openshift.io";
    for number in 0..POOLS {
        put(format!("{ours}/machineconfigpools/{number}.yaml"), yaml(&pool(number))?)?;
    }
    for number in 0..CONFIGS {
        put(format!("{ours}/machineconfigs/{number}.yaml"), yaml(&config(number))?)?;
    }
    let events = list("EventList", (0..1_000).map(event).collect())?;
    let log =
        "2026-11-30T06:00:00.123456789Z I1130 06:00:00.123456 1 controller.go:100] one line of a log among many\n";
    for namespace in 0..NAMESPACES {
        let below = format!("namespaces/ns-{namespace}");
        put(format!("{below}/core/events.yaml"), events.clone())?;
        put(format!("{below}/core/pods.yaml"), list("PodList", (0..30).map(pod).collect())?)?;
        for number in 0..10 {
            put(format!("{below}/pods/pod-{number}/c/c/logs/current.log"), log.repeat(2_000))?;
        }
    }
    Ok(())
}
