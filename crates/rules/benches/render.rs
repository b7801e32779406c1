//! How long rendering takes: many pools at once, one, and the whole program, beside what was asked for.

use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    hint::black_box,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use weir_api::{APIServer, ControllerConfig, MachineConfig, MachineConfigPool};
use weir_rules::{
    render::{RenderInput, render},
    template::{TemplateInput, TlsSettings, Tree, generate},
};

const POOLS: usize = 50;
const CONFIGS_PER_POOL: usize = 20;
const FILES_PER_CONFIG: usize = 20;
/// Bytes of a file, about what templates write.
const FILE_SIZE: usize = 1024;

/// Of the whole program: what a cluster has.
const SMALL_CONFIGS: usize = 30;
const SMALL_FILES: usize = 5;
/// Given to a process that runs the recorded cases of templates.
const CASES: &str = "--recorded-cases";
/// Odd, so that one is in the middle.
const RUNS: usize = 11;
/// A pipe holds this much on Linux.
const PIPE: usize = 64 << 10;

const VERSION: &str = "machineconfiguration.openshift.io/v1";
const ROLE: &str = "machineconfiguration.openshift.io/role";

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A MachineConfig with files of its own, and some that others have too.
fn config(role: &str, number: usize, files: usize) -> MachineConfig {
    let file = |index: usize| {
        let path = match index % 4 {
            0 => format!("/etc/shared/{index}"),
            _ => format!("/etc/{role}/{number}/{index}"),
        };
        let contents: String = (0..FILE_SIZE / 8).map(|word| format!("w{:05}%0A", word * number)).collect();
        json!({ "path": path, "mode": 420, "contents": { "source": format!("data:,{contents}") } })
    };
    let unit = json!({ "name": format!("{number}.service"), "contents": "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/x\n" });
    let spec = json!({
        "config": {
            "ignition": { "version": "3.4.0" },
            "storage": { "files": (0..files).map(file).collect::<Vec<Value>>() },
            "systemd": { "units": [unit] },
        },
        "kernelArguments": [format!("a={number}")],
    });
    let mut config =
        MachineConfig::named(&format!("{number:02}-{role}"), serde_json::from_value(spec).unwrap_or_default());
    config.metadata.labels = Some([(ROLE.to_owned(), role.to_owned())].into());
    config
}

fn render_all(pools: &[(MachineConfigPool, Vec<&MachineConfig>)], controller: &ControllerConfig) {
    for (pool, configs) in pools {
        // What fails here is fast and would look good.
        assert!(black_box(render(&RenderInput::new(pool, configs, controller))).is_ok());
    }
}

/// Given a binary of the program, what a user sees of it.
fn main() -> Result<()> {
    if std::env::args().any(|argument| argument == CASES) {
        return recorded_cases();
    }
    // Cargo adds `--bench`.
    let binary = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    println!("{:<58} {:>22}   asked", "rendering (in brackets: on a processor)", "measured");
    pools_at_once();
    templates()?;
    let text = Command::new(std::env::current_exe()?).arg(CASES).output()?.stdout;
    print!("{}", String::from_utf8_lossy(&text));
    let Some(binary) = binary else { return Ok(()) };
    program(Path::new(&binary))?;
    bootstrap(Path::new(&binary))
}

fn row(what: &str, measured: &str, asked: &str) {
    println!("{what:<58} {measured:>22}   {asked}");
}

fn pools_at_once() {
    let mut controller = ControllerConfig::default();
    controller.spec.base_os_container_image = "registry.example.com/os@sha256:1".to_owned();
    let names: Vec<String> = (0..POOLS).map(|index| format!("pool-{index}")).collect();
    let of =
        |role: &str| (0..CONFIGS_PER_POOL).map(|number| config(role, number, FILES_PER_CONFIG)).collect::<Vec<_>>();
    let own: Vec<Vec<MachineConfig>> = names.iter().map(|name| of(name)).collect();
    let shared = of("worker");
    let pools = |inherit: bool| -> Vec<(MachineConfigPool, Vec<&MachineConfig>)> {
        let pool = |name: &String| MachineConfigPool::named(name, Default::default());
        let with = |own| shared.iter().filter(|_| inherit).chain(own).collect();
        names.iter().zip(&own).map(|(name, own)| (pool(name), with(own))).collect()
    };
    let (apart, inheriting) = (pools(false), pools(true));
    let median = |pools: &[(MachineConfigPool, Vec<&MachineConfig>)]| {
        let mut worked = Duration::ZERO;
        let wall = median_of(|| {
            let (start, before) = (Instant::now(), on_processor());
            render_all(pools, &controller);
            worked = on_processor().saturating_sub(before);
            start.elapsed()
        });
        format!("{} ({})", millis(wall), millis(worked))
    };
    row("1,000 MachineConfigs of 20 files, 50 pools, one thread", &median(&apart), "1,000 ms on 2 cores");
    row("the same and 20 shared ones in each of the pools", &median(&inheriting), "");
    row("one pool of 20", &median(&apart[..1]), "");
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/generated")
}

/// What the recorded tree makes of a ControllerConfig with three roles.
fn templates() -> Result<()> {
    let golden = golden();
    let files: BTreeMap<String, String> = serde_json::from_slice(&std::fs::read(golden.join("tree-main.json"))?)?;
    let mut tree = Tree::default();
    files.iter().try_for_each(|(path, text)| tree.add_file(path, text.as_bytes()))?;
    let cases = std::fs::read_to_string(golden.join("template-controller.jsonl"))?;
    let with_arbiter = cases.lines().find(|line| line.contains("HighlyAvailableArbiter")).ok_or("no such case")?;
    let case: Value = serde_json::from_str(with_arbiter)?;
    let controller_config: ControllerConfig = serde_json::from_value(case["controllerConfig"].clone())?;
    let tls = TlsSettings::of(None);
    let input = TemplateInput {
        controller_config: &controller_config,
        pull_secret: case["pullSecret"].as_str(),
        tls: &tls,
        build: "b",
        release: None,
    };
    let mut worked = Duration::ZERO;
    let wall = median_of(|| {
        let (start, before) = (Instant::now(), on_processor());
        assert!(black_box(generate(&tree, &input)).is_ok_and(|made| made.len() == 9));
        worked = on_processor().saturating_sub(before);
        start.elapsed()
    });
    row("templates of one ControllerConfig, 3 roles", &format!("{} ({})", millis(wall), millis(worked)), "20 ms");
    Ok(())
}

/// A tree of the recording: all of it, or what a case gives.
fn tree_of(case: &Value, main: &BTreeMap<String, String>) -> Result<Tree> {
    let mut files: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    if case["tree"].is_string() {
        files.extend(main.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))));
    }
    let overlay = case["overlay"].as_object().into_iter().flatten();
    files.extend(overlay.map(|(path, text)| (path.as_str(), text.as_str())));
    let mut tree = Tree::default();
    for (path, text) in files {
        match (path.strip_suffix('/'), text) {
            (Some(folder), _) => tree.add_folder(folder)?,
            (None, Some(text)) => tree.add_file(path, text.as_bytes())?,
            (None, None) => {}
        }
    }
    Ok(tree)
}

/// All recorded cases of templates, in a process of their own: reading them, making the MachineConfigs, and comparing how many there are.
fn recorded_cases() -> Result<()> {
    let golden = golden();
    let (start, before) = (Instant::now(), on_processor());
    let main: BTreeMap<String, String> = serde_json::from_slice(&std::fs::read(golden.join("tree-main.json"))?)?;
    let mut count = 0;
    for line in std::fs::read_to_string(golden.join("template-controller.jsonl"))?.lines() {
        let case: Value = serde_json::from_str(line)?;
        let controller_config: ControllerConfig = serde_json::from_value(case["controllerConfig"].clone())?;
        let server: Option<APIServer> = serde_json::from_value(case["apiServer"].clone())?;
        let tls = TlsSettings::of(server.as_ref().and_then(|server| server.spec.tls_security_profile.as_ref()));
        let input = TemplateInput {
            controller_config: &controller_config,
            pull_secret: case["pullSecret"].as_str(),
            tls: &tls,
            build: "b",
            release: None,
        };
        let made = generate(&tree_of(&case, &main)?, &input).map_or(0, |made| made.len());
        let recorded = case["machineConfigs"].as_array().map_or(0, Vec::len);
        // One is accepted on purpose where the recorded program fails.
        assert!(made == recorded || recorded == 0, "{}", case["case"]);
        count += 1;
    }
    let (wall, worked) = (start.elapsed(), on_processor().saturating_sub(before));
    let figure = format!("{} ({})", millis(wall), millis(worked));
    row(&format!("{count} recorded cases of templates, a process"), &figure, "1,500 ms");
    row("its memory at most", &mebibytes(peak("self")?), "60 MiB");
    Ok(())
}

/// `weir bootstrap` of three pools, with the recorded tree of templates.
fn bootstrap(binary: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (manifests, templates) = (folder.path().join("manifests"), folder.path().join("templates"));
    let files: BTreeMap<String, String> = serde_json::from_slice(&std::fs::read(golden().join("tree-main.json"))?)?;
    for (path, text) in &files {
        let path = templates.join(path);
        std::fs::create_dir_all(path.parent().ok_or("a folder")?)?;
        std::fs::write(path, text)?;
    }
    let cases = std::fs::read_to_string(golden().join("template-controller.jsonl"))?;
    let case: Value = serde_json::from_str(cases.lines().next().ok_or("no case")?)?;
    let mut config = case["controllerConfig"].clone();
    // Given to the recorded program past the API, which takes no null there.
    config["spec"].as_object_mut().ok_or("a spec")?.retain(|_, value| !value.is_null());
    let gates = json!([{"version": "0.0.1-snapshot", "enabled": [{"name": "A"}], "disabled": [{"name": "B"}]}]);
    let gates = json!({
        "apiVersion": "config.openshift.io/v1", "kind": "FeatureGate", "metadata": {"name": "cluster"},
        "status": {"featureGates": gates},
    });
    let pool = |name: &str| {
        let roles = if name == "infra" { vec!["worker", name] } else { vec![name] };
        let wants = json!({"matchExpressions": [{"key": ROLE, "operator": "In", "values": roles}]});
        json!({"apiVersion": VERSION, "kind": "MachineConfigPool", "metadata": {"name": name}, "spec": {"machineConfigSelector": wants}})
    };
    std::fs::create_dir(&manifests)?;
    let objects = [config, gates, pool("master"), pool("worker"), pool("infra")];
    for (number, object) in objects.iter().enumerate() {
        std::fs::write(manifests.join(format!("{number}.json")), object.to_string())?;
    }
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson", "metadata": {"name": "pull-secret"},
        "stringData": {".dockerconfigjson": case["pullSecret"]},
    });
    std::fs::write(folder.path().join("pull.json"), secret.to_string())?;
    let (mut most, mut failed) = (0, None);
    let wall = median_of(|| match bootstrapped(binary, folder.path()) {
        Ok((wall, kib)) => {
            most = most.max(kib);
            wall
        }
        Err(error) => {
            failed = Some(error);
            Duration::ZERO
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    row("weir bootstrap, 3 pools, the recorded templates", &millis(wall), "100 ms");
    row("its memory at most", &mebibytes(most), "25 MiB");
    Ok(())
}

/// How long it takes, and its peak of resident memory in KiB: what was last seen of it, looking all the time. The peak only ever grows, and
/// nothing is left of it once the process has ended.
fn bootstrapped(binary: &Path, folder: &Path) -> Result<(Duration, u32)> {
    let start = Instant::now();
    let mut child = Command::new(binary)
        .current_dir(folder)
        .args(["bootstrap", "--manifest-dir", "manifests", "--dest-dir", "out", "--pull-secret", "pull.json"])
        .args(["--templates", "templates"])
        .stderr(Stdio::null())
        .spawn()?;
    let own = child.id().to_string();
    let mut most = 0;
    let status = loop {
        most = most.max(peak(&own).unwrap_or_default());
        if let Some(status) = child.try_wait()? {
            break status;
        }
    };
    let wall = start.elapsed();
    let made = std::fs::read_dir(folder.join("out/machine-configs"))?.count();
    if !status.success() || made != 3 {
        return Err(format!("weir bootstrap made {made} MachineConfigs").into());
    }
    std::fs::remove_dir_all(folder.join("out"))?;
    Ok((wall, most))
}

/// `weir render` of three pools with 30 MachineConfigs each.
fn program(binary: &Path) -> Result<()> {
    let mut items = vec![json!({
        "apiVersion": VERSION, "kind": "ControllerConfig", "metadata": {"name": "machine-config-controller"},
        "spec": {"baseOSContainerImage": "registry.example.com/os@sha256:1"},
    })];
    for role in ["master", "worker", "infra"] {
        let selector = json!({"matchLabels": {ROLE: role}});
        let spec = json!({ "machineConfigSelector": selector });
        items.push(
            json!({"apiVersion": VERSION, "kind": "MachineConfigPool", "metadata": {"name": role}, "spec": spec}),
        );
        for number in 0..SMALL_CONFIGS {
            items.push(serde_json::to_value(config(role, number, SMALL_FILES))?);
        }
    }
    let file = tempfile::NamedTempFile::new()?;
    serde_json::to_writer(&file, &json!({"apiVersion": "v1", "kind": "List", "items": items}))?;
    let mut most = 0;
    let mut failed = None;
    let printed = Command::new(binary).args(["render", "-f"]).arg(file.path()).output()?.stdout.len();
    let wall = median_of(|| match run(binary, file.path(), printed) {
        Ok((wall, kib)) => {
            most = most.max(kib);
            wall
        }
        Err(error) => {
            failed = Some(error);
            Duration::ZERO
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let size = file.as_file().metadata()?.len() >> 10;
    row(&format!("weir render, 3 pools of 30 MachineConfigs of 5 files ({size} KiB)"), &millis(wall), "30 ms");
    row("its memory at most", &mebibytes(most), "20 MiB");
    Ok(())
}

/// How long it takes, and its peak of resident memory in KiB. The end of what it prints is more than a pipe holds: it waits
/// to be read when it has made everything, and is looked at then.
fn run(binary: &Path, manifests: &Path, printed: usize) -> Result<(Duration, u32)> {
    let start = Instant::now();
    let mut child = Command::new(binary).args(["render", "-f"]).arg(manifests).stdout(Stdio::piped()).spawn()?;
    let mut stdout = child.stdout.take().ok_or("stdout is piped")?;
    let mut most = vec![0; printed.saturating_sub(2 * PIPE)];
    stdout.read_exact(&mut most)?;
    let peak = peak(&child.id().to_string())?;
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest)?;
    if !child.wait()?.success() || rest.len() < PIPE {
        return Err(format!("it printed {} bytes", rest.len()).into());
    }
    Ok((start.elapsed(), peak))
}

/// Peak of a process's resident memory in KiB.
fn peak(process: &str) -> Result<u32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn mebibytes(kib: u32) -> String {
    format!("{:.1} MiB", f64::from(kib) / 1024.0)
}

/// How long this process has been on a processor: what is left of a figure when others want the processors as well.
fn on_processor() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

fn median_of(mut once: impl FnMut() -> Duration) -> Duration {
    let mut all: Vec<Duration> = (0..RUNS).map(|_| once()).collect();
    all.sort();
    all[RUNS / 2]
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
